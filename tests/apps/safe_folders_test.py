#!/usr/bin/env python3
"""What is not ours stays: folders named by --out, finished runs of other requests, what `runs gc` cannot read; and no option is silently ignored."""
import json
import subprocess
import sys
import unittest

from command_line import CommandLineTest

STEPS = ("--steps", "2")


class SafeFolders(CommandLineTest):
    def precious(self, *parts):
        file = self.dir.joinpath(*parts)
        file.parent.mkdir(parents=True)
        file.write_text("precious")
        return file

    def error(self, *args, status):
        done = self.call("--json", *args, status=status)
        return json.loads(done.stdout)["error"]

    def prompts(self, text, name="prompts.txt"):
        file = self.dir / name
        file.write_bytes(text.encode())
        return file

    def test_folders_that_are_no_runs_are_left_alone(self):
        first, line = self.precious("photos", "first", "holiday.txt"), self.precious("many", "00000", "holiday.txt")
        self.assertEqual(self.error("generate", "a ring", *STEPS, "--out", self.dir / "photos", "--refiner", "signs-nano", status=1)["code"], "conflict")
        self.assertIn("nosuch", self.error("generate", "a ring", "--upscaler", "nosuch", "--out", self.dir / "new", status=1)["message"])
        self.assertFalse((self.dir / "new").exists())
        self.call("generate", "--from", self.prompts("a ring\n"), *STEPS, "--out", self.dir / "many", status=1)
        self.assertEqual((first.read_text(), line.read_text()), ("precious", "precious"))

    def test_a_finished_run_of_another_request_is_not_taken_for_this_one(self):
        out = self.dir / "many"
        self.call("generate", "--from", self.prompts("a red ring\r\n \n{\"prompt\":\"a ring\",\"scheduler\":{\"spacing\":\"karras\"}}\n"), *STEPS, "--scheduler", "euler", "--out", out)
        stored = [json.loads((out / n / "run.json").read_text())["request"] for n in ("00000", "00002")]
        self.assertEqual(stored[0]["prompt"], "a red ring")
        self.assertEqual((stored[1]["scheduler"]["solver"], stored[1]["scheduler"]["spacing"]), ("euler", "karras"))
        self.assertFalse((out / "00001").exists())
        done = json.loads(self.call("--json", "generate", "--from", self.prompts("a blue star\n"), *STEPS, "--scheduler", "euler", "--out", out, status=1).stdout)
        self.assertEqual((done["failed"], done["runs"][0]["error"]["code"]), (1, "conflict"))

    def test_gc_takes_finished_runs_alone_and_the_oldest_first(self):
        runs = self.dir / "runs"
        self.call("generate", "a ring", *STEPS, "--out", runs / "zz-older")
        self.call("generate", "a ring", *STEPS, "--out", runs / "aa-newer")
        foreign = self.precious("runs", "wandb", "run.json")
        foreign.write_text('{"project": "thesis"}')
        listed = [r["run"].rsplit("/", 1)[-1] for r in json.loads(self.call("--json", "runs", "list").stdout)["runs"]]
        self.assertEqual(listed, ["wandb", "zz-older", "aa-newer"])
        gone = json.loads(self.call("--json", "runs", "gc", "--keep", "1", "--yes").stdout)
        self.assertEqual([r.rsplit("/", 1)[-1] for r in gone["removed"]], ["zz-older"])
        self.assertEqual([r.rsplit("/", 1)[-1] for r in gone["left"]], ["wandb"])
        self.assertTrue(foreign.exists())

    def test_options_without_a_meaning_are_refused(self):
        file = self.prompts("a ring\n")
        for args in (["generate", "--from", file, "a lost prompt"], ["generate", "--from", file, "--refiner", "signs-nano"], ["generate", "x", "--refine-at", "0.5"],
                     ["generate", "x", "--counterfactuals", "3"], ["generate", "x", "--seed", "-1"], ["generate", "x", "--seed", "18446744073709551616"],
                     ["generate", "x", "--refiner", "signs-nano", "--stop-at", "0.3"], ["sweep", "--resume", self.dir, "--steps", "4"], ["sweep", "x", "--seeds", "-1"],
                     ["approve", "--reject", "why"], ["run", file, "--max-usd", "1"], ["run", "--show", "latest", "--prompt", "x"]):
            self.assertEqual(self.error(*args, status=2)["code"], "invalid_argument", args)
        self.assertEqual(self.error("generate", "x", *STEPS, "--upscaler", "signs-nano", status=1)["code"], "conflict")

    def test_help_and_usage_errors_go_where_they_are_looked_for(self):
        self.assertIn(b"Usage", self.call("--help").stdout)
        self.assertIn(b"safelight", self.call("--version").stdout)
        self.assertEqual(self.error("nosuch", status=2)["code"], "invalid_argument")
        with open("/dev/full", "w") as full:
            self.assertEqual(subprocess.run([sys.argv[1], "--json", "list", "schedulers"], stdout=full, stderr=subprocess.DEVNULL, env=self.env).returncode, 1)

    def test_a_run_without_pictures_is_not_replayed(self):
        self.call("generate", "a ring", *STEPS, "--out", self.dir / "run")
        record = json.loads((self.dir / "run" / "run.json").read_text())
        del record["images"]
        (self.dir / "run" / "run.json").write_text(json.dumps(record))
        self.assertEqual(self.error("replay", self.dir / "run", status=1)["code"], "conflict")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
