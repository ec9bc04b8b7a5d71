#!/usr/bin/python3
"""Makes models/*.onnx and goldens.safetensors: small networks as PyTorch exports them, in the forms that exports have
(with batch normalisation, folded, with an open batch, from training mode, of an old opset: there a ceil_mode would become
asymmetric padding), and what PyTorch computes for them. Run with Debian's python3-torch; the versions are in the goldens' metadata. Weights and inputs are made by the
formula of tests/numeric, from the tensors' names.

    make_models.py            the committed files
    make_models.py resnet18 FOLDER [folded]    a whole ResNet-18: resnet18.onnx, x.npy and goldens.safetensors in FOLDER
"""
import os, sys, warnings
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../numeric"))
from formula import fill_values, uniform, write

warnings.filterwarnings("ignore")


def filled(model):
    state = model.state_dict()
    model.load_state_dict({k: torch.from_numpy(np.array(fill_values(k, tuple(v.shape)))) for k, v in state.items()})
    return model.eval()


class Block(nn.Module):
    """Conv, batch normalisation, every way to call a ReLU, pooling with its padding counted, GELU, ReLU6, a residual sum,
    functions, a view."""

    def __init__(self, ceil=True):
        super().__init__()
        self.ceil = ceil
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(3, 2, 1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4, eps=1e-3, momentum=0.2), nn.GELU(), nn.ReLU6())
        self.fc = nn.Linear(4, 6)
        self.drop = nn.Dropout(0.25)
        self.fc2 = nn.Linear(6, 5)

    def forward(self, x):
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        x = F.relu(self.relu(x + self.block(x)) + x)
        x = F.max_pool2d(x, 2, ceil_mode=self.ceil).mean([2, 3])
        x = x.view(x.size(0), -1)
        return self.fc2(self.drop(self.fc(x)))


class Ops(nn.Module):
    """The other operators, a leaf of one channel, no parameters in most of it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, (3, 5), stride=(1, 2), padding=(1, 2), dilation=(1, 1))
        self.left = nn.Sequential(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4, bias=False), nn.LeakyReLU(0.2))
        self.right = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Sigmoid(), nn.Identity())
        self.mix = nn.Conv2d(8, 6, 1, groups=2)
        self.avg = nn.AvgPool2d(2, 2, 1, count_include_pad=False)
        self.soft = nn.Softmax(dim=1)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        x = torch.cat([self.left(x), self.right(x)], 1)
        x = self.soft(self.avg(self.mix(x)))
        return self.fc(self.flat(self.gap(x)))


class Mlp(nn.Module):
    """A tensor for input; Linear without a bias (MatMul), BatchNorm1d, Softmax, Dropout kept by the training mode."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(7, 6)
        self.bn = nn.BatchNorm1d(6)
        self.fc2 = nn.Linear(6, 4, bias=False)

    def forward(self, x):
        x = F.dropout(self.bn(self.fc1(x)).tanh(), 0.25, self.training)
        return F.softmax(self.fc2(x), dim=-1)


class Shared(nn.Module):
    """One layer called twice, and a value that is added to itself."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.act = nn.ReLU()
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.act(self.conv(x))
        x = self.act(self.conv(x) + x)
        x = x + x
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 2), 1))


KEEP = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
TRAIN = dict(training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
OPEN = dict(input_names=["x"], dynamic_axes={"x": {0: "batch"}})
MODELS = [  # name, network, input's shape, how it is exported
    ("bn", Block, (3, 9, 9), KEEP),
    ("folded", Block, (3, 9, 9), dict(opset_version=13)),
    ("open", Block, (3, 9, 9), dict(opset_version=11, **OPEN)),
    ("train", Block, (3, 9, 9), dict(opset_version=16, **TRAIN)),
    ("old", lambda: Block(ceil=False), (3, 9, 9), dict(opset_version=9, keep_initializers_as_inputs=True, **KEEP)),
    ("ops", Ops, (1, 9, 10), dict(opset_version=17, **KEEP)),
    ("mlp", Mlp, (7,), dict(**TRAIN, **OPEN)),
    ("shared", Shared, (2, 4, 4), dict(input_names=["x"])),
    ("parallel", lambda: nn.DataParallel(Mlp()), (7,), KEEP),
]


def export(network, shape, path, **options):
    network.train(options.get("training") is torch.onnx.TrainingMode.TRAINING)
    inner = network.module if isinstance(network, nn.DataParallel) else network
    if inner is not network:  # the names of a DataParallel, without its need of a GPU
        inner = nn.Sequential()
        inner.add_module("module", network.module)
    torch.onnx.export(inner, torch.zeros((2,) + shape) if "dynamic_axes" in options else torch.zeros((1,) + shape), path, **options)
    network.eval()


def wanted(network, shape, n):
    x = uniform("x", n * int(np.prod(shape))).reshape((n,) + shape)
    with torch.no_grad():
        return x, network(torch.from_numpy(x)).numpy()


def versions():
    return {"torch": torch.__version__, "formula": "tests/numeric/formula.py"}


def committed():
    goldens = {}
    for name, make, shape, options in MODELS:
        network = filled(make())
        export(network, shape, f"{HERE}/models/{name}.onnx", **options)
        goldens[name] = wanted(getattr(network, "module", network), shape, 3)[1]
    # The first two layers, for a slice.
    block = filled(Block())
    x, _ = wanted(block, (3, 9, 9), 3)
    with torch.no_grad():
        goldens["slice"] = block.bn1(block.conv1(torch.from_numpy(x))).numpy()
    write(f"{HERE}/goldens.safetensors", goldens, versions())


def resnet18(folder, folded):
    import torchvision

    network = filled(torchvision.models.resnet18())
    export(network, (3, 64, 64), f"{folder}/resnet18.onnx", **({} if folded else KEEP))
    write(f"{folder}/goldens.safetensors", {"resnet18": wanted(network, (3, 64, 64), 2)[1]}, versions())


if len(sys.argv) > 1:
    resnet18(sys.argv[2], len(sys.argv) > 3)
else:
    committed()
