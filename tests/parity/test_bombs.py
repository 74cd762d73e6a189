"""Small files that claim or unfold to much: each is decoded or refused within 64 MiB over the idle
process and one second of processor time."""

import io
import os
import re
import struct
import tempfile
import zlib

import numpy as np
from PIL import Image

from test_images import Dump

MOST_MIB, MOST_S = 64, 1.0


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(w, h, colour=2, bits=8, interlace=0, before=b"", data=None):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, interlace))
    if data is None:
        row = 1 + (w * {0: 1, 2: 3, 4: 2, 6: 4}[colour] * bits + 7) // 8
        z = zlib.compressobj(9)
        data = b"".join(z.compress(bytes(row * min(64, h - y))) for y in range(0, h, 64)) + z.flush()
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", data) + chunk(b"IEND")


def pngs():
    tiny = zlib.compress(bytes(100), 9)
    for w, h in ((65535, 65535), (2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1), (8001, 8000),
                 (8000, 8000), (64000, 1000), (0, 5), (4000, 4000)):
        yield f"png claims {w} x {h}", png(w, h, data=tiny)
    for colour in (0, 2, 4, 6):
        for bits in (8, 16):
            yield f"png flat 4000 x 4000 colour {colour} bits {bits}", png(4000, 4000, colour, bits)
    yield "png flat 4000 x 4000 interlaced", png(4000, 4000, 0, data=zlib.compress(bytes(16100000), 9),
                                                 interlace=1)
    yield "png 8000 x 7000 really there", png(8000, 7000, 0)
    yield "png 1 x 60,000", png(1, 60000)
    yield "png 60,000 x 1", png(60000, 1)
    text = zlib.compress(bytes(300 << 20), 9)
    yield "png zTXt of 300 MiB", png(9, 9, before=chunk(b"zTXt", b"a\0\0" + text))
    yield "png iTXt of 300 MiB", png(9, 9, before=chunk(b"iTXt", b"a\0\1\0\0\0" + text))
    yield "png iCCP of 300 MiB", png(9, 9, before=chunk(b"iCCP", b"a\0\0" + text))
    yield "png 200 zTXt of 10 MiB", png(9, 9, before=200 * chunk(
        b"zTXt", b"a\0\0" + zlib.compress(bytes(10 << 20), 9)))
    yield "png 500,000 chunks", png(9, 9, before=500000 * chunk(b"tIME", bytes(7)))
    yield "png pixels that go on", png(9, 9, data=zlib.compress(bytes(300 << 20), 9))
    frame = chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", bytes(4) + tiny)
    yield "apng of 100,000 frames", png(9, 9, before=chunk(b"acTL", struct.pack(">II", 100000, 0))
                                        + 100000 * frame)
    entry = struct.pack("<HHII", 0x0100, 3, 1, 1)
    exif = b"II*\0\x08\0\0\0\xff\xff" + 1000000 * entry
    yield "png EXIF of 1,000,000 entries", png(9, 9, before=chunk(b"eXIf", exif))


def saved(kind, w=16, h=16, **more):
    out = io.BytesIO()
    Image.fromarray(np.zeros((h, w, 3), np.uint8)).save(out, kind, **more)
    return out.getvalue()


def resized_jpeg(data, w, h):
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", h, w) + data[at + 9 :]


def jpegs():
    plain = saved("JPEG", subsampling=0)
    progressive = saved("JPEG", progressive=True, subsampling=0)
    for w, h in ((65500, 65500), (8001, 8000), (8000, 8000), (4000, 4000), (65500, 1), (1, 65500),
                 (65500, 900), (2300, 2300)):
        yield f"jpeg claims {w} x {h}", resized_jpeg(plain, w, h)
        yield f"progressive jpeg claims {w} x {h}", resized_jpeg(progressive, w, h)
    yield "jpeg flat 4000 x 4000", saved("JPEG", 4000, 4000, subsampling=0)
    yield "progressive jpeg flat 3000 x 3000", saved("JPEG", 3000, 3000, progressive=True)
    big = saved("JPEG", 2000, 2000, progressive=True)
    for name, data in (("16 x 16", progressive), ("2000 x 2000", big)):
        last = data.rfind(b"\xff\xda")
        scan = data[last:-2]
        many = data[:last] + (80000 if len(scan) < 100 else 2000) * scan + b"\xff\xd9"
        yield f"progressive jpeg {name}, the last scan for ever", many
        first = data.find(b"\xff\xda")
        one = data[first : data.find(b"\xff\xc4", first)]
        yield f"progressive jpeg {name}, the first scan for ever", (data[:first] + 2000 * one
                                                                    + b"\xff\xd9")
    segment = b"\xff\xe1\xff\xff" + bytes(65533)
    yield "jpeg 300 segments of 64 KiB", plain[:2] + 300 * segment + plain[2:]
    yield "jpeg 1,000,000 empty segments", plain[:2] + 1000000 * b"\xff\xfe\0\2" + plain[2:]


def others():
    gif = saved("GIF")
    for w, h in ((65535, 65535), (8000, 8000), (4000, 4000), (65535, 900)):
        yield f"gif claims {w} x {h}", gif[:6] + struct.pack("<HH", w, h) + gif[10:]
    at = gif.find(b"\x2c")
    yield "gif of 300,000 frames", gif[:at] + 300000 * gif[at:-1] + b"\x3b"
    yield "gif of 1,000,000 extensions", gif[:at] + 1000000 * b"\x21\xfe\0" + gif[at:]
    yield "webp flat 4000 x 4000", saved("WEBP", 4000, 4000)
    yield "webp flat 4000 x 4000 lossless", saved("WEBP", 4000, 4000, lossless=True)
    yield "webp flat 2500 x 2500 lossless", saved("WEBP", 2500, 2500, lossless=True)
    yield "webp 16383 x 16383 lossless", vp8l(16383, 16383)
    one = saved("WEBP", 64, 64, save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])
    at = one.find(b"ANMF")
    body = one[8:at] + 50000 * one[at:]
    yield "webp of 100,000 frames", b"RIFF" + struct.pack("<I", len(body)) + body
    canvas = one.find(b"VP8X") + 12
    huge = one[:canvas] + b"\xff\xff\xff\xff\xff\xff" + one[canvas + 6 :]
    yield "webp canvas 16,777,216 x 16,777,216", huge


def vp8l(w, h):
    """A small lossless file whose header says w x h."""
    data = bytearray(saved("WEBP", 16, 16, lossless=True))
    at = data.find(b"VP8L") + 9
    rest = struct.unpack("<I", data[at : at + 4])[0] >> 28
    data[at : at + 4] = struct.pack("<I", (w - 1) | (h - 1) << 14 | rest << 28)
    return bytes(data)


def peak_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024


def seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        user, system = f.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def defused(program, makers):
    """Each in a process of its own, which has read one small picture before."""
    refused = n = 0
    worst_mib, worst_s, bad = (0.0, ""), (0.0, ""), []
    with tempfile.TemporaryDirectory() as folder:
        small, path = os.path.join(folder, "small"), os.path.join(folder, "bomb")
        with open(small, "wb") as f:
            f.write(saved("JPEG"))
        for make in makers:
            for name, data in make():
                with open(path, "wb") as f:
                    f.write(data)
                dump = Dump(program)
                dump(small)
                mib, s = peak_mib(dump.p.pid), seconds(dump.p.pid)
                picture, _ = dump(path)
                mib, s = peak_mib(dump.p.pid) - mib, seconds(dump.p.pid) - s
                dump.p.kill()
                dump.p.wait()
                refused += picture is None
                n += 1
                worst_mib, worst_s = max(worst_mib, (mib, name)), max(worst_s, (s, name))
                if mib > MOST_MIB or s > MOST_S:
                    bad.append(f"{name} ({len(data)} bytes): {mib:.0f} MiB, {s:.2f} s")
    assert not bad, "; ".join(bad)
    return (f"{n} bombs, {refused} refused; at most {worst_mib[0]:.0f} MiB ({worst_mib[1]}), "
            f"{worst_s[0]:.2f} s ({worst_s[1]})")


def cases(lib):
    program = os.path.join(os.path.dirname(lib.so._name), "test", "parity_image_dump")
    for makers in ([pngs], [jpegs], [others]):
        yield f"bombs {makers[0].__name__}", lambda makers=makers: defused(program, makers)
