"""Training as PyTorch trains: five steps of each optimiser, fifty steps against fp64."""

import numpy as np
import torch
import torch.nn.functional as F

from common import cpu, draw
from linnet import Backend, Graph, Optimiser, Plan, Weights
from test_cnn5 import WINOGRAD
from torch_cnn5 import Cnn5

FILTERS = [16, 32, 32, 32, 16]
N, CLASSES, DENSE, SIDE = 8, 10, 32, 64

OPTIMISERS = {  # our options, torch's
    "sgd": ({"optimiser": "sgd", "lr": 0.01}, lambda p: torch.optim.SGD(p, 0.01)),
    "momentum": ({"optimiser": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3,
                  "decay_all": True},
                 lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, weight_decay=1e-3)),
    "nesterov": ({"optimiser": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": True},
                 lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, nesterov=True)),
    "adam": ({"optimiser": "adam", "lr": 1e-3}, lambda p: torch.optim.Adam(p, 1e-3)),
    "adamw": ({"optimiser": "adamw", "lr": 1e-3, "weight_decay": 0.05, "decay_all": True},
              lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.05)),
    "nadam": ({"optimiser": "nadam", "lr": 1e-3}, lambda p: torch.optim.NAdam(p, 1e-3)),
    "radam": ({"optimiser": "radam", "lr": 1e-3}, lambda p: torch.optim.RAdam(p, 1e-3)),
    "rmsprop": ({"optimiser": "rmsprop", "lr": 1e-4}, lambda p: torch.optim.RMSprop(p, 1e-4)),
    "adagrad": ({"optimiser": "adagrad", "lr": 1e-3}, lambda p: torch.optim.Adagrad(p, 1e-3)),
}


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of arXiv 2302.06675; PyTorch has none."""

    def __init__(self, params, lr, betas=(0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.add_(torch.sign(b1 * m + (1 - b1) * p.grad), alpha=-group["lr"])
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


OPTIMISERS["lion"] = ({"optimiser": "lion", "lr": 1e-4, "weight_decay": 0}, lambda p: Lion(p, 1e-4))


def batches(steps, seed):
    """Two batches in turn: pictures with something to learn."""
    label = np.arange(N) % CLASSES
    x = draw((2, N, 3, SIDE, SIDE), seed)
    x += np.sin(np.arange(SIDE) * (1 + label[:, None]) / 4)[None, :, None, None, :].astype(np.float32)
    return [(x[i % 2], label) for i in range(steps)]


def ours(lib, backend, options, steps, seed, avoid=None, bf16=False):
    """(losses, final weights)"""
    graph = Graph(lib, {"model": "cnn5", "filters": FILTERS, "dense": [DENSE], "size": SIDE,
                        "classes": CLASSES, "label-smoothing": 0.0, "u8": False})
    weights = Weights(graph, seed)
    plan = Plan(backend, graph, weights, N, keep=["loss"], train=True, want_weights=True, avoid=avoid,
                bf16=bf16)
    optimiser = Optimiser(backend, graph, options)
    losses = []
    for step, (x, label) in enumerate(batches(steps, seed)):
        plan.feed("input", x)
        plan.feed("target", np.eye(CLASSES, dtype=np.float32)[label])
        plan.forward(step)
        plan.seed("loss", scale=1 / N)
        plan.backward()
        losses.append(float(plan.read("loss").mean()))
        optimiser.step(weights)
    return np.array(losses), weights.state()


def theirs(lib, make, steps, seed, dtype=torch.float32):
    graph = Graph(lib, {"model": "cnn5", "filters": FILTERS, "dense": [DENSE], "size": SIDE,
                        "classes": CLASSES})
    net = Cnn5(FILTERS, "relu", True, DENSE, CLASSES, SIDE)
    net.load_state_dict({k: torch.from_numpy(v) for k, v in Weights(graph, seed).state().items()})
    net = net.to(dtype)
    optimiser = make(net.parameters())
    losses = []
    for x, label in batches(steps, seed):
        optimiser.zero_grad()
        loss = F.cross_entropy(net(torch.from_numpy(x).to(dtype)), torch.from_numpy(label))
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return np.array(losses), {k: v.double().numpy() for k, v in net.state_dict().items()}


def five_steps(lib, backend, name, limit, bf16=False):
    options, make = OPTIMISERS[name]
    mine, _ = ours(lib, backend, options, 5, 1, bf16=bf16)
    peer, _ = theirs(lib, make, 5, 1)
    apart = np.abs(mine - peer).max() / np.abs(peer).max()
    assert apart < limit, f"losses {mine} and PyTorch's {peer}"
    assert peer[-1] != peer[0]
    return f"losses {apart:.2g} apart"


def far(state, reference):
    """Distance of all trained weights from the reference's, over its norm."""
    keys = [k for k in reference if not k.endswith(("running_mean", "running_var", "tracked"))]
    a = np.concatenate([np.asarray(state[k], np.float64).ravel() for k in keys])
    b = np.concatenate([reference[k].ravel() for k in keys])
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def fifty_steps(lib, backend):
    """At most twice as far from PyTorch in fp64 as PyTorch in fp32 is, median of five seeds."""
    options, make = OPTIMISERS["adam"]
    rows = []
    for seed in range(1, 6):
        _, exact = theirs(lib, make, 50, seed, torch.float64)
        _, peer = theirs(lib, make, 50, seed)
        _, direct = ours(lib, backend, options, 50, seed, WINOGRAD)
        _, timed = ours(lib, backend, options, 50, seed)
        rows.append([far(s, exact) for s in (peer, direct, timed)])
    peer, direct, timed = np.median(rows, axis=0)
    assert direct <= 2 * peer, f"direct {direct:.3g}, PyTorch fp32 {peer:.3g} from fp64"
    return f"from fp64 after 50 steps: PyTorch fp32 {peer:.3g}, direct {direct:.3g}, timed {timed:.3g}"


def cases(lib):
    backend = Backend(lib, "cpu", 2)
    for name in OPTIMISERS:
        yield name, lambda n=name: five_steps(lib, backend, n, 1e-3)
    avx512bf16 = cpu(lib, "avx512bf16")
    if avx512bf16:
        for name in ["sgd", "adam"]:
            yield f"{name} bf16", lambda n=name: five_steps(lib, avx512bf16, n, 2e-2, bf16=True)
    yield "fifty steps", lambda: fifty_steps(lib, backend)
