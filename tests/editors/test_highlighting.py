"""Whether the grammars made for editors colour scripts as the compiler reads them: each word of the examples and the
built-in networks, by the semantic
tokens of `surgeryc lsp`, against what each editor's own engine says of it. An engine that is not installed is skipped.

    test_highlighting.py SURGERYC SOURCE EDITORS [ENGINE…]      EDITORS: the build's folder with what was made"""
import atexit
import functools
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

surgeryc, source, made = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve()
sys.path.insert(0, str(source / "tests/lsp"))
from client import Client, index_of, scripts_below, uri_of  # noqa: E402

OTHER = "other"  # names of layers and variables, operators: editors show them as text
CLASSES = {"keyword": "keyword", "type": "type", "function": "function", "property": OTHER, "decorator": "setting",
           "parameter": "argument", "variable": OTHER, "enumMember": "constant", "number": "number", "string": "string",
           "regexp": "string", "comment": "comment", "operator": OTHER}


class Skipped(Exception):
    pass


def program(*names):
    for name in names:
        if shutil.which(name):
            return name
    raise Skipped(f"{' or '.join(names)} is not installed")


def semantic_words(client, path):
    """(begin, end, class) of each word, in characters."""
    uri, text = uri_of(path), path.read_text()
    client.open(uri, text)
    legend = client.capabilities["semanticTokensProvider"]["legend"]["tokenTypes"]
    data, line, character, words = client.request("semanticTokens/full", uri)["data"], 0, 0, []
    for i in range(0, len(data), 5):
        line, character = line + data[i], data[i + 1] + (character if data[i] == 0 else 0)
        begin = index_of(text, {"line": line, "character": character})
        end = index_of(text, {"line": line, "character": character + data[i + 2]})
        words.append((begin, end, CLASSES[legend[data[i + 3]]]))
    client.close(uri)
    return words


# ---- the engines: each gives the class of every character of a text ----

def by_pygments(path, text):
    try:
        import pygments
        from pygments.token import Comment, Keyword, Name, Number, String
    except ImportError:
        raise Skipped("pygments is not installed")
    names = {}
    exec(compile((made / "pygments/surgery_lexer.py").read_text(), "surgery_lexer.py", "exec"), names)
    kinds = [(Comment, "comment"), (String, "string"), (Number, "number"), (Keyword.Constant, "constant"), (Keyword, "keyword"),
             (Name.Class, "type"), (Name.Function, "function"), (Name.Attribute, "argument"), (Name.Builtin, "setting")]
    out = []
    for token, value in names["SurgeryLexer"](stripnl=False, ensurenl=False).get_tokens(text):
        out += [next((name for kind, name in kinds if token in kind), OTHER)] * len(value)
    return out


SCOPES = [("comment", "comment"), ("string", "string"), ("constant.character", "string"), ("meta.template", "string"),
          ("constant.numeric", "number"), ("constant.language", "constant"), ("keyword.operator", OTHER), ("keyword", "keyword"),
          ("support.function", "setting"), ("entity.name.type", "type"), ("entity.name.function", "function"),
          ("variable.parameter", "argument")]


def class_of_scope(scope):
    return next((name for prefix, name in SCOPES if scope and scope.startswith(prefix)), OTHER)


class TextMate:
    """As much of the engine as the grammar uses: lines, patterns in their order, captures, one level of begin and end."""

    def __init__(self, grammar):
        self.repository = grammar["repository"]
        self.root = self.flat(grammar["patterns"])

    def flat(self, patterns):
        out = []
        for p in patterns:
            if "include" in p:
                named = self.repository[p["include"][1:]]
                out += self.flat(named["patterns"]) if "patterns" in named and "begin" not in named else self.flat([named])
            else:
                inner = self.flat(p.get("patterns", []))
                out.append((p, re.compile(p.get("match") or p["begin"]), re.compile(p["end"]) if "end" in p else None, inner))
        return out

    def line(self, line, out):
        at, inside = 0, None
        classes = [OTHER] * len(line)
        while at <= len(line):
            rules = inside[3] if inside else self.root
            found = [(m.start(), i, m, rule) for i, rule in enumerate(rules) if (m := rule[1].search(line, at))]
            best = min(found, key=lambda f: f[:2], default=None)
            close = inside[2].search(line, at) if inside else None
            if close and (not best or close.start() <= best[0]):
                classes[at:close.end()] = [class_of_scope(inside[0]["name"])] * (close.end() - at)
                at, inside = max(close.end(), at + (close.end() == at)), None
                continue
            if not best:
                break
            begin, _, m, rule = best
            if inside:
                classes[at:m.end()] = [class_of_scope(inside[0]["name"])] * (m.end() - at)
            elif rule[0].get("name"):
                classes[begin:m.end()] = [class_of_scope(rule[0]["name"])] * (m.end() - begin)
            for number, capture in rule[0].get("captures", {}).items():
                b, e = m.span(int(number))
                classes[b:e] = [class_of_scope(capture["name"])] * (e - b)
            if rule[2]:
                inside = rule
            at = max(m.end(), at + (m.end() == at))
        out += classes + [OTHER]


def by_textmate(path, text):
    engine, out = TextMate(json.loads((made / "vscode/extension/syntaxes/surgery.tmLanguage.json").read_text())), []
    for line in text.split("\n"):
        engine.line(line, out)
    return out[:-1]


def by_vim(path, text, name=None):
    name = name or program("vim")
    kinds = {"surgeryKeyword": "keyword", "surgeryJoining": "keyword", "surgerySetting": "setting", "surgeryType": "type",
             "surgeryFunction": "function", "surgeryArgument": "argument", "surgeryConstant": "constant",
             "surgeryNumber": "number", "surgeryString": "string", "surgeryTemplate": "string", "surgeryEscape": "string",
             "surgeryRegex": "string", "surgeryComment": "comment"}
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, "dump.vim")
        script.write_text(f"""set encoding=utf-8 nocompatible
set runtimepath^={made}/vim
filetype off
filetype plugin on
syntax on
edit {path}
let out = []
for l in range(1, line('$'))
  let row = []
  for c in range(1, len(getline(l)))
    call add(row, synIDattr(synID(l, c, 1), 'name'))
  endfor
  call add(out, join(row, ' '))
endfor
call writefile([&filetype] + out, '{folder}/out')
qall!
""")
        subprocess.run([name, "-u", "NONE", "-i", "NONE", "-n", "-es", "-S", str(script)] if name == "vim" else
                       [name, "--clean", "--headless", "-n", "-S", str(script)], timeout=120, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "dumb"})
        rows = pathlib.Path(folder, "out").read_text().split("\n")
    assert rows[0] == "surgery", f"the file's type is {rows[0]!r}"
    out = []
    for line, row in zip(text.split("\n"), rows[1:] + [""]):
        names = row.split(" ")
        at = 0
        for character in line:  # Vim counts bytes
            out.append(kinds.get(names[at] if at < len(names) else "", OTHER))
            at += len(character.encode())
        out.append(OTHER)
    return out[:-1]


def by_nvim(path, text):
    return by_vim(path, text, program("nvim"))


def by_emacs(path, text):
    kinds = {"font-lock-keyword-face": "keyword", "font-lock-type-face": "type", "font-lock-preprocessor-face": "setting",
             "font-lock-function-name-face": "function", "font-lock-variable-name-face": "argument",
             "font-lock-constant-face": "constant", "font-lock-string-face": "string", "font-lock-comment-face": "comment",
             "font-lock-comment-delimiter-face": "comment"}
    lisp = f"""(progn (load "{made}/emacs/surgery-mode.el" nil t) (find-file "{path}") (unless (eq major-mode 'surgery-mode) (kill-emacs 2))
      (font-lock-ensure) (let ((at (point-min))) (while (< at (point-max))
        (let ((face (get-text-property at 'face))) (princ (format "%s\\n" (if (consp face) (car face) face)))) (setq at (1+ at)))))"""
    run = subprocess.run([program("emacs"), "-Q", "--batch", "--eval", lisp], capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr.decode()
    return [kinds.get(face, OTHER) for face in run.stdout.decode().split("\n")[:-1]]


COLOURS = {name: f"#{i + 1:02x}0000" for i, name in enumerate(
    ("comment", "string", "constant.numeric", "constant.language", "constant.character", "keyword.operator", "keyword", "support.function",
     "entity.name.type", "entity.name.function", "variable.parameter"))}


@functools.cache
def bat_cache():
    """bat with the syntax built in: its program, and the environment in which it finds that."""
    bat = program("batcat", "bat")
    settings = "".join(f"<dict><key>scope</key><string>{scope}</string><key>settings</key><dict><key>foreground</key><string>{colour}"
                       "</string></dict></dict>" for scope, colour in COLOURS.items())
    theme = ('<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>name</key><string>T</string><key>settings</key><array>'
             '<dict><key>settings</key><dict><key>foreground</key><string>#ffffff</string></dict></dict>' + settings + "</array></dict></plist>")
    folder = pathlib.Path(atexit_folder())
    for part in ("syntaxes", "themes"):
        (folder / part).mkdir()
    shutil.copy(made / "bat/surgery.sublime-syntax", folder / "syntaxes")
    (folder / "themes/T.tmTheme").write_text(theme)
    env = {**os.environ, "BAT_CONFIG_PATH": "/dev/null", "BAT_CACHE_PATH": str(folder / "cache"), "COLORTERM": "truecolor"}
    built = subprocess.run([bat, "cache", "--build", "--source", str(folder), "--target", str(folder / "cache")], env=env, capture_output=True)
    assert built.returncode == 0, built.stderr.decode()
    return bat, env


def atexit_folder():
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return folder


def by_bat(path, text):
    bat, env = bat_cache()
    run = subprocess.run([bat, "--color=always", "--theme=T", "--style=plain", "--paging=never", "--tabs=0", str(path)], env=env, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    names = {int(colour[1:3], 16): scope for scope, colour in COLOURS.items()}
    out, current = [], None
    for part in re.split("(\x1b\\[[0-9;]*m)", run.stdout.decode()):
        colour = re.fullmatch("\x1b\\[38;2;(\\d+);(\\d+);(\\d+)m", part)
        if colour:
            current = names.get(int(colour[1])) if colour[2] == "0" else None
        elif part.startswith("\x1b"):
            current = None
        else:
            out += [class_of_scope(current)] * len(part)
    return out


def by_kate(path, text):
    tool = program("kate-syntax-highlighter", "ksyntaxhighlighter6", "ksyntaxhighlighter5")
    theme = {"metadata": {"name": "T", "revision": 1}, "editor-colors": {}, "text-styles": {}}
    styles = {"ControlFlow": "keyword", "Keyword": "keyword", "BuiltIn": "setting", "DataType": "type", "Function": "function",
              "Attribute": "argument", "Constant": "constant", "DecVal": "number", "String": "string", "SpecialString": "string",
              "Comment": "comment", "Operator": OTHER, "Normal": OTHER}
    for i, style in enumerate(styles):
        theme["text-styles"][style] = {"text-color": f"#{i + 1:02x}0000"}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = folder / "org.kde.syntax-highlighting"
        for part in ("syntax", "themes"):
            (data / part).mkdir(parents=True)
        shutil.copy(made / "kate/surgery.xml", data / "syntax")
        (data / "themes/t.theme").write_text(json.dumps(theme))
        env = {**os.environ, "XDG_DATA_HOME": str(folder), "QT_QPA_PLATFORM": "offscreen"}
        run = subprocess.run([tool, "--syntax", "Surgery", "--theme", "T", str(path)], env=env, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr.decode()
    body = re.search("<pre>\\n?(.*)</pre>", run.stdout.decode(), re.S)[1]
    numbered, out, current = list(styles.values()), [], OTHER
    for part in re.split("(<[^>]*>)", body):
        colour = re.match('<span style="color:#(..)0000', part)
        if part.startswith("<"):
            current = numbered[int(colour[1], 16) - 1] if colour else OTHER
        else:
            out += [current] * len(html.unescape(part))
    return out


@functools.cache
def highlighted():
    """Every script as highlight.js marks it up: one process, since it takes a while to load its languages."""
    node = program("node", "nodejs")
    script = """const fs = require("fs"), [grammar, ...paths] = process.argv.slice(1); let hljs;
      for (const at of ["highlight.js", "/usr/share/nodejs/highlight.js", "/usr/share/javascript/highlight.js/highlight.js"])
        try { hljs = require(at); break; } catch {}
      if (!hljs) process.exit(9);
      hljs.registerLanguage("surgery", require(grammar));
      const old = parseInt(hljs.versionString || "9") < 11, all = {};
      for (const path of paths) {
        const text = fs.readFileSync(path, "utf8");
        all[path] = (old ? hljs.highlight("surgery", text) : hljs.highlight(text, { language: "surgery" })).value;
      }
      console.log(JSON.stringify(all));"""
    run = subprocess.run([node, "-e", script, str(made / "highlight.js/surgery.js"), *map(str, words)], capture_output=True, timeout=120)
    if run.returncode == 9:
        raise Skipped("highlight.js is not installed")
    assert run.returncode == 0, run.stderr.decode()
    return json.loads(run.stdout.decode().strip().split("\n")[-1])  # above it: that version 9 is old


def by_highlight_js(path, text):
    kinds = {"comment": "comment", "string": "string", "subst": "string", "regexp": "string", "title": "type", "keyword": "keyword",
             "built_in": "setting", "literal": "constant", "attr": "argument", "type": "type", "number": "number"}
    out, stack = [], [OTHER]
    for part in re.split("(<[^>]*>)", highlighted()[str(path)]):
        opened = re.match('<span class="hljs-(\\w+)', part)
        if opened:
            stack.append(kinds[opened[1]])
        elif part == "</span>":
            stack.pop()
        else:
            out += [stack[-1]] * len(html.unescape(part))
    return out


def by_nano(path, text):
    """Nano has no way to print: it runs in a terminal of tmux, whose cells have colours."""
    nano, tmux = program("nano"), program("tmux")
    kinds = {4: "keyword", 12: "keyword", 3: "setting", 2: "string", 5: "constant", 10: "type", 6: "function", 8: "comment"}
    lines = text.split("\n")
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "rc").write_text(f'include "{made}/nano/surgery.nanorc"\n')
        pathlib.Path(folder, "conf").write_text("set -g default-terminal tmux-256color\n")
        run = [tmux, "-S", f"{folder}/socket", "-f", f"{folder}/conf"]
        command = f"nano --rcfile={folder}/rc --view --nohelp --restricted {path}"
        subprocess.run([*run, "new-session", "-d", "-x", "250", "-y", str(len(lines) + 6), command], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        captures = [""]
        while not captures[-1].strip() or len(set(captures[-3:])) > 1:  # until it has painted all
            time.sleep(0.15)
            captures.append(subprocess.run([*run, "capture-pane", "-p", "-e"], capture_output=True).stdout.decode())
        shown = captures[-1]
        subprocess.run([*run, "kill-server"])
    rows, out, colour, bold = shown.split("\n")[1:], [], None, 0  # which last over the ends of lines
    for line, row in zip(lines, rows):
        classes = []
        for part in re.split("(\x1b\\[[0-9;]*m)", row):
            if not part.startswith("\x1b"):
                classes += [kinds.get(colour + bold if colour is not None else None, OTHER)] * len(part)
            for code in map(int, re.findall("[0-9]+", part) or [0]) if part.startswith("\x1b") else ():
                if code in (0, 39):
                    colour, bold = None, 0 if code == 0 else bold
                elif code in (1, 22):
                    bold = 8 if code == 1 else 0
                elif 30 <= code < 38 or 90 <= code < 98:
                    colour = code % 10 + (8 if code >= 90 else 0)
        out += (classes + [OTHER] * len(line))[:len(line)] + [OTHER]
    return out


# What an engine does not tell apart: nano has no look-behind, so that a number colours the character before it; Emacs has no
# face for numbers, highlight.js one class for functions and networks.
UNTOLD = {"emacs": {"number"}, "nano": {"argument", "function"}}
SAME = {"highlight_js": {"function": "type"}, "nano": {"number": "constant"}}


def compare(engine, words, client):
    told, wrong = 0, []
    for path, (text, wanted) in words.items():
        got = globals()["by_" + engine](path, text)
        assert len(got) >= len(text.rstrip("\n")), f"{path}: {len(got)} of {len(text)} characters"
        for begin, end, kind in wanted:
            kind = SAME.get(engine, {}).get(kind, kind)
            if kind in UNTOLD.get(engine, set()) or (engine == "nano" and kind == OTHER and not text[begin].isalnum()):
                continue
            seen = got[begin:end]
            told += 1
            most = max(set(seen), key=seen.count) if seen else OTHER
            # The name of a stage after a comma: no regular expression can tell it from an argument's.
            if most == "argument" and kind == OTHER and re.match(r"\s*=", text[end:]):
                continue
            if most != kind:
                line = text.count("\n", 0, begin) + 1
                wrong.append(f"{path.relative_to(source)}:{line}: {text[begin:end]!r} is {kind}, {engine} shows {most}")
    return told, wrong


client = Client(surgeryc)
words = {p: (p.read_text(), semantic_words(client, p)) for folder in ("examples", "compiler/zoo") for p in scripts_below(source / folder)}
client.quit()
failed, ran = False, 0
vim = "vim" if shutil.which("vim") else "nvim"
for engine in sys.argv[4:] or ("pygments", "textmate", vim, "emacs", "bat", "kate", "nano", "highlight_js"):
    try:
        told, wrong = compare(engine, words, client)
    except Skipped as e:
        print(f"{engine}: SKIPPED, {e}")
        continue
    ran += 1
    print(f"{engine}: {told} words, {len(wrong)} shown as something else")
    print("".join(f"  {w}\n" for w in wrong[:20]), end="")
    failed = failed or len(wrong) * 500 > told
assert ran > 0
sys.exit(failed)
