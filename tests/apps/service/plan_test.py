#!/usr/bin/env python3
"""safelight run --plan and safelight list, as far as they need no engine. Usage: plan_test.py SAFELIGHT SOURCE"""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command_line import CommandLineTest  # noqa: E402

SOURCE = pathlib.Path(sys.argv[2])
EXAMPLES = SOURCE / "docs" / "slo-examples"
ROWS = {"dall-e-3-hd", "gpt-image-2", "gpt-image-2-5-flare", "gpt-image-2-5-sunburst", "nano-banana", "nano-banana-pro", "nano-banana-2", "nano-banana-2-1",
        "imagen-4-fast", "imagen-4", "imagen-4-ultra", "signs-base", "signs-fast", "signs-nano", "signs-type"}
KEY = "sk-secret-0123456789abcdef"

PEERS = """
[models.painter]
protocol = "comfyui"
wire_model = "painter.safetensors"
base_url = "http://127.0.0.1:1"
free = true
typical_latency_ms = 3000
can = { sizes = ["512x512"], seed = true, steps = true, text = "weak" }
[models.writer]
protocol = "sdcpp"
wire_model = "writer"
base_url = "http://127.0.0.1:2"
free = true
typical_latency_ms = 4000
can = { sizes = ["512x512"], seed = true, steps = true, text = "good" }
"""


class PlanTest(CommandLineTest):
    def setUp(self):
        super().setUp()
        for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "SAFELIGHT_CATALOGUE"):
            self.env.pop(name, None)
        self.peers = self.dir / "peers.toml"
        self.peers.write_text(PEERS)

    def json(self, *args, status=0):
        return json.loads(self.call("--json", *args, status=status).stdout)

    def plan(self, *args):
        return self.json("run", "--plan", *args)

    def reasons(self, plan):
        return {row["model"]: row["code"] for row in plan["dropped"]}

    def slo(self, text):
        file = self.dir / f"slo-{len(list(self.dir.iterdir()))}.toml"
        file.write_text(text)
        return file

    def test_every_row_is_in_the_plan_or_dropped_with_a_reason(self):
        self.env["OPENAI_API_KEY"] = KEY
        for mode in ("fast", "faithful", "typography", "bulk", "cheapest"):
            plan = self.plan("--prompt", 'a shop sign that says "OPEN 24H"', "--slo", EXAMPLES / "shop-signs.toml", "--mode", mode, "--catalogue", self.peers)
            self.assertEqual(plan["profile"]["mode"], mode)
            planned = {step["model"] for step in plan["plan"]}
            dropped = {row["model"] for row in plan["dropped"]}
            self.assertFalse(planned & dropped)
            self.assertLessEqual(ROWS | {"painter", "writer"}, planned | dropped)
            for row in plan["dropped"]:
                self.assertTrue(row["code"] and row["reason"], row)
            for step in plan["plan"]:
                self.assertTrue(step["why"], step)
            self.assertNotIn(KEY[:8], json.dumps(plan))

    def test_a_sign_goes_to_a_text_aware_model(self):
        slo = self.slo('name = "signs"\nmode = "typography"\nlatency = { limit_ms = 60000 }\nmodels = { only = ["painter", "writer"] }\n[[ladder]]\nrung = "next-provider"\n')
        plan = self.plan("--prompt", 'a shop sign that says "OPEN 24H"', "--slo", slo, "--catalogue", self.peers)
        self.assertEqual([step["model"] for step in plan["plan"]], ["writer"])
        self.assertEqual(plan["profile"]["quoted"], ["OPEN 24H"])
        self.assertEqual(self.reasons(plan)["painter"], "no_capability:text")

    def test_reasons_name_what_stands_in_the_way(self):
        self.env["GEMINI_API_KEY"] = "g"
        plan = self.plan("--prompt", "a red barn", "--width", 1024, "--height", 1024, "--slo",
                         self.slo('name = "n"\nmode = "faithful"\nlatency = { limit_ms = 60000 }\ncost = { per_image_usd = 0.05, per_day_usd = 1.0 }\n'))
        reasons = self.reasons(plan)
        self.assertEqual(plan["plan"][0]["model"], "nano-banana-2-1")
        self.assertEqual(reasons["dall-e-3-hd"], "model_retired")
        self.assertEqual(reasons["imagen-4-fast"], "model_retired")
        self.assertEqual(reasons["gpt-image-2"], "no_credential")
        self.assertEqual(reasons["nano-banana-pro"], "over_price")
        self.assertIn("gpt-image-2", next(row["reason"] for row in plan["dropped"] if row["model"] == "dall-e-3-hd"))

    def test_a_retired_row_serves_over_a_relay(self):
        self.env["OPENAI_API_KEY"] = KEY
        relay = self.dir / "relay.toml"
        relay.write_text('[models.dall-e-3-hd]\nbase_url = "https://relay.example/v1"\n')
        plan = self.plan("--prompt", "a red barn", "--model", "dall-e-3-hd", "--catalogue", relay, "--slo",
                         self.slo('name = "n"\nlatency = { limit_ms = 60000 }\ncost = { per_image_usd = 0.2, per_day_usd = 1.0 }\n'))
        self.assertEqual(plan["plan"][0]["model"], "dall-e-3-hd")
        self.assertEqual(plan["plan"][0]["usd"], 0.08)

    def test_the_same_input_gives_the_same_plan_and_people_can_read_it(self):
        args = ("run", "--plan", "--prompt", "a red barn", "--catalogue", self.peers)
        first, second = self.call(*args).stdout.decode(), self.call(*args).stdout.decode()
        self.assertEqual(first, second)
        for words in ("first choice", "painter", "Dropped:", "no_credential", "model_retired"):
            self.assertIn(words, first)
        self.assertFalse((self.dir / "runs").exists(), "a plan leaves nothing behind")

    def test_bad_input_is_told_with_what_is_allowed(self):
        for args, words in (((), "--prompt"), (("--prompt", "x", "--mode", "quick"), "faithful"), (("--prompt", "x", "--model", "nobody"), "nobody"),
                            (("--prompt", "x", "--slo", self.slo('name = "n"\nmodus = "fast"\n')), "modus is unknown"),
                            (("--prompt", "x", "--slo", self.dir / "none.toml"), "none.toml"), (("--prompt", "x", "--width", 64), "height"),
                            (("--prompt", "x", "--catalogue", self.slo("[models.x]\nprotocol = 'telepathy'\n")), "telepathy")):
            done = self.call("run", "--plan", *args, status=1 if words in ("nobody", "none.toml") else 2)
            self.assertIn(words, done.stderr.decode())

    def test_the_lists(self):
        rows = {row["name"]: row for row in self.json("list", "models")["models"]}
        self.assertLessEqual(ROWS, set(rows))
        self.assertEqual(rows["imagen-4-fast"]["problem"], "model_retired")
        self.assertEqual(rows["gpt-image-2"]["problem"], "no_credential")
        self.assertEqual(rows["gpt-image-2"]["usd"], 0.053)
        providers = {row["name"] for row in self.json("list", "providers")["providers"]}
        self.assertLessEqual({"openai.images", "gemini.generate_content", "google.predict", "comfyui", "sdcpp"}, providers)
        self.assertIn("painter", self.call("list", "models", "--catalogue", self.peers).stdout.decode())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
