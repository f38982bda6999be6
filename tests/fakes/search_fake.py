#!/usr/bin/env python3
"""A SearXNG instance and GitHub's issue search in one process, as strict as the real ones. No network.

Prints its port, serves until its standard input closes. The first part of the path is the scenario, the rest is the real path:
/SCENARIO/search (SearXNG) and /SCENARIO/search/issues (GitHub). Scenarios: ok, nojson, limited, limited403, slow, huge, hostile,
broken, wrongshape, redirect, unauthorized, hangup.
"""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SEARX_PARAMETERS = {"q", "format", "categories", "engines", "language", "pageno", "time_range", "safesearch", "theme"}
GITHUB_PARAMETERS = {"q", "sort", "order", "per_page", "page", "advanced_search"}
ISSUE = "https://github.com/example/painter/issues/7"
KNOWN = "https://github.com/crowsonkb/k-diffusion/issues/64"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except ConnectionError:  # the client may leave before the end
            self.close_connection = True

    def do_GET(self):
        parts = urlsplit(self.path)
        _, scenario, *rest = parts.path.split("/")
        try:
            query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True, errors="strict")
        except ValueError:
            return self.answer(400, {"error": "malformed query"})
        if scenario == "slow":
            time.sleep(8)
        if scenario == "hangup":
            return self.connection.close()
        if scenario == "redirect":
            return self.answer(302, b"", [("Location", "/ok/" + "/".join(rest) + "?" + parts.query)])
        if rest == ["search"]:
            return self.searx(scenario, query)
        if rest == ["search", "issues"]:
            return self.github(scenario, query)
        return self.answer(404, {"message": "Not Found"})

    def odd(self, scenario, rows):
        """Answers that are wrong in the same way for both; True when one was given."""
        if scenario == "huge":
            self.answer(200, b'{"x": "' + b"a" * (8 << 20) + b'"}')
        elif scenario == "broken":
            self.answer(200, b'{"results": [{"title": "cut')
        elif scenario == "wrongshape":
            self.answer(200, {rows: {"0": 1}})
        else:
            return False
        return True

    def searx(self, scenario, query):
        if set(query) - SEARX_PARAMETERS:
            return self.answer(400, {"error": "unknown parameter"})
        if not query.get("q", [""])[0].strip():
            return self.answer(400, {"error": "No query"})
        if not self.headers.get("User-Agent") or scenario in ("limited", "limited403"):
            status = 403 if scenario == "limited403" else 429
            return self.answer(status, b"Too Many Requests", [("Retry-After", "30")])
        if query.get("format") != ["json"]:
            return self.answer(200, b"<!doctype html><html></html>")
        if scenario == "nojson":
            return self.answer(403, b"<!doctype html><title>403 Forbidden</title>")
        if self.odd(scenario, "results"):
            return None
        rows = [{"url": ISSUE + "#comment", "title": "Guidance burn at scale 15", "content": "colour", "engine": "github", "score": 1.0},
                {"url": "https://example.org/cakes", "title": "Cakes", "content": "flour", "engine": "x", "score": 0.5}]
        if scenario == "hostile":
            rows = [{"url": "javascript:alert(1)", "title": "guidance", "content": ""},
                    {"url": "https://user:pass@example.org/", "title": "guidance", "content": ""},
                    {"url": "https://example.org/a b", "title": "guidance", "content": ""},
                    {"url": 7, "title": ["guidance"], "content": None}, "row", None,
                    {"url": "https://example.org/x", "title": "<b onclick=x>guid</b>ance \x1b[2J\x00\u202e&lt;script&gt; guidance", "content": "g" * 100000}]
        return self.answer(200, {"query": query["q"][0], "number_of_results": len(rows), "results": rows, "answers": [], "corrections": [], "infoboxes": [],
                                 "suggestions": [], "unresponsive_engines": []})

    def github(self, scenario, query):
        if not self.headers.get("User-Agent"):
            return self.answer(403, b"Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
        limits = [("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "1900000000"), ("x-ratelimit-resource", "search")]
        if scenario in ("limited", "limited403"):
            limits[1] = ("x-ratelimit-remaining", "0")
            return self.answer(429 if scenario == "limited" else 403, {"message": "API rate limit exceeded"}, limits)
        token = self.headers.get("Authorization")
        if scenario == "unauthorized" or (token and token != "Bearer right"):
            return self.answer(401, {"message": "Bad credentials"}, limits)
        if self.headers.get("X-GitHub-Api-Version") not in (None, "2022-11-28"):
            return self.answer(400, {"message": "unsupported version"}, limits)
        text = query.get("q", [""])[0]
        words = [w for w in text.split() if ":" not in w]
        valid = words and len(" ".join(words)) <= 256 and sum(w in ("AND", "OR", "NOT") for w in words) <= 5
        if set(query) - GITHUB_PARAMETERS or not valid or not ({"is:issue", "is:pull-request"} & set(text.split())) or not 1 <= int(query.get("per_page", ["30"])[0]) <= 100:
            return self.answer(422, {"message": "Validation Failed", "errors": [{"resource": "Search", "field": "q", "code": "missing"}]}, limits)
        if self.odd(scenario, "items"):
            return None
        items = [{"html_url": KNOWN, "title": "Colour shift with guidance", "body": None, "state": "open", "score": 1.0},
                 {"html_url": ISSUE + "?utm_source=x", "title": "Guidance burn at scale 15", "body": "colour is burnt", "state": "closed", "score": 1.0}]
        return self.answer(200, {"total_count": 2, "incomplete_results": False, "items": items}, limits)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
