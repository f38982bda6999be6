#!/usr/bin/env python3
"""Image-to-image, inpainting, cascades, guidance forms, prompts with weights and adapters, on the embedded model."""
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import unittest
import zlib

from command_line import CommandLineTest

BINARY, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
MODEL = SOURCE / "models" / "signs-nano"


def write_png(path, width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = b"".join(b"\0" + row for row in rows)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def read_png(path):
    """Rows of bytes, three a pixel; only what our own encoder writes (8 bit RGB, no interlace)."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height = struct.unpack(">II", data[at + 8:at + 16])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    raw, rows, stride = zlib.decompress(packed), [], width * 3
    before = bytearray(stride)
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = row[i - 3] if i >= 3 else 0, before[i], before[i - 3] if i >= 3 else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[i] = (row[i] + (0, a, b, (a + b) // 2, nearest)[kind]) & 255
        rows.append(bytes(row))
        before = row
    return rows


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += struct.pack(f"<{len(values)}f", *values)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class PicturesAndAdapters(CommandLineTest):
    def generate(self, prompt, *args):
        return json.loads(self.call("generate", prompt, "--seed", "5", "--json", *args).stdout)

    def refused(self, *args):
        done = subprocess.run([BINARY, "generate", "a red circle", *map(str, args)], env=self.env, capture_output=True, timeout=60)
        self.assertIn(done.returncode, (1, 2), done.stderr.decode(errors="replace"))
        return done.stderr.decode()

    def sha(self, result):
        """Of the pixels: the files also say what was asked for."""
        return hashlib.sha256(b"".join(read_png(pathlib.Path(result["images"][0])))).hexdigest()

    def largest_difference(self, one, other):
        pairs = zip(*(read_png(pathlib.Path(r["images"][0])) for r in (one, other)))
        return max(abs(a - b) for r, w in pairs for a, b in zip(r, w))

    def picture(self):
        return pathlib.Path(self.generate("a red circle")["images"][0])

    def mask(self, inside):
        path = self.dir / "mask.png"
        write_png(path, 64, 64, [bytes(255 if inside(x, y) else 0 for x in range(64)) for y in range(64)])
        return path

    def test_strength_one_ignores_the_picture_and_zero_returns_it(self):
        source = self.picture()
        plain = self.sha(self.generate("a blue square"))
        self.assertEqual(self.sha(self.generate("a blue square", "--image", source, "--strength", "1")), plain)
        kept = self.generate("a blue square", "--image", source, "--strength", "0")
        rows, want = read_png(pathlib.Path(kept["images"][0])), read_png(source)
        difference = sum(abs(a - b) for r, w in zip(rows, want) for a, b in zip(r, w)) / (64 * 64 * 3)
        self.assertLess(difference, 6)  # the autoencoder's own loss
        again = self.generate("a green ring", "--image", source, "--strength", "0")
        self.assertEqual(self.sha(again), self.sha(kept))

    def test_every_strength_and_scheduler_starts_where_it_should(self):
        source = self.picture()
        for scheduler in ("ddim", "heun", "pndm", "dpmpp-2m", "dpm2-ancestral", "unipc"):
            shas = {self.sha(self.generate("a blue square", "--image", source, "--strength", s, "--scheduler", scheduler, "--steps", "8")) for s in ("0.3", "0.6", "0.95")}
            self.assertEqual(len(shas), 3, scheduler)

    def test_inpainting_leaves_every_byte_outside_the_mask(self):
        source = self.picture()
        inside = lambda x, y: 13 <= x < 40 and 20 <= y < 51
        mask = self.mask(inside)
        for extra in ([], ["--mask-blur", "4"], ["--crop-padding", "6"], ["--mask-blur", "3", "--crop-padding", "0", "--strength", "1"]):
            result = self.generate("a blue square", "--image", source, "--mask", mask, *extra)
            rows, want = read_png(pathlib.Path(result["images"][0])), read_png(source)
            changed = 0
            for y in range(64):
                for x in range(64):
                    same = rows[y][3 * x:3 * x + 3] == want[y][3 * x:3 * x + 3]
                    changed += inside(x, y) and not same
                    self.assertTrue(same or inside(x, y), f"{extra}: pixel {x},{y} outside the mask changed")
            self.assertGreater(changed, 100, extra)

    def test_a_stopped_run_goes_on_and_a_cascade_resumes(self):
        whole = self.generate("a blue square", "--scheduler", "ddim", "--steps", "10")
        first = self.generate("a blue square", "--scheduler", "ddim", "--steps", "10", "--stop-at", "0.6")
        second = self.generate("a blue square", "--scheduler", "ddim", "--steps", "10", "--start-at", "0.6", "--from-run", first["run"])
        self.assertLessEqual(self.largest_difference(second, whole), 1)
        out = self.dir / "cascade"
        once = self.generate("a blue square", "--refiner", MODEL, "--refine-at", "0.5", "--out", out)
        stored = (out / "first" / "partial.safetensors").stat().st_mtime_ns
        for file in out.iterdir():
            if file.is_file():
                file.unlink()
        twice = self.generate("a blue square", "--refiner", MODEL, "--refine-at", "0.5", "--out", out)
        self.assertEqual(self.sha(once), self.sha(twice))
        self.assertEqual((out / "first" / "partial.safetensors").stat().st_mtime_ns, stored)
        self.assertIn("--stop-at", self.refused("--start-at", "0.5", "--from-run", whole["run"]))

    def test_guidance_forms_and_intervals(self):
        plain = self.sha(self.generate("a blue square"))
        self.assertEqual(self.sha(self.generate("a blue square", "--guidance-from", "0", "--guidance-to", "1")), plain)
        off = self.sha(self.generate("a blue square", "--guidance", "1"))
        self.assertEqual(self.sha(self.generate("a blue square", "--guidance", "0")), off)
        self.assertEqual(self.sha(self.generate("a blue square", "--guidance-from", "1")), off)
        shas = {plain, off}
        for args in (["--guidance-form", "apg"], ["--guidance-form", "cfg++", "--guidance", "0.6", "--scheduler", "ddim"], ["--guidance-to", "0.5"], ["--guidance-rescale", "0.7"]):
            shas.add(self.sha(self.generate("a blue square", *args)))
        self.assertEqual(len(shas), 6)
        self.assertIn("use ddim, euler or euler-ancestral", self.refused("--guidance-form", "cfg++", "--scheduler", "lms"))
        self.assertIn("known: apg, cfg, cfg++", self.refused("--guidance-form", "magic"))

    def test_weights_and_long_prompts(self):
        plain = self.sha(self.generate("a blue square"))
        self.assertEqual(self.sha(self.generate("a (blue:1) square")), plain)
        self.assertNotEqual(self.sha(self.generate("a (blue:1.5) square")), plain)
        long = "a blue square " + "above a red circle " * 12
        cut, chunks = self.generate(long), self.generate(long, "--long-prompt", "chunks")
        self.assertTrue(cut["truncated"])
        self.assertFalse(chunks["truncated"])
        self.assertNotEqual(self.sha(cut), self.sha(chunks))

    def lora(self, name, size):
        module = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
        raw = (MODEL / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
        header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
        rows, columns = header[module + ".weight"]["shape"]
        path = self.dir / name
        stem = "lora_unet_" + module.replace(".", "_")
        write_safetensors(path, {stem + ".lora_down.weight": ([2, columns], [0.1] * (2 * columns)), stem + ".lora_up.weight": ([rows, 2], [size] * (2 * rows)),
                                 stem + ".alpha": ([], [2.0])})
        return path

    def test_adapters_change_the_picture_by_their_weight_and_others_are_refused(self):
        plain = self.sha(self.generate("a blue square"))
        path = self.lora("a.safetensors", 0.5)
        self.assertEqual(self.sha(self.generate("a blue square", "--lora", f"{path}:0")), plain)
        one = self.generate("a blue square", "--lora", path)
        self.assertNotEqual(self.sha(one), plain)
        halves = self.generate("a blue square", "--lora", f"{path}:0.5", "--lora", f"{path}:0.5")
        self.assertLessEqual(self.largest_difference(one, halves), 2)
        other = self.dir / "other.safetensors"
        write_safetensors(other, {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": ([1, 4], [0.0] * 4), "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": ([4, 1], [0.0] * 4)})
        text = self.refused("--lora", other)
        self.assertIn("other.safetensors", text)
        self.assertIn("made for another family", text)

    def test_a_model_in_every_layout_paints_the_same(self):
        first = self.generate("a blue square")
        same = ["--steps", first["resolved"]["steps"], "--guidance", first["resolved"]["guidance"], "--scheduler", first["resolved"]["solver"], "--width", "64", "--height", "64"]
        plain = self.sha(first)
        one, back, blocks = self.dir / "one.safetensors", self.dir / "back", self.dir / "blocks.gguf"
        report = json.loads(self.call("models", "convert", MODEL, one, "--to", "single-file", "--json").stdout)
        self.assertEqual(report["counts"]["left out"], 0)
        self.assertEqual(self.sha(self.generate("a blue square", "--model", one, "--base", MODEL, *same)), plain)
        self.call("models", "convert", one, back, "--to", "directory", "--base", MODEL)
        self.assertEqual(self.sha(self.generate("a blue square", "--model", back, *same)), plain)
        self.call("models", "convert", MODEL, blocks, "--to", "gguf", "--type", "q8_0")
        packed = self.generate("a blue square", "--model", blocks, "--base", MODEL, *same)
        self.assertEqual(self.sha(packed), self.sha(self.generate("a blue square", "--model", blocks, "--base", MODEL, "--unpack", *same)))
        self.assertLess(packed["memory"]["weights_bytes"], self.generate("a blue square")["memory"]["weights_bytes"])
        self.call("models", "convert", MODEL, one, status=1)  # it is there already
        self.assertFalse(list(self.dir.glob("*.partial")))

    def test_learned_words_join_the_vocabulary(self):
        raw = (MODEL / "text_encoder" / "model.safetensors").read_bytes()
        header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
        width = next(v["shape"][1] for k, v in header.items() if k.endswith("token_embedding.weight"))
        path = self.dir / "toy.safetensors"
        write_safetensors(path, {"<toy>": ([2, width], [0.05] * (2 * width))})
        self.assertEqual(self.generate("a <toy> square")["unknown_words"] != [], True)
        with_word = self.generate("a <toy> square", "--embedding", path)
        self.assertEqual(with_word["unknown_words"], [])
        renamed = self.generate("a *s square", "--embedding", f"*s={path}")
        self.assertEqual(self.sha(with_word), self.sha(renamed))
        write_safetensors(path, {"<toy>": ([width + 1], [0.05] * (width + 1))})
        self.assertIn("learned for another model", self.refused("--embedding", path))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
