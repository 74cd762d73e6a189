"""cnn5 as a PyTorch user would write it, with linnet's names: what parity and speed are judged against."""

import torch
from torch import nn

CONFIGS = {
    "a": {"filters": [32] * 5, "activation": "relu"},
    "b": {"filters": [32, 64, 128, 256, 512], "activation": "relu"},
    "c": {"filters": [512, 256, 128, 64, 32], "activation": "silu"},
}

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "relu6": nn.ReLU6,
    "hardsigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


class Cnn5(nn.Module):
    """Five blocks of convolution, (batch norm), activation, max-pool; a dense layer; the output."""

    def __init__(self, filters, activation="relu", batch_norm=True, dense=64, classes=10, size=256,
                 kernel=3):
        super().__init__()
        self.n_block = len(filters)
        channels = 3
        for i, out in enumerate(filters, 1):
            setattr(self, f"conv{i}", nn.Conv2d(channels, out, kernel, padding=kernel // 2))
            if batch_norm:
                setattr(self, f"bn{i}", nn.BatchNorm2d(out))
            channels = out
        side = size >> self.n_block
        self.fc1 = nn.Linear(channels * side * side, dense)
        self.out = nn.Linear(dense, classes)
        self.activation = ACTIVATIONS[activation]()
        self.pool = nn.MaxPool2d(2)
        self.batch_norm = batch_norm

    def forward(self, x):
        for i in range(1, self.n_block + 1):
            x = getattr(self, f"conv{i}")(x)
            if self.batch_norm:
                x = getattr(self, f"bn{i}")(x)
            x = self.pool(self.activation(x))
        x = self.activation(self.fc1(torch.flatten(x, 1)))
        return self.out(x)
