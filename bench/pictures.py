"""The folder of pictures that a bench reads, and the options that they share."""

import argparse
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))


def options(doc, add=lambda p: None):
    """--data and --build, and those that `add` adds to the parser; ends the bench, saying so, where the
    pictures are absent."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--data", default=os.path.join(here, "../../shared/data/imagenette/train"))
    p.add_argument("--build", default=os.path.join(here, "../build/release"))
    add(p)
    args = p.parse_args()
    if not os.path.isdir(args.data):
        print(f"skipped: no {args.data}")
        sys.exit(0)
    args.linnet = os.path.join(args.build, "linnet")
    return args
