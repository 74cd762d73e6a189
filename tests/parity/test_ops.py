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


def several(lib, backend, shapes, nodes, torch_fn, seed=0, train=True):
    """Nodes on inputs a, b, ... of these shapes, the last of which is y, against torch_fn(a, b, ...,
    state) -> y; weights' gradients by their whole names."""
    names = "abcdefgh"[:len(shapes)]
    graph = Graph(lib, {"nodes": [{"op": "input", "name": n, "shape": list(s)}
                                  for n, s in zip(names, shapes)] + nodes})
    x = {n: draw((N,) + tuple(s), seed + i) for i, (n, s) in enumerate(zip(names, shapes))}
    dy = draw((N,) + graph.nodes()[-1][2][1:], seed + 9)
    y, dx, weights = run(backend, graph, x, nodes[-1]["name"], dy, train)
    state = {k: tensor(v) for k, v in Weights(graph, 7).state().items()}
    inputs = {n: tensor(a) for n, a in x.items()}
    ty = torch_fn(*inputs.values(), state)
    ty.backward(torch.from_numpy(dy))
    check("output", y, ty.detach().numpy(), LIMIT)
    for n in names:
        check("d" + n, dx[n], inputs[n].grad.numpy(), LIMIT, 1e-6)
    for name, grad in weights.grads().items() if train else ():
        check("d" + name, grad, state[name].grad.numpy(), LIMIT, 1e-6)


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
    ((16, 14, 15), {"kernel": 3, "stride": 2, "ceil_mode": True}),
    ((20, 8, 9), {"kernel": 3, "stride": 1, "pad": 1}),
    ((8, 6, 7), {"kernel": 3, "stride": 1, "pad": 1, "ceil_mode": True}),
    ((9, 9, 10), {"kernel": 3, "stride": 2, "pad": 1, "ceil_mode": True}),
    ((3, 13, 13), {"kernel": 2, "stride": 3, "ceil_mode": True}),
    ((33, 5, 6), {"kernel": 5, "stride": 3, "pad": 2}),
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


def stochastic_depth(lib, backend, shape, p):
    """Each picture is kept whole and scaled, or dropped, gradient and all."""
    n = 200
    graph = graph_of(lib, shape, "stochastic_depth", p=p)
    x, dy = draw((n,) + shape, 1), draw((n,) + shape, 2)
    y, dx, _ = run(backend, graph, {"x": x}, "y", dy)
    kept = (y != 0).reshape(n, -1).any(1)
    factor = (kept / (1 - p)).reshape((n,) + (1,) * len(shape))
    check("output", y, x * factor, 1e-6)
    check("gradient", dx["x"], dy * factor, 1e-6)
    assert abs(kept.mean() - (1 - p)) < 4.5 * np.sqrt(p * (1 - p) / n), f"{kept.mean():.3f} kept"
    graph_eval = Plan(backend, graph, Weights(graph), n, keep=["y"])
    graph_eval.feed("x", x)
    graph_eval.forward()
    check("in evaluation", graph_eval.read("y"), x, 1e-6)


def node(op, name, inputs, **param):
    return {"op": op, "name": name, "in": inputs, **param}


ADD_MUL = [  # shapes of both inputs
    ((5, 7, 9), (5, 7, 9)), ((16, 4, 4), (16, 4, 4)), ((33, 3, 5), (33, 3, 5)), ((10,), (10,)),
    ((6, 20), (6, 20)),
]
GATE = [((16, 7, 5), (16, 1, 1)), ((21, 3, 9), (21, 1, 1)), ((40, 1, 1), (40, 1, 1))]
CONCAT = [  # channels
    (16, 32), (8, 24, 16, 40), (5, 16, 11), (3,), (64, 33), (1, 2, 3, 4, 5, 6, 7, 8),
]
FEATURES = [(7,), (300,), (5, 24), (17, 65), (12, 5, 7), (48, 6, 5)]  # (D), (T, D) or (D, H, W)


def channels_last(fn):
    """fn over the last dimension, of pictures over the channels."""
    def wrapped(x, state):
        return fn(x.permute(0, 2, 3, 1), state).permute(0, 3, 1, 2) if x.dim() == 4 else fn(x, state)
    return wrapped


def attention(lib, backend, T, D, heads):
    """torch.nn.MultiheadAttention itself, with the weights under their names."""
    def fn(x, state):
        m = torch.nn.MultiheadAttention(D, heads, batch_first=True)
        names = {k[2:]: v for k, v in state.items()}
        assert set(names) == set(m.state_dict()), set(names) ^ set(m.state_dict())
        return torch.func.functional_call(m, names, (x, x, x), {"need_weights": False})[0]
    several(lib, backend, [(T, D)], [node("attention", "y", ["a"], heads=heads)], fn, seed=3)


def vit_ends(lib, backend):
    """From a plane to tokens with class token and positions, and the first of them."""
    tokens = [node("tokens", "t", ["a"]), node("class_token", "class_token", ["t"]),
              node("position_embedding", "encoder.pos_embedding", ["class_token"])]

    def all_tokens(x, state):
        t = torch.cat([state["class_token"].expand(N, -1, -1), x.flatten(2).transpose(1, 2)], 1)
        return t + state["encoder.pos_embedding"]
    several(lib, backend, [(24, 3, 5)], tokens, all_tokens)
    several(lib, backend, [(24, 3, 5)], tokens + [
        node("select_token", "first", ["encoder.pos_embedding"])],
        lambda x, s: all_tokens(x, s)[:, 0] + 0 * x.flatten(1).sum(1, keepdim=True))


def branches(lib, backend):
    """A tensor that several nodes read has the sum of their gradients, inside and at the input."""
    nodes = [node("conv2d", "c", ["a"], out=16, kernel=3, pad=1),
             node("activation", "r", ["c"], kind="relu"),
             node("conv2d", "d", ["r"], out=16, kernel=1, no_bias=True),
             node("add", "e", ["d", "r"]),
             node("concat", "f", ["e", "r", "a"]),
             node("adaptive_avg_pool", "s", ["f"], out=1),
             node("activation", "g", ["s"], kind="sigmoid"),
             node("mul", "y", ["f", "g"])]

    def fn(a, s):
        r = F.relu(F.conv2d(a, s["c.weight"], s["c.bias"], padding=1))
        f = torch.cat([F.conv2d(r, s["d.weight"]) + r, r, a], 1)
        return f * torch.sigmoid(f.mean((2, 3), keepdim=True))
    several(lib, backend, [(5, 7, 6)], nodes, fn)
    several(lib, backend, [(16, 6, 6)], nodes, fn, seed=4)
    several(lib, backend, [(16, 5, 4)], [node("add", "y", ["a", "a"])], lambda a, _: a + a)


def merge_cases(lib, b):
    for shapes in ADD_MUL:
        yield f"add {shapes[0]}", lambda s=shapes: several(
            lib, b, s, [node("add", "y", ["a", "b"])], lambda a, b, _: a + b)
    for shapes in ADD_MUL + GATE:
        yield f"mul {shapes}", lambda s=shapes: several(
            lib, b, s, [node("mul", "y", ["a", "b"])], lambda a, b, _: a * b)
    for channels in CONCAT:
        for plane in [(), (7, 5)]:
            yield f"concat {channels} {plane}", lambda c=channels, p=plane: several(
                lib, b, [(k,) + p for k in c], [node("concat", "y", list("abcdefgh"[:len(c)]))],
                lambda *x: torch.cat(x[:-1], 1))
    yield "branches", lambda: branches(lib, b)
    for shape in [(7, 5, 3), (16, 2, 2), (5, 8)]:
        for p in [0.2, 0.6]:
            yield f"stochastic_depth {shape} {p}", lambda s=shape, p=p: stochastic_depth(lib, b, s, p)


def sequence_cases(lib, b):
    for shape in FEATURES:
        yield f"layer_norm {shape}", lambda s=shape: several(
            lib, b, [s], [node("layer_norm", "y", ["a"], eps=1e-6)], channels_last(
                lambda x, w: F.layer_norm(x, x.shape[-1:], w["y.weight"], w["y.bias"], 1e-6)))
        yield f"linear of {shape}", lambda s=shape: several(
            lib, b, [s], [node("linear", "y", ["a"], out=19)], channels_last(
                lambda x, w: F.linear(x, w["y.weight"], w["y.bias"])))
    for shape in FEATURES[4:]:
        yield f"layer_scale {shape}", lambda s=shape: several(
            lib, b, [s], [node("layer_scale", "y", ["a"], value=0.3)], lambda x, w: x * w["y"])
    for T, D, heads in [(1, 8, 2), (5, 12, 3), (17, 32, 4), (50, 48, 1), (10, 30, 6)]:
        yield f"attention {T}x{D} {heads}", lambda a=(T, D, heads): attention(lib, b, *a)
    yield "tokens", lambda: vit_ends(lib, b)


def op_cases(lib, b):
    yield from merge_cases(lib, b)
    yield from sequence_cases(lib, b)
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
