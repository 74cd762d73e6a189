"""Writes optim.inc: what torch.optim makes of eight weights in twelve steps, and what
torch.optim.lr_scheduler makes of a rate of 1. Run: python tests/golden/optim.py > tests/golden/optim.inc"""

import math
import torch

START = [1.0, -2.0, 0.5, 3.0, -0.25, 0.0, 1.5, -1.0]
SLOPE = [1.0, 0.5, 2.0, 0.1, 1.5, 0.7, 0.01, 3.0]
STEPS = 12


def gradient(w, step):
    push = [0.1 * math.sin(step + i) for i in range(len(START))]
    return torch.tensor(SLOPE) * w.detach() + torch.tensor(push)


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of arXiv 2302.06675; torch.optim has none."""

    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                b1, b2 = group["betas"]
                with torch.no_grad():
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(group["lr"] * torch.sign(b1 * m + (1 - b1) * p.grad))
                    m.mul_(b2).add_((1 - b2) * p.grad)


CASES = [
    ("sgd", "", torch.optim.SGD, dict(lr=0.05)),
    ("sgd", "momentum=0.9", torch.optim.SGD, dict(lr=0.05, momentum=0.9)),
    ("sgd", "momentum=0.9 nesterov=true weight_decay=0.1", torch.optim.SGD,
     dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)),
    ("sgd", "momentum=0.8 dampening=0.5", torch.optim.SGD,
     dict(lr=0.05, momentum=0.8, dampening=0.5)),
    ("adam", "", torch.optim.Adam, dict(lr=0.05)),
    ("adam", "weight_decay=0.1 beta1=0.8 beta2=0.95", torch.optim.Adam,
     dict(lr=0.05, weight_decay=0.1, betas=(0.8, 0.95))),
    ("adamw", "weight_decay=0.01", torch.optim.AdamW, dict(lr=0.05)),
    ("nadam", "", torch.optim.NAdam, dict(lr=0.05)),
    ("radam", "", torch.optim.RAdam, dict(lr=0.05)),
    ("radam", "weight_decay=0.1 beta2=0.9", torch.optim.RAdam,
     dict(lr=0.05, weight_decay=0.1, betas=(0.9, 0.9))),
    ("rmsprop", "", torch.optim.RMSprop, dict(lr=0.05)),
    ("rmsprop", "momentum=0.9 centered=true alpha=0.9", torch.optim.RMSprop,
     dict(lr=0.005, momentum=0.9, centered=True, alpha=0.9)),
    ("adagrad", "", torch.optim.Adagrad, dict(lr=0.05)),
    ("adagrad", "lr_decay=0.1 weight_decay=0.1", torch.optim.Adagrad,
     dict(lr=0.05, lr_decay=0.1, weight_decay=0.1)),
    ("lion", "", Lion, dict(lr=0.05)),
    ("lion", "weight_decay=0.1 beta1=0.8", Lion,
     dict(lr=0.05, weight_decay=0.1, betas=(0.8, 0.99))),
]

print("/* Written by tests/golden/optim.py with torch %s. */" % torch.__version__.split("+")[0])
print("static const float start[] = {%s};" % ", ".join(repr(x) + "f" for x in START))
print("static const float slope[] = {%s};" % ", ".join(repr(x) + "f" for x in SLOPE))
print("static const struct { const char *rule, *set; double lr; float w[8]; } golden[] = {")
for rule, flags, kind, args in CASES:
    w = torch.nn.Parameter(torch.tensor(START))
    optimiser = kind([w], **args)
    for step in range(STEPS):
        w.grad = gradient(w, step)
        optimiser.step()
    print('    {"%s", "%s", %r, {%s}},' % (rule, flags, args["lr"],
          ", ".join("%.9g" % x + "f" if "." in "%.9g" % x or "e" in "%.9g" % x else "%.9g.0f" % x
                    for x in w.tolist())))
print("};")


def rates(make, steps, epoch_steps):
    p = torch.nn.Parameter(torch.zeros(1))
    o = torch.optim.SGD([p], lr=1.0)
    s = make(o)
    out = []
    for i in range(steps):
        out.append(o.param_groups[0]["lr"])
        o.step()
        if (i + 1) % epoch_steps == 0:
            s.step()
    return out


R = torch.optim.lr_scheduler
SCHEDULES = [
    ("step", "step_epochs=2 gamma=0.5", 4, lambda o: R.StepLR(o, 2, 0.5)),
    ("multi_step", "milestones=1,3 gamma=0.1", 4, lambda o: R.MultiStepLR(o, [1, 3], 0.1)),
    ("exponential", "gamma=0.8", 4, lambda o: R.ExponentialLR(o, 0.8)),
    ("cosine", "lr_floor=0.1", 1, lambda o: R.CosineAnnealingLR(o, 20, 0.1)),
    ("one_cycle", "rise=0.3 start=0.04 finish=0.0001", 1,
     lambda o: R.OneCycleLR(o, 1.0, 20, cycle_momentum=False)),
]
print("/* 20 steps, 4 an epoch */")
print("static const struct { const char *kind, *set; double rate[20]; } golden_rate[] = {")
for kind, flags, every, make in SCHEDULES:
    print('    {"%s", "%s", {%s}},' % (kind, flags, ", ".join("%.12g" % x for x in rates(make, 20, every))))
print("};")
