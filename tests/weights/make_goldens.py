#!/usr/bin/python3
"""Makes tests/weights/fixtures/* and the two golden lists that golden.c compares with: what PyTorch and numpy read out of each
file. Run by hand, with Debian's python3-torch (the interpreter above), after a change here; the results are committed.

    /usr/bin/python3 tests/weights/make_goldens.py [FOLDER OF SHARED DATA]

A golden line: tensor NAME DTYPE SHAPE CRC32-of-the-f32-bytes CRC32-of-the-i64-bytes (or -)."""
import io, json, os, pickle, struct, sys, tarfile, types, warnings, zipfile, zlib
from collections import OrderedDict
import numpy as np
import torch
import torch.nn as nn

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "fixtures")
SHARED = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "..", "..", "shared", "data")
torch.manual_seed(7)
warnings.simplefilter("ignore")
DTYPES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int64: "i64",
          torch.int32: "i32", torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8", torch.bool: "bool"}
NUMPY = {"f2": "f16", "f4": "f32", "f8": "f64", "i8": "i64", "i4": "i32", "i2": "i16", "i1": "i8", "u1": "u8", "b1": "bool",
         "u2": "u16", "u4": "u32", "u8": "u64"}
golden = []


def line(name, dtype, array32, array64):
    shape = ",".join(map(str, array32.shape)) or "-"
    integers = "-" if array64 is None else "%08x" % zlib.crc32(np.ascontiguousarray(array64).tobytes())
    return "tensor %s %s %s %08x %s" % (name, dtype, shape, zlib.crc32(np.ascontiguousarray(array32).tobytes()), integers)


def of_torch(name, t):
    t = t.detach()
    integer = None if t.is_floating_point() else t.to(torch.int64).numpy()
    return line(name, DTYPES[t.dtype], t.to(torch.float32).numpy(), integer)


def of_numpy(name, a, dtype=None):
    integer = None if a.dtype.kind == "f" else a.astype("<i8")
    return line(name, dtype or NUMPY[a.dtype.str[1:]], a.astype("<f4"), integer)


def expect(file, lines):
    golden.append("file %s %d" % (file, len(lines)))
    golden.extend(lines)


def expect_torch(file, state):
    expect(file, [of_torch(k, v) for k, v in state.items()])


def path(name):
    return os.path.join(FIXTURES, name)


def load(file):
    return torch.load(file, map_location="cpu")


# ---- PyTorch ----

def dtypes():
    base = torch.tensor([[0.0, 1.0, -2.5], [65504.0, 1e-7, -0.0]])
    state = OrderedDict()
    for dtype, name in DTYPES.items():
        state["t_" + name] = (base != 0 if dtype is torch.bool else base.to(dtype) if dtype.is_floating_point
                              else torch.tensor([[0, 1, -2 if dtype is not torch.uint8 else 254], [127, 5, 6]]).to(dtype))
    state["big"] = torch.tensor([2**62 + 1, -2**63], dtype=torch.int64)
    state["halves"] = torch.tensor([6.1e-5, 5.96e-8, float("inf"), float("-inf"), 1 / 3], dtype=torch.float16)
    return state


def views():
    base = torch.arange(24, dtype=torch.float32)
    return OrderedDict(whole=base, tail=base[5:], square=base.view(4, 6), turned=base.view(4, 6).t(), cut=base.view(4, 6)[1:3, ::2],
                       spread=torch.tensor([1.5]).expand(2, 3), scalar=torch.tensor(3.25), empty=torch.zeros(0, 3),
                       emptied=base[24:], cube=base.view(2, 3, 4).permute(2, 0, 1), one=base.view(1, 24, 1)[:, 3:4],
                       channels=torch.arange(48.).view(1, 3, 4, 4).contiguous(memory_format=torch.channels_last))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.bn = nn.BatchNorm2d(2)
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("passing", torch.zeros(2), persistent=False)
        self.act = nn.functional.relu  # a bare name inside a module: allowed, never looked at
        self.again = self.bn


def save_torch():
    # Whole modules carry their classes' source in the legacy format; here a word in its place.
    torch.serialization.get_source_lines_and_file = lambda o: (["class"], 0, "file.py")
    variants = {"dtypes": dtypes(), "views": views()}
    wrapped = {
        "state_dict": {"epoch": 3, "best": 0.5, "state_dict": OrderedDict(("module." + k, v) for k, v in views().items()),
                       "optimizer": {"state": {0: {"m": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}},
        "model": {"model": {"state_dict": {"a.weight": torch.ones(2)}}, "set": {1, 2}, "device": torch.device("cpu")},
        "net": {"net": OrderedDict([("_orig_mod.module.a", nn.Parameter(torch.ones(2, 2))), ("_orig_mod.module.b", torch.ones(3))])},
        "model_state_dict": {"epoch": 1, "loss": torch.tensor(0.25), "model_state_dict": OrderedDict([("a.weight", torch.ones(2, dtype=torch.float16)),
                                                                                                       ("a.steps", torch.tensor(7))])},
        "ema": {"state_dict_ema": OrderedDict([("module.a", torch.ones(2, dtype=torch.bfloat16))]), "arch": "x"},
        "nested": {"encoder": {"a": torch.ones(2), "b": [torch.zeros(1), torch.ones(1)]}, "decoder": {0: {"c": torch.ones(3)}}},
    }
    for kind, zipped in (("zip", True), ("legacy", False)):
        for name, state in variants.items():
            file = path("%s_%s.pth" % (kind, name))
            torch.save(state, file, _use_new_zipfile_serialization=zipped)
            expect_torch(os.path.basename(file), load(file))
        for name, tree in wrapped.items():
            file = path("%s_in_%s.pth" % (kind, name))
            torch.save(tree, file, _use_new_zipfile_serialization=zipped)
            back = load(file)
            flat = {
                "state_dict": lambda: OrderedDict((k[7:], v) for k, v in back["state_dict"].items()),
                "model": lambda: back["model"]["state_dict"],
                "net": lambda: OrderedDict((k[17:], v) for k, v in back["net"].items()),
                "model_state_dict": lambda: back["model_state_dict"],
                "ema": lambda: OrderedDict((k[7:], v) for k, v in back["state_dict_ema"].items()),
                "nested": lambda: OrderedDict([("encoder.a", back["encoder"]["a"]), ("encoder.b.0", back["encoder"]["b"][0]),
                                               ("encoder.b.1", back["encoder"]["b"][1]), ("decoder.0.c", back["decoder"][0]["c"])]),
            }[name]()
            expect_torch(os.path.basename(file), flat)
        file = path("%s_module.pth" % kind)
        module = nn.Sequential(Block(), nn.Linear(2, 2))
        torch.save(module, file, _use_new_zipfile_serialization=zipped)
        expect_torch(os.path.basename(file), load(file).state_dict())
    for protocol in (3, 4):
        file = path("zip_protocol%d.pth" % protocol)
        torch.save(dtypes(), file, pickle_protocol=protocol)
        expect_torch(os.path.basename(file), load(file))
    file = path("legacy_protocol4.pth")
    torch.save(views(), file, pickle_protocol=4, _use_new_zipfile_serialization=False)
    expect_torch(os.path.basename(file), load(file))
    torch.save(torch.arange(6.).view(2, 3), path("zip_bare.pth"))
    expect("zip_bare.pth", [of_torch("tensor", load(path("zip_bare.pth")))])


def repack(source, target, rename, **more):
    with zipfile.ZipFile(path(source)) as a, zipfile.ZipFile(path(target), "w", zipfile.ZIP_STORED) as b:
        for entry in a.infolist():
            with b.open(zipfile.ZipInfo(rename(entry.filename)), "w", **more) as out:
                out.write(a.read(entry))


def other_zips():
    """Archives that other programs pack: ZIP64 fields, another root, none; and big-endian data, which PyTorch 1.13 does not know."""
    repack("zip_views.pth", "zip64_views.pth", lambda n: n, force_zip64=True)
    repack("zip_views.pth", "otherroot_views.pth", lambda n: "some folder/" + n.split("/", 1)[1])
    repack("zip_views.pth", "noroot_views.pth", lambda n: n.split("/", 1)[1])
    for name in ("zip64_views.pth", "otherroot_views.pth", "noroot_views.pth"):
        expect_torch(name, load(path("zip_views.pth")))
    source = path("zip_in_net.pth")
    with zipfile.ZipFile(source) as a, zipfile.ZipFile(path("bigendian.pth"), "w") as b:
        for entry in a.infolist():
            data = a.read(entry)
            if "/data/" in entry.filename:
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            b.writestr(entry.filename, data)
        b.writestr(entry.filename.split("/")[0] + "/byteorder", "big")
    expect_torch("bigendian.pth", OrderedDict((k[17:], v) for k, v in load(source)["net"].items()))


def rebuild_v3():
    """What PyTorch 2.3 and later write for dtypes without a storage class: no version here writes it, so it is spelled out."""
    def text(s):
        return b"X" + struct.pack("<I", len(s)) + s.encode()
    def tensor(key, dtype, count):
        return (text("t_" + dtype) + b"ctorch._utils\n_rebuild_tensor_v3\n((" + text("storage") + b"ctorch.storage\nUntypedStorage\n" +
                text(str(key)) + text("cpu") + b"J" + struct.pack("<i", count * {"uint16": 2, "uint32": 4, "uint64": 8}[dtype]) +
                b"tQK\0(K" + bytes([count]) + b"t(K\1t\x89ccollections\nOrderedDict\n)Rctorch\n" + dtype.encode() + b"\ntR")
    arrays = [("uint16", np.array([1, 65535], "<u2")), ("uint32", np.array([7, 4294967295], "<u4")), ("uint64", np.array([2**40, 3], "<u8"))]
    with zipfile.ZipFile(path("rebuild_v3.pth"), "w") as z:
        z.writestr("a/data.pkl", b"\x80\x02}(" + b"".join(tensor(i, d, len(a)) for i, (d, a) in enumerate(arrays)) + b"u.")
        z.writestr("a/byteorder", "little")
        for i, (_, a) in enumerate(arrays):
            z.writestr("a/data/%d" % i, a.tobytes())
    expect("rebuild_v3.pth", [of_numpy("t_" + d, a) for d, a in arrays])


def old_tar():
    """The first format, as torch 0.1's serialization.py wrote it; torch.load still reads it, and says what is in it."""
    whole = np.arange(12, dtype="<f4") * 0.5
    numbers = np.array([3, -4], dtype="<i8")
    def dump(*values):
        return b"".join(pickle.dumps(v, 2) for v in values)
    storages = dump(2) + dump((100, "cpu", torch.FloatStorage)) + struct.pack("<q", 12) + whole.tobytes()
    storages += dump((101, "cpu", torch.LongStorage)) + struct.pack("<q", 2) + numbers.tobytes() + dump([(102, 100, 4, 8)])
    def tensor(key, storage, kind, size, stride, offset):
        return (dump((key, storage, kind)) + struct.pack("<ii", len(size), 0) + struct.pack("<%dq" % len(size), *size) +
                struct.pack("<%dq" % len(size), *stride) + struct.pack("<q", offset))
    tensors = dump(3) + tensor(200, 100, torch.FloatTensor, (4, 3), (1, 4), 0) + tensor(201, 101, torch.LongTensor, (2,), (1,), 0)
    tensors += tensor(202, 102, torch.FloatTensor, (2, 2), (2, 1), 3)
    class Ref:
        def __init__(self, key):
            self.key = key
    class Pickler(pickle._Pickler):
        def persistent_id(self, o):
            return str(o.key) if isinstance(o, Ref) else None
    out = io.BytesIO()
    Pickler(out, 2).dump(OrderedDict([("turned", Ref(200)), ("numbers", Ref(201)), ("part", Ref(202))]))
    with tarfile.open(path("tar.pth"), "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("sys_info", dump({"protocol_version": 1000})), ("storages", storages), ("tensors", tensors), ("pickle", out.getvalue())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with open(path("tar.pth"), "rb") as f:
        expect_torch("tar.pth", load(f))


def storage_views():
    """Legacy files whose storages are parts of others, and Python 2's lists of pairs in OrderedDict."""
    key, data = "77", np.arange(10, dtype="<f4")
    class Storage:
        def __init__(self, view):
            self.view = view
    class Call:
        def __init__(self, function, *args):
            self.call = (function, args)
        def __reduce__(self):
            return self.call
    class Pickler(pickle._Pickler):
        def persistent_id(self, o):
            return ("storage", torch.FloatStorage, key, "cuda:0", 10, o.view) if isinstance(o, Storage) else None
    out = io.BytesIO()
    for value in (0x1950a86a20f9469cfc6c, 1001, {"little_endian": True}):
        pickle.dump(value, out, 2)
    whole, part = Storage(None), Storage(("78", 4, 5))
    Pickler(out, 2).dump(Call(OrderedDict, [["whole", Call(torch._utils._rebuild_tensor, whole, 0, (2, 5), (5, 1))],
                                            ["part", Call(torch._utils._rebuild_tensor, part, 1, (4,), (1,))]]))
    pickle.dump([key], out, 2)
    out.write(struct.pack("<q", 10) + data.tobytes())
    with open(path("legacy_storage_views.pth"), "wb") as f:
        f.write(out.getvalue())
    expect_torch("legacy_storage_views.pth", load(path("legacy_storage_views.pth")))


# ---- safetensors, numpy ----

def safetensors_bytes(arrays, metadata=None, space=""):
    header, at = ({"__metadata__": metadata} if metadata else {}), 0
    for name, dtype, a in arrays:
        header[name] = {"dtype": dtype, "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = (space + json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for _, _, a in arrays)


def save_safetensors():
    codes = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4",
             "U16": "<u2", "U8": "u1", "BOOL": "?"}
    arrays = [("t_" + name, name, np.array([[0, 1, 2], [3, 120, 7]]).astype(code)) for name, code in codes.items()]
    arrays += [("scalar", "F32", np.array(2.5, "<f4")), ("empty", "F32", np.zeros((3, 0), "<f4")), ("brain", "BF16", np.array([0x3f80, 0xc000], "<u2"))]
    names = {"brain": "bf16"}
    lines = [of_numpy(n, a, names.get(n)) for n, _, a in arrays if n != "brain"]
    lines.append(line("brain", "bf16", np.array([1, -2], "<f4"), None))
    # Of tensors at one place the empty ones come first in file order.
    lines.insert(len(lines) - 2, lines.pop(len(lines) - 2))
    with open(path("all.safetensors"), "wb") as f:
        f.write(safetensors_bytes(arrays, {"format": "pt", "naïve": "ü\n"}, "  \n"))
    expect("all.safetensors", lines)
    with open(path("empty.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", 2) + b"{}")
    expect("empty.safetensors", [])


def save_shards():
    parts = [[("b.weight", "F32", np.arange(4, dtype="<f4")), ("unlisted", "F32", np.zeros(1, "<f4"))], [("a.weight", "I64", np.array([9, 8], "<i8"))]]
    for i, part in enumerate(parts):
        with open(path("shard-%d.safetensors" % (i + 1)), "wb") as f:
            f.write(safetensors_bytes(part))
    torch.save({"c.weight": torch.ones(2, 2)}, path("shard-3.bin"))
    with open(path("sharded.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": 48}, "weight_map": {"a.weight": "shard-2.safetensors", "b.weight": "shard-1.safetensors",
                                                                  "c.weight": "shard-3.bin"}}, f, indent=1)
    expect("sharded.index.json", [of_numpy("b.weight", parts[0][0][2]), of_numpy("a.weight", parts[1][0][2]),
                                  of_torch("c.weight", torch.ones(2, 2))])


def save_numpy():
    arrays = OrderedDict((("t_" + c[-2:]), np.array([[0, 1, 2], [3, 4, 5]]).astype(c))
                         for c in ("<f2", "<f4", "<f8", "<i8", "<i4", "<i2", "|i1", "|u1", "<u2", "<u4", "<u8", "|b1"))
    arrays["fortran"] = np.asfortranarray(np.arange(12, dtype="<f4").reshape(3, 4))
    arrays["cube"] = np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4))
    arrays["swapped"] = np.arange(5).astype(">f4")
    arrays["swapped_i"] = np.arange(5).astype(">i8")
    arrays["scalar"] = np.array(1.5)
    arrays["empty"] = np.zeros((0, 2), "<f4")
    np.savez(path("stored.npz"), **arrays)
    np.savez_compressed(path("deflated.npz"), **arrays)
    for name in ("stored.npz", "deflated.npz"):
        with np.load(path(name)) as z:
            expect(name, [of_numpy(k, z[k]) for k in z.files])
    for version in ((1, 0), (2, 0), (3, 0)):
        name = "version%d.npy" % version[0]
        with open(path(name), "wb") as f:
            np.lib.format.write_array(f, arrays["fortran"], version=version)
        expect(name, [of_numpy("arr_0", np.load(path(name)))])


# ---- rounding to f16 and bf16 ----

def crc_of(t):
    """Of 16-bit patterns, every NaN as one: its payload is nobody's promise."""
    bits = t.view(torch.int16).numpy().view("<u2")
    return "%08x" % zlib.crc32(np.where(torch.isnan(t).numpy(), 0x7fff, bits).astype("<u2").tobytes())


def rounding():
    """What PyTorch rounds f32 numbers to: 2^20 bit patterns of all kinds, and for each f16 and bf16 the middle between it and the next
    one, and the f32 numbers on both sides of that; and what it reads all 16-bit patterns as. cast.c makes the same numbers."""
    i = np.arange(1 << 20, dtype="<u4") * np.uint32(2654435761)
    i ^= i >> np.uint32(15)
    i *= np.uint32(2246822519)
    i ^= i >> np.uint32(13)
    patterns = np.arange(1 << 16, dtype="<u2")
    for dtype, name, shift in ((torch.float16, "f16", 13), (torch.bfloat16, "bf16", 16)):
        every = torch.from_numpy(patterns.view("<i2").copy()).view(dtype)
        wide = every.to(torch.float32)
        bits = np.where(torch.isnan(wide).numpy(), 0x7fc00000, wide.numpy().view("<u4"))
        golden.append("every %s %08x" % (name, zlib.crc32(bits.astype("<u4").tobytes())))
        middle = wide.numpy().view("<u4") + np.uint32(1 << (shift - 1))
        # The same of subnormal ones, whose bits say less: by their values.
        next_one = np.roll(wide.numpy(), -1).astype("f8")
        with np.errstate(invalid="ignore"):
            mean = ((wide.numpy() + next_one) / 2).astype("<f4").view("<u4")
        for kind, numbers in (("random", i), ("below", middle - np.uint32(1)), ("middle", middle), ("above", middle + np.uint32(1)),
                              ("under", mean - np.uint32(1)), ("mean", mean), ("over", mean + np.uint32(1))):
            golden.append("%s %s %s" % (kind, name, crc_of(torch.from_numpy(numbers.view("<f4").copy()).to(dtype))))


# ---- the real files ----

class DnCNN(nn.Module):
    """Stands for the class that dncnn_sigma25_fullmodule.pth was pickled with."""


def shared():
    sys.modules["__main__"].DnCNN = DnCNN
    thnn = types.ModuleType("torch.nn.backends.thnn")
    thnn._get_thnn_function_backend = lambda: None
    sys.modules["torch.nn.backends"] = types.ModuleType("torch.nn.backends")
    sys.modules["torch.nn.backends.thnn"] = thnn
    def module_off(state):
        return OrderedDict((k[7:] if k.startswith("module.") else k, v) for k, v in state.items())
    plain = lambda x: x
    under = lambda x: module_off(x["state_dict"])
    files = {"resnet18/resnet18.pth": plain, "squeezenet/squeezenet1_0.pth": plain, "checkpoints/resnet20-12fca82f.th": under,
             "checkpoints/mobilenetV1X0.25_pretrain.tar": under, "checkpoints/mnist_cnn_aurotripathy.pt": plain,
             "checkpoints/mnist_cnn_graykode.pt": plain, "checkpoints/ggml_mnist_model.state_dict": plain,
             "checkpoints/wzy_resnet_mnist_checkpoint.pth.tar": under, "checkpoints/yolo_fastestv2_backbone.pth": plain,
             "checkpoints/lpips_squeeze_v0.1.pth": plain, "checkpoints/dncnn_sigma25_fullmodule.pth": lambda m: m.state_dict()}
    for name, unwrap in files.items():
        expect_torch(name, unwrap(load(os.path.join(SHARED, name))))
    for name in ("resnet18/resnet18_fp16.safetensors", "checkpoints/mnist_tinygrad.safetensors"):
        data = open(os.path.join(SHARED, name), "rb").read()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        header.pop("__metadata__", None)
        lines = []
        for key, t in sorted(header.items(), key=lambda kv: kv[1]["data_offsets"]):
            begin, end = t["data_offsets"]
            code = {"F16": "<f2", "F32": "<f4", "I64": "<i8"}[t["dtype"]]
            lines.append(of_numpy(key, np.frombuffer(data[8 + size + begin:8 + size + end], code).reshape(t["shape"])))
        expect(name, lines)


# ---- GGUF, as ggml's docs/gguf.md describes it ----

def save_gguf():
    text = lambda t: struct.pack("<Q", len(t)) + t.encode()
    base = np.arange(6, dtype=np.float32).reshape(2, 3) - 2.5
    bf16 = (base.view("<u4") >> 16).astype("<u2")
    tensors = [("blk.0.weight", base, 0, None), ("half", base.astype("<f2").reshape(3, 2, 1), 1, None), ("double", base[0].astype("<f8"), 28, None),
               ("brain", bf16, 30, (bf16.astype("<u4") << 16).view("<f4")), ("bytes", np.array([-1, 127], "i1"), 24, None),
               ("longs", np.array([2**40, -3], "<i8"), 27, None), ("nothing", np.zeros((0, 4), "<f4"), 0, None)]
    for version in (2, 3):
        pairs = [text("general.alignment") + struct.pack("<II", 4, 64), text("name") + struct.pack("<I", 8) + text("a text"),
                 text("list") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text(""), text("nested") + struct.pack("<IIQIQ", 9, 9, 1, 5, 2) + bytes(8),
                 text("on") + struct.pack("<IB", 7, 1), text("rate") + struct.pack("<Id", 12, 0.5)]
        head, data = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs)) + b"".join(pairs), b""
        for name, a, kind, _ in tensors:
            head += text(name) + struct.pack("<I", a.ndim) + struct.pack("<%dQ" % a.ndim, *reversed(a.shape)) + struct.pack("<IQ", kind, len(data))
            data += a.tobytes() + bytes(-a.nbytes % 64)
        with open(path("v%d.gguf" % version), "wb") as f:
            f.write(head + bytes(-len(head) % 64) + data)
        expect("v%d.gguf" % version, [of_numpy(n, a if value is None else value, None if value is None else "bf16") for n, a, _, value in tensors])


def write(name):
    with open(os.path.join(HERE, name), "w") as f:
        f.write("# made by make_goldens.py with torch %s, numpy %s\n" % (torch.__version__, np.__version__))
        f.write("\n".join(golden) + "\n")
    golden.clear()


if __name__ == "__main__":
    os.makedirs(FIXTURES, exist_ok=True)
    for step in (save_torch, other_zips, rebuild_v3, old_tar, storage_views, save_safetensors, save_shards, save_numpy, save_gguf):
        step()
    write("fixtures.golden")
    rounding()
    write("rounding.golden")
    shared()
    write("shared.golden")
