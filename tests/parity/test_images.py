"""Decoding and resampling against Pillow: the share of values that are equal, within 1 and within 2."""

import os
import random
import subprocess
import warnings

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
here = os.path.dirname(os.path.abspath(__file__))
OWN = os.path.join(here, "..", "data", "pictures")
SHARED = os.path.join(here, "..", "..", "..", "shared", "data")
FILTER = {"bilinear": (0, Image.BILINEAR), "bicubic": (1, Image.BICUBIC), "nearest": (2, Image.NEAREST)}
SETS = {"imagenette": 2000, "caltech_small10": 1000, "imagenet_samples": 300}  # pictures decoded

# Where the promise differs from Pillow's reading: XMP's orientation (no EXIF), no palette (grey there).
NOT_PILLOWS = {"xmp_tags_orientation_exiftool.png"}
# What Pillow refuses for the sake of chunks that make no pixels.
PILLOW_REFUSES = {"chunk_no_fctl.png", "png_decompression_dos.png", "unknown_compression_method.png"}


class Dump:
    """parity_image_dump, asked one picture at a time."""

    def __init__(self, program):
        self.p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, path, what="keep 0 0 0", shrink=1):
        """The picture, or None and why not."""
        self.p.stdin.write(f"{shrink} {what} {path}\n".encode())
        self.p.stdin.flush()
        head = self.p.stdout.readline().decode(errors="replace").rstrip("\n")
        assert head, f"image_dump died on {path} (status {self.p.wait()})"
        if head.startswith("err "):
            return None, head[4:]
        w, h, notes = map(int, head.split()[1:])
        return np.frombuffer(self.p.stdout.read(w * h * 3), np.uint8).reshape(h, w, 3), notes


def on_white(im):
    """What Linnet promises, in Pillow's terms: first frame, upright, v >> 8, on white."""
    clear = im.info.get("transparency")
    if im.mode.startswith("I"):
        v = np.asarray(ImageOps.exif_transpose(im))
        grey = np.where(v == clear, 255, v >> 8) if clear is not None else v >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    im = ImageOps.exif_transpose(im)
    if im.mode in ("LA", "PA", "RGBA", "La", "RGBa") or clear is not None:
        im = im.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
    return im.convert("RGB")


class Tally:
    """Differences gathered over many pictures."""

    def __init__(self):
        self.n, self.at_most, self.most, self.pictures = 0, np.zeros(3, np.int64), 0, 0

    def add(self, what, a, b):
        b = np.asarray(b)
        assert a is not None, f"{what}: refused"
        assert a.shape == b.shape, f"{what}: shapes {a.shape} and {b.shape}"
        d = np.abs(a.astype(np.int16) - b)
        self.n += d.size
        self.pictures += 1
        self.most = max(self.most, int(d.max()))
        self.at_most += [int((d <= i).sum()) for i in range(3)]

    def check(self, least):
        """The bounds: at least 99.9 % of the values within 1, all within 2."""
        share = self.at_most / max(self.n, 1)
        line = (f"{self.pictures} pictures, {share[0]:.4%} of values equal, {share[1]:.4%} within 1, "
                f"{share[2]:.4%} within 2, worst {self.most}")
        assert self.pictures >= least and share[1] >= 0.999 and share[2] == 1, line
        return line


def pictures(name, n):
    """At most n files of a set, the same ones each time."""
    found = sorted(os.path.join(d, f) for d, _, names in os.walk(os.path.join(SHARED, name))
                   for f in names if f.lower().endswith((".jpg", ".jpeg")))
    return random.Random(1).sample(found, min(n, len(found)))


def decoding(dump, paths):
    tally = Tally()
    for path in paths:
        tally.add(path, dump(path)[0], on_white(Image.open(path)))
    return tally.check(len(paths))


def shrinking(dump, paths):
    """Scaled DCT, as Pillow's draft mode asks libjpeg for it."""
    tally = Tally()
    for path in paths:
        for shrink in (2, 4, 8):
            im = Image.open(path)
            im.draft("RGB", (max(1, im.width // shrink), max(1, im.height // shrink)))
            if im.size == tuple(-(-s // shrink) for s in Image.open(path).size):
                tally.add(path, dump(path, shrink=shrink)[0], on_white(im))
    return tally.check(len(paths))


def shorter(size, side):
    """torchvision's _compute_resized_image_output_size."""
    short, long = sorted(size)
    scaled = int(side * long / short)
    return (side, scaled) if size[0] <= size[1] else (scaled, side)


def resizing(dump, paths, name):
    number, how = FILTER[name]
    tally, draw = Tally(), random.Random(2)
    for path in paths:
        theirs = on_white(Image.open(path))
        for side in (64, 147, 256, 295):
            w, h = draw.randint(1, side + 40), draw.randint(1, side + 40)
            tally.add(path, dump(path, f"size {w} {h} {number}")[0], theirs.resize((w, h), how))
            size = shorter(theirs.size, side)
            tally.add(path, dump(path, f"shorter {side} 0 {number}")[0], theirs.resize(size, how))
    return tally.check(8 * len(paths))


def cropping(dump, paths):
    from torchvision.transforms.functional import center_crop
    tally = Tally()
    for path in paths:
        theirs = on_white(Image.open(path))
        for w, h in ((224, 224), (33, 64), (400, 100), (101, 401), (501, 500)):
            tally.add(path, dump(path, f"crop {w} {h} 0")[0], center_crop(theirs, [h, w]))
    return tally.check(5 * len(paths))


def pillows(path):
    try:
        return on_white(Image.open(path))
    except Exception:  # Pillow refuses with a dozen kinds of exception
        return None


def odd_files(dump):
    """Each odd file is refused or reads as Pillow reads it; CMYK within 2 on the mean."""
    same = refused = stricter = 0
    for folder, _, names in os.walk(os.path.join(SHARED, "robustness")):
        for name in sorted(set(names) - NOT_PILLOWS - {"LICENSE", "INDEX.tsv"}):
            path = os.path.join(folder, name)
            ours, why = dump(path)
            theirs = pillows(path)
            if ours is None:
                refused += theirs is None
                stricter += theirs is not None
                continue
            assert theirs is not None or name in PILLOW_REFUSES, f"{path}: Pillow refuses it"
            if theirs is not None:
                assert ours.shape == np.asarray(theirs).shape, path
                d = np.abs(ours.astype(np.int16) - np.asarray(theirs))
                assert d.mean() <= 2 and (d.max() <= 2 or Image.open(path).mode == "CMYK"), path
                same += 1
    assert same >= 600 and stricter <= 25, f"{same} alike, {stricter} refused by Linnet alone"
    return (f"{same} as Pillow reads them, {refused} refused by both, {stricter} damaged ones that "
            "Pillow takes and Linnet refuses")


def cases(lib):
    dump = Dump(os.path.join(os.path.dirname(lib.so._name), "test", "parity_image_dump"))
    own = sorted(os.path.join(OWN, f) for f in os.listdir(OWN) if not f.endswith(".rgb"))
    yield "decode our own odd ones", lambda: decoding(dump, own)
    if not os.path.isdir(SHARED):
        yield "photographs", lambda: "skipped: ../shared/data is absent"
        return
    for name, n in SETS.items():
        yield f"decode {name}", lambda name=name, n=n: decoding(dump, pictures(name, n))
    some = pictures("imagenette", 30) + pictures("caltech_small10", 30)
    for name in FILTER:
        yield f"resize {name}", lambda name=name: resizing(dump, some, name)
    yield "decode at 1/2, 1/4 and 1/8", lambda: shrinking(dump, some)
    yield "centre crop", lambda: cropping(dump, some)
    yield "odd files", lambda: odd_files(dump)
