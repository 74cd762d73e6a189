"""cnn5 against PyTorch in fp32: logits and every gradient, on ref, the direct path and the timed path.

A max-pool or ReLU decision that is nearly a tie may fall the other way by rounding, and one turned
decision moves a gradient by 1e-2. So PyTorch is given our decisions, and those that differ from its
own are counted.
"""

import numpy as np
import torch
import torch.nn.functional as F

from common import ISAS, check, cpu, distance, draw
from linnet import Backend, Graph, Plan, Weights
from torch_cnn5 import ACTIVATIONS, Cnn5

FILTERS = [16, 32, 64, 32, 48]
N, CLASSES, DENSE = 4, 10, 32
KINKED = {"relu": 0.0, "leaky_relu": 0.01}
WINOGRAD = ["winograd_4x4", "winograd"]


def graph_of(lib, activation, batch_norm, size, filters=None):
    return Graph(lib, {"model": "cnn5", "filters": filters or FILTERS, "activation": activation,
                       "dense-activation": activation, "dense": [DENSE], "batch-norm": batch_norm,
                       "size": size, "classes": CLASSES, "label-smoothing": 0.0, "u8": False})


class Decided(Cnn5):
    """The same network, whose pools and kinks decide as they are told; counts what it would have
    decided otherwise."""

    def __init__(self, activation, batch_norm, size, filters=None):
        super().__init__(filters or FILTERS, activation, batch_norm, DENSE, CLASSES, size)
        self.slope = KINKED.get(activation)
        self.turned = self.decided = 0

    def bend(self, x, positive):
        """The activation, its sign given for those with a kink at 0."""
        if self.slope is None:
            return self.activation(x)
        self.decided += x.numel()
        self.turned += int(((x > 0) != positive).sum())
        return x * torch.where(positive, 1.0, self.slope)

    def told(self, x, winner, positive, hidden_positive):
        for i in range(1, self.n_block + 1):
            x = getattr(self, f"conv{i}")(x)
            if self.batch_norm:
                x = getattr(self, f"bn{i}")(x)
            with torch.no_grad():
                own, own_winner = F.max_pool2d(self.activation(x), 2, return_indices=True)
            x = x.flatten(2).gather(2, winner[i - 1].flatten(2)).view(own.shape)
            x = self.bend(x, positive[i - 1])
            # where all four of a window are cut off, who won has no effect
            differs = (own_winner != winner[i - 1]) & ((own != x) if self.slope == 0 else True)
            self.turned += int(differs.sum())
            self.decided += own.numel()
        return self.out(self.bend(self.fc1(torch.flatten(x, 1)), hidden_positive))


def ours(backend, graph, x, target, avoid=None):
    """(plan, weights, decisions of the pools) after a forward and a backward pass."""
    pools = [f"pool{i}" for i in range(1, 6)]
    weights = Weights(graph, 3)
    plan = Plan(backend, graph, weights, N, keep=["out", "loss", "fcact1"] + pools, train=True,
                want_weights=True, avoid=avoid)
    plan.feed("input", x)
    plan.feed("target", target)
    plan.forward()
    winner = [torch.from_numpy(plan.decisions(pool).astype(np.int64)) for pool in pools]
    plan.seed("loss", scale=1 / N)
    plan.backward()
    return plan, weights, winner


def compare(backend, lib, activation, batch_norm, size, limit, avoid=None):
    graph = graph_of(lib, activation, batch_norm, size)
    x = draw((N, 3, size, size), 1)
    label = np.arange(N) * 3 % CLASSES
    plan, weights, winner = ours(backend, graph, x, np.eye(CLASSES, dtype=np.float32)[label], avoid)
    net = Decided(activation, batch_norm, size)
    state = Weights(graph, 3).state()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=True)
    positive = [torch.from_numpy(plan.read(f"pool{i}") > 0) for i in range(1, 6)]
    logits = net.told(torch.from_numpy(x), winner, positive, torch.from_numpy(plan.read("fcact1") > 0))
    F.cross_entropy(logits, torch.from_numpy(label)).backward()
    worst = check("logits", plan.read("out"), logits.detach().numpy(), limit)
    grads = {name: p.grad.numpy() for name, p in net.named_parameters()}
    largest = max(np.abs(g).max() for g in grads.values())
    for name, grad in weights.grads().items():
        if batch_norm and name.startswith("conv") and name.endswith("bias"):
            # truly zero: batch norm takes the mean away
            for who, g in [("ours", grad), ("PyTorch's", grads[name])]:
                assert np.abs(g).max() < 1e-4 * largest, f"{name}: {who} is {np.abs(g).max():.3g}"
            continue
        worst = max(worst, check("d" + name, grad, grads[name], limit, 1e-3 * largest))
    share = net.turned / net.decided
    assert share < 1e-4, f"{net.turned} of {net.decided} decisions differ"
    return worst, net.turned, net.decided


def paths(lib):
    """(name, backend, kernels avoided, limit): ref, then each instruction set, direct and as timed."""
    yield "ref", Backend(lib, "ref", 2), None, 1e-4
    for isa in ISAS:
        backend = cpu(lib, isa)
        if backend:
            yield f"{isa} direct", backend, WINOGRAD, 1e-4
            yield f"{isa} timed", backend, None, 3e-4


def sweep(lib, backend, activation, limit, avoid):
    """Batch norm on and off, at 64 and 96 px."""
    worst, turned, decided = 0.0, 0, 0
    for batch_norm in [True, False]:
        for size in [64, 96]:
            try:
                w, t, d = compare(backend, lib, activation, batch_norm, size, limit, avoid)
            except AssertionError as e:
                raise AssertionError(f"batch norm {batch_norm}, {size} px: {e}") from None
            worst, turned, decided = max(worst, w), turned + t, decided + d
    return f"worst {worst:.2g} of the maximum, {turned} of {decided} decisions turned"


def maps_one_to_one(lib):
    graph = graph_of(lib, "relu", True, 64)
    net = Cnn5(FILTERS, "relu", True, DENSE, CLASSES, 64)
    state = Weights(graph, 1).state()
    theirs = net.state_dict()
    assert list(state) == list(theirs), f"names differ: {set(state) ^ set(theirs)}"
    net.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=True)
    for name, value in net.state_dict().items():
        assert tuple(value.shape) == state[name].shape, name
        assert np.array_equal(value.numpy(), state[name]), name


def evaluates_alike(lib, backend):
    """After a training step, evaluation with running statistics."""
    graph = graph_of(lib, "silu", True, 64)
    x = draw((N, 3, 64, 64), 1)
    weights = Weights(graph, 3)
    train = Plan(backend, graph, weights, N, keep=["out"], train=True)
    for _ in range(3):
        train.feed("input", x)
        train.forward()
    plan = Plan(backend, graph, weights, N, keep=["out"])
    plan.feed("input", x[:3])
    plan.forward()
    net = Cnn5(FILTERS, "silu", True, DENSE, CLASSES, 64)
    net.load_state_dict({k: torch.from_numpy(v) for k, v in Weights(graph, 3).state().items()})
    with torch.no_grad():
        for _ in range(3):
            net(torch.from_numpy(x))
        net.eval()
        expected = net(torch.from_numpy(x[:3])).numpy()
    for name, value in net.state_dict().items():
        check(name, weights.get(name), value.numpy(), 3e-4)
    check("logits", plan.read("out"), expected, 3e-4)


def bf16_close(lib, backend):
    """Mixed precision: the loss of fp32, and a gradient that turns from fp32's by no more than
    PyTorch's own does under autocast (a tenth allowed for chance); medians of four draws."""
    pairs = [bf16_angles(lib, backend, seed) for seed in range(1, 5)]
    mine, theirs = np.median(pairs, axis=0)
    assert mine <= 1.1 * theirs, f"gradient {mine:.3f} rad from fp32's, PyTorch's {theirs:.3f}"
    return f"gradient {mine:.3f} rad from fp32's, PyTorch's autocast {theirs:.3f}"


def angle(a, b):
    return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def bf16_angles(lib, backend, seed):
    """Angle between the fp32 and the bf16 gradient: ours, PyTorch's."""
    graph = graph_of(lib, "relu", True, 96)
    x, label = draw((N, 3, 96, 96), seed), np.arange(N)
    results = []
    for bf16 in [False, True]:
        weights = Weights(graph, 3)
        plan = Plan(backend, graph, weights, N, keep=["loss"], train=True, want_weights=True, bf16=bf16)
        plan.feed("input", x)
        plan.feed("target", np.eye(CLASSES, dtype=np.float32)[label])
        plan.forward()
        plan.seed("loss", scale=1 / N)
        plan.backward()
        results.append((plan.read("loss").mean(), np.concatenate(
            [g.ravel() for g in weights.grads().values()]).astype(np.float64)))
    (loss, g), (loss16, g16) = results
    assert abs(loss16 - loss) < 2e-2 * abs(loss), f"loss {loss16}, in fp32 {loss}"
    net = Cnn5(FILTERS, "relu", True, DENSE, CLASSES, 96)
    net.load_state_dict({k: torch.from_numpy(v) for k, v in Weights(graph, 3).state().items()})
    theirs = []
    for bf16 in [False, True]:
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            F.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(label)).backward()
        theirs.append(np.concatenate([p.grad.numpy().ravel() for p in net.parameters()]))
    return angle(g, g16), angle(*(t.astype(np.float64) for t in theirs))


def cases(lib):
    yield "state_dict maps one to one", lambda: maps_one_to_one(lib)
    for name, backend, avoid, limit in paths(lib):
        for activation in ACTIVATIONS:
            yield f"{name} {activation}", lambda b=backend, a=activation, v=avoid, m=limit: sweep(
                lib, b, a, m, v)
        yield f"{name} evaluation", lambda b=backend: evaluates_alike(lib, b)
    backend = cpu(lib, "avx512bf16")
    if backend:
        yield "bf16", lambda: bf16_close(lib, backend)
