#!/usr/bin/env python3
"""safelight upscale by models from their files, whole and in tiles; the same as a stage of a pipeline."""
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

from command_line import BINARY, CommandLineTest
from pictures import Picture
from upscalers_test import BASE, CASCADE, LATENT

SOURCE = pathlib.Path(sys.argv[2])
WINDOWS = {"architectures": ["Swin2SRForImageSuperResolution"], "depths": [2, 2], "embed_dim": 8, "hidden_act": "gelu", "image_size": 16, "img_range": 1.0,
           "mlp_ratio": 2.0, "model_type": "swin2sr", "num_channels": 3, "num_channels_out": 3, "num_heads": [2, 2], "patch_size": 1, "qkv_bias": True,
           "resi_connection": "1conv", "upsampler": "pixelshuffledirect", "upscale": 2, "use_absolute_embeddings": False, "window_size": 4}


def swin2sr_shapes(c):
    """Names and shapes of its tensors, as published checkpoints hold them."""
    d, hidden = c["embed_dim"], int(c["mlp_ratio"] * c["embed_dim"])
    shapes = {}

    def layer(name, *shape):
        shapes[name + ".weight"] = shape
        shapes[name + ".bias"] = shape[:1]
    layer("swin2sr.first_convolution", d, 3, 3, 3)
    layer("swin2sr.embeddings.patch_embeddings.projection", d, d, 1, 1)
    layer("swin2sr.embeddings.patch_embeddings.layernorm", d)
    for s, depth in enumerate(c["depths"]):
        stage, heads = f"swin2sr.encoder.stages.{s}.", c["num_heads"][s]
        for n in range(depth):
            at = f"{stage}layers.{n}."
            own = at + "attention.self."
            shapes[own + "logit_scale"] = (heads, 1, 1)
            layer(own + "continuous_position_bias_mlp.0", 512, 2)
            shapes[own + "continuous_position_bias_mlp.2.weight"] = (heads, 512)
            layer(own + "query", d, d)
            shapes[own + "key.weight"] = (d, d)
            layer(own + "value", d, d)
            layer(at + "attention.output.dense", d, d)
            layer(at + "layernorm_before", d)
            layer(at + "intermediate.dense", hidden, d)
            layer(at + "output.dense", d, hidden)
            layer(at + "layernorm_after", d)
        layer(stage + "conv", d, d, 3, 3)
        layer(stage + "patch_embed.projection", d, d, 1, 1)
    layer("swin2sr.layernorm", d)
    layer("swin2sr.conv_after_body", d, d, 3, 3)
    layer("upsample.conv", 3 * c["upscale"] ** 2, d, 3, 3)
    return shapes


def esrgan_shapes(features=16, growth=8, blocks=2, doublings=1):
    """Names and shapes of an ESRGAN network's tensors, as published checkpoints hold them."""
    shapes = {}

    def conv(name, into, out):
        shapes[name + ".weight"] = (out, into, 3, 3)
        shapes[name + ".bias"] = (out,)
    conv("conv_first", 3, features)
    for b in range(blocks):
        for r in (1, 2, 3):
            for c in range(5):
                conv(f"body.{b}.rdb{r}.conv{c + 1}", features + c * growth, growth if c < 4 else features)
    for name in ["conv_body"] + [f"conv_up{i + 1}" for i in range(doublings)] + ["conv_hr"]:
        conv(name, features, features)
    conv("conv_last", features, 3)
    return shapes


def write_safetensors(file, shapes):
    """Random numbers, about as large as trained ones are."""
    chance, tensors, header, at = random.Random(5), [], {}, 0
    for name, shape in shapes.items():
        count, fan = 1, 1
        for n in shape:
            count *= n
        for n in shape[1:]:
            fan *= n
        norm = "norm" in name.rsplit(".", 2)[-2]
        values = [1.0 if norm and name.endswith("weight") else chance.gauss(0, 1 / max(fan, 16) ** 0.5) for _ in range(count)]
        tensors.append(struct.pack(f"<{count}f", *values))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + 4 * count]}
        at += 4 * count
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensors))
    return file


def write_swin2sr(folder, config):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", swin2sr_shapes(config))
    return folder


def paint(file, width, height):
    """A gradient with shapes on it and some grain."""
    chance, picture = random.Random(1), Picture.__new__(Picture)
    picture.width, picture.height, picture.texts, picture.rows = width, height, [], []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            inside = (x - width / 3) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2
            base = (200, 60, 40) if inside else (40 + 150 * x // width, 90, 60 + 120 * y // height)
            row += bytes(min(255, max(0, v + chance.randint(-3, 3))) for v in base)
        picture.rows.append(row)
    picture.write(file)
    return file


def apart(a, b):
    """The largest difference of a sample, in levels."""
    return max(abs(p - q) for r, s in zip(a.rows, b.rows) for p, q in zip(r, s))


def step_at(picture, column):
    """Mean step across the line before this column, less that of the lines beside it, in levels."""
    def step(x):
        return sum(abs(r[3 * x + c] - r[3 * x - 3 + c]) for r in picture.rows for c in range(3)) / (3 * picture.height)
    return step(column) - (step(column - 1) + step(column + 1)) / 2


class Upscale(CommandLineTest):
    """Models are made once, by training a few steps or from random numbers."""
    models = None

    @classmethod
    def tearDownClass(cls):
        if cls.models:
            cls.models.cleanup()

    def trained(self, name, recipe, start=None):
        root = pathlib.Path(self.models.name)
        (root / f"{name}.toml").write_text(recipe)
        done = subprocess.run([BINARY, "lab", "train", root / f"{name}.toml", "--out", root / name, "--threads", "1", *(["--from", start] if start else [])], env=self.env, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return root / name / "model"

    def setUp(self):
        super().setUp()
        if not Upscale.models:
            Upscale.models = tempfile.TemporaryDirectory()
            base = self.trained("base", BASE)
            # Over an autoencoder that is trained well, so that its pictures are smooth and a seam would be seen.
            large = LATENT.replace("image_px = 32", "image_px = 128").replace("latent_channels = 4", "latent_channels = 8")
            Upscale.smooth = self.trained("smooth", large, SOURCE / "models" / "signs-base")
            Upscale.latent, Upscale.cascade = self.trained("latent", LATENT, base), self.trained("cascade", CASCADE, base)
            Upscale.convolutions = write_safetensors(pathlib.Path(self.models.name) / "convolutions.safetensors", esrgan_shapes())
            Upscale.windows = write_swin2sr(pathlib.Path(self.models.name) / "windows", WINDOWS)
        self.small = paint(self.dir / "small.png", 90, 62)

    def upscaled(self, model, *args):
        out = self.dir / "out.png"
        said = json.loads(self.call("upscale", self.small, "--model", model, "--out", out, "--json", "--threads", 1, *args).stdout)
        picture = Picture(out)
        self.assertEqual((said["width"], said["height"]), (picture.width, picture.height))
        return said, picture

    def refused(self, *args, status=1):
        out = self.dir / "refused.png"
        message = self.call("upscale", *args, "--out", out, status=status).stderr.decode()
        self.assertFalse(out.exists())
        return message

    def test_tiles_of_windows_give_what_one_piece_gives(self):
        said, whole = self.upscaled(self.windows, "--tile", 0)
        self.assertEqual((said["method"], said["factor"], said["width"], said["height"]), ("swin2sr", 2, 180, 124))
        for side in (16, 32):
            _, tiles = self.upscaled(self.windows, "--tile", side)
            self.assertLessEqual(apart(whole, tiles), 1, f"tiles of {side}")   # rounding to 8 bits may fall to either side
            for column in range(2 * side, 180, 2 * side):
                self.assertAlmostEqual(step_at(tiles, column), step_at(whole, column), delta=0.1)
        _, blind = self.upscaled(self.windows, "--tile", 16, "--overlap", 0)
        self.assertGreater(apart(whole, blind), 1, "without overlap tiles must be told apart, or the test shows nothing")

    def test_tiles_of_convolutions_give_what_one_piece_gives(self):
        said, whole = self.upscaled(self.convolutions, "--tile", 0)
        self.assertEqual((said["method"], said["factor"], said["width"], said["height"]), ("esrgan", 2, 180, 124))
        for side in (16, 40):
            _, tiles = self.upscaled(self.convolutions, "--tile", side)
            self.assertLessEqual(apart(whole, tiles), 1, f"tiles of {side}")
        _, blind = self.upscaled(self.convolutions, "--tile", 16, "--overlap", 0)
        self.assertGreater(apart(whole, blind), 1, "without overlap tiles must be told apart, or the test shows nothing")
        folder = self.dir / "folder"
        folder.mkdir()
        (folder / "x2.safetensors").write_bytes(self.convolutions.read_bytes())
        self.assertEqual(apart(whole, self.upscaled(folder, "--tile", 0)[1]), 0)
        pickle = self.dir / "x4.pth"
        pickle.write_bytes(b"PK\x03\x04" + b"\0" * 60)
        self.assertIn("safetensors", self.refused(self.small, "--model", pickle))
        odd = write_safetensors(self.dir / "odd.safetensors", {k: v for k, v in esrgan_shapes().items() if k != "conv_hr.bias"})
        self.assertIn("conv_hr.bias", self.refused(self.small, "--model", odd))

    def test_an_upscaler_of_latents_shows_no_seams_in_tiles(self):
        paint(self.small, 230, 60)
        said, whole = self.upscaled(self.smooth, "--tile", 0)
        self.assertEqual((said["method"], said["factor"], said["width"], said["height"]), ("latent", 2, 460, 120))
        baseline = max(step_at(whole, x) for x in range(8, 452))
        _, tiles = self.upscaled(self.smooth, "--tile", 64)
        self.assertLess(max(step_at(tiles, x) for x in range(8, 452)), baseline + 0.5)
        _, blind = self.upscaled(self.smooth, "--tile", 64, "--overlap", 0)
        self.assertGreater(max(step_at(blind, x) for x in range(8, 452)), baseline + 3, "without overlap there must be seams, or the test shows nothing")
        paint(self.small, 90, 62)
        self.assertEqual(self.upscaled(self.latent, "--factor", 4)[0]["width"], 360)

    def test_a_cascade_draws_over_one_latent(self):
        said, whole = self.upscaled(self.cascade, "--tile", 0, "--seed", 3)
        self.assertEqual((said["method"], said["factor"]), ("diffusion", 2))
        _, tiles = self.upscaled(self.cascade, "--tile", 32, "--seed", 3)
        baseline = max(step_at(whole, x) for x in range(8, 172))
        self.assertLess(max(step_at(tiles, x) for x in range(8, 172)), baseline + 2)
        again = self.upscaled(self.cascade, "--tile", 32, "--seed", 3)[1]
        self.assertEqual(apart(tiles, again), 0)
        self.assertGreater(apart(tiles, self.upscaled(self.cascade, "--tile", 32, "--seed", 4)[1]), 0)

    def test_what_cannot_be_done_is_explained(self):
        empty = self.dir / "empty"
        empty.mkdir()
        self.assertIn("is no upscaler that is known", self.refused(self.small, "--model", empty))
        self.assertIn("low_res_scheduler", self.refused(self.small, "--model", SOURCE / "models" / "signs-nano"))
        self.assertIn("paints from a prompt", self.refused(self.small, "--model", SOURCE / "models" / "signs-nano", "--method", "diffusion"))
        self.assertIn("there", self.refused(self.small, "--model", self.dir / "none"))
        self.assertIn("enlarges by 2, not by 3", self.refused(self.small, "--model", self.windows, "--factor", 3, status=2))
        self.assertIn("a factor of 3 cannot be made", self.refused(self.small, "--model", self.latent, "--factor", 3, status=2))
        self.assertIn("takes 0 to 49", self.refused(self.small, "--model", self.cascade, "--noise-level", 50, status=2))
        self.assertIn("known: lanczos, esrgan, swin2sr, latent, diffusion", self.refused(self.small, "--method", "magic", status=2))
        broken = self.dir / "broken.png"
        broken.write_bytes(self.small.read_bytes()[:200])
        self.assertIn("broken.png", self.refused(broken, "--model", self.windows))
        damaged = write_swin2sr(self.dir / "damaged", WINDOWS)
        (damaged / "model.safetensors").write_bytes((damaged / "model.safetensors").read_bytes()[:5000])
        self.assertIn("model.safetensors", self.refused(self.small, "--model", damaged))
        large = paint(self.dir / "large.png", 1100, 4)
        self.assertIn("up to 256 pixels a side at a factor of 8", self.refused(large, "--model", self.latent, "--factor", 8))

    def test_it_is_a_stage_of_a_pipeline(self):
        pipeline = self.dir / "pipeline.toml"
        stages = f'[[stage]]\nname = "draw"\nkind = "generate"\nseed = 7\n[[stage]]\nname = "enlarge"\nkind = "upscale"\nmodel = "{self.windows}"\n[[stage]]\nname = "write"\nkind = "deliver"\nfile = "large.png"\n'
        def written(text):
            pipeline.write_text(f'name = "large"\nprompt = "a red circle"\n{text}')
            return pipeline
        run = json.loads(self.call("run", written(stages), "--json").stdout)
        self.assertEqual(run["state"], "done")
        drawn, enlarged = run["stages"][0]["outputs"][0], run["stages"][1]
        self.assertEqual(enlarged["facts"], {"factor": 2, "method": "swin2sr", "model": str(self.windows)})
        self.assertEqual(Picture(next(self.dir.rglob("large.png"))).width, 2 * drawn["width"])
        failed = json.loads(self.call("run", written(stages.replace(str(self.windows), str(self.dir))), "--json", status=1).stdout)
        self.assertIn("is no upscaler", failed["stages"][1]["message"])
        self.assertTrue(failed["stages"][0]["reused"])   # nothing is drawn again
        self.assertIn("tone", self.call("run", written(stages + "tone = 1\n"), status=2).stderr.decode())
        self.assertIn("known with a model: esrgan, swin2sr, latent, diffusion", self.call("run", written(stages.replace("model =", 'method = "magic"\nmodel =')), status=2).stderr.decode())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
