#!/usr/bin/python3
"""Makes formats/, small WebP, GIF, BMP, TIFF and turned pictures, and format_goldens.safetensors: what PIL makes of
them. Run in this folder with PIL and numpy (a venv with pillow and numpy will do).

decode/C/FILE    uint8 (H, W, C): the picture converted to L, LA, RGB or RGBA (C = 1 to 4)
upright/C/FILE   the same after ImageOps.exif_transpose
resize/C/FILE    uint8 (9, 7, C): the same, resized to 9 x 7 with the bilinear filter
"""
import io, json, struct, zlib
from pathlib import Path
import numpy as np
import PIL
from PIL import Image, ImageOps

HERE = Path(__file__).parent
PICTURES, OLD = HERE / "formats", HERE / "pictures"
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def formula(width, height):  # make_goldens.py's
    y, x = np.mgrid[0:height, 0:width].astype(np.uint32)
    return np.stack([(x * 13 + y * 7) % 256, (x * np.uint32(2654435761) + y * np.uint32(40503 * 17)) % 251,
                     (x * y * 31 + x * 101 + y * 57) % 256], -1).astype(np.uint8)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 9 % 256, y * 11 % 256, (x + y) * 4 % 256], -1).astype(np.uint8)


def write_safetensors(path, arrays, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, a in arrays.items():
        raw = np.ascontiguousarray(a).tobytes()
        header[name] = {"dtype": {"uint8": "U8", "float32": "F32"}[str(a.dtype)], "shape": list(a.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


rgb = Image.fromarray(formula(17, 13))
alpha = Image.fromarray(((np.mgrid[0:13, 0:17][1] * 16 + 3) % 256).astype(np.uint8))
rgba = Image.merge("RGBA", (*rgb.split(), alpha))
gray, palette = rgb.convert("L"), rgb.quantize(13)
for kind in ("webp", "gif", "bmp", "tiff", "turned"):
    (PICTURES / kind).mkdir(parents=True, exist_ok=True)


def save(name, picture, **more):
    picture.save(PICTURES / name, **more)


save("webp/lossless.webp", rgb, lossless=True)
save("webp/lossy.webp", Image.fromarray(smooth(21, 18)), quality=80)
save("webp/alpha.webp", rgba, lossless=True, exact=True)
save("webp/animated.webp", rgb, save_all=True, append_images=[rgb.rotate(180)], lossless=True, duration=100)
save("gif/palette.gif", palette)
save("gif/gray.gif", gray)
save("gif/interlaced.gif", palette, interlace=1)
save("gif/plain.gif", palette, interlace=0)
save("gif/transparent.gif", palette, transparency=3)
save("gif/animated.gif", palette, save_all=True, append_images=[rgb.rotate(180).quantize(13)], duration=100)
save("bmp/rgb.bmp", rgb)
save("bmp/gray.bmp", gray)
save("bmp/palette.bmp", palette)
save("bmp/one_bit.bmp", gray.convert("1"))
save("bmp/alpha.bmp", rgba)
save("tiff/rgb.tif", rgb)
save("tiff/rgb_lzw.tiff", rgb, compression="tiff_lzw")
save("tiff/rgb_deflate.tif", rgb, compression="tiff_deflate")
save("tiff/gray.tif", gray)
save("tiff/palette.tif", palette)
save("tiff/one_bit.tif", gray.convert("1"), compression="group4")
save("tiff/rgba.tif", rgba)
save("tiff/gray_alpha.tif", Image.merge("LA", (gray, alpha)))
save("tiff/jpeg.tif", Image.fromarray(smooth(32, 24)), compression="jpeg")
save("tiff/cmyk.tif", rgb.convert("CMYK"))


def bmp(bits, body, header=40, compression=0, colors=(), height=13, width=17, masks=()):
    """What PIL does not write."""
    colors = b"".join(bytes(c) + b"\0" for c in colors)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
        colors = b"".join(colors[i:i + 3] for i in range(0, len(colors), 4))
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(body), 0, 0, len(colors) // 4, 0)
        masks = b"".join(struct.pack("<I", m) for m in masks)
        info += masks if header == 40 else masks + b"\0" * (header - 40 - len(masks))
    offset = 14 + len(info) + len(colors)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + colors + body


def put(name, data):
    (PICTURES / name).write_bytes(data)


pixels = formula(17, 13)
sixteen = ((pixels[..., 0] >> 3).astype(np.uint16) << 10) | ((pixels[..., 1] >> 3).astype(np.uint16) << 5) | (pixels[..., 2] >> 3)
rows = b"".join(r.astype("<u2").tobytes() + b"\0\0" for r in sixteen[::-1])
put("bmp/sixteen.bmp", bmp(16, rows))
green = ((pixels[..., 0] >> 3).astype(np.uint16) << 11) | ((pixels[..., 1] >> 2).astype(np.uint16) << 5) | (pixels[..., 2] >> 3)
rows = b"".join(r.astype("<u2").tobytes() + b"\0\0" for r in green[::-1])
put("bmp/masks.bmp", bmp(16, rows, compression=3, masks=(0xf800, 0x7e0, 0x1f)))
put("bmp/top_down.bmp", bmp(24, b"".join(r[:, ::-1].tobytes() + b"\0" for r in pixels), height=-13))
four = np.arange(13 * 17).reshape(13, 17) * 7 % 16
colors = [(16 * i, 255 - 16 * i, (i * 37) % 256) for i in range(16)]


def nibbles(row):
    row = list(row) + [0] * (-len(row) % 8)
    return bytes(a << 4 | b for a, b in zip(row[::2], row[1::2]))


put("bmp/four_bits.bmp", bmp(4, b"".join(nibbles(r) for r in four[::-1]), colors=colors))
put("bmp/os2.bmp", bmp(4, b"".join(nibbles(r) for r in four[::-1]), header=12, colors=colors))
body = b""
for i, row in enumerate(four[::-1]):  # runs, indices as they are, both
    if i % 2:
        body += b"".join(bytes((1, int(v))) for v in row) + b"\0\0"
    else:
        body += bytes((0, 17)) + bytes(int(v) for v in row) + b"\0" + b"\0\0"
put("bmp/rle8.bmp", bmp(8, body + b"\0\1", compression=1, colors=colors))
body = b""
for i, row in enumerate(four[::-1]):
    if i % 2:
        body += bytes((17, 0x5a)) + b"\0\0"
    else:
        body += bytes((0, 17)) + nibbles(list(row) + [0])[:9] + b"\0" + b"\0\0"
put("bmp/rle4.bmp", bmp(4, body + b"\0\1", compression=2, colors=colors))

# a GIF whose frame is smaller than its canvas and not at its corner
raw = bytearray((PICTURES / "gif/plain.gif").read_bytes())
raw[6:10] = struct.pack("<HH", 25, 19)
at = raw.index(b"\x2c\0\0\0\0\x11\0\x0d\0")
raw[at + 1:at + 5] = struct.pack("<HH", 5, 4)
put("gif/offset.gif", bytes(raw))


def tiff(tags, data):
    """A TIFF of one strip or tile, tags as {number: (type, values)}."""
    sizes = {1: 1, 3: 2, 4: 4}
    entries, extra, at = b"", b"", 8 + 2 + 12 * len(tags) + 4
    body_at = at + sum(len(v) * sizes[t] for t, v in tags.values() if len(v) * sizes[t] > 4)
    for number in sorted(tags):
        kind, values = tags[number]
        values = [body_at + v[0] if isinstance(v, tuple) else v for v in values]
        raw = b"".join(struct.pack("<" + {1: "B", 3: "H", 4: "I"}[kind], v) for v in values)
        if len(raw) > 4:
            entries += struct.pack("<HHII", number, kind, len(values), at + len(extra))
            extra += raw
        else:
            entries += struct.pack("<HHI", number, kind, len(values)) + raw.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + extra + data


def tags(bits, samples, photometric, data, **more):
    return tiff({256: (4, [17]), 257: (4, [13]), 258: (3, [bits] * samples), 259: (3, [1]), 262: (3, [photometric]), 277: (3, [samples]),
                 **({} if 322 in more.get("add", {}) else {273: (4, [(0,)]), 278: (4, [13]), 279: (4, [len(data)])}),
                 **more.get("add", {})}, data)


whole = np.asarray(rgba)
put("tiff/rgb16.tif", tags(16, 3, 2, ((pixels.astype(np.uint16) << 8) + 77).tobytes()))
planes = [np.ascontiguousarray(pixels[..., c]).tobytes() for c in range(3)]
put("tiff/planes.tif", tags(8, 3, 2, b"".join(planes), add={
    284: (3, [2]), 273: (4, [(0,), (221,), (442,)]), 279: (4, [221] * 3)}))
tiles = np.zeros((16, 32, 3), np.uint8)
tiles[:13, :17] = pixels
put("tiff/tiles.tif", tags(8, 3, 2, tiles[:, :16].tobytes() + tiles[:, 16:].tobytes(), add={
    322: (4, [16]), 323: (4, [16]), 324: (4, [(0,), (768,)]), 325: (4, [768, 768])}))
put("tiff/white_is_zero.tif", tags(8, 1, 0, np.asarray(gray).tobytes()))
put("tiff/associated.tif", tags(8, 4, 2, np.asarray(rgba.convert("RGBa")).tobytes(), add={338: (3, [1])}))
put("tiff/turned.tif", tags(8, 3, 2, pixels.tobytes(), add={274: (3, [6])}))

for orientation in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(f"turned/{orientation}.jpg", Image.fromarray(smooth(24, 16)), exif=exif, quality=90)
exif = Image.Exif()
exif[0x0112] = 8
save("turned/8.png", rgb, exif=exif)
save("turned/8.webp", rgb, exif=exif, lossless=True)

out = {}
for path in sorted(p for kind in ("webp", "gif", "bmp", "tiff", "turned") for p in (PICTURES / kind).iterdir()):
    name = f"{path.parent.name}/{path.name}"
    for channels, mode in MODES.items():
        if channels in (2, 4) and path.parent.name == "turned":
            continue
        out[f"decode/{channels}/{name}"] = np.asarray(Image.open(path).convert(mode)).reshape(*Image.open(path).convert(mode).size[::-1], channels)
    if path.parent.name == "turned":
        out[f"upright/3/{name}"] = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
for name in ("png/rgba.png", "png/gray_alpha.png", "png/palette_transparent.png", "png/rgb.png"):
    for channels in (2, 4):
        picture = Image.open(OLD / name).convert(MODES[channels])
        out[f"decode/{channels}/{name}"] = np.asarray(picture)
        out[f"resize/{channels}/{name}"] = np.asarray(picture.resize((7, 9), Image.Resampling.BILINEAR))
write_safetensors(HERE / "format_goldens.safetensors", out, {"pil": PIL.__version__})
