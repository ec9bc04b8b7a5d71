#!/usr/bin/env python3
"""Fills goldens/NAME.json with PyTorch's numbers: ten steps of an optimizer, or thirty rates of a schedule.

A file names a row of grammar/train.def and has a list of cases; of a new one only their names and arguments (of a schedule
also PyTorch's expression, of the optimizer o) are written by hand. Then, with Debian's python3-torch:
    /usr/bin/python3 tests/runtime/make_goldens.py tests/runtime/goldens/NAME.json
Without an argument all are made anew.

An optimizer's problem: w of 12 numbers (group 0) and b of 4 (group 1), f32; the gradient is a * p - c element by element, so that
a wrong update changes every later gradient. problem.json has the first p, a and c, which the test reads too.
"""
import json
import os
import sys
import warnings
import torch
from torch.optim import lr_scheduler as S

STEPS, BASE = 30, 0.1  # of a schedule
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "goldens")
warnings.simplefilter("ignore")
torch.set_num_threads(1)


def hexes(values):
    return [float(v).hex() for v in values]


def after_warmup(length, factor, make):
    def chain(o):
        first = S.LinearLR(o, start_factor=factor, total_iters=length)
        return S.SequentialLR(o, [first, make(o)], milestones=[length])
    return chain


def run_optimizer(kind, case):
    with open(os.path.join(FOLDER, "problem.json")) as file:
        problem = {k: torch.tensor([float.fromhex(x) for x in v]) for k, v in json.load(file).items()}
    start, scale, shift = problem["start"], problem["scale"], problem["shift"]
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in case["arguments"].items()}
    w, b = start[:12].clone().requires_grad_(), start[12:].clone().requires_grad_()
    optimizer = getattr(torch.optim, kind)([dict(params=[w]), dict(params=[b], **case.get("group", {}))], **arguments)
    for step in range(10):
        w.grad = scale[:12] * w.detach() - shift[:12]
        b.grad = scale[12:] * b.detach() - shift[12:]
        optimizer.step()
        if step in (0, 9):
            case["first" if step == 0 else "last"] = hexes(torch.cat([w.detach(), b.detach()]))


def run_schedule(case):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE, momentum=0.5)
    scheduler = eval(case["torch"], {"S": S, "STEPS": STEPS, "after_warmup": after_warmup, "o": optimizer})
    rates, momenta = [], []
    for step in range(STEPS):
        group = optimizer.param_groups[0]
        rates.append(group["lr"])
        momenta.append(group["momentum"])
        optimizer.step()
        if step + 1 < STEPS:
            scheduler.step()
    case["lr"] = hexes(rates)
    if any(m != 0.5 for m in momenta):
        case["momentum"] = hexes(momenta)


def write(path, golden):
    lines = ["  %s: %s," % (json.dumps(k), json.dumps(v)) for k, v in golden.items() if k != "cases"]
    cases = [",\n     ".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in case.items()) for case in golden["cases"]]
    with open(path, "w") as out:
        out.write("{\n" + "\n".join(lines) + '\n  "cases": [\n    {' + "},\n    {".join(cases) + "}\n  ]\n}\n")


paths = sys.argv[1:] or [os.path.join(FOLDER, name) for name in sorted(os.listdir(FOLDER)) if name != "problem.json"]
for path in paths:
    with open(path) as file:
        golden = json.load(file)
    golden["torch"] = torch.__version__
    for case in golden["cases"]:
        run_optimizer(golden["optimizer"], case) if "optimizer" in golden else run_schedule(case)
    write(path, golden)
