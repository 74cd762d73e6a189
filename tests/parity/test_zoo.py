"""linnet zoo --json against the weight enums of torchvision: every row, and no row too few."""

import json
import math
import os
import subprocess

from torchvision.models import get_model_weights, list_models

# Of the models that the zoo has; torchvision gives no accuracy for them (a classifier of NaN).
LEFT_OUT = {("vgg16", "IMAGENET1K_FEATURES")}


def listed(program):
    run = subprocess.run([program, "zoo", "--json"], check=True, capture_output=True, text=True,
                         env={k: v for k, v in os.environ.items() if k != "LINNET_ZOO_URL"})
    return json.loads(run.stdout)


def same(what, row, weights, default):
    meta, transform = weights.meta, weights.transforms()
    accuracy = meta["_metrics"]["ImageNet-1K"]
    expected = {
        "url": weights.url,
        "file": weights.url.rsplit("/", 1)[1],
        "default": default,
        "parameters": meta["num_params"],
        "top1": accuracy["acc@1"],
        "top5": accuracy["acc@5"],
        "mib": meta["_file_size"],
        "resize_shorter": transform.resize_size[0],
        "crop": transform.crop_size[0],
        "filter": transform.interpolation.value,
        "antialias": transform.antialias,
        "mean": list(transform.mean),
        "std": list(transform.std),
    }
    for key, value in expected.items():
        assert row[key] == value, f"{what}: {key} is {row[key]}, torchvision says {value}"
    assert math.isclose(row["multiply_adds"], meta["_ops"] * 1e9), f"{what}: {row['multiply_adds']}"
    licence = meta.get("license")
    assert (row["licence"] is None) == (licence is None), f"{what}: licence {row['licence']}"
    assert licence is None or licence in row["licence"], f"{what}: licence {row['licence']}"


def every_row(program):
    rows = listed(program)
    for row in rows:
        what = f"{row['model']}:{row['weights']}"
        enum = get_model_weights(row["model"])
        weights = enum[f"IMAGENET1K_{row['weights']}"]
        same(what, row, weights, weights is enum.DEFAULT)
    return f"{len(rows)} sets of weights"


def no_row_too_few(program):
    rows = listed(program)
    models = {row["model"] for row in rows}
    assert models <= set(list_models()), models
    here = {(row["model"], f"IMAGENET1K_{row['weights']}") for row in rows}
    there = {(m, w.name) for m in models for w in get_model_weights(m)}
    assert there - here == LEFT_OUT, there ^ here
    return f"{len(models)} models"


def cases(lib):
    program = os.path.join(os.path.dirname(lib.so._name), "linnet")
    yield "every row", lambda: every_row(program)
    yield "no row too few", lambda: no_row_too_few(program)
