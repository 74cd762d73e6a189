#!/usr/bin/env python3
"""From process start to the first training step on a cached set: under 0.5 s, the median of five.

    python bench/start.py [--data DIR] [--build build/release]

The whole process with --stop-at 1 is timed, saving included: an upper bound of the first step.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

from pictures import options

LIMIT, RUNS = 0.5, 5


def main():
    args = options(__doc__)
    with tempfile.TemporaryDirectory(prefix="linnet-start-") as home:
        def run(name, *extra):
            start = time.perf_counter()
            subprocess.run([args.linnet, "train", args.data, "--out", os.path.join(home, name),
                            "--cache-dir", os.path.join(home, "cache"), "--threads", "2",
                            *extra], check=True, capture_output=True)
            return time.perf_counter() - start
        run("fill", "--epochs", "1")
        took = [run(f"run{i}", "--stop-at", "1") for i in range(RUNS)]
    median = statistics.median(took)
    print(f"start to first step {median:.3f} s ({min(took):.3f} .. {max(took):.3f}), "
          f"needs {LIMIT} s  {'ok' if median < LIMIT else 'BELOW'}")
    return median >= LIMIT


if __name__ == "__main__":
    sys.exit(main())
