"""The peer of tests/bench/run: PyTorch's times for the same work. Reads one request a line and answers it with one
line, the median in ms, for a convolution the fastest; between requests it sleeps, so that the other side has the machine for itself.

    versions
    export MODEL FILE.onnx                   with random weights, for the other peer; answers with the file's name
    forward MODEL SAMPLES RUNS THREADS
    step MODEL SAMPLES RUNS THREADS          all trainable, SGD with momentum
    head MODEL SAMPLES RUNS THREADS          all frozen, in evaluation, but the last layer
    conv CHANNELS SIZE SAMPLES RUNS THREADS  3x3 with bias and relu
"""
import statistics
import sys
import time

import torch
import torchvision


class LeNet(torch.nn.Sequential):
    """The zoo's lenet, which torchvision lacks."""

    def __init__(self):
        nn = torch.nn
        super().__init__(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                         nn.Linear(84, 10))


def make_model(name):
    return (LeNet(), (1, 28, 28)) if name == "lenet" else (getattr(torchvision.models, name)(), (3, 224, 224))


def forward(model, samples):
    net, shape = make_model(model)
    x = torch.rand(int(samples), *shape)
    net.eval()

    def work():
        with torch.no_grad():
            net(x)
    return work


def training(model, samples, frozen):
    net, shape = make_model(model)
    x, y = torch.rand(int(samples), *shape), torch.randint(0, 1000, (int(samples),))
    net.train(not frozen)
    if frozen:
        for parameter in net.parameters():
            parameter.requires_grad = False
        for parameter in net.fc.parameters():
            parameter.requires_grad = True
    # A learning rate of 0, as our own `bench`: random targets must not drive the weights away.
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.0, momentum=0.9)

    def work():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return work


def convolution(channels, size, samples):
    conv = torch.nn.Conv2d(int(channels), int(channels), 3, padding=1).eval()
    x = torch.rand(int(samples), int(channels), int(size), int(size))

    def work():
        with torch.no_grad():
            torch.relu_(conv(x))
    return work


MAKE = {"forward": forward, "step": lambda model, n: training(model, n, False),
        "head": lambda model, n: training(model, n, True), "conv": convolution}


def main():
    current, work = None, None
    for line in sys.stdin:
        kind, *rest = line.split()
        if kind == "versions":
            print(f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}", flush=True)
            continue
        if kind == "export":
            net, shape = make_model(rest[0])
            torch.onnx.export(net.eval(), torch.rand(1, *shape), rest[1], input_names=["x"], output_names=["y"],
                              dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=13)
            print(rest[1], flush=True)
            continue
        *what, runs, threads = rest
        torch.set_num_threads(int(threads))
        if current != (kind, what):
            current, work = (kind, what), None  # the last row's memory is given back first
            work = MAKE[kind](*what)
        work()  # after the other side's turn the caches are cold
        times = []
        for _ in range(int(runs)):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        print(f"{1e3 * (min(times) if kind == 'conv' else statistics.median(times)):.3f}", flush=True)


main()
