"""Accuracy after the same training, PyTorch and Linnet: a folder of classes, a stratified fifth held
out, cnn5 with 32,64,128,256,512 filters, batch norm, ReLU, dense 64, 128 px, flips, Adam 1e-3, batch
32, 10 epochs, three seeds. Prints each side's accuracy at the end and at its best epoch. "defaults" is
`linnet train` as it comes, of the same size and epochs, on a split that no choice was made on.

    python bench/learning.py DIR [--side torch|linnet|defaults|all] [--seeds 3] [--epochs 10] [--linnet PATH]
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

SIZE, BATCH, FILTERS, DENSE = 128, 32, (32, 64, 128, 256, 512), 64
UNSEEN = 101  # the seed of the split that judges the defaults
PLAIN = ["--optimiser", "adam", "--lr", "1e-3", "--schedule", "constant", "--weight-decay", "0", "--ema",
         "0", "--label-smoothing", "0", "--crop", "centre", "--crop-side", "1", "--normalise", "data",
         "--filters", ",".join(map(str, FILTERS)), "--dense", str(DENSE)]


def load(root):
    """Every picture, shorter side to SIZE and centre crop, uint8; labels; in natural order."""
    import numpy as np
    from PIL import Image
    pixels, labels = [], []
    for label, name in enumerate(sorted(os.listdir(root))):
        folder = os.path.join(root, name)
        for file in sorted(os.listdir(folder)):
            im = Image.open(os.path.join(folder, file)).convert("RGB")
            w, h = im.size
            short = min(w, h)
            im = im.resize((int(SIZE * w / short), int(SIZE * h / short)), Image.BILINEAR)
            left, top = (im.size[0] - SIZE) // 2, (im.size[1] - SIZE) // 2
            pixels.append(np.asarray(im.crop((left, top, left + SIZE, top + SIZE))))
            labels.append(label)
    return np.stack(pixels), np.array(labels)


def split(labels, seed):
    import numpy as np
    rng, held = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        index = np.flatnonzero(labels == label)
        held[rng.permutation(index)[: round(len(index) / 5)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def cnn5(n_class):
    from torch import nn
    layers, before = [], 3
    for filters in FILTERS:
        layers += [nn.Conv2d(before, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(),
                   nn.MaxPool2d(2)]
        before = filters
    cells = (SIZE // 32) ** 2 * before
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(cells, DENSE), nn.ReLU(),
                         nn.Linear(DENSE, n_class))


def torch_run(pixels, labels, seed, epochs):
    """Validation accuracy after each epoch."""
    import torch
    torch.manual_seed(seed)
    train, val = (torch.from_numpy(part) for part in split(labels, seed))
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    y = torch.from_numpy(labels)
    mean = x[train].float().mean((0, 2, 3), keepdim=True)
    std = torch.sqrt(((x[train][:2000].float() - mean) ** 2).mean((0, 2, 3), keepdim=True))
    net = cnn5(int(labels.max()) + 1).to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    accuracy = []
    for _ in range(epochs):
        net.train()
        order = train[torch.randperm(len(train))]
        for at in range(0, len(order), BATCH):
            index = order[at:at + BATCH]
            batch = (x[index].float() - mean) / std
            flip = torch.rand(len(index)) < 0.5
            batch[flip] = batch[flip].flip(3)
            adam.zero_grad()
            logits = net(batch.contiguous(memory_format=torch.channels_last))
            torch.nn.functional.cross_entropy(logits, y[index]).backward()
            adam.step()
        net.eval()
        with torch.no_grad():
            right = sum(int((net(((x[i].float() - mean) / std)).argmax(1) == y[i]).sum())
                        for i in val.split(128))
        accuracy.append(right / len(val))
        print(f"torch seed {seed} epoch {len(accuracy)}: {accuracy[-1]:.4f}", flush=True)
    return accuracy


def linnet_run(program, root, seed, epochs, options):
    out = tempfile.mkdtemp(prefix="linnet-learning-")
    subprocess.run([program, "train", root, "--out", os.path.join(out, "run"), "--seed", str(seed),
                    "--epochs", str(epochs), "--size", str(SIZE), "--batch", str(BATCH),
                    *options], check=True)
    accuracy = []
    with open(os.path.join(out, "run", "metrics.jsonl")) as lines:
        for line in lines:
            row = json.loads(line)
            if "val_top1" in row:
                accuracy.append(row["val_top1"])
    return accuracy


def summary(name, runs):
    for what, pick in (("end", lambda a: a[-1]), ("best", max)):
        values = [pick(run) for run in runs]
        spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0
        print(f"{name:8} {what:5} {100 * statistics.mean(values):6.2f} % +- {100 * spread:.2f}  "
              f"({', '.join(f'{100 * v:.1f}' for v in values)})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("--side", choices=["torch", "linnet", "defaults", "all"], default="all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--linnet", default="build/release/linnet")
    args = parser.parse_args()
    if args.side in ("linnet", "all"):
        runs = [linnet_run(args.linnet, args.root, seed, args.epochs, PLAIN) for seed in range(args.seeds)]
        summary("linnet", runs)
    if args.side in ("defaults", "all"):
        summary("defaults", [linnet_run(args.linnet, args.root, UNSEEN, args.epochs, [])])
    if args.side in ("torch", "all"):
        start = time.time()
        pixels, labels = load(args.root)
        runs = [torch_run(pixels, labels, seed, args.epochs) for seed in range(args.seeds)]
        summary("torch", runs)
        print(f"torch took {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
