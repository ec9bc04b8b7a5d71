#!/usr/bin/python3
"""Makes goldens/GROUP.safetensors from cases/GROUP.txt: what PyTorch computes, in f64, for the networks of the table. Run
with Debian's python3-torch; all groups, or those that are named. A row's layers and forward are Python but for true,
false and none, and are run as they stand with torch.nn's classes behind the names; freeze and unfreeze are done here
anew, as the language says it.

One tensor for each case, of its parts one behind the other: the outputs for n samples in evaluation mode; then, where
anything is trainable, the loss of a step in training mode, and in the state dict's order every trainable parameter's
gradient and every running statistic as the step left it."""
import os, sys
import numpy as np
import torch
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "../numeric"))
from formula import fill_values, fnv, mix, uniform, write

WORDS = {"true": True, "false": False, "none": None}
LAYERS = {name: getattr(nn, name) for name in (
    "Conv2d Linear BatchNorm1d BatchNorm2d ReLU ReLU6 LeakyReLU Sigmoid Tanh GELU Softmax MaxPool2d AvgPool2d "
    "AdaptiveAvgPool2d Dropout Flatten Identity Sequential").split()}
FUNCTIONS = {"relu": torch.relu, "add": torch.add, "cat": torch.cat, "flatten": torch.flatten, "mean": torch.mean,
             "adaptive_avg_pool2d": nn.functional.adaptive_avg_pool2d}


def CrossEntropy(weight=None, label_smoothing=0.0):
    weight = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    return lambda y, target: nn.functional.cross_entropy(y, target, weight, label_smoothing=label_smoothing)


def BCEWithLogits(pos_weight=None):
    def loss(y, target):
        weight = None if pos_weight is None else torch.tensor(pos_weight, dtype=torch.float64).reshape([-1] + [1] * (y.dim() - 2))
        return nn.functional.binary_cross_entropy_with_logits(y, target, pos_weight=weight)
    return loss


LOSSES = {"CrossEntropy": CrossEntropy, "BCEWithLogits": BCEWithLogits, "L1": lambda: nn.functional.l1_loss,
          "MSE": lambda: nn.functional.mse_loss}


class Case:
    def __init__(self, row):
        fields = [field.strip() for field in row.split("|")] + [""] * 7
        self.name, shape, n, layers, forward, self.edits, self.loss = fields[:7]
        self.shape, self.n = tuple(int(d) for d in shape.split()), int(n)
        self.model = nn.Module()
        names = dict(WORDS, **FUNCTIONS)
        for statement in layers.split(";"):
            name, layer = statement.split("=", 1)
            setattr(self.model, name.strip(), eval(layer, dict(WORDS, **LAYERS)))
            names[name.strip()] = getattr(self.model, name.strip())
        body = [s.strip() for s in forward.split(";")]
        if len(body) == 1:
            body = ["return " + body[0]]
        exec("def forward(x):\n" + "".join("  " + s + "\n" for s in body), names)
        self.forward = names["forward"]

    def fill(self):
        state = self.model.state_dict()
        self.model.load_state_dict(
            {k: torch.from_numpy(np.array(fill_values(self.name + "/" + k, tuple(v.shape)))) for k, v in state.items()})
        self.model.double()

    def pick(self, selector):
        """The layers and the parameters that a selector picks."""
        layers, parameters = dict(self.model.named_modules()), dict(self.model.named_parameters())
        if selector in parameters:
            return [], [parameters[selector]]
        if selector == "all":
            picked = list(layers.values())
        elif selector.startswith("every "):
            picked = [m for m in layers.values() if isinstance(m, LAYERS[selector[6:]])]
        else:
            picked = list(layers[selector].modules())
        assert picked, selector
        return picked, [p for m in picked for p in m.parameters()]

    def prepare_training(self):
        """Training mode, but for what is frozen."""
        self.model.train()
        for edit in filter(None, (e.strip() for e in self.edits.split(";"))):
            word, what = edit.split(" ", 1)
            moving = what.startswith("parameters of ")
            for selector in what.removeprefix("parameters of ").split(","):
                layers, parameters = self.pick(selector.strip())
                for p in parameters:
                    p.requires_grad = word == "unfreeze"
                for m in layers:
                    if not moving and not list(m.children()):
                        m.train(word == "unfreeze")

    def step(self, x):
        y = self.forward(x)
        if not any(p.requires_grad for p in self.model.parameters()):
            return []
        loss = eval(self.loss or "MSE", LOSSES)
        loss = loss if "(" in self.loss else loss()
        if self.loss.startswith("CrossEntropy"):
            count = y.numel() // y.shape[1]
            target = (mix(fnv(self.name + "/y"), count) % np.uint64(y.shape[1])).astype(np.int64)
            value = loss(y, torch.from_numpy(target).reshape(y.shape[:1] + y.shape[2:]))
        else:
            value = loss(y, torch.from_numpy(uniform(self.name + "/y", y.numel())).double().reshape(y.shape))
        value.backward()
        out, parameters = [value.detach()], dict(self.model.named_parameters())
        for key, tensor in self.model.state_dict().items():
            if key in parameters and parameters[key].requires_grad:
                gradient = parameters[key].grad
                out.append(torch.zeros_like(tensor) if gradient is None else gradient)
            elif key not in parameters and tensor.is_floating_point():
                out.append(tensor)
        return out

    def run(self):
        self.fill()
        x = torch.from_numpy(uniform(self.name + "/x", self.n * int(np.prod(self.shape)))).double()
        x = x.reshape((self.n,) + self.shape)
        self.model.eval()
        with torch.no_grad():
            out = [self.forward(x)]
        self.prepare_training()
        return np.concatenate([t.detach().numpy().reshape(-1) for t in out + self.step(x)])


def main():
    groups = sys.argv[1:] or sorted(f[:-4] for f in os.listdir(os.path.join(here, "cases")))
    for group in groups:
        out = {}
        for row in open(os.path.join(here, "cases", group + ".txt")):
            if row.strip() and not row.startswith("#"):
                case = Case(row)
                assert case.name not in out, case.name
                out[case.name] = case.run()
        write(os.path.join(here, "goldens", group + ".safetensors"), out, {"torch": torch.__version__})


main()
