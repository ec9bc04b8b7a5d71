#!/usr/bin/python3
"""Makes goldens/*.safetensors: what PyTorch computes for whole networks. Run with Debian's python3-torch and
python3-torchvision; the versions are in each file's metadata. Weights and inputs are not stored: both sides make them
from the tensor's name with the same counter-based formula (formula.py here, formula.c there).

forward_N    logits for N pictures in evaluation mode
sample/KEY   64 entries of the gradient of KEY after one step's backward (in f64), at the places of sample_places
max/KEY      the largest entry of that gradient, by absolute value; norm/KEY its Euclidean norm
losses/WHAT  ten losses of training: all layers, head alone, freeze parameters of all (statistics moving)
bert_tiny: forward_T and masked_T for 3 texts of T tokens, hidden_T the masked encoder's hidden states
"""
import sys
import numpy as np
import torch, torchvision
from torch import nn
from bert import Bert
from formula import fill_values, fnv, mix, uniform, write


def filled(model):
    state = model.state_dict()
    model.load_state_dict({k: torch.from_numpy(np.array(fill_values(k, tuple(v.shape)))) for k, v in state.items()})
    return model


# Which random pictures: a ReLU whose input is zero but for rounding turns a whole path of the gradient on or off, and
# PyTorch's own f32 and f64 gradients then differ by percents. With these salts they agree to 5e-6 (resnet18) and
# 5e-4 (mobilenet_v2).
SALT = {"resnet18": "9", "mobilenet_v2": "8"}


def inputs(n, shape, classes, salt=""):
    x = uniform("x" + salt, n * int(np.prod(shape))).reshape((n,) + shape)
    y = (mix(fnv("y"), n) % np.uint64(classes)).astype(np.int64)
    return torch.from_numpy(x), torch.from_numpy(y)


def sample_places(name, count, k=64):
    return (mix(fnv("sample " + name), k) % np.uint64(count)).astype(np.int64)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))


class EvalDropout(nn.Module):
    """Dropout off, as `freeze` of the dropout does, so that no random stream has to be shared."""

    def forward(self, x):
        return x


def without_dropout(model):
    for name, child in model.named_children():
        setattr(model, name, EvalDropout()) if isinstance(child, nn.Dropout) else without_dropout(child)
    return model


def put_gradients(out, gradients):
    for name, g in gradients:
        g = g.numpy().reshape(-1)
        out["sample/" + name] = g[sample_places(name, g.size)]
        out["max/" + name] = np.abs(g).max()
        out["norm/" + name] = np.sqrt((g.astype(np.float64) ** 2).sum())


def gradients(out, model, x, y):
    model.train()
    model.zero_grad()
    nn.functional.cross_entropy(model.double()(x.double()), y).backward()
    put_gradients(out, ((name, p.grad) for name, p in model.named_parameters()))


def texts(n, tokens, vocab=30522):
    """Token numbers and a mask: each text has a length of its own, and one hole where it is long enough."""
    ids = (mix(fnv("tokens"), n * tokens) % np.uint64(vocab)).astype(np.int64).reshape(n, tokens)
    length = (mix(fnv("mask"), n) % np.uint64(tokens)).astype(np.int64) + 1
    mask = (np.arange(tokens)[None, :] < length[:, None]).astype(np.int64)
    mask[:, 2:3] *= length[:, None] < 4
    return torch.from_numpy(ids), torch.from_numpy(mask)


def bert(out):
    model = lambda: Bert(2, 128, 2, 512)
    values = {key: torch.from_numpy(fill_values(key, shape)) for key, shape in model().names}
    net = model().load(values).double()
    with torch.no_grad():
        for tokens in (17, 1):
            ids, mask = texts(3, tokens)
            out[f"forward_{tokens}"], out[f"masked_{tokens}"] = net(ids).numpy(), net(ids, mask).numpy()
        ids, mask = texts(3, 5)
        out["hidden_5"] = net.hidden(ids, mask).numpy()
    ids, mask = texts(4, 17)
    y = torch.from_numpy((mix(fnv("y"), 4) % np.uint64(128)).astype(np.int64))
    nn.functional.cross_entropy(net(ids, mask), y).backward()
    put_gradients(out, net.gradients().items())
    ids, mask = texts(20, 9)
    y = torch.from_numpy((mix(fnv("y"), 20) % np.uint64(3)).astype(np.int64))
    x = torch.cat([ids, mask], 1)
    for what, lr in (("full", 0.002), ("head", 0.05)):
        net, head = model().load(values), nn.Linear(128, 3)
        head.load_state_dict({k: torch.from_numpy(fill_values("classifier." + k, tuple(v.shape))) for k, v in head.state_dict().items()})
        whole = nn.ModuleList([net, head]).double()
        whole.forward = lambda x: head(net(x[:, :9], x[:, 9:]))
        out["losses/" + what] = losses(whole, x, y, (head if what == "head" else whole).parameters(), 10, lr)


def losses(model, x, y, parameters, batch, lr):
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    got = []
    for step in range(10):
        at = (step * batch) % len(x)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model.forward(x[at:at + batch]), y[at:at + batch])
        loss.backward()
        optimizer.step()
        got.append(loss.item())
    return got


def main():
    torch.manual_seed(0)
    torch.set_num_threads(2)
    zoo = torchvision.models
    wanted = sys.argv[1:] or ["resnet18", "resnet50", "vgg11_bn", "mobilenet_v2", "squeezenet1_1", "alexnet", "lenet", "bert_tiny", "training"]
    for name in wanted:
        out = {}
        if name == "bert_tiny":
            bert(out)
        elif name == "training":
            # In f64, with a rate at which PyTorch's own f32 losses agree with these to 1e-6.
            x, y = inputs(20, (3, 64, 64), 10)
            x = x.double()

            def fresh(frozen):
                model = filled(zoo.resnet18(num_classes=10)).double()
                for p in model.parameters():
                    p.requires_grad = not frozen
                for p in model.fc.parameters():
                    p.requires_grad = True
                return model

            model = fresh(False).train()
            out["losses/full"] = losses(model, x, y, model.parameters(), 10, 2e-4)
            model = fresh(True).eval()
            out["losses/head"] = losses(model, x, y, model.fc.parameters(), 10, 1e-5)
            model = fresh(True).train()
            out["losses/statistics"] = losses(model, x, y, model.fc.parameters(), 10, 2e-4)
            out["running_mean/layer4.1.bn2"] = model.layer4[1].bn2.running_mean.numpy()
            out["running_var/layer4.1.bn2"] = model.layer4[1].bn2.running_var.numpy()
        else:
            shape = (1, 28, 28) if name == "lenet" else (3, 224, 224)
            model = filled(LeNet() if name == "lenet" else getattr(zoo, name)()).eval()
            with torch.no_grad():
                for n in (1, 3):
                    out[f"forward_{n}"] = model(inputs(n, shape, 1000)[0]).numpy()
            if name in ("resnet18", "mobilenet_v2", "lenet"):
                small = (1, 28, 28) if name == "lenet" else (3, 96, 96)
                x, y = inputs(4, small, 10 if name == "lenet" else 1000, SALT.get(name, ""))
                gradients(out, without_dropout(model), x, y)
        write(f"goldens/{name}.safetensors", out, {"torch": torch.__version__, "torchvision": torchvision.__version__})


main()
