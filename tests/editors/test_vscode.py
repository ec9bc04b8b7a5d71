"""The packed extension for VS Code: its manifest names files that are in it, as VS Code's own checks have it; and its code
runs in node on a stand-in for the module `vscode`, with the real server.

    test_vscode.py SURGERYC SOURCE EDITORS"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
import zipfile

surgeryc, source, made = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
archive = zipfile.ZipFile(made / "surgery.vsix")
names = set(archive.namelist())


def test_package():
    assert archive.testzip() is None
    manifest = json.loads(archive.read("extension/package.json"))
    for key in ("name", "displayName", "description", "version", "publisher", "engines", "main", "contributes"):
        assert manifest.get(key), key
    assert re.fullmatch(r"[a-z0-9-]+", manifest["name"]) and re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert re.fullmatch(r"\^1\.\d+\.0", manifest["engines"]["vscode"])
    contributes = manifest["contributes"]
    [language], [grammar] = contributes["languages"], contributes["grammars"]
    assert grammar["language"] == language["id"] and f"onLanguage:{language['id']}" in manifest["activationEvents"]
    for path in (manifest["main"], grammar["path"], language["configuration"]):
        assert "extension/" + path.lstrip("./") in names, path
    assert json.loads(archive.read("extension/" + grammar["path"].lstrip("./")))["scopeName"] == grammar["scopeName"]
    json.loads(archive.read("extension/" + language["configuration"].lstrip("./")))
    for name, setting in contributes["configuration"]["properties"].items():
        assert name.startswith("surgery.") and {"type", "default", "description"} <= set(setting), name
    space = {"v": "http://schemas.microsoft.com/developer/vsx-schema/2011"}
    vsix = xml.fromstring(archive.read("extension.vsixmanifest"))
    identity = vsix.find("v:Metadata/v:Identity", space)
    assert (identity.get("Id"), identity.get("Version"), identity.get("Publisher")) == (manifest["name"], manifest["version"], manifest["publisher"])
    for asset in vsix.findall("v:Assets/v:Asset", space):
        assert asset.get("Path") in names, asset.get("Path")
    [engine] = [p.get("Value") for p in vsix.iter("{%s}Property" % space["v"]) if p.get("Id") == "Microsoft.VisualStudio.Code.Engine"]
    assert engine == manifest["engines"]["vscode"]
    types = xml.fromstring(archive.read("[Content_Types].xml"))
    known = {t.get("Extension") for t in types if t.get("Extension")} | {t.get("PartName") for t in types}
    for name in names:
        if not name.endswith("/") and name != "[Content_Types].xml":
            assert pathlib.PurePath(name).suffix in known or "/" + name in known, f"{name} has no content type"


def test_words():
    """Each word of the tables is in the grammar."""
    grammar = archive.read("extension/syntaxes/surgery.tmLanguage.json").decode()
    for word in re.findall(r"^(?:KEYWORD|EDIT|IN_TRAIN)\((\w+),", (source / "grammar/keywords.def").read_text(), re.M):
        assert re.search(rf"[(|]{word}[|)]", grammar), word
    for word in re.findall(r"^SETTING\((\w+),", (source / "grammar/train.def").read_text(), re.M):
        assert re.search(rf"[(|]{word}[|)]", grammar), word


STAND_IN = r"""
const Module = require("module"), path = require("path"), assert = require("assert");
const providers = {}, events = {}, diagnostics = new Map(), commands = {};
class Position { constructor(line, character) { this.line = line; this.character = character; } }
class Range { constructor(start, end) { this.start = start; this.end = end; } }
const made = (...fields) => class { constructor(...values) { fields.forEach((f, i) => (this[f] = values[i])); } };
const any = new Proxy({}, { get: (_, name) => name });
const register = (name) => (selector, provider) => ((providers[name] = provider), { dispose() {} });
const on = (name) => (handler) => ((events[name] = handler), { dispose() {} });
const document = { languageId: "surgery", version: 1, text: "", uri: { toString: () => "file:///nowhere/a.surgery" }, getText() { return this.text; } };
const vscode = {
  Position, Range, Location: made("uri", "range"), Uri: { parse: (text) => ({ toString: () => text }) },
  MarkdownString: made("value"), TextEdit: made("range", "newText"), Hover: made("contents", "range"),
  WorkspaceEdit: class { constructor() { this.all = {}; } set(uri, edits) { this.all[uri.toString()] = edits; } },
  Diagnostic: made("range", "message", "severity"), DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2 },
  DiagnosticRelatedInformation: made("location", "message"), DocumentSymbol: made("name", "detail", "kind", "range"),
  CompletionItem: made("label", "kind"), CompletionList: made("items", "isIncomplete"), SnippetString: made("value"),
  SignatureHelp: class {}, SignatureInformation: made("label", "documentation"), ParameterInformation: made("label", "documentation"),
  CodeAction: made("title", "kind"), CodeActionKind: { QuickFix: "quickfix" }, CodeLens: made("range", "command"),
  InlayHint: made("position", "label"), SemanticTokens: made("data", "resultId"), SemanticTokensLegend: made("types", "modifiers"),
  FoldingRange: made("start", "end", "kind"), FoldingRangeKind: { Comment: 1 }, DocumentHighlight: made("range", "kind"), DocumentLink: made("range", "target"),
  languages: new Proxy({ createDiagnosticCollection: () => ({ set: (uri, list) => diagnostics.set(uri.toString(), list), dispose() {} }) },
    { get: (target, name) => target[name] || register(name.replace(/^register|Provider$/g, "")) }),
  workspace: new Proxy({ textDocuments: [document], getConfiguration: () => ({ get: (name) => ({ path: process.argv[2], arguments: [] }[name]) }),
    createFileSystemWatcher: () => ({ onDidCreate: on("create"), onDidChange: on("change"), onDidDelete: on("delete"), dispose() {} }) },
    { get: (target, name) => target[name] || on(name) }),
  window: { createOutputChannel: () => ({ appendLine: (line) => { throw new Error(line); }, dispose() {} }), showErrorMessage: (m) => { throw new Error(m); } },
  env: { openExternal: (uri) => (commands.opened = uri.toString()) },
  commands: { registerCommand: (name, run) => ((commands[name] = run), { dispose() {} }) },
};
Module._load = ((load) => (name, ...rest) => (name === "vscode" ? vscode : load(name, ...rest)))(Module._load);
const extension = require(path.resolve(process.argv[3], "extension.js"));
const none = { onCancellationRequested() {} };
(async () => {
  document.text = "take resnet18[0:5] from random\nfreeze laye4\nreplace fc with Linear(_, 2)\n";
  await extension.activate({ subscriptions: [] });
  while (!diagnostics.get(document.uri.toString())) await new Promise((done) => setTimeout(done, 10));
  const [wrong] = diagnostics.get(document.uri.toString());
  assert.strictEqual(wrong.code, "E0201");
  const [fix] = await providers.CodeActions.provideCodeActions(document, wrong.range, {}, none);
  assert.strictEqual(fix.edit.all[document.uri.toString()][0].newText, "layer4");
  document.version++;
  events.onDidChangeTextDocument({ document, contentChanges: [{ range: wrong.range, text: "layer4" }] });
  const hover = await providers.Hover.provideHover(document, new Position(1, 9), none);
  assert.match(hover.contents.value, /\(N, 256, 14, 14\) → \(N, 512, 7, 7\)/);
  const list = await providers.CompletionItem.provideCompletionItems(document, new Position(2, 18), none);
  const linear = list.items.find((i) => i.label === "Linear");
  assert.strictEqual(linear.insertText.value, "Linear(${1:_}, ${2:out_features})");
  const whole = new Range(new Position(0, 0), new Position(3, 0));
  const hints = await providers.InlayHints.provideInlayHints(document, whole, none);
  assert(hints.some((h) => h.label === "(N, 2)"), JSON.stringify(hints));
  assert((await providers.CodeLens.provideCodeLenses(document, none)).some((k) => k.command.command === "surgery.graph"));
  assert((await providers.DocumentSemanticTokens.provideDocumentSemanticTokens(document, none)).data.length > 50);
  assert((await providers.DocumentSymbol.provideDocumentSymbols(document, none)).length >= 2);
  const help = await providers.SignatureHelp.provideSignatureHelp(document, new Position(2, 26), none);
  assert.strictEqual(help.activeParameter, 1);
  assert.deepStrictEqual(await providers.DocumentFormattingEdit.provideDocumentFormattingEdits(document, {}, none), []);
  await assert.rejects(providers.Rename.prepareRename(document, new Position(0, 1), none));
  await commands["surgery.graph"](document.uri.toString());
  assert.match(commands.opened, /a\.surgery\.(svg|dot)$/);
  await extension.deactivate();
  console.log("ran");
})().catch((error) => { console.error(error); process.exit(1); });
"""


def test_extension():
    node = shutil.which("node") or shutil.which("nodejs")
    if not node:
        return "SKIPPED, node is not installed"
    with tempfile.TemporaryDirectory() as folder:
        archive.extractall(folder)
        script = pathlib.Path(folder, "run.js")
        script.write_text(STAND_IN)
        run = subprocess.run([node, script, surgeryc, pathlib.Path(folder, "extension")], capture_output=True, timeout=120,
                             env={"PATH": "/usr/bin:/bin", "TMPDIR": folder})
        assert run.returncode == 0 and run.stdout == b"ran\n", run.stderr.decode()


for name, test in list(globals().items()):
    if name.startswith("test_"):
        print(name, test() or "")
