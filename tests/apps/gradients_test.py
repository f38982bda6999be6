#!/usr/bin/env python3
"""What a score hangs on: what the gradient says is what a real change does, for every score; and bad questions are told."""
import json
import pathlib
import sys
import unittest

from command_line import CommandLineTest

PROMPT = "a red circle left of a blue square"


class Gradients(CommandLineTest):
    def setUp(self):
        super().setUp()
        self.run_dir = self.dir / "run"
        self.call("generate", PROMPT, "--seed", "3", "--guidance", "25", "--out", self.run_dir)

    def ask(self, *args):
        return json.loads(self.call("gradients", self.run_dir, "--json", *args).stdout)

    def test_a_real_change_moves_every_score_as_its_gradient_says(self):
        for score in ("clipping", "saturation", "contrast", "brightness", "grain", "guidance-push", "latent-spread"):
            for step in ("4", "15"):
                found = self.ask("--score", score, "--step", step)
                if score == "clipping" and found["value"] == 0:   # nothing lies beyond what a picture shows, and nothing small can change that
                    self.assertEqual((found["checks"], max(found["map"])), ([], 0))
                    continue
                self.assertTrue(found["checks"], score)
                for check in found["checks"]:
                    with self.subTest(score=score, step=step, moved=check["name"]):
                        self.assertAlmostEqual(check["measured"], check["predicted"], delta=0.1 * abs(check["predicted"]) + 1e-6)
                self.assertEqual([t["name"] for t in found["tokens"] if not t["name"].startswith("(")], PROMPT.split())
                self.assertGreater(max(found["map"]), 0)

    def test_attention_to_a_word_hangs_on_that_word(self):
        for word in ("circle", "square"):
            found = self.ask("--word", word, "--step", "8")
            self.assertEqual(found["score"], "word-attention")
            order = sorted(found["tokens"], key=lambda t: -t["per_percent"])
            self.assertIn(word, [t["name"] for t in order[:3]])

    def test_a_region_is_another_question(self):
        whole, left = self.ask("--score", "contrast", "--step", "10"), self.ask("--score", "contrast", "--step", "10", "--region", "0,0,32,64")
        self.assertNotEqual(whole["value"], left["value"])
        width = left["map_width"]
        rows = [left["map"][i:i + width] for i in range(0, len(left["map"]), width)]
        half = width // 2
        self.assertGreater(sum(sum(r[:half]) for r in rows), sum(sum(r[half:]) for r in rows))

    def test_the_run_is_left_as_it_was_and_the_page_stands_by_itself(self):
        before = {p.name: p.read_bytes() for p in self.run_dir.iterdir()}
        page = self.dir / "gradients.html"
        text = self.call("gradients", self.run_dir, "--score", "contrast", "--out", page).stdout.decode()
        self.assertIn("really moved by 0.01 %", text)
        self.assertEqual(before, {p.name: p.read_bytes() for p in self.run_dir.iterdir()})
        markup = page.read_text()
        self.assertIn("data:image/png;base64", markup)
        self.assertNotIn("http://", markup)

    def test_bad_questions_are_told(self):
        for args, word in ((("--score", "beauty"), "known: clipping"), (("--word", "triangle"), "no word 'triangle'"), (("--step", "400"), "steps 0 to 19"),
                           (("--score", "contrast", "--region", "60,60,40,40"), "does not lie"), (("--score", "contrast", "--region", "here"), "x,y,w,h"),
                           (("--score", "word-attention",), "give one of its words")):
            with self.subTest(args=args):
                self.assertIn(word, self.call("gradients", self.run_dir, *args, status=2).stderr.decode())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
