"""Two programs timed in turn on one machine: what it is, how each is run, what is said of the ratio."""

import json
import os
import statistics
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "30000000000"}
THREADS = 2


def processor():
    """(name, its flags) of this machine."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        info = f.read()
    pick = {}
    for line in info.splitlines():
        if ":" in line:
            key, value = line.split(":", 1)
            pick.setdefault(key.strip(), value.strip())
    return f"{pick.get('model name', '?')} (family {pick.get('cpu family')}, model {pick.get('model')})", \
        set(pick.get("flags", "").split())


def classes(flags):
    out = {("AVX-512", "fp32") if "avx512f" in flags else ("AVX2 only", "fp32")}
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        out.add(("AVX-512 or AMX", "bf16"))
    return out


def measured_here(bounds, flags, precisions):
    """(precision, its bounds) of each class that this machine is in; says so of the others.
    bounds: {(class, precision): what holds there}."""
    for (cls, precision), rows in bounds.items():
        if precision in precisions:
            found = (cls, precision) in classes(flags)
            print(f"-- {precision}, {cls}" + ("" if found else ": not measured here"), flush=True)
            if found:
                yield precision, rows


def run(command, extra=None):
    """The last line that it prints, which is JSON; ends the bench where it fails."""
    env = dict(os.environ, OMP_NUM_THREADS=str(THREADS), **(extra or {}))
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def peer_step(precision, *options, tuned=False, compiled=False):
    """PyTorch's, as people run it or tuned."""
    command = [sys.executable, os.path.join(here, "peer_step.py"), "--precision", precision, "--threads",
               str(THREADS), "--layout", "channels_last" if tuned or precision == "bf16" else "nchw",
               *options]
    if compiled:
        command += ["--compile", "--warm", "2"]
    return run(command, MALLOC if tuned else None)


def in_turn(rounds, sides):
    """{side: its last result, with the seconds of all rounds, their median, the peak of memory}, of
    {side: a function that measures it}, `rounds` times one after the other."""
    results = {side: [] for side in sides}
    for _ in range(rounds):
        for side, measure in sides.items():
            results[side].append(measure())
    out = {}
    for side, of in results.items():
        seconds = [s for r in of for s in r["seconds"]]
        out[side] = {**of[-1], "seconds": seconds, "median": statistics.median(seconds),
                     "rss_anon_mib": max(r.get("rss_anon_mib", 0) for r in of)}
    return out


def distance(mine, theirs):
    """max |a - b| over max |b|."""
    return max(abs(a - b) for a, b in zip(mine, theirs, strict=True)) / max(map(abs, theirs))


def ratios(sides, tuned, need):
    """(text, true where both ratios hold): ours, plain, and the fastest of the sides that are `tuned`."""
    ours, plain = sides["ours"]["median"], sides["plain"]["median"]
    best = min((s for s in tuned if s in sides), key=lambda s: sides[s]["median"])
    fast = sides[best]["median"]
    return f"ours {ours:7.4f} s  plain {plain:7.3f} ({plain / ours:5.2f}x, needs {need[0]}x)  " \
           f"{best} {fast:7.3f} ({fast / ours:5.2f}x, needs {need[1]}x)", \
        plain / ours >= need[0] and fast / ours >= need[1]
