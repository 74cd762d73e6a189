#!/usr/bin/env python3
"""Times PyTorch's training step, or its inference, of one network and prints one JSON line.

    python bench/peer_step.py --config a --precision fp32 --layout nchw --steps 3
    python bench/peer_step.py --model vgg19 --inference --size 224 --batch 32

cnn5 of a configuration with Adam, or a torchvision model with SGD (momentum 0.9). Dropout is off, so that
losses can be compared; it takes no time worth the name.
"""

import argparse
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "parity"))
import batch  # noqa: E402
from torch_cnn5 import CONFIGS, Cnn5  # noqa: E402


def anonymous_mib():
    with open("/proc/self/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    return 0.0


def parse():
    p = argparse.ArgumentParser(description=__doc__)
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", choices=sorted(CONFIGS))
    what.add_argument("--model", help="of torchvision; --weights is then a .safetensors")
    p.add_argument("--inference", action="store_true", help="forward passes in evaluation")
    p.add_argument("--activation", help="instead of the configuration's")
    p.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    p.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--warm", type=int, default=1)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--lr", type=float, default=2e-5)
    p.add_argument("--weights", help="the initial state_dict: a .npz")
    return p.parse_args()


def build_model(args):
    from safetensors.torch import load_file
    from torch_models import net_of, without_chance
    net = net_of(args.model, args.size)
    without_chance(net)
    net.load_state_dict(load_file(args.weights), strict=True)
    return net


def build_cnn5(args):
    shape = dict(CONFIGS[args.config])
    if args.activation:
        shape["activation"] = args.activation
    torch.manual_seed(1)
    net = Cnn5(**shape, size=args.size)
    if args.weights:
        import numpy as np
        stored = np.load(args.weights)
        net.load_state_dict({k: torch.from_numpy(stored[k]) for k in stored.files}, strict=True)
    return net


def training(args, net, run, x, y):
    """(a step, what of its result is printed)."""
    rule = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9) if args.model else \
        torch.optim.Adam(net.parameters(), lr=args.lr)
    losses, peak = [], [0.0]

    def step():
        rule.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            loss = F.cross_entropy(run(x), y)
        peak.append(anonymous_mib())
        loss.backward()
        peak.append(anonymous_mib())
        rule.step()
        losses.append(float(loss.detach()))
    return step, lambda: {"loss": losses, "rss_anon_mib": max(peak)}


def inference(args, net, run, x):
    net.eval()
    out, peak = [], [0.0]

    def step():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            out[:] = [run(x)]
        peak.append(anonymous_mib())
    return step, lambda: {"logits": out[0].float().flatten().tolist(), "rss_anon_mib": max(peak)}


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    net = build_model(args) if args.model else build_cnn5(args)
    x = torch.from_numpy(batch.normalised(args.batch, args.size))
    y = torch.from_numpy(batch.labels(args.batch, 10))
    if args.layout == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    run = torch.compile(net) if args.compile else net
    step, result = inference(args, net, run, x) if args.inference else training(args, net, run, x, y)
    seconds = []
    for _ in range(args.warm + args.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[args.warm:], **result()}))


if __name__ == "__main__":
    main()
