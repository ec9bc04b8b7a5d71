#!/usr/bin/python3
"""PyTorch's numbers for goldens.c: writes goldens.bin (f32) and goldens.txt (name, first, count).
Run with Debian's python3-torch; the two files are committed. `make_goldens.py FOLDER`"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(0)
names, runs, total = [], [], 0


def put(name, values):
    global total
    flat = torch.as_tensor(values, dtype=torch.float32).detach().reshape(-1).numpy().copy()
    names.append(f"{name} {total} {flat.size}\n")
    runs.append(flat)
    total += flat.size


def with_gradient(name, x, f, *others):
    """y = f(x) and, for a random dy, the gradients of x and the others."""
    x = x.clone().requires_grad_(True)
    y = f(x)
    dy = torch.randn_like(y)
    for part, value in zip(("x", "y", "dy"), (x, y, dy)):
        put(f"{name}.{part}", value)
    gradients = torch.autograd.grad(y, [x] + [o for o, _ in others], dy)
    for part, value in zip(["dx"] + [p for _, p in others], gradients):
        put(f"{name}.{part}", value)
    return y


grid = torch.cat([torch.linspace(-12, 12, 400), torch.linspace(-1, 1, 100), torch.tensor([0.0, 1e-8, -1e-8, 30, -30])])
with_gradient("gelu0", grid, lambda x: F.gelu(x))
with_gradient("gelu1", grid, lambda x: F.gelu(x, approximate="tanh"))

# n, c, ih, iw, kernel, stride, pad, dilation, ceil_mode
for i, (n, c, h, w, k, s, p, d, ceil) in enumerate([(2, 3, 8, 9, 3, 2, 1, 1, False), (1, 17, 7, 6, 3, 2, 0, 1, True),
                                                    (1, 2, 9, 9, 2, 2, 1, 2, True), (1, 4, 5, 6, (2, 3), (3, 2), (1, 1), 1, True)]):
    x = torch.randint(-3, 3, (n, c, h, w)).float()  # many ties
    if i == 0:
        x[0, 0, 3, 3] = x[0, 0, 4, 4] = float("nan")
    y = with_gradient(f"max{i}", x, lambda x: F.max_pool2d(x, k, s, p, d, ceil))
    pair = lambda v: v if isinstance(v, tuple) else (v, v)
    put(f"max{i}.k", [n, c, h, w, *y.shape[2:], *pair(k), *pair(s), *pair(p), *pair(d)])

# n, c, ih, iw, kernel, stride, pad, ceil_mode, count_include_pad
for i, (n, c, h, w, k, s, p, ceil, include) in enumerate([(2, 3, 8, 9, 3, 2, 1, False, True), (1, 17, 7, 6, 3, 2, 1, True, True),
                                                          (1, 17, 7, 6, 3, 2, 1, True, False), (1, 2, 6, 6, 2, 3, 1, True, True),
                                                          (1, 2, 7, 7, 4, 3, 2, True, True)]):
    y = with_gradient(f"avg{i}", torch.randn(n, c, h, w), lambda x: F.avg_pool2d(x, k, s, p, ceil, include))
    put(f"avg{i}.k", [n, c, h, w, *y.shape[2:], k, k, s, s, p, p, 1, 1, include])

for i, (n, c, h, w, oh, ow) in enumerate([(2, 20, 7, 7, 1, 1), (1, 3, 7, 5, 3, 2), (1, 2, 3, 4, 5, 7), (1, 1, 10, 13, 4, 6)]):
    with_gradient(f"adaptive{i}", torch.randn(n, c, h, w), lambda x: F.adaptive_avg_pool2d(x, (oh, ow)))
    put(f"adaptive{i}.k", [n, c, h, w, oh, ow])

# n, c, hw (0: plain), affine
for i, (n, c, hw, affine) in enumerate([(3, 19, 12, True), (6, 5, 0, True), (2, 3, 30, False), (4, 18, 0, True)]):
    x = torch.randn((n, c, hw) if hw else (n, c))
    x[:, 0] = x[:, 0] * 0.01 + 1000  # a small variance about a large mean
    x[:, 1] = x[:, 1] * 1e-3 - 5
    weight, bias = torch.randn(c).requires_grad_(True), torch.randn(c).requires_grad_(True)
    mean, var = torch.randn(c), torch.rand(c) + 0.5
    put(f"bn{i}.k", [n, c, hw, affine])
    for part, value in zip(("weight", "bias", "mean", "var"), (weight, bias, mean, var)):
        put(f"bn{i}.{part}", value)
    args = (weight, bias) if affine else (None, None)
    others = [(weight, "dweight"), (bias, "dbias")] if affine else []
    with_gradient(f"bneval{i}", x, lambda x: F.batch_norm(x, mean, var, *args, False, 0.1, 1e-5), *others)
    _, save_mean, save_inv_std = torch.native_batch_norm(x, *args, None, None, True, 0.1, 1e-5)
    put(f"bn{i}.save_mean", save_mean)
    put(f"bn{i}.save_inv_std", save_inv_std)
    with_gradient(f"bntrain{i}", x, lambda x: F.batch_norm(x, mean, var, *args, True, 0.1, 1e-5), *others)
    put(f"bn{i}.mean_after", mean)
    put(f"bn{i}.var_after", var)

for i, shape in enumerate([(3, 1, 10, 1), (2, 2, 5, 3), (1, 4, 33, 1), (1, 1, 3, 20)]):
    put(f"softmax{i}.k", shape)
    with_gradient(f"softmax{i}", torch.randn(shape) * 4, lambda x: F.softmax(x, 2))

# n, classes, positions, smoothing, class weights, some targets ignored
for i, (n, c, p, e, weighted, ignored) in enumerate([(5, 10, 1, 0.0, 0, 0), (5, 10, 1, 0.1, 0, 0), (6, 7, 1, 0.0, 1, 0), (6, 7, 1, 0.2, 1, 0),
                                                     (6, 7, 1, 0.2, 1, 1), (6, 7, 1, 0.2, 0, 1), (2, 5, 19, 0.0, 1, 1), (2, 5, 19, 0.3, 1, 1), (3, 2, 1, 0.0, 0, 1)]):
    z = (torch.randn((n, c, p) if p > 1 else (n, c)) * 5).requires_grad_(True)
    target = torch.randint(0, c, (n, p) if p > 1 else (n,))
    if ignored:
        target.reshape(-1)[1] = -100
    weights = torch.rand(c) + 0.5
    loss = F.cross_entropy(z, target, weights if weighted else None, label_smoothing=e)
    put(f"ce{i}.k", [n, c, p, e, weighted])
    for part, value in zip(("z", "target", "weights", "loss"), (z, target, weights, loss)):
        put(f"ce{i}.{part}", value)
    put(f"ce{i}.dz", torch.autograd.grad(loss, z)[0])

with open(sys.argv[1] + "/goldens.txt", "w") as out:
    out.writelines(names)
np.concatenate(runs).astype("<f4").tofile(sys.argv[1] + "/goldens.bin")
