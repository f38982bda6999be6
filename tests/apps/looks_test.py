#!/usr/bin/env python3
"""diagnose --looks SYMPTOM --region x,y,w,h: a person's eyes lead to the subsystem, on faults that were planted."""
import json
import sys
import unittest

from command_line import CommandLineTest
from pictures import Picture

PROMPT = "a large red circle on a gray background"


class Looks(CommandLineTest):
    def run_of(self, name, *args, prompt=PROMPT):
        self.call("generate", prompt, "--model", "signs-nano", "--seed", "5", "--out", self.dir / name, *args)
        return self.dir / name

    def verdict(self, what, symptom, region, *args):
        return json.loads(self.call("diagnose", what, "--looks", symptom, "--region", region, "--json", *args).stdout)["verdict"]

    def altered(self, change):
        file = self.dir / "altered.png"
        Picture(self.run_of("made") / "image-0.png").changed(change).write(file)
        return file

    def test_banding_put_in_after_the_pipeline_is_postprocess(self):
        v = self.verdict(self.altered(lambda v, x, y: round(v / 51) * 51), "banding", "0,0,64,30")
        self.assertEqual((v["subsystem"], v["cause"]), ("postprocess", "pixels-changed"), v["sentence"])
        self.assertGreater(v["looks"]["score"], 0.9)
        self.assertEqual([v["looks"][k] for k in ("x", "y", "width", "height")], [0, 0, 64, 30])

    def test_a_seam_put_in_after_the_pipeline_is_postprocess(self):
        v = self.verdict(self.altered(lambda v, x, y: v + (14 if x >= 40 else 0)), "seams", "20,0,44,64")
        self.assertEqual(v["subsystem"], "postprocess", v["sentence"])
        self.assertGreater(v["looks"]["score"], 0.4)

    def test_blur_of_too_few_steps_is_cured_in_the_region(self):
        v = self.verdict(self.run_of("few", "--steps", "2"), "blur", "10,10,40,40")
        self.assertEqual((v["subsystem"], v["trigger"]), ("scheduler", "scheduler"), v["sentence"])
        cure = next(c for c in v["counterfactuals"] if c["cures"])
        self.assertIn("blur in the region 10,10,40,40", v["sentence"])
        self.assertTrue(all(after < 0.4 for after in cure["after"]) and cure["before"][0] > 0.9)

    def test_a_lost_object_leads_to_attention(self):
        off = json.dumps({"attention": [{"steps": {"from": 2}, "factor": 0.0}]})
        v = self.verdict(self.run_of("lost", "--interventions", off), "missing", "8,8,48,48")
        self.assertEqual(v["subsystem"], "cross-attention", v["sentence"])
        self.assertEqual(v["step"], 2)

    def test_the_words_of_the_region_are_named(self):
        v = self.verdict(self.run_of("fine", prompt="a red circle left of a blue square"), "noise", "2,16,28,32")
        self.assertIn("circle", [w["word"] for w in v["looks"]["words"]])

    def test_what_is_not_there_is_not_found(self):
        v = self.verdict(self.run_of("fine"), "blur", "10,10,40,40")
        self.assertTrue(v["healthy"], v["sentence"])
        self.assertTrue(any("is not seen by its measures" in n for n in v["notes"]), v["notes"])

    def test_without_reruns_it_is_measured_and_not_judged(self):
        v = self.verdict(self.run_of("fine"), "colour", "10,10,40,40", "--counterfactuals", "0")
        self.assertIsNone(v["looks"]["score"])
        self.assertTrue(v["looks"]["evidence"])

    def test_wrong_arguments_are_explained(self):
        run = self.run_of("fine")
        for args, words in (((run, "--looks", "ugly"), "known: text, banding"), ((run, "--looks", "blur", "--region", "1,2,3"), "x,y,w,h"),
                            ((run, "--looks", "blur", "--region", "1,2,300,20"), "64 x 64"), ((run, "--region", "1,2,30,20"), "--looks"),
                            ((run, "--looks", "blur", "--region", "1,2,3,3"), "at least 8"), ((run, "--looks", "blur", "--region", "1,2,30,20,9"), "x,y,w,h")):
            self.assertIn(words, self.call("diagnose", *args, status=2).stderr.decode())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
