"""Initial weights: PyTorch's distributions, tensor by tensor."""

import numpy as np
import torch

from linnet import Graph, Weights
from torch_cnn5 import Cnn5

FILTERS = [32, 64, 64, 64, 32]
DENSE = 64


def uniform_distance(sample, bound):
    """Kolmogorov and Smirnov's statistic against the uniform distribution on +-bound."""
    x = np.sort(sample.ravel().astype(np.float64))
    cdf = (x + bound) / (2 * bound)
    n = x.size
    return max((np.arange(1, n + 1) / n - cdf).max(), (cdf - np.arange(n) / n).max())


def drawn_alike(lib, name):
    torch.manual_seed(0)
    theirs = Cnn5(FILTERS, dense=DENSE, size=64).state_dict()[name].numpy()
    graph = Graph(lib, {"model": "cnn5", "filters": FILTERS, "dense": [DENSE], "size": 64})
    mine = Weights(graph, 5).get(name)
    if mine.std() == 0 or theirs.std() == 0:
        assert np.array_equal(mine, theirs), f"{mine.ravel()[:3]}, PyTorch has {theirs.ravel()[:3]}"
        return
    layer = name.rsplit(".", 1)[0]
    weight = Weights(graph, 5).get(layer + ".weight")
    bound = 1 / np.sqrt(weight[0].size)  # kaiming_uniform_(a=sqrt(5)) and the bias's rule
    for who, sample in [("ours", mine), ("PyTorch's", theirs)]:
        assert np.abs(sample).max() <= bound * (1 + 1e-6), f"{who}: beyond {bound}"
        d = uniform_distance(sample, bound)
        assert d < 1.95 / np.sqrt(sample.size), f"{who}: {d:.4f} from uniform"  # p = 0.001


def seeds_differ(lib):
    graph = Graph(lib, {"model": "cnn5", "filters": FILTERS, "size": 64})
    a, b, c = (Weights(graph, seed).get("conv2.weight") for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    other = Weights(graph, 1).get("conv3.weight")
    assert abs(np.corrcoef(a.ravel()[:other.size], other.ravel()[:a.size])[0, 1]) < 0.02


def cases(lib):
    for name in Cnn5(FILTERS, dense=DENSE, size=64).state_dict():
        yield name, lambda n=name: drawn_alike(lib, n)
    yield "seeds", lambda: seeds_differ(lib)
