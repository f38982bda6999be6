#!/usr/bin/env python3
"""safelight lab flows: the fast mode against the faithful one, killed on the way and gone on with."""
import hashlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

from command_line import BINARY, CommandLineTest
from pictures import Picture

SOURCE = pathlib.Path(sys.argv[2])
COUNT = 12


class Flows(CommandLineTest):
    def command(self, out, *args):
        return ("lab", "flows", "--fast", "signs-nano:3", "--faithful", "signs-nano", "--count", COUNT, "--out", out, "--threads", 1, "--json", *args)

    def measured(self, out, *args):
        return json.loads(self.call(*self.command(out, *args)).stdout)

    def pictures(self, out):
        return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in (out / "pictures").iterdir()}

    def test_both_modes_on_the_same_prompts(self):
        out = self.dir / "flows"
        said = self.measured(out)
        self.assertEqual((said["pairs"], said["of_pairs"], said["finished"]), (COUNT, COUNT, True))
        self.assertEqual(json.loads((out / "flows.json").read_text()), said)
        fast, faithful = said["modes"]["fast"], said["modes"]["faithful"]
        self.assertEqual((fast["settings"]["steps"], fast["settings"]["filter"]["denoise"]), (3, 6))
        self.assertEqual((faithful["settings"]["steps"], faithful["settings"]["filter"]), (20, {"denoise": 0, "deband": 0, "sharpen": 0}))
        for mode in (fast, faithful):
            self.assertEqual((mode["ms"]["of"], mode["all"]["right"]["of"]), (COUNT, COUNT))
            self.assertLessEqual(mode["ms"]["low"], mode["ms"]["median"])
            self.assertLess(mode["all"]["right"]["low"], mode["all"]["right"]["high"])
            self.assertIsNone(mode["words_exact"])   # this world has no signs
        # The lines that were kept say the same.
        lines = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
        self.assertEqual([line["key"]["seed"] for line in lines], list(range(COUNT)))
        for name, mode in (("fast", fast), ("faithful", faithful)):
            self.assertEqual(sum(line[name]["right"] for line in lines), mode["all"]["right"]["right"])
        right = [(line["fast"]["right"], line["faithful"]["right"]) for line in lines]
        paired = said["paired"]["right"]
        self.assertEqual([paired[k] for k in ("both", "only_fast", "only_faithful", "neither")], [right.count(p) for p in ((True, True), (True, False), (False, True), (False, False))])
        self.assertAlmostEqual(paired["fast_less_faithful"]["mean"], sum(a - b for a, b in right) / COUNT)
        self.assertEqual(len({line["key"]["task"] for line in lines}), len(faithful["tasks"]))
        page = (out / "flows.html").read_text()
        self.assertEqual(page.count("data:image/png;base64,"), 2 * COUNT)
        self.assertEqual([p for p in re.findall(r'(?:src|href)="([^"]*)"', page) if not p.startswith("data:")], [])
        places = [page.index(f", seed {i}<") if f", seed {i}<" in page else page.index(f", seed {i},") for i in range(COUNT)]
        self.assertEqual(places, sorted(places))

    def test_killed_it_goes_on_and_ends_with_the_same_pictures(self):
        whole, out = self.dir / "whole", self.dir / "killed"
        self.measured(whole)
        child = subprocess.Popen([BINARY, *map(str, self.command(out))], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = out / "pairs.jsonl"
        while child.poll() is None and (not lines.exists() or lines.read_text().count("\n") < 3):
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        self.assertEqual(child.wait(), -signal.SIGKILL, "it ended before it could be killed")
        kept = lines.read_text().splitlines()
        with lines.open("a") as file:
            file.write('{"key": {"cut off')
        said = self.measured(out)
        self.assertTrue(said["finished"])
        self.assertEqual(lines.read_text().splitlines()[:len(kept)], kept)
        self.assertEqual(self.pictures(out), self.pictures(whole))
        before = lines.read_bytes()
        self.measured(out)
        self.assertEqual(lines.read_bytes(), before)   # nothing is drawn again
        (out / "pictures" / "fast-4.png").unlink()
        self.assertTrue(self.measured(out)["finished"])
        self.assertEqual(self.pictures(out), self.pictures(whole))
        self.measured(out, "--sharpen", 1)             # another fast mode is measured anew
        self.assertNotEqual(self.pictures(out), self.pictures(whole))
        self.measured(out)                             # whose pictures are not taken for those of the first
        self.assertEqual(self.pictures(out), self.pictures(whole))

    def test_a_mode_may_enlarge_draw_larger_and_write_words_anew(self):
        out = self.dir / "modes"
        said = json.loads(self.call("lab", "flows", "--fast", "signs-base:4+signs-up-latent", "--faithful", "signs-base:4@256", "--tasks", "text", "--count", 2, "--fix-text", "contrast", "--out", out, "--json").stdout)
        fast, faithful = (said["modes"][mode]["settings"] for mode in ("fast", "faithful"))
        self.assertEqual((fast["upscaler"], fast["width"], fast["fix_text"]), ("signs-up-latent", 128, "contrast"))
        self.assertEqual((faithful["upscaler"], faithful["width"], faithful["fix_text"]), ("", 256, ""))
        for name in self.pictures(out):
            self.assertEqual(Picture(out / "pictures" / name).width, 256)
        self.assertIsNotNone(said["paired"]["words_exact"])

    def test_bad_input_is_told(self):
        out = self.dir / "bad"
        for words, args, status in (("1 to 1000 steps", ("--fast", "signs-nano:0"), 2), ("not known", ("--fast", "signs-none:4"), 1), ("another world", ("--fast", "signs-nano:4"), 1), ("does not enlarge", ("--fast", "signs-base+signs-fast"), 1), ("1 to 4096", ("--fast", "signs-base@0"), 2),
                                    ("unknown limit", ("--fix-text", "all"), 2),
                                    ("denoise", ("--denoise", 100), 2), ("prompts; use fewer", ("--fast", "signs-nano:4", "--faithful", "signs-nano", "--count", 90000), 2), ("magic", ("--tasks", "magic"), 2)):
            self.assertIn(words, self.call("lab", "flows", "--out", out, *args, status=status).stderr.decode())
            self.assertFalse((out / "pairs.jsonl").exists(), words)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
