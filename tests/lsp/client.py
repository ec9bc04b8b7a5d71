"""A client of the Language Server Protocol for the tests: starts `surgeryc lsp`, speaks frames of JSON-RPC with it and
checks what every answer must keep: its form, and ranges that lie in the document. Python's standard library only."""
import json
import os
import pathlib
import queue
import subprocess
import threading
import time
import urllib.parse


def uri_of(path):
    return "file://" + urllib.parse.quote(str(path))


def units(text, encoding="utf-16"):
    """The length of a text in the units of positions."""
    if encoding == "utf-8":
        return len(text.encode())
    return len(text.encode("utf-16-le")) // 2 if encoding == "utf-16" else len(text)


def position(text, index, encoding="utf-16"):
    """The position of the character text[index]."""
    before = text[:index]
    line = before.count("\n")
    return {"line": line, "character": units(before[before.rfind("\n") + 1:], encoding)}


def index_of(text, place, encoding="utf-16"):
    """The other way round; None where there is no such position."""
    lines = text.split("\n")
    if not 0 <= place["line"] < len(lines):
        return None
    line, left = lines[place["line"]], place["character"]
    start = sum(len(l) + 1 for l in lines[:place["line"]])
    for i in range(len(line) + 1):
        if left == 0:
            return start + i
        if i < len(line):
            left -= units(line[i], encoding)
    return None


class Refused(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]


CAPABILITIES = {
    "general": {"positionEncodings": ["utf-16"]},
    "textDocument": {"publishDiagnostics": {"relatedInformation": True},
                     "completion": {"completionItem": {"snippetSupport": True}}},
    "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}, "inlayHint": {"refreshSupport": True}},
}


class Client:
    def __init__(self, surgeryc, *options, capabilities=CAPABILITIES, cwd=None):
        self.process = subprocess.Popen([surgeryc, "lsp", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd)
        self.ids, self.seen, self.texts, self.versions = 0, {}, {}, {}
        self.notes, self.diagnostics, self.inbox = [], {}, queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        answer = self.ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities})
        self.capabilities = answer["capabilities"]
        self.encoding = self.capabilities["positionEncoding"]
        self.tell("initialized", {})

    # ---- frames ----

    def send(self, message):
        self.raw(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def raw(self, body):
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _listen(self):
        out = self.process.stdout
        while True:
            head = {}
            while (line := out.readline()) not in (b"\r\n", b""):
                name, value = line.decode().split(":", 1)
                head[name.lower()] = value.strip()
            if not head:
                break
            self.inbox.put(json.loads(out.read(int(head["content-length"]))))
        self.inbox.put(None)

    def receive(self, timeout=60):
        message = self.inbox.get(timeout=timeout)
        if message is None:
            raise AssertionError(f"the server ended with status {self.process.wait()}")
        assert message["jsonrpc"] == "2.0", message
        if "method" in message:
            if "id" in message:
                self.send({"id": message["id"], "result": None})
            self.notes.append(message)
            if message["method"] == "textDocument/publishDiagnostics":
                self._published(message["params"])
            elif message["method"] == "window/logMessage" and message["params"]["type"] == 1:
                raise AssertionError(message["params"]["message"])
        else:
            self.seen[message["id"]] = message
        return message

    def post(self, method, params):
        self.ids += 1
        self.send({"id": self.ids, "method": method, "params": params})
        return self.ids

    def wait(self, number):
        while number not in self.seen:
            self.receive()
        message = self.seen.pop(number)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    def ask(self, method, params):
        return self.wait(self.post(method, params))

    def tell(self, method, params):
        self.send({"method": method, "params": params})

    # ---- documents ----

    def open(self, uri, text):
        self.texts[uri], self.versions[uri] = text, 1
        self.tell("textDocument/didOpen",
                  {"textDocument": {"uri": uri, "languageId": "surgery", "version": 1, "text": text}})

    def change(self, uri, text, edit=None):
        """The whole text, or with `edit` (begin, end, new) a part of it."""
        self.versions[uri] += 1
        change = {"text": text}
        if edit:
            begin, end, new = edit
            old = self.texts[uri]
            text = old[:begin] + new + old[end:]
            change = {"range": {"start": position(old, begin, self.encoding), "end": position(old, end, self.encoding)},
                      "text": new}
        self.texts[uri] = text
        self.tell("textDocument/didChange",
                  {"textDocument": {"uri": uri, "version": self.versions[uri]}, "contentChanges": [change]})

    def close(self, uri):
        del self.texts[uri]
        self.tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def at(self, uri, index):
        return {"textDocument": {"uri": uri}, "position": position(self.texts[uri], index, self.encoding)}

    def request(self, method, uri, index=None, **more):
        params = {"textDocument": {"uri": uri}, **more} if index is None else {**self.at(uri, index), **more}
        result = self.ask("textDocument/" + method, params)
        self.check_ranges(result, uri)
        return result

    def settle(self, uri):
        """The diagnostics of the document's present version."""
        while self.diagnostics.get(uri, (None, []))[0] != self.versions[uri]:
            self.receive()
        return self.diagnostics[uri][1]

    def _published(self, params):
        uri = params["uri"]
        self.diagnostics[uri] = (params.get("version"), params["diagnostics"])
        if params.get("version") == self.versions.get(uri, -1):
            self.check_ranges(params["diagnostics"], uri)

    def check_ranges(self, value, uri):
        """Each range in an answer lies in the text that it is of."""
        if isinstance(value, list):
            for item in value:
                self.check_ranges(item, uri)
        elif isinstance(value, dict):
            uri = value.get("uri", value.get("targetUri", uri))
            if "changes" in value:
                for key, edits in value["changes"].items():
                    self.check_ranges(edits, key)
            for key, item in value.items():
                if isinstance(item, dict) and set(item) == {"start", "end"} and uri in self.texts:
                    text = self.texts[uri]
                    begin, end = (index_of(text, item[k], self.encoding) for k in ("start", "end"))
                    assert begin is not None and end is not None and begin <= end, (key, item)
                elif key != "changes":
                    self.check_ranges(item, uri)

    def quit(self):
        self.ask("shutdown", None)
        self.tell("exit", None)
        status = self.process.wait(timeout=60)
        assert status == 0, status


def median(values):
    values = sorted(values)
    return values[len(values) // 2] if values else 0.0


def p95(values):
    values = sorted(values)
    return values[int(len(values) * 0.95)] if values else 0.0


def timed(times, call, *arguments, **named):
    start = time.perf_counter()
    result = call(*arguments, **named)
    times.append(1000 * (time.perf_counter() - start))
    return result


def scripts_below(folder):
    return sorted(pathlib.Path(folder).rglob("*.surgery"))
