"""Weight files as PyTorch and safetensors write them, read and compared with their own reading of them,
bit for bit after .float(); what must not be read; what a system call trace of reading shows."""

import argparse
import collections
import io
import json
import os
import pickle
import random
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile

import numpy as np
import safetensors
import safetensors.torch
import torch
import torchvision

here = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(here, "..", "..", "..", "shared", "data", "weights")
ERR_MODEL = 7  # base/err.h


class Dump:
    """parity_weights_dump, asked one file at a time."""

    def __init__(self, program):
        self.program = program
        self.p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def line(self):
        line = self.p.stdout.readline().decode(errors="replace").rstrip("\n")
        assert line, f"weights_dump died (status {self.p.wait()})"
        return line

    def __call__(self, path):
        """({name: float32 array}, format, what was stripped), or (None, kind, message)."""
        self.p.stdin.write(f"{path}\n".encode())
        self.p.stdin.flush()
        head = self.line()
        out, n = {}, 0
        if head.startswith("ok "):
            count, said = head[3:].split(" ", 1)
            n = int(count)
        for _ in range(n):
            head = self.line()
            if head.startswith("err "):
                break
            name, _, shape, count = head.split("|")
            data = np.frombuffer(self.p.stdout.read(4 * int(count)), np.float32)
            out[name] = data.reshape([] if shape == "scalar" else [int(d) for d in shape.split("x")])
        if head.startswith("err "):
            kind, message = head[4:].split(" ", 1)
            return None, int(kind), message
        return (out, *said.split("|"))


def same(got, want):
    """The same names in the same order, the same bits."""
    assert list(got) == list(want), f"names {list(got)[:5]}, expected {list(want)[:5]}"
    for name, w in want.items():
        w = w.detach().float().contiguous().numpy()
        assert got[name].shape == w.shape, f"{name}: shape {got[name].shape}, expected {w.shape}"
        assert (got[name].view(np.int32) == w.view(np.int32)).all(), f"{name}: other bits"


class Bench:
    """Files in a folder that goes away, each read by both sides."""

    def __init__(self, dump):
        self.dump, self.n = dump, 0
        self.folder = tempfile.TemporaryDirectory(prefix="linnet-weights-")
        self.good, self.bad = [], []  # paths, for the trace

    def path(self, suffix=".pth"):
        self.n += 1
        return os.path.join(self.folder.name, f"{self.n}{suffix}")

    def save(self, thing, legacy=False, **more):
        path = self.path()
        torch.save(thing, path, _use_new_zipfile_serialization=not legacy, **more)
        return path

    def reads(self, path, want, stripped=""):
        got, form, said = self.dump(path)
        assert got is not None, said
        same(got, want)
        assert said == stripped, f"stripped: {said}, expected {stripped}"
        self.good.append(path)
        return form

    def both(self, thing, want, stripped="", **more):
        """In the zip layout and in the one before it; `want` is checked to be torch.load's."""
        for legacy in (False, True):
            form = self.reads(self.save(thing, legacy, **more), want, stripped)
            assert form == ("torch.save (legacy)" if legacy else "torch.save (zip)"), form

    def refuses(self, path, reason):
        got, kind, said = self.dump(path)
        assert got is None, f"{os.path.basename(path)}: accepted, expected: {reason}"
        assert kind == ERR_MODEL and path in said and reason in said, f"{kind} {said}, expected: {reason}"
        self.bad.append(path)


def numbers(dtype, shape, seed=0):
    """Of the dtype's whole range that a float can tell: odd exponents, subnormals, both signs."""
    g = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=g).bool()
    if not dtype.is_floating_point:
        info = torch.iinfo(dtype)
        bits = torch.randint(-(2**63), 2**63 - 1, shape, generator=g)
        return (bits % (info.max - info.min + 1) + info.min if info.bits < 64 else bits).to(dtype)
    x = torch.randn(shape, generator=g, dtype=torch.float64)
    x = x * 2.0 ** torch.randint(-20, 15, shape, generator=g)
    x.view(-1)[::7] = 0.0
    x.view(-1)[1::11] *= 2.0**-16 if dtype == torch.float16 else 2.0**-100
    return x.to(dtype)


FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTEGERS = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


def each_type(b):
    for dtype in FLOATS + INTEGERS:
        d = {f"t{i}": numbers(dtype, s, i) for i, s in enumerate([(3, 5, 7), (1,), (), (0, 4), (2, 1, 3, 1, 2)])}
        b.both(d, d)
        path = b.path(".safetensors")
        safetensors.torch.save_file(d, path)
        b.reads(path, dict(safetensors.torch.load_file(path)))
    halves = torch.arange(65536, dtype=torch.int32).to(torch.int16).view(torch.float16)
    halves = halves[halves.isfinite()]
    b.both({"every half": halves}, {"every half": halves})
    unsigned = {f"u{i}": torch.arange(2**8, dtype=torch.int64).mul(2**k).to(t)
                for i, (t, k) in enumerate([(torch.uint16, 8), (torch.uint32, 24), (torch.uint64, 40)])}
    b.both(unsigned, unsigned)
    return f"{len(FLOATS + INTEGERS) + 3} types, all {len(halves)} finite halves"


def views(b):
    x = torch.arange(240.0).reshape(4, 5, 12)
    d = collections.OrderedDict(
        whole=x, turned=x.permute(2, 0, 1), row=x[2], column=x[:, 3, 5], steps=x[::2, ::3, ::5],
        last=x[-1, -1, -1:], scalar=x[1, 2, 3], windows=x.reshape(-1).as_strided((6, 10), (7, 1), 11),
        repeated=torch.arange(12.0)[3:9].as_strided((2, 3), (0, 2)),
        channels_last=torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        parameter=torch.nn.Parameter(torch.randn(3, 4).t()), empty=torch.empty(3, 0, 2))
    b.both(d, d)
    return f"{len(d)} views, most of one storage"


class Odd:
    """Of no meaning to a reader."""

    def __init__(self):
        self.x, self.y = [1, {2: 3.5}], "z"


def around(b):
    """What training puts around weights."""
    net = torchvision.models.resnet18(num_classes=10)
    d = net.state_dict()
    assert hasattr(d, "_metadata")
    b.both(d, d)
    b.both(dict(d), d)
    b.both(collections.OrderedDict((f"module.{k}", v) for k, v in d.items()), d, "names begin with module.")
    b.both(torch.compile(net).state_dict(), d, "names begin with _orig_mod.")
    b.both({f"model.{k}": v for k, v in d.items()} | {"loss.weight": torch.ones(3)},
           d | {"loss.weight": torch.ones(3)}, "names begin with model.")
    averaged = torch.optim.swa_utils.AveragedModel(net).state_dict()
    b.both({"model": d, "model_ema": averaged},
           {"n_averaged": averaged["n_averaged"]} | d, "in its entry model_ema, names begin with module.")
    for key in ("state_dict", "model", "model_state_dict", "model_ema", "state_dict_ema"):
        b.both({key: d, "epoch": 3}, d, f"in its entry {key}")
    optimiser = torch.optim.AdamW(net.parameters())
    net(torch.zeros(2, 3, 32, 32)).sum().backward()
    optimiser.step()
    d = net.state_dict()
    whole = {"epoch": 1, "arch": "resnet18", "model": d, "optimizer": optimiser.state_dict(),
             "args": argparse.Namespace(lr=0.1, sizes=(1, 2), nested=argparse.Namespace(a=None)),
             "best": np.float64(0.5), "seen": {1, 2}, "names": collections.defaultdict(list, a=[1]),
             "device": torch.device("cpu"), "shape": torch.Size([1, 2]), "seed": 2**70, "odd": Odd(),
             "counts": collections.Counter("abca"), "text": "x" * 300, "bytes": b"\x00\xff", "lr": torch.tensor(0.5),
             "minus": -(2**40), "list": [1, -2, 300, 70000, True, None, 1.5, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}
    b.both(whole, d, "in its entry model")
    with_state = torch.nn.Parameter(torch.ones(2))
    with_state.extra = 1
    b.both({"w": with_state}, {"w": with_state})
    b.both({"w": torch.ones(3), "_extra_state": {"a": [torch.zeros(2)]}, "n": 5}, {"w": torch.ones(3)})
    many = {f"layer.{i}.weight": torch.full((2,), float(i)) for i in range(20000)}
    b.both(many, many)
    return f"{len(whole)} kinds of entries; {len(many)} tensors"


def real(b, name):
    path = os.path.join(SHARED, name)
    if name.endswith(".safetensors"):
        want, said = dict(safetensors.torch.load_file(path)), ""
    else:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        want = {k[7:]: v for k, v in loaded["state_dict"].items()}
        said = "in its entry state_dict, names begin with module."
    form = b.reads(path, want, said)
    return f"{form}, {len(want)} tensors"


class Run:
    def __reduce__(self):
        return os.system, ("touch /tmp/linnet-weights-was-run",)


def edited(b, path, edit):
    with open(path, "rb") as f:
        byte = bytearray(f.read())
    edit(byte)
    out = b.path()
    with open(out, "wb") as f:
        f.write(byte)
    return out


def refusals(b):
    """Files that PyTorch's own functions write, and that hold other things than weights."""
    w = {"w": torch.randn(50)}
    net = torch.nn.Linear(2, 2)
    for legacy in (False, True):
        b.refuses(b.save({"w": torch.ones(2), "x": Run()}, legacy), "names posix.system")
        b.refuses(b.save(net, legacy), "not its weights alone" if legacy else "torch.nn.modules.linear.Linear")
        b.refuses(b.save({"epoch": 3, "net": Odd()}, legacy), "epoch (int), net (test_weights.Odd)")
        b.refuses(b.save([torch.ones(2)], legacy), "a list; expected a state_dict")
        b.refuses(b.save(w, legacy, pickle_protocol=4), "a pickle of protocol 4" if legacy else "protocol 2")
        b.refuses(b.save({"w": torch.ones(2).to_sparse()}, legacy), "names that weights need")
        b.refuses(b.save({"w": torch.quantize_per_tensor(torch.ones(2), 1, 0, torch.qint8)}, legacy),
                  "no storage of numbers")
        b.refuses(b.save({"w": torch.ones(2, dtype=torch.complex64)}, legacy), "w is of type C64")
        b.refuses(b.save({"w": torch.ones(2).to(torch.float8_e4m3fn)}, legacy), "torch.float8_e4m3fn")
        b.refuses(b.save({"w": torch.tensor([1.0, np.nan])}, legacy), "w holds NaN at element 1 of 2")
        b.refuses(b.save({"w": torch.tensor([[1e300]]).double() * 1e5}, legacy), "w holds infinity at element 0")
        b.refuses(b.save({"w": torch.ones(1).expand(9)}, legacy), "past its storage")
        good = b.save(w, legacy)
        b.reads(good, w)
        for n in range(1, os.path.getsize(good), 37):
            b.refuses(edited(b, good, lambda byte, n=n: byte.__delitem__(slice(n, None))), "")
    zipped, inside = b.save(w), w["w"].numpy().tobytes()
    b.refuses(edited(b, zipped, lambda byte: byte.__setitem__(byte.index(inside) + 9, 0x55)), "damaged: checksum")
    path = b.path(".pt")
    torch.jit.save(torch.jit.script(net), path)
    b.refuses(path, "zip: ")
    path = b.path(".tar")
    with tarfile.open(path, "w") as t:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            t.addfile(tarfile.TarInfo(name), io.BytesIO())
    b.refuses(path, "a tar archive, as PyTorch 0.1 wrote")
    path = b.path()
    with open(path, "wb") as f:
        pickle.dump({"w": [1.0]}, f)
    b.refuses(path, "a pickle of protocol 4 that is not torch.save's")
    path = b.path()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/data.pkl", b"\x80\x02N.")
    b.refuses(path, "compressed")
    assert not os.path.exists("/tmp/linnet-weights-was-run")
    return f"{len(b.bad)} files"


SIZES = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
         "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
         "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64}


def no_twins(pairs):
    assert len({k for k, _ in pairs}) == len(pairs), "a key twice"
    return dict(pairs)


def count(text):
    assert re.fullmatch(r"0|[1-9][0-9]*", text), "no count"
    return int(text)


def check_tensors(byte):
    """The format's rules and our limits once more, on Python's JSON: raises where one is broken."""
    n = int.from_bytes(byte[:8], "little")
    assert len(byte) >= 8 and n <= len(byte) - 8 and n <= min(10**8, len(byte) // 2 + 65536)
    text = byte[8 : 8 + n].rstrip(b" ")
    assert text.startswith(b"{") and text.endswith(b"}")
    text = text.decode("utf-8")
    assert not any("\ud800" <= c <= "\udfff" for c in text)
    header = json.loads(text, object_pairs_hook=no_twins, parse_int=count, parse_float=float, parse_constant=count)
    ranges = []
    for name, t in header.items():
        assert "\0" not in name
        if name == "__metadata__":
            assert type(t) is dict and all(type(v) is str and "\0" not in k + v for k, v in t.items())
            continue
        assert type(t) is dict and len(name.encode("utf-8", "surrogatepass")) <= 1024
        assert set(t) == {"dtype", "shape", "data_offsets"} and type(t["dtype"]) is str and t["dtype"] in SIZES
        assert type(t["shape"]) is list and len(t["shape"]) <= 8 and all(type(d) is int for d in t["shape"])
        assert type(t["data_offsets"]) is list and [type(d) for d in t["data_offsets"]] == [int, int]
        bits = SIZES[t["dtype"]]
        for d in t["shape"]:
            bits *= d
        begin, end = t["data_offsets"]
        assert begin <= end and bits % 8 == 0 and bits // 8 == end - begin
        ranges.append((begin, end))
    at = 0
    for begin, end in sorted(ranges):
        assert begin == at
        at = end
    assert at == len(byte) - 8 - n


def accepted_sets(b, lib_runs=6000):
    """Damaged .safetensors: what is accepted equals what a second checker accepts, and nothing that
    the safetensors library refuses."""
    r = random.Random(5)
    tokens = [b'"F32"', b'"F16"', b'"BOOL"', b'"X"', b"0", b"8", b"24", b"-1", b"1e2", b"[", b"]", b"{", b"}",
              b",", b":", b'"a"', b'"shape"', b'"dtype"', b'"data_offsets"', b" ", b"[0,24]", b'"__metadata__"',
              b"\\u0061", b"\xff", b"4294967296", b"18446744073709551616", b"null", b"true", b'""', b"\\u0000",
              b"1", b"2", b"3", b"6", b"[]"]
    seeds = [b'{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}',
             b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
             b'"b":{"dtype":"U8","shape":[16],"data_offsets":[8,24]}} ',
             b'{"__metadata__":{"k":"v"},"a":{"dtype":"F16","shape":[],"data_offsets":[22,24]},'
             b'"b":{"dtype":"I8","shape":[0,3],"data_offsets":[0,0]},'
             b'"c":{"dtype":"BF16","shape":[11],"data_offsets":[0,22]}}']
    path = b.path(".safetensors")
    yes = stricter = 0
    for i in range(lib_runs):
        header = bytearray(r.choice(seeds))
        for _ in range(r.randrange(3)):
            at, drop = r.randrange(len(header)), r.randrange(6)
            new = r.choice(tokens) if r.random() < 0.7 else bytes([r.randrange(256)])
            digit = re.search(rb"\d+", bytes(header[at:]))
            if r.random() < 0.3 and digit:
                at, drop, new = at + digit.start(), len(digit.group()), str(r.choice([0, 1, 2, 3, 4, 8, 24])).encode()
            header[at : at + drop] = new
        n = len(header) if r.random() < 0.95 else r.randrange(2 * len(header))
        byte = n.to_bytes(8, "little") + header + bytes(24 if r.random() < 0.95 else r.randrange(30))
        with open(path, "wb") as f:
            f.write(byte)
        got, kind, said = b.dump(path)
        try:
            check_tensors(byte)
            want = True
        except (AssertionError, ValueError, RecursionError):
            want = False
        read = got is not None or "which is not read here" in said
        assert read == want, f"{bytes(header)} ({n}): {'accepted' if read else said}, by the other checker {want}"
        assert read or kind == ERR_MODEL
        try:
            safetensors.deserialize(byte)
            theirs = True
        except (safetensors.SafetensorError, UnicodeDecodeError):
            theirs = False
        assert theirs or not read, f"{bytes(header)}: safetensors refuses it"
        yes += read
        stricter += theirs and not read
    assert yes > 200
    return f"{lib_runs} files, {yes} accepted by all, {stricter} by safetensors alone"


def trace(b):
    """Nothing is run, connected to or opened but the file itself."""
    if not shutil.which("strace"):
        return "skipped: strace is absent"
    paths = b.good + b.bad
    assert len(paths) > 100, "nothing was written"
    log = b.path(".strace")
    p = subprocess.run(["strace", "-f", "-o", log, "-e", "trace=%file,%process,%network", b.dump.program],
                       input="\n".join(paths).encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if p.returncode and b"ptrace" in p.stderr:
        return "skipped: strace may not trace here"
    with open(log) as f:
        lines = [line.split(None, 1)[1].strip() for line in f]
    first = next(i for i, line in enumerate(lines) if paths[0] in line)
    calls = [line for line in lines[first:]
             if not line.startswith(("exit_group", "+++")) and "AT_EMPTY_PATH" not in line]  # of what is open
    other = [c for c in calls if not any(f'"{p}"' in c for p in paths)]
    assert not other, f"{len(other)} other calls: {other[:3]}"
    assert len(calls) == len(paths), f"{len(calls)} calls for {len(paths)} files"
    return f"{len(paths)} files, {len(calls)} system calls on files, processes and the network: their opens"


def cases(lib):
    dump = Dump(os.path.join(os.path.dirname(lib.so._name), "test", "parity_weights_dump"))
    b = Bench(dump)
    yield "each type", lambda: each_type(b)
    yield "views", lambda: views(b)
    yield "what training puts around them", lambda: around(b)
    for name in ("mobilenet_v2_imagenet.safetensors", "squeezenet1_1_imagenet.safetensors", "resnet20-12fca82f.th"):
        if os.path.exists(os.path.join(SHARED, name)):
            yield f"real {name}", lambda name=name: real(b, name)
        else:
            yield f"real {name}", lambda: "skipped: ../shared/data is absent"
    yield "refusals", lambda: refusals(b)
    yield "safetensors accepted sets", lambda: accepted_sets(b)
    yield "system calls", lambda: trace(b)
