#!/usr/bin/python3
"""Makes pictures/ (small pictures of every kind that must be read) and goldens.safetensors: what PIL and torchvision
make of pictures. Run with Debian's python3-torchvision; give the folder hymenoptera_data as the argument.

real/FILE/samples      uint8 (3, 45, 45): every 5th pixel of Resize(256), CenterCrop(224)
real/FILE/blocks       float32 (3, 14, 14): the mean of each block of 16 x 16 of it, 0 … 255
real/FILE/means        float32 (3): channel means after ToTensor
real/FILE/normalized   float32 (3): channel means after Normalize (ImageNet)
decode/C/FILE          uint8 (H, W, C): a small picture as PIL decodes it, converted to RGB (C = 3) or L (1)
case/C/WxH/STEPS       float32 (C, h, w): the formula's picture of W x H pixels through the steps, 0 … 255
crop/SHARES…           float32 (99): percentiles of RandomResizedCrop.get_params, see crops()
"""
import io, json, struct, sys, zlib
from pathlib import Path
import numpy as np
import PIL, torch, torchvision
from PIL import Image
from torchvision import transforms as T

HERE = Path(__file__).parent
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# Sizes odd and even, up and down, wide and tall, every chroma subsampling, progressive ones, the largest of all.
REAL = """
val/ants/ants-devouring-remains-of-large-dead-insect-on-red-tile-in-Stellenbosch-South-Africa-closeup-1-DHD.jpg
train/ants/Nepenthes_rafflesiana_ant.jpg
train/ants/ant photos.jpg
train/ants/Ant_1.jpg
train/ants/662541407_ff8db781e7.jpg
val/bees/6a00d8341c630a53ef00e553d0beb18834-800wi.jpg
train/bees/36900412_92b81831ad.jpg
train/bees/2610833167_79bf0bcae5.jpg
val/bees/abeja.jpg
train/bees/1691282715_0addfdf5e8.jpg
""".split("\n")[1:-1]

# The steps are read by steps.c: NAME SIZE… with ; between.
CASES = """
3/17x13/resize 9
3/17x13/resize 30
3/13x17/resize 9
3/13x17/resize 30
3/17x13/resize 7 40
3/17x13/resize 40 7
3/17x13/resize 1 1
3/17x13/resize 13
3/97x3/resize 2 5
3/3x97/resize 3
3/1x1/resize 4
3/1x60/resize 2
3/60x1/resize 2
3/17x13/resize 17 13
3/17x13/center_crop 20 22
3/17x13/center_crop 6 22
3/17x13/center_crop 20 5
3/17x13/center_crop 13 17
3/17x13/center_crop 4 4
3/17x13/center_crop 5 8
3/1x1/center_crop 3 2
3/17x13/resize 12;center_crop 10 10
3/17x13/center_crop 9 9;resize 5
3/17x13/grayscale
3/17x13/grayscale;resize 9
1/17x13/resize 9
1/17x13/resize 20;center_crop 18 18
1/17x13/grayscale
""".split("\n")[1:-1]


def formula(width, height):
    """The picture of the cases: smooth in one channel, noise in the others. The same in support.c."""
    y, x = np.mgrid[0:height, 0:width].astype(np.uint32)
    r = (x * 13 + y * 7) % 256
    g = (x * 2654435761 + y * 40503 * 17) % 251
    b = (x * y * 31 + x * 101 + y * 57) % 256
    return np.stack([r, g, b], 2).astype(np.uint8)


def run_case(name):
    channels, size, steps = name.split("/", 2)
    width, height = map(int, size.split("x"))
    picture = Image.fromarray(formula(width, height))
    if channels == "1":
        picture = picture.convert("L")
    for step in steps.split(";"):
        word, *sizes = step.split()
        sizes = [int(s) for s in sizes]
        if word == "resize":
            picture = T.Resize(sizes if len(sizes) == 2 else sizes[0])(picture)
        elif word == "center_crop":
            picture = T.CenterCrop(sizes)(picture)
        elif word == "grayscale":
            picture = T.Grayscale(int(channels))(picture)
        else:
            raise ValueError(word)
    return (T.ToTensor()(picture) * 255).numpy()


def real_picture(path):
    with Image.open(path) as file:
        picture = T.CenterCrop(224)(T.Resize(256)(file.convert("RGB")))
    x = T.ToTensor()(picture)
    normalized = T.Normalize(MEAN, STD)(x)
    pixels = np.asarray(picture).transpose(2, 0, 1)
    blocks = pixels.reshape(3, 14, 16, 14, 16).astype(np.float64).mean((2, 4))
    return {"samples": pixels[:, ::5, ::5], "blocks": blocks.astype(np.float32), "means": x.mean((1, 2), dtype=torch.float64).numpy().astype(np.float32),
            "normalized": normalized.mean((1, 2), dtype=torch.float64).numpy().astype(np.float32)}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_bits(values, depth):
    """(h, w × channels) samples of `depth` bits, as rows of bytes."""
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in values]
    bits = np.unpackbits(values.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - depth:]
    return [np.packbits(row.reshape(-1)).tobytes() for row in bits]


def png(values, depth, colour, interlaced=False, extra=b""):
    """PNG of (h, w, channels) integers; PIL writes neither 16-bit RGB nor interlaced ones. No filters."""
    height, width, channels = values.shape
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] if interlaced else [(0, 0, 1, 1)]
    data = b""
    for x, y, dx, dy in passes:
        part = values[y::dy, x::dx]
        if part.size:
            data += b"".join(b"\0" + row for row in pack_bits(part.reshape(part.shape[0], -1), depth))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def photo(width, height):
    """Something smooth with edges, as JPEG likes it."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    r = 127 + 120 * np.sin(7 * x + 3 * y)
    g = 255 * ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.09) * 0.8 + 30 * y
    b = 200 * x + 55 * y
    return Image.fromarray(np.clip(np.stack([r, g, b], 2), 0, 255).astype(np.uint8))


def saved(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def small_pictures():
    noise = formula(23, 19)
    rgb, tall = photo(23, 19), photo(3, 90)
    alpha = np.dstack([noise, noise[:, :, :1]])
    small = formula(11, 9)
    wide16 = small.astype(np.uint16) * 257 - (small > 100) * 99
    palette = rgb.quantize(16)
    jpeg = photo(21, 17)
    cmyk = Image.merge("CMYK", [*jpeg.split(), jpeg.split()[0].point(lambda v: v // 2)])
    return {
        "png/rgb.png": saved(rgb, "PNG"), "png/gray.png": saved(rgb.convert("L"), "PNG"),
        "png/palette.png": saved(palette, "PNG"), "png/palette_transparent.png": saved(palette, "PNG", transparency=3),
        "png/rgba.png": saved(Image.fromarray(alpha), "PNG"),
        "png/gray_alpha.png": saved(Image.fromarray(alpha).convert("LA"), "PNG"),
        "png/one_bit.png": saved(rgb.convert("1"), "PNG"), "png/four_bits.png": png(noise[:, :, :1] // 16, 4, 0),
        "png/gray16.png": png(wide16[:, :, :1], 16, 0), "png/rgb16.png": png(wide16, 16, 2),
        "png/interlaced.png": png(noise, 8, 2, True), "png/interlaced_16_alpha.png": png(np.dstack([wide16, wide16[:, :, :1]]), 16, 6, True),
        "png/gray_transparent.png": png(noise[:, :, :1], 8, 0, extra=chunk(b"tRNS", b"\0\x7f")),
        "png/one_pixel.png": saved(photo(1, 1), "PNG"), "png/tall.png": saved(tall, "PNG"),
        "jpeg/rgb.jpg": saved(jpeg, "JPEG", quality=90, subsampling=0), "jpeg/half.jpg": saved(jpeg, "JPEG", subsampling=1),
        "jpeg/quarter.jpeg": saved(jpeg, "JPEG", subsampling=2), "jpeg/gray.jpg": saved(jpeg.convert("L"), "JPEG"),
        "jpeg/progressive.jpg": saved(jpeg, "JPEG", progressive=True), "jpeg/cmyk.jpg": saved(cmyk, "JPEG", quality=90),
        "jpeg/one_pixel.JPG": saved(photo(1, 1), "JPEG"), "jpeg/tall.jpg": saved(tall, "JPEG"),
        "jpeg/wide.jpg": saved(tall.rotate(90, expand=True), "JPEG", progressive=True),
        "jpeg/turned.jpg": saved(jpeg, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    }


def decoded(path, mode):
    with Image.open(path) as file:
        if path.name == "gray16.png":  # PIL cuts 16-bit gray off at 255; see image_decode.c
            return Image.fromarray((np.asarray(file) >> 8).astype(np.uint8)).convert(mode)
        return file.convert(mode)


def crops():
    """What get_params draws on 500 x 375 pixels with the defaults: share of the area, log of the aspect, place of the
    box in the room that is left, from left and from top; and the share of the area on 400 x 40, where many attempts
    fail."""
    def draw(width, height):
        blank = Image.new("L", (width, height))
        boxes = np.array([T.RandomResizedCrop.get_params(blank, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(40000)], np.float64)
        return boxes.T
    torch.manual_seed(0)
    top, left, h, w = draw(500, 375)
    room = (w < 490) & (h < 365)
    rows = {"share": w * h / (500 * 375), "aspect": np.log(w / h), "left": (left / np.maximum(500 - w, 1))[room],
            "top": (top / np.maximum(375 - h, 1))[room]}
    top, left, h, w = draw(400, 40)
    rows["narrow_share"] = w * h / (400 * 40)
    return {f"crop/{k}": np.percentile(v, range(1, 100)).astype(np.float32) for k, v in rows.items()}


def write_safetensors(path, tensors, metadata):
    kinds = {"uint8": "U8", "float32": "F32"}
    head, data = {"__metadata__": metadata}, b""
    for name, value in sorted(tensors.items(), key=lambda item: (item[1].dtype != np.float32, item[0])):
        value = np.ascontiguousarray(value)
        head[name] = {"dtype": kinds[value.dtype.name], "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    shared, goldens = Path(sys.argv[1]), {}
    for name in REAL:
        goldens.update({f"real/{name}/{k}": v for k, v in real_picture(shared / name).items()})
    for name, data in small_pictures().items():
        path = HERE / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        goldens[f"decode/3/{name}"] = np.asarray(decoded(path, "RGB"))
        if name.split(".")[0] in ("png/rgb", "png/gray", "png/rgba", "jpeg/rgb"):
            goldens[f"decode/1/{name}"] = np.asarray(decoded(path, "L"))[:, :, None]
    for name in CASES:
        goldens[f"case/{name}"] = run_case(name).round().astype(np.uint8)
    goldens.update(crops())
    write_safetensors(HERE / "goldens.safetensors", goldens, {"pillow": PIL.__version__, "torch": torch.__version__, "torchvision": torchvision.__version__})


if __name__ == "__main__":
    main()
