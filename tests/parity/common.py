"""What the parity tests share: backends, comparison, random arrays."""

import os

import numpy as np

from linnet import Backend, LinnetError

ISAS = ["generic", "avx2", "avx512", "avx512bf16"]


def cpu(lib, isa, threads=2):
    """The cpu backend on one instruction set, or None where the processor lacks it."""
    os.environ["LINNET_ISA"] = isa
    try:
        return Backend(lib, "cpu", threads)
    except LinnetError:
        return None
    finally:
        del os.environ["LINNET_ISA"]


def backends(lib):
    """[(name, backend)]: ref, and cpu on every instruction set that is here."""
    out = [("ref", Backend(lib, "ref", 2))]
    for isa in ISAS:
        backend = cpu(lib, isa)
        if backend:
            out.append((isa, backend))
    return out


def draw(shape, seed, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def distance(a, b, floor=0.0):
    """max |a-b| over max |b|, which is taken no smaller than floor."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    assert np.isfinite(a).all(), "not finite"
    return float(np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), floor, 1e-30))


def check(what, a, b, limit, floor=0.0):
    d = distance(a, b, floor)
    assert d <= limit, f"{what}: {d:.3g} of the maximum apart, at most {limit:g} expected"
    return d
