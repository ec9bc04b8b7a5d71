#!/usr/bin/python3
"""Makes goldens/inspect-NAME.json: what PyTorch gets for every node of a network, in evaluation, two pictures of 96 x 96. Run with
Debian's python3-torch and python3-torchvision. Weights and inputs come from the formula (formula.py). For each node, by the
name that torchvision.models.feature_extraction gives it: mean, standard deviation, least, greatest, share of zeros."""
import json
import numpy as np
import torch, torchvision
from torchvision.models import feature_extraction
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
from formula import fill_values, uniform

feature_extraction._get_leaf_modules_for_ops = lambda: []  # the parts of a Conv2dNormActivation too
for name in ["resnet18", "mobilenet_v2", "squeezenet1_1"]:
    model = getattr(torchvision.models, name)()
    state = model.state_dict()
    model.load_state_dict({k: torch.from_numpy(np.array(fill_values(k, tuple(v.shape)))) for k, v in state.items()})
    model.eval()
    # In place operators would overwrite the values before them.
    for m in model.modules():
        if hasattr(m, "inplace"):
            m.inplace = False
    x = torch.from_numpy(uniform("x", 2 * 3 * 96 * 96).reshape(2, 3, 96, 96))
    nodes = [n for n in get_graph_node_names(model)[1] if n != "x"]
    with torch.no_grad():
        values = create_feature_extractor(model, nodes)(x)
    rows = []
    for node in nodes:
        v = values[node].double().numpy()
        rows.append([node] + [float(f"{q:.8g}") for q in (v.mean(), v.std(), v.min(), v.max(), (v == 0).mean())])
    with open(f"goldens/inspect-{name}.json", "w") as f:
        f.write('{"torch": "%s", "values": [\n%s\n]}\n' % (torch.__version__, ",\n".join(json.dumps(r) for r in rows)))
    print(name, len(rows))
