#!/usr/bin/env python3
"""JPEG files to normalised 256 x 256 float batches, two threads or workers: torchvision, then Linnet.

    python bench/loader.py [--data DIR] [--build build/release]

Linnet's first epoch decodes and fills a fresh cache, its second reads that; PyTorch takes the best of
0, 1 and 2 persistent workers in its second epoch, when they run and the files are in memory. At least
2x in the first epoch, 15x from the cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from pictures import options

SIZE, BATCH, NEED = 256, 32, {"first epoch": 2, "from the cache": 15}


def peer(root):
    """(images a second, workers) of the fastest DataLoader."""
    import torch
    from torchvision import datasets, transforms as T
    torch.set_num_threads(2)
    data = datasets.ImageFolder(root, T.Compose([
        T.Resize((SIZE, SIZE)), T.RandomHorizontalFlip(), T.ToTensor(),
        T.Normalize((.485, .456, .406), (.229, .224, .225))]))
    best = (0.0, 0)
    for workers in (0, 1, 2):
        loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=workers,
                                             persistent_workers=workers > 0)
        for _ in range(2 if workers else 1):
            start = time.perf_counter()
            n = sum(len(y) for _, y in loader)
            best = max(best, (n / (time.perf_counter() - start), workers))
    return best


def main():
    args = options(__doc__)
    with tempfile.TemporaryDirectory(prefix="linnet-loader-") as home:
        done = subprocess.run([os.path.join(args.build, "bench", "loader"), args.data, home, str(SIZE),
                               str(BATCH), "2"], check=True, capture_output=True, text=True)
    theirs, workers = peer(args.data)
    ok = True
    for (name, need), row in zip(NEED.items(), json.loads(done.stdout)):
        ratio = row["images_s"] / theirs
        ok &= ratio >= need
        print(f"loader, {name}: {row['images_s']:.0f} img/s ({row['decoded']} decoded), torchvision "
              f"{theirs:.0f} with {workers} workers ({ratio:.1f}x, needs {need}x)  "
              f"{'ok' if ratio >= need else 'BELOW'}")
    return not ok


if __name__ == "__main__":
    sys.exit(main())
