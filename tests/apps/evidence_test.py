#!/usr/bin/env python3
"""lab evidence: graded changes to healthy runs, and what the probes said of them."""
import json
import sys
import unittest

from command_line import CommandLineTest


class Evidence(CommandLineTest):
    def test_the_page_rests_on_measured_runs(self):
        out = self.dir / "out"
        told = json.loads(self.call("lab", "evidence", "signs-nano", "--scenes", "3", "--out", out, "--json").stdout)
        self.assertEqual(told, json.loads((out / "evidence.json").read_text()))
        routing, push = told["routing_collapse"], told["channel_push"]
        self.assertEqual(routing["scenes"], 3)
        self.assertEqual(routing["runs"], 6 * routing["scenes_with_routing"])
        for scene in range(3):   # flatter logits, more indecision
            rises = [p["entropy_spike"] for p in routing["points"] if p["scene"] == scene]
            self.assertEqual(rises, sorted(rises))
            self.assertGreater(rises[-1], 0)
        self.assertGreater(push["correlation"]["value"], 0.2)
        self.assertGreater(push["snr_fell"]["value"], 0.7)
        page = (out / "evidence.md").read_text()
        for plot in ("routing-collapse.svg", "channel-push.svg", "detail-queue.svg"):
            self.assertIn(plot, page)
            self.assertTrue((out / plot).read_text().startswith("<svg"))
        self.assertNotRegex(page, r"\bnan\b")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
