#!/usr/bin/python3
"""Makes goldens/*.safetensors: what the code examples of the questions compute in PyTorch, written as the questions
write them. Run with Debian's python3-torch and python3-torchvision. Weights and inputs come from the formula of
tests/numeric on both sides and are not stored.

forward          outputs in evaluation mode
saved/KEY        a tensor of the file that the first half of an example of question 002 saves
losses           ten steps of Adam over eight samples, four at a time, in f64
tensor/KEY       a tensor after these steps
"""
import os, sys
from collections import OrderedDict
import numpy as np
import torch, torchvision
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "numeric"))
from bert import Bert
from formula import fill_values, fnv, mix, uniform, write


def named(*layers):
    return nn.Sequential(OrderedDict(layers))


def filled(model, rename=lambda name: name):
    state = model.state_dict()
    model.load_state_dict({k: torch.from_numpy(np.array(fill_values(rename(k), tuple(v.shape)))) for k, v in state.items()})
    return model


def values(name, *shape):
    return torch.from_numpy(uniform(name, int(np.prod(shape))).reshape(shape))


def classes(n, count):
    return torch.from_numpy((mix(fnv("y"), n) % np.uint64(count)).astype(np.int64))


def train(model, parameters, x, y, loss, lr=0.001):
    """model's modes are the caller's business."""
    model.double()
    optimizer = torch.optim.Adam(parameters, lr=lr)
    got = []
    for step in range(10):
        at = step % 2 * 4
        optimizer.zero_grad()
        value = loss(model(x[at:at + 4].double()), y[at:at + 4])
        value.backward()
        optimizer.step()
        got.append(value.item())
    return {"losses": got}


def block(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


def complex_model():
    return named(("stem", block(3, 16)), ("pool", nn.MaxPool2d(2)), ("block1", block(16, 32)), ("block2", block(32, 32)),
                 ("block3", block(32, 32)), ("gap", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(32, 10)))


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2, 2)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        return self.pool(self.relu(self.conv2(x)))


class ConvBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv2(torch.relu(self.conv1(x))))


def hypothetical():
    return named(("block1", ConvBlock(3, 64)), ("block2", ConvBlock(64, 128)), ("block3", ConvBlock(128, 256)),
                 ("final_conv", nn.Conv2d(256, 10, 1)))


def forward(model, x):
    with torch.no_grad():
        return {"forward": model.eval()(x).numpy()}


# At the rate 0.001 one step moves the logits of a ResNet of these weights, 40 and more, by tens, and where softmax is
# saturated Adam makes whole steps of rounding: PyTorch's own f32 and f64 losses come apart by 5e-5, and by percents where a
# block is trained. At this rate they agree to 3e-6.
SLOW = 1e-6


def head_of(model, name, layer, keep):
    """The first `keep` children of a ResNet in evaluation mode, and a new layer in training mode."""
    body = named(*list(model.named_children())[:keep])
    for p in body.parameters():
        p.requires_grad = False
    return named(("body", body), (name, layer)), lambda key: key[5:] if key.startswith("body.") else key


cross_entropy = nn.functional.cross_entropy


def case_000_1():
    return forward(filled(CNN()), values("x", 3, 3, 32, 32))


def bert_tiny():
    model = Bert(2, 128, 2, 512)
    return model.load({key: torch.from_numpy(np.array(fill_values(key, shape))) for key, shape in model.names})


def case_000_2():
    """One text, as `numtool texts` makes it."""
    ids = torch.from_numpy((mix(fnv("tokens"), 128) % np.uint64(30522)).astype(np.int64)).reshape(1, 128)
    length = int(mix(fnv("mask"), 1)[0] % np.uint64(128)) + 1
    mask = (torch.arange(128) < length).long()[None]
    mask[:, 2] *= length < 4
    with torch.no_grad():
        return {"forward": bert_tiny().hidden(ids, mask).numpy()}


def case_000_2_hidden():
    x = values("x", 1, 128, 128)
    with torch.no_grad():
        for layer in bert_tiny().layers:
            x = layer(x)
    return {"forward": x.numpy()}


def case_000_3():
    part = named(*list(complex_model().named_children())[2:5])
    filled(part).train()
    return train(part, part.parameters(), values("x", 8, 16, 16, 16), values("y", 8, 32, 16, 16).double(), nn.functional.mse_loss)


def case_001_1():
    model = named(*list(complex_model().named_children())[:-2])
    model.add_module("new_final_layer", nn.Sequential(nn.Flatten(), nn.Linear(32, 5)))
    filled(model).train()
    return train(model, model.parameters(), values("x", 8, 3, 32, 32), classes(8, 5), cross_entropy)


def case_001_2():
    model = filled(complex_model()).train()
    for p in list(model.parameters())[:10]:
        p.requires_grad = False
    out = train(model, [p for p in model.parameters() if p.requires_grad], values("x", 8, 3, 32, 32), classes(8, 10), cross_entropy)
    for key in ("block1.1.running_mean", "block3.1.running_var", "block3.1.weight", "fc.bias"):
        out["tensor/" + key] = model.state_dict()[key].numpy()
    return out


def case_001_3():
    model, rename = head_of(torchvision.models.resnet18(), "new_head", nn.Sequential(nn.Flatten(), nn.Linear(512, 5)), -1)
    filled(model, rename).eval()
    return train(model, model.new_head.parameters(), values("x", 8, 3, 224, 224), classes(8, 5), cross_entropy, SLOW)


class MyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3)
        self.fc1 = nn.Linear(32 * 28 * 28, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        x = torch.relu(self.fc1(x.view(-1, 32 * 28 * 28)))
        return self.fc2(x)


class Modular(nn.Module):
    def __init__(self):
        super().__init__()
        self.sequential = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))

    def forward(self, x):
        return self.sequential(x)


class OneLinear(nn.Module):
    def __init__(self, features=10):
        super().__init__()
        self.fc = nn.Linear(features, 20)

    def forward(self, x):
        return self.fc(x)


def constant(model):
    """What the tests put in the place of fresh values, which no other framework has."""
    for p in model.parameters():
        nn.init.constant_(p, 0.01)
    return model


def part(saved, model, x):
    """Saved entries go into another model's state dict, which is loaded again: the way of question 002."""
    state = model.state_dict()
    for name, value in saved.items():
        state[name] = value
    model.load_state_dict(state)
    return {"saved/" + name: value.numpy() for name, value in saved.items()} | forward(model, x)


def case_002_1():
    saved = {name: value for name, value in filled(MyModel()).state_dict().items() if "conv" in name}
    return part(saved, constant(MyModel()), values("x", 3, 3, 32, 32))


def case_002_2():
    state = filled(Modular()).state_dict()
    saved = {name: value for name, value in state.items() if "sequential.0" in name or "sequential.1" in name}
    return part(saved, constant(Modular()), values("x", 3, 10))


def case_002_3():
    saved = filled(OneLinear()).state_dict()
    saved["fc.weight"] = saved["fc.weight"][:, :10]
    model = constant(OneLinear(16))
    state = model.state_dict()
    state["fc.weight"][:, :10] = saved["fc.weight"]
    state["fc.bias"] = saved["fc.bias"]
    model.load_state_dict(state)
    return {"saved/" + name: value.numpy() for name, value in saved.items()} | forward(model, values("x", 3, 16)) | {"tensor/fc.weight": model.fc.weight.detach().numpy()}


def resnet(classes_):
    model = torchvision.models.resnet18()
    model.fc = nn.Linear(512, classes_)
    return filled(model)


def case_003_1():
    model = resnet(2).eval()
    for p in model.parameters():
        p.requires_grad = False
    model.fc.requires_grad_(True)
    return train(model, model.fc.parameters(), values("x", 8, 3, 224, 224), classes(8, 2), cross_entropy, SLOW)


def case_003_2_tensors():
    model = resnet(2).train()
    for p in list(model.parameters())[:-5]:
        p.requires_grad = False
    out = train(model, model.parameters(), values("x", 8, 3, 224, 224), classes(8, 2), cross_entropy, SLOW)
    for key in ("bn1.running_mean", "layer4.1.bn1.running_var", "layer4.1.bn2.weight"):
        out["tensor/" + key] = model.state_dict()[key].numpy()
    return out


def case_003_2_layers():
    model = resnet(2).eval()
    for p in model.parameters():
        p.requires_grad = False
    for part in (model.layer4[1], model.fc):
        part.requires_grad_(True).train()
    return train(model, [p for p in model.parameters() if p.requires_grad], values("x", 8, 3, 224, 224), classes(8, 2), cross_entropy, SLOW)


def case_003_3():
    new = named(("new_conv", nn.Conv2d(512, 256, kernel_size=3, padding=1)),
                ("new_fc", nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256 * 4 * 4, 2))))
    model, rename = head_of(torchvision.models.resnet18(), "new", new, -2)
    filled(model, lambda key: rename(key)[4:] if rename(key).startswith("new.") else rename(key)).eval()
    return train(model, new.parameters(), values("x", 8, 3, 224, 224), classes(8, 2), cross_entropy, SLOW)


def case_004_1():
    return forward(resnet(10), values("x", 2, 3, 224, 224))


def case_004_2():
    model = hypothetical()
    model.block2.conv2 = nn.Conv2d(128, 128, kernel_size=5, padding=2)
    return forward(filled(model), values("x", 1, 3, 32, 32))


def case_004_3():
    model = hypothetical()
    model.final_conv = nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(256, 10))
    return forward(filled(model), values("x", 3, 3, 32, 32))


def main():
    torch.set_num_threads(2)
    cases = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}
    for name in sys.argv[1:] or cases:
        torch.manual_seed(0)
        write(os.path.join(here, "goldens", name + ".safetensors"), cases[name](), {"torch": torch.__version__, "torchvision": torchvision.__version__})


main()
