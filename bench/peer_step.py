#!/usr/bin/env python3
"""Times PyTorch's training step of one configuration and prints one JSON line.

    python bench/peer_step.py --config a --precision fp32 --layout nchw --steps 3
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
    p.add_argument("--config", choices=sorted(CONFIGS), required=True)
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
    p.add_argument("--weights", help="a .npz of the initial state_dict")
    return p.parse_args()


def build(args):
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


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    net = build(args)
    x = torch.from_numpy(batch.normalised(args.batch, args.size))
    y = torch.from_numpy(batch.labels(args.batch, 10))
    if args.layout == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(net.parameters(), lr=args.lr)
    run = torch.compile(net) if args.compile else net
    seconds, losses, peak = [], [], 0.0
    for _ in range(args.warm + args.steps):
        start = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            loss = F.cross_entropy(run(x), y)
        peak = max(peak, anonymous_mib())
        loss.backward()
        peak = max(peak, anonymous_mib())
        adam.step()
        losses.append(float(loss.detach()))
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[args.warm:], "loss": losses, "rss_anon_mib": peak}))


if __name__ == "__main__":
    main()
