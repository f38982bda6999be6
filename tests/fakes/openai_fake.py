#!/usr/bin/env python3
"""OpenAI's Images API, as strict as the real one. No network. See fake_vendor.py for paths, scenarios and counts.

POST .../v1/images/generations, POST .../v1/images/edits, GET .../v1/models[/ID], and GET .../pictures/NAME for links.
The right key is sk-fake-0123456789abcdef.
"""
import email.parser
import email.policy
import hashlib
import json
import re
import struct
import time

import fake_vendor
from fake_vendor import Refusal, base64_text, http_date, picture

KEY = "sk-fake-0123456789abcdef"
GPT = {"gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst", "gpt-image-1.5", "gpt-image-1-mini"}
DALLE_SIZES = {"dall-e-3": {"1024x1024", "1792x1024", "1024x1792"}, "dall-e-2": {"256x256", "512x512", "1024x1024"}}
RETIRED = {"gpt-image-1"}
COMMON = {"prompt", "model", "n", "size", "quality", "user"}
GPT_FIELDS = COMMON | {"background", "moderation", "output_format", "output_compression", "stream", "partial_images"}
DALLE_FIELDS = COMMON | {"response_format", "style"}
EDIT_FIELDS = (GPT_FIELDS | {"input_fidelity"}) - {"moderation"}


def error(status, message, kind="invalid_request_error", param=None, code=None, headers=()):
    return Refusal(status, {"error": {"message": message, "type": kind, "param": param, "code": code}}, headers)


def require(kind, value, name, low=None, high=None):
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise error(400, f"Invalid type for '{name}'.", param=name, code="invalid_type")
    if low is not None and not low <= value <= high:
        raise error(400, f"Invalid '{name}': expected a value between {low} and {high}.", param=name, code="integer_out_of_range")


def one_of(value, names, param):
    if value not in names:
        listed = ", ".join(f"'{n}'" for n in names)
        raise error(400, f"Invalid value: '{value}'. Supported values are: {listed}.", param=param, code="invalid_value")


def gpt_size(size, model):
    if size == "auto":
        return 1024, 1024
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
    if match:
        width, height = int(match[1]), int(match[2])
        classic = model in ("gpt-image-1.5", "gpt-image-1-mini")
        free = width % 16 == 0 and height % 16 == 0 and max(width, height) <= 3 * min(width, height) and width * height <= 3840 * 2160
        if (size in ("1024x1024", "1536x1024", "1024x1536")) if classic else free:
            return width, height
    raise error(400, f"Invalid size '{size}'.", param="size", code="invalid_value")


class OpenAi(fake_vendor.Handler):
    def route(self, method, data):
        if method == "GET" and self.vendor_path.startswith("/pictures/"):
            return self.linked_picture()
        self.request_id = "req_" + hashlib.sha256((self.run_name + str(time.time())).encode()).hexdigest()[:16]
        if method == "POST" and self.vendor_path in ("/v1/images/generations", "/v1/images/edits"):
            self.scenario = self.runs.next_scenario(self.run_name, self.scenarios)
            return self.make_pictures(data)
        if method == "GET" and self.vendor_path.startswith("/v1/models"):
            self.check_key()
            rows = [{"id": m, "object": "model", "created": 1, "owned_by": "system", "shutdown_date": None} for m in sorted(GPT)]
            found = [r for r in rows if self.vendor_path == "/v1/models/" + r["id"]]
            if self.vendor_path == "/v1/models":
                return self.reply(200, {"object": "list", "data": rows})
            if found:
                return self.reply(200, found[0])
            raise error(404, "The model does not exist or you do not have access to it.", code="model_not_found")
        raise error(404, f"Invalid URL ({method} {self.vendor_path})")

    def reply(self, status, body):
        self.answer(status, body, self.good_headers())

    def good_headers(self):
        return [("x-request-id", self.request_id), ("openai-processing-ms", "12"), ("openai-version", "2020-10-01")]

    # Auth, JSON, model, retirement, parameters, entitlement, quota, moderation, in the vendor's order; then the work.
    def make_pictures(self, data):
        if self.before_the_vendor():
            return None
        try:
            self.check_key()
            edit = self.vendor_path.endswith("edits")
            fields, files = self.read_form(data) if edit else (self.read_json(data), {})
            self.runs.asked(self.run_name, dict(fields, **{name: [len(f) for f in found] for name, found in files.items()}))
            model = self.check_model(fields)
            width, height = self.check_fields(fields, model, edit)
            if edit:
                self.check_files(files, model)
            self.check_account(model)
        except Refusal as refusal:
            refusal.headers += self.good_headers()
            raise
        count = fields.get("n", 1)
        self.runs.accept(self.run_name, count)
        self.deliver(fields, model, width, height, count)
        return None

    def check_key(self):
        given = self.headers.get("Authorization", "")
        if given != "Bearer " + KEY or self.scenario == "unauthorized":
            raise error(401, f"Incorrect API key provided: {given[7:]}. You can find your API key at https://platform.openai.com/account/api-keys.", code="invalid_api_key")

    def read_json(self, data):
        if self.headers.get("Content-Type", "").split(";")[0] != "application/json":
            raise error(400, "Unsupported content type; use application/json.", code="unsupported_content_type")
        try:
            body = json.loads(data, object_pairs_hook=fake_vendor.no_twins)
        except ValueError:
            raise error(400, "We could not parse the JSON body of your request.") from None
        if not isinstance(body, dict):
            raise error(400, "The body must be an object.")
        return body

    def read_form(self, data):
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data; boundary="):
            raise error(400, "Unsupported content type; use multipart/form-data.", code="unsupported_content_type")
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + data)
        fields, files = {}, {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if part.get_filename():
                files.setdefault(name, []).append(content)
            elif name in fields:
                raise error(400, f"Duplicate parameter: '{name}'.", param=name, code="duplicate_parameter")
            else:
                text = content.decode()
                fields[name] = int(text) if name in ("n", "output_compression", "partial_images") and text.isdigit() else text == "true" if name == "stream" else text
        return fields, files

    def check_model(self, fields):
        model = fields.get("model", "gpt-image-1.5" if GPT_FIELDS & set(fields) - COMMON else "dall-e-2")
        require(str, model, "model")
        if model in RETIRED or self.scenario in ("retired", "retired404") or (model not in GPT and model not in DALLE_SIZES):
            raise error(404 if self.scenario == "retired404" else 400, f"The model '{model}' does not exist.", param="model", code="model_not_found")
        return model

    def check_fields(self, fields, model, edit):
        known = EDIT_FIELDS if edit else GPT_FIELDS if model in GPT else DALLE_FIELDS - ({"style"} if model == "dall-e-2" else set())
        for name in fields:
            if name not in known:
                raise error(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        prompt = fields.get("prompt")
        require(str, prompt, "prompt")
        if not prompt or len(prompt) > (32000 if model in GPT else 4000 if model == "dall-e-3" else 1000):
            raise error(400, "Invalid 'prompt': string of the wrong length.", param="prompt", code="string_above_max_length")
        require(int, fields.get("n", 1), "n", 1, 1 if model == "dall-e-3" else 10)
        size = fields.get("size", "1024x1024")
        require(str, size, "size")
        if model in GPT:
            self.check_gpt(fields)
            return gpt_size(size, model)
        if size not in DALLE_SIZES[model]:
            raise error(400, "The size is not supported by this model.", code="invalid_size")
        one_of(fields.get("quality", "standard"), ("standard", "hd", "auto") if model == "dall-e-3" else ("standard", "auto"), "quality")
        one_of(fields.get("style", "vivid"), ("vivid", "natural"), "style")
        one_of(fields.get("response_format", "url"), ("url", "b64_json"), "response_format")
        return tuple(int(side) for side in size.split("x"))

    def check_gpt(self, fields):
        form = fields.get("output_format", "png")
        model = fields.get("model", "")
        one_of(fields.get("quality", "auto"), ("low", "medium", "high", "auto") + (("xhigh", "max") if "2.5" in model else ()), "quality")
        one_of(form, ("png", "jpeg", "webp"), "output_format")
        one_of(fields.get("background", "auto"), ("transparent", "opaque", "auto"), "background")
        one_of(fields.get("moderation", "auto"), ("low", "auto"), "moderation")
        one_of(fields.get("input_fidelity", "low"), ("high", "low"), "input_fidelity")
        require(bool, fields.get("stream", False), "stream")
        require(int, fields.get("partial_images", 0), "partial_images", 0, 3)
        require(int, fields.get("output_compression", 100), "output_compression", 0, 100)
        if "output_compression" in fields and form == "png" and fields["output_compression"] != 100:
            raise error(400, "Compression less than 100 is not supported for PNG output format.", param="output_compression", code="invalid_value")
        if fields.get("background") == "transparent" and form == "jpeg":
            raise error(400, "Transparent background is not supported for JPEG output format.", param="background", code="invalid_value")
        if "partial_images" in fields and not fields.get("stream"):
            raise error(400, "partial_images needs stream.", param="partial_images", code="invalid_value")

    def check_files(self, files, model):
        if set(files) - {"image", "image[]", "mask"}:
            raise error(400, "Unknown parameter.", code="unknown_parameter")
        images = files.get("image", []) + files.get("image[]", [])
        if model not in GPT or not 1 <= len(images) <= 16 or len(files.get("image", [])) > 1:
            raise error(400, "Invalid number of images.", param="image", code="invalid_value")
        for image in images:
            if not (image.startswith(b"\x89PNG") or image.startswith(b"\xff\xd8") or image[8:12] == b"WEBP") or len(image) >= 50 << 20:
                raise error(400, "Invalid image file or mode for image.", param="image", code="invalid_image_file")
        for mask in files.get("mask", []):
            if not mask.startswith(b"\x89PNG") or mask[25] not in (4, 6) or len(mask) >= 4 << 20:
                raise error(400, "Invalid mask: it must be a PNG with an alpha channel.", param="mask", code="invalid_mask")
            if images[0].startswith(b"\x89PNG") and struct.unpack(">II", mask[16:24]) != struct.unpack(">II", images[0][16:24]):
                raise error(400, "Invalid mask: its size differs from the image's.", param="mask", code="invalid_mask")

    def check_account(self, model):
        kind = self.scenario
        if kind == "unverified":
            raise error(403, f"Your organization must be verified to use the model '{model}'. Please go to: https://platform.openai.com/settings/organization/general")
        if kind == "quota":
            raise error(429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", code="insufficient_quota")
        if kind == "billing":
            raise error(400, "Billing hard limit has been reached.", code="billing_hard_limit_reached")
        if kind.startswith("throttled"):
            hints = {"throttled": [("retry-after", "1")], "throttled_date": [("retry-after", http_date(2))], "throttled_ms": [("retry-after-ms", "30")],
                     "throttled_long": [("retry-after", "86400")], "throttled_silent": [],
                     "throttled_reset": [("x-ratelimit-limit-requests", "5"), ("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "40ms")]}
            raise error(429, f"Rate limit reached for {model}.", "requests", code="rate_limit_exceeded", headers=hints[kind])
        if kind == "refused" and model in GPT:
            raise Refusal(400, {"error": {"message": "Your request was rejected by the safety system. safety_violations=[violence].", "type": "image_generation_user_error", "param": None,
                                          "code": "moderation_blocked", "moderation_details": {"moderation_stage": "input", "categories": ["violence"]}}})
        if kind == "refused":
            raise error(400, "Your request was rejected as a result of our safety system.", code="content_policy_violation")
        if kind in ("error500", "error503"):
            raise error(int(kind[5:]), "The server had an error while processing your request. Sorry about that!", "server_error")
        if kind == "error500_final":
            raise error(500, "The server had an error.", "server_error", headers=[("x-should-retry", "false")])
        if kind in ("error408", "error409"):
            raise error(int(kind[5:]), "Try again.", "invalid_request_error")

    def before_the_vendor(self):
        """What somebody between answers."""
        if self.scenario in ("proxy502", "proxy503"):
            self.answer(int(self.scenario[5:]), b"<html>Bad Gateway</html>", kind="text/html")
        elif self.scenario in ("proxy500", "proxy504"):  # whoever it is, the vendor may have taken it
            self.runs.accept(self.run_name, 1)
            self.answer(int(self.scenario[5:]), b"<html>Gateway Timeout</html>", kind="text/html")
        elif self.scenario == "redirect":
            self.answer(307, b"", [("Location", "https://elsewhere.example/v1/images/generations")])
        else:
            return False
        return True

    def deliver(self, fields, model, width, height, count):
        form = fields.get("output_format", "png")
        kind = self.scenario
        if kind == "wrong_size":
            width, height = 64, 64
        key = json.dumps(fields, sort_keys=True).encode()
        made = [picture(form, width, height, key + bytes([i])) for i in range(count + (kind == "too_many"))]
        if kind == "no_picture":
            made = [b"this is no picture" for _ in made]
        if kind == "half_picture":
            made = [data[:len(data) // 2] for data in made]
        if fields.get("stream"):
            return self.stream(fields, made)
        rows = [{"b64_json": base64_text(data)} for data in made]
        if kind == "half_base64":
            rows = [{"b64_json": row["b64_json"][:len(row["b64_json"]) // 8 * 4 + 1]} for row in rows]
        if kind.startswith("link") or (model not in GPT and fields.get("response_format", "url") == "url"):
            name = {"link_expired": "expired", "link_redirect": "redirect", "link_private": "x"}.get(kind, f"{form}-{width}-{height}")
            host = "localhost" if kind == "link_private" else self.headers["Host"]
            scheme = "https" if hasattr(self.connection, "cipher") else "http"
            rows = [{"url": f"{scheme}://{host}/{self.run_name}/ok/pictures/{name}"} for _ in rows]
        if model == "dall-e-3":
            rows = [dict(row, revised_prompt="A finer " + fields["prompt"]) for row in rows]
        body = {"created": 1712345678, "data": rows}
        if kind == "empty":
            body["data"] = []
        if kind == "no_data":
            del body["data"]
        if model in GPT:
            body.update(self.facts(fields), usage=self.usage(count))
        reply = json.dumps(body).encode()
        if not self.mishap(reply):
            self.reply(200, reply)
        return None

    def facts(self, fields):
        return {"size": fields.get("size", "auto"), "quality": fields.get("quality", "auto"), "background": fields.get("background", "opaque"), "output_format": fields.get("output_format", "png")}

    def usage(self, count):
        return {"input_tokens": 50, "output_tokens": 4160 * count, "total_tokens": 50 + 4160 * count, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens_details": {"text_tokens": 0, "image_tokens": 4160 * count}}

    # Server-sent events. Scenarios: stream_error (in the middle), stream_cut (no last event), stream_bytes (one byte a write, CRLF),
    # stream_noise (comments and unknown events), stream_refused, stream_residue (an error object that is no event), stream_early (the picture first).
    def stream(self, fields, made):
        kind = self.scenario
        edit = "image_edit" if self.vendor_path.endswith("edits") else "image_generation"
        end = "\r\n" if kind == "stream_bytes" else "\n"

        def event(name, **data):
            return f"event: {name}{end}data: {json.dumps(dict(data, type=name))}{end}{end}"
        partials = [event(edit + ".partial_image", b64_json=base64_text(made[0]), partial_image_index=i, created_at=1, **self.facts(fields)) for i in range(fields.get("partial_images", 0))]
        finals = [event(edit + ".completed", b64_json=base64_text(data), created_at=1, usage=self.usage(1), **self.facts(fields)) for data in made]
        if kind == "stream_error":
            events = partials[:1] + [f"event: error{end}data: " + json.dumps({"type": "error", "error": {"type": "server_error", "code": "server_error", "message": "broke", "param": None}}) + end * 2]
        elif kind == "stream_refused":
            events = partials[:1] + ["data: " + json.dumps({"error": {"type": "image_generation_user_error", "code": "moderation_blocked", "message": "blocked", "param": None}}) + end * 2]
        elif kind == "stream_residue":
            events = partials[:1] + ['{"error": {"message": "cut off inside", "type": "server_error",\n "param": null, "code": null}}\n']
        elif kind == "stream_cut":
            events = partials
        elif kind == "stream_early":
            events = partials[:1] + finals + partials[1:]
        elif kind == "stream_noise":
            events = [": keep-alive" + end * 2] + partials + ["event: news" + end + "data: {}" + end * 2] + finals + ["data: [DONE]" + end * 2]
        else:
            events = partials + finals
        self.send_response(200)
        for name, value in self.good_headers():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        data = "".join(events).encode()
        if kind == "stream_bytes":
            for at in range(min(len(data), 600)):
                self.send_bytes(data[at:at + 1])
            data = data[600:]
        self.send_bytes(data)

    def linked_picture(self):
        name = self.vendor_path[len("/pictures/"):]
        if self.headers.get("Authorization"):
            return self.answer(400, b"a link must not get the key", kind="text/plain")
        if name == "expired":
            return self.answer(403, b"<Error>Signature expired</Error>", kind="application/xml")
        if name == "redirect":
            return self.answer(302, b"", [("Location", "https://elsewhere.example/x.png")])
        form, width, height = name.split("-")
        return self.answer(200, picture(form, int(width), int(height), name.encode()), kind="image/" + form)


if __name__ == "__main__":
    fake_vendor.serve(OpenAi)
