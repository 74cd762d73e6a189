#!/usr/bin/env python3
"""Inference and full training steps of VGG-19 and ResNet-50, PyTorch and Linnet in turn, two threads on
both sides.

    python bench/pretrained.py [--rows vgg19-inference,...] [--rounds 3] [--precision fp32,bf16]
                               [--compile] [--linnet build/release/linnet]

224 x 224; inference of 32 pictures (eval mode, torch.inference_mode), steps of 8 with SGD and momentum,
dropout off. Plain: what people run (NCHW; for bf16, autocast with channels_last). Tuned: channels_last and
the two malloc variables, or what is faster of that, plain and, with --compile, torch.compile. Medians over
all rounds. Both sides have the same weights, and logits or losses are compared, those of the passes that
were timed. Fails where a row of this class of processor does not hold.
"""

import argparse
import os
import sys
import tempfile

from sides import THREADS, distance, here, in_turn, measured_here, peer_step, processor, ratios, run

SIZE = 224
ROWS = {  # name: model, benchmark of linnet, batch, timed passes a round
    "vgg19-inference": ("vgg19", "inference", 32, 3),
    "vgg19-step": ("vgg19", "step", 8, 3),
    "resnet50-inference": ("resnet50", "inference", 32, 5),
    "resnet50-step": ("resnet50", "step", 8, 5),
}
# class, precision: row: at least this many times as fast as plain, as tuned
BOUNDS = {
    ("AVX2 only", "fp32"): {"vgg19-inference": (4.8, 2.9), "vgg19-step": (4.5, 4.5),
                            "resnet50-inference": (3, 1.4), "resnet50-step": (1.8, 1.6)},
    ("AVX-512", "fp32"): {"vgg19-inference": (3.6, 2.3), "vgg19-step": (3.5, 2.6),
                          "resnet50-inference": (3, 1.4), "resnet50-step": (1.8, 1.5)},
    ("AVX-512 or AMX", "bf16"): {"vgg19-inference": (1.5, 1.15), "vgg19-step": (1.4, 1.1),
                                 "resnet50-inference": (1.5, 1.2), "resnet50-step": (1.3, 1.1)},
}
LIMIT = {"logits": {"fp32": 1e-3, "bf16": 5e-2}, "loss": {"fp32": 1e-3, "bf16": 3e-2}}  # of the largest
LR = {"vgg19": "1e-6", "resnet50": "1e-3"}  # the loss of these pictures falls by a quarter in a step


def network(model):
    """Weights of ordinary size, batch norms settled on pictures: a comparison sees every layer."""
    sys.path.insert(0, os.path.join(here, "..", "tests", "parity"))
    from torch_models import ready
    return ready(model, SIZE, 1)


def save(net, path):
    from safetensors.torch import save_file
    save_file(net.state_dict(), path)


def linnet(args, row, precision, weights):
    model, what, batch, steps = ROWS[row]
    return run([args.linnet, "bench", what, "--json", "--model", model, "--weights", weights, "--size",
                str(SIZE), "--batch", str(batch), "--dropout", "0", "--label-smoothing", "0", "--optimiser",
                "sgd", "--momentum", "0.9", "--lr", LR[model], "--weight-decay", "0", "--precision", precision,
                "--threads", str(THREADS), "--steps", str(args.steps or steps)])


def peer(args, row, precision, weights, **how):
    model, what, batch, steps = ROWS[row]
    return peer_step(precision, "--model", model, "--weights", weights, "--size", str(SIZE), "--batch",
                     str(batch), "--lr", LR[model], "--steps", str(args.steps or steps),
                     *(["--inference"] if what == "inference" else []), **how)


def measure(args, row, precision, weights):
    sides = {"ours": lambda: linnet(args, row, precision, weights),
             "plain": lambda: peer(args, row, precision, weights),
             "tuned": lambda: peer(args, row, precision, weights, tuned=True)}
    if args.compile:
        sides["compiled"] = lambda: peer(args, row, precision, weights, tuned=True, compiled=True)
    return in_turn(args.rounds, sides)


def report(row, precision, sides, need):
    """Prints one line; true where all of it holds."""
    text, holds = ratios(sides, ("tuned", "compiled", "plain"), need)
    key = "logits" if ROWS[row][1] == "inference" else "loss"
    apart = distance(sides["ours"][key], sides["plain"][key])
    holds = holds and apart <= LIMIT[key][precision]
    print(f"{row:18} {precision}  {text}  {key} {apart:.1e} apart  {'ok' if holds else 'BELOW'}", flush=True)
    return holds


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--rows", default=",".join(ROWS))
    p.add_argument("--precision", default="fp32,bf16")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=0, help="timed passes a round; 0 = the row's own")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--linnet", default=os.path.join(here, "..", "build", "release", "linnet"))
    args = p.parse_args()
    name, flags = processor()
    print(f"pretrained networks, {SIZE} x {SIZE}, {THREADS} threads, on {name}", flush=True)
    ok = True
    with tempfile.TemporaryDirectory(prefix="linnet-pretrained-") as home:
        for precision, bounds in measured_here(BOUNDS, flags, args.precision.split(",")):
            for row in args.rows.split(","):
                weights = os.path.join(home, ROWS[row][0] + ".safetensors")
                if not os.path.exists(weights):
                    save(network(ROWS[row][0]), weights)
                ok &= report(row, precision, measure(args, row, precision, weights), bounds[row])
    return not ok


if __name__ == "__main__":
    sys.exit(main())
