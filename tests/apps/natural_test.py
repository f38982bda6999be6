#!/usr/bin/env python3
"""lab natural: pictures that are wrong by themselves are drawn, diagnosed and treated, and a lab that was stopped goes on."""
import json
import unittest
import sys

from command_line import CommandLineTest


class Natural(CommandLineTest):
    def natural(self, out, *args, status=0):
        done = self.call("lab", "natural", "signs-nano", "--tasks", "two", "--counterfactuals", "8", "--out", out, "--json", *args, status=status)
        return json.loads(done.stdout) if status == 0 else done.stderr.decode()

    def cases(self, out):
        return [json.loads(line) for line in (out / "cases-1-of-1.jsonl").read_text().splitlines()]

    def test_wrong_pictures_are_diagnosed_and_treated(self):
        out = self.dir / "out"
        report = self.natural(out, "--count", "2", "--controls", "1")
        wrong = [c for c in self.cases(out) if c["tested"] and not c["right"]]
        self.assertEqual((report["finished"], report["failures"], len(wrong)), (True, 2, 2))
        for c in wrong:
            self.assertTrue(c["reasons"])
            self.assertGreater(len({t["subsystem"] for t in c["trials"]}), 3)
            self.assertTrue(all(t["moved"] > 0 for t in c["shams"]), c["shams"])
            self.assertEqual(c["failed"], "")
            self.assertTrue((out / "pictures" / (c["id"] + ".png")).exists())
        self.assertIn("data:image/png", (out / "cases.html").read_text())
        self.assertFalse(list(out.glob("scratch-*")))
        before = self.cases(out)
        self.assertEqual(self.natural(out, "--count", "3", "--controls", "1")["failures"], 3)
        self.assertEqual(self.cases(out)[:len(before)], before)   # goes on where it was, and repeats nothing

    def test_a_line_that_a_kill_cut_off_is_made_anew(self):
        out = self.dir / "out"
        self.natural(out, "--count", "1", "--controls", "0")
        file, first = out / "cases-1-of-1.jsonl", self.cases(out)
        file.write_bytes(file.read_bytes()[:-20])
        self.natural(out, "--count", "1", "--controls", "0")
        for a, b in zip(first, self.cases(out)):
            for clock in ("seconds", "sentence"):   # the sentence says what the cure costs
                a.pop(clock), b.pop(clock)
            self.assertEqual(a, b)

    def test_other_plans_and_wrong_arguments_are_refused(self):
        out = self.dir / "out"
        self.natural(out, "--count", "1", "--controls", "0", "--budget", "0.0001")
        self.assertIn("another plan", self.call("lab", "natural", "signs-nano", "--tasks", "single", "--out", out, status=1).stderr.decode())
        self.assertIn("--out", self.call("lab", "natural", "signs-nano", status=2).stderr.decode())
        self.assertIn("known tasks", self.call("lab", "natural", "signs-nano", "--tasks", "dancing", "--out", self.dir / "x", status=2).stderr.decode())
        self.assertIn("i/n", self.call("lab", "natural", "signs-nano", "--shard", "3/2", "--out", self.dir / "x", status=2).stderr.decode())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
