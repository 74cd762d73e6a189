#!/usr/bin/env python3
"""Accuracy with published weights: MobileNetV2 on pictures that it never saw.

    python bench/transfer.py [--rows caltech,nature] [--choose] [--threads N] [--data DIR] [--build DIR]

caltech: the last layer on 600 photographs, five seeds of five folds; each run, from start to the accuracy
on its fold, within the time, and beside it what training from scratch makes of as long, at its best.
nature: 9,500 pictures of 64 px; the last layer, the last three blocks, everything, three seeds each. The
part `val` is opened once, by `linnet eval` after each training. NATURE_RECIPE was chosen with --choose, which
trains on four fifths of `train` and measures on the rest. Fails where a bound is missed.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
CALTECH_NEED, CALTECH_SECONDS, CALTECH_SEEDS, FOLDS = 0.95, 30, 5, 5
NATURE_NEED, NATURE_SEEDS = 0.82, 3
# One view of each picture, so that all folds and seeds share its features.
CALTECH_RECIPE = ["--freeze", "backbone", "--crop", "centre", "--hflip", "0"]
# Small photos of one thing: enlarged, seen whole, cut from sparingly.
NATURE_RECIPE = ["--size", "192", "--resize", "192", "--epochs", "6", "--crop-scale-min", "0.7"]
STRATEGY = {
    "last layer": ["--freeze", "backbone", "--crop", "centre", "--hflip", "0"],
    "last three blocks": ["--unfreeze", "3"],
    "everything": ["--freeze", "none"],
}
SCRATCH = {
    "cnn5, 64 px": ["--size", "64"],
    "cnn5, 128 px": [],
    "mobilenet_v2, 128 px": ["--model", "mobilenet_v2", "--size", "128"],
}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--rows", default="caltech,nature")
    p.add_argument("--choose", action="store_true")
    p.add_argument("--threads", default="0", help="0 = all that the process may use")
    p.add_argument("--data", default=os.path.join(here, "../../shared/data"))
    p.add_argument("--build", default=os.path.join(here, "../build/release"))
    args = p.parse_args()
    args.data = os.path.abspath(args.data)
    args.linnet = os.path.abspath(os.path.join(args.build, "linnet"))
    args.weights = os.path.join(args.data, "weights/mobilenet_v2_imagenet.safetensors")
    return args


class Runs:
    """Trains in a folder that goes with it, one run at a time, with a cache of its own."""

    def __init__(self, args):
        self.args = args
        self.folder = tempfile.TemporaryDirectory(prefix="linnet-transfer-")
        self.home = self.folder.name
        self.cache = ["--cache-dir", os.path.join(self.home, "cache"), "--threads", args.threads]
        self.n = 0

    def program(self, *words):
        done = subprocess.run([self.args.linnet, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"linnet {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def run(self, data, options, part="test"):
        """(accuracy, seconds from the start of the training to the end of the evaluation)."""
        self.n += 1
        out, start = os.path.join(self.home, f"run{self.n}"), time.perf_counter()
        self.program("train", data, "--out", out, *self.cache, *options)
        said = self.program("eval", out, "--part", part, "--format", "json", *self.cache)
        return json.loads(said)["top1"], time.perf_counter() - start

    def pretrained(self, data, options, part="test"):
        return self.run(data, ["--model", "mobilenet_v2", "--weights", self.args.weights, *options], part)


def mean(values):
    """Of shares, as text: percent and standard error."""
    spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0
    return f"{100 * statistics.mean(values):.2f} % +- {100 * spread:.2f}"


def verdict(ok):
    return "ok" if ok else "BELOW"


def folds(root, home, seed):
    """The pictures of all parts in folds, stratified: for each fold the CSV of the others and its own."""
    rng, fold = random.Random(seed), [[] for _ in range(FOLDS)]
    for name in sorted(os.listdir(os.path.join(root, "train"))):
        files = sorted(os.path.join(root, part, name, file) for part in ("train", "val")
                       for file in os.listdir(os.path.join(root, part, name)))
        rng.shuffle(files)
        for i, file in enumerate(files):
            fold[i % FOLDS].append(f'"{file}",{name}\n')
    for k in range(FOLDS):
        rest = [row for j in range(FOLDS) if j != k for row in fold[j]]
        parts = [os.path.join(home, f"seed{seed}-fold{k}-{part}.csv") for part in ("train", "test")]
        for path, rows in zip(parts, (rest, fold[k])):
            with open(path, "w", encoding="utf-8") as f:
                f.write("path,label\n" + "".join(rows))
        yield parts[0], ["--val-fraction", "0", "--test", os.path.basename(parts[1]), "--seed", str(seed)]


def scratch(runs, data, options, seconds):
    """The best of SCRATCH on one fold, each as many epochs as fit: (accuracy, seconds, name, epochs)."""
    best = (0, 0, "", 0)
    for name, model in SCRATCH.items():
        _, one = runs.run(data, [*options, *model, "--epochs", "1"])
        _, five = runs.run(data, [*options, *model, "--epochs", "5"])
        epochs = max(1, int(1 + (seconds - one) / ((five - one) / 4)))
        top1, took = runs.run(data, [*options, *model, "--epochs", str(epochs)])
        best = max(best, (top1, took, name, epochs))
    return best


def caltech(args):
    runs, seeds, took, first = Runs(args), [], [], None
    for seed in range(1, CALTECH_SEEDS + 1):
        top1 = []
        for data, options in folds(os.path.join(args.data, "caltech_small10"), runs.home, seed):
            first = first or (data, options)
            accuracy, seconds = runs.pretrained(data, [*options, *CALTECH_RECIPE])
            top1.append(accuracy)
            took.append(seconds)
        seeds.append(statistics.mean(top1))
        print(f"caltech  seed {seed}: {100 * seeds[-1]:.2f} % "
              f"({', '.join(f'{100 * t:.1f}' for t in top1)})", flush=True)
    ok = statistics.mean(seeds) >= CALTECH_NEED and max(took) < CALTECH_SECONDS
    print(f"caltech  last layer {mean(seeds)}, needs {100 * CALTECH_NEED:.0f} %; the first run {took[0]:.1f} s, "
          f"the longest {max(took):.1f} s, needs {CALTECH_SECONDS} s  {verdict(ok)}")
    top1, seconds, name, epochs = scratch(runs, *first, max(took))
    print(f"caltech  from scratch, the best of {len(SCRATCH)} on the first fold: {100 * top1:.1f} % in "
          f"{seconds:.1f} s ({name}, {epochs} epochs)", flush=True)
    return ok


def nature(args):
    runs, best = Runs(args), 0
    root = os.path.join(args.data, "nature10_tiny64")
    split = ["--val-fraction", "0.2"] if args.choose else ["--val-fraction", "0", "--test", "val"]
    for name, strategy in STRATEGY.items():
        top1, took = [], []
        for seed in range(1, NATURE_SEEDS + 1):
            accuracy, seconds = runs.pretrained(
                root, [*NATURE_RECIPE, *strategy, *split, "--seed", str(seed)], "val" if args.choose else "test")
            top1.append(accuracy)
            took.append(seconds)
            print(f"nature   {name}, seed {seed}: {100 * accuracy:.2f} % in {seconds:.0f} s", flush=True)
        best = max(best, statistics.mean(top1))
        print(f"nature   {name}: {mean(top1)}, {statistics.mean(took):.0f} s a run", flush=True)
    ok = best >= NATURE_NEED
    print(f"nature   the best {100 * best:.2f} % of {'a split of train' if args.choose else 'val'}, "
          f"needs {100 * NATURE_NEED:.0f} %  {verdict(ok)}", flush=True)
    return ok or args.choose


def main():
    args, ok = arguments(), True
    if not os.path.exists(args.weights):
        print(f"skipped: no {args.weights}")
        return 0
    for name in args.rows.split(","):
        ok &= {"caltech": caltech, "nature": nature}[name](args)
    return not ok


if __name__ == "__main__":
    sys.exit(main())
