#!/usr/bin/python3
"""Makes the IDX files of this folder from digits.csv.gz (UCI's handwritten digits as scikit-learn ships them):
1,797 pictures of 8 x 8 with values 0-16, stretched to 0-255. Every fifth picture is held back for testing.
Usage: make.py digits.csv.gz"""
import gzip, struct, sys

rows = [[int(float(v)) for v in line.split(",")] for line in gzip.open(sys.argv[1], "rt")]
assert len(rows) == 1797 and all(len(r) == 65 for r in rows)


def write(name, keep):
    pixels = bytes(min(255, v * 255 // 16) for r in keep for v in r[:64])
    labels = bytes(r[64] for r in keep)
    for kind, head, body in (("images-idx3", struct.pack(">IIII", 0x803, len(keep), 8, 8), pixels),
                             ("labels-idx1", struct.pack(">II", 0x801, len(keep)), labels)):
        with open(f"{name}-{kind}-ubyte.gz", "wb") as f:
            f.write(gzip.compress(head + body, mtime=0))


write("train", [r for i, r in enumerate(rows) if i % 5 != 4])
write("t10k", [r for i, r in enumerate(rows) if i % 5 == 4])
few = [r for i, r in enumerate(rows) if i % 5 != 4 and r[64] < 5]
write("zero-to-four", few)
