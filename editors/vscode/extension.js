// VS Code's interface on one side, `surgeryc lsp` on the other: each provider asks one method and turns its answer into
// VS Code's types. Needs no package from a registry.
"use strict";
const vscode = require("vscode");
const { Client } = require("./client.js");

const SELECTOR = { language: "surgery" };
let client = null;

const position = (p) => new vscode.Position(p.line, p.character);
const range = (r) => new vscode.Range(position(r.start), position(r.end));
const plainRange = (r) => ({ start: { line: r.start.line, character: r.start.character }, end: { line: r.end.line, character: r.end.character } });
const location = (l) => new vscode.Location(vscode.Uri.parse(l.uri), range(l.range));
const markdown = (text) => new vscode.MarkdownString(text);
const edits = (list) => list.map((e) => new vscode.TextEdit(range(e.range), e.newText));

function workspaceEdit(answer) {
  const edit = new vscode.WorkspaceEdit();
  for (const [uri, list] of Object.entries(answer.changes)) edit.set(vscode.Uri.parse(uri), edits(list));
  return edit;
}

// What a request needs of a document, with the cursor where there is one.
function place(document, at) {
  const params = { textDocument: { uri: document.uri.toString() } };
  if (at) params.position = { line: at.line, character: at.character };
  return params;
}

// The answer through `turn`; nothing where there is none, or where it is no longer wanted.
async function ask(method, params, token, turn) {
  if (!client) return undefined;
  try {
    const answer = await client.ask(method, params, token);
    return answer === null ? undefined : turn(answer);
  } catch (error) {
    if (error.code === -32803) throw error; // a refusal that the user is to read
    return undefined;
  }
}

function diagnostic(d) {
  const severity = [vscode.DiagnosticSeverity.Error, vscode.DiagnosticSeverity.Warning, vscode.DiagnosticSeverity.Information];
  const made = new vscode.Diagnostic(range(d.range), d.message, severity[d.severity - 1]);
  made.source = d.source;
  made.code = d.code;
  made.relatedInformation = (d.relatedInformation || []).map((r) => new vscode.DiagnosticRelatedInformation(location(r.location), r.message));
  return made;
}

function symbol(s) {
  const made = new vscode.DocumentSymbol(s.name, s.detail || "", s.kind - 1, range(s.range), range(s.selectionRange));
  made.children = (s.children || []).map(symbol);
  return made;
}

function completion(answer) {
  const items = (Array.isArray(answer) ? answer : answer.items).map((i) => {
    const made = new vscode.CompletionItem(i.label, i.kind - 1);
    made.detail = i.detail;
    made.range = range(i.textEdit.range);
    made.insertText = i.insertTextFormat === 2 ? new vscode.SnippetString(i.textEdit.newText) : i.textEdit.newText;
    made.filterText = i.textEdit.newText.startsWith('"') ? i.textEdit.newText : i.label;
    return made;
  });
  return new vscode.CompletionList(items, Boolean(answer.isIncomplete));
}

function signature(answer) {
  const help = new vscode.SignatureHelp();
  help.signatures = answer.signatures.map((s) => {
    const made = new vscode.SignatureInformation(s.label, s.documentation);
    made.parameters = s.parameters.map((p) => new vscode.ParameterInformation(p.label, p.documentation));
    return made;
  });
  help.activeSignature = answer.activeSignature;
  help.activeParameter = answer.activeParameter;
  return help;
}

function codeAction(a) {
  const made = new vscode.CodeAction(a.title, vscode.CodeActionKind.QuickFix);
  made.edit = workspaceEdit(a.edit);
  made.diagnostics = a.diagnostics.map(diagnostic);
  made.isPreferred = a.isPreferred;
  return made;
}

function hint(h) {
  const made = new vscode.InlayHint(position(h.position), h.label);
  made.paddingLeft = h.paddingLeft;
  made.tooltip = h.tooltip;
  return made;
}

function register(capabilities) {
  const l = vscode.languages, legend = capabilities.semanticTokensProvider.legend;
  const tokens = (answer) => new vscode.SemanticTokens(new Uint32Array(answer.data), answer.resultId);
  return [
    l.registerHoverProvider(SELECTOR, {
      provideHover: (d, p, t) => ask("textDocument/hover", place(d, p), t, (a) => new vscode.Hover(markdown(a.contents.value), range(a.range))),
    }),
    l.registerCompletionItemProvider(SELECTOR, {
      provideCompletionItems: (d, p, t) => ask("textDocument/completion", place(d, p), t, completion),
    }, ...capabilities.completionProvider.triggerCharacters),
    l.registerSignatureHelpProvider(SELECTOR, {
      provideSignatureHelp: (d, p, t) => ask("textDocument/signatureHelp", place(d, p), t, signature),
    }, ...capabilities.signatureHelpProvider.triggerCharacters),
    l.registerDefinitionProvider(SELECTOR, {
      provideDefinition: (d, p, t) => ask("textDocument/definition", place(d, p), t, location),
    }),
    l.registerReferenceProvider(SELECTOR, {
      provideReferences: (d, p, c, t) => ask("textDocument/references", { ...place(d, p), context: { includeDeclaration: c.includeDeclaration } }, t, (a) => a.map(location)),
    }),
    l.registerDocumentHighlightProvider(SELECTOR, {
      provideDocumentHighlights: (d, p, t) => ask("textDocument/documentHighlight", place(d, p), t, (a) => a.map((h) => new vscode.DocumentHighlight(range(h.range), h.kind - 1))),
    }),
    l.registerRenameProvider(SELECTOR, {
      prepareRename: async (d, p, t) => {
        const found = await ask("textDocument/prepareRename", place(d, p), t, (a) => ({ range: range(a.range), placeholder: a.placeholder }));
        if (!found) throw new Error("this name is not declared in the script");
        return found;
      },
      provideRenameEdits: (d, p, newName, t) => ask("textDocument/rename", { ...place(d, p), newName }, t, workspaceEdit),
    }),
    l.registerDocumentSymbolProvider(SELECTOR, {
      provideDocumentSymbols: (d, t) => ask("textDocument/documentSymbol", place(d), t, (a) => a.map(symbol)),
    }),
    l.registerFoldingRangeProvider(SELECTOR, {
      provideFoldingRanges: (d, c, t) => ask("textDocument/foldingRange", place(d), t, (a) =>
        a.map((f) => new vscode.FoldingRange(f.startLine, f.endLine, f.kind === "comment" ? vscode.FoldingRangeKind.Comment : undefined))),
    }),
    l.registerDocumentLinkProvider(SELECTOR, {
      provideDocumentLinks: (d, t) => ask("textDocument/documentLink", place(d), t, (a) => a.map((k) => new vscode.DocumentLink(range(k.range), vscode.Uri.parse(k.target)))),
    }),
    l.registerDocumentFormattingEditProvider(SELECTOR, {
      provideDocumentFormattingEdits: (d, o, t) => ask("textDocument/formatting", { ...place(d), options: { tabSize: 2, insertSpaces: true } }, t, edits),
    }),
    l.registerCodeActionsProvider(SELECTOR, {
      provideCodeActions: (d, r, c, t) => ask("textDocument/codeAction", { ...place(d), range: plainRange(r), context: { diagnostics: [] } }, t, (a) => a.map(codeAction)),
    }, { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] }),
    l.registerCodeLensProvider(SELECTOR, {
      provideCodeLenses: (d, t) => ask("textDocument/codeLens", place(d), t, (a) => a.map((k) => new vscode.CodeLens(range(k.range), k.command))),
    }),
    l.registerInlayHintsProvider(SELECTOR, {
      provideInlayHints: (d, r, t) => ask("textDocument/inlayHint", { ...place(d), range: plainRange(r) }, t, (a) => a.map(hint)),
    }),
    l.registerDocumentSemanticTokensProvider(SELECTOR, {
      provideDocumentSemanticTokens: (d, t) => ask("textDocument/semanticTokens/full", place(d), t, tokens),
    }, new vscode.SemanticTokensLegend(legend.tokenTypes, legend.tokenModifiers)),
  ];
}

function isOurs(document) {
  return document.languageId === "surgery";
}

function opened(document) {
  if (!isOurs(document)) return;
  client.tell("textDocument/didOpen", {
    textDocument: { uri: document.uri.toString(), languageId: "surgery", version: document.version, text: document.getText() },
  });
}

function synchronise() {
  const w = vscode.workspace, watcher = w.createFileSystemWatcher("**/*.{surgery,safetensors,pth,pt,bin,npz,onnx,json,gguf}");
  const watched = (type) => (uri) => client.tell("workspace/didChangeWatchedFiles", { changes: [{ uri: uri.toString(), type }] });
  return [
    watcher, watcher.onDidCreate(watched(1)), watcher.onDidChange(watched(2)), watcher.onDidDelete(watched(3)),
    w.onDidOpenTextDocument(opened),
    w.onDidChangeTextDocument((event) => {
      if (!isOurs(event.document) || event.contentChanges.length === 0) return;
      client.tell("textDocument/didChange", {
        textDocument: { uri: event.document.uri.toString(), version: event.document.version },
        contentChanges: event.contentChanges.map((c) => ({ range: plainRange(c.range), text: c.text })),
      });
    }),
    w.onDidSaveTextDocument((document) => isOurs(document) && client.tell("textDocument/didSave", place(document))),
    w.onDidCloseTextDocument((document) => isOurs(document) && client.tell("textDocument/didClose", place(document))),
  ];
}

async function activate(context) {
  const settings = vscode.workspace.getConfiguration("surgery");
  const collection = vscode.languages.createDiagnosticCollection("surgery"), log = vscode.window.createOutputChannel("Surgery");
  const fromServer = (method, params) => {
    if (method === "textDocument/publishDiagnostics") collection.set(vscode.Uri.parse(params.uri), params.diagnostics.map(diagnostic));
    else if (method === "window/logMessage") log.appendLine(params.message);
    else if (method === "window/showDocument") vscode.env.openExternal(vscode.Uri.parse(params.uri));
  };
  client = new Client(settings.get("path"), ["lsp", ...settings.get("arguments")], fromServer, (error) => {
    client = null;
    vscode.window.showErrorMessage(`Surgery: ${settings.get("path")} lsp: ${error.message}`);
  });
  const answer = await client.ask("initialize", {
    processId: process.pid,
    rootUri: null,
    capabilities: {
      general: { positionEncodings: ["utf-16"] },
      textDocument: { publishDiagnostics: { relatedInformation: true }, completion: { completionItem: { snippetSupport: true } } },
      window: { showDocument: { support: true } },
    },
  });
  client.tell("initialized", {});
  vscode.workspace.textDocuments.forEach(opened);
  const graph = vscode.commands.registerCommand("surgery.graph", (uri) => {
    const of = uri || vscode.window.activeTextEditor.document.uri.toString();
    return client.ask("workspace/executeCommand", { command: "surgery.graph", arguments: [of] }).catch((e) => vscode.window.showErrorMessage(e.message));
  });
  context.subscriptions.push(collection, log, graph, ...synchronise(), ...register(answer.capabilities));
}

async function deactivate() {
  const last = client;
  client = null;
  if (last) await last.stop();
}

module.exports = { activate, deactivate };
