"""What the fakes of hosted image services share: a server with scripted mishaps, a count of what it accepted, and small real pictures.

The first part of a path names a run, the second the scenarios of its requests, joined by commas; the rest is the vendor's own path. The
n-th request of a run meets the n-th scenario, later ones the last. GET /__fake/RUN tells what the run has seen:
{"requests": how many calls for pictures came, "accepted": how many of them were taken as paid work, "pictures": how many pictures those
asked for, "bodies": [what was asked]}.
"""
import base64
import hashlib
import json
import ssl
import struct
import sys
import threading
import time
import zlib
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MOST_BODY = 64 << 20


class Refusal(Exception):
    """An answer in the vendor's error shape."""

    def __init__(self, status, body, headers=()):
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, list(headers)


class Runs:
    """What happened, by run."""

    def __init__(self):
        self.lock = threading.Lock()
        self.runs = {}

    def run(self, name):
        return self.runs.setdefault(name, {"requests": 0, "accepted": 0, "pictures": 0, "bodies": []})

    def next_scenario(self, name, scenarios):
        with self.lock:
            run = self.run(name)
            run["requests"] += 1
            return scenarios[min(run["requests"], len(scenarios)) - 1]

    def asked(self, name, body):
        with self.lock:
            self.run(name)["bodies"].append(body)

    def accept(self, name, pictures):
        with self.lock:
            self.run(name)["accepted"] += 1
            self.run(name)["pictures"] += pictures


def no_twins(pairs):
    out = {}
    for key, value in pairs:
        if key in out:
            raise ValueError("duplicate key " + key)
        out[key] = value
    return out


# Pictures: flat, of exactly the size asked for, of a colour that depends on `key` alone.

def png(width, height, key):
    colour = hashlib.sha256(key).digest()[:3]
    row = b"\0" + colour * width

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * height, 1)) + chunk(b"IEND", b"")


def bytes_of_bits(bits, fill):
    bits += fill * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def jpeg(width, height, key):
    """Baseline, gray, every block flat: the first block's DC, then differences of 0."""
    level = hashlib.sha256(key).digest()[0] - 128
    size = abs(level * 8).bit_length()
    value = level * 8 if level >= 0 else level * 8 + (1 << size) - 1

    def segment(marker, data):
        return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data
    blocks = ((width + 7) // 8) * ((height + 7) // 8)
    bits = ("01" + format(value, "0%db" % size) if size else "00") + "0" + "000" * (blocks - 1)
    dc = bytes([0x00, 0, 2] + [0] * 14 + [0, max(size, 1)])
    ac = bytes([0x10, 1, 0] + [0] * 14 + [0])
    return (b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + segment(0xDB, b"\0" + b"\1" * 64) +
            segment(0xC0, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)) + segment(0xC4, dc) + segment(0xC4, ac) +
            segment(0xDA, b"\1\1\0\0\x3f\0") + bytes_of_bits(bits, "1").replace(b"\xff", b"\xff\0") + b"\xff\xd9")


def webp(width, height, key):
    """Lossless, five prefix codes of one symbol each, so that no pixel takes a bit."""
    red, green, blue = hashlib.sha256(key).digest()[:3]
    bits = []

    def put(value, count):
        bits.extend((value >> i) & 1 for i in range(count))
    put(0x2F, 8), put(width - 1, 14), put(height - 1, 14), put(0, 1), put(0, 3)
    put(0, 3)  # no transform, no colour cache, one group of prefix codes
    for symbol in (green, red, blue, 255):
        put(1, 1), put(0, 1), put(1, 1), put(symbol, 8)
    put(1, 1), put(0, 1), put(0, 1), put(0, 1)
    bits.extend([0] * (-len(bits) % 8))
    data = bytes(sum(bit << i for i, bit in enumerate(bits[at:at + 8])) for at in range(0, len(bits), 8))
    data += b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data


def picture(form, width, height, key):
    return {"png": png, "jpeg": jpeg, "webp": webp}[form](width, height, key)


class Handler(BaseHTTPRequestHandler):
    """A vendor overrides route(); its answers go through answer() or one of the mishaps."""

    protocol_version = "HTTP/1.1"
    runs = Runs()

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=(), kind="application/json; charset=utf-8"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.send_bytes(data)

    def send_bytes(self, data):
        try:
            self.wfile.write(data)
            self.wfile.flush()
        except (ConnectionError, ssl.SSLError):  # the client may leave before the end
            self.close_connection = True

    def hang_up(self):
        self.close_connection = True
        self.connection.close()

    def read_body(self):
        if "Transfer-Encoding" in self.headers or not self.headers.get("Content-Length", "0").isdigit():
            raise Refusal(411, {"error": {"message": "a length is needed"}})
        length = int(self.headers.get("Content-Length", "0"))
        if length > MOST_BODY:
            self.close_connection = True
            raise Refusal(413, {"error": {"message": "Request Entity Too Large"}})
        return self.rfile.read(length)

    def serve(self):
        parts = urlsplit(self.path)
        if parts.path.startswith("/__fake/"):
            with self.runs.lock:
                return self.answer(200, self.runs.run(parts.path[len("/__fake/"):]))
        pieces = parts.path.split("/", 3)
        if len(pieces) < 4:
            return self.answer(404, {"error": "use /RUN/SCENARIOS/the vendor's path"})
        self.run_name, self.scenarios, self.vendor_path = pieces[1], pieces[2].split(","), "/" + pieces[3]
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.scenario = "ok"
        try:
            return self.route(self.command, self.read_body())
        except Refusal as refusal:
            return self.answer(refusal.status, refusal.body, refusal.headers)

    do_GET = do_POST = do_PUT = do_DELETE = serve

    # Mishaps that are alike for everybody. `reply`: the bytes of a good answer. They come after the work was accepted.
    def mishap(self, reply):
        """Sends the answer as the scenario wants it; True when it did."""
        kind = self.scenario
        if kind == "slow":          # in time, drop by drop
            self.begin(len(reply))
            for at in range(0, len(reply), len(reply) // 5 + 1):
                time.sleep(0.05)
                self.send_bytes(reply[at:at + len(reply) // 5 + 1])
        elif kind == "hang":        # nothing, until the client leaves
            self.connection.settimeout(30)
            try:
                self.connection.recv(1)
            except OSError:
                pass
            self.hang_up()
        elif kind == "close_before":
            self.hang_up()
        elif kind == "close_mid":
            self.begin(len(reply))
            self.send_bytes(reply[:len(reply) // 2])
            self.hang_up()
        elif kind == "malformed":
            self.answer(200, reply[:len(reply) // 2])
        elif kind == "html":
            self.answer(200, b"<!doctype html><title>welcome</title>", kind="text/html")
        elif kind == "huge":
            self.begin(1 << 40)
            block = b" " * (1 << 20)
            while not self.close_connection:
                self.send_bytes(block)
        else:
            return False
        return True

    def begin(self, length):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()


def base64_text(data):
    return base64.b64encode(data).decode()


def http_date(seconds_from_now):
    return formatdate(time.time() + seconds_from_now, usegmt=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # clients that leave are part of the play
            super().handle_error(request, client_address)


def serve(handler):
    """Prints the port and serves until standard input closes. Arguments: [CERTIFICATE KEY] for TLS."""
    server = Server(("127.0.0.1", 0), handler)
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
