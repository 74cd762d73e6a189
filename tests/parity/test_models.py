"""Architectures against torchvision (and timm's EfficientNet-Lite): names, blocks and logits in
evaluation, one training step, initial weights, the position embedding of another size.

The pictures and the weights are such that a mistake shows: leaving out any block moves the logits by
over 1 %, and two pictures differ by over 10 % (checked first, in torchvision).
"""

import collections
import os
import re
import subprocess

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.vision_transformer import interpolate_embeddings

from common import check, cpu, distance
from linnet import Backend, Graph, Plan, Weights
from torch_models import CLASSES, LITE, fitted, net_of, normalised, pictures, ready, settle

LIMIT = 1e-4
STEP_LIMIT = 1e-3
# Input sizes: the least that torchvision names (or near), and odd ones, where pools round.
SIZES = {"alexnet": (63, 75, 96), "vgg": (32, 46, 64), "inception_v3": (75, 86, 107),
         "vit_b_16": (32, 48, 80), "vit_b_32": (32, 64, 96)}
MODELS = ["mobilenet_v2", "squeezenet1_0", "squeezenet1_1", "resnet18", "resnet34", "resnet50",
          "resnet101", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
          "googlenet", "inception_v3", "efficientnet_v2_s", "efficientnet_v2_m", "vit_b_16", "vit_b_32",
          "alexnet", "densenet121", "mobilenet_v3_large", "mobilenet_v3_small", "convnext_tiny",
          "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", *LITE]
# Blocks inside those that are frozen as one.
INNER = {"MBConv", "FusedMBConv", "_DenseLayer", "LiteBlock"}


def sizes_of(name):
    return next((s for prefix, s in SIZES.items() if name.startswith(prefix)), (33, 46, 64))


def graph_of(lib, name, size, **options):
    return Graph(lib, {"model": name, "size": size, "classes": CLASSES, "u8": False, "dropout": 0,
                       "stochastic-depth": 0, "label-smoothing": 0, **options})


def logits_of(graph):
    return graph.nodes()[-3][0]  # before target and loss


def copied(graph, net, left_over=None):
    """Weights that hold net's state_dict; every name must map, but for those that left_over matches."""
    weights, state = Weights(graph), net.state_dict()
    for name in set(state) - set(weights.shape):
        assert left_over and re.match(left_over, name), f"{name} has no place"
    missing = set(weights.shape) - set(state)
    assert not missing, f"not in torchvision's state_dict: {sorted(missing)[:5]}"
    for name, shape in weights.shape.items():
        assert tuple(state[name].shape) == shape, f"{name} is {shape}, torchvision's {tuple(state[name].shape)}"
        weights.set(name, state[name].numpy())
    return weights


def last_below(graph, module):
    """The node that gives what the module gives: the last under its name."""
    return [n for n, _, _ in graph.nodes() if n == module or n.startswith(module + ".")][-1]


def parts_of(graph, net):
    """{module: node}: our blocks, and those inside them."""
    parts = {name: m for name, m in net.named_modules() if type(m).__name__ in INNER}
    return {**graph.blocks(), **{name: last_below(graph, name) for name in parts}}


def outputs(net, parts, x):
    """(logits, {module: its output}); cloned at once, for what follows may work in place."""
    seen, hooks = {}, []
    for name in parts:
        hooks.append(net.get_submodule(name).register_forward_hook(
            lambda m, i, y, name=name: seen.__setitem__(name, y.clone())))
    with torch.no_grad():
        logits = net(x)
    for h in hooks:
        h.remove()
    return logits, seen


def without(net, x, module, before):
    """Logits when the module's output is made of `before`'s output (None: of its own input)."""
    held = {}

    def replace(m, inputs, y):
        source = held["x"] if before else inputs[0]
        source = torch.cat(source, 1) if isinstance(source, list) else source
        return fitted(source, y)
    hooks = [net.get_submodule(module).register_forward_hook(replace)]
    if before:
        hooks.append(net.get_submodule(before).register_forward_hook(
            lambda m, i, y: held.__setitem__("x", y.clone())))
    with torch.no_grad():
        logits = net(x)
    for h in hooks:
        h.remove()
    return logits


def prove(net, graph, x):
    """The test would see a block that is left out, and a picture that is not looked at."""
    logits = net(x).detach()
    for i in range(len(x) - 1):
        moved = distance(logits[i], logits[i + 1])
        assert moved > 0.1, f"pictures {i} and {i + 1} differ by {moved:.3g} only"
    blocks = list(graph.blocks())
    before = dict(zip(blocks[1:], blocks))
    least = 1.0
    for module in parts_of(graph, net):
        if module == blocks[0]:
            continue  # without it there is nothing of the right kind
        moved = distance(without(net, x[:2], module, before.get(module)), logits[:2])
        assert moved > 0.01, f"leaving out {module} moves the logits by {moved:.3g} only"
        least = min(least, moved)
    return least


def compare(backend, graph, weights, net, x):
    """The worst distance of logits and blocks, for batches of five and of one; of the logits also where
    nothing else is kept, so that all is fused that can be."""
    parts, worst, logits = parts_of(graph, net), 0.0, logits_of(graph)
    plan = Plan(backend, graph, weights, len(x), keep=[logits, *parts.values()])
    alone = Plan(backend, graph, weights, len(x), keep=[logits])
    for batch in (x, x[:1]):
        for p in (plan, alone):
            p.feed("input", batch.numpy())
            p.forward()
        expected, seen = outputs(net, parts, batch)
        for module, node in parts.items():
            worst = max(worst, check(f"{module}, batch {len(batch)}", plan.read(node),
                                     seen[module].numpy(), LIMIT))
        for p in (plan, alone):
            worst = max(worst, check(f"logits, batch {len(batch)}", p.read(logits),
                                     expected.numpy(), LIMIT))
    return worst


def resized(net, name, size):
    """The same weights for another input: batch norms settle anew (what has passed through statistics
    of another size is too large to compare), a vision transformer's positions are resampled."""
    if not name.startswith("vit"):
        settle(net, size, 2)
        return net
    patch = int(name[-2:])
    other = net_of(name, size)
    other.load_state_dict(interpolate_embeddings(size, patch, net.state_dict()))
    return other.eval()


def evaluates_alike(lib, name):
    backend, worst = Backend(lib, "cpu", 2), 0.0
    sizes = sizes_of(name)
    net = ready(name, sizes[0], 1)
    for size in sizes:
        if size != sizes[0]:
            net = resized(net, name, size)
        graph = graph_of(lib, name, size)
        weights = copied(graph, net)
        x = normalised(pictures(5, size, 2))
        if size == sizes[0]:
            least = prove(net, graph, x)
        worst = max(worst, compare(backend, graph, weights, net, x))
    return f"worst {worst:.2g}; a block left out moves the logits by {least:.2g} at least"


class Told:
    """While it is open, PyTorch's kinks and max-pools decide as the nodes of a plan did, in order; those
    that it would have decided otherwise are counted."""

    def __init__(self, graph, plan, nodes):
        self.plan, self.queue = plan, collections.deque(nodes)
        self.op = {name: op for name, op, _ in graph.nodes()}
        self.turned = self.decided = 0

    def next(self, op):
        name = self.queue.popleft()
        assert self.op[name] == op, f"{name} is {self.op[name]}, PyTorch runs {op}"
        return name

    def relu(self, x, inplace=False):
        on = torch.from_numpy(self.plan.read(self.next("activation")) > 0)
        self.count(x > 0, on)
        return x * on

    def relu6(self, x, min_val=0.0, max_val=6.0, inplace=False):
        y = torch.from_numpy(self.plan.read(self.next("activation")))
        on, high = (y > 0) & (y < 6), y >= 6
        self.count((x > 0) & (x < 6), on)
        return x * on + 6.0 * high

    def max_pool2d(self, x, *args, **kw):
        winner = torch.from_numpy(self.plan.decisions(self.next("max_pool")).astype(np.int64))
        kw.pop("return_indices", None)
        with torch.no_grad():
            own, own_winner = self.own[2](x, *args, return_indices=True, **kw)
        y = x.flatten(2).gather(2, winner.flatten(2)).view(own.shape)
        self.count(own_winner, winner, own != y)  # zeros behind a ReLU tie without effect
        return y

    def count(self, own, told, where=True):
        self.decided += told.numel()
        self.turned += int(((own != told) & where).sum())

    def __enter__(self):
        self.own = F.relu, F.hardtanh, F.max_pool2d
        F.relu, F.hardtanh, F.max_pool2d = self.relu, self.relu6, self.max_pool2d
        F.relu6 = lambda x, inplace=False: self.relu6(x)
        return self

    def __exit__(self, *_):
        F.relu, F.hardtanh, F.max_pool2d = self.own
        assert not self.queue, f"PyTorch ran none of {list(self.queue)[:3]}"


def kinked(graph, net):
    """The nodes that decide: max-pools and, where the network's activations have kinks, those."""
    smooth = any(isinstance(m, (nn.SiLU, nn.GELU, nn.Hardswish)) for m in net.modules())
    nodes = [(name, op) for name, op, _ in graph.nodes()]
    for aux, behind in [("aux1.", "inception4a."), ("aux2.", "inception4d.")]:  # as torchvision runs them
        moved = [n for n in nodes if n[0].startswith(aux)]
        nodes = [n for n in nodes if n not in moved]
        at = [i for i, n in enumerate(nodes) if n[0].startswith(behind)]
        nodes[at[-1] + 1 if at else 0:0] = moved
    return [name for name, op in nodes if op == "max_pool" or (op == "activation" and not smooth)]


def steps_alike(lib, name, size, aux=False):
    n, backend = 4, Backend(lib, "cpu", 2)
    net = ready(name, size, 1, aux).train()
    graph = graph_of(lib, name, size, **({"aux": True} if aux else {}))
    weights = copied(graph, net)
    decisions, logits = kinked(graph, net), logits_of(graph)
    plan = Plan(backend, graph, weights, n, keep=["loss", logits, *decisions], train=True,
                want_weights=True)
    x, label = normalised(pictures(n, size, 2)), torch.arange(n)
    plan.feed("input", x.numpy())
    plan.feed("target", np.eye(CLASSES, dtype=np.float32)[label])
    plan.forward()
    with Told(graph, plan, decisions) as told:
        out = net(x)
        loss = F.cross_entropy(out.logits if aux else out, label)
        for other in (out.aux_logits1, out.aux_logits2) if aux else ():
            loss = loss + 0.3 * F.cross_entropy(other, label)
    loss.backward()
    plan.seed("loss", scale=1 / n)
    plan.backward()
    check("loss", plan.read("loss").mean(), loss.item(), LIMIT)
    grads = {k: p.grad.numpy() for k, p in net.named_parameters()}
    largest = max(np.abs(g).max() for g in grads.values())
    ours = weights.grads()
    assert set(ours) == set(grads)
    worst = max(check("d" + k, ours[k], g, STEP_LIMIT, 1e-3 * largest) for k, g in grads.items())
    assert told.turned <= 1e-4 * told.decided, f"{told.turned} of {told.decided} decisions differ"
    return f"worst {worst:.2g}, {told.turned} of {told.decided} decisions turned"


def looks_alike(lib, name, size):
    """uint8 pictures: our normalisation (and remapping) against the float path of torchvision."""
    net = ready(name, size, 1)
    if name in ("googlenet", "inception_v3"):
        net.transform_input = True
    graph = graph_of(lib, name, size, u8=True)
    weights, logits, u8 = copied(graph, net), logits_of(graph), pictures(3, size, 2)
    plan = Plan(Backend(lib, "cpu", 2), graph, weights, 3, keep=[logits])
    plan.feed("input", u8)
    plan.forward()
    with torch.no_grad():
        check("logits", plan.read(logits), net(normalised(u8)).numpy(), LIMIT)


def ignores_auxiliary_heads(lib):
    """Published files hold them: built without, nothing else is left over; with them, all maps."""
    for name, left_over in [("googlenet", r"aux[12]\."), ("inception_v3", r"AuxLogits\.")]:
        net = net_of(name, 75, aux=True)
        copied(graph_of(lib, name, 75), net, left_over)
    copied(graph_of(lib, "googlenet", 75, aux=True), net_of("googlenet", 75, aux=True))
    copied(graph_of(lib, "inception_v3", 299, aux=True), net_of("inception_v3", 299, aux=True))


def begins_alike(lib, name, size):
    """Initial weights: constants equal; else mean and deviation, and how far the tails reach."""
    torch.manual_seed(0)
    aux = name in ("googlenet", "inception_v3")
    theirs = net_of(name, size, aux=aux, fresh=True).state_dict()
    weights = Weights(graph_of(lib, name, size, **({"aux": True} if aux else {})), 5)
    for key, value in theirs.items():
        a, b = weights.get(key).astype(np.float64).ravel(), value.numpy().astype(np.float64).ravel()
        if np.ptp(b) == 0:
            assert np.ptp(a) == 0 and abs(a[0] - b[0]) <= 1e-7 * abs(b[0]), f"{key}: {a[:3]}, not {b[:3]}"
            continue
        assert np.ptp(a) > 0, f"{key} is constant"
        if a.size < 300:
            continue
        wide = 7 / np.sqrt(2 * a.size)
        assert abs(a.std() / b.std() - 1) < 2 * wide, f"{key}: deviation {a.std():.4g}, torchvision's {b.std():.4g}"
        assert abs(a.mean() - b.mean()) < 2 * wide * b.std(), f"{key}: mean {a.mean():.3g}"
        uniform = [np.abs(v).max() < 2.1 * v.std() for v in (a, b)]
        assert uniform[0] == uniform[1], f"{key}: ours uniform {uniform[0]}, torchvision's {uniform[1]}"


def positions_alike(lib, program):
    rng, hidden = np.random.default_rng(0), 5
    for old, new in [(14, 24), (7, 14), (7, 3), (2, 1), (1, 4), (24, 14)]:
        table = rng.standard_normal((1, old * old + 1, hidden)).astype(np.float32)
        expected = interpolate_embeddings(16 * new, 16, {"encoder.pos_embedding": torch.from_numpy(table)})
        out = subprocess.run([program, str(old), str(new), str(hidden)], input=table.tobytes(),
                             stdout=subprocess.PIPE, check=True).stdout
        check(f"{old} to {new}", np.frombuffer(out, np.float32).reshape(1, -1, hidden),
              expected["encoder.pos_embedding"].numpy(), 1e-5)


def cases(lib):
    program = os.path.join(os.path.dirname(lib.so._name), "test", "parity_embedding")
    yield "position embedding", lambda: positions_alike(lib, program)
    yield "auxiliary heads", lambda: ignores_auxiliary_heads(lib)
    for name, size in [("mobilenet_v2", 64), ("googlenet", 64), ("inception_v3", 75)]:
        yield f"{name} uint8", lambda n=name, s=size: looks_alike(lib, n, s)
    for name in MODELS:
        yield f"{name} evaluation", lambda n=name: evaluates_alike(lib, n)
    for name, size in [("mobilenet_v2", 64), ("resnet18", 64), ("vgg11_bn", 32), ("googlenet", 64),
                       ("inception_v3", 139), ("efficientnet_v2_s", 64), ("vit_b_32", 64)]:
        yield f"{name} step", lambda n=name, s=size: steps_alike(lib, n, s)
    yield "googlenet step with aux", lambda: steps_alike(lib, "googlenet", 64, True)
    for name in ["mobilenet_v2", "squeezenet1_0", "resnet18", "vgg11_bn", "googlenet", "inception_v3",
                 "alexnet", "densenet121", "mobilenet_v3_small", "convnext_tiny", "efficientnet_b0",
                 "efficientnet_v2_s", "vit_b_32"]:
        yield f"{name} initial weights", lambda n=name: begins_alike(lib, n, 299 if n == "inception_v3" else 64)
