#!/usr/bin/env python3
"""Ten epochs of the last layer on 1,000 pictures, from JPEG files to the saved model, VGG-19 and ResNet-50:
Linnet, PyTorch that reruns the frozen layers every epoch (A), PyTorch that keeps their outputs itself (B).

    python bench/last_layer.py [--data DIR] [--build build/release] [--models vgg19,resnet50]
                               [--precision fp32] [--pictures 1000] [--rounds 3] [--peer-epochs N]

Same pictures (a fifth of each class held out, tested after each epoch), weights, preprocessing, batches of 32
and SGD with momentum on all sides, two threads. Ours is the wall time of the whole process with an empty
cache. PyTorch's leaves out its imports; it has channels_last, the malloc variables and the fastest of 0, 1 and
2 workers. Medians of the rounds; A, which takes long, is run once, and with --peer-epochs for fewer epochs:
its time is then multiplied. The accuracies must agree.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from learning import val_top1
from pictures import options
from pretrained import SIZE, network, save
from sides import MALLOC, THREADS, here, in_turn, processor, run

# model: at least this many times as fast as A, as B
NEED = {"vgg19": (12, 2), "resnet50": (10, 1.2)}
EPOCHS, BATCH, LR, AGREE = 10, 32, "1e-4", 0.05


def trainable(model):
    """Made-up weights from which ten epochs lead somewhere whatever the order of the pictures: a last layer
    of zeros; of ResNet-50, whose features are much alike, what they have in common is taken off."""
    net = network(model)
    import torch
    from torch_models import normalised, pictures
    with torch.no_grad():
        if model == "resnet50":
            head, net.fc = net.fc, torch.nn.Identity()
            net.layer4[-1].bn3.bias -= net(normalised(pictures(16, SIZE))).mean(0)
            net.fc = head
        for p in list(net.parameters())[-2:]:
            p.zero_()
    return net


def choose(data, n, into):
    """n pictures, as many of each class, copied to train/ and, a fifth, to val/."""
    names = sorted(d for d in os.listdir(data) if os.path.isdir(os.path.join(data, d)))
    for name in names:
        files = sorted(os.listdir(os.path.join(data, name)))[:n // len(names)]
        held = -(-len(files) // 5)
        for part, of in (("train", files[held:]), ("val", files[:held])):
            folder = os.path.join(into, part, name)
            os.makedirs(folder)
            for file in of:
                shutil.copy(os.path.join(data, name, file), folder)


def linnet(args, model, precision, root, weights):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(root)) as home:
        out = os.path.join(home, "run")
        start = time.perf_counter()
        subprocess.run([args.linnet, "train", root, "--out", out, "--cache-dir", os.path.join(home, "cache"),
                        "--model", model, "--weights", weights, "--freeze", "backbone", "--views", "1",
                        "--train-part", "train", "--val-part", "val", "--crop", "centre", "--hflip", "0",
                        "--epochs", str(EPOCHS), "--batch", str(BATCH), "--optimiser", "sgd", "--momentum",
                        "0.9", "--lr", LR, "--weight-decay", "0", "--schedule", "constant",
                        "--label-smoothing", "0", "--ema", "0", "--precision", precision, "--threads",
                        str(THREADS)], check=True, capture_output=True)
        return {"seconds": [time.perf_counter() - start], "accuracy": val_top1(out)[-1]}


def peer(model, precision, root, weights, *extra, epochs=EPOCHS):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(root)) as home:
        done = run([sys.executable, os.path.join(here, "peer_last_layer.py"), root, "--model", model,
                    "--weights", weights, "--save", os.path.join(home, "model.pth"), "--epochs", str(epochs),
                    "--batch", str(BATCH), "--lr", LR, "--precision", precision, "--layout",
                    "channels_last", "--threads", str(THREADS), *extra], MALLOC)
    return {**done, "seconds": [done["before"] + sum(done["epochs"]) * EPOCHS / epochs + done["after"]]}


def row(args, model, precision, root, weights):
    """Prints three lines; true where all of it holds."""
    of = (model, precision, root, weights)
    a = in_turn(1, {"A": lambda: peer(*of, epochs=args.peer_epochs)})["A"]
    workers = ("--workers", str(a["workers"]))
    sides = in_turn(args.rounds, {"ours": lambda: linnet(args, *of),
                                  "B": lambda: peer(*of, "--cache", *workers)})
    sides["A"], ours = a, sides["ours"]
    holds = True
    print(f"{model} {precision}  ours {ours['median']:.2f} s, accuracy {100 * ours['accuracy']:.1f} %")
    for (side, what), need in zip((("A", "reruns the frozen layers"), ("B", "caches their outputs")),
                                  NEED[model]):
        other = sides[side]
        short = side == "A" and args.peer_epochs < EPOCHS
        ratio = other["median"] / ours["median"]
        good = ratio >= need and (short or abs(other["accuracy"] - ours["accuracy"]) <= AGREE)
        print(f"    torch {side}, {what}, {a['workers']} workers: {other['median']:.2f} s ({ratio:.2f}x, "
              f"needs {need}x), accuracy {100 * other['accuracy']:.1f} %" +
              (f" after the {args.peer_epochs} epochs that were timed, multiplied to {EPOCHS}" if short else "") +
              f"  {'ok' if good else 'BELOW'}", flush=True)
        holds &= good
    return holds


def own_options(p):
    p.add_argument("--models", default=",".join(NEED))
    p.add_argument("--precision", default="fp32", help="fp32,bf16")
    p.add_argument("--pictures", type=int, default=1000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--peer-epochs", type=int, default=EPOCHS, choices=range(1, EPOCHS + 1), metavar="N",
                   help="time A for so many epochs, and multiply")


def main():
    args = options(__doc__, own_options)
    ok = True
    with tempfile.TemporaryDirectory(prefix="linnet-last-layer-") as home:
        root = os.path.join(home, "pictures")
        choose(args.data, args.pictures, root)
        print(f"{EPOCHS} epochs of the last layer, {args.pictures} pictures, {THREADS} threads, on "
              f"{processor()[0]}", flush=True)
        for model in args.models.split(","):
            weights = os.path.join(home, model + ".safetensors")
            save(trainable(model), weights)
            for precision in args.precision.split(","):
                ok &= row(args, model, precision, root, weights)
    return not ok


if __name__ == "__main__":
    sys.exit(main())
