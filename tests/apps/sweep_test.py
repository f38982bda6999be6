#!/usr/bin/env python3
"""A sweep killed three times and resumed tells the same as one that was left alone, and its cells are the same bytes as runs by themselves.

sweep_test.py BINARY SOURCE          a small grid
sweep_test.py BINARY SOURCE whole    5 schedulers x 4 step counts x 4 guidances x 8 seeds
"""
import json
import signal
import subprocess
import sys
import time
import unittest

from command_line import BINARY, CommandLineTest

PROMPT = "a red circle left of a blue square"
SMALL = {"schedulers": "dpmpp-2m,euler-ancestral", "steps": "3,5", "guidance": "2,8", "seeds": "0..1"}
WHOLE = {"schedulers": "dpmpp-2m,euler,heun,ddim,euler-ancestral", "steps": "4,8,16,24", "guidance": "1,3,6,12", "seeds": "0..7"}
CLOCK = {"time_ms", "time_denoise_ms", "time_ratio"}   # what a clock says differs from call to call


def without_clock(value):
    if isinstance(value, dict):
        return {k: without_clock(v) for k, v in value.items() if k not in CLOCK}
    return [without_clock(v) for v in value] if isinstance(value, list) else value


class Sweep(CommandLineTest):
    grid = SMALL

    def arguments(self):
        return [PROMPT, "--models", "signs-nano", *(x for k, v in self.grid.items() for x in (f"--{k}", v))]

    def cells(self):
        count = lambda text: len(text.split(","))
        first, last = map(int, self.grid["seeds"].split(".."))
        return count(self.grid["schedulers"]) * count(self.grid["steps"]) * count(self.grid["guidance"]) * (last - first + 1)

    def lines(self, out):
        file = out / "cells.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def killed_after(self, out, cells):
        """Starts or goes on with the sweep, and kills the process once so many cells are done."""
        args = ["--resume", out] if self.lines(out) else [*self.arguments(), "--out", out]
        process = subprocess.Popen([BINARY, "sweep", *map(str, args)], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self.lines(out) < cells:
            self.assertIsNone(process.poll(), "the sweep ended before it was killed")
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertLess(self.lines(out), self.cells())

    def whole(self, out, *args):
        done = self.call("sweep", *args, timeout=5400)
        report = json.loads((out / "report.json").read_text())
        self.assertEqual([c["cell"] for c in report["cells"]], list(range(self.cells())), done.stderr)
        return report

    def test_killed_three_times_it_tells_the_same(self):
        left_alone, killed = self.dir / "alone", self.dir / "killed"
        report = self.whole(left_alone, *self.arguments(), "--out", left_alone)
        for k in (1, 2, 3):
            self.killed_after(killed, k * self.cells() // 5)
        again = self.whole(killed, "--resume", killed)
        self.assertEqual(without_clock(report), without_clock(again))
        for cell in report["cells"]:
            image = cell["run"] + "/image-0.png"
            self.assertEqual((left_alone / image).read_bytes(), (killed / image).read_bytes(), cell)

    def test_cells_are_the_bytes_of_runs_by_themselves(self):
        out = self.dir / "swept"
        report = self.whole(out, *self.arguments(), "--out", out)
        for cell in report["cells"][::max(1, self.cells() // 8)]:
            e, alone = cell["executed"], self.dir / f"cell-{cell['cell']}"
            self.call("generate", PROMPT, "--model", "signs-nano", "--scheduler", e["scheduler"], "--steps", e["steps"], "--guidance", e["guidance"], "--seed", e["seed"], "--out", alone)
            for name in ("image-0.png", "latents.safetensors", "maps.safetensors"):
                self.assertEqual((out / cell["run"] / name).read_bytes(), (alone / name).read_bytes(), (cell["cell"], name))


if __name__ == "__main__":
    if sys.argv[3:] == ["whole"]:
        Sweep.grid = WHOLE
    unittest.main(argv=sys.argv[:1])
