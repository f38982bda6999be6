#!/usr/bin/env python3
"""Upscalers from a recipe to their scores: trained for a few steps, opened, and compared with plain resampling."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BINARY, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])

WORLD = """
image_px = 32
text_length = 32
quoted = "spelled"
pool = 16
[scenes]
shapes = 8
colours = 10
patterns = 4
share = [1, 1, 1, 1, 1, 1]
"""
SCHEDULER = """
[recommended]
steps = 2
guidance = 1.0
scheduler = "ddim"
[scheduler]
_class_name = "DDIMScheduler"
num_train_timesteps = 1000
beta_start = 0.00085
beta_end = 0.02
beta_schedule = "scaled_linear"
prediction_type = "v_prediction"
"""
BASE = 'name = "tiny"\n' + WORLD + SCHEDULER + """
[train_autoencoder]
samples = 32
batch = 8
[train_text]
samples = 8
batch = 8
[vae]
_class_name = "AutoencoderKL"
act_fn = "silu"
latent_channels = 4
block_out_channels = [8, 8]
down_block_types = ["DownEncoderBlock2D", "DownEncoderBlock2D"]
up_block_types = ["UpDecoderBlock2D", "UpDecoderBlock2D"]
layers_per_block = 1
norm_num_groups = 4
[text_encoder]
hidden_act = "quick_gelu"
hidden_size = 16
intermediate_size = 32
num_hidden_layers = 1
num_attention_heads = 2
max_position_embeddings = 32
projection_dim = 16
"""
LATENT = 'name = "tiny-latent"\n' + WORLD + """
[train_latent_upscaler]
samples = 16
batch = 8
[latent_transformer]
_class_name = "LatentTransformerUpscaler"
latent_channels = 4
hidden_size = 16
intermediate_size = 32
num_stages = 1
num_attention_heads = 2
window_size = 4
upsample_channels = 16
sample_size = 16
"""
CASCADE = 'name = "tiny-up"\nlow_px = 16\n' + WORLD + SCHEDULER + """
[train_cascade]
samples = 16
batch = 8
[low_res_scheduler]
_class_name = "DDPMScheduler"
num_train_timesteps = 50
beta_start = 0.0001
beta_end = 0.003
beta_schedule = "scaled_linear"
[unet]
_class_name = "UNet2DConditionModel"
act_fn = "silu"
in_channels = 7
out_channels = 4
sample_size = 16
num_class_embeds = 50
block_out_channels = [16, 16]
down_block_types = ["DownBlock2D", "CrossAttnDownBlock2D"]
up_block_types = ["CrossAttnUpBlock2D", "UpBlock2D"]
layers_per_block = 1
attention_head_dim = 2
cross_attention_dim = 16
norm_num_groups = 4
"""


class Upscalers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        cls.base = cls.trained("base", BASE, None)
        cls.latent, cls.cascade = cls.trained("latent", LATENT, cls.base), cls.trained("cascade", CASCADE, cls.base)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def run_program(cls, *arguments):
        env = dict(os.environ, SAFELIGHT_RUNS=str(cls.root / "runs"), XDG_CACHE_HOME=str(cls.root / "cache"))
        return subprocess.run([BINARY, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=300, check=False)

    @classmethod
    def trained(cls, name, recipe, start, *options):
        (cls.root / f"{name}.toml").write_text(recipe)
        done = cls.run_program("lab", "train", cls.root / f"{name}.toml", "--out", cls.root / name, "--threads", 1, *(["--from", start] if start else []), *options)
        assert done.returncode == 0 and "finished" in done.stdout, done.stderr
        return cls.root / name / "model"

    def board(self, model, *arguments):
        out = self.root / f"scores-{len(list(self.root.glob('scores-*')))}"
        done = self.run_program("--json", "lab", "eval", model, "--count", 3, "--out", out, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        board = json.loads(done.stdout)
        self.assertTrue(board["finished"])
        self.assertEqual(json.loads((out / "board.json").read_text())["groups"], board["groups"])
        self.assertEqual(len((out / "pictures.jsonl").read_text().splitlines()), 6)
        self.assertTrue((out / "sheet.png").stat().st_size > 1000)
        return board

    def refusal(self, *arguments):
        done = self.run_program("lab", "eval", *arguments)
        self.assertEqual(done.returncode, 2, done.stdout)
        return done.stderr

    def test_an_upscaler_of_latents_is_compared_with_what_its_latents_show(self):
        board = self.board(self.latent)
        self.assertEqual((board["upscaler"], board["factor"], board["low_px"]), ("latent", 2, 32))
        self.assertEqual(board["settings"], {"passes": 1})
        for group in board["groups"].values():
            self.assertGreater(group["lanczos_exact"]["psnr_db"]["mean"], group["lanczos"]["psnr_db"]["mean"])
            self.assertIsNone(group["truth"]["psnr_db"])
            gain = group["upscaler"]["psnr_db"]["mean"] - group["lanczos"]["psnr_db"]["mean"]
            self.assertAlmostEqual(gain, group["against_lanczos"]["psnr_gain_db"]["mean"], places=9)
        self.assertEqual(self.board(self.latent, "--factor", 4)["settings"], {"passes": 2})

    def test_a_cascade_is_compared_with_resampling_of_the_same_picture(self):
        board = self.board(self.cascade, "--noise-level", 7)
        self.assertEqual((board["upscaler"], board["factor"], board["low_px"]), ("cascade", 2, 16))
        self.assertEqual(board["settings"]["noise_level"], 7)
        for group in board["groups"].values():
            self.assertEqual(group["lanczos"], group["lanczos_exact"])

    def test_a_cascade_is_a_second_stage_of_generate(self):
        done = self.run_program("--json", "generate", "a red circle", "--model", "signs-nano", "--upscaler", self.cascade)
        self.assertEqual(done.returncode, 0, done.stderr)
        run = pathlib.Path(json.loads(done.stdout)["run"])
        size = [int.from_bytes((run / "image-0.png").read_bytes()[at:at + 4], "big") for at in (16, 20)]
        self.assertEqual(size, [128, 128])

    def test_an_autoencoder_alone_is_trained_scored_and_has_a_card(self):
        alone = self.trained("alone", BASE, None, "--stages", "autoencoder")
        self.assertFalse((alone / "unet").exists())
        out = self.root / "autoencoder-scores"
        done = self.run_program("--json", "lab", "eval", alone, "--count", 4, "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        board = json.loads(done.stdout)
        self.assertTrue(board["finished"])
        self.assertEqual(board["psnr_db"]["of"], 4)
        self.assertEqual(json.loads((out / "board.json").read_text())["psnr_db"], board["psnr_db"])
        # The same weights behind a denoiser give the same pictures.
        whole = json.loads(self.run_program("--json", "lab", "eval", self.base, "--autoencoder", "--count", 4).stdout)
        self.assertEqual(whole["psnr_db"], board["psnr_db"])
        card = self.run_program("lab", "card", alone, "--scores", out)
        self.assertEqual(card.returncode, 0, card.stderr)
        self.assertIn(f"{board['psnr_db']['mean']:.2f}", (alone / "README.md").read_text())
        page = self.root / "knobs"
        done = self.run_program("--json", "lab", "knobs", "signs-nano", "--out", page, "--count", 1, "--seeds", 1, "--tasks", "single", "--guidance", "2", "--steps", "2",
                                "--low-guidance", "1", "--many-steps", "2", "--autoencoder", f"tiny={alone}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([a["name"] for a in json.loads(done.stdout)["autoencoders"]], ["tiny"])
        self.assertIn("| tiny |", (page / "knobs.md").read_text())
        self.assertIn("paints nothing", self.run_program("generate", "a red circle", "--model", alone).stderr)
        self.assertIn("--steps is for models that paint", self.refusal(alone, "--steps", 3))
        self.assertIn("has no autoencoder", self.run_program("lab", "knobs", "signs-nano", "--out", page, "--autoencoder", f"none={self.root}").stderr)

    def test_options_that_say_nothing_about_a_model_are_refused(self):
        self.assertIn("--tasks is for models that paint", self.refusal(self.latent, "--tasks", "single"))
        self.assertIn("--factor is for upscalers", self.refusal("signs-nano", "--factor", 2))
        self.assertIn("a factor of 3 cannot be made", self.refusal(self.latent, "--factor", 3))
        self.assertIn("enlarges by 2, not by 4", self.refusal(self.cascade, "--factor", 4))
        self.assertIn("takes 0 to 49", self.refusal(self.cascade, "--noise-level", 50))
        self.assertIn("multiples of 2", self.refusal(self.latent, "--low-px", 33))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
