#!/usr/bin/python3
"""Makes color_goldens.safetensors: what torchvision's adjust_* and rotate make of the formula's picture of 17 x 13 pixels.
Run with Debian's python3-torchvision, in this folder.

brightness/C/FACTOR …  uint8 (13, 17, C): C = 3, or 1 for the picture as "L"; hue, contrast, saturation and rotate the same
erasing/area, ratio    float32 (99): percentiles of RandomErasing.get_params on 40 x 50 pixels
"""
from pathlib import Path
import numpy as np
import PIL, torch, torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F
from make_goldens import formula, write_safetensors

CASES = {"brightness": (F.adjust_brightness, (0, 0.3, 0.77, 1.4, 2.5)), "contrast": (F.adjust_contrast, (0, 0.45, 1.3, 3)),
         "saturation": (F.adjust_saturation, (0, 0.6, 1.7, 4)), "hue": (F.adjust_hue, (-0.5, -0.13, 0.04, 0.31, 0.5)),
         "rotate": (F.rotate, (0, 7, -33.3, 45, 90, 123, 180, 270, 359))}
out = {}
for channels in (3, 1):
    picture = Image.fromarray(formula(17, 13))
    if channels == 1:
        picture = picture.convert("L")
    for name, (change, factors) in CASES.items():
        for factor in factors:
            out[f"{name}/{channels}/{factor}"] = np.asarray(change(picture, factor)).reshape(13, 17, channels)
torch.manual_seed(0)
blank = torch.zeros(1, 40, 50)
boxes = np.array([T.RandomErasing.get_params(blank, (0.02, 0.33), (0.3, 3.3), [0.0])[:4] for _ in range(40000)], np.float64)
h, w = boxes[:, 2], boxes[:, 3]
out["erasing/area"] = np.percentile(h * w, range(1, 100)).astype(np.float32)
out["erasing/ratio"] = np.percentile(np.log(h / w), range(1, 100)).astype(np.float32)
write_safetensors(Path("color_goldens.safetensors"), out, {"pil": PIL.__version__, "torchvision": torchvision.__version__})
