#!/usr/bin/env python3
"""safelight run PIPELINE.toml and safelight approve against the fakes of tests/fakes, killed at random points on the way.
Usage: pipeline_test.py SAFELIGHT SOURCE [POINTS]: how many times a run is killed."""
import hashlib
import json
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import CommandLineTest  # noqa: E402

BINARY, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
POINTS = int(sys.argv[3]) if len(sys.argv) > 3 else 12
KEY = "sk-fake-0123456789abcdef"

PIPELINE = """
name = "barn"
prompt = "a red barn"
slo = "slo.toml"
[[stage]]
name = "draw"
kind = "generate"
width = 256
height = 256
[[stage]]
name = "look"
kind = "check"
min_width = 200
[[stage]]
name = "enlarge"
kind = "upscale"
scale = 2
[[stage]]
name = "ok"
kind = "approve"
question = "good enough?"
[[stage]]
name = "write"
kind = "deliver"
file = "barn.png"
"""
SLO = """
name = "paid"
latency = { limit_ms = 20000 }
cost = { per_image_usd = 0.1, per_day_usd = 5.0 }
models = { only = ["painter"] }
"""


class Fake:
    def __init__(self, script):
        self.process = subprocess.Popen([sys.executable, str(SOURCE / "tests/fakes" / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.origin = "http://127.0.0.1:" + self.process.stdout.readline().decode().strip()

    def seen(self, run):
        return json.load(urllib.request.urlopen(f"{self.origin}/__fake/{run}"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class PipelineTest(CommandLineTest):
    @classmethod
    def setUpClass(cls):
        cls.fake = Fake("openai_fake.py")

    @classmethod
    def tearDownClass(cls):
        cls.fake.close()

    def setUp(self):
        super().setUp()
        self.allowed = 0  # how often a person allowed to pay again
        self.env["OPENAI_API_KEY"] = KEY
        self.env.pop("SAFELIGHT_CATALOGUE", None)
        (self.dir / "slo.toml").write_text(SLO)
        (self.dir / "barn.toml").write_text(PIPELINE)

    def world(self, run, scenarios="ok"):
        """A directory of runs and a catalogue of their own."""
        self.env["SAFELIGHT_RUNS"] = str(self.dir / run)
        catalogue = self.dir / (run + ".toml")
        catalogue.write_text('[models.painter]\nprotocol = "openai.images"\nwire_model = "gpt-image-2"\ncredential = "OPENAI_API_KEY"\nprices = [{ usd = 0.04 }]\n'
                             f'base_url = "{self.fake.origin}/{run}/{scenarios}/v1"\ntimeout_ms = 5000\ncan = {{ sizes = ["256x256"], text = "good" }}\n')
        return ("run", self.dir / "barn.toml", "--catalogue", catalogue, "--out", self.dir / (run + "-out"))

    def result(self, *args):
        """Exit status and report."""
        done = subprocess.run([BINARY, "--json", *map(str, args)], env=self.env, capture_output=True, timeout=60)
        self.assertNotIn(KEY[:12].encode(), done.stdout + done.stderr)
        return done.returncode, json.loads(done.stdout)

    def killed(self, args, delay):
        """Starts a command and kills it after so many seconds; False: it had ended before."""
        child = subprocess.Popen([BINARY, "--json", *map(str, args)], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        return child.wait() == -signal.SIGKILL

    def finish(self, run, start):
        """Goes on with whatever was recorded until nothing is left to do; the report, and how much may have been paid for a lost answer."""
        lost = 0
        status, report = self.result("run", "--resume", "latest")
        if "error" in report and report["error"]["code"] == "not_found":
            status, report = self.result(*start)
        for _ in range(6):
            if report["state"] == "done":
                return report, lost
            if report["state"] == "waiting":
                status, report = self.result("approve", "latest")
            elif report["state"] == "uncertain":
                before = self.fake.seen(run)
                self.assertEqual(status, 1)
                self.assertEqual(self.result("run", "--resume", "latest")[1]["state"], "uncertain")
                self.assertEqual(self.fake.seen(run)["requests"], before["requests"], "nothing is sent without permission")
                lost += before["accepted"]
                self.allowed += 1
                status, report = self.result("run", "--resume", "latest", "--repeat-paid")
            else:
                status, report = self.result("run", "--resume", "latest")
        self.fail(f"run {run} does not end: {report['state']}")

    def bytes_of(self, run):
        return (self.dir / (run + "-out") / "barn.png").read_bytes()

    def test_five_stages_pause_and_end(self):
        start = self.world("plain")
        status, report = self.result(*start)
        self.assertEqual((status, report["state"]), (0, "waiting"))
        waiting = self.result("approve")[1]["waiting"]
        self.assertEqual([(w["stage"], w["question"]) for w in waiting], [("ok", "good enough?")])
        question = self.result("approve", "latest", "--show")[1]
        shown = pathlib.Path(question["pictures"][0]["file"]).read_bytes()
        self.assertEqual(hashlib.sha256(shown).hexdigest(), question["pictures"][0]["sha256"])
        self.assertEqual(self.call("approve", "latest", "--shown", "0" * 64, status=1).returncode, 1)
        self.call("approve", "latest", "--pick", "5", status=2)
        self.call("approve", "latest", "--prompt", "other", status=2)
        status, report = self.result("approve", "latest", "--shown", question["shown"])
        self.assertEqual((status, report["state"]), (0, "done"))
        self.assertEqual(self.bytes_of("plain"), shown)
        self.assertEqual(self.fake.seen("plain")["accepted"], 1)
        self.assertAlmostEqual(report["usd"], 0.04)
        attempt = report["stages"][0]["facts"]["candidates"][0]["attempts"][0]
        self.assertTrue(attempt["request_id"].startswith("req_"))
        self.call("approve", "latest", status=1)
        people = self.call("run", "--show", "latest").stdout.decode()
        for words in ("done", "draw", "write", "0.0400 USD", "barn.png"):
            self.assertIn(words, people)

    def test_a_repeated_pipeline_pays_nothing(self):
        start = self.world("again")
        self.result(*start)
        status, report = self.result(*start)
        self.assertEqual((status, report["state"], report["stages"][0]["reused"]), (0, "waiting", True))
        self.assertEqual((self.fake.seen("again")["accepted"], report["usd"]), (1, 0))
        self.result(*start, "--fresh")
        self.assertEqual(self.fake.seen("again")["accepted"], 2)

    def test_a_rejection_ends_it_and_says_why(self):
        self.result(*self.world("no"))
        self.assertIn("reason", self.call("approve", "latest", "--reject", "", status=2).stderr.decode())
        status, report = self.result("approve", "latest", "--reject", "crooked")
        self.assertEqual((status, report["state"], report["stages"][3]["message"]), (0, "rejected", "crooked"))
        self.assertFalse((self.dir / "no-out" / "barn.png").exists())

    def test_every_provider_down_is_a_clear_refusal(self):
        for scenarios, words in (("error500", "transient"), ("unauthorized", "auth"), ("quota", "exhausted"), ("refused", "refused")):
            began = time.monotonic()
            status, report = self.result(*self.world("down-" + scenarios, scenarios))
            self.assertEqual((status, report["state"], self.fake.seen("down-" + scenarios)["accepted"]), (1, "failed", 0))
            self.assertIn(words, report["stages"][0]["message"])
            self.assertLess(time.monotonic() - began, 25)

    def test_a_call_that_hangs_gives_way_to_a_free_one_within_the_deadline(self):
        peer = Fake("peer_fake.py")
        try:
            start = self.world("hang", "hang")
            catalogue = self.dir / "hang.toml"
            catalogue.write_text(catalogue.read_text().replace("timeout_ms", "typical_latency_ms = 300\ntimeout_ms") +
                                 f'[models.spare]\nprotocol = "sdcpp"\nwire_model = "any"\nbase_url = "{peer.origin}/spare/ok"\nfree = true\ntypical_latency_ms = 200\n'
                                 'can = { sizes = ["256x256"], text = "weak" }\n')
            (self.dir / "slo.toml").write_text('name = "quick"\nmode = "faithful"\nlatency = { limit_ms = 2000 }\ncost = { per_image_usd = 0.1, per_day_usd = 5.0 }\n'
                                               'models = { only = ["painter", "spare"] }\n[[ladder]]\nrung = "distilled-model"\nmodel = "spare"\n')
            (self.dir / "barn.toml").write_text(PIPELINE.replace('kind = "generate"', 'kind = "generate"\nmodel = "painter"'))
            began = time.monotonic()
            status, report = self.result(*start)
            self.assertLess(time.monotonic() - began, 4)
            self.assertEqual((status, report["state"]), (0, "waiting"), report)
            drawn = report["stages"][0]
            route = drawn["facts"]["candidates"][0]["route"]
            self.assertEqual((route["outcome"], route["served"]["model"], route["attempts"]), ("degraded", "spare", 2))
            self.assertIn("degraded (distilled-model)", drawn["outputs"][0]["facts"]["label"])
            self.assertAlmostEqual(report["possible_usd"], 0.04)
            self.assertLessEqual(route["ms"], 2000)
        finally:
            peer.close()

    def test_a_deadline_alone_ends_in_a_refusal_that_says_what_may_have_been_paid(self):
        start = self.world("alone", "hang")
        (self.dir / "slo.toml").write_text(SLO.replace("limit_ms = 20000", "limit_ms = 2000"))
        catalogue = self.dir / "alone.toml"
        catalogue.write_text(catalogue.read_text().replace("timeout_ms", "typical_latency_ms = 300\ntimeout_ms"))
        began = time.monotonic()
        status, report = self.result(*start)
        self.assertLess(time.monotonic() - began, 4)
        self.assertEqual((status, report["state"]), (1, "uncertain"))
        self.assertAlmostEqual(report["possible_usd"], 0.04)

    def test_plans_of_pipelines_send_nothing(self):
        start = self.world("plan")
        plan = json.loads(self.call("--json", *start[:4], "--plan").stdout)
        self.assertEqual(plan["plan"][0]["model"], "painter")
        self.assertEqual([s["kind"] for s in plan["stages"]], ["generate", "check", "upscale", "approve", "deliver"])
        self.assertTrue(all(row["reason"] for row in plan["dropped"]))
        self.assertEqual(self.fake.seen("plan")["requests"], 0)

    def test_bad_input_is_told(self):
        start = self.world("bad")
        bad = self.dir / "bad-pipeline.toml"
        bad.write_text('name = "b"\n[[stage]]\nname = "x"\nkind = "paint"\n')
        self.assertIn("approve, check, deliver", self.call("run", bad, status=2).stderr.decode())
        self.call("run", self.dir / "none.toml", status=1)
        self.call("run", "--resume", "nobody", status=1)
        self.call("run", status=2)
        self.call("run", start[1], "--resume", "latest", status=2)
        self.call("run", start[1], "--repeat-paid", status=2)
        (self.dir / "broken").mkdir()
        (self.dir / "broken" / "pipelines.sqlite").write_bytes(b"this is no database" * 100)
        self.env["SAFELIGHT_RUNS"] = str(self.dir / "broken")
        self.assertIn("pipelines.sqlite", self.call("run", start[1], status=1).stderr.decode())

    def test_a_full_disk_is_told_and_nothing_is_sent(self):
        start = self.world("full")
        target = self.dir / "full"
        target.mkdir()
        (target / "ledger.sqlite").mkdir()  # a place where no file can be written
        done = self.call(*start, status=1)
        self.assertIn("ledger", done.stderr.decode())
        self.assertEqual(self.fake.seen("full")["requests"], 0)

    def test_killed_anywhere_it_ends_with_the_same_bytes_and_pays_once(self):
        reference = self.world("reference", "slow")
        began = time.monotonic()
        self.result(*reference)
        first = time.monotonic() - began
        began = time.monotonic()
        report, _ = self.finish("reference", reference)
        second = time.monotonic() - began
        expected = self.bytes_of("reference")
        dice, kills = random.Random(11), 0
        for point in range(POINTS):
            run = f"kill-{point}"
            start = self.world(run, "slow")
            kills += self.killed(start, dice.uniform(0, first * 1.1))
            if dice.random() < 0.5:  # again on the way through the second half
                self.result("run", "--resume", "latest")
                kills += self.killed(("approve", "latest"), dice.uniform(0, second))
            report, lost = self.finish(run, start)
            self.assertEqual(self.bytes_of(run), expected, run)
            self.assertEqual(self.fake.seen(run)["accepted"], 1 + lost, f"{run}: paid once, and once more only where a person allowed it")
            self.assertEqual(len(report["approvals"]), 1, run)
            self.assertEqual([s["state"] for s in report["stages"]], ["done"] * 5, run)
        print(f"{POINTS} runs, {kills} kills, {self.allowed} of them in a paid call whose answer was lost", file=sys.stderr)
        self.assertGreater(kills, POINTS // 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
