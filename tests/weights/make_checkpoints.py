#!/usr/bin/env python3
"""Makes fixtures/checkpoint_*.pth and checkpoints.golden, in the form of make_goldens.py: checkpoints with several sets of weights,
with objects beside them, and quantised. Run by hand, with PyTorch and omegaconf from PyPI; the results are committed.

    python3 tests/weights/make_checkpoints.py"""
import argparse, collections, datetime, os, sys, warnings, zlib
import numpy as np
import omegaconf
import torch
import torch.nn as nn

HERE = os.path.dirname(os.path.abspath(__file__))
warnings.simplefilter("ignore")
torch.manual_seed(3)
golden = []


class AttributeDict(dict):
    """As Lightning's: a dict with attributes."""
    def __getattr__(self, key):
        return self[key]


class Trainer:
    def __init__(self, model):
        self.model, self.hook = model, min


def line(name, t):
    t = (t.dequantize() if t.is_quantized else t).detach()
    numbers = t.to(torch.float32).contiguous().numpy()
    integers = "-" if t.is_floating_point() else "%08x" % zlib.crc32(t.to(torch.int64).numpy().tobytes())
    dtype = {torch.float32: "f32", torch.int64: "i64"}[t.dtype]
    return "tensor %s %s %s %08x %s" % (name, dtype, ",".join(map(str, t.shape)) or "-", zlib.crc32(numbers.tobytes()), integers)


def save(name, tree, state):
    torch.save(tree, os.path.join(HERE, "fixtures", name))
    golden.append("file %s %d" % (name, len(state)))
    golden.extend(line(k, v) for k, v in state.items())


def small():
    return nn.Sequential(collections.OrderedDict(conv=nn.Conv2d(1, 2, 3), fc=nn.Linear(4, 2)))


model, ema, critic = small(), small(), nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for p in model.parameters():
    p.grad = torch.ones_like(p)
optimizer.step()
wrapped = collections.OrderedDict(("module." + k, v) for k, v in ema.state_dict().items())
save("checkpoint_sets.pth",
     {"epoch": 3, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "state_dict_ema": wrapped,
      "critic": critic, "scaler": {"scale": torch.tensor(1.0)},
      "channelwise": {"w": torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2, dtype=torch.int64), 0, torch.qint8)}},
     model.state_dict())
save("checkpoint_beside.pth",
     {"hparams": argparse.Namespace(lr=0.1), "cfg": omegaconf.OmegaConf.create({"a": {"b": [1, 2]}}), "when": datetime.datetime(2024, 1, 2),
      "hyper_parameters": AttributeDict(lr=0.1, net=AttributeDict(depth=3)), "array": np.arange(3.0), "best": np.float64(0.5),
      "metric": min, "optim": optimizer, "trainer": Trainer(critic), "model": model.state_dict()},
     model.state_dict())
inside = collections.OrderedDict(("conv._orig_mod._checkpoint_wrapped_module." + k[5:] if k.startswith("conv.") else k, v)
                                 for k, v in model.state_dict().items())
save("checkpoint_inside.pth", {"model": inside}, model.state_dict())

quantised = torch.ao.quantization.quantize_dynamic(small(), {nn.Linear}, dtype=torch.qint8)
state = collections.OrderedDict((k, v) for k, v in quantised.state_dict().items() if k.startswith("conv."))
weight, bias = quantised.fc.weight(), quantised.fc.bias()
state["fc.weight"], state["fc.bias"] = weight, bias
save("checkpoint_quantised.pth", quantised.state_dict(), state)
plain = {"conv.weight": torch.quantize_per_tensor(model.conv.weight, 0.037, 3, torch.quint8), "conv.bias": model.conv.bias,
         "conv.scale": torch.tensor(0.5), "conv.zero_point": torch.tensor(3), "other.scale": torch.ones(2)}
save("checkpoint_quint8.pth", plain, {k: v for k, v in plain.items() if k not in ("conv.scale", "conv.zero_point")})
torch.save({"w": torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2, dtype=torch.int64), 0, torch.qint8)},
           os.path.join(HERE, "fixtures", "checkpoint_channelwise.pth"))
with open(os.path.join(HERE, "checkpoints.golden"), "w") as f:
    f.write("# made by make_checkpoints.py with torch %s\n" % torch.__version__)
    f.write("\n".join(golden) + "\n")
