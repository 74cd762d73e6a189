"""The batch that every step is timed on: a formula, so that both sides make the same pictures."""

import numpy as np

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def pictures(n, side):
    """(n, side, side, 3) bytes; src/cmd/bench_step.c makes the same."""
    i = np.arange(n * side * side * 3, dtype=np.uint32)
    i ^= i >> np.uint32(15)
    i *= np.uint32(0x2C1B3C6D)
    i ^= i >> np.uint32(12)
    i *= np.uint32(0x297A2D39)
    i ^= i >> np.uint32(15)
    return (i & np.uint32(255)).astype(np.uint8).reshape(n, side, side, 3)


def labels(n, classes):
    return np.arange(n) % classes


def normalised(n, side):
    """The same as float (n, 3, side, side), by ImageNet's statistics."""
    x = pictures(n, side).astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(((x - MEAN) / STD).transpose(0, 3, 1, 2))
