#!/usr/bin/env python3
"""The command line on the embedded model: equal bytes, verdicts with proof, bad input, a killed run."""
import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

from command_line import CommandLineTest

BINARY, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
PROMPT = "a red circle left of a blue square"


class CommandLine(CommandLineTest):
    def run_it(self, *args, status=0):
        return self.call(*args, status=status).stdout

    def generate(self, *args, seed="7", status=0):
        return json.loads(self.run_it("generate", PROMPT, "--seed", seed, "--json", *args, status=status))

    def sha(self, result):
        return hashlib.sha256(pathlib.Path(result["images"][0]).read_bytes()).hexdigest()

    def test_equal_requests_give_equal_bytes_whatever_is_watched(self):
        shas = {self.sha(self.generate("--probes", level)) for level in ("none", "summary", "full", "summary")}
        self.assertEqual(len(shas), 1)
        self.assertTrue(json.loads(self.run_it("replay", "latest", "--json"))["agree"])

    def test_unchanged_restarts_give_the_same_bytes_for_every_scheduler(self):
        schedulers = json.loads(self.run_it("list", "schedulers", "--json"))["schedulers"]
        for scheduler in [s["name"] for s in schedulers if s["frame"] == "variance-preserving"]:
            first = self.generate("--scheduler", scheduler, "--steps", "6", "--probes", "full")
            for step in (0, 1, 3, 5):
                change = {"restart": {"run": first["run"], "step": step}}
                again = self.generate("--scheduler", scheduler, "--steps", "6", "--interventions", json.dumps(change))
                self.assertEqual(self.sha(first), self.sha(again), f"{scheduler} from step {step}")

    def test_guidance_is_blamed_and_the_cure_is_shown(self):
        verdict = self.generate("--guidance", "30", "--diagnose")["verdict"]
        self.assertEqual((verdict["healthy"], verdict["trigger"]), (False, "guidance"))
        cure = [c for c in verdict["counterfactuals"] if c["cures"]]
        self.assertTrue(cure and len(cure[0]["after"]) >= 3)
        self.assertGreater(min(cure[0]["sham"]), max(cure[0]["after"]))

    def test_too_few_steps_are_blamed_on_the_scheduler_and_the_cure_is_shown(self):
        for seed in ("12", "14"):
            verdict = self.generate("--steps", "2", "--scheduler", "ddim", "--diagnose", seed=seed)["verdict"]
            self.assertEqual((verdict["healthy"], verdict["trigger"]), (False, "scheduler"))
            cure = [c for c in verdict["counterfactuals"] if c["cures"]]
            self.assertTrue(cure, verdict["sentence"])
            bad = lambda scores: sum(s > 0.1 for s in scores)
            self.assertGreater(bad(cure[0]["sham"]), bad(cure[0]["after"]))
            self.assertLessEqual(cure[0]["p_value"], 0.05)

    def test_a_pushed_channel_is_named_with_its_step_and_the_colour_shift_is_in_the_pixels(self):
        for step, channel in ((3, 2), (9, 5)):
            change = {"latents": [{"steps": {"from": step}, "channel": channel, "amount": 0.3}]}
            verdict = self.generate("--interventions", json.dumps(change), "--diagnose")["verdict"]
            self.assertEqual((verdict["cause"], verdict["module"], verdict["step"]), ("channel-drift", f"latent channel {channel}", step))
            test = verdict["counterfactuals"][0]
            self.assertEqual(len(test["predicted_shift"]), 3)
            if max(map(abs, test["measured_shift"])) > 10:
                self.assertGreater(sum(a * b for a, b in zip(test["predicted_shift"], test["measured_shift"])), 0)

    def test_a_scheduler_of_another_frame_is_refused(self):
        done = subprocess.run([BINARY, "generate", PROMPT, "--scheduler", "flow-euler"], env=self.env, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"same kind", done.stderr)

    def test_the_recommended_setting_is_healthy(self):
        verdict = self.generate("--diagnose")["verdict"]
        self.assertTrue(verdict["healthy"])
        self.assertEqual([c["state"] for c in verdict["checks"]], ["pass"] * 3)

    def test_flat_attention_is_found_at_its_step(self):
        for step in (4, 11):
            change = {"attention": [{"steps": {"from": step, "to": -1}, "factor": 0.0}]}
            verdict = self.generate("--interventions", json.dumps(change), "--diagnose")["verdict"]
            self.assertEqual(verdict["subsystem"], "cross-attention")
            self.assertLessEqual(abs(verdict["step"] - step), 1)

    def damaged_model(self, change):
        model = self.dir / "damaged"
        shutil.copytree(SOURCE / "models" / "signs-nano", model)
        change(model)
        return str(model)

    def test_a_wrong_prediction_type_is_blamed_on_the_configuration(self):
        def wrong(model):
            file = model / "scheduler" / "scheduler_config.json"
            config = json.loads(file.read_text())
            config["prediction_type"] = "v_prediction"
            file.write_text(json.dumps(config))
        verdict = self.generate("--model", self.damaged_model(wrong), "--diagnose")["verdict"]
        self.assertIn(verdict["subsystem"], ("configuration", "scheduler"))

    def test_a_nan_in_a_weight_is_refused_by_name(self):
        def poison(model):
            file = model / "unet" / "diffusion_pytorch_model.safetensors"
            data = bytearray(file.read_bytes())
            header = 8 + int.from_bytes(data[:8], "little")
            data[header:header + 2] = b"\x00\x7e"
            file.write_bytes(data)
        result = self.generate("--model", self.damaged_model(poison), "--diagnose", status=1)
        self.assertIn("diffusion_pytorch_model.safetensors", result["verdict"]["sentence"])
        self.assertIn("tensor", result["verdict"]["sentence"])

    def test_bad_input_is_refused_clearly(self):
        for args in (["--width", "7"], ["--steps", "0"], ["--guidance", "nan"], ["--scheduler", "sorcery"], ["--probes", "all"], ["--model", "none"],
                     ["--count", "0"], ["--dtype", "int4"], ["--interventions", "{\"spell\":1}"], ["--interventions", "{"]):
            done = subprocess.run([BINARY, "generate", PROMPT, *args], env=self.env, capture_output=True, timeout=60)
            self.assertIn(done.returncode, (1, 2), args)
            self.assertTrue(done.stderr, args)
        long_prompt = self.dir / "long.txt"
        long_prompt.write_text("x" * (1 << 20) + "\n")
        self.run_it("generate", "--from", str(long_prompt), status=1)
        done = subprocess.run([BINARY.encode(), b"generate", b"red \xff circle"], env=self.env, capture_output=True, timeout=60)
        self.assertIn(done.returncode, (1, 2))
        self.run_it("generate", "")

    def test_a_device_that_is_not_there_is_refused(self):
        for device, said in (("cuda", "CUDA"), ("cuda:x", "known"), ("tpu", "known"), ("", "known")):
            done = subprocess.run([BINARY, "--device", device, "generate", PROMPT], env=self.env, capture_output=True, timeout=60)
            self.assertIn(done.returncode, (1, 2), device)
            self.assertIn(said, done.stderr.decode(), device)

    def test_a_wrong_option_of_many_prompts_is_said_once(self):
        file = self.dir / "prompts.txt"
        file.write_text("a red circle\n" * 5)
        said = self.call("generate", "--from", file, "--probes", "all", "--out", self.dir / "many", status=2).stderr.decode()
        self.assertEqual(said.count("probes"), 1, said)
        self.assertFalse((self.dir / "many").exists())

    def test_many_prompts_give_what_each_gives_alone(self):
        lines = ["a red circle", "", '{"prompt":"a blue star","seed":5,"guidance":2}', '{"prompt":', '{"prompt":"a green ring","seed":6,"model":"signs-none"}',
                 '{"prompt":"a yellow square","count":2}', "a pink heart"]
        file = self.dir / "prompts.jsonl"
        file.write_text("\n".join(lines) + "\n")
        out = self.dir / "many"
        many = json.loads(self.run_it("generate", "--from", str(file), "--out", str(out), "--steps", "4", "--json", status=1))
        self.assertEqual(many["failed"], 2)
        self.assertEqual([r.get("line") for r in many["runs"]], [None, None, 4, 5, None, None])   # in the order of the lines
        for number, args in {0: [lines[0]], 2: ["a blue star", "--seed", "5", "--guidance", "2"], 5: ["a yellow square", "--count", "2"], 6: [lines[6]]}.items():
            alone = self.dir / f"alone-{number}"
            self.run_it("generate", *args, "--steps", "4", "--out", str(alone))
            for picture in sorted(alone.glob("image-*.png")):
                self.assertEqual(picture.read_bytes(), (out / f"{number:05}" / picture.name).read_bytes(), (number, picture.name))
        again = json.loads(self.run_it("generate", "--from", str(file), "--out", str(out), "--steps", "4", "--json", status=1))
        self.assertEqual([r.get("skipped") for r in again["runs"]], ["already finished"] * 2 + [None] * 2 + ["already finished"] * 2)

    def test_the_arithmetic_may_be_left_to_the_machine(self):
        run = self.generate("--dtype", "auto", "--steps", "2")
        dtype = run["resolved"]["dtype"]
        self.assertIn(dtype, ("float32", "bfloat16"))
        self.assertEqual(json.loads((pathlib.Path(run["run"]) / "run.json").read_text())["request"]["dtype"], dtype)   # a replay needs no measurement

    def test_a_missing_component_is_named(self):
        model = self.damaged_model(lambda m: shutil.rmtree(m / "vae"))
        done = subprocess.run([BINARY, "generate", PROMPT, "--model", model], env=self.env, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"vae", done.stderr)

    def test_a_killed_run_can_be_reported(self):
        out = self.dir / "killed"
        process = subprocess.Popen([BINARY, "generate", PROMPT, "--steps", "1000", "--out", str(out)], env=self.env, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not ((out / "steps.jsonl").exists() and (out / "steps.jsonl").read_bytes().count(b"\n") > 20):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        report = json.loads(self.run_it("report", str(out), "--json"))["report"]
        page = pathlib.Path(report).read_text()
        self.assertIn('"status":"running"', page)
        self.assertNotIn("https://", page.replace("http://www.w3.org", ""))

    def test_unknown_words_are_told(self):
        result = json.loads(self.run_it("generate", "a red dragon", "--json", "--diagnose"))
        self.assertEqual(result["unknown_words"], ["dragon"])
        self.assertEqual(result["verdict"]["subsystem"], "prompt")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
