"""What each method of `surgeryc lsp` answers: in whole scripts, in half-written ones and in those with mistakes; stale and
cancelled requests; frames that are none."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from client import Client, Refused, index_of, uri_of

surgeryc, source = sys.argv[1], pathlib.Path(sys.argv[2])
os.environ.update(SURGERY_WEIGHTS="", TORCH_HOME="/nonexistent")
URI = "file:///nowhere/script.surgery"

BLOCK = """param classes = 2
let width = classes * 2
model Block(n) {
  conv1 = Conv2d(_, n, 3)
  bn    = BatchNorm2d(n)
  forward x {
    y = relu(bn(conv1(x)))
    return y
  }
}
model Net(k = 4) {
  stem = Block(k)
  for i in 0..2 { "layer{i}" = Block(k) }
  input image(3, 32, 32)
}
take Net(width)
freeze stem.conv1
append head = Flatten()
"""
RESNET = """take resnet18[0:5] from random
freeze all
unfreeze layer4, every BatchNorm2d in layer3
replace fc with Linear(_, 10)
train { optimizer Adam(lr=1e-3); batch 16 }
"""


def with_cursor(client, text):
    """Opens a text in which `|` is the cursor; its place."""
    at = text.index("|")
    client.open(URI, text.replace("|", "", 1))
    return at


def labels(client, text, uri=URI):
    at = text.index("|")
    text = text.replace("|", "", 1)
    client.open(uri, text) if uri not in client.texts else client.change(uri, text)
    answer = client.request("completion", uri, at)
    return [item["label"] for item in (answer if isinstance(answer, list) else answer["items"])]


def hover(client, text, uri=URI):
    at = text.index("|")
    text = text.replace("|", "", 1)
    client.open(uri, text) if uri not in client.texts else client.change(uri, text)
    answer = client.request("hover", uri, at)
    return answer["contents"]["value"] if answer else ""


def holds(items, *wanted):
    missing = [w for w in wanted if w not in items]
    assert not missing, f"{missing} are not in {items}"


def test_completion_of_layers():
    c = Client(surgeryc)
    take = "take resnet18[0:5] from random\n"
    assert labels(c, take + "freeze laye|") == ["layer1", "layer2", "layer3", "layer4"]
    holds(labels(c, take + "freeze |"), "conv1", "layer1", "all", "every", "parameters of")
    assert labels(c, take + "freeze layer4.|\nfreeze all") == ["layer4.0", "layer4.1"]
    holds(labels(c, take + "freeze layer4.0.conv1.|"), "layer4.0.conv1.weight")
    # at this statement: before and after an edit
    head = "append extra = Linear(512, 3)\n"
    assert "extra" not in labels(c, take + "freeze ext|\n" + head)
    assert labels(c, take + head + "freeze ext|\n") == ["extra"]
    assert labels(c, take + "rename layer4 to top\nfreeze to|") == ["top"]
    assert "layer4" not in labels(c, take + "remove layer4\nfreeze lay|")
    assert "fc" in labels(c, take + "replace f|") and "fc" not in labels(c, take + "freeze f|")
    holds(labels(c, take + "freeze every |"), "Conv2d", "BatchNorm2d", "BasicBlock")
    holds(labels(c, take + "unfreeze layer4 except |"), "layer1", "every")
    # the take is broken while one types: the last state is remembered
    holds(labels(c, "take resnet18[0:\nfreeze l|"), "layer1", "layer4")
    c.quit()


def test_completion_of_words():
    c = Client(surgeryc)
    take = "take resnet18 from random\n"
    assert labels(c, "fre|") == ["freeze"]
    holds(labels(c, "take res|"), "resnet18", "resnet152")
    holds(labels(c, take + "replace fc with |"), "Linear", "Conv2d", "Sequential")
    holds(labels(c, take + "replace fc with Linear(|"), "in_features=", "bias=", "_")
    holds(labels(c, take + "replace fc |"), "with")
    holds(labels(c, take + "insert x = ReLU() |"), "before", "after")
    holds(labels(c, take + "train { |"), "optimizer", "batch", "group")
    holds(labels(c, take + "train { optimizer |"), "SGD", "Adam")
    holds(labels(c, take + "train { optimizer Adam(|"), "lr=", "weight_decay=")
    holds(labels(c, take + "train { schedule step(3, interval=|"), '"epoch"', '"step"')
    holds(labels(c, take + "input image(3, 2, 2) { |"), "resize", "normalize")
    holds(labels(c, take + "init fc with |"), "kaiming_normal")
    holds(labels(c, "model M { a = Linear(1, 2)\n forward value { y = |\n} }"), "value", "a", "relu")
    assert labels(c, take + "# freeze |") == []
    at = len(take) + len("replace fc with Lin")
    [item] = [i for i in c.request("completion", URI, index(c, take + "replace fc with Lin", at))["items"] if i["label"] == "Linear"]
    assert item["insertTextFormat"] == 2 and item["textEdit"]["newText"] == "Linear(${1:_}, ${2:out_features})", item
    c.quit()


def index(client, text, at):
    client.change(URI, text)
    return at


def test_completion_from_disk():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        weights = source / "examples/digits/zero-to-four.safetensors"
        (folder / "w.safetensors").write_bytes(weights.read_bytes())
        (folder / "blocks.surgery").write_text("let a = 1\n")
        (folder / "deeper").mkdir()
        (folder / "deeper/v.pth").write_bytes(b"")
        c, uri = Client(surgeryc), uri_of(folder / "x.surgery")
        take = "take lenet from random\n"
        assert sorted(labels(c, take + 'load all from "|"', uri)) == ["deeper/", "w.safetensors"]
        assert sorted(labels(c, take + 'load all from "|', uri)) == ["deeper/", "w.safetensors"]
        assert labels(c, take + 'load all from "deeper/|"', uri) == ["deeper/v.pth"]
        assert "blocks.surgery" in labels(c, 'include "|"', uri)
        holds(labels(c, take + 'load conv1 = | from "w.safetensors"', uri), "conv1", "fc")
        holds(labels(c, take + 'load conv1.weight = conv1.| from "w.safetensors"', uri), "conv1.weight")
        holds(labels(c, take + 'load conv1 from "w.safetensors" under "|"', uri), "conv1", "fc")
        c.quit()


def test_hover():
    c = Client(surgeryc)
    text = hover(c, RESNET.replace("layer4", "la|yer4"))
    for part in ("**layer4**", "(N, 256, 14, 14) → (N, 512, 7, 7)", "8,393,728 parameters, trained", "MFLOP"):
        assert part in text, text
    assert "`in_features=512`" in hover(c, RESNET.replace("(_", "(|_"))
    assert "torch: `Adam`" in hover(c, RESNET.replace("Adam", "Ad|am"))
    assert "stop gradient" in hover(c, RESNET.replace("freeze", "fre|eze", 1))
    assert "x W^T + b" in hover(c, RESNET.replace("Linear", "Lin|ear"))
    assert "picks" in hover(c, RESNET.replace("freeze all", "freeze a|ll"))
    assert "samples of a step" in hover(c, RESNET.replace("batch", "ba|tch"))
    assert "default 1e-3" in hover(c, RESNET.replace("lr=", "l|r="))
    assert "`width = 4`" in hover(c, BLOCK.replace("Net(width", "Net(wi|dth"))
    text = hover(c, BLOCK.replace("relu(bn(conv1", "relu(bn(co|nv1"))  # a call of a layer, in each of its places
    assert "**stem.conv1**" in text and "**layer0.conv1**" in text and "(N, 3, 32, 32) → (N, 4, 30, 30)" in text, text
    assert "**stem.bn** `BatchNorm2d(4)`" in hover(c, BLOCK.replace("bn    =", "b|n    ="))
    # what is wrong has changed nothing: FLOPs are known all the same
    assert "MFLOP" in hover(c, RESNET.replace("freeze all", "freeze laye9").replace("layer4", "la|yer4"))
    # a script with two mistakes, one of them of syntax
    broken = RESNET.replace("freeze all", "freeze\nfreeze laye9")
    assert "(N, 512, 7, 7)" in hover(c, broken.replace("layer4", "la|yer4"))
    assert len([d for d in c.settle(URI) if d["severity"] == 1]) >= 2
    c.quit()


def test_hints():
    c = Client(surgeryc)
    c.open(URI, RESNET)
    everything = {"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}}
    hints = [(h["position"]["line"], h["label"]) for h in c.request("inlayHint", URI, range=everything)]
    for wanted in ((0, "(N, 512, 7, 7)"), (3, "(N, 10)"), (1, "58 layers")):
        assert wanted in hints, hints
    first = {"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 0}}
    assert all(h["position"]["line"] == 0 for h in c.request("inlayHint", URI, range=first))
    titles = " ".join(l["command"]["title"] for l in c.request("codeLens", URI))
    for part in ("11,181,642 parameters", "GFLOP", "batch 16", "show the graph"):
        assert part in titles, titles
    c.change(URI, BLOCK)
    hints = [(h["position"]["line"], h["label"]) for h in c.request("inlayHint", URI, range=everything)]
    assert (3, "(N, 4, 30, 30) …") in hints, hints
    help = c.request("signatureHelp", URI, BLOCK.index("_, n"))
    assert help["signatures"][0]["label"].startswith("Conv2d(in_channels, out_channels"), help
    assert help["activeParameter"] == 0
    assert c.request("signatureHelp", URI, BLOCK.index("n, 3"))["activeParameter"] == 1
    c.quit()


def test_names():
    c = Client(surgeryc)
    c.open(URI, BLOCK)

    def places(word, nth):
        at = -1
        for _ in range(nth + 1):
            at = BLOCK.index(word, at + 1)
        found = c.request("references", URI, at, context={"includeDeclaration": True}) or []
        definition = c.request("definition", URI, at)
        return (definition and definition["range"]["start"]["line"],
                sorted(l["range"]["start"]["line"] for l in found))

    assert places("classes", 1) == (0, [0, 1])
    assert places("width", 1) == (1, [1, 15])
    assert places("conv1", 2) == (3, [3, 6, 16])  # a layer of the model, in forward and in an edit
    assert places("Block", 1) == (2, [2, 11, 12])
    assert places("i}", 0)[1] == [12, 12]
    assert places("y\n", 0) == (6, [6, 7])
    changes = c.request("rename", URI, BLOCK.index("conv1"), newName="first")["changes"][URI]
    assert len(changes) == 3, changes
    text = BLOCK
    for e in sorted(changes, key=lambda e: -index_of(text, e["range"]["start"])):
        text = text[:index_of(BLOCK, e["range"]["start"])] + e["newText"] + text[index_of(BLOCK, e["range"]["end"]):]
    c.change(URI, text)
    assert [d for d in c.settle(URI) if d["severity"] == 1] == [], c.settle(URI)
    c.change(URI, BLOCK)
    for name in ("1x", "a b", "bn"):
        try:
            c.request("rename", URI, BLOCK.index("conv1"), newName=name)
            raise AssertionError(name)
        except Refused as e:
            assert e.code == -32803
    c.quit()


def test_outline():
    c = Client(surgeryc)
    c.open(URI, BLOCK)
    symbols = {s["name"]: [child["name"] for child in s.get("children", [])] for s in c.request("documentSymbol", URI)}
    assert symbols["Block"] == ["conv1", "bn", "forward"] and "classes" in symbols and "head" in symbols, symbols
    folds = [(f["startLine"], f["endLine"]) for f in c.request("foldingRange", URI)]
    assert (2, 9) in folds and (5, 8) in folds, folds
    options = {"tabSize": 2, "insertSpaces": True}
    c.change(URI, BLOCK.replace("freeze ", "freeze    ").replace("y = ", "y   =   "))
    [edit] = c.request("formatting", URI, options=options)
    text = c.texts[URI]
    text = text[:index_of(text, edit["range"]["start"])] + edit["newText"] + text[index_of(text, edit["range"]["end"]):]
    laid_out = subprocess.run([surgeryc, "fmt", "-"], input=c.texts[URI].encode(), capture_output=True).stdout.decode()
    assert text == laid_out
    c.change(URI, text)
    assert c.request("formatting", URI, options=options) == []
    tokens = c.request("semanticTokens/full", URI)
    c.change(URI, None, (0, 0, "# x\n"))
    delta = c.request("semanticTokens/full/delta", URI, previousResultId=tokens["resultId"])
    data = list(tokens["data"])
    for e in delta["edits"]:
        data[e["start"]:e["start"] + e["deleteCount"]] = e["data"]
    assert data == c.request("semanticTokens/full", URI)["data"]
    c.quit()


def test_stale_and_cancelled():
    c = Client(surgeryc)
    c.open(URI, RESNET)
    c.settle(URI)
    # All in one write, so that the server has read it all when it begins.
    place = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": 8}}
    messages = [{"id": 900, "method": "textDocument/hover", "params": place},
                {"method": "textDocument/didChange",
                 "params": {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": RESNET}]}},
                {"id": 901, "method": "textDocument/hover", "params": place},
                {"id": 902, "method": "textDocument/hover", "params": place},
                {"method": "$/cancelRequest", "params": {"id": 901}},
                {"method": "$/cancelRequest", "params": {"id": 12345}}]
    c.versions[URI] = 2
    bodies = [json.dumps({"jsonrpc": "2.0", **m}).encode() for m in messages]
    c.process.stdin.write(b"".join(b"Content-Length: %d\r\n\r\n" % len(b) + b for b in bodies))
    c.process.stdin.flush()
    answers = {}
    for number in (900, 901, 902):
        try:
            answers[number] = c.wait(number)["contents"]["value"]
        except Refused as e:
            answers[number] = e.code
    assert answers[900] == -32801 and answers[901] == -32800 and "picks" in answers[902], answers
    c.quit()


def test_frames():
    """Frames that are none are answered, and the next good one is served."""
    good = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}}).encode()
    for bad in (b"Content-Length: 3\r\n\r\n{{{", b"Content-Length: x\r\n\r\n", b"Content-Length: -5\r\n\r\n", b"Nonsense\r\n\r\n",
                b"Content-Length: 2\r\n\r\n[]", b"Content-Length: 99999999999999999999\r\n\r\n",
                b"Content-Length: 13\r\n\r\n{\"method\": 17}", b"Content-Length: 4\n\nnull"):
        frames = bad + b"Content-Type: x\r\ncontent-length: %d\r\n\r\n" % len(good) + good
        run = subprocess.run([surgeryc, "lsp"], input=frames, capture_output=True, timeout=60)
        assert run.returncode == 1, (bad, run)  # the input ended without `exit`
        assert b'"positionEncoding":"utf-16"' in run.stdout, (bad, run.stdout)
        assert b'"error"' in run.stdout, (bad, run.stdout)


def test_order_of_the_protocol():
    c = Client(surgeryc)
    for method, code in (("initialize", -32600), ("surgery/none", -32601), ("textDocument/hover", -32602)):
        try:
            c.ask(method, {})
            raise AssertionError(method)
        except Refused as e:
            assert e.code == code, (method, e)
    c.ask("shutdown", None)
    try:
        c.ask("textDocument/hover", {})
        raise AssertionError("hover after shutdown")
    except Refused as e:
        assert e.code == -32600
    c.tell("exit", None)
    assert c.process.wait(timeout=60) == 0
    c = Client(surgeryc)
    c.tell("exit", None)
    assert c.process.wait(timeout=60) == 1  # without shutdown


def test_matrix():
    """docs/editors.md says of each method that the server announces that it is there."""
    page = (source / "docs/editors.md").read_text()
    methods = [line.split('"')[1] for line in (source / "compiler/driver/lsp/methods.def").read_text().splitlines()
               if line.startswith("METHOD(")]
    rows = {cells[1].strip(" `"): cells[2].strip() for cells in (line.split("|") for line in page.splitlines() if line.startswith("| `"))}
    assert len(methods) > 15
    for method in methods:
        assert rows.get(method) == "yes", f"{method}: the matrix has {rows.get(method)!r}"


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print(name)
