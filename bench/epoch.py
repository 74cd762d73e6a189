#!/usr/bin/env python3
"""One epoch from files, 128 px, cold and cached, Linnet and PyTorch: at least 4 times as fast in both.

    python bench/epoch.py [--rounds 3] [--data DIR] [--build build/release]

Ours is the wall time of the whole process. PyTorch's leaves out its imports; it has channels_last and
the fastest of 0, 1 and 2 workers, tried for a few steps; it keeps no pictures, so each of its epochs
stands beside both of ours. Medians over the rounds, the sides in turn.
"""
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time

from learning import PLAIN, cnn5, split
from pictures import options

NEED, TRIAL_STEPS = 4, 30


def peer(root):
    """(a function that gives the seconds of one more epoch, workers of the DataLoader)."""
    import numpy
    import torch
    from torchvision import datasets, transforms as T
    torch.set_num_threads(2)
    norm = [T.ToTensor(), T.Normalize((.485, .456, .406), (.229, .224, .225))]
    crop = [T.Resize(128), T.CenterCrop(128)]
    sets = [datasets.ImageFolder(root, T.Compose(crop + flip + norm))
            for flip in ([T.RandomHorizontalFlip()], [])]
    parts = split(numpy.array(sets[0].targets), 1)
    net = cnn5(len(sets[0].classes)).to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)

    def loaders(workers):
        return [torch.utils.data.DataLoader(torch.utils.data.Subset(s, i), 32, shuffle=s is sets[0],
                                            num_workers=workers, persistent_workers=workers > 0)
                for s, i in zip(sets, parts)]

    def steps(train, most=None):
        start = time.perf_counter()
        net.train()
        for x, y in itertools.islice(train, most):
            adam.zero_grad()
            out = net(x.contiguous(memory_format=torch.channels_last))
            torch.nn.functional.cross_entropy(out, y).backward()
            adam.step()
        return time.perf_counter() - start

    best = min((0, 1, 2), key=lambda workers: steps(loaders(workers)[0], TRIAL_STEPS))
    train, val = loaders(best)

    def epoch():
        start = time.perf_counter()
        steps(train)
        net.eval()
        with torch.no_grad():
            sum(int((net(x.contiguous(memory_format=torch.channels_last)).argmax(1) == y).sum())
                for x, y in val)
        torch.save(net.state_dict(), os.devnull)
        return time.perf_counter() - start

    return epoch, best


def main():
    args = options(__doc__, lambda p: p.add_argument("--rounds", type=int, default=3))
    theirs, workers = peer(args.data)
    seconds = {"cold": [], "cached": [], "torch": []}
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="linnet-epoch-") as home:
            for name in ("cold", "cached"):
                start = time.perf_counter()
                subprocess.run([args.linnet, "train", args.data, "--out", os.path.join(home, name),
                                "--cache-dir", os.path.join(home, "cache"), "--threads", "2", "--epochs", "1",
                                *PLAIN],
                               check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
        seconds["torch"].append(theirs())
    took = {name: statistics.median(s) for name, s in seconds.items()}
    ok = True
    for name in ("cold", "cached"):
        ratio = took["torch"] / took[name]
        ok &= ratio >= NEED
        print(f"epoch {name:6}  ours {took[name]:.2f} s  torch {took['torch']:.2f} s with {workers} workers "
              f"({ratio:.2f}x, needs {NEED}x)  {'ok' if ratio >= NEED else 'BELOW'}")
    return not ok


if __name__ == "__main__":
    sys.exit(main())
