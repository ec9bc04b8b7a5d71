#!/usr/bin/python3
"""What Debian's PyTorch and numpy read out of files that the writers made, a line for each tensor, as golden lists have them:
NAME DTYPE SHAPE CRC32 of the bytes as they are in memory. Called by by_python.c: read_by_python.py FILE…

A .pth is read three times: by torch.load, by torch.load(weights_only=True) where there is such a thing, and by an Unpickler that
knows four globals and the storages' classes and nothing else. All must agree, and nobody may warn."""
import collections, io, pickle, struct, sys, warnings, zipfile, zlib
try:
    import numpy as np
    import torch
except ImportError:
    sys.exit(77)  # by_python.c says that it is skipped

warnings.simplefilter("error")


def line(name, dtype, shape, data):
    return "%s %s %s %08x" % (name, dtype, ",".join(map(str, shape)) or "-", zlib.crc32(data))


def of_torch(state):
    assert type(state) is collections.OrderedDict
    out = []
    for name, t in state.items():
        assert t.is_contiguous() and not t.requires_grad and t.device.type == "cpu" and t.layout is torch.strided
        data = t.contiguous().view(-1)
        data = data.numpy() if t.dtype is not torch.bfloat16 else data.view(torch.int16).numpy()
        out.append(line(name, str(t.dtype).split(".")[1], t.shape, data.tobytes()))
    return out


class Restricted(pickle.Unpickler):
    """No torch.load at all: storages are numpy arrays, tensors (dtype, shape, bytes)."""
    codes = {"FloatStorage": ("float32", "<f4"), "DoubleStorage": ("float64", "<f8"), "HalfStorage": ("float16", "<f2"),
             "BFloat16Storage": ("bfloat16", "<u2"), "LongStorage": ("int64", "<i8"), "IntStorage": ("int32", "<i4"),
             "ShortStorage": ("int16", "<i2"), "CharStorage": ("int8", "i1"), "ByteStorage": ("uint8", "u1"), "BoolStorage": ("bool", "?")}

    def __init__(self, file, archive):
        super().__init__(file)
        self.archive = archive

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.rebuild
        if module == "torch" and name in self.codes:
            return name
        raise pickle.UnpicklingError("%s.%s is not among the known globals" % (module, name))

    def persistent_load(self, saved):
        kind, storage, key, location, count = saved
        assert kind == "storage" and location == "cpu"
        dtype, code = self.codes[storage]
        with zipfile.ZipFile(self.archive) as z:
            values = np.frombuffer(z.read("archive/data/" + key), code)
        assert len(values) == count
        return dtype, values

    @staticmethod
    def rebuild(storage, offset, size, stride, requires_grad, hooks):
        dtype, values = storage
        assert not requires_grad and hooks == collections.OrderedDict()
        view = np.lib.stride_tricks.as_strided(values[offset:], size, [s * values.itemsize for s in stride])
        return dtype, size, np.ascontiguousarray(view).tobytes()


def of_pth(path):
    plain = of_torch(torch.load(path))
    if "weights_only" in torch.load.__code__.co_varnames:
        assert of_torch(torch.load(path, weights_only=True)) == plain
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        pickled = z.read("archive/data.pkl")
        for i in z.infolist():  # each entry's data are aligned
            with open(path, "rb") as f:
                f.seek(i.header_offset + 26)
                name, extra = struct.unpack("<HH", f.read(4))
            assert (i.header_offset + 30 + name + extra) % 64 == 0, i
    state = Restricted(io.BytesIO(pickled), path).load()
    assert [line(name, *t) for name, t in state.items()] == plain
    return plain


def of_npz(path):
    names = {"f": "float", "i": "int", "u": "uint", "b": "bool"}
    with np.load(path, allow_pickle=False) as z:
        return [line(k, names[a.dtype.kind] + ("" if a.dtype.kind == "b" else str(8 * a.itemsize)), a.shape, a.tobytes())
                for k, a in ((k, z[k]) for k in z.files)]


for file in sys.argv[1:]:
    print("\n".join(["file"] + (of_npz(file) if file.endswith(".npz") else of_pth(file))))
