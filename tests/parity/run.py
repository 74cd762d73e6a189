#!/usr/bin/env python3
"""Parity with PyTorch: every case of the modules test_*.py beside this file.

    python tests/parity/run.py build/release [words that a case's name must hold]

A case is what a module's cases(lib) yields: (name, function), the function raises AssertionError or
returns a line for the log. Ends with "N passed, N failed, N skipped".
"""

import importlib
import os
import sys
import time
import traceback

os.environ.setdefault("OMP_NUM_THREADS", "2")
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)

import torch  # noqa: E402

from linnet import Library  # noqa: E402


def main():
    lib = Library(os.path.join(sys.argv[1], "liblinnet.so"))
    words = sys.argv[2:]
    torch.set_num_threads(2)
    passed = failed = skipped = 0
    modules = sorted(f[:-3] for f in os.listdir(here) if f.startswith("test_") and f.endswith(".py"))
    for module in modules:
        start, count = time.time(), 0
        for name, run in importlib.import_module(module).cases(lib):
            full = f"{module[5:]} {name}"
            if not all(word in full for word in words):
                continue
            count += 1
            try:
                line = run()
                if isinstance(line, str) and line.startswith("skipped"):
                    skipped += 1
                else:
                    passed += 1
                if isinstance(line, str):
                    print(f"{full}: {line}")
            except Exception as e:  # a case may fail in any way: it is reported and the next runs
                failed += 1
                said = str(e) if isinstance(e, AssertionError) else traceback.format_exc()
                print(f"FAILED {full}: {said}")
        print(f"{module[5:]}: {count} cases, {time.time() - start:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
