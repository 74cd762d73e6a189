#!/usr/bin/env python3
"""Trains the last layer of a torchvision model in PyTorch, from JPEG files to the saved model, and prints
one JSON line.

    python bench/peer_last_layer.py DIR --model vgg19 --weights FILE [--cache] [--epochs 10]

DIR has train/ and val/ with a folder a class. The frozen layers run in evaluation and without gradients:
for every epoch anew, or with --cache once, their outputs kept in memory. The time begins after the imports
and the choice of workers (the fastest of 0, 1 and 2 for a few batches).
"""

import argparse
import itertools
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torchvision import datasets, transforms as T

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "parity"))
from torch_models import net_of  # noqa: E402

TRIAL_BATCHES = 3


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("root")
    p.add_argument("--model", choices=["vgg19", "resnet50"], required=True)
    p.add_argument("--weights", required=True, help="a .safetensors, for as many classes as DIR has")
    p.add_argument("--save", default=os.devnull, help="where the trained model goes")
    p.add_argument("--cache", action="store_true")
    p.add_argument("--workers", type=int, help="of the DataLoader, instead of the fastest")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, required=True)
    p.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    p.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    p.add_argument("--threads", type=int, default=2)
    return p.parse_args()


class Run:
    def __init__(self, args):
        self.args = args
        self.net = net_of(args.model, 224)
        self.net.load_state_dict(load_file(args.weights), strict=True)
        if args.layout == "channels_last":
            self.net = self.net.to(memory_format=torch.channels_last)
        self.net.eval().requires_grad_(False)
        # The last layer is taken out of the network, which then gives features.
        self.place = (self.net.classifier, "6") if args.model == "vgg19" else (self.net, "fc")
        self.head = getattr(*self.place).requires_grad_(True)
        setattr(*self.place, nn.Identity())
        self.rule = torch.optim.SGD(self.head.parameters(), lr=args.lr, momentum=0.9)

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.args.precision == "bf16")

    def features(self, x):
        if self.args.layout == "channels_last":
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), self.autocast():
            return self.net(x)

    def train(self, batches):
        for x, y in batches:
            self.rule.zero_grad()
            with self.autocast():
                loss = F.cross_entropy(self.head(x), y)
            loss.backward()
            self.rule.step()

    def accuracy(self, batches):
        right = n = 0
        with torch.no_grad(), self.autocast():
            for x, y in batches:
                right += int((self.head(x).argmax(1) == y).sum())
                n += len(y)
        return right / n

    def save(self):
        setattr(*self.place, self.head)
        torch.save(self.net.state_dict(), self.args.save)


def loaders(args, workers):
    """Of the training and of the validation pictures."""
    how = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(),
                     T.Normalize((.485, .456, .406), (.229, .224, .225))])
    return [torch.utils.data.DataLoader(datasets.ImageFolder(os.path.join(args.root, part), how), args.batch,
                                        shuffle=part == "train", num_workers=workers,
                                        persistent_workers=workers > 0) for part in ("train", "val")]


def best_workers(args):
    run = Run(args)

    def trial(workers):
        start = time.perf_counter()
        for x, _ in itertools.islice(loaders(args, workers)[0], TRIAL_BATCHES):
            run.features(x)
        return time.perf_counter() - start
    trial(0)  # the first pass sets things up
    return min((0, 1, 2), key=trial)


def once(run, loader):
    """(features, labels) of all pictures."""
    x, y = zip(*((run.features(x), y) for x, y in loader))
    return torch.cat(x), torch.cat(y)


def shuffled(x, y, batch):
    return ((x[i], y[i]) for i in torch.randperm(len(y)).split(batch))


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    workers = best_workers(args) if args.workers is None else args.workers
    start = time.perf_counter()
    run = Run(args)
    train, val = loaders(args, workers)
    if args.cache:
        train, val = once(run, train), once(run, val)
    marks = [time.perf_counter()]
    for _ in range(args.epochs):
        if args.cache:
            run.train(shuffled(*train, args.batch))
            accuracy = run.accuracy([val])
        else:
            run.train((run.features(x), y) for x, y in train)
            accuracy = run.accuracy((run.features(x), y) for x, y in val)
        marks.append(time.perf_counter())
    run.save()
    print(json.dumps({"before": marks[0] - start, "epochs": [b - a for a, b in itertools.pairwise(marks)],
                      "after": time.perf_counter() - marks[-1], "accuracy": accuracy, "workers": workers}))


if __name__ == "__main__":
    main()
