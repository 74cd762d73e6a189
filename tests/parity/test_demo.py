"""The demo set: a linear classifier on its pixels must fail, so that learning it means something."""

import glob
import os
import subprocess
import tempfile

import numpy as np
import PIL.Image
import torch

N_TRAIN, N_TEST, LIMIT = 200, 50, 0.5
STRENGTHS = [1e1, 1e2, 1e3, 1e4, 1e5]


def read(folder, classes):
    """(n, 3 * side * side) in -1 .. 1, and labels."""
    x, y = [], []
    for label, name in enumerate(classes):
        for path in sorted(glob.glob(os.path.join(folder, name, "*.jpg"))):
            x.append(np.asarray(PIL.Image.open(path), dtype=np.float32).ravel() / 127.5 - 1)
            y.append(label)
    return torch.from_numpy(np.stack(x)), torch.tensor(y)


def ridge(x, y, xt, yt, n_class):
    """Test accuracies of one-hot ridge regressions, solved exactly in their dual form."""
    mean = x.mean(0)
    x, xt = x - mean, xt - mean
    target = torch.nn.functional.one_hot(y, n_class).double() - 1 / n_class
    values, vectors = torch.linalg.eigh((x @ x.T).double())
    seen = (xt @ x.T).double() @ vectors
    for strength in STRENGTHS:
        scores = seen @ ((vectors.T @ target) / (values.clamp(min=0) + strength)[:, None])
        yield (scores.argmax(1) == yt).double().mean().item()


def linear(program):
    with tempfile.TemporaryDirectory() as folder:
        line = [program, "demo-data", folder, "--train", str(N_TRAIN), "--test", str(N_TEST)]
        subprocess.run(line, check=True, capture_output=True)
        classes = sorted(os.listdir(os.path.join(folder, "train")))
        assert len(classes) == 10, classes
        train = read(os.path.join(folder, "train"), classes)
        test = read(os.path.join(folder, "test"), classes)
    best = max(ridge(*train, *test, len(classes)))
    assert best < LIMIT, f"a linear classifier reaches {best:.1%}, under {LIMIT:.0%} expected"
    return f"the best of {len(STRENGTHS)} linear classifiers reaches {best:.1%} of the test part"


def cases(lib):
    program = os.path.join(os.path.dirname(lib.so._name), "linnet")
    yield "linear classifier", lambda: linear(program)
