#!/usr/bin/python3
"""Makes goldens/settings.safetensors: ten losses of a small network under each setting of the train block, by PyTorch in f64
(run with Debian's python3-torch). Weights and data are made from formulas on both sides, as make_goldens.py has it. The
cases are those of train.sh, in the same order; there they stand in the language.

losses/CASE     the loss of each of the optimizer's ten steps, before it
ema             the logits of eight samples by the averaged weights behind the steps, in evaluation mode
lr/CASE         the rate of each step
"""
import numpy as np
import torch
from torch import nn
from torch.optim import lr_scheduler as S
from formula import fnv, mix, uniform, fill_values, write

SAMPLES, STEPS = 40, 10


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.fc(torch.max_pool2d(x, 2).flatten(1))


def fresh():
    model = Small()
    state = model.state_dict()
    model.load_state_dict({k: torch.from_numpy(np.array(fill_values(k, tuple(v.shape)))) for k, v in state.items()})
    return model.double().train()


x = torch.from_numpy(uniform("x", SAMPLES * 64).reshape(SAMPLES, 1, 8, 8)).double()
classes = torch.from_numpy((mix(fnv("y"), SAMPLES) % np.uint64(10)).astype(np.int64))
values = torch.from_numpy(uniform("yf", SAMPLES * 10).reshape(SAMPLES, 10)).double()
one_hot = nn.functional.one_hot(classes, 10).double()
out = {}


def run(name, model=None, optimizer=None, schedule=None, per_step=False, loss=nn.functional.cross_entropy, y=classes, batch=20,
        accumulate=1, clip=0, steps=STEPS, epochs=100, after=None, losses=None, rates=None):
    model = model or fresh()
    o = optimizer(model) if optimizer else torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = schedule(o) if schedule else None
    losses, rates = [] if losses is None else losses, [] if rates is None else rates
    for _ in range(epochs):
        batches = range(0, SAMPLES, batch)
        window = []
        for i, at in enumerate(batches):
            if len(losses) == steps:
                break
            value = loss(model(x[at:at + batch]), y[at:at + batch])
            (value / accumulate).backward()
            window.append((value.item(), len(x[at:at + batch])))
            if (i + 1) % accumulate and i + 1 < len(batches):
                continue
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            losses.append(sum(l * n for l, n in window) / sum(n for _, n in window))
            rates.append(o.param_groups[0]["lr"])
            window = []
            o.step()
            o.zero_grad()
            if after:
                after(model)
            if scheduler and per_step:
                scheduler.step()
        if scheduler and not per_step:
            scheduler.step()
    out["losses/" + name], out["lr/" + name] = losses, rates
    return model


sgd = lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9)
run("rmsprop", optimizer=lambda m: torch.optim.RMSprop(m.parameters(), lr=1e-3))
run("rmsprop-all", optimizer=lambda m: torch.optim.RMSprop(m.parameters(), lr=1e-3, alpha=0.9, eps=1e-6, weight_decay=0.01, momentum=0.5, centered=True))
run("step", schedule=lambda o: S.StepLR(o, 2, 0.5))
run("multistep", schedule=lambda o: S.MultiStepLR(o, [1, 3], 0.1))
run("exponential", schedule=lambda o: S.ExponentialLR(o, 0.7))
run("cosine", schedule=lambda o: S.CosineAnnealingLR(o, 5, 0.001))
run("warmup", schedule=lambda o: S.SequentialLR(o, [S.LinearLR(o, 1 / 3, total_iters=3), S.CosineAnnealingLR(o, 7)], [3]), per_step=True)
run("linear", schedule=lambda o: S.LinearLR(o, 0.1, 1, 4))
run("one-cycle", schedule=lambda o: S.OneCycleLR(o, 0.05, 10), per_step=True)
run("one-cycle-adam", optimizer=lambda m: torch.optim.Adam(m.parameters()), schedule=lambda o: S.OneCycleLR(o, 0.01, 10), per_step=True)
run("clip", optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.5), clip=0.25)
run("accumulate", batch=6, accumulate=3)
run("weights", loss=lambda p, t: nn.functional.cross_entropy(p, t, torch.tensor([1, 2, 0.5, 1, 1, 3, 1, 1, 0.25, 1]).double(), label_smoothing=0.1))
run("bce", y=one_hot, loss=lambda p, t: nn.functional.binary_cross_entropy_with_logits(p, t, pos_weight=torch.arange(1, 11).double()))
run("bce-values", y=values, loss=nn.functional.binary_cross_entropy_with_logits)
run("l1", y=values, loss=nn.functional.l1_loss)

average = fresh()


def follow(model):
    with torch.no_grad():
        state = model.state_dict()
        for key, tensor in average.state_dict().items():
            if tensor.is_floating_point():
                tensor.mul_(0.9).add_(state[key], alpha=0.1)


run("ema", after=follow)
out["ema"] = average.eval()(x[:8]).detach().numpy()

# two phases: the head, then the last block with it at a tenth of the rate
model = fresh()
for p in model.parameters():
    p.requires_grad = False
for p in model.fc.parameters():
    p.requires_grad = True
model.bn2.eval()
losses, rates = [], []
run("phases", model, lambda m: torch.optim.SGD(m.fc.parameters(), lr=0.05, momentum=0.9), losses=losses, rates=rates, epochs=2)
for p in [*model.conv2.parameters(), *model.bn2.parameters()]:
    p.requires_grad = True
model.bn2.train()
run("phases", model, lambda m: torch.optim.SGD([p for p in m.parameters() if p.requires_grad], lr=0.005, momentum=0.9), losses=losses, rates=rates,
    epochs=3)
write("goldens/settings.safetensors", out, {"torch": torch.__version__})
