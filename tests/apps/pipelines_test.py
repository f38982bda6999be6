#!/usr/bin/env python3
"""safelight run with the models here: drawn, judged by diagnosis, enlarged, lettered, approved by a person, delivered."""
import json
import pathlib
import sys
import unittest

from command_line import CommandLineTest
from pictures import Picture

SOURCE = pathlib.Path(sys.argv[2])
STAGES = """
[[stage]]
name = "draw"
kind = "generate"
count = 1
seed = 7

[[stage]]
name = "look"
kind = "check"
min_contrast = 4

[[stage]]
name = "enlarge"
kind = "upscale"
scale = 4

[[stage]]
name = "letters"
kind = "typography"
texts = ["OPEN"]
limit = "overlay"

[[stage]]
name = "choose"
kind = "approve"
question = "Shall it go out?"

[[stage]]
name = "write"
kind = "deliver"
file = "sign.png"
"""


class Pipelines(CommandLineTest):
    def file(self, prompt, stages=STAGES):
        path = self.dir / "pipeline.toml"
        path.write_text(f'name = "sign"\nprompt = "{prompt}"\n{stages}')
        return path

    def test_from_the_prompt_to_the_delivery(self):
        run = json.loads(self.call("run", self.file("a large red circle on a gray background"), "--json").stdout)
        states = {s["stage"]: s["state"] for s in run["stages"]}
        self.assertEqual(states["letters"], "done")
        self.assertEqual(states["choose"], "waiting")
        self.call("approve", run["run"])
        delivered = list(self.dir.rglob("sign.png"))
        self.assertEqual(len(delivered), 1)
        drawn = run["stages"][0]["outputs"][0]["width"]
        self.assertEqual(Picture(delivered[0]).width, 4 * drawn)
        check = json.loads(self.call("text", "check", delivered[0], "--text", "OPEN", "--json").stdout)
        self.assertTrue(check["exact"], check)

    def test_the_example_with_typography_is_valid(self):
        plan = self.call("run", "--plan", SOURCE / "docs" / "pipeline-examples" / "with-typography" / "shop-sign.toml").stdout.decode()
        self.assertIn("letters (typography)", plan)

    def test_wrong_settings_are_explained(self):
        broken = STAGES.replace('limit = "overlay"', 'limit = "magic"')
        self.assertIn("same_style, contrast, plate, overlay", self.call("run", self.file("a red circle", broken), status=2).stderr.decode())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
