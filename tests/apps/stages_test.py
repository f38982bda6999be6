#!/usr/bin/env python3
"""In a cascade the verdict names the stage that broke: the first one, or the one that worked on what it left."""
import json
import pathlib
import shutil
import sys
import unittest

from command_line import CommandLineTest

SOURCE = pathlib.Path(sys.argv[2])
PROMPT = "a large red circle on a gray background"


class Stages(CommandLineTest):
    def verdict(self, refiner, *args):
        out = self.dir / "run"
        self.call("generate", PROMPT, "--model", "signs-nano", "--seed", "5", "--refiner", refiner, "--refine-at", "0.5", "--out", out, *args)
        return json.loads(self.call("diagnose", out, "--json").stdout)["verdict"]

    def test_two_healthy_stages(self):
        v = self.verdict(SOURCE / "models" / "signs-nano")
        self.assertTrue(v["healthy"], v["sentence"])
        self.assertTrue(any("first stage" in n and "healthy" in n for n in v["notes"]), v["notes"])

    def test_what_the_first_stage_spoiled_is_its_own(self):
        push = json.dumps({"attention": [{"steps": {"from": 2}, "factor": 0.0}]})
        v = self.verdict(SOURCE / "models" / "signs-nano", "--interventions", push)
        self.assertEqual((v["stage"], v["subsystem"]), ("base", "cross-attention"), v["sentence"])

    def test_a_broken_refiner_is_named(self):
        broken = self.dir / "broken"
        shutil.copytree(SOURCE / "models" / "signs-nano", broken)
        config = json.loads((broken / "vae" / "config.json").read_text())
        config["scaling_factor"] *= 2
        (broken / "vae" / "config.json").write_text(json.dumps(config))
        v = self.verdict(broken)
        self.assertEqual((v["stage"], v["subsystem"]), ("refiner", "configuration"), v["sentence"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
