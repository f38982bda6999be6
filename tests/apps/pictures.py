"""Reads and writes 8-bit PNG pictures in plain Python, with their text chunks kept, so that tests can change pixels as other programs do."""
import pathlib
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _unfiltered(kind, line, above, size):
    for i in range(len(line)):
        left, up, corner = (line[i - size] if i >= size else 0), above[i], (above[i - size] if i >= size else 0)
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            distances = [abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)]
            guess = (left, up, corner)[distances.index(min(distances))]
        else:
            guess = 0
        line[i] = (line[i] + guess) & 255


class Picture:
    """RGB, rows of 3 * width bytes; `texts`: the chunks beside the pixels."""

    def __init__(self, file):
        data, at, chunks = pathlib.Path(file).read_bytes(), len(SIGNATURE), []
        while at < len(data):
            size, = struct.unpack(">I", data[at:at + 4])
            chunks.append((data[at + 4:at + 8], data[at + 8:at + 8 + size]))
            at += 12 + size
        self.width, self.height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
        assert (depth, kind) == (8, 2), "an RGB picture of 8 bits a sample"
        raw = zlib.decompress(b"".join(c[1] for c in chunks if c[0] == b"IDAT"))
        stride, above, self.rows = 3 * self.width, bytearray(3 * self.width), []
        for y in range(self.height):
            start = y * (stride + 1)
            line = bytearray(raw[start + 1:start + 1 + stride])
            _unfiltered(raw[start], line, above, 3)
            self.rows.append(line)
            above = line
        self.texts = [c for c in chunks if c[0] not in (b"IHDR", b"IDAT", b"IEND")]

    def changed(self, change):
        """Each sample becomes change(value, x, y)."""
        self.rows = [bytearray(min(255, max(0, round(change(v, i // 3, y)))) for i, v in enumerate(row)) for y, row in enumerate(self.rows)]
        return self

    def write(self, file):
        def chunk(name, body):
            return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        body = zlib.compress(b"".join(b"\0" + bytes(r) for r in self.rows))
        parts = [(b"IHDR", header), *self.texts, (b"IDAT", body), (b"IEND", b"")]
        pathlib.Path(file).write_bytes(SIGNATURE + b"".join(chunk(*p) for p in parts))
