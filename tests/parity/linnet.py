"""liblinnet.so through ctypes and numpy: include/linnet.h, one class an object."""

import ctypes as c
import json

import numpy as np


class Error(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 512)]


class Tensor(c.Structure):
    _fields_ = [("name", c.c_char_p), ("op", c.c_char_p), ("trained", c.c_bool),
                ("rank", c.c_int), ("dim", c.c_int * 5)]

    @property
    def shape(self):
        return tuple(self.dim[:self.rank])


RULE = c.CFUNCTYPE(None, c.POINTER(c.c_float), c.POINTER(c.c_float), c.POINTER(c.c_float),
                   c.POINTER(c.c_float), c.c_size_t)
NAMES = c.POINTER(c.c_char_p)


class Request(c.Structure):
    _fields_ = [("max_n", c.c_int), ("train", c.c_bool), ("bf16", c.c_bool), ("from_", NAMES),
                ("keep", NAMES), ("want_weights", c.c_bool), ("want", NAMES), ("frozen", NAMES),
                ("activation_rule", c.c_void_p), ("avoid", NAMES), ("n_shard", c.c_int),
                ("seed", c.c_uint64), ("memory_limit", c.c_size_t)]


def names(items):
    if items is None:
        return None
    return (c.c_char_p * (len(items) + 1))(*[s.encode() for s in items], None)


class LinnetError(Exception):
    """What the library said."""


class Library:
    """The functions of one liblinnet.so, each of which raises LinnetError instead of returning false."""

    HANDLES = ["model_new", "graph_new", "backend_open", "weights_new", "plan_new", "optimiser_new"]
    PLAIN = {"version": c.c_char_p, "graph_free": None, "graph_node": c.c_bool,
             "graph_block": c.c_bool, "backend_close": None,
             "backend_isa": c.c_char_p, "weights_free": None, "weights_at": c.c_bool, "plan_free": None,
             "plan_bytes": c.c_size_t, "plan_describe": c.c_char_p, "optimiser_free": None,
             "optimiser_step": None}

    def __init__(self, path):
        self.so = c.CDLL(path)
        for name in self.HANDLES:
            getattr(self.so, "linnet_" + name).restype = c.c_void_p
        for name, kind in self.PLAIN.items():
            getattr(self.so, "linnet_" + name).restype = kind
        for name in ["weights_get", "weights_set", "weights_grad", "plan_feed", "plan_forward",
                     "plan_seed", "plan_backward", "plan_read", "plan_read_grad", "plan_decisions"]:
            getattr(self.so, "linnet_" + name).restype = c.c_bool

    def call(self, name, *args):
        error = Error()
        result = getattr(self.so, "linnet_" + name)(*args, c.byref(error))
        if not result:
            raise LinnetError(f"{error.text.decode()} (status {error.status})")
        return result

    def plain(self, name, *args):
        return getattr(self.so, "linnet_" + name)(*args)


class Owned:
    """An object of the library, freed with its wrapper."""

    free = ""

    def __init__(self, lib, handle):
        self.lib, self.handle = lib, c.c_void_p(handle)

    def __del__(self):
        if getattr(self, "handle", None):
            self.lib.plain(self.free, self.handle)
            self.handle = None


class Graph(Owned):
    free = "graph_free"

    def __init__(self, lib, spec):
        kind = "model_new" if "model" in spec else "graph_new"
        super().__init__(lib, lib.call(kind, json.dumps(spec).encode()))

    def nodes(self):
        """[(name, op, shape)], the batch counted as 1."""
        out, t = [], Tensor()
        while self.lib.plain("graph_node", self.handle, c.c_int(len(out)), c.byref(t)):
            out.append((t.name.decode(), t.op.decode(), t.shape))
        return out


    def blocks(self):
        """{torchvision's module: the node with the same output}, from the input on."""
        out, name, node = {}, c.c_char_p(), c.c_char_p()
        while self.lib.plain("graph_block", self.handle, c.c_int(len(out)), c.byref(name), c.byref(node)):
            out[name.value.decode()] = node.value.decode()
        return out


class Backend(Owned):
    free = "backend_close"

    def __init__(self, lib, name="auto", threads=0):
        super().__init__(lib, lib.call("backend_open", name.encode(), c.c_int(threads)))
        self.name = name
        self.isa = lib.plain("backend_isa", self.handle).decode()


class Weights(Owned):
    free = "weights_free"

    def __init__(self, graph, seed=1):
        super().__init__(graph.lib, graph.lib.call("weights_new", graph.handle, c.c_uint64(seed)))
        self.graph = graph  # its nodes are read for as long as the weights live
        self.shape, self.trained, t = {}, {}, Tensor()
        while self.lib.plain("weights_at", self.handle, c.c_int(len(self.shape)), c.byref(t)):
            self.shape[t.name.decode()] = t.shape
            self.trained[t.name.decode()] = t.trained

    def _read(self, call, name):
        out = np.empty(self.shape[name], dtype=np.float32)
        self.lib.call(call, self.handle, name.encode(), out.ctypes.data_as(c.c_void_p),
                      c.c_size_t(out.size))
        return out

    def get(self, name):
        return self._read("weights_get", name)

    def grad(self, name):
        return self._read("weights_grad", name)

    def set(self, name, value):
        value = np.ascontiguousarray(value, dtype=np.float32)
        self.lib.call("weights_set", self.handle, name.encode(), value.ctypes.data_as(c.c_void_p),
                      c.c_size_t(value.size))

    def state(self):
        return {name: self.get(name) for name in self.shape}

    def grads(self):
        return {name: self.grad(name) for name in self.shape if self.trained[name]}


class Plan(Owned):
    free = "plan_free"

    def __init__(self, backend, graph, weights, max_n, *, keep=None, from_=None, want=None,
                 frozen=None, avoid=None, rule=None, train=False, bf16=False, want_weights=False,
                 seed=0, n_shard=0, memory_limit=0):
        request = Request(max_n, train, bf16, names(from_), names(keep), want_weights, names(want),
                          names(frozen), c.cast(rule, c.c_void_p) if rule else None, names(avoid),
                          n_shard, seed, memory_limit)
        self.n, self.borrowed = max_n, {}
        self.needs = (backend, graph, weights, rule)
        self.shape = {name: shape for name, _, shape in graph.nodes()}
        super().__init__(graph.lib, graph.lib.call("plan_new", backend.handle, graph.handle,
                                                   weights.handle, c.byref(request)))

    def feed(self, node, data):
        data = np.ascontiguousarray(data)
        if data.dtype != np.uint8:
            data = data.astype(np.float32)
        self.borrowed[node] = data
        self.n = data.shape[0]
        self.lib.call("plan_feed", self.handle, node.encode(), data.ctypes.data_as(c.c_void_p),
                      c.c_int(self.n))

    def forward(self, step=0):
        self.lib.call("plan_forward", self.handle, c.c_uint64(step))

    def seed(self, node, data=None, scale=1.0):
        if data is not None:
            data = np.ascontiguousarray(data, dtype=np.float32)
            self.borrowed["seed " + node] = data
            data = data.ctypes.data_as(c.c_void_p)
        self.lib.call("plan_seed", self.handle, node.encode(), data, c.c_float(scale))

    def backward(self):
        self.lib.call("plan_backward", self.handle)

    def _read(self, call, node, dtype=np.float32):
        out = np.empty((self.n,) + self.shape[node][1:], dtype=dtype)
        self.lib.call(call, self.handle, node.encode(), out.ctypes.data_as(c.c_void_p))
        return out

    def read(self, node):
        return self._read("plan_read", node)

    def read_grad(self, node):
        return self._read("plan_read_grad", node)

    def decisions(self, node):
        return self._read("plan_decisions", node, np.int32)

    def groups(self):
        out = []
        while (line := self.lib.plain("plan_describe", self.handle, c.c_int(len(out)))) is not None:
            out.append(line.decode())
        return out

    def bytes(self):
        return self.lib.plain("plan_bytes", self.handle)


class Optimiser(Owned):
    free = "optimiser_free"

    def __init__(self, backend, graph, options):
        self.needs = (backend, graph)
        super().__init__(graph.lib, graph.lib.call("optimiser_new", backend.handle, graph.handle,
                                                   json.dumps(options).encode()))

    def step(self, weights):
        self.lib.plain("optimiser_step", self.handle, weights.handle)
