#!/usr/bin/env python3
"""Draws the tiny pictures of tests/data/pictures, one hazard each, and beside each NAME the RGB that
Pillow makes of it (NAME.rgb, rows top down, on white, upright).

    make.py          (needs Pillow and NumPy; the files are committed, so tests need neither)
"""

import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

W, H = 13, 9
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")
RNG = np.random.default_rng(1)

y, x = np.mgrid[:H, :W]
COLOUR = np.stack([x * 19, y * 28, 255 - x * 9 - y * 12], -1).astype(np.uint8)
GREY = (x * 10 + y * 13).astype(np.uint8)
ALPHA = np.where((x + y) % 5 == 0, 0, 255 - x * 11).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (H, W, 3)).astype(np.uint16)


def path(name):
    return os.path.join(HERE, name)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, bits, colour, rows, extra=b"", interlace=0):
    """A PNG of raw rows (bytes), which Pillow cannot write in these forms."""
    raw = b"".join(b"\0" + r for r in rows)
    head = struct.pack(">IIBBBBB", W, H, bits, colour, 0, 0, interlace)
    with open(path(name), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra
                + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def adam7(a):
    """The rows of the seven passes over an (H, W, C) array."""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in a[y0::dy, x0::dx]:
            if row.size:
                yield row.tobytes()


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e.tobytes()


def jpegs():
    rgb = Image.fromarray(COLOUR)
    rgb.save(path("rgb.jpg"), quality=90, subsampling=2)
    rgb.save(path("progressive.jpg"), quality=90, progressive=True)
    Image.fromarray(GREY).save(path("grey.jpg"), quality=90)
    rgb.save(path("exif_big.jpg"), quality=90, exif=exif(6))
    little = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0"
    rgb.save(path("exif_little.jpg"), quality=90, exif=little)
    rgb.save(path("misnamed.jpg"), "PNG")
    cmyk = Image.merge("CMYK", [*rgb.split(), Image.fromarray(GREY)])
    cmyk.save(path("cmyk.jpg"), quality=95)
    # YCCK: Pillow writes the four channels as they are, then the Adobe segment is told.
    inverted = Image.fromarray(255 - COLOUR).convert("YCbCr")
    Image.merge("CMYK", [*[c.point(lambda v: 255 - v) for c in inverted.split()],
                         Image.fromarray(GREY)]).save(path("ycck.jpg"), quality=95)
    with open(path("ycck.jpg"), "r+b") as f:
        data = f.read()
        f.seek(data.index(b"Adobe") + 11)
        f.write(b"\x02")


def pngs():
    rgb, alpha = Image.fromarray(COLOUR), Image.fromarray(ALPHA)
    Image.merge("RGBA", [*rgb.split(), alpha]).save(path("rgba.png"))
    Image.merge("LA", [Image.fromarray(GREY), alpha]).save(path("grey_alpha.png"))
    Image.fromarray(GREY).point(lambda v: 255 * (v > 90)).convert("1").save(path("one_bit.png"))
    few = rgb.quantize(16)
    few.save(path("palette.png"))
    few.save(path("palette_alpha.png"), transparency=bytes(range(0, 256, 16)))
    rgb.save(path("exif.png"), exif=exif(5)[6:])
    rgb.save(path("animated.png"), save_all=True, append_images=[Image.fromarray(255 - COLOUR)])
    big = DEEP.astype(">u2")
    png("rgb16.png", 16, 2, [r.tobytes() for r in big])
    png("grey16.png", 16, 0, [r.tobytes() for r in big[:, :, 0]])
    both = np.dstack([COLOUR, ALPHA])
    png("interlaced.png", 8, 2, adam7(COLOUR), interlace=1)
    png("interlaced_alpha.png", 8, 6, adam7(both), interlace=1)
    hidden = struct.pack(">H", int(GREY[4, 6]))
    png("grey_key.png", 8, 0, [r.tobytes() for r in GREY], extra=chunk(b"tRNS", hidden))
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20), 9))
    png("text_bomb.png", 8, 2, [r.tobytes() for r in COLOUR], extra=bomb)


def others():
    rgb, next_one = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    rgba = Image.merge("RGBA", [*rgb.split(), Image.fromarray(ALPHA)])
    rgb.save(path("lossy.webp"), quality=80)
    rgba.save(path("alpha.webp"), lossless=True, exact=True)
    rgba.save(path("lossy_alpha.webp"), quality=80)
    rgb.save(path("exif.webp"), quality=80, exif=exif(3))
    rgba.save(path("animated.webp"), save_all=True, append_images=[next_one], lossless=True)
    rgb.quantize(16).save(path("animated.gif"), save_all=True, append_images=[next_one.quantize(16)])
    rgb.quantize(16).save(path("interlaced.gif"), interlace=1)
    rgb.quantize(16).save(path("clear.gif"), transparency=3, interlace=0)


def expected(im):
    if im.mode == "I;16":
        return Image.fromarray((np.asarray(im) >> 8).astype(np.uint8)).convert("RGB")
    im = ImageOps.exif_transpose(im)
    if im.mode in ("LA", "RGBA") or "transparency" in im.info:
        im = im.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
    return im.convert("RGB")


os.makedirs(HERE, exist_ok=True)
jpegs()
pngs()
others()
for name in sorted(os.listdir(HERE)):
    if not name.endswith(".rgb"):
        with open(path(name + ".rgb"), "wb") as f:
            f.write(expected(Image.open(path(name))).tobytes())
