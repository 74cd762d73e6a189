"""Augmentation's pixel functions against Pillow and torchvision: the same bytes, but for hue's and the
blur's rounding, stated per case."""

import os
import subprocess

import numpy as np
import PIL.Image
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as F
from torchvision.transforms import InterpolationMode

SIZES = [(128, 128), (37, 53), (5, 3), (1, 1)]  # (w, h)
RAND, TRIVIAL = v2.RandAugment(), v2.TrivialAugmentWide()
POLICY = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color",
          "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"]


def picture(w, h, seed=0):
    """Smooth colour with some noise, and flat parts: what photographs are made of."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w] / max(w, h)
    base = np.stack([np.sin(3 * x + 5 * y), np.cos(7 * x * y), np.sin(11 * y - 2 * x)], -1) * 90 + 128
    base[: h // 3, : w // 3] = (200, 200, 40)
    return np.clip(base + rng.normal(0, 12, (h, w, 3)), 0, 255).astype(np.uint8)


def ours(tool, op, a, *numbers):
    h, w = a.shape[:2]
    line = [tool, op, str(w), str(h)] + [repr(float(v)) for v in numbers]
    done = subprocess.run(line, input=a.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    if op == "window":
        w, h = int(numbers[2]), int(numbers[3])
    return np.frombuffer(done.stdout, np.uint8).reshape(h, w, 3)


def compare(got, want, worst=0, share=0.0):
    """At most `share` of the values (or three) differ, by at most `worst`."""
    want = np.asarray(want).astype(int)
    assert got.shape == want.shape, f"{got.shape} and {want.shape}"
    d = np.abs(got.astype(int) - want)
    off = float((d > 0).mean()) if (d > 0).sum() > 3 or not share else 0.0
    assert d.max() <= worst and off <= share, f"{off:.2%} of the values differ, by up to {d.max()}"


def simple():
    """(name, our numbers, torchvision's function of a Pillow picture, worst, share)."""
    for f in (0.0, 0.3, 0.77, 1.0, 1.6, 2.0):
        yield "brightness", (f,), lambda im, f=f: F.adjust_brightness(im, f), 0, 0
        yield "contrast", (f,), lambda im, f=f: F.adjust_contrast(im, f), 0, 0
        yield "saturation", (f,), lambda im, f=f: F.adjust_saturation(im, f), 0, 0
        yield "sharpness", (f,), lambda im, f=f: F.adjust_sharpness(im, f), 0, 0
    for f in (-0.5, -0.13, 0.0, 0.04, 0.31, 0.5):
        yield "hue", (f,), lambda im, f=f: F.adjust_hue(im, f), 0, 0
    for bits in range(2, 9):
        yield "posterize", (bits,), lambda im, bits=bits: F.posterize(im, bits), 0, 0
    for t in (0.0, 25.5, 127.5, 200.0, 255.0):
        yield "solarize", (t,), lambda im, t=t: F.solarize(im, t), 0, 0
    yield "grey", (), lambda im: F.to_grayscale(im, 3), 0, 0
    yield "autocontrast", (), F.autocontrast, 0, 0
    yield "equalize", (), F.equalize, 0, 0


def affine(im, angle, tx, ty, scale, sx, sy, nearest):
    mode = InterpolationMode.NEAREST if nearest else InterpolationMode.BILINEAR
    return F.affine(im, angle, [tx, ty], scale, [sx, sy], mode, fill=0)


WARPS = [(30, 0, 0, 1, 0, 0), (-11.7, 5, -3, 1.3, 8, 0), (88, 0, 0, 1, 0, 0), (0, 4, 7, 1, 0, 0),
         (171, -9, 0, 0.6, -15, 20), (3, 0, 0, 1, 0, 0)]


def cases(lib):
    tool = os.path.join(os.path.dirname(lib.so._name), "test", "parity_augment")
    for w, h in SIZES:
        yield f"colour and sharpness {w}x{h}", lambda w=w, h=h: all_simple(tool, w, h)
        yield f"affine {w}x{h}", lambda w=w, h=h: all_warps(tool, w, h)
        yield f"policies {w}x{h}", lambda w=w, h=h: all_policies(tool, w, h)
    yield "blur", lambda: blurs(tool)
    yield "padded crops", lambda: windows(tool)


def named(what, *details):
    """compare() with the case's name before what it says."""
    try:
        compare(*details)
    except AssertionError as e:
        raise AssertionError(f"{what}: {e}") from None


def all_simple(tool, w, h):
    a = picture(w, h)
    for op, numbers, want, worst, share in simple():
        got = ours(tool, op, a, *numbers)
        named(f"{op} {numbers}", got, want(PIL.Image.fromarray(a)), worst, share)


def all_warps(tool, w, h):
    a = picture(w, h)
    for p in WARPS:
        for nearest in (0, 1):
            want = affine(PIL.Image.fromarray(a), *p, nearest)
            named(f"affine {p} nearest {nearest}", ours(tool, "affine", a, *p, nearest), want, 1, 1e-3)


def all_policies(tool, w, h):
    a = picture(w, h)
    im = PIL.Image.fromarray(a)
    for which, policy in enumerate((RAND, TRIVIAL)):
        for op, name in enumerate(POLICY):
            table, signed = policy._AUGMENTATION_SPACE[name]
            magnitudes = table(31, h, w)
            for bin_ in (0, 9, 30) if magnitudes is not None else (0,):
                for negative in (0, 1) if signed else (0,):
                    m = float(magnitudes[bin_]) if magnitudes is not None else 0.0
                    m = -m if negative else m
                    want = policy._apply_image_or_video_transform(im, name, m, "nearest", policy._fill)
                    got = ours(tool, "policy", a, which, op, bin_, negative)
                    named(f"{name} {m:g}", got, want, 255, 1e-3)


def blurs(tool):
    for w, h in SIZES[:2]:
        a = picture(w, h)
        for kernel, sigma in ((3, 0.4), (5, 1.1), (13, 2.0)):
            want = F.gaussian_blur(PIL.Image.fromarray(a), [kernel, kernel], [sigma, sigma])
            named(f"blur {kernel} {sigma}", ours(tool, "blur", a, kernel, sigma), want, 1, 1e-3)


def windows(tool):
    modes = ["constant", None, "edge", "reflect"]
    for w, h in SIZES[:2]:
        a = picture(w, h)
        for fill, mode in enumerate(modes):
            if mode:
                want = F.crop(F.pad(PIL.Image.fromarray(a), [9], padding_mode=mode), 2, 5, h, w)
                named(f"window {mode}", ours(tool, "window", a, 5 - 9, 2 - 9, w, h, fill), want)
