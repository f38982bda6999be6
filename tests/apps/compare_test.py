#!/usr/bin/env python3
"""compare, and the pages of comparisons and sweeps, on the embedded model."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

from command_line import CommandLineTest

BINARY, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
PROMPT = "a red circle left of a blue square"


class Compare(CommandLineTest):
    def generate(self, name, *args, prompt=PROMPT, seed="7"):
        self.call("generate", prompt, "--seed", seed, "--out", str(self.dir / name), *args)
        return str(self.dir / name)

    def compare(self, first, second, *args):
        return json.loads(self.call("compare", first, second, "--json", *args).stdout)

    def settings(self, comparison):
        return [p["path"] for p in comparison["parameters"] if not p["measured"]]

    def data_of(self, page):
        text = pathlib.Path(page).read_text()
        start = text.index('id="safelight-data">') + len('id="safelight-data">')
        return json.loads(text[start:text.index("</script>", start)])

    def test_equal_requests_do_not_part(self):
        c = self.compare(self.generate("a"), self.generate("b"))
        self.assertEqual((c["parting"]["step"], c["same_bytes"], c["parameters"], c["missing"]), (-1, True, [], []))
        self.assertEqual(c["final_distance"], 0)

    def test_the_step_of_an_intervention_is_where_they_part(self):
        for step in (3, 11):
            push = json.dumps({"latents": [{"steps": {"from": step}, "channel": 2, "amount": 0.3}]})
            c = self.compare(self.generate(f"a{step}"), self.generate(f"b{step}", "--interventions", push))
            self.assertEqual(c["parting"]["step"], step)
            self.assertTrue(all(l["distance"] == 0 for l in c["latents"] if l["steps_first"] <= step), c["latents"])
            self.assertGreater(c["latents"][-1]["distance"], 0.05)
            self.assertEqual(self.settings(c), ["interventions.latents"])

    def test_guidance_that_differs_from_a_step_on_is_seen_from_there(self):
        change = json.dumps({"guidance_steps": {"from": 0, "to": 8}})
        c = self.compare(self.generate("a"), self.generate("b", "--interventions", change))
        self.assertEqual(c["parting"]["step"], 8)
        self.assertTrue(any(s["name"] == "guidance.scale" and s["relative"] > 0.1 for s in c["series"]))

    def test_one_word_is_named_and_matched(self):
        c = self.compare(self.generate("a"), self.generate("b", prompt=PROMPT.replace("red", "green")))
        self.assertEqual(self.settings(c), ["resolved.prompt"])
        replaced = [w for w in c["words"] if w["match"] == "replaced"]
        self.assertEqual([(w["first"], w["second"]) for w in replaced], [("red", "green")])
        self.assertEqual(len(c["words"]), len(PROMPT.split()))
        self.assertEqual((c["sensitivity"]["words_changed"], c["sensitivity"]["words"]), (1, 8))
        self.assertGreater(c["sensitivity"]["move"], 0)
        self.assertGreater(c["sensitivity"]["high"], 0)
        p = c["pictures"][0]
        self.assertAlmostEqual(sum(p["grid"]) / len(p["grid"]), p["mean"], places=6)   # its parts are equally large
        self.assertGreater(p["changed"], 0.05)

    def test_another_seed_parts_them_at_the_noise_and_says_nothing_of_the_wording(self):
        c = self.compare(self.generate("a"), self.generate("b", seed="8"))
        self.assertEqual((c["parting"]["step"], c["parting"]["by"]), (0, "initial noise"))
        self.assertEqual(c["sensitivity"]["brittle"], "unknown")
        self.assertIn("resolved.seed", c["sensitivity"]["why"])

    def test_other_schedules_solvers_and_models_are_compared_as_far_as_it_goes(self):
        first = self.generate("a")
        steps = self.compare(first, self.generate("b", "--steps", "10", "--scheduler", "euler"))
        self.assertFalse(steps["same_schedule"])
        self.assertTrue(steps["latents_scaled"])
        self.assertEqual(len(steps["steps"]), 10)
        self.assertEqual(len(steps["pictures"]), 1)
        self.assertTrue(any("paired by timestep" in m for m in steps["missing"]))
        model = self.compare(first, self.generate("c", "--model", "signs-base", "--steps", "2"))
        self.assertIn("resolved.model", self.settings(model))
        self.assertTrue(any(p.startswith("weights.") for p in self.settings(model)))
        self.assertTrue(any(m.startswith("latents:") for m in model["missing"]))
        self.assertTrue(model["pictures"][0]["resized"])

    def test_latest_and_the_one_before_it_are_the_default(self):
        for seed in ("1", "2"):
            self.call("generate", PROMPT, "--seed", seed, "--steps", "2")
            time.sleep(1.1)   # ids tell runs apart by the second
        text = self.call("compare").stdout.decode()
        self.assertRegex(text, r"resolved.seed +1 -> 2")
        self.call("compare", "latest", "latest", status=2)
        self.call("compare", "latest~7", status=1)
        self.call("compare", "latest~x", status=1)
        self.call("report", "latest~1")

    def test_a_killed_run_is_compared_with_what_it_left(self):
        out = self.dir / "killed"
        process = subprocess.Popen([BINARY, "generate", PROMPT, "--seed", "7", "--steps", "1000", "--out", str(out)], env=self.env, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not ((out / "steps.jsonl").exists() and (out / "steps.jsonl").read_bytes().count(b"\n") > 20):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        page = self.dir / "page.html"
        c = self.compare(self.generate("a"), str(out), "--out", str(page))
        self.assertTrue(any("did not finish (running)" in m for m in c["missing"]))
        self.assertTrue(any(m.startswith("pictures: the second run has none") for m in c["missing"]))
        self.assertEqual(len(self.data_of(page)["runs"]), 2)

    def test_runs_without_pictures_or_probes_are_compared_in_the_rest(self):
        first, second = self.generate("a", "--probes", "none"), self.generate("b")
        os.remove(self.dir / "b" / "image-0.png")
        c = self.compare(first, second)
        self.assertTrue(any("its file is missing in the second run" in m for m in c["missing"]))
        self.assertTrue(any(m.startswith("series:") for m in c["missing"]))
        self.assertIn("resolved.probes", self.settings(c))

    def test_what_is_no_run_is_refused_clearly(self):
        run = self.generate("a")
        for other, word in (("none", b"is not there"), (str(SOURCE), b"is not there")):
            done = self.call("compare", run, other, status=1)
            self.assertIn(word, done.stderr)
        (self.dir / "broken").mkdir()
        (self.dir / "broken" / "run.json").write_text('{"format": "safelight-trace/1", "resolved": {"prompt": 5}}')
        self.assertIn(b"holds a record that is not a run's", self.call("compare", run, str(self.dir / "broken"), status=1).stderr)
        (self.dir / "broken" / "run.json").write_text('{"format"')
        self.call("compare", run, str(self.dir / "broken"), status=1)
        self.call("compare", run, str(self.dir / "a" / ".." / "a"), status=2)
        self.call("compare", run, self.generate("b"), "--out", str(self.dir / "nowhere" / "page.html"), status=1)

    def test_hostile_text_stays_text_in_the_page(self):
        hostile = 'a red circle <img src=x onerror="window.broken=1"></script><script>window.broken=1</script>'
        page = self.dir / "page.html"
        self.compare(self.generate("a", prompt=hostile), self.generate("b"), "--out", str(page))
        self.assertEqual(page.read_text().count("</script>"), 2)
        self.assertEqual(self.data_of(page)["comparison"]["first"]["prompt"], hostile)

    def test_a_sweep_has_a_page_with_the_way_to_every_cell(self):
        out = self.dir / "sweep"
        self.call("sweep", PROMPT, "--schedulers", "dpmpp-2m,euler", "--steps", "2,8", "--seeds", "0,1", "--out", str(out))
        sweep = self.data_of(out / "report.html")["sweep"]
        self.assertEqual(len(sweep["cells"]), 8)
        for cell in sweep["cells"]:
            self.assertTrue(cell["picture"].startswith("data:image/png;base64,"))
            self.assertEqual(cell["page"], f"{cell['run']}/report.html")
            self.assertEqual(self.data_of(out / cell["page"])["runs"][0]["id"], pathlib.Path(cell["run"]).name)
        # The same again from the directory, and elsewhere, where links still lead to the cells.
        other = self.dir / "elsewhere" / "page.html"
        other.parent.mkdir()
        self.call("report", str(out), "--out", str(other))
        link = self.data_of(other)["sweep"]["cells"][3]["page"]
        self.assertTrue((other.parent / link).exists(), link)
        self.call("report", str(out), str(out), status=2)
        (out / "report.json").unlink()
        self.assertIn(b"--resume", self.call("report", str(out), status=1).stderr)
        (out / "report.json").write_text('{"format": "safelight-sweep-report/1", "cells": [{"run": "../../etc"}, 3]}')
        self.call("report", str(out), status=1)

    def test_a_report_leads_to_its_counterfactuals(self):
        run = self.generate("a", "--guidance", "30", "--diagnose")
        data = self.data_of(json.loads(self.call("report", run, "--json").stdout)["report"])["runs"][0]
        cure = next(c for c in data["verdict"]["counterfactuals"] if c["cures"])
        for group in ("before_runs", "after_runs", "sham_runs"):
            self.assertEqual(len(cure[group]), len(cure["after"]))
            self.assertTrue(all(r["picture"] for r in cure[group]), group)
        for r in cure["after_runs"] + cure["before_runs"][1:]:
            self.assertEqual(self.data_of(self.dir / "a" / r["page"])["runs"][0]["id"], pathlib.Path(r["run"]).name)
        self.assertTrue(data["known_failures"] and data["known_failures"][0]["references"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
