"""torchvision's architectures as the parity tests take them: built for any size, weights and buffers
redrawn, batch norms calibrated by pictures; and timm's EfficientNet-Lite written out."""

import contextlib
import glob
import os

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn
from torchvision.ops import StochasticDepth

here = os.path.dirname(os.path.abspath(__file__))
SAMPLES = os.path.join(here, "..", "..", "..", "shared", "data", "imagenet_samples")
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
CLASSES = 10


class NormAct(nn.BatchNorm2d):
    """timm's BatchNormAct2d."""

    def forward(self, x):
        return F.relu6(super().forward(x))


class LiteBlock(nn.Module):
    """timm's DepthwiseSeparableConv (expand = 1) and InvertedResidual."""

    def __init__(self, cin, out, expand, kernel, stride):
        super().__init__()
        hidden = cin * expand
        self.expand, self.skip = expand > 1, stride == 1 and cin == out
        depthwise = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False)
        if self.expand:
            self.conv_pw, self.bn1 = nn.Conv2d(cin, hidden, 1, bias=False), NormAct(hidden)
            self.conv_dw, self.bn2 = depthwise, NormAct(hidden)
            self.conv_pwl, self.bn3 = nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out)
        else:
            self.conv_dw, self.bn1 = depthwise, NormAct(hidden)
            self.conv_pw, self.bn2 = nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out)

    def forward(self, x):
        if self.expand:
            y = self.bn1(self.conv_pw(x))
            y = self.bn3(self.conv_pwl(self.bn2(self.conv_dw(y))))
        else:
            y = self.bn2(self.conv_pw(self.bn1(self.conv_dw(x))))
        return x + y if self.skip else y


class Lite(nn.Module):
    ROWS = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
            (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]  # expand, kernel, stride, out, repeat

    def __init__(self, width, depth, num_classes):
        super().__init__()
        divisible = torchvision.models._utils._make_divisible
        self.conv_stem, self.bn1 = nn.Conv2d(3, 32, 3, 2, 1, bias=False), NormAct(32)
        stages, cin = [], 32
        for expand, kernel, stride, out, repeat in self.ROWS:
            out, layers = divisible(out * width, 8), []
            for i in range(int(np.ceil(repeat * depth)) if repeat > 1 else 1):
                layers.append(LiteBlock(cin, out, expand, kernel, stride if i == 0 else 1))
                cin = out
            stages.append(nn.Sequential(*layers))
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = nn.Conv2d(cin, 1280, 1, bias=False), NormAct(1280)
        self.classifier = nn.Linear(1280, num_classes)

    def forward(self, x):
        x = self.blocks(self.bn1(self.conv_stem(x)))
        return self.classifier(self.bn2(self.conv_head(x)).mean((2, 3)))


LITE = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1),
        "efficientnet_lite2": (1.1, 1.2)}


def net_of(name, size, aux=False, fresh=False, classes=CLASSES):
    """The module, without its initial weights unless fresh (they take longer than all the rest)."""
    options = {"num_classes": classes}
    if name.startswith("vit"):
        options["image_size"] = size
    if name in ("googlenet", "inception_v3"):
        options.update(aux_logits=aux, init_weights=fresh)
    if name in LITE:
        return Lite(*LITE[name], classes)
    with contextlib.nullcontext() if fresh else torch.device("meta"):
        net = getattr(torchvision.models, name)(**options)
    return net if fresh else net.to_empty(device="cpu")


def pictures(n, size, seed=0):
    """(n, size, size, 3) uint8: real ones where they are, else coloured waves."""
    found = sorted(glob.glob(os.path.join(SAMPLES, "*.JPEG")))
    if found:
        at = np.random.default_rng(seed).choice(len(found), n, replace=False)
        return np.stack([np.asarray(Image.open(found[i]).convert("RGB").resize((size, size)))
                         for i in at])
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:1:size * 1j, 0:1:size * 1j]
    out = np.empty((n, size, size, 3), np.uint8)
    for i in range(n):
        wave = sum(np.sin(2 * np.pi * (fx * x + fy * y + phase))[..., None] * colour
                   for fx, fy, phase, colour in [(*rng.uniform(-12, 12, 2), rng.uniform(), rng.normal(0, 40, 3))
                                                 for _ in range(6)])
        out[i] = np.clip(wave + rng.uniform(60, 200, 3) + rng.normal(0, 8, (size, size, 3)), 0, 255)
    return out


def normalised(u8, mean=MEAN, std=STD):
    return torch.from_numpy(np.ascontiguousarray(((u8 / np.float32(255) - mean) / std).transpose(0, 3, 1, 2),
                                                 dtype=np.float32))


def without_chance(net):
    """Dropout and stochastic depth off in training too."""
    for m in net.modules():
        if isinstance(m, (nn.Dropout, StochasticDepth)):
            m.p = 0.0
        if isinstance(m, nn.MultiheadAttention):
            m.dropout = 0.0


def ends_a_branch(net):
    """The norms behind which a residual branch is added to its input."""
    out = set()
    for m in net.modules():
        skips = getattr(m, "use_res_connect", getattr(m, "skip", type(m).__name__ in ("BasicBlock", "Bottleneck")))
        inner = [(k, n) for k, n in m.named_modules() if isinstance(n, nn.BatchNorm2d) and "downsample" not in k]
        if skips and inner:
            out.add(inner[-1][1])
    return out


def draw_all(net, seed):
    """Every parameter anew, of ordinary size. Deep networks of random weights turn rounding into noise;
    so batch norms shift more up than down, and those at the end of a branch scale by a quarter."""
    g = torch.Generator().manual_seed(seed)
    branches = ends_a_branch(net)
    norms = {name: isinstance(m, nn.BatchNorm2d) for name, m in net.named_modules()
             if isinstance(m, (nn.BatchNorm2d, nn.LayerNorm))}
    with torch.no_grad():
        for name, p in net.named_parameters():
            batch_norm = norms.get(name.rpartition(".")[0])
            if name.endswith("layer_scale") or (batch_norm is not None and name.endswith("weight")):
                p.uniform_(0.5, 1.5, generator=g)
            elif batch_norm:
                p.normal_(0.5, 0.5, generator=g)
            elif p.dim() < 2:
                p.normal_(0, 0.2, generator=g)
            elif p.dim() == 3:  # class token, position embedding
                p.normal_(0, 0.5, generator=g)
            else:
                p.normal_(0, (2 / p[0].numel()) ** 0.5, generator=g)
        for m in branches:
            m.weight.mul_(0.25)


def settle(net, size, seed):
    """Statistics of batch norms as pictures make them; without norms, layers of unit outputs."""
    x = normalised(pictures(16, size, seed))
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # the average of all batches
    hooks = []
    if not any(isinstance(m, (nn.BatchNorm2d, nn.LayerNorm)) for m in net.modules()):
        def unit(m, _, y):
            over = [i for i in range(y.dim()) if i != 1]
            mean, std = y.mean(over), y.std(over) + 0.05
            m.weight.div_(std.view(-1, *[1] * (m.weight.dim() - 1)))
            own = m.bias.clone()
            m.bias.sub_(mean).div_(std).add_(own)
            return (y - mean.view(-1, *[1] * (y.dim() - 2))) / std.view(-1, *[1] * (y.dim() - 2)) \
                + own.view(-1, *[1] * (y.dim() - 2))
        hooks = [m.register_forward_hook(unit) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        net.train()
        net(x)
        net.eval()
    for h in hooks:
        h.remove()


def ready(name, size, seed, aux=False):
    """The module, redrawn and settled."""
    net = net_of(name, size, aux)
    without_chance(net)
    draw_all(net, seed)
    settle(net, size, seed + 1)
    return net


def fitted(x, like):
    """x in the shape of `like`: cells averaged, channels cut off or zeros put behind them."""
    if x.dim() == 4 and like.dim() == 2:
        x = x.mean((2, 3))
    if x.dim() == 4:
        x = F.adaptive_avg_pool2d(x, like.shape[2:])
    lacking = like.shape[1] - x.shape[1]
    if x.dim() == 3 and x.shape == like.shape or lacking == 0:
        return x
    x = x[:, :like.shape[1]]
    return F.pad(x, (0, 0) * (x.dim() - 2) + (0, max(0, lacking)))
