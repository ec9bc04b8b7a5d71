"""A typing session: each script of the examples is typed, and after each keystroke the cursor's completion, hover and
signature are asked for; nothing may fail, and no range may lie outside of the text. The time that an answer takes is
printed, and judges nothing.

    test_typing.py SURGERYC SOURCE [STEP]     STEP 1: each keystroke; the suite takes more, so that it ends soon"""
import os
import pathlib
import sys

from client import Client, Refused, median, p95, scripts_below, timed, uri_of

surgeryc, source = sys.argv[1], pathlib.Path(sys.argv[2])
step = int(sys.argv[3]) if len(sys.argv) > 3 else 1
os.environ.update(SURGERY_WEIGHTS="", TORCH_HOME="/nonexistent")
AT_CURSOR = ("completion", "hover", "signatureHelp", "definition", "documentHighlight")
WHOLE = ("documentSymbol", "foldingRange", "semanticTokens/full", "codeLens", "inlayHint", "documentLink")

RESNET = """take resnet152[0:5] from random   # a script on ResNet-152
freeze all
unfreeze layer4, every BatchNorm2d in layer3
freeze layer1.*.conv?
replace fc with Sequential(Dropout(0.2), Linear(_, 2))
input image(3, 224, 224) { resize 256; center_crop 224; normalize imagenet }
train {
  optimizer Adam(lr=1e-3)
  group layer4 lr=1e-4
}
expect layer4 (N, 2048, 7, 7)
"""


def type_script(client, uri, text, step, times):
    client.open(uri, "")
    answered = 0
    ends = list(range(0, len(text), step)) + [len(text)]
    for before, end in zip(ends, ends[1:]):
        client.change(uri, None, (before, before, text[before:end]))
        for method in AT_CURSOR:
            if timed(times.setdefault(method, []), client.request, method, uri, end):
                answered += 1
        if end % 16 < step:
            for method in WHOLE:
                client.request(method, uri, **({"range": whole(text)} if method == "inlayHint" else {}))
            at = {"line": 0, "character": 0}
            client.request("codeAction", uri, range={"start": at, "end": whole(text)["end"]}, context={"diagnostics": []})
            for method, more in (("formatting", {"options": {"tabSize": 2, "insertSpaces": True}}),):
                try:
                    client.request(method, uri, **more)
                except Refused as e:
                    assert e.code == -32803, e
    client.settle(uri)
    client.close(uri)
    return answered


def whole(text):
    return {"start": {"line": 0, "character": 0}, "end": {"line": text.count("\n"), "character": 0}}


def show(name, times):
    print(name, *(f"{method} {median(t):.1f} ms (p95 {p95(t):.1f})" for method, t in times.items()), sep="; ")


client, everything, answered, count = Client(surgeryc), {}, 0, 0
for path in scripts_below(source / "examples"):
    answered += type_script(client, uri_of(path), path.read_text(), step, everything)
    count += 1
assert count > 20 and answered > 1000, (count, answered)
show(f"{count} scripts", everything)
on_resnet = {}
type_script(client, "file:///nowhere/resnet152.surgery", RESNET, max(1, step // 3), on_resnet)
show("ResNet-152, answers after a keystroke", {"first": on_resnet["completion"], **on_resnet})
client.quit()
