#!/usr/bin/env python3
"""Google's generateContent and predict for picture models, as strict as the real ones. No network. See fake_vendor.py for paths,
scenarios and counts.

POST .../v1beta/models/M:generateContent | :streamGenerateContent | :predict with x-goog-api-key, or the same under
.../v1/projects/p/locations/global/publishers/google/models/M with a bearer token; GET .../v1beta/models/M. The right key is
AIzaFake-0123456789abcdef.
"""
import base64
import binascii
import json
import re

import fake_vendor
from fake_vendor import Refusal, base64_text, picture

KEY = "AIzaFake-0123456789abcdef"
ASPECTS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
WIDE_ASPECTS = ASPECTS + ("1:4", "4:1", "1:8", "8:1")
# Model: aspects, sizes, most pictures in the request.
GEMINI = {
    "gemini-2.5-flash-image": (ASPECTS, (), 3),
    "gemini-3-pro-image": (ASPECTS, ("1K", "2K", "4K"), 14),
    "gemini-3.1-flash-image": (WIDE_ASPECTS, ("512", "1K", "2K", "4K"), 14),
    "gemini-3.1-flash-lite-image": (ASPECTS, ("1K",), 14),
    "gemini-nano-banana-2.1": (WIDE_ASPECTS, ("1K", "2K", "4K"), 14),
}
PIXELS = {"1:1": (1024, 1024), "16:9": (1376, 768), "4:3": (1200, 896), "3:4": (896, 1200), "9:16": (768, 1376)}
OLD_PIXELS = {"1:1": (1024, 1024), "16:9": (1344, 768), "4:3": (1184, 864), "21:9": (1536, 672)}
IMAGEN = {"imagen-4.0-fast-generate-001": (), "imagen-4.0-generate-001": ("1K", "2K"), "imagen-4.0-ultra-generate-001": ("1K", "2K")}
IMAGEN_PIXELS = {"1:1": (1024, 1024), "3:4": (896, 1280), "4:3": (1280, 896), "9:16": (768, 1408), "16:9": (1408, 768)}
HARM = ("HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_DANGEROUS_CONTENT")
INFO = "type.googleapis.com/google.rpc."


def error(code, status, message, details=(), headers=(), wrapped=False):
    body = {"error": {"code": code, "message": message, "status": status}}
    if details:
        body["error"]["details"] = list(details)
    return Refusal(code, [body] if wrapped else body, headers)


def invalid(message):
    return error(400, "INVALID_ARGUMENT", message)


def only(body, known, where):
    """Google's words for a field that it does not know."""
    if not isinstance(body, dict):
        raise invalid(f"Invalid value at '{where}'.")
    for name in body:
        if name not in known:
            place = f' at \'{where}\'' if where else ""
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def require(condition, message):
    if not condition:
        raise invalid(message)


def is_int(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def one_of(value, names, where):
    require(isinstance(value, str) and value in names, f"Invalid value at '{where}': \"{value}\"")


def inline_bytes(data, where):
    only(data, {"mimeType", "data"}, where)
    one_of(data.get("mimeType"), ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"), where + ".mime_type")
    try:
        content = base64.b64decode(data.get("data", ""), validate=True)
    except (binascii.Error, TypeError):
        raise invalid(f"Invalid value at '{where}.data' (TYPE_BYTES), Base64 decoding failed") from None
    require(len(content) > 8, "Request contains an invalid argument.")
    return content


class Google(fake_vendor.Handler):
    def route(self, method, data):
        match = re.fullmatch(r"/(v1beta|v1/projects/[\w-]+/locations/[\w-]+/publishers/google)/models/([\w.-]+)(?::(\w+))?", self.vendor_path)
        if not match:
            raise error(404, "NOT_FOUND", "Requested entity was not found.")
        self.vertex, self.model, verb = match[1] != "v1beta", match[2], match[3]
        if method == "GET" and not verb:
            self.check_key()
            self.check_model(set(GEMINI) | set(IMAGEN), "get")
            return self.answer(200, {"name": "models/" + self.model, "supportedGenerationMethods": ["generateContent" if self.model in GEMINI else "predict"]})
        if method != "POST" or verb not in ("generateContent", "streamGenerateContent", "predict"):
            raise error(404, "NOT_FOUND", "Requested entity was not found.")
        self.scenario = self.runs.next_scenario(self.run_name, self.scenarios)
        if self.before_the_vendor():
            return None
        self.check_key()
        body = self.read_json(data)
        self.runs.asked(self.run_name, body)
        self.check_model(IMAGEN if verb == "predict" else GEMINI, verb)
        return self.predict(body) if verb == "predict" else self.generate(body, verb.startswith("stream"))

    def before_the_vendor(self):
        if self.scenario in ("proxy502", "proxy503"):
            self.answer(int(self.scenario[5:]), b"<html>Bad Gateway</html>", kind="text/html")
        elif self.scenario in ("proxy500", "proxy504"):
            self.runs.accept(self.run_name, 1)
            self.answer(int(self.scenario[5:]), b"<html>Gateway Timeout</html>", kind="text/html")
        elif self.scenario == "redirect":
            self.answer(307, b"", [("Location", "https://elsewhere.example/v1beta")])
        else:
            return False
        return True

    def check_key(self):
        if self.vertex:
            given = self.headers.get("Authorization", "")
            if given != "Bearer " + KEY or self.scenario == "unauthorized":
                raise error(401, "UNAUTHENTICATED", f"Request had invalid authentication credentials: {given}.",
                            [{"@type": INFO + "ErrorInfo", "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED", "domain": "googleapis.com"}])
            return
        given = self.headers.get("x-goog-api-key", "")
        if given != KEY or self.scenario == "unauthorized" or "key" in self.query:
            raise error(400, "INVALID_ARGUMENT", f"API key not valid. Please pass a valid API key. ({given})",
                        [{"@type": INFO + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}},
                         {"@type": INFO + "LocalizedMessage", "locale": "en-US", "message": "API key not valid. Please pass a valid API key."}])

    def read_json(self, data):
        require(self.headers.get("Content-Type", "").split(";")[0] == "application/json", "Unsupported content type.")
        try:
            body = json.loads(data, object_pairs_hook=fake_vendor.no_twins)
        except ValueError:
            raise invalid("Invalid JSON payload received. Unexpected token.") from None
        require(isinstance(body, dict), "Invalid JSON payload received.")
        return body

    def check_model(self, known, verb):
        if self.model not in known or self.scenario in ("retired", "retired404"):
            raise error(404, "NOT_FOUND", f"models/{self.model} is not found for API version v1beta, or is not supported for {verb}. Call ListModels to see the list of "
                        "available models and their supported methods.", [{"@type": INFO + "DebugInfo", "detail": "[ORIGINAL ERROR] generic::not_found"}])

    def check_account(self):
        kind = self.scenario
        if kind == "unverified":
            raise error(403, "PERMISSION_DENIED", "Generative Language API has not been used in project 1 before or it is disabled.",
                        [{"@type": INFO + "ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}])
        if kind == "place":
            raise error(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")
        if kind == "quota":
            raise error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.",
                        [{"@type": INFO + "QuotaFailure", "violations": [{"quotaMetric": "m", "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "100"}]},
                         {"@type": INFO + "RetryInfo", "retryDelay": "13.5s"}])
        if kind.startswith("throttled"):
            details = {"throttled": [{"@type": INFO + "RetryInfo", "retryDelay": "1.5s"}], "throttled_long": [{"@type": INFO + "RetryInfo", "retryDelay": "86400s"}]}.get(kind, [])
            quota = [{"@type": INFO + "ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com", "metadata": {"quota_limit_value": "60"}}]
            raise error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'requests' and limit 'requests per minute' of service 'x' for consumer 'project_number:1'.",
                        quota + details, wrapped=kind == "throttled_silent")
        if kind in ("error500", "error503"):
            raise error(int(kind[5:]), "INTERNAL" if kind == "error500" else "UNAVAILABLE", "The model is overloaded. Please try again later.")
        if kind == "error504":
            self.runs.accept(self.run_name, 1)
            raise error(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.")

    # generateContent

    def generate(self, body, streams):
        only(body, {"contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent"} | ({"labels"} if self.vertex else set()), "")
        pictures = self.check_contents(body.get("contents"))
        aspects, sizes, most = GEMINI[self.model]
        require(pictures <= most, "Request contains an invalid argument.")
        aspect, size = self.check_config(body.get("generationConfig", {}), aspects, sizes)
        for setting in body.get("safetySettings", []):
            only(setting, {"category", "threshold", "method"}, "safety_settings")
            one_of(setting.get("category"), HARM, "safety_settings.category")
            one_of(setting.get("threshold"), ("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"), "safety_settings.threshold")
        self.check_account()
        return self.deliver(body, aspect, size, streams)

    def check_contents(self, contents):
        require(isinstance(contents, list) and contents, "* GenerateContentRequest.contents: contents is not specified")
        pictures, words = 0, ""
        for i, content in enumerate(contents):
            where = f"contents[{i}]"
            only(content, {"role", "parts"}, where)
            one_of(content.get("role", "user"), ("user", "model"), where + ".role")
            require(isinstance(content.get("parts"), list) and content["parts"], f"* {where}.parts: contents.parts must not be empty.")
            for part in content["parts"]:
                only(part, {"text", "inlineData", "fileData", "thought", "thoughtSignature"}, where + ".parts")
                require(len({"text", "inlineData", "fileData"} & set(part)) == 1, f"* {where}.parts: contents.parts must have one initialized field.")
                if "inlineData" in part:
                    inline_bytes(part["inlineData"], where + ".parts.inline_data")
                    pictures += 1
                if "text" in part:
                    require(isinstance(part["text"], str), f"Invalid value at '{where}.parts.text' (TYPE_STRING)")
                    words += part["text"]
        require(words or pictures, "Unable to submit request because it must have a text parameter.")
        return pictures

    def check_config(self, config, aspects, sizes):
        where = "generation_config"
        only(config, {"responseModalities", "imageConfig", "seed", "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "thinkingConfig"}, where)
        for modality in config.get("responseModalities", ["TEXT", "IMAGE"]):
            one_of(modality, ("TEXT", "IMAGE"), where + ".response_modalities")
        require(config.get("candidateCount", 1) == 1, "Multiple candidates is not enabled for this model")
        require(is_int(config.get("seed", 0), -2**31, 2**31 - 1), f"Invalid value at '{where}.seed' (TYPE_INT32)")
        image = config.get("imageConfig", {})
        only(image, {"aspectRatio", "imageSize"} | ({"personGeneration", "outputMimeType", "outputCompressionQuality", "imageOutputOptions"} if self.vertex else set()), where + ".image_config")
        if "aspectRatio" in image:
            one_of(image["aspectRatio"], aspects, where + ".image_config.aspect_ratio")
        if "imageSize" in image:
            one_of(image["imageSize"], sizes, where + ".image_config.image_size")
        return image.get("aspectRatio", "1:1"), image.get("imageSize", "1K")

    def deliver(self, body, aspect, size, streams):
        kind = self.scenario
        finish = {"refused": "IMAGE_SAFETY", "no_image": "NO_IMAGE", "unheard_of": "SOMETHING_NEW", "too_long": "MAX_TOKENS", "silent": "STOP"}
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 1290, "thoughtsTokenCount": 0, "totalTokenCount": 1300,
                 "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}], "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}
        reply = {"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "Here it is."}]}}],
                 "usageMetadata": usage, "modelVersion": self.model, "responseId": "resp-" + self.run_name}
        if kind in finish:  # 200 without a picture, which is not charged as one
            reply["candidates"][0].update(finishReason=finish[kind], content={"role": "model", "parts": [{"text": "I cannot paint that."}]})
            usage.update(candidatesTokenCount=6, candidatesTokensDetails=[{"modality": "TEXT", "tokenCount": 6}])
            return self.answer(200, reply)
        if kind in ("blocked", "no_data"):
            del reply["candidates"]
            usage.update(candidatesTokenCount=0, candidatesTokensDetails=[])
            if kind == "blocked":
                reply["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "not that"}
            return self.answer(200, reply)
        self.runs.accept(self.run_name, 1)
        width, height = (OLD_PIXELS if self.model.startswith("gemini-2.5") else PIXELS).get(aspect, (1024, 1024))
        scale = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}[size]
        width, height = (64, 64) if kind == "wrong_size" else (int(width * scale), int(height * scale))
        data = picture("png", width, height, json.dumps(body, sort_keys=True).encode())
        if kind == "no_picture":
            data = b"this is no picture"
        if kind == "half_picture":
            data = data[:len(data) // 2]
        text = base64_text(data)
        part = {"inlineData": {"mimeType": "image/png", "data": text[:len(text) // 8 * 4 + 1] if kind == "half_base64" else text}, "thoughtSignature": "c2ln"}
        if kind == "snake":  # as some proxies write it
            part = {"inline_data": {"mime_type": "image/png", "data": text}}
        thought = {"inlineData": {"mimeType": "image/png", "data": base64_text(picture("png", 8, 8, b"thought"))}, "thought": True}
        parts = [thought, part, dict(thought)] if kind == "thoughts" else [dict(part, thought=True)] if kind == "only_thought" else [part]
        reply["candidates"][0]["content"]["parts"] += parts
        if streams:
            return self.answer(200, ("data: " + json.dumps(reply) + "\r\n\r\n").encode(), kind="text/event-stream")
        encoded = json.dumps(reply).encode()
        return None if self.mishap(encoded) else self.answer(200, encoded)

    # predict

    def predict(self, body):
        only(body, {"instances", "parameters"} | ({"labels"} if self.vertex else set()), "")
        instances = body.get("instances")
        require(isinstance(instances, list) and len(instances) == 1, "Exactly one instance is needed.")
        only(instances[0], {"prompt"}, "instances[0]")
        require(isinstance(instances[0].get("prompt"), str) and instances[0]["prompt"], "The prompt is empty.")
        given = body.get("parameters", {})
        width, height, form = self.check_parameters(given)
        self.check_account()
        count = given.get("sampleCount", 4)
        kind = self.scenario
        filtered = {"raiFilteredReason": "Unable to show generated images. All images were filtered out because they violated Google's Responsible AI practices. You will not be charged for "
                    "blocked images. Try rephrasing the prompt. Support codes: 39322892"}
        if kind == "refused":
            return self.answer(200, {"predictions": [filtered] if given.get("includeRaiReason") else []})
        if kind == "blocked":
            raise invalid("Image generation failed with the following error: The prompt could not be submitted. This prompt contains sensitive words that violate Google's Responsible AI "
                          "practices. Try rephrasing the prompt. Support codes: 42876398")
        if kind == "no_data":
            return self.answer(200, {})
        made = count - 1 if kind == "partly" else count
        self.runs.accept(self.run_name, made)
        key = json.dumps(body, sort_keys=True).encode()
        rows = []
        for i in range(made):
            data = b"this is no picture" if kind == "no_picture" else picture(form, *((64, 64) if kind == "wrong_size" else (width, height)), key + bytes([i]))
            text = base64_text(data[:len(data) // 2] if kind == "half_picture" else data)
            rows.append({"mimeType": "image/" + form, "bytesBase64Encoded": text[:len(text) // 8 * 4 + 1] if kind == "half_base64" else text})
        if kind == "partly":
            rows.append({"raiFilteredReason": "Your current safety filter threshold filtered out 1 generated images. You will not be charged for blocked images."})
        if given.get("includeSafetyAttributes"):
            rows.append({"contentType": "Positive Prompt", "safetyAttributes": {"categories": [], "scores": []}})
        reply = json.dumps({"predictions": rows}).encode()
        return None if self.mishap(reply) else self.answer(200, reply)

    def check_parameters(self, given):
        known = {"sampleCount", "aspectRatio", "personGeneration", "safetySetting", "includeRaiReason", "includeSafetyAttributes", "language", "guidanceScale", "outputOptions", "sampleImageSize"}
        vertex_only = {"negativePrompt", "seed", "addWatermark", "enhancePrompt", "storageUri"}
        only(given, known | (vertex_only if self.vertex else set()), "parameters")
        require(is_int(given.get("sampleCount", 4), 1, 4), "sampleCount must be from 1 to 4.")
        aspect = given.get("aspectRatio", "1:1")
        one_of(aspect, tuple(IMAGEN_PIXELS), "parameters.aspectRatio")
        if "personGeneration" in given:
            one_of(given["personGeneration"], ("dont_allow", "allow_adult") + (("allow_all",) if self.vertex else ()), "parameters.personGeneration")
        if "sampleImageSize" in given:
            one_of(given["sampleImageSize"], IMAGEN[self.model], "parameters.sampleImageSize")
        if "seed" in given:
            require(is_int(given["seed"], 0, 2**32 - 1), "The seed is out of range.")
            require(given.get("addWatermark", True) is False, "Seed is not supported when watermark is enabled.")
        options = given.get("outputOptions", {})
        only(options, {"mimeType", "compressionQuality"}, "parameters.outputOptions")
        one_of(options.get("mimeType", "image/png"), ("image/png", "image/jpeg"), "parameters.outputOptions.mimeType")
        if "compressionQuality" in options:
            require(options.get("mimeType") == "image/jpeg" and is_int(options["compressionQuality"], 0, 100), "compressionQuality needs image/jpeg and 0 to 100.")
        scale = 2 if given.get("sampleImageSize") == "2K" else 1
        width, height = IMAGEN_PIXELS[aspect]
        return width * scale, height * scale, options.get("mimeType", "image/png")[6:]


if __name__ == "__main__":
    fake_vendor.serve(Google)
