#!/usr/bin/env python3
"""Fills augments/NAME.json, for a row AUGMENT of grammar/train.def: the bytes (H, W, C) that torchvision's transform makes of the
formula's picture of 17 x 13 pixels. A case has its arguments and torchvision's expression, written by hand; one with "share" in
place of it says how many of all pictures are changed. Run with Debian's python3-torchvision:
    /usr/bin/python3 tests/images/make_augment_goldens.py tests/images/augments/NAME.json
"""
import json
import sys
from pathlib import Path
import numpy as np
import torch, torchvision
from PIL import Image
from torchvision import transforms as T
from make_goldens import formula

for path in sys.argv[1:] or sorted(Path(__file__).parent.glob("augments/*.json")):
    golden = json.loads(Path(path).read_text())
    golden["torchvision"] = torchvision.__version__
    for case in golden["cases"]:
        if "torch" in case:
            torch.manual_seed(0)
            case["pixels"] = np.asarray(eval(case["torch"])(Image.fromarray(formula(17, 13)))).tobytes().hex()
    Path(path).write_text(json.dumps(golden, indent=1) + "\n")
