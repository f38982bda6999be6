#!/usr/bin/env python3
"""A representative part of the assay: half of the kinds of fault, each planted once in the smallest model, beside as many clean runs."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BINARY, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])


def assay(out, count, *more):
    return [BINARY, "lab", "assay", "signs-nano", "--count", str(count), "--seed", "11", "--counterfactuals", "6", "--out", str(out), "--json", *more]


def scores(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Assay(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = pathlib.Path(self.folder.name)

    def test_most_faults_are_found_and_healthy_runs_are_left_alone(self):
        faults = len(json.loads(subprocess.run([BINARY, "lab", "assay", "signs-nano", "--list", "--json"], capture_output=True, text=True, check=True).stdout)["faults"]) // 2
        report = scores(assay(self.out, faults))
        self.assertEqual(report["faulty_runs"], faults)
        self.assertEqual(report["diagnoses_that_failed"], 0)
        found = report["all"]["with_counterfactuals"]
        self.assertGreaterEqual(found["subsystem_top1"]["share"], 0.85, json.dumps(report["faults"], indent=1))
        self.assertGreaterEqual(found["step_within_one"]["share"], 0.75)
        self.assertLessEqual(found["false_alarms"]["right"], 2, json.dumps(report["clean_kinds"], indent=1))
        self.assertGreater(found["subsystem_top1"]["share"], 0.3 + report["all"]["strategies"]["blind_swapping"]["share"])
        self.assertTrue((self.out / "confusion.svg").read_text().startswith("<svg"))

    def test_a_killed_assay_goes_on_where_it_was(self):
        process = subprocess.Popen(assay(self.out / "killed", 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = self.out / "killed" / "runs-1-of-1.jsonl"
        while process.poll() is None and (not lines.exists() or lines.read_text().count("\n") < 3):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        first = lines.read_text().splitlines()[:3]
        after, whole = scores(assay(self.out / "killed", 4)), scores(assay(self.out / "whole", 4))
        self.assertEqual(lines.read_text().splitlines()[:3], first)
        self.assertEqual(after["confusion"], whole["confusion"])
        self.assertEqual(after["faulty_runs"], 4)
        page = self.out / "page"
        scores(assay(self.out / "whole", 4, "--page", str(page)))
        text = (page / "assay.md").read_text()
        self.assertIn("4 runs with a fault and 4 without", text)
        for fault in whole["faults"]:
            self.assertIn("| " + fault["fault"], text)
        self.assertEqual((page / "confusion.svg").read_text(), (self.out / "whole" / "confusion.svg").read_text())


if __name__ == "__main__":
    os.environ.pop("SAFELIGHT_RUNS", None)
    unittest.main(argv=[sys.argv[0]], verbosity=2)
