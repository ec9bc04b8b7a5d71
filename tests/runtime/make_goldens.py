#!/usr/bin/env python3
"""Writes optimizer_goldens.h: ten steps of each optimizer variant by PyTorch, on a small problem that the test repeats in C.

The problem: w of 12 numbers (group 0) and b of 4 (group 1), f32; the gradient is a * p - c element by element, so that a wrong
update changes every later gradient. Run with Debian's python3-torch:  /usr/bin/python3 tests/runtime/make_goldens.py
"""
import os
import torch

STEPS = 10
VARIANTS = [  # name, torch class, arguments, what group 1 has of its own
    ("sgd", "SGD", dict(lr=0.1), {}),
    ("sgd_weight_decay", "SGD", dict(lr=0.1, weight_decay=0.01), {}),
    ("sgd_momentum", "SGD", dict(lr=0.05, momentum=0.9), {}),
    ("sgd_dampening", "SGD", dict(lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.001), {}),
    ("sgd_nesterov", "SGD", dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01), {}),
    ("sgd_maximize", "SGD", dict(lr=0.01, momentum=0.5, maximize=True), {}),
    ("sgd_groups", "SGD", dict(lr=0.05, momentum=0.9, weight_decay=0.01), dict(lr=0.2, momentum=0.0, weight_decay=0.0)),
    ("adam", "Adam", dict(lr=1e-2), {}),
    ("adam_weight_decay", "Adam", dict(lr=1e-2, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-6), {}),
    ("adam_amsgrad", "Adam", dict(lr=5e-2, amsgrad=True), {}),
    ("adam_maximize", "Adam", dict(lr=1e-2, maximize=True), {}),
    ("adam_groups", "Adam", dict(lr=1e-2), dict(lr=1e-3, weight_decay=0.05)),
    ("adamw", "AdamW", dict(lr=1e-2), {}),
    ("adamw_amsgrad", "AdamW", dict(lr=1e-2, weight_decay=0.2, amsgrad=True), {}),
    ("rmsprop", "RMSprop", dict(lr=1e-2), {}),
    ("rmsprop_all", "RMSprop", dict(lr=1e-2, alpha=0.9, eps=1e-6, weight_decay=0.05, momentum=0.8, centered=True), {}),
    ("rmsprop_centered", "RMSprop", dict(lr=1e-2, centered=True, maximize=True), {}),
    ("rmsprop_groups", "RMSprop", dict(lr=1e-2), dict(lr=1e-3, momentum=0.9, weight_decay=0.1)),
    ("adamw_groups", "AdamW", dict(lr=1e-2, weight_decay=0.1), dict(lr=3e-2, weight_decay=0.0)),
]


def c_array(name, tensor):
    return "static const float %s[] = {%s};\n" % (name, ", ".join("%sf" % float(v).hex() for v in tensor.flatten()))


def json_arguments(kind, arguments):
    words = []
    for key, value in arguments.items():
        text = {True: "true", False: "false"}[value] if isinstance(value, bool) else \
            "[%r, %r]" % value if isinstance(value, tuple) else repr(value)
        words.append('\\"%s\\": %s' % (key, text))
    return ", ".join(['\\"type\\": \\"%s\\"' % kind] + words if kind else words)


def main():
    torch.manual_seed(7)
    torch.set_num_threads(1)
    start, scale, shift = torch.randn(16), torch.rand(16) + 0.5, torch.randn(16)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizer_goldens.h"), "w") as out:
        out.write("/* Made by make_goldens.py with PyTorch %s; not to be edited. */\n" % torch.__version__)
        out.write("/* clang-format off */\n")
        out.write(c_array("golden_start", start) + c_array("golden_scale", scale) + c_array("golden_shift", shift))
        rows = []
        for name, kind, arguments, own in VARIANTS:
            w, b = start[:12].clone().requires_grad_(), start[12:].clone().requires_grad_()
            optimizer = getattr(torch.optim, kind)([dict(params=[w]), dict(params=[b], **own)], **arguments)
            for step in range(STEPS):
                w.grad = scale[:12] * w.detach() - shift[:12]
                b.grad = scale[12:] * b.detach() - shift[12:]
                optimizer.step()
                if step == 0:
                    first = torch.cat([w.detach(), b.detach()]).clone()
            out.write(c_array("golden_%s_first" % name, first))
            out.write(c_array("golden_%s_last" % name, torch.cat([w.detach(), b.detach()])))
            rows.append('    {"%s", "%s", "%s", golden_%s_first, golden_%s_last},\n' %
                        (name, json_arguments(kind, arguments), json_arguments("", own), name, name))
        out.write("static const struct OptimizerGolden {\n  const char *name, *optimizer, *group;\n"
                  "  const float *first, *last; /* all 16 numbers after one step and after %d */\n} optimizer_goldens[] = {\n" % STEPS)
        out.writelines(rows)
        out.write("};\n")


main()
