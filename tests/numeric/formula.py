"""The numbers that both sides of a golden make for themselves instead of storing them: weights and inputs by a
counter-based formula of the tensor's name (its C side is formula.c), and the files of wanted values. Imported by the
make_goldens.py of tests/numeric and tests/ops."""
import json, struct
import numpy as np

MASK = (1 << 64) - 1


def fnv(text):
    h = 0xCBF29CE484222325
    for b in text.encode():
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def mix(seed, count):
    """splitmix64 of seed + i * golden ratio, for i = 1 … count."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """float32 in [-1, 1): 24 random bits."""
    return ((mix(fnv(name), count) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)).astype(np.float32)


def fill_values(name, shape):
    count = int(np.prod(shape)) if shape else 1
    u = uniform(name, count)
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if last == "running_mean" or last == "bias":
        v = np.float32(0.1) * u
    elif last == "running_var":
        v = np.float32(1) + np.float32(0.5) * u
    elif len(shape) == 1:
        v = np.float32(1) + np.float32(0.2) * u
    else:
        v = np.float32(np.sqrt(6.0 / np.prod(shape[1:]))) * u
    return v.astype(np.float32).reshape(shape)


def write(path, tensors, metadata):
    head, body = {"__metadata__": metadata}, b""
    for name, value in tensors.items():
        data = np.ascontiguousarray(value, np.float32).tobytes()
        head[name] = {"dtype": "F32", "shape": list(np.shape(value)), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)
    print(path, len(text) + len(body))
