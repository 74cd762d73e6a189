#!/usr/bin/env python3
"""One epoch from files, 128 px, cold and cached, Linnet and PyTorch: at least 4 times as fast in both.

    python bench/epoch.py [--data DIR] [--build build/release]

Ours is the wall time of the whole process. PyTorch's leaves out its imports; its cached row is its second epoch.
"""
import os
import subprocess
import sys
import tempfile
import time

from learning import PLAIN, cnn5, split
from pictures import options

NEED = 4


def peer(root):
    import numpy
    import torch
    from torchvision import datasets, transforms as T
    torch.set_num_threads(2)
    norm = [T.ToTensor(), T.Normalize((.485, .456, .406), (.229, .224, .225))]
    crop = [T.Resize(128), T.CenterCrop(128)]
    sets = [datasets.ImageFolder(root, T.Compose(crop + flip + norm))
            for flip in ([T.RandomHorizontalFlip()], [])]
    parts = split(numpy.array(sets[0].targets), 1)
    train, val = (torch.utils.data.DataLoader(torch.utils.data.Subset(s, i), 32, shuffle=s is sets[0],
                  num_workers=2, persistent_workers=True) for s, i in zip(sets, parts))
    net = cnn5(len(sets[0].classes)).to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    took = []
    for _ in range(2):
        start = time.perf_counter()
        net.train()
        for x, y in train:
            adam.zero_grad()
            out = net(x.contiguous(memory_format=torch.channels_last))
            torch.nn.functional.cross_entropy(out, y).backward()
            adam.step()
        net.eval()
        with torch.no_grad():
            sum(int((net(x).argmax(1) == y).sum()) for x, y in val)
        torch.save(net.state_dict(), os.devnull)
        took.append(time.perf_counter() - start)
    return took


def main():
    args = options(__doc__)
    ours = []
    with tempfile.TemporaryDirectory(prefix="linnet-epoch-") as home:
        for name in ("cold", "cached"):
            start = time.perf_counter()
            subprocess.run([args.linnet, "train", args.data, "--out", os.path.join(home, name),
                            "--cache-dir", os.path.join(home, "cache"), "--threads", "2", "--epochs", "1",
                            "--precision", "fp32", "--filters", "32,64,128,256,512", *PLAIN],
                           check=True, capture_output=True)
            ours.append(time.perf_counter() - start)
    ok = True
    for name, a, b in zip(("cold", "cached"), ours, peer(args.data)):
        ok &= b / a >= NEED
        print(f"epoch {name:6}  ours {a:.2f} s  torch {b:.2f} s, imports excluded ({b / a:.2f}x, "
              f"needs {NEED}x)  {'ok' if b / a >= NEED else 'BELOW'}")
    return not ok


if __name__ == "__main__":
    sys.exit(main())
