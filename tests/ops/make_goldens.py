#!/usr/bin/python3
"""Makes goldens/GROUP.safetensors from cases/GROUP.txt: what PyTorch computes, in f64, for the networks of the table. Run
with Debian's python3-torch; all groups, or those that are named. A row's layers and forward are Python but for true,
false and none, and are run as they stand with torch.nn's classes behind the names; freeze and unfreeze are done here
anew, as the language says it.

One tensor for each case, of its parts one behind the other: the outputs for n samples in evaluation mode; then, where
anything is trainable, the loss of a step in training mode, and in the state dict's order every trainable parameter's
gradient and every running statistic as the step left it."""
import os, re, sys
import numpy as np
import torch
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "../numeric"))
from formula import fill_values, fnv, mix, uniform, write

WORDS = {"true": True, "false": False, "none": None}
LAYERS = {name: getattr(nn, name) for name in (
    "Conv2d Linear BatchNorm1d BatchNorm2d ReLU ReLU6 LeakyReLU Sigmoid Tanh GELU Softmax MaxPool2d AvgPool2d "
    "AdaptiveAvgPool2d Dropout Flatten Identity Sequential Embedding LayerNorm GroupNorm").split()}


class MultiheadAttention(nn.MultiheadAttention):
    """Called with x, (x, mask), (q, k, v) or (q, k, v, mask), as in the language."""

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, batch_first=True):
        super().__init__(embed_dim, num_heads, dropout, bias, batch_first=batch_first)

    def forward(self, *values):
        mask = None
        if len(values) in (2, 4):
            *values, mask = values
        q, k, v = values if len(values) == 3 else values * 3
        return super().forward(q, k, v, key_padding_mask=None if mask is None else mask == 0, need_weights=False)[0]


def attention(q, k, v, mask=None, heads=1, dropout_p=0.0):
    if isinstance(mask, int):
        mask, heads = None, mask
    q, k, v = (x.unflatten(2, (heads, x.shape[2] // heads)).transpose(1, 2) for x in (q, k, v))
    scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask[:, None, None, :] == 0, -torch.inf)
    return (torch.softmax(scores, 3) @ v).transpose(1, 2).flatten(2)


LAYERS["MultiheadAttention"] = MultiheadAttention
FUNCTIONS = {"gelu": nn.functional.gelu, "tanh": torch.tanh, "softmax": torch.softmax, "select": torch.select,
             "positions": lambda x: torch.arange(x.shape[1]).expand(x.shape[:2]), "zeros_like": torch.zeros_like,
             "scaled_dot_product_attention": attention, "relu": torch.relu, "add": torch.add, "mul": torch.mul, "cat": torch.cat, "flatten": torch.flatten, "mean": torch.mean,
             "adaptive_avg_pool2d": nn.functional.adaptive_avg_pool2d}


def loss_named(torch_name):
    """The loss of grammar/train.def that is called so in torch.nn; a list of weights is one a class, dimension 1 of the output."""
    def with_arguments(**arguments):
        def of(y, target):
            lists = {name: torch.tensor(value, dtype=torch.float64) for name, value in arguments.items() if isinstance(value, list)}
            if "pos_weight" in lists:
                lists["pos_weight"] = lists["pos_weight"].reshape([-1] + [1] * (y.dim() - 2))
            return getattr(nn, torch_name)(**{**arguments, **lists})(y, target)
        return of
    return with_arguments


with open(os.path.join(here, "../../grammar/train.def")) as table:
    LOSSES = {name: loss_named(torch_name) for name, torch_name in re.findall(r'^LOSS\((\w+),.*?"(\w+Loss)"', table.read(), re.S | re.M)}


class Case:
    def __init__(self, row):
        fields = [field.strip() for field in row.split("|")] + [""] * 7
        self.name, shape, n, layers, forward, self.edits, self.loss = fields[:7]
        words = shape.split()
        self.mask, self.n, self.vocabulary = "mask" in words, int(n), None
        if "<" in words:
            self.vocabulary = int(words[words.index("<") + 1])
            words = words[:words.index("<")]
        self.shape = tuple(int(d) for d in words if d != "mask")
        self.model = nn.Module()
        names = dict(WORDS, **FUNCTIONS)
        for statement in layers.split(";"):
            name, layer = statement.split("=", 1)
            setattr(self.model, name.strip(), eval(layer, dict(WORDS, **LAYERS)))
            names[name.strip()] = getattr(self.model, name.strip())
        body = [s.strip() for s in forward.split(";")]
        if len(body) == 1:
            body = ["return " + body[0]]
        exec("def forward(x, mask=None):\n" + "".join("  " + s + "\n" for s in body), names)
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
                    if not moving and (not list(m.children()) or isinstance(m, nn.MultiheadAttention)):
                        m.train(word == "unfreeze")

    def step(self, x, mask):
        y = self.forward(x, mask)
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
        count = self.n * int(np.prod(self.shape))
        if self.vocabulary:
            x = torch.from_numpy((mix(fnv(self.name + "/x"), count) % np.uint64(self.vocabulary)).astype(np.int64))
        else:
            x = torch.from_numpy(uniform(self.name + "/x", count)).double()
        x, mask = x.reshape((self.n,) + self.shape), None
        if self.mask:
            mask = (mix(fnv(self.name + "/mask"), self.n * self.shape[0]) % np.uint64(3)).astype(np.int64) != 0
            mask = torch.from_numpy(mask.reshape(self.n, self.shape[0]).astype(np.int64))
            mask[:, 0] = 1
        self.model.eval()
        out = [self.forward(x, mask)]  # not in no_grad: the fast path of nn.MultiheadAttention is not wanted
        self.prepare_training()
        return np.concatenate([t.detach().numpy().reshape(-1) for t in out + self.step(x, mask)])


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
