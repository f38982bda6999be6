#!/usr/bin/env python3
"""diagnose --looks on signs-base: misaligned text, duplicated and detached parts, each planted in a picture whose objects are right."""
import json
import sys
import unittest

from command_line import CommandLineTest
from pictures import Picture

CIRCLE, SIGN, HEART = ("a red circle", 0), ('a sign with the word "GO"', 0), ("a yellow heart", 1)
DISC, BOARD = (28, 20, 88, 88), (0, 36, 124, 60)   # where the circle and the sign stand: x, y, w, h


class LooksBase(CommandLineTest):
    def run_of(self, name, what, *args):
        prompt, seed = what
        self.call("generate", prompt, "--model", "signs-base", "--seed", seed, "--out", self.dir / name, *args)
        return self.dir / name

    def verdict(self, what, symptom, region):
        return json.loads(self.call("diagnose", what, "--looks", symptom, "--region", ",".join(map(str, region)), "--json").stdout)["verdict"]

    def altered(self, what, change):
        """The picture with rows of pixels changed by `change(picture)`, as a program behind the pipeline might."""
        picture = Picture(self.run_of("made", what) / "image-0.png")
        change(picture)
        picture.write(self.dir / "altered.png")
        return self.dir / "altered.png"

    def expect(self, v, subsystem, cause, seen=True):
        self.assertEqual((v["subsystem"], v["cause"]), (subsystem, cause), v["sentence"])
        if seen:
            self.assertGreater(v["looks"]["score"], 0.4, v["looks"])

    def test_letters_out_of_line_after_the_pipeline_are_postprocess(self):
        def stagger(p):   # columns of a letter's width go up and down by turns
            x0, y0, w, h = BOARD
            for x in range(x0, x0 + w):
                by = 9 if (x // 14) % 2 else -9
                column = [bytes(p.rows[y][3 * x:3 * x + 3]) for y in range(p.height)]
                for y in range(y0, y0 + h):
                    p.rows[y][3 * x:3 * x + 3] = column[min(p.height - 1, max(0, y + by))]
        v = self.verdict(self.altered(SIGN, stagger), "text", BOARD)
        self.expect(v, "postprocess", "pixels-changed")

    def test_letters_lost_by_attention_are_cross_attention(self):
        off = json.dumps({"attention": [{"steps": {"from": 3}, "factor": 0.0}]})
        v = self.verdict(self.run_of("off", SIGN, "--interventions", off), "text", BOARD)
        self.assertEqual((v["subsystem"], v["step"]), ("cross-attention", 3), v["sentence"])

    def test_an_object_copied_after_the_pipeline_is_postprocess(self):
        def copy(p):   # the disc, half as large, into the corner
            x0, y0, w, h = DISC
            half = [b"".join(bytes(p.rows[y][3 * x:3 * x + 3]) for x in range(x0, x0 + w, 3)) for y in range(y0, y0 + h, 3)]
            for i, row in enumerate(half):
                p.rows[96 + i][3 * 2:3 * 2 + len(row)] = row
        v = self.verdict(self.altered(CIRCLE, copy), "duplicated", (0, 0, 128, 128))
        self.expect(v, "postprocess", "pixels-changed")

    def test_a_size_that_was_never_trained_duplicates_and_is_configuration(self):
        v = self.verdict(self.run_of("large", HEART, "--width", "256", "--height", "256"), "duplicated", (60, 10, 190, 240))
        self.expect(v, "configuration", "untrained-size", seen=False)

    def test_a_part_moved_away_after_the_pipeline_is_postprocess(self):
        def cut(p):   # the disc's upper part slides to the left, and a strip of ground comes between
            x0, y0, w, h = DISC
            ground = bytes(p.rows[2][6:9])
            for y in range(y0, y0 + h // 3):
                row = bytes(p.rows[y])
                p.rows[y][:] = row[3 * 26:] + ground * 26
            for y in range(y0 + h // 3, y0 + h // 3 + 6):
                p.rows[y][3 * 4:3 * 124] = ground * 120
        v = self.verdict(self.altered(CIRCLE, cut), "detached", (0, 0, 128, 128))
        self.expect(v, "postprocess", "pixels-changed")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
