#!/usr/bin/env python3
"""Writes schedule_goldens.h: the rate (and, under OneCycleLR, the momentum) of 30 steps of each schedule by PyTorch's own
schedulers. Run with Debian's python3-torch:  /usr/bin/python3 tests/runtime/make_schedule_goldens.py
"""
import os
import warnings
import torch
from torch.optim import lr_scheduler as S

STEPS, BASE = 30, 0.1
warnings.simplefilter("ignore")


def after_warmup(length, factor, make):
    def chain(o):
        first = S.LinearLR(o, start_factor=factor, total_iters=length)
        return S.SequentialLR(o, [first, make(o)], milestones=[length])
    return chain


VARIANTS = [  # name, the manifest's JSON, torch's scheduler, optimizer
    ("step", {"type": "step", "step_size": 7, "gamma": 0.5}, lambda o: S.StepLR(o, 7, 0.5)),
    ("multistep", {"type": "multistep", "milestones": [3, 10, 11, 28], "gamma": 0.3}, lambda o: S.MultiStepLR(o, [3, 10, 11, 28], 0.3)),
    ("exponential", {"type": "exponential", "gamma": 0.9}, lambda o: S.ExponentialLR(o, 0.9)),
    ("cosine", {"type": "cosine", "T_max": None}, lambda o: S.CosineAnnealingLR(o, STEPS)),
    ("cosine_again", {"type": "cosine", "T_max": 8, "eta_min": 0.02}, lambda o: S.CosineAnnealingLR(o, 8, 0.02)),
    ("linear", {"type": "linear"}, lambda o: S.LinearLR(o)),
    ("linear_down", {"type": "linear", "start_factor": 1, "end_factor": 0.1, "total_iters": 20}, lambda o: S.LinearLR(o, 1, 0.1, 20)),
    ("warm_cosine", {"type": "cosine", "T_max": None, "warmup": 5}, after_warmup(5, 1 / 3, lambda o: S.CosineAnnealingLR(o, STEPS - 5))),
    ("warm_step", {"type": "step", "step_size": 6, "warmup": 4, "start_factor": 0.01}, after_warmup(4, 0.01, lambda o: S.StepLR(o, 6))),
    ("warm_multistep", {"type": "multistep", "milestones": [5, 9], "warmup": 10, "start_factor": 0.5},
     after_warmup(10, 0.5, lambda o: S.MultiStepLR(o, [5, 9]))),
    ("warm_exponential", {"type": "exponential", "gamma": 0.8, "warmup": 3}, after_warmup(3, 1 / 3, lambda o: S.ExponentialLR(o, 0.8))),
    ("one_cycle", {"type": "one_cycle", "max_lr": 0.1}, lambda o: S.OneCycleLR(o, 0.1, STEPS)),
    ("one_cycle_linear", {"type": "one_cycle", "max_lr": 0.1, "pct_start": 0.45, "anneal_strategy": "linear", "div_factor": 10.0, "final_div_factor": 100.0,
                          "base_momentum": 0.7, "max_momentum": 0.9},
     lambda o: S.OneCycleLR(o, 0.1, STEPS, pct_start=0.45, anneal_strategy="linear", div_factor=10, final_div_factor=100, base_momentum=0.7, max_momentum=0.9)),
    ("one_cycle_three", {"type": "one_cycle", "max_lr": 0.1, "three_phase": True}, lambda o: S.OneCycleLR(o, 0.1, STEPS, three_phase=True)),
    ("one_cycle_still", {"type": "one_cycle", "max_lr": 0.1, "cycle_momentum": False}, lambda o: S.OneCycleLR(o, 0.1, STEPS, cycle_momentum=False)),
]


def json_text(value):
    if isinstance(value, dict):
        return "{" + ", ".join('\\"%s\\": %s' % (k, json_text(v)) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return '\\"%s\\"' % value if isinstance(value, str) else repr(value)


def main():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedule_goldens.h"), "w") as out:
        out.write("/* Made by make_schedule_goldens.py with PyTorch %s; not to be edited. */\n/* clang-format off */\n" % torch.__version__)
        out.write("#define SCHEDULE_STEPS %d\n#define SCHEDULE_BASE %r\nstatic const struct ScheduleGolden {\n  const char *name, *json;\n"
                  "  double lr[SCHEDULE_STEPS], momentum[SCHEDULE_STEPS]; /* momentum: 0 where the schedule leaves it alone */\n"
                  "} schedule_goldens[] = {\n" % (STEPS, BASE))
        for name, settings, make in VARIANTS:
            optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE, momentum=0.5)
            scheduler = make(optimizer)
            rates, momenta = [], []
            for _ in range(STEPS):
                group = optimizer.param_groups[0]
                rates.append(group["lr"])
                momenta.append(group["momentum"] if settings["type"] == "one_cycle" and settings.get("cycle_momentum", True) else 0.0)
                optimizer.step()
                if len(rates) < STEPS:
                    scheduler.step()
            out.write('    {"%s", "%s",\n     {%s},\n     {%s}},\n' % (name, json_text(settings), ", ".join(float(r).hex() for r in rates),
                                                                ", ".join(float(m).hex() for m in momenta)))
        out.write("};\n")


main()
