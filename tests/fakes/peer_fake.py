#!/usr/bin/env python3
"""A ComfyUI and an sd-server in one process, as strict as the real ones. No network. See fake_vendor.py for paths, scenarios and counts.

ComfyUI: POST .../prompt, GET .../history/ID, GET and POST .../queue, POST .../interrupt, GET .../view. sd-server: POST
.../sdcpp/v1/img_gen, GET .../sdcpp/v1/jobs/ID, POST .../sdcpp/v1/jobs/ID/cancel. A job is queued at the first look, runs at the second
and third, and is done at the fourth.
"""
import base64
import binascii
import itertools
import json
import re
import threading

import fake_vendor
from fake_vendor import Refusal, base64_text, picture

CHECKPOINTS = ["painter.safetensors"]
# What each node needs: its inputs and their kinds. A list: a link to another node or one of the words.
NODES = {
    "CheckpointLoaderSimple": {"ckpt_name": CHECKPOINTS},
    "CLIPTextEncode": {"text": str, "clip": "link"},
    "EmptyLatentImage": {"width": int, "height": int, "batch_size": int},
    "KSampler": {"seed": int, "steps": int, "cfg": float, "sampler_name": ["euler", "dpmpp_2m"], "scheduler": ["normal", "karras"], "denoise": float,
                 "model": "link", "positive": "link", "negative": "link", "latent_image": "link"},
    "VAEDecode": {"samples": "link", "vae": "link"},
    "SaveImage": {"images": "link", "filename_prefix": str},
}
IMG_GEN = {"prompt", "negative_prompt", "width", "height", "seed", "batch_count", "clip_skip", "strength", "init_image", "mask_image", "ref_images", "control_image", "control_strength", "lora",
           "sample_params", "hires", "vae_tiling_params"}
SAMPLE_PARAMS = {"sample_method", "scheduler", "sample_steps", "eta", "shifted_timestep", "flow_shift", "custom_sigmas", "guidance"}


def is_number(value, kind):
    return isinstance(value, int) and not isinstance(value, bool) or (kind is float and isinstance(value, float))


def comfy_error(kind, message, details="", node_errors=None):
    return Refusal(400, {"error": {"type": kind, "message": message, "details": details, "extra_info": {}}, "node_errors": node_errors or {}})


class Peer(fake_vendor.Handler):
    lock = threading.Lock()
    numbers = itertools.count(1)
    jobs = {}      # id -> {"run", "looks", "scenario", "graph" or "body", "cancelled"}

    def route(self, method, data):
        path = self.vendor_path
        if method == "POST" and path in ("/prompt", "/sdcpp/v1/img_gen"):
            self.scenario = self.runs.next_scenario(self.run_name, self.scenarios)
            if self.scenario in ("proxy502", "proxy503"):
                return self.answer(int(self.scenario[5:]), b"<html>Bad Gateway</html>", kind="text/html")
            if self.scenario == "redirect":
                return self.answer(307, b"", [("Location", "https://elsewhere.example/prompt")])
            return self.prompt(data) if path == "/prompt" else self.img_gen(data)
        for pattern, handler in ((r"/history/([\w-]+)", self.history), (r"/sdcpp/v1/jobs/([\w-]+)", self.sd_job)):
            match = re.fullmatch(pattern, path)
            if method == "GET" and match:
                return handler(match[1])
        match = re.fullmatch(r"/sdcpp/v1/jobs/([\w-]+)/cancel", path)
        if method == "POST" and match:
            return self.sd_cancel(match[1])
        if path == "/queue":
            return self.queue(method, data)
        if method == "POST" and path == "/interrupt":
            self.stop([self.read_json(data).get("prompt_id")])
            return self.answer(200, {})
        if method == "GET" and path == "/view":
            return self.view()
        return self.answer(404, b"404: Not Found", kind="text/plain")

    def read_json(self, data):
        try:
            body = json.loads(data, object_pairs_hook=fake_vendor.no_twins)
        except ValueError:
            raise Refusal(400, {"error": "invalid JSON"}) from None
        if not isinstance(body, dict):
            raise Refusal(400, {"error": "invalid JSON"})
        return body

    def stop(self, ids):
        with self.lock:
            for job in ids:
                if job in self.jobs:
                    self.jobs[job]["cancelled"] = True
                    self.runs.asked(self.jobs[job]["run"], {"cancelled": job})

    def take(self, job_id, **job):
        """Accepts a job; some scenarios lose the answer, or the peer."""
        with self.lock:
            if self.scenario != "lost_before":
                self.jobs[job_id] = dict(job, run=self.run_name, looks=0, scenario=self.scenario, cancelled=False)
        if self.scenario != "lost_before":
            self.runs.accept(self.run_name, 1)
        if self.scenario in ("close_before", "lost_before"):
            self.hang_up()
            return False
        if self.scenario == "hang":
            return not self.mishap(b"")
        return True

    def look(self, job_id):
        """The state at this look: queued, running, done, or None for a job that is not known."""
        with self.lock:
            job = self.jobs.get(job_id)
            if job is None or job["run"] != self.run_name:
                return None, None
            job["looks"] += 1
            if job["scenario"] == "forgotten" and job["looks"] > 2:
                del self.jobs[job_id]
                return None, None
            if job["scenario"] == "endless":
                return "running", job
            return ("queued", "running", "running", "done")[min(job["looks"], 4) - 1], job

    # ComfyUI

    def prompt(self, data):
        body = self.read_json(data)
        self.runs.asked(self.run_name, body)
        if set(body) - {"prompt", "client_id", "prompt_id", "number", "front", "extra_data", "partial_execution_targets"}:
            raise comfy_error("invalid_prompt", "Unknown field")
        graph = body.get("prompt")
        if not isinstance(graph, dict) or not graph:
            raise comfy_error("no_prompt", "No prompt provided")
        job_id = body.get("prompt_id", "")
        if not re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", job_id):
            raise comfy_error("invalid_prompt_id", "prompt_id must be a canonical UUID")
        self.check_graph(graph)
        if self.scenario == "error500":
            return self.answer(500, b"500 Internal Server Error", kind="text/plain")
        if not self.take(job_id, graph=graph):
            return None
        return self.answer(200, {"prompt_id": job_id, "number": 1, "node_errors": {}})

    def check_graph(self, graph):
        errors = {}
        for node_id, node in graph.items():
            if not isinstance(node, dict) or set(node) - {"class_type", "inputs", "_meta"}:
                raise comfy_error("invalid_prompt", "Cannot execute because a node is malformed.", f"Node ID '#{node_id}'")
            kind = node.get("class_type")
            if kind not in NODES:
                raise comfy_error("missing_node_type", f"Node '{kind}' not found.", f"Node ID '#{node_id}'")
            found = [e for e in (self.input_error(name, want, node.get("inputs", {}), graph) for name, want in NODES[kind].items()) if e]
            if found:
                errors[node_id] = {"errors": found, "dependent_outputs": [], "class_type": kind}
        if errors:
            raise comfy_error("prompt_outputs_failed_validation", "Prompt outputs failed validation", node_errors=errors)
        if not any(node["class_type"] == "SaveImage" for node in graph.values()):
            raise comfy_error("prompt_no_outputs", "Prompt has no outputs")

    def input_error(self, name, want, inputs, graph):
        def wrong(kind, message, details):
            return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}
        if name not in inputs:
            return wrong("required_input_missing", "Required input is missing", name)
        value = inputs[name]
        if want == "link":
            good = isinstance(value, list) and len(value) == 2 and value[0] in graph
            return None if good else wrong("bad_linked_input", "Bad linked input", name)
        if isinstance(want, list):
            return None if value in want else wrong("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {want}")
        if want in (int, float):
            return None if is_number(value, want) else wrong("invalid_input_type", "Failed to convert an input value", f"{name}, {value}")
        return None if isinstance(value, want) else wrong("invalid_input_type", "Failed to convert an input value", name)

    def history(self, job_id):
        state, job = self.look(job_id)
        if state != "done":
            return self.answer(200, {})
        status = {"status_str": "success", "completed": True, "messages": []}
        outputs = {}
        kind = job["scenario"]
        if kind in ("failed", "out_of_memory", "interrupted"):
            name = "execution_interrupted" if kind == "interrupted" else "execution_error"
            cause = {"node_type": "KSampler", "node_id": "5", "exception_message": "Allocation on device" if kind == "out_of_memory" else "shapes do not match",
                     "exception_type": "torch.OutOfMemoryError" if kind == "out_of_memory" else "RuntimeError"}
            status = {"status_str": "error", "completed": False, "messages": [["execution_start", {}], [name, cause]]}
        elif kind != "silent":
            size = next(node["inputs"] for node in job["graph"].values() if node["class_type"] == "EmptyLatentImage")
            files = [{"filename": f"safe light_{size['width']}_{size['height']}_{i}_{job_id}.png", "subfolder": "a&b", "type": "output"} for i in range(size["batch_size"])]
            outputs = {"6": {"images": [{"filename": "preview.png", "subfolder": "", "type": "temp"}]}, "7": {"images": files}}
        return self.answer(200, {job_id: {"prompt": [1, job_id, job["graph"], {}, ["7"]], "outputs": outputs, "status": status, "meta": {}}})

    def queue(self, method, data):
        if method == "POST":
            self.stop(self.read_json(data).get("delete", []))
            return self.answer(200, {})
        with self.lock:
            rows = [[1, job_id, {}, {}, []] for job_id, job in self.jobs.items() if job["run"] == self.run_name and (job["looks"] < 4 or job["scenario"] == "endless")]
        return self.answer(200, {"queue_running": rows[:1], "queue_pending": rows[1:]})

    def view(self):
        name, folder, kind = (self.query.get(k, [""])[0] for k in ("filename", "subfolder", "type"))
        match = re.fullmatch(r"safe light_(\d+)_(\d+)_(\d+)_([\w-]+)\.png", name)
        if not match or folder != "a&b" or kind != "output":
            return self.answer(404, b"", kind="text/plain")
        with self.lock:
            job = self.jobs.get(match[4], {})
        if job.get("scenario") == "view_lost":
            return self.answer(404, b"", kind="text/plain")
        data = picture("png", int(match[1]), int(match[2]), json.dumps(job.get("graph"), sort_keys=True).encode() + match[3].encode())
        return self.answer(200, data[:len(data) // 2] if job.get("scenario") == "half_picture" else data, kind="image/png")

    # sd-server

    def img_gen(self, data):
        body = self.read_json(data)
        self.runs.asked(self.run_name, body)
        if set(body) - IMG_GEN or set(body.get("sample_params", {})) - SAMPLE_PARAMS:
            raise Refusal(400, {"error": "unknown field"})
        if not isinstance(body.get("prompt"), str) or not body["prompt"]:
            raise Refusal(400, {"error": "prompt required"})
        for name in ("width", "height"):
            if not is_number(body.get(name, 512), int) or not 64 <= body.get(name, 512) <= 4096 or body.get(name, 512) % 8:
                raise Refusal(400, {"error": f"invalid {name}"})
        if not is_number(body.get("batch_count", 1), int) or not 1 <= body.get("batch_count", 1) <= 8:
            raise Refusal(400, {"error": "invalid batch_count"})
        if not is_number(body.get("seed", -1), int):
            raise Refusal(400, {"error": "invalid seed"})
        for encoded in [body[k] for k in ("init_image", "mask_image") if k in body] + body.get("ref_images", []):
            try:
                base64.b64decode(encoded, validate=True)
            except (binascii.Error, TypeError):
                raise Refusal(400, {"error": "invalid image"}) from None
        if self.scenario == "throttled":
            raise Refusal(429, {"error": "job queue is full"})
        if self.scenario == "error500":
            raise Refusal(500, {"error": "server_error", "message": "no model is loaded"})
        job_id = f"job_{next(self.numbers)}"
        if not self.take(job_id, body=body):
            return None
        return self.answer(202, {"id": job_id, "kind": "img_gen", "status": "queued", "created": 1, "poll_url": "/sdcpp/v1/jobs/" + job_id})

    def sd_job(self, job_id):
        state, job = self.look(job_id)
        if state is None:
            return self.answer(404, {"error": "job not found"})
        if state != "done":
            return self.answer(200, {"id": job_id, "status": "queued" if state == "queued" else "generating", "queue_position": 0})
        kind = job["scenario"]
        if kind == "expired":
            return self.answer(410, {"error": "job expired"})
        if kind in ("failed", "out_of_memory"):
            return self.answer(200, {"id": job_id, "status": "failed", "error": {"code": "generation_failed", "message": "no memory"}})
        body = job["body"]
        rows = []
        for i in range(body.get("batch_count", 1)):
            data = picture("png", body.get("width", 512), body.get("height", 512), json.dumps(body, sort_keys=True).encode() + bytes([i]))
            rows.append({"index": i, "b64_json": base64_text(data[:len(data) // 2] if kind == "half_picture" else data)})
        return self.answer(200, {"id": job_id, "status": "completed", "result": {"output_format": "png", "images": [] if kind == "silent" else rows}})

    def sd_cancel(self, job_id):
        state, _ = self.look(job_id)
        if state is None:
            return self.answer(404, {"error": "job not found"})
        self.stop([job_id])
        return self.answer(409 if state == "running" else 200, {"status": "cancelled"})


if __name__ == "__main__":
    fake_vendor.serve(Peer)
