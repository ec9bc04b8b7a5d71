#!/usr/bin/python3
"""Writes the lists that test_zoo compares with: one file per built-in model, made from torchvision.

    /usr/bin/python3 tests/zoo/make_lists.py [NAME…]    (Debian's python3-torchvision; 0.14 made the committed ones)

Without a name all that are there are made again; a new network of torchvision is named once.

Lines, in order: `children NAME…`, `parameters COUNT`, `nodes NAME…` (torchvision.models.feature_extraction,
where the model has function calls of interest), then one `KEY SHAPE` per entry of state_dict().
lenet and mlp are not torchvision's: their modules stand here as PyTorch would write them. Neither is BERT: its list has
Hugging Face's keys (transformers' BertModel, without the buffer embeddings.position_ids), and no calls.
"""
import collections
import pathlib
import sys

import torch.nn as nn
import torchvision
from torchvision.models.feature_extraction import NodePathTracer

HERE = pathlib.Path(__file__).parent / "lists"


def lenet():
    return nn.Sequential(collections.OrderedDict([
        ("conv1", nn.Conv2d(1, 6, 5, padding=2)), ("relu1", nn.ReLU()), ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(6, 16, 5)), ("relu2", nn.ReLU()), ("pool2", nn.MaxPool2d(2)), ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(400, 120)), ("relu3", nn.ReLU()), ("fc2", nn.Linear(120, 84)), ("relu4", nn.ReLU()),
        ("fc3", nn.Linear(84, 10))]))


def mlp():
    return nn.Sequential(collections.OrderedDict([
        ("fc1", nn.Linear(784, 512)), ("relu1", nn.ReLU()), ("fc2", nn.Linear(512, 256)), ("relu2", nn.ReLU()),
        ("fc3", nn.Linear(256, 10))]))


def write(name, model):
    lines = ["children " + " ".join(n for n, _ in model.named_children()),
             "parameters %d" % sum(p.numel() for p in model.parameters())]
    # Without torchvision.ops as leaves: its blocks are containers here, as they are in the state dict.
    tracer = NodePathTracer(leaf_modules=[])
    tracer.trace(model.eval())
    nodes = list(tracer.node_to_qualname.values())
    lines.append("nodes " + " ".join(nodes[1:]))  # without the input
    for key, value in model.state_dict().items():
        lines.append("%s [%s]" % (key, ", ".join(str(d) for d in value.shape)))
    (HERE / (name + ".txt")).write_text("\n".join(lines) + "\n")


def write_bert(name, layers, hidden, heads, intermediate):
    sys.path.insert(0, str(HERE.parent.parent / "numeric"))
    from bert import Bert
    model = Bert(layers, hidden, heads, intermediate)
    lines = ["children embeddings encoder pooler", "parameters %d" % sum(p.numel() for p in model.parameters())]
    lines += ["%s [%s]" % (key, ", ".join(map(str, shape))) for key, shape in model.names]
    (HERE / (name + ".txt")).write_text("\n".join(lines) + "\n")


HERE.mkdir(exist_ok=True)
write_bert("bert_tiny", 2, 128, 2, 512)
write_bert("bert_mini", 4, 256, 4, 1024)
write_bert("bert_base", 12, 768, 12, 3072)
for name in sys.argv[1:] or sorted(path.stem for path in HERE.iterdir()):
    if hasattr(torchvision.models, name):
        write(name, getattr(torchvision.models, name)())
write("lenet", lenet())
write("mlp", mlp())
