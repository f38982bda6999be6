#!/usr/bin/env python3
"""Hostile files: every damaged model, checkpoint, adapter or picture is refused quickly, by name, without a crash or much memory."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

BINARY, SOURCE = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
NANO = SOURCE / "models" / "signs-nano"
PROMPT = "a red circle left of a blue square"
SECONDS, EXTRA_MIB, KILL_MIB, MESSAGE_BYTES = 10, 400, 1500, 1 << 16
UNET, VAE, TEXT = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1, "F8_E4M3": 1}
PICKLE, ZIP = b"\x80\x02}q\x00.", b"PK\x03\x04" + bytes(26) + b"archive/data.pkl"

CASES = []


def case(*expected, status=None, may_pass=False):
    """Adds a case: a function of a Bench that makes the files and returns the arguments; the words that the error must hold."""
    def add(make):
        CASES.append((make.__name__, make, expected, status, may_pass))
        return make
    return add


# ---- writing files -------------------------------------------------------------------------------------------------------

def numbers(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def safetensors_raw(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def safetensors(tensors):
    """{name: (dtype, shape, bytes)} -> a valid file."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return safetensors_raw(json.dumps(header), data)


def tensor(dtype, shape, content=None):
    return dtype, list(shape), bytes(numbers(shape) * SIZES[dtype]) if content is None else content


def read_safetensors(file):
    data = file.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    return {k: (v["dtype"], v["shape"], data[end + v["data_offsets"][0]:end + v["data_offsets"][1]]) for k, v in header.items() if k != "__metadata__"}


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def gguf(keys=(), tensors=(), data=b"", version=3, n_tensors=None, n_keys=None, magic=b"GGUF", alignment=32):
    """keys: (name, type, payload); tensors: (name, dimensions as in the file, type, offset)."""
    out = magic + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys)
    for name, kind, payload in keys:
        out += text(name) + struct.pack("<I", kind) + payload
    for name, dimensions, kind, offset in tensors:
        out += text(name) + struct.pack("<I", len(dimensions)) + b"".join(struct.pack("<Q", d) for d in dimensions) + struct.pack("<IQ", kind, offset)
    return out + bytes(-len(out) % alignment) + data


def gguf_of(tensors, as_q8=()):
    """A valid GGUF file of float16 tensors; those named in as_q8 as blocks whose scale is NaN."""
    rows, data = [], b""
    for name, (dtype, shape, content) in tensors.items():
        assert dtype == "F16", name
        q8 = name in as_q8
        rows.append((name, shape[::-1], 8 if q8 else 1, len(data)))
        data += (b"\x00\x7e" + bytes(32)) * (numbers(shape) // 32) if q8 else content
        data += bytes(-len(data) % 32)
    return gguf(tensors=rows, data=data)


def chunk(kind, content, crc=None):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content) if crc is None else crc)


def zeros(count):
    """A zlib stream of so many zeros, made without holding them."""
    packer, out = zlib.compressobj(9), b""
    for begin in range(0, count, 1 << 20):
        out += packer.compress(bytes(min(1 << 20, count - begin)))
    return out + packer.flush()


def png(width, height, rows=None, kind=2, depth=8, before=b"", after=b"", idat=None):
    channels = {0: 1, 2: 3, 3: 1}[kind]
    if idat is None:
        idat = zeros((1 + width * channels) * (height if rows is None else rows))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", idat) + after + chunk(b"IEND", b"")


def original_unet(tensors):
    """The UNet of signs-nano under the names of Stable Diffusion 1's authors (one residual block a level)."""
    resnet = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    ends = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_norm_out": "out.0", "conv_out": "out.2"}
    layers = 1
    out = {}
    for key, value in tensors.items():
        module, kind = key.rsplit(".", 1)
        p = module.split(".")
        if module in ends:
            name = ends[module]
        elif p[0] == "mid_block":
            name = "middle_block.1." + ".".join(p[3:]) if p[1] == "attentions" else f"middle_block.{2 * int(p[2])}.{resnet[p[3]]}"
        elif p[2] in ("downsamplers", "upsamplers"):
            name = f"input_blocks.{(int(p[1]) + 1) * (layers + 1)}.0.op" if p[2] == "downsamplers" else f"output_blocks.{int(p[1]) * (layers + 1) + layers}.2.conv"
        else:
            index = int(p[1]) * (layers + 1) + int(p[3])
            side = f"input_blocks.{1 + index}" if p[0] == "down_blocks" else f"output_blocks.{index}"
            name = f"{side}.1." + ".".join(p[4:]) if p[2] == "attentions" else f"{side}.0.{resnet[p[4]]}"
        out[f"model.diffusion_model.{name}.{kind}"] = value
    return out


# ---- what a case works with ----------------------------------------------------------------------------------------------

class Bench:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="safelight-hostile-"))

    def file(self, name, content):
        file = self.dir / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(file)

    def pieces(self, name, pieces):
        """A large file, written piece by piece: what this process holds would be counted as its children's memory."""
        with open(self.dir / name, "wb") as out:
            for piece in pieces:
                out.write(piece)
        return self.dir / name

    def copy(self, change=None, name="model"):
        model = self.dir / name
        shutil.copytree(NANO, model, ignore=shutil.ignore_patterns("*.png", "*.md", "*.toml"))
        if change:
            change(model)
        return model

    def model(self, change):
        return ["generate", PROMPT, "--model", str(self.copy(change))]

    def bytes(self, name, content):
        """A model whose file `name` holds these bytes, or what a function makes of its own."""
        def change(model):
            file = model / name
            file.write_bytes(content(file.read_bytes()) if callable(content) else content if isinstance(content, bytes) else content.encode())
        return self.model(change)

    def tensors(self, name, change):
        """A model whose weights `name` were read, changed and written as a valid file."""
        def edit(model):
            tensors = read_safetensors(model / name)
            change(tensors)
            (model / name).write_bytes(safetensors(tensors))
        return self.model(edit)

    def header(self, change, name=UNET):
        """A model whose header of `name` was changed while its data stayed."""
        def edit(data):
            end = 8 + struct.unpack("<Q", data[:8])[0]
            header = json.loads(data[8:end])
            change(header)
            return safetensors_raw(json.dumps(header), data[end:])
        return self.bytes(name, edit)

    def entry(self, **fields):
        """One entry of the UNet's header changed: conv_in.weight."""
        return self.header(lambda h: h["conv_in.weight"].update(fields))

    def length(self, value):
        return self.bytes(UNET, lambda data: struct.pack("<Q", value(data) if callable(value) else value) + data[8:])

    def json(self, name, **fields):
        """A model whose JSON file has these keys set; None removes one."""
        def edit(data):
            config = json.loads(data)
            for key, value in fields.items():
                config.pop(key, None)
                if value is not None:
                    config[key] = value
            return json.dumps(config).encode()
        return self.bytes(name, edit)

    def replaced(self, name, make):
        """A model whose file `name` is something else: a FIFO, a link, a folder."""
        def change(model):
            (model / name).unlink()
            make(model / name)
        return self.model(change)

    def index(self, weight_map, also=None):
        """A model whose UNet is given by an index of shards."""
        def change(model):
            (model / UNET).rename(model / "unet" / "a.safetensors")
            (model / (UNET + ".index.json")).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
            if also:
                also(model / "unet")
        return self.model(change)

    def single(self, content, name="checkpoint.safetensors", base=NANO):
        return ["generate", PROMPT, "--model", self.file(name, content), "--base", str(base)]

    def gguf(self, *args, **kwargs):
        return self.single(gguf(*args, **kwargs), "checkpoint.gguf")

    def lora(self, tensors, suffix=""):
        content = tensors if isinstance(tensors, bytes) else safetensors(tensors)
        return ["generate", PROMPT, "--lora", self.file("style.safetensors", content) + suffix]

    def embedding(self, tensors):
        return ["generate", PROMPT, "--embedding", "sks=" + self.file("word.safetensors", tensors if isinstance(tensors, bytes) else safetensors(tensors))]

    def image(self, content, *more):
        return ["generate", PROMPT, "--image", self.file("start.png", content), *more]

    def control(self, change=None, config=None, hint=None):
        """A ControlNet made for signs-nano from its UNet, then changed."""
        tensors = control_tensors(read_safetensors(NANO / UNET))
        if change:
            change(tensors)
        folder = self.dir / "control"
        folder.mkdir()
        settings = json.loads((NANO / "unet" / "config.json").read_text())
        for key in ("up_block_types", "out_channels", "sample_size"):
            settings.pop(key)
        settings.update({"_class_name": "ControlNetModel", "conditioning_embedding_out_channels": [16, 32, 96, 256]}, **(config or {}))
        (folder / "config.json").write_text(json.dumps(settings))
        (folder / "diffusion_pytorch_model.safetensors").write_bytes(safetensors(tensors))
        return ["generate", PROMPT, "--control", str(folder), "--control-image", self.file("hint.png", hint or png(64, 64))]


def control_tensors(unet):
    out = {k: v for k, v in unet.items() if k.startswith(("conv_in.", "time_embedding.", "down_blocks.", "mid_block."))}
    def conv(name, into, of, kernel):
        out[name + ".weight"], out[name + ".bias"] = tensor("F16", [into, of, kernel, kernel]), tensor("F16", [into])
    conv("controlnet_cond_embedding.conv_in", 16, 3, 3)
    for i, (of, into) in enumerate([(16, 16), (16, 32), (32, 32), (32, 96), (96, 96), (96, 256)]):
        conv(f"controlnet_cond_embedding.blocks.{i}", into, of, 3)
    conv("controlnet_cond_embedding.conv_out", 64, 256, 3)
    for i, width in enumerate([64, 64, 64, 96]):
        conv(f"controlnet_down_blocks.{i}", width, width, 1)
    conv("controlnet_mid_block", 96, 96, 1)
    return out


def poison(content, pattern):
    return pattern + content[len(pattern):]


def lora_tensors(module="unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q", width=96, rank=2, **more):
    return {f"{module}.lora_A.weight": tensor("F32", [rank, width]), f"{module}.lora_B.weight": tensor("F32", [width, rank]), **more}


LORA = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"

# ---- safetensors ---------------------------------------------------------------------------------------------------------

@case(UNET)
def empty_file(b): return b.bytes(UNET, b"")

@case(UNET)
def five_bytes(b): return b.bytes(UNET, b"\x10\0\0\0\0")

@case(UNET, "header")
def truncated_header(b): return b.bytes(UNET, lambda d: d[:1000])

@case(UNET, "tensor '", "outside the file")
def truncated_data(b): return b.bytes(UNET, lambda d: d[:-1000])

@case(TEXT, "tensor '", "outside the file")
def truncated_text_encoder(b): return b.bytes(TEXT, lambda d: d[:len(d) // 2])

@case(UNET, "header")
def header_length_0(b): return b.length(0)

@case(UNET)
def header_length_1(b): return b.length(1)

@case(UNET, "header")
def header_length_2_31(b): return b.length(2**31)

@case(UNET, "header")
def header_length_2_63(b): return b.length(2**63)

@case(UNET, "header")
def header_length_2_64_less_1(b): return b.length(2**64 - 1)

@case(UNET, "header")
def header_length_wraps_with_its_prefix(b): return b.length(2**64 - 8)

@case(UNET, "header")
def header_length_is_the_file_size(b): return b.length(len)

@case(UNET, "JSON")
def header_length_that_cuts_the_header(b): return b.length(lambda d: struct.unpack("<Q", d[:8])[0] - 16)

@case(UNET, "JSON")
def header_of_broken_json(b): return b.bytes(UNET, safetensors_raw('{"a": {"dtype": "F32", '))

@case(UNET, "'{'")
def header_is_a_list(b): return b.bytes(UNET, safetensors_raw('[{"dtype": "F32"}]'))

@case(UNET, "'a'", "twice")
def header_with_a_name_twice(b):
    entry = '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
    return b.bytes(UNET, safetensors_raw("{" + entry + "," + entry + "}", b"\0"))

@case(UNET, "nested deeper")
def header_10000_deep(b): return b.bytes(UNET, safetensors_raw('{"a":' + "[" * 10000 + "]" * 10000 + "}"))

@case(UNET)
def header_of_invalid_utf8(b): return b.bytes(UNET, safetensors_raw(b'{"\xff\xfe":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"\0"))

@case(UNET)
def header_of_90_megabytes_of_numbers(b):
    head, tail = b'{"a":{"dtype":"U8","data_offsets":[0,1],"shape":[', b"0]}}"
    file = b.pieces("large", [struct.pack("<Q", len(head) + 90_000_000 + len(tail)), head, *[b"0," * 500_000] * 90, tail, b"\0"])
    return b.model(lambda m: file.rename(m / UNET))

@case("500000 tensors")
def header_of_half_a_million_names(b):
    entry = '"k%06d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
    length = len(entry % 0) * 500_000 + 1
    file = b.pieces("large", [struct.pack("<Q", length), b"{", *(("".join(entry % i for i in range(j, j + 5000))).encode()[: -1 if j == 495_000 else None] for j in range(0, 500_000, 5000)), b"}"])
    return b.model(lambda m: file.rename(m / UNET))

@case(UNET, "conv_in.weight", "overflow")
def shape_whose_product_wraps_to_0(b): return b.entry(shape=[2**32, 2**32], data_offsets=[0, 0])

@case(UNET, "conv_in.weight", "too large")
def shape_of_2_63(b): return b.entry(shape=[2**63])

@case(UNET, "conv_in.weight", "dimension")
def shape_with_a_negative_dimension(b): return b.entry(shape=[-64, -8, 3, 3])

@case(UNET, "conv_in.weight", "dimension")
def shape_with_a_fraction(b): return b.entry(shape=[64.5, 8, 3, 3])

@case(UNET, "conv_in.weight", "shape")
def shape_of_65_dimensions(b): return b.entry(shape=[64, 8, 3, 3] + [1] * 61)

@case(UNET, "conv_in.weight", "disagree")
def shape_larger_than_its_data(b): return b.entry(shape=[64, 8, 3, 4])

@case(UNET, "conv_in.weight", "outside")
def offsets_reversed(b): return b.header(lambda h: h["conv_in.weight"]["data_offsets"].reverse())

@case(UNET, "conv_in.weight", "outside")
def offsets_past_the_end(b): return b.entry(data_offsets=[2**40, 2**40 + 9216])

@case(UNET, "conv_in.weight", "offset")
def offsets_negative(b): return b.entry(data_offsets=[-9216, 0])

@case(UNET, "overlap")
def offsets_overlapping(b):
    def change(h):
        h["again"] = dict(h["conv_in.weight"])
    return b.header(change)

@case(UNET, "hole")
def offsets_with_a_hole(b): return b.header(lambda h: h.pop("conv_in.weight"))

@case(UNET, "after the last tensor")
def polyglot_with_a_zip_behind(b): return b.bytes(UNET, lambda d: d + ZIP + b"PK\x05\x06" + bytes(18))

@case(UNET)
def polyglot_with_a_zip_before(b): return b.bytes(UNET, lambda d: ZIP + d)

@case(UNET, "conv_in.weight", "F13")
def unknown_dtype(b): return b.entry(dtype="F13")

@case(UNET, "conv_in.weight", "dtype")
def dtype_that_would_be_cut_inside_a_letter(b): return b.entry(dtype="x" + "é" * 40)

@case(UNET, "conv_in.weight")
def dtype_of_8_bit_floats(b): return b.tensors(UNET, lambda t: t.update({"conv_in.weight": tensor("F8_E4M3", [64, 8, 3, 3])}))

@case(UNET, "NUL")
def name_with_a_nul(b): return b.header(lambda h: h.update({"a\0b": h.pop("conv_in.weight")}))

@case(UNET)
def name_that_would_clear_the_terminal(b): return b.header(lambda h: h.update({"\x1b[2J\x1b]0;x\x07": h.pop("conv_out.bias")}))

@case(UNET)
def name_of_four_megabytes(b): return b.header(lambda h: h.update({"n" * (4 << 20): {**h.pop("conv_in.weight"), "dtype": "F13"}}))

@case(UNET, "__metadata__")
def metadata_that_is_no_text(b): return b.header(lambda h: h.update({"__metadata__": {"a": [1]}}))

@case(UNET, "missing", "conv_out.bias")
def a_tensor_missing(b): return b.tensors(UNET, lambda t: t.pop("conv_out.bias"))

@case(UNET, "surplus.weight")
def a_tensor_too_many(b): return b.tensors(UNET, lambda t: t.update({"surplus.weight": tensor("F16", [4])}))

@case(UNET, "conv_in.weight", "[64,9,3,3]")
def a_tensor_of_another_shape(b): return b.tensors(UNET, lambda t: t.update({"conv_in.weight": tensor("F16", [64, 9, 3, 3])}))

@case(UNET, "conv_in.weight")
def a_tensor_without_dimensions(b): return b.tensors(UNET, lambda t: t.update({"conv_in.weight": tensor("F16", [])}))

@case("model", "no family")
def weights_of_the_autoencoder_as_unet(b): return b.model(lambda m: shutil.copy(m / VAE, m / UNET))

def set_value(name, dtype, pattern):
    def change(tensors):
        kind, shape, content = tensors[name]
        tensors[name] = (dtype, shape, poison(content if kind == dtype else bytes(numbers(shape) * SIZES[dtype]), pattern))
    return change

@case(UNET, "conv_in.weight", "NaN")
def nan_in_the_unet(b): return b.tensors(UNET, set_value("conv_in.weight", "F16", b"\x00\x7e"))

@case(VAE, "decoder.conv_in.weight", "infinity")
def infinity_in_the_autoencoder(b): return b.tensors(VAE, set_value("decoder.conv_in.weight", "F16", b"\x00\xfc"))

@case(TEXT, "text_model.final_layer_norm.weight", "NaN")
def nan_in_the_text_encoder(b): return b.tensors(TEXT, set_value("text_model.final_layer_norm.weight", "F16", b"\xff\xff"))

@case(UNET, "conv_in.weight")
def a_double_that_no_float_holds(b): return b.tensors(UNET, set_value("conv_in.weight", "F64", struct.pack("<d", 1e300)))

# ---- files that are no files ---------------------------------------------------------------------------------------------

@case(UNET, "not a regular file")
def weights_are_a_fifo(b): return b.replaced(UNET, os.mkfifo)

@case(UNET, "not a regular file")
def weights_are_dev_zero(b): return b.replaced(UNET, lambda f: f.symlink_to("/dev/zero"))

@case(UNET)
def weights_are_a_folder(b): return b.replaced(UNET, lambda f: f.mkdir())

@case(UNET, "missing")
def weights_are_a_link_to_nothing(b): return b.replaced(UNET, lambda f: f.symlink_to("nowhere"))

@case(UNET)
def weights_are_a_link_to_themselves(b): return b.replaced(UNET, lambda f: f.symlink_to(f.name))

@case("unet/config.json", "not a regular file")
def config_is_a_fifo(b): return b.replaced("unet/config.json", os.mkfifo)

@case("unet/config.json")
def config_is_missing(b): return b.replaced("unet/config.json", lambda f: None)

@case("model_index.json")
def index_is_a_link_to_itself(b): return b.replaced("model_index.json", lambda f: f.symlink_to(f.name))

@case("vocab.json", "not a regular file")
def vocabulary_is_a_fifo(b): return b.replaced("tokenizer/vocab.json", os.mkfifo)

@case("merges.txt", "not a regular file")
def merges_are_dev_zero(b): return b.replaced("tokenizer/merges.txt", lambda f: f.symlink_to("/dev/zero"))

@case("baseline.json", "not a regular file")
def baseline_is_a_fifo(b): return b.replaced("baseline.json", os.mkfifo)

def fifo(b, name):
    os.mkfifo(b.dir / name)
    return str(b.dir / name)

@case("pipe.safetensors")
def model_is_a_fifo(b): return ["generate", PROMPT, "--model", fifo(b, "pipe.safetensors")]

@case("/dev/zero")
def model_is_dev_zero(b): return ["generate", PROMPT, "--model", "/dev/zero"]

@case("pipe.safetensors")
def lora_is_a_fifo(b): return ["generate", PROMPT, "--lora", fifo(b, "pipe.safetensors")]

@case("folder.safetensors")
def lora_is_a_folder(b):
    (b.dir / "folder.safetensors").mkdir()
    return ["generate", PROMPT, "--lora", str(b.dir / "folder.safetensors")]

@case(".safetensors")
def lora_whose_name_is_no_utf8(b): return ["generate", PROMPT, "--lora", os.fsencode(b.dir) + b"/\xff.safetensors"]

@case("pipe.png", "not a regular file")
def image_is_a_fifo(b): return ["generate", PROMPT, "--image", fifo(b, "pipe.png")]

@case("/dev/zero", "not a regular file")
def image_is_dev_zero(b): return ["generate", PROMPT, "--image", "/dev/zero"]

@case("pipe.txt")
def prompts_are_a_fifo(b): return ["generate", "--from", fifo(b, "pipe.txt")]

@case("/dev/zero")
def prompts_are_dev_zero(b): return ["generate", "--from", "/dev/zero"]

@case("prompts")
def prompts_are_a_folder(b):
    (b.dir / "prompts").mkdir()
    return ["generate", "--from", str(b.dir / "prompts")]

@case("pipe.json", "not a regular file")
def interventions_are_a_fifo(b): return ["generate", PROMPT, "--interventions", fifo(b, "pipe.json")]

@case("deep.json", "nested deeper")
def interventions_10000_deep(b): return ["generate", PROMPT, "--interventions", b.file("deep.json", "[" * 10000 + "]" * 10000)]

@case("earlier")
def a_run_to_go_on_from_that_is_no_run(b):
    (b.dir / "earlier").mkdir()
    (b.dir / "earlier" / "run.json").write_text("[]")
    return ["generate", PROMPT, "--start-at", "0.5", "--from-run", str(b.dir / "earlier")]

# ---- shards --------------------------------------------------------------------------------------------------------------

@case("index.json", "'a'", "../a.safetensors")
def shard_above_its_folder(b): return b.index({"a": "../a.safetensors"})

@case("index.json", "'a'", "/etc/passwd")
def shard_with_an_absolute_path(b): return b.index({"a": "/etc/passwd.safetensors"})

@case("b.safetensors", "missing", "index.json")
def shard_missing(b): return b.index({"a": "a.safetensors", "b": "b.safetensors"})

@case("b.safetensors")
def shard_is_a_folder(b): return b.index({"a": "b.safetensors"}, lambda f: (f / "b.safetensors").mkdir())

@case("b.safetensors")
def shard_is_a_link_to_itself(b): return b.index({"a": "b.safetensors"}, lambda f: (f / "b.safetensors").symlink_to("b.safetensors"))

@case("tensor '", "a.safetensors", "again in", "b.safetensors")
def shards_that_hold_a_tensor_twice(b): return b.index({"a": "a.safetensors", "b": "b.safetensors"}, lambda f: shutil.copy(f / "a.safetensors", f / "b.safetensors"))

@case("index.json", "weight_map")
def shard_list_of_another_type(b): return b.index(["a.safetensors"])

@case("index.json", "weight_map")
def shard_list_empty(b): return b.index({})

@case("index.json", "'a'")
def shard_name_is_a_number(b): return b.index({"a": 7})

@case("index.json", "shards")
def shards_by_the_thousand(b): return b.index({f"t{i}": f"{i}.safetensors" for i in range(5_000)})

@case("index.json", "keys")
def index_of_a_hundred_thousand_keys(b): return b.index({f"t{i}": "a.safetensors" for i in range(100_000)})

# ---- configuration -------------------------------------------------------------------------------------------------------

def config(name, *expected, **fields):
    """A case where one configuration has these values."""
    file = {"unet": "unet/config.json", "vae": "vae/config.json", "text": "text_encoder/config.json", "scheduler": "scheduler/scheduler_config.json"}[name.split("_")[0]]
    make = lambda b: b.json(file, **fields)
    make.__name__ = name
    case(*expected)(make)

UNET_CONFIG, VAE_CONFIG, TEXT_CONFIG, SCHEDULER = "unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler_config.json"
config("unet_with_4_channels", UNET, "conv_in.weight", in_channels=4, out_channels=4)
config("unet_with_5_input_channels", UNET, "conv_in.weight", in_channels=5)
config("unet_with_negative_channels", UNET_CONFIG, "in_channels", in_channels=-8)
config("unet_with_2_62_channels", UNET_CONFIG, "in_channels", in_channels=2**62)
config("unet_with_2_64_less_8_channels", UNET_CONFIG, "in_channels", in_channels=2**64 - 8)
config("unet_with_text_for_a_number", UNET_CONFIG, "cross_attention_dim", cross_attention_dim="64")
config("unet_with_1000000_layers", UNET_CONFIG, layers_per_block=1_000_000)
config("unet_with_1000000_transformers", UNET_CONFIG, transformer_layers_per_block=1_000_000)
config("unet_with_1000000_wide_blocks", UNET, block_out_channels=[1_000_000, 1_000_000], attention_head_dim=1)
config("unet_with_an_unknown_activation", UNET_CONFIG, "act_fn", act_fn="sine")
config("unet_with_an_unknown_block", UNET_CONFIG, "AttnDownBlock2D", down_block_types=["AttnDownBlock2D", "CrossAttnDownBlock2D"])
config("unet_without_block_widths", UNET_CONFIG, "block_out_channels", block_out_channels=None)
config("unet_without_text_width", UNET, "attn2.to_k.weight", cross_attention_dim=None)
config("unet_with_too_few_widths", UNET_CONFIG, "block_out_channels", block_out_channels=[64])
config("unet_without_blocks", UNET_CONFIG, "down_block_types", down_block_types=[], up_block_types=[], block_out_channels=[])
config("unet_with_0_heads", UNET_CONFIG, "attention_head_dim", attention_head_dim=0)
config("unet_with_negative_groups", UNET_CONFIG, "norm_num_groups", norm_num_groups=-16)
config("unet_for_pictures_of_0", UNET_CONFIG, "sample_size", sample_size=0)
config("unet_for_negative_pictures", UNET_CONFIG, "sample_size", sample_size=-8)
config("unet_for_gigantic_pictures", UNET_CONFIG, "sample_size", sample_size=10**9)
config("unet_with_a_negative_norm_eps", UNET_CONFIG, "norm_eps", norm_eps=-1e9)
config("unet_with_a_frequency_shift_that_divides_by_0", UNET_CONFIG, "freq_shift", freq_shift=32)
config("vae_without_blocks", VAE_CONFIG, "block", down_block_types=[], up_block_types=[], block_out_channels=[])
config("vae_with_1000000_layers", VAE_CONFIG, layers_per_block=1_000_000)
config("vae_with_4_latent_channels", VAE, "wrong shape", latent_channels=4)
config("vae_with_negative_output", VAE_CONFIG, "out_channels", out_channels=-3)
config("vae_with_a_scale_of_0", VAE_CONFIG, "scaling_factor", scaling_factor=0)
config("vae_with_a_denormal_scale", VAE_CONFIG, "scaling_factor", scaling_factor=1e-320)
config("vae_with_a_gigantic_shift", VAE_CONFIG, "shift_factor", shift_factor=1e308)
config("vae_with_an_unknown_activation", VAE_CONFIG, "act_fn", act_fn="sine")
config("text_with_an_unknown_activation", TEXT_CONFIG, "hidden_act", hidden_act="sine")
config("text_with_heads_that_do_not_divide", TEXT_CONFIG, "num_attention_heads", num_attention_heads=7)
config("text_with_1000000_layers", TEXT_CONFIG, num_hidden_layers=1_000_000)
config("text_with_1000000_positions", TEXT, "position_embedding", max_position_embeddings=1_000_000)
config("text_with_a_small_vocabulary", TEXT, "token_embedding", vocab_size=100)
config("scheduler_with_an_unknown_key", SCHEDULER, "temperature", temperature=1)
config("scheduler_with_two_kinds_of_sigmas", SCHEDULER, "karras", use_karras_sigmas=True, use_exponential_sigmas=True)
config("scheduler_with_an_unknown_prediction", SCHEDULER, "prediction", prediction_type="telepathy")
config("scheduler_with_an_unknown_class", SCHEDULER, "OracleScheduler", _class_name="OracleScheduler")
config("scheduler_with_a_number_as_class", SCHEDULER, "_class_name", _class_name=7)
config("scheduler_of_another_frame", "scheduler_config.json", _class_name="FlowMatchEulerDiscreteScheduler")
config("scheduler_with_1_timestep", SCHEDULER, "num_train_timesteps", num_train_timesteps=1)
config("scheduler_with_10_9_timesteps", SCHEDULER, "num_train_timesteps", num_train_timesteps=10**9)
config("scheduler_with_1e300_timesteps", SCHEDULER, "num_train_timesteps", num_train_timesteps=1e300)
config("scheduler_with_2_32_more_timesteps", SCHEDULER, "num_train_timesteps", num_train_timesteps=2**32 + 1000)
config("scheduler_with_text_as_beta", SCHEDULER, "beta_start", beta_start="0.1")
config("scheduler_with_a_beta_of_0", SCHEDULER, "beta", beta_start=0)
config("scheduler_with_an_unknown_schedule", SCHEDULER, "beta_schedule", beta_schedule="sine")
config("scheduler_with_one_trained_beta", SCHEDULER, "trained_betas", trained_betas=[0.1])
config("scheduler_with_trained_betas_beyond_1", SCHEDULER, "trained_betas", trained_betas=[2.0] * 1000)
config("scheduler_with_a_gigantic_offset", SCHEDULER, "steps_offset", steps_offset=10**6, timestep_spacing="leading", _class_name="DDIMScheduler")
config("scheduler_with_a_negative_offset", SCHEDULER, "steps_offset", steps_offset=-10**6, timestep_spacing="leading", _class_name="DDIMScheduler")
config("scheduler_with_order_9", SCHEDULER, "solver_order", solver_order=9)
config("scheduler_that_predicts_noise_from_pure_noise", SCHEDULER, "noise", rescale_betas_zero_snr=True, _class_name="DDIMScheduler")
config("scheduler_with_a_thresholding_ratio_of_5", SCHEDULER, "dynamic_thresholding_ratio", thresholding=True, dynamic_thresholding_ratio=5, _class_name="DDIMScheduler")
config("scheduler_with_negative_sigmas", SCHEDULER, "sigma_min", use_karras_sigmas=True, sigma_min=-1.0)

@case(UNET_CONFIG, "object")
def config_is_a_list(b): return b.bytes("unet/config.json", "[1, 2]")

@case(UNET_CONFIG, "JSON")
def config_is_cut(b): return b.bytes("unet/config.json", lambda d: d[:len(d) // 2])

@case(UNET_CONFIG, "in_channels", "twice")
def config_with_a_key_twice(b): return b.bytes("unet/config.json", '{"in_channels": 8, "in_channels": 4}')

@case(SCHEDULER, "object")
def scheduler_is_a_list(b): return b.bytes("scheduler/scheduler_config.json", "[]")

@case(VAE_CONFIG, "out_channels")
def vae_that_paints_one_channel(b):
    def change(model):
        tensors = read_safetensors(model / VAE)
        tensors["decoder.conv_out.weight"], tensors["decoder.conv_out.bias"] = tensor("F16", [1, 16, 3, 3]), tensor("F16", [1])
        (model / VAE).write_bytes(safetensors(tensors))
        file = model / "vae" / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "out_channels": 1}))
    return b.model(change)

@case(TEXT_CONFIG, "max_position_embeddings")
def text_with_one_position(b):
    def change(model):
        tensors = read_safetensors(model / TEXT)
        tensors["text_model.embeddings.position_embedding.weight"] = tensor("F16", [1, 64])
        (model / TEXT).write_bytes(safetensors(tensors))
        file = model / "text_encoder" / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "max_position_embeddings": 1}))
    return b.model(change)

@case("model_index.json", "object")
def model_index_is_a_number(b): return b.bytes("model_index.json", "7")

@case("model_index.json", "nested deeper")
def model_index_10000_deep(b): return b.bytes("model_index.json", '{"a":' * 10000 + "1" + "}" * 10000)

@case("model_index.json", "_class_name")
def model_index_with_a_number_as_class_of_an_unknown_family(b):
    def change(model):
        (model / "model_index.json").write_text('{"_class_name": 7}')
        (model / UNET).write_bytes(safetensors({"a": tensor("F32", [1])}))
    return b.model(change)

@case("safelight.json", "object")
def recommendations_are_a_list(b): return b.bytes("safelight.json", "[]")

@case("safelight.json")
def recommended_steps_are_text(b): return b.bytes("safelight.json", '{"recommended": {"steps": "many"}}')

@case("safelight.json", "steps")
def recommended_steps_are_10_9(b): return b.bytes("safelight.json", '{"recommended": {"steps": 1000000000}}')

@case("safelight.json", "steps")
def recommended_steps_are_negative(b): return b.bytes("safelight.json", '{"recommended": {"steps": -5}}')

@case("safelight.json", "guidance")
def recommended_guidance_is_1e308(b): return b.bytes("safelight.json", '{"recommended": {"guidance": 1e308}}')

@case("safelight.json", "sorcery")
def recommended_scheduler_is_unknown(b): return b.bytes("safelight.json", '{"recommended": {"scheduler": "sorcery"}}')

@case("baseline.json", "latent_to_rgb")
def baseline_of_another_model(b): return b.bytes("baseline.json", '{"latent_to_rgb": [[1, 2, 3]]}')

@case("baseline.json", "JSON")
def baseline_is_cut(b): return b.bytes("baseline.json", '{"latent_to_rgb": [[')

# ---- tokenizer -----------------------------------------------------------------------------------------------------------

def vocabulary(b, change):
    def edit(data):
        words = json.loads(data)
        change(words)
        return json.dumps(words).encode()
    return b.bytes("tokenizer/vocab.json", edit)

@case("vocab.json", "red</w>")
def vocabulary_with_an_id_twice(b): return vocabulary(b, lambda w: w.update({"red</w>": w["a</w>"]}))

@case("vocab.json", "red</w>")
def vocabulary_with_a_negative_id(b): return vocabulary(b, lambda w: w.update({"red</w>": -1}))

@case("vocab.json", "red</w>")
def vocabulary_with_an_id_beyond_the_table(b): return vocabulary(b, lambda w: w.update({"red</w>": 10**6}))

@case("vocab.json", "red</w>")
def vocabulary_with_a_fraction(b): return vocabulary(b, lambda w: w.update({"red</w>": 1.5}))

@case("vocab.json", "startoftext")
def vocabulary_without_its_begin(b): return vocabulary(b, lambda w: w.pop("<|startoftext|>"))

@case("vocab.json", "object")
def vocabulary_is_a_list(b): return b.bytes("tokenizer/vocab.json", "[]")

@case("tokenizer", "text encoder")
def vocabulary_larger_than_the_table(b): return vocabulary(b, lambda w: w.update({f"extra{i}": 633 + i for i in range(1000)}))

@case("merges.txt", "line 2")
def merges_without_a_space(b): return b.bytes("tokenizer/merges.txt", "#version: 0.2\nabc\n")

@case("tokenizer_config.json", "safelight_words")
def words_that_are_no_list(b): return b.json("tokenizer/tokenizer_config.json", safelight_words=7)

# ---- GGUF ----------------------------------------------------------------------------------------------------------------

ONE = ("model.diffusion_model.input_blocks.0.0.weight", [32], 0, 0)
U32 = lambda v: struct.pack("<I", v)

@case("checkpoint.gguf")
def gguf_with_another_magic(b): return b.gguf(magic=b"GGUX")

@case("checkpoint.gguf", "99")
def gguf_of_version_99(b): return b.gguf(version=99)

@case("checkpoint.gguf", "big-endian")
def gguf_with_the_big_end_first(b): return b.single(b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "checkpoint.gguf")

@case("checkpoint.gguf", "keys")
def gguf_with_2_64_keys(b): return b.gguf(n_keys=2**64 - 1)

@case("checkpoint.gguf", "tensors")
def gguf_with_2_64_tensors(b): return b.gguf(n_tensors=2**64 - 1)

@case("checkpoint.gguf", "more than the file")
def gguf_with_a_key_of_2_63_bytes(b): return b.single(gguf(n_keys=1)[:24] + struct.pack("<Q", 2**63) + bytes(64), "checkpoint.gguf")

@case("checkpoint.gguf", "general.name")
def gguf_with_a_text_of_2_63_bytes(b): return b.gguf([("general.name", 8, struct.pack("<Q", 2**63) + bytes(64))])

@case("checkpoint.gguf", "'list'")
def gguf_with_an_array_of_2_61_numbers(b): return b.gguf([("list", 9, struct.pack("<IQ", 10, 2**61) + bytes(64))])

@case("checkpoint.gguf", "'list'", "array of arrays")
def gguf_with_arrays_in_arrays(b): return b.gguf([("list", 9, struct.pack("<IQ", 9, 1) * 1000)])

@case("checkpoint.gguf", "'odd'", "255")
def gguf_with_a_value_of_type_255(b): return b.gguf([("odd", 255, bytes(8))])

@case("checkpoint.gguf", "'flag'", "boolean")
def gguf_with_a_boolean_of_2(b): return b.gguf([("flag", 7, b"\x02")])

@case("checkpoint.gguf", "'a'", "twice")
def gguf_with_a_key_twice(b): return b.gguf([("a", 4, U32(1)), ("a", 4, U32(1))])

@case("checkpoint.gguf", ONE[0], "twice")
def gguf_with_a_tensor_twice(b): return b.gguf(tensors=[ONE, ONE], data=bytes(256))

@case("checkpoint.gguf", "5 dimensions")
def gguf_with_5_dimensions(b): return b.gguf(tensors=[("a", [1] * 5, 0, 0)], data=bytes(32))

@case("checkpoint.gguf", "'a'")
def gguf_with_2_32_dimensions(b): return b.single(gguf(n_tensors=1)[:24] + text("a") + U32(2**32 - 1) + bytes(64), "checkpoint.gguf")

@case("checkpoint.gguf", "'a'", "overflow")
def gguf_whose_shape_wraps_to_0(b): return b.gguf(tensors=[("a", [2**32, 2**32], 0, 0)])

@case("checkpoint.gguf", "'a'", "dimension")
def gguf_with_a_dimension_of_2_63(b): return b.gguf(tensors=[("a", [2**63], 0, 0)])

@case("checkpoint.gguf", "'a'", "255")
def gguf_with_a_tensor_of_type_255(b): return b.gguf(tensors=[("a", [32], 255, 0)], data=bytes(128))

@case("checkpoint.gguf", "'a'", "q8_0")
def gguf_with_half_a_block(b): return b.gguf(tensors=[("a", [33], 8, 0)], data=bytes(96))

for bad in (0, 3, 2**31):
    make = lambda b, bad=bad: b.gguf([("general.alignment", 4, U32(bad))])
    make.__name__ = f"gguf_aligned_to_{bad}"
    case("checkpoint.gguf", "general.alignment")(make)

@case("checkpoint.gguf", "general.alignment")
def gguf_aligned_to_a_text(b): return b.gguf([("general.alignment", 8, text("32"))])

@case("checkpoint.gguf", "'a'", "outside the file")
def gguf_with_an_offset_that_wraps(b): return b.gguf(tensors=[("a", [32], 0, 2**64 - 32)], data=bytes(128))

@case("checkpoint.gguf", "'a'", "alignment")
def gguf_with_an_odd_offset(b): return b.gguf(tensors=[("a", [32], 0, 1)], data=bytes(160))

@case("checkpoint.gguf", "overlap")
def gguf_with_tensors_that_overlap(b): return b.gguf(tensors=[("a", [32], 0, 0), ("b", [32], 0, 32)], data=bytes(160))

@case("checkpoint.gguf", "general.name", "more than the file")
def gguf_cut_in_its_header(b): return b.single(gguf([("general.name", 8, text("x" * 100))] * 3)[:100], "checkpoint.gguf")

@case("checkpoint.gguf", "'model.diffusion_model.", "outside the file")
def gguf_cut_in_its_data(b): return b.single(gguf_of(original_unet(read_safetensors(NANO / UNET)))[:-100000], "checkpoint.gguf")

@case("checkpoint.gguf", "after the last tensor")
def gguf_with_a_zip_behind(b): return b.gguf(tensors=[ONE], data=bytes(128) + ZIP + bytes(64))

@case("checkpoint.gguf", "no known layout")
def gguf_of_nothing(b): return b.gguf()

@case("checkpoint.gguf", "middle_block.1.transformer_blocks.0.attn1.to_q.weight", "NaN")
def gguf_with_nan_in_a_packed_block(b):
    return b.single(gguf_of(original_unet(read_safetensors(NANO / UNET)), ["model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"]), "checkpoint.gguf")

@case("checkpoint.gguf", "time_embed")
def gguf_with_packed_rows_of_0(b):
    tensors = original_unet(read_safetensors(NANO / UNET))
    tensors["model.diffusion_model.time_embed.0.weight"] = tensor("F16", [0, 32])
    return b.single(gguf_of(tensors, ["model.diffusion_model.time_embed.0.weight"]), "checkpoint.gguf")

# ---- checkpoints in one file ---------------------------------------------------------------------------------------------

def unet_file(change=None):
    tensors = original_unet(read_safetensors(NANO / UNET))
    if change:
        change(tensors)
    return safetensors(tensors)

@case("checkpoint.safetensors", "more than one layout")
def checkpoint_of_two_layouts(b): return b.single(unet_file(lambda t: t.update({"double_blocks.0.img_attn.qkv.weight": tensor("F16", [3, 1])})))

@case("checkpoint.safetensors", "surplus.weight")
def checkpoint_with_a_tensor_too_many(b): return b.single(unet_file(lambda t: t.update({"surplus.weight": tensor("F16", [3, 1])})))

@case("checkpoint.safetensors", "decoder.conv_in.weight")
def checkpoint_with_two_autoencoders(b):
    both = {p + "decoder.conv_in.weight": tensor("F16", [64, 8, 3, 3]) for p in ("first_stage_model.", "vae.")}
    return b.single(unet_file(lambda t: t.update(both)))

@case("checkpoint.safetensors")
def checkpoint_with_an_autoencoder_without_blocks(b): return b.single(unet_file(lambda t: t.update({"first_stage_model.decoder.conv_in.weight": tensor("F16", [64, 8, 3, 3])})))

@case("checkpoint.safetensors", "mid_block.resnets.0.conv1")
def checkpoint_with_a_tensor_missing(b): return b.single(unet_file(lambda t: t.pop("model.diffusion_model.middle_block.0.in_layers.2.weight")))

@case("checkpoint.safetensors")
def checkpoint_whose_tensors_have_no_dimensions(b): return b.single(unet_file(lambda t: t.update({k: tensor("F16", []) for k in list(t)})))

@case("checkpoint.safetensors", "input_blocks.0.0.weight", "NaN")
def checkpoint_with_nan(b): return b.single(unet_file(set_value("model.diffusion_model.input_blocks.0.0.weight", "F16", b"\x00\x7e")))

@case("checkpoint.safetensors")
def checkpoint_of_flux_with_a_bias_alone(b):
    return b.single(safetensors({"double_blocks.0.img_attn.qkv.weight": tensor("F16", [3, 1]), "single_blocks.0.linear1.bias": tensor("F16", [8])}))

@case("checkpoint.safetensors")
def checkpoint_of_flux_with_a_weight_without_dimensions(b):
    return b.single(safetensors({"double_blocks.0.img_attn.qkv.weight": tensor("F16", [3, 1]), "single_blocks.0.linear1.bias": tensor("F16", [8]), "single_blocks.0.linear1.weight": tensor("F16", [])}))

@case("checkpoint.safetensors")
def checkpoint_of_sd3_with_rows_of_0(b): return b.single(safetensors({"joint_blocks.0.x_block.attn.qkv.weight": tensor("F16", [0, 0]), "x_embedder.proj.weight": tensor("F16", [0, 0, 0, 0])}))

@case("checkpoint.safetensors", "no known layout")
def checkpoint_of_nothing_known(b): return b.single(safetensors({"a": tensor("F32", [1])}))

@case("nowhere")
def checkpoint_with_a_base_that_is_not_there(b): return b.single(unet_file(), base="/nowhere")

@case("checkpoint.safetensors", "--base")
def checkpoint_without_a_base(b): return ["generate", PROMPT, "--model", b.file("checkpoint.safetensors", unet_file())]

for name, content in (("zip.ckpt", ZIP), ("zip.safetensors", ZIP), ("raw.pt", PICKLE), ("raw.safetensors", PICKLE), ("raw.SafeTensors", PICKLE), ("protocol5.bin", b"\x80\x05\x95")):
    make = lambda b, name=name, content=content: b.single(content + bytes(64), name)
    make.__name__ = "pickle_named_" + name.replace(".", "_")
    case(name, "pickle")(make)

@case("old.pt")
def pickle_of_protocol_0(b): return b.single(b"cos\nsystem\n(S'true'\ntR.", "old.pt")

@case("diffusion_pytorch_model.bin", "pickle")
def pickle_in_a_model_folder(b): return b.model(lambda m: (m / UNET).rename(m / "unet" / "diffusion_pytorch_model.bin"))

# ---- adapters and learned words ------------------------------------------------------------------------------------------

@case("style.safetensors", "lora_unet_double_blocks_0_img_attn_qkv", "another family")
def lora_of_another_family(b):
    return b.lora({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": tensor("F32", [2, 64]), "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": tensor("F32", [192, 2])})

@case("style.safetensors", LORA, "another model")
def lora_of_a_wider_model(b): return b.lora(lora_tensors(width=320))

@case("style.safetensors")
def lora_cut(b): return b.lora(safetensors(lora_tensors())[:-10])

@case("style.safetensors")
def lora_empty(b): return b.lora(b"")

@case("style.safetensors", "no adapter")
def lora_without_tensors(b): return b.lora({})

@case("style.safetensors", LORA, "NaN")
def lora_with_nan(b): return b.lora(lora_tensors(**{LORA + ".lora_A.weight": tensor("F32", [2, 96], struct.pack("<f", float("nan")) * 192)}))

@case("style.safetensors", LORA, "ranks differ")
def lora_whose_halves_differ(b): return b.lora(lora_tensors(**{LORA + ".lora_A.weight": tensor("F32", [4, 96])}))

@case("style.safetensors", LORA, "only one")
def lora_with_one_half(b): return b.lora({LORA + ".lora_A.weight": tensor("F32", [2, 96])})

@case("style.safetensors", LORA)
def lora_of_rank_0(b): return b.lora(lora_tensors(rank=0))

@case("style.safetensors", LORA + ".alpha")
def lora_with_an_alpha_of_nothing(b): return b.lora(lora_tensors(**{LORA + ".alpha": tensor("F32", [0])}))

@case("style.safetensors", LORA + ".alpha")
def lora_with_nan_as_alpha(b): return b.lora(lora_tensors(**{LORA + ".alpha": tensor("F32", [], struct.pack("<f", float("nan")))}))

@case("style.safetensors", LORA)
def lora_that_makes_infinities(b):
    return b.lora(lora_tensors(**{LORA + ".alpha": tensor("F32", [], struct.pack("<f", 3e38)), LORA + ".lora_A.weight": tensor("F32", [2, 96], struct.pack("<f", 1e9) * 192),
                                  LORA + ".lora_B.weight": tensor("F32", [96, 2], struct.pack("<f", 1e9) * 192)}))

@case("style.safetensors", "hada_w1_a", "LoHa")
def lora_that_is_a_loha(b): return b.lora({LORA + ".hada_w1_a": tensor("F32", [2, 96])})

@case("style.safetensors", "mystery")
def lora_with_a_key_of_unknown_naming(b): return b.lora(lora_tensors(mystery=tensor("F32", [2])))

@case("style.safetensors", LORA)
def lora_of_8_bit_floats(b): return b.lora(lora_tensors(**{LORA + ".lora_A.weight": tensor("F8_E4M3", [2, 96])}))

@case("style.safetensors", "pickle")
def lora_that_is_a_pickle(b): return b.lora(ZIP)

@case("adapters.weight", status=2)
def lora_with_nan_as_weight(b): return b.lora(lora_tensors(), ":nan")

@case("word.safetensors", "sks", "768")
def word_of_another_width(b): return b.embedding({"sks": tensor("F32", [768])})

@case("word.safetensors", "emb_params", "NaN")
def word_with_nan(b): return b.embedding({"emb_params": tensor("F32", [1, 64], struct.pack("<f", float("nan")) * 64)})

@case("word.safetensors", "pickle")
def word_that_is_a_pickle(b): return b.embedding(PICKLE + bytes(32))

@case("word.safetensors", "emb_params")
def word_of_no_vectors(b): return b.embedding({"emb_params": tensor("F32", [0, 64])})

@case("word.safetensors", "emb_params")
def word_of_vectors_of_nothing(b): return b.embedding({"emb_params": tensor("F32", [1, 0])})

@case("word.safetensors", "emb_params")
def word_of_three_dimensions(b): return b.embedding({"emb_params": tensor("F32", [1, 1, 64])})

@case("word.safetensors", "emb_params")
def word_that_is_one_number(b): return b.embedding({"emb_params": tensor("F32", [])})

@case("word.safetensors", "2 tensors")
def word_of_two_tensors(b): return b.embedding({"a": tensor("F32", [64]), "b": tensor("F32", [64])})

@case("word.safetensors")
def word_without_tensors(b): return b.embedding({})

@case("word.safetensors", "startoftext")
def word_that_is_a_token_already(b): return ["generate", PROMPT, "--embedding", "<|startoftext|>=" + b.file("word.safetensors", safetensors({"a": tensor("F32", [64])}))]

# ---- ControlNet ----------------------------------------------------------------------------------------------------------

@case("unet/diffusion_pytorch_model.safetensors", "missing")
def control_that_is_a_unet(b): return ["generate", PROMPT, "--control", str(NANO / "unet"), "--control-image", b.file("hint.png", png(64, 64))]

def narrow_text(tensors):
    for key in tensors:
        if key.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            tensors[key] = tensor("F16", [tensors[key][1][0], 32])

@case("control", "another model", "32")
def control_for_another_text_width(b): return b.control(narrow_text, {"cross_attention_dim": 32})

def more_layers(tensors):
    for key in list(tensors):
        for kind in ("resnets", "attentions"):
            if key.startswith("down_blocks.") and f".{kind}.0." in key and "conv_shortcut" not in key:
                tensors[key.replace(f".{kind}.0.", f".{kind}.1.")] = tensors[key]
    for key, shape in (("norm1.weight", [96]), ("norm1.bias", [96]), ("conv1.weight", [96, 96, 3, 3])):
        tensors["down_blocks.1.resnets.1." + key] = tensor("F16", shape)
    for i, width in enumerate([64, 64, 64, 64, 96, 96]):
        tensors[f"controlnet_down_blocks.{i}.weight"], tensors[f"controlnet_down_blocks.{i}.bias"] = tensor("F16", [width, width, 1, 1]), tensor("F16", [width])

@case("control", "another model")
def control_with_more_layers(b): return b.control(more_layers, {"layers_per_block": 2})

@case("control", "another model")
def control_for_other_latents(b): return b.control(lambda t: t.update({"conv_in.weight": tensor("F16", [64, 4, 3, 3])}), {"in_channels": 4})

@case("control", "conditioning_channels")
def control_that_reads_one_channel(b): return b.control(lambda t: t.update({"controlnet_cond_embedding.conv_in.weight": tensor("F16", [16, 1, 3, 3])}), {"conditioning_channels": 1})

@case("control", "controlnet_mid_block.weight", "NaN")
def control_with_nan(b): return b.control(set_value("controlnet_mid_block.weight", "F16", b"\x00\x7e"))

@case("hint.png", "PNG")
def control_with_a_cut_hint(b): return b.control(hint=png(64, 64)[:60])

@case("control", status=2)
def control_without_a_hint(b): return ["generate", PROMPT, "--control", str(NANO / "unet")]

# ---- pictures ------------------------------------------------------------------------------------------------------------

@case("start.png")
def picture_of_50000_by_50000(b): return b.image(png(50000, 50000, 1))

@case("start.png", "pixels")
def picture_of_65535_by_65535(b): return b.image(png(65535, 65535, 1))

@case("start.png")
def picture_of_2_26_pixels_without_data(b): return b.image(png(8192, 8192, 1))

@case(may_pass=True)
def picture_of_2_26_black_pixels(b): return b.image(png(8192, 8192), "--width", "64", "--height", "64")

@case("start.png")
def picture_of_0_by_0(b): return b.image(png(0, 0, 1))

@case("start.png")
def picture_cut(b): return b.image(png(64, 64)[:70])

@case("start.png")
def picture_with_rows_missing(b): return b.image(png(64, 64, 10))

@case("start.png")
def picture_with_a_wrong_checksum(b): return b.image(png(64, 64)[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0), 1) + png(64, 64)[33:])

@case("start.png")
def picture_with_a_broken_stream(b): return b.image(png(64, 64, idat=b"\x78\x9c" + b"\xff" * 200))

@case("start.png")
def picture_with_a_chunk_of_2_31_bytes(b): return b.image(png(64, 64)[:33] + struct.pack(">I", 2**31) + b"IDAT" + bytes(100))

@case(may_pass=True)
def picture_with_a_palette_of_one(b): return b.image(png(64, 64, kind=3, before=chunk(b"PLTE", b"\1\2\3"), idat=zlib.compress((b"\0" + b"\xc8" * 64) * 64)))

@case(may_pass=True)
def picture_whose_stream_is_a_bomb(b): return b.image(png(64, 64, idat=zeros(200 << 20)))

@case(may_pass=True)
def picture_whose_profile_is_a_bomb(b): return b.image(png(64, 64, before=chunk(b"iCCP", b"x\0\0" + zeros(200 << 20))))

@case("start.png", "PNG")
def picture_that_is_a_page(b): return b.image(b"<html><script>alert(1)</script></html>")

@case("start.png", "PNG")
def picture_empty(b): return b.image(b"")

@case("start.png")
def picture_missing(b): return ["generate", PROMPT, "--image", str(b.dir / "start.png")]

@case("32x32", "64x64")
def mask_of_another_size(b): return b.image(png(64, 64), "--mask", b.file("mask.png", png(32, 32)))

@case("mask.png", "PNG")
def mask_cut(b): return b.image(png(64, 64), "--mask", b.file("mask.png", png(64, 64)[:60]))

@case("mask", status=2)
def mask_without_a_picture(b): return ["generate", PROMPT, "--mask", b.file("mask.png", png(64, 64))]

# ---- the same through another command ------------------------------------------------------------------------------------

def inspected(make):
    def other(b): return ["models", "inspect", make(b)[3]]
    other.__name__ = "inspect_" + make.__name__
    return other

for expected, make in (((UNET, "header"), truncated_header), ((UNET, "conv_in.weight", "NaN"), nan_in_the_unet), ((UNET,), weights_are_a_link_to_themselves), (("raw.pt", "pickle"), lambda b: b.single(PICKLE, "raw.pt")),
                       (("unet/config.json",), config_is_a_fifo), (("checkpoint.gguf", "keys"), gguf_with_2_64_keys)):
    case(*expected)(inspected(make))


# ---- running -------------------------------------------------------------------------------------------------------------

class Outcome:
    def __init__(self, bench, args):
        env = dict(os.environ, SAFELIGHT_RUNS=str(bench.dir / "runs"), XDG_CACHE_HOME=str(bench.dir / "cache"), SAFELIGHT_MODEL="signs-nano")
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            began = time.monotonic()
            process = subprocess.Popen([BINARY, *args], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=bench.dir)
            self.killed = ""
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if not self.killed and time.monotonic() - began > SECONDS:
                    self.killed = f"ran longer than {SECONDS} s"
                if not self.killed and resident_mib(process.pid) > KILL_MIB:
                    self.killed = f"took more than {KILL_MIB} MiB"
                if self.killed:
                    os.kill(process.pid, signal.SIGKILL)  # Popen.kill() may reap the process, and then wait4 does not find it
                time.sleep(0.01)
            self.seconds, self.mib = time.monotonic() - began, usage.ru_maxrss / 1024
            process.returncode = self.status = os.waitstatus_to_exitcode(status)
            out.seek(0), err.seek(0)
            self.out, self.err = out.read().decode(errors="replace"), err.read().decode(errors="replace")


def resident_mib(pid):
    try:
        with open(f"/proc/{pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except (OSError, IndexError):
        return 0


def leftovers(bench):
    """What a failed run may not leave: pictures, half-written files, a trace that does not say that it failed."""
    runs = bench.dir / "runs"
    out = [str(f) for f in runs.rglob("*") if f.suffix == ".png" or len(f.suffix) == 7]  # pictures, and what an atomic write names until it is done
    for run in runs.glob("*"):
        try:
            if json.loads((run / "run.json").read_text())["status"] != "failed":
                out.append(f"{run} does not say that it failed")
        except (OSError, ValueError, KeyError) as e:
            out.append(f"{run}: {e}")
    return out


def faults(outcome, expected, status, may_pass, plain_mib):
    if outcome.killed:
        return [outcome.killed]
    out = []
    if outcome.mib > plain_mib + EXTRA_MIB:
        out.append(f"took {outcome.mib - plain_mib:.0f} MiB more than a plain command")
    if may_pass and outcome.status == 0:
        return out
    if outcome.status not in ((1, 2) if status is None else (status,)):
        out.append(f"exit status {outcome.status}")
        if outcome.status == 0:
            return out
    for word in expected:
        if word not in outcome.err:
            out.append(f"the error does not name {word!r}")
    for sign in ("Exception raised from", "frame #", "terminate called", "Traceback", "\x1b", "\0"):
        if sign in outcome.err:
            out.append(f"the error holds {sign!r}")
    if len(outcome.err) > MESSAGE_BYTES:
        out.append(f"the error has {len(outcome.err)} bytes")
    try:
        error = json.loads(outcome.out)["error"]
        if error["code"] == "internal":
            out.append("the error is called internal")
        if not error["message"]:
            out.append("the error has no message")
    except (ValueError, KeyError, TypeError):
        out.append(f"no JSON error on standard output: {outcome.out[:100]!r}")
    return out


def run_case(entry, plain_mib):
    name, make, expected, status, may_pass = entry
    bench = Bench()
    try:
        outcome = Outcome(bench, ["--json", *make(bench)])
        found = faults(outcome, expected, status, may_pass, plain_mib)
        if not (may_pass and outcome.status == 0):
            found += leftovers(bench)
        return name, outcome, found
    finally:
        shutil.rmtree(bench.dir)


class HostileFiles(unittest.TestCase):
    def bench(self):
        bench = Bench()
        self.addCleanup(shutil.rmtree, bench.dir)
        return bench

    def plain_mib(self):
        outcome = Outcome(self.bench(), ["list", "schedulers"])
        self.assertEqual(outcome.status, 0, outcome.err)
        return outcome.mib

    def test_undamaged_files_are_taken(self):
        """What the cases damage works before: a refusal is the damage's."""
        unet = original_unet(read_safetensors(NANO / UNET))
        for name, make in (("model", lambda b: b.model(None)), ("shards", lambda b: b.index({"a": "a.safetensors"})), ("checkpoint", lambda b: b.single(safetensors(unet))),
                           ("gguf", lambda b: b.single(gguf_of(unet), "checkpoint.gguf")), ("lora", lambda b: b.lora(lora_tensors(**{LORA + ".alpha": tensor("F32", [], struct.pack("<f", 2))}))),
                           ("word", lambda b: b.embedding({"emb_params": tensor("F32", [2, 64])})), ("control", lambda b: b.control()), ("image", lambda b: b.image(png(64, 64))),
                           ("mask", lambda b: b.image(png(64, 64), "--mask", b.file("mask.png", png(64, 64)))), ("inspect", lambda b: ["models", "inspect", str(b.copy())])):
            with self.subTest(name):
                bench = self.bench()
                outcome = Outcome(bench, [*make(bench), "--json"] + (["--steps", "2"] if name != "inspect" else []) + (["--width", "64", "--height", "64"] if name in ("checkpoint", "gguf") else []))
                self.assertEqual(outcome.status, 0, outcome.err)

    def test_every_hostile_file_is_refused(self):
        plain = self.plain_mib()
        names = [c[0] for c in CASES]
        self.assertEqual(len(names), len(set(names)), "case names")
        wanted = os.environ.get("SAFELIGHT_CASES", "")
        cases = [c for c in CASES if wanted in c[0]]
        with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            results = list(pool.map(lambda c: run_case(c, plain), cases))
        for name, outcome, found in results:
            with self.subTest(name):
                self.assertFalse(found, f"\n  {name}: " + "; ".join(found) + f"\n  status {outcome.status}, {outcome.seconds:.1f} s, {outcome.mib:.0f} MiB; {outcome.err[:400]}")
        slow, large = max(results, key=lambda r: r[1].seconds), max(results, key=lambda r: r[1].mib)
        print(f"{len(results)} cases; slowest {slow[0]}: {slow[1].seconds:.2f} s; largest {large[0]}: {large[1].mib - plain:.0f} MiB more than a plain command", file=sys.stderr)

    def test_without_json_the_error_is_on_standard_error_alone(self):
        for name in ("truncated_header", "weights_are_a_link_to_themselves", "gguf_of_version_99", "mask_of_another_size"):
            make, expected = next((c[1], c[2]) for c in CASES if c[0] == name)
            with self.subTest(name):
                bench = self.bench()
                outcome = Outcome(bench, make(bench))
                self.assertEqual((outcome.status, outcome.out), (1, ""), outcome.err)
                for word in expected:
                    self.assertIn(word, outcome.err)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
