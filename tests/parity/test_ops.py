"""Each op alone, over odd shapes, forward and every gradient, on every backend and instruction set."""

import numpy as np
import torch
import torch.nn.functional as F

from common import backends, check, draw
from linnet import Graph, Plan, Weights
from torch_cnn5 import ACTIVATIONS

LIMIT = 1e-4
N = 3


def tensor(a):
    return torch.from_numpy(np.array(a)).requires_grad_()


def run(backend, graph, feeds, output, dy, train=True):
    """(y, {input: dx}, weights) of one forward and backward pass; in evaluation no weights' gradients."""
    weights = Weights(graph, 7)
    n = next(iter(feeds.values())).shape[0]
    wanted = [name for name in feeds if name != "target"]
    plan = Plan(backend, graph, weights, n, keep=[output], want=wanted, train=train,
                want_weights=train)
    for name, data in feeds.items():
        plan.feed(name, data)
    plan.forward()
    plan.seed(output, dy)
    plan.backward()
    return plan.read(output), {name: plan.read_grad(name) for name in wanted}, weights


def graph_of(lib, shape, op, **param):
    return Graph(lib, {"nodes": [{"op": "input", "name": "x", "shape": list(shape)},
                                 {"op": op, "name": "y", "in": ["x"], **param}]})


def single(lib, backend, shape, op, torch_fn, seed=0, scale=1.0, train=True, **param):
    """One op of one input against torch_fn(x, state) -> y; weights' gradients by state_dict suffix."""
    graph = graph_of(lib, shape, op, **param)
    out_shape = graph.nodes()[1][2]
    x, dy = draw((N,) + tuple(shape), seed, scale), draw((N,) + out_shape[1:], seed + 1)
    y, dx, weights = run(backend, graph, {"x": x}, "y", dy, train)
    state = {k[2:]: tensor(v) for k, v in Weights(graph, 7).state().items()}
    tx = tensor(x)
    ty = torch_fn(tx, state)
    ty.backward(torch.from_numpy(dy))
    check("output", y, ty.detach().numpy(), LIMIT)
    check("dx", dx["x"], tx.grad.numpy(), LIMIT, 1e-6)
    for name, grad in weights.grads().items() if train else ():
        check("d" + name[2:], grad, state[name[2:]].grad.numpy(), LIMIT, 1e-6)
    return weights


CONV = [  # (C, H, W), parameters as both sides name them
    ((3, 32, 32), {"out": 16, "kernel": 3, "pad": 1}),
    ((3, 17, 13), {"out": 32, "kernel": 3, "pad": 1}),
    ((16, 12, 12), {"out": 32, "kernel": 3, "pad": 1}),
    ((32, 20, 24), {"out": 64, "kernel": 3, "pad": 1}),
    ((64, 7, 9), {"out": 32, "kernel": 3, "pad": 1}),
    ((33, 11, 5), {"out": 17, "kernel": 3, "pad": 1}),
    ((1, 1, 1), {"out": 1, "kernel": 1}),
    ((5, 9, 7), {"out": 6, "kernel": 1}),
    ((8, 10, 10), {"out": 8, "kernel": 5, "pad": 2}),
    ((8, 13, 11), {"out": 24, "kernel": 7, "pad": 3, "stride": 2}),
    ((6, 9, 12), {"out": 9, "kernel": [3, 5], "pad": [1, 2], "stride": [2, 1]}),
    ((6, 15, 15), {"out": 9, "kernel": 3, "pad": 2, "dilation": 2}),
    ((12, 9, 9), {"out": 18, "kernel": 3, "pad": 1, "groups": 3}),
    ((16, 8, 8), {"out": 16, "kernel": 3, "pad": 1, "groups": 16}),
    ((16, 8, 8), {"out": 16, "kernel": 3, "no_bias": True}),
    ((4, 3, 40), {"out": 20, "kernel": [3, 1]}),
]


def conv(param):
    def fn(x, s):
        return F.conv2d(x, s["weight"], s.get("bias"), stride=param.get("stride", 1),
                        padding=param.get("pad", 0), dilation=param.get("dilation", 1),
                        groups=param.get("groups", 1))
    return fn


POOL = [
    ((5, 8, 8), {"kernel": 2}),
    ((16, 9, 7), {"kernel": 2}),
    ((17, 10, 12), {"kernel": 3, "stride": 2, "pad": 1}),
    ((3, 11, 11), {"kernel": 3, "stride": 1}),
    ((4, 9, 12), {"kernel": [2, 3], "stride": [2, 1]}),
    ((4, 7, 7), {"kernel": 3, "stride": 2, "ceil_mode": True}),
]


def pool_args(param):
    return {"kernel_size": param["kernel"], "stride": param.get("stride"),
            "padding": param.get("pad", 0), "ceil_mode": param.get("ceil_mode", False)}


def batch_norm(lib, backend, shape, train):
    def fn(x, s):
        return F.batch_norm(x, s["running_mean"].detach(), s["running_var"].detach(), s["weight"],
                            s["bias"], training=train)
    weights = single(lib, backend, shape, "batch_norm", fn, train=train, seed=11)
    if train:
        x = torch.from_numpy(draw((N,) + tuple(shape), 11))
        norm = torch.nn.BatchNorm2d(shape[0])
        norm(x)
        check("running_mean", weights.get("y.running_mean"), norm.running_mean.numpy(), LIMIT)
        check("running_var", weights.get("y.running_var"), norm.running_var.numpy(), LIMIT)
        assert weights.get("y.num_batches_tracked") == 1


def cross_entropy(lib, backend, n, classes, smoothing, soft):
    graph = Graph(lib, {"nodes": [
        {"op": "input", "name": "x", "shape": [classes]},
        {"op": "input", "name": "target", "shape": [classes]},
        {"op": "cross_entropy", "name": "y", "in": ["x", "target"], "label_smoothing": smoothing}]})
    x = draw((n, classes), 3, 4.0)
    target = np.eye(classes, dtype=np.float32)[np.arange(n) % classes]
    if soft:
        target = 0.7 * target + 0.3 * target[::-1]
    y, dx, _ = run(backend, graph, {"x": x, "target": target}, "y", np.full((n, 1), 1 / n))
    tx = tensor(x)
    loss = F.cross_entropy(tx, torch.from_numpy(np.array(target)), reduction="none",
                           label_smoothing=smoothing)
    loss.mean().backward()
    check("loss", y[:, 0], loss.detach().numpy(), LIMIT, 1e-3)
    check("dx", dx["x"], tx.grad.numpy(), LIMIT, 1e-3)


def normalize(lib, backend):
    mean, std = [0.1, 0.4, 0.7], [0.2, 0.3, 0.5]
    graph = Graph(lib, {"nodes": [
        {"op": "input", "name": "x", "shape": [3, 7, 5], "u8": True},
        {"op": "normalize", "name": "y", "in": ["x"], "mean": mean, "std": std}]})
    x = np.random.default_rng(0).integers(0, 256, (N, 7, 5, 3), dtype=np.uint8)
    plan = Plan(backend, graph, Weights(graph), N, keep=["y"])
    plan.feed("x", x)
    plan.forward()
    expected = (x.astype(np.float64) / 255 - mean) / std
    check("output", plan.read("y"), expected.transpose(0, 3, 1, 2), 1e-5)


def dropout(lib, backend, op, p):
    """Kept elements are scaled by 1/(1-p), about p are dropped, the gradient meets the same ones."""
    graph = graph_of(lib, (64, 16, 16), op, p=p)
    x, dy = np.ones((N, 64, 16, 16), np.float32), draw((N, 64, 16, 16), 5)
    y, dx, _ = run(backend, graph, {"x": x}, "y", dy)
    kept = y != 0
    check("kept elements", y[kept], np.full(kept.sum(), 1 / (1 - p)), 1e-6)
    check("gradient", dx["x"], dy * y, 1e-6)
    if op == "dropout2d":
        assert (kept.reshape(N, 64, -1).all(2) | ~kept.reshape(N, 64, -1).any(2)).all()
        kept = kept[:, :, 0, 0]
    deviation = abs(kept.mean() - (1 - p)) / np.sqrt(p * (1 - p) / kept.size)
    assert deviation < 4.5, f"{kept.mean():.4f} kept, {1 - p} expected"


def op_cases(lib, b):
    for shape, param in CONV:
        yield f"conv2d {shape} {param}", lambda s=shape, p=param: single(
            lib, b, s, "conv2d", conv(p), **p)
    for d, k in [(1, 1), (7, 3), (64, 10), (300, 65)]:
        yield f"linear {d} to {k}", lambda d=d, k=k: single(
            lib, b, (d,), "linear", lambda x, s: F.linear(x, s["weight"], s["bias"]), out=k)
    for shape, param in POOL:
        yield f"max_pool {shape} {param}", lambda s=shape, p=param: single(
            lib, b, s, "max_pool", lambda x, _: F.max_pool2d(x, **pool_args(p)), **p)
        for exclude in [False, True]:
            yield f"avg_pool {shape} {param} {exclude}", lambda s=shape, p=param, e=exclude: single(
                lib, b, s, "avg_pool", lambda x, _: F.avg_pool2d(
                    x, **pool_args(p), count_include_pad=not e), exclude_pad=e, **p)
    for shape, out in [((8, 7, 7), 1), ((5, 13, 9), 3), ((4, 5, 6), [2, 4])]:
        yield f"adaptive_avg_pool {shape} {out}", lambda s=shape, o=out: single(
            lib, b, s, "adaptive_avg_pool", lambda x, _: F.adaptive_avg_pool2d(x, o), out=o)
    for shape in [(3, 9, 7), (16, 8, 8), (33, 5, 6)]:
        for train in [True, False]:
            yield f"batch_norm {shape} train={train}", lambda s=shape, t=train: batch_norm(lib, b, s, t)
    for name, make in ACTIVATIONS.items():
        for shape in [(5, 7, 3), (32, 6, 6)]:
            yield f"activation {name} {shape}", lambda n=name, m=make, s=shape: single(
                lib, b, s, "activation", lambda x, _: m()(x), scale=3.0, kind=n)
    yield "flatten", lambda: single(lib, b, (5, 3, 4), "flatten", lambda x, _: x.flatten(1))
    for classes in [2, 10, 37]:
        yield f"softmax {classes}", lambda k=classes: single(
            lib, b, (k,), "softmax", lambda x, _: F.softmax(x, 1))
    for n, classes, smoothing, soft in [(1, 2, 0.0, False), (5, 10, 0.0, False), (5, 10, 0.1, False),
                                        (7, 37, 0.2, True)]:
        yield f"cross_entropy {n} {classes} {smoothing} {soft}", lambda a=(
            n, classes, smoothing, soft): cross_entropy(lib, b, *a)
    yield "normalize", lambda: normalize(lib, b)
    for op in ["dropout", "dropout2d"]:
        for p in [0.2, 0.5]:
            yield f"{op} {p}", lambda o=op, p=p: dropout(lib, b, o, p)


def cases(lib):
    for name, backend in backends(lib):
        for case, run_case in op_cases(lib, backend):
            yield f"{name} {case}", run_case
