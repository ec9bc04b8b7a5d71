"""Diagnostics of `surgeryc lsp` are those of `surgeryc check`, for each script of the suite's messages and the examples, in
any order of opening; their fixes apply; files that are not saved, includes among them, and files that change on disk."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from client import CAPABILITIES, Client, index_of, scripts_below, uri_of

surgeryc, source = sys.argv[1], pathlib.Path(sys.argv[2])
os.environ.update(SURGERY_WEIGHTS="", TORCH_HOME="/nonexistent")


def checked(scripts):
    """The messages of `check`, by file: (code, begin, end) in code points, counted as editors do."""
    found = {}
    for i in range(0, len(scripts), 40):
        run = subprocess.run([surgeryc, "check", "--diagnostics=json", *map(str, scripts[i:i + 40])], capture_output=True)
        for m in json.loads(run.stderr or b"[]"):
            if m["file"] and not m["file"].startswith("<"):
                found.setdefault(m["file"], []).append((m["code"], m["begin"], m["end"]))
    return {name: sorted(messages) for name, messages in found.items()}


def byte_offset(text, place):
    return len(text[:index_of(text, place)].encode())


def test_same_as_check():
    scripts = [p for p in scripts_below(source / "tests/messages/cases") + scripts_below(source / "examples")
               if b"\r" not in p.read_bytes() and not p.read_bytes().startswith(b"\xef\xbb\xbf")]
    scripts = [p for p in scripts if is_utf8(p)]
    # what others include has their messages, too
    included = {name for p in scripts for name in re.findall(r'include "(?:.*/)?(.*?)"', p.read_text())}
    scripts = [p for p in scripts if p.name not in included]
    expected, client, compared = checked(scripts), Client(surgeryc), 0
    for path in scripts:
        uri, text = uri_of(path), path.read_text()
        client.open(uri, text)
        got = sorted((d["code"], byte_offset(text, d["range"]["start"]), byte_offset(text, d["range"]["end"]))
                     for d in client.settle(uri))
        # a place in the built-in models or on the command line is shown at the script's beginning
        want = expected.get(str(path), [])
        if [w for w in want if w[0] != "E0126"] != [g for g in got if g[0] != "E0126" and (g in want or g[1:] != (0, 0))]:
            raise AssertionError(f"{path}: check has {want}, lsp has {got}")
        compared += len(want)
        client.close(uri)
    client.quit()
    assert compared > 200, compared
    return f"{len(scripts)} scripts with {compared} messages"


def is_utf8(path):
    try:
        path.read_text()
        return True
    except UnicodeDecodeError:
        return False


def apply(text, edits):
    for e in sorted(edits, key=lambda e: -index_of(text, e["range"]["start"])):
        begin, end = index_of(text, e["range"]["start"]), index_of(text, e["range"]["end"])
        text = text[:begin] + e["newText"] + text[end:]
    return text


def test_fixes():
    client, uri = Client(surgeryc), "file:///nowhere/fixes.surgery"
    client.open(uri, 'let a = "café 🧠"; take resnet18 from random; freeze laye4; replace fc with Linear(4, 2)\n')
    for code in ("E0201", "E0301"):
        [d] = [d for d in client.settle(uri) if d["code"] == code]
        if code == "E0301":
            assert d["relatedInformation"], d
        actions = client.request("codeAction", uri, range=d["range"], context={"diagnostics": [d]})
        action = next(a for a in actions if a["diagnostics"][0]["code"] == code)
        client.change(uri, apply(client.texts[uri], action["edit"]["changes"][uri]))
    assert [d for d in client.settle(uri) if d["severity"] == 1] == [], client.settle(uri)
    assert "🧠" in client.texts[uri] and "freeze layer4" in client.texts[uri], client.texts[uri]
    client.quit()


def test_encodings():
    """The same place in the units of UTF-8, UTF-16 and UTF-32, with characters outside of the basic plane before it."""
    script = 'take resnet18 from random; let a = "🧠é𝄞"; freeze laye4\n'
    for encoding in ("utf-8", "utf-16", "utf-32"):
        offer = {**CAPABILITIES, "general": {"positionEncodings": [encoding, "utf-16"]}}
        client, uri = Client(surgeryc, capabilities=offer), "file:///nowhere/encodings.surgery"
        assert client.encoding == encoding
        client.open(uri, "\n")
        client.change(uri, None, (0, 0, script))
        [d] = [d for d in client.settle(uri) if d["code"] == "E0201"]
        begin, end = (index_of(script + "\n", d["range"][k], encoding) for k in ("start", "end"))
        assert script[begin:end] == "laye4", (encoding, d)
        at = script.index("🧠") + 1  # an edit after a pair of surrogates
        client.change(uri, None, (at, at, "x"))
        client.settle(uri)
        formatted = client.texts[uri]
        assert "🧠xé" in formatted
        client.quit()
    plain = {"textDocument": {}}
    client = Client(surgeryc, capabilities=plain)
    assert client.encoding == "utf-16"
    client.quit()


def test_line_ends():
    """The same messages at the same lines and characters, however lines end."""
    script = 'take resnet18 from random\nfreeze laye4\n# x\nreplace fc with Linear(_, 2)\nfreeze\n'
    seen = []
    for end in ("\n", "\r\n"):
        client, uri = Client(surgeryc), "file:///nowhere/ends.surgery"
        text = script.replace("\n", end)
        client.open(uri, text)
        seen.append([(d["code"], d["range"]) for d in client.settle(uri)])
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}}
        seen[-1] += [(h["label"], h["position"]) for h in client.request("inlayHint", uri, range=whole)]
        line = {"line": 1, "character": 99}  # beyond the end is the end
        client.tell("textDocument/didChange", {"textDocument": {"uri": uri, "version": 2},
                                               "contentChanges": [{"range": {"start": line, "end": line}, "text": "x"}]})
        client.versions[uri], client.texts[uri] = 2, text.replace("laye4", "laye4x")
        seen[-1] += [(d["code"], d["range"]) for d in client.settle(uri)]
        client.quit()
    assert seen[0] == seen[1], seen
    assert ("E0201", {"start": {"line": 1, "character": 7}, "end": {"line": 1, "character": 13}}) in seen[1], seen[1]


def test_includes():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        disk, unsaved = folder / "on disk.surgery", folder / "unsaved.surgery"
        disk.write_text("model Head(n) { fc = Linear(512, n) }\n")
        client, main = Client(surgeryc), uri_of(folder / "main.surgery")
        client.open(main, 'include "on disk.surgery"\ninclude "unsaved.surgery"\ntake resnet18[0:5] from random\n'
                          'replace fc with Head(classes)\n')
        assert "E0117" in [d["code"] for d in client.settle(main)], client.settle(main)
        # an include that is only in the editor
        client.open(uri_of(unsaved), "let classes = 2\n")
        until(client, lambda: codes(client, main) == [])
        # a mistake in it is shown in it, and with the place that included it
        client.change(uri_of(unsaved), "let classes = 2 +\n")
        until(client, lambda: codes(client, main) == [] and codes(client, uri_of(unsaved)) == ["E0002"])
        [d] = client.diagnostics[uri_of(unsaved)][1]
        assert d["relatedInformation"][-1]["location"]["uri"] == main, d
        client.change(uri_of(unsaved), "let classes = 2\n")
        until(client, lambda: codes(client, uri_of(unsaved)) == [])
        # a file that changes on disk
        disk.write_text("model Head(n) { fc = Linear(99, n) }\n")
        client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": uri_of(disk), "type": 2}]})
        until(client, lambda: "E0301" in codes(client, uri_of(disk)) + codes(client, main))
        until(client, lambda: any(n["method"] == "workspace/inlayHint/refresh" for n in client.notes))
        # and is opened, with another text than on disk
        client.open(uri_of(disk), "model Head(n) { fc = Linear(512, n) }\n")
        until(client, lambda: codes(client, uri_of(disk)) == [] and codes(client, main) == [])
        client.close(uri_of(disk))
        until(client, lambda: "E0301" in codes(client, uri_of(disk)) + codes(client, main))
        # a library by itself takes no network, and need not
        client.close(main)
        client.open(uri_of(disk), "model Head(n) { fc = Linear(512, n) }\n")
        assert client.settle(uri_of(disk)) == []
        client.quit()


def codes(client, uri):
    return [d["code"] for d in client.diagnostics.get(uri, (0, []))[1] if d["severity"] == 1]


def until(client, condition):
    """Receives until it holds; the queue's timeout is the limit."""
    while not condition():
        client.receive(timeout=20)


for name, test in list(globals().items()):
    if name.startswith("test_"):
        print(name, test() or "")
