#!/usr/bin/env python3
"""The page of a pipeline's run: every stage with its pictures, times and cents, every attempt, the plan with the rows that were left out, the approval."""
import base64
import hashlib
import html.parser
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import CommandLineTest  # noqa: E402
from pipeline_test import KEY, PIPELINE, Fake  # noqa: E402

PROMPT = 'a red barn </script><script>window.broken=1</script><img src=x onerror=1>'
EMPTY = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(html.parser.HTMLParser):
    """Text by section, links, pictures; complains about what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sections, self.images, self.outside, self.scripts, self.texts = [], {}, [], [], 0, []
        self.section = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.scripts += tag == "script"
        if tag == "section":
            self.section = attrs.get("id", "overview")
        if tag == "img":
            self.images.append((self.section, attrs["src"]))
        for key in ("src", "href"):
            if attrs.get(key, "").startswith(("http:", "https:", "//")):
                self.outside.append(attrs[key])
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.sections[self.section] = self.sections.get(self.section, "") + data + " "


class PipelineReport(CommandLineTest):
    def setUp(self):
        super().setUp()
        self.painter, self.spare = Fake("openai_fake.py"), Fake("peer_fake.py")
        self.env["OPENAI_API_KEY"] = KEY
        self.env.pop("SAFELIGHT_CATALOGUE", None)
        (self.dir / "catalogue.toml").write_text(
            f'[models.painter]\nprotocol = "openai.images"\nwire_model = "gpt-image-2"\ncredential = "OPENAI_API_KEY"\nprices = [{{ usd = 0.04 }}]\nbase_url = "{self.painter.origin}/page/hang/v1"\n'
            'typical_latency_ms = 300\ntimeout_ms = 5000\ncan = { sizes = ["256x256"], text = "good" }\n'
            f'[models.spare]\nprotocol = "sdcpp"\nwire_model = "any"\nbase_url = "{self.spare.origin}/spare/ok"\nfree = true\ntypical_latency_ms = 200\ncan = {{ sizes = ["256x256"], text = "weak" }}\n')
        (self.dir / "slo.toml").write_text('name = "quick"\nmode = "faithful"\nlatency = { limit_ms = 2000 }\ncost = { per_image_usd = 0.1, per_day_usd = 5.0 }\n'
                                           'models = { only = ["painter", "spare"] }\n[[ladder]]\nrung = "distilled-model"\nmodel = "spare"\n')
        (self.dir / "barn.toml").write_text(PIPELINE.replace('"a red barn"', f"'{PROMPT}'").replace('kind = "generate"', 'kind = "generate"\nmodel = "painter"'))

    def tearDown(self):
        self.painter.close(), self.spare.close()
        super().tearDown()

    def page(self, run, *args):
        file = pathlib.Path(json.loads(self.call("report", run, "--json", *args).stdout)["report"])
        text = file.read_text()
        self.assertNotIn(KEY[:12], text)
        page = Page(text)
        self.assertEqual((page.outside, page.scripts), ([], 0))
        return file, page

    def test_from_the_first_attempt_to_the_approval(self):
        report = json.loads(self.call("run", self.dir / "barn.toml", "--catalogue", self.dir / "catalogue.toml", "--out", self.dir / "out", "--json").stdout)
        self.assertEqual(report["state"], "waiting", report)
        run = report["run"]
        file, page = self.page(run)
        self.assertEqual(file, self.dir / "out" / "report.html")
        self.assertIn(f"safelight approve {run}", page.sections["stage-3"])
        self.assertIn("pending", page.sections["stage-4"])
        report = json.loads(self.call("approve", run, "--by", "Ada <of the night shift>", "--json").stdout)
        self.assertEqual(report["state"], "done")
        file, page = self.page(run, "--out", self.dir / "page.html")
        self.assertEqual(file, self.dir / "page.html")
        self.assertIn(run, page.sections["overview"])
        drawn = page.sections["stage-0"]
        for attempt in report["stages"][0]["facts"]["candidates"][0]["attempts"]:
            for words in (attempt["protocol"], attempt["model"], attempt["request_id"] or ""):
                self.assertIn(words, drawn)
            if attempt["failure"]:
                self.assertIn(attempt["failure"]["class"], drawn)
        self.assertIn("perhaps 0.0400 more", drawn)
        self.assertIn("degraded (distilled-model)", drawn)
        dropped = report["stages"][0]["facts"]["candidates"][0]["plan"]["dropped"]
        self.assertGreater(len(dropped), 3)
        for row in dropped:
            self.assertIn(row["model"], drawn)
            self.assertIn(row["reason"], drawn)
        approval, = report["approvals"]
        self.assertEqual(approval["by"], "Ada <of the night shift>")
        for words in ("approved", approval["by"], approval["shown"], "UTC"):
            self.assertIn(words, page.sections["stage-3"])
        self.assertIn("barn.png", page.sections["stage-4"])

    def test_every_picture_lies_within_the_page_where_it_went_in_and_came_out(self):
        self.call("run", self.dir / "barn.toml", "--catalogue", self.dir / "catalogue.toml", "--out", self.dir / "out")
        report = json.loads(self.call("approve", "latest", "--json").stdout)
        _, page = self.page(report["run"])
        self.assertEqual([s for s, _ in page.images], ["stage-0"] + [f"stage-{i}" for i in (1, 2, 3, 4) for _ in range(2)])
        made = [s["outputs"][0]["object"] for s in report["stages"]]
        shown = []
        for _, source in page.images:
            kind, data = source.split(",", 1)
            self.assertEqual(kind, "data:image/png;base64")
            shown.append(hashlib.sha256(base64.b64decode(data)).hexdigest())
        self.assertEqual(shown, [made[0], made[0], made[1], made[1], made[2], made[2], made[3], made[3], made[4]])
        # The page stays when a picture is no longer there.
        lost = pathlib.Path(self.env["SAFELIGHT_RUNS"]) / "objects" / made[2][:2] / made[2]
        lost.unlink()
        _, page = self.page(report["run"])
        self.assertIn("no longer stored", page.sections["stage-2"])

    def test_what_was_refused_and_what_is_unknown(self):
        (self.dir / "slo.toml").write_text('name = "quick"\nlatency = { limit_ms = 2000 }\ncost = { per_image_usd = 0.1, per_day_usd = 5.0 }\nmodels = { only = ["painter"] }\n')
        report = json.loads(self.call("run", self.dir / "barn.toml", "--catalogue", self.dir / "catalogue.toml", "--out", self.dir / "out", "--json", status=1).stdout)
        self.assertEqual(report["state"], "uncertain")
        _, page = self.page(report["run"])
        self.assertIn("uncertain", page.sections["stage-0"])
        self.assertIn(report["stages"][0]["message"], page.sections["stage-0"])
        self.assertIn("no picture", page.sections["stage-0"])
        self.call("report", "nobody", status=1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
