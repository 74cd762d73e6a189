"""Real ImageNet weights as they are: the program's decisions and features against torchvision's on one
photograph of each class."""

import csv
import glob
import os
import subprocess
import tempfile

import numpy as np
import PIL.Image
import PIL.ImageOps
import safetensors.torch
import torch
import torchvision
from torchvision.transforms import v2

from common import check

here = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(here, "..", "..", "..", "shared", "data")
PICTURES = os.path.join(SHARED, "imagenet_samples")
WEIGHTS = {name: os.path.join(SHARED, "weights", f"{name}_imagenet.safetensors")
           for name in ["mobilenet_v2", "squeezenet1_1"]}
RESIZE = {"mobilenet_v2": 232, "squeezenet1_1": 256}  # torchvision's default weights, both cut to 224
AGREE, BATCH, EMBEDDED = 999, 50, 60
CLASSES = torchvision.models._meta._IMAGENET_CATEGORIES


def absent(name):
    for path in [PICTURES, WEIGHTS[name]]:
        if not os.path.exists(path):
            return f"skipped: {os.path.relpath(path, here)} is not here"
    return None


def pictures():
    """Sorted by name: picture i is of class i."""
    return sorted(glob.glob(os.path.join(PICTURES, "*")))


def linnet(lib, command, name, *words):
    program = os.path.join(os.path.dirname(lib.so._name), "linnet")
    line = [program, command, "--model", name, "--weights", WEIGHTS[name], *words]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def network(name):
    net = torchvision.models.get_model(name, weights=None)
    net.load_state_dict(safetensors.torch.load_file(WEIGHTS[name]))
    return net.eval()


def upright(path):
    """As the photographer held it, which is part of Linnet's preprocessing: one of the pictures is turned."""
    return PIL.ImageOps.exif_transpose(PIL.Image.open(path)).convert("RGB")


def batches(name, paths):
    look = v2.Compose([v2.Resize(RESIZE[name]), v2.CenterCrop(224), v2.ToImage(),
                       v2.ToDtype(torch.float32, scale=True),
                       v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    for at in range(0, len(paths), BATCH):
        yield torch.stack([look(upright(p)) for p in paths[at:at + BATCH]])


def decisions(lib, name):
    if reason := absent(name):
        return reason
    paths = pictures()
    rows = list(csv.DictReader(linnet(lib, "predict", name, PICTURES, "--format", "csv",
                                      "--top", "1").splitlines()))
    assert [r["file"] for r in rows] == paths, "predict tells of other pictures, or in another order"
    with torch.inference_mode():
        net = network(name)
        logits = torch.cat([net(x) for x in batches(name, paths)])
    theirs = logits.argmax(1)
    # Two pairs of classes share a name (crane, maillot): names are what predict tells.
    same = sum(r["class"] == CLASSES[c] for r, c in zip(rows, theirs))
    right = (theirs == torch.arange(len(paths))).double().mean()
    line = f"{same} of {len(paths)} decisions are torchvision's, which are right on {right:.1%}"
    assert len(paths) == 1000 and same >= AGREE, line
    return line


def features(lib, name):
    if reason := absent(name):
        return reason
    paths = pictures()[::len(pictures()) // EMBEDDED]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "features.npy")
        linnet(lib, "embed", name, *paths, "--out", out)
        ours = np.load(out)
        side = list(csv.DictReader(open(out.replace(".npy", ".files.csv"))))
        table = os.path.join(folder, "features.csv")
        linnet(lib, "embed", name, *paths[:3], "--out", table)
        text = np.loadtxt(table, delimiter=",", skiprows=1, dtype=str)
    assert [r["file"] for r in side] == paths
    assert ours.dtype == np.float32
    with torch.inference_mode():
        net = network(name)
        theirs = torch.cat([net.features(x).mean((2, 3)) for x in batches(name, paths)])
    d = check(name, ours, theirs, 1e-4)
    check("as CSV", text[:, 2:].astype(np.float32), ours[:3], 1e-6)
    return f"{ours.shape[0]} x {ours.shape[1]} features, {d:.1e} of the largest apart"


def cases(lib):
    for name in WEIGHTS:
        yield f"decisions of {name}", lambda name=name: decisions(lib, name)
        yield f"features of {name}", lambda name=name: features(lib, name)
