// JSON-RPC with a process, as the Language Server Protocol frames it. Knows neither VS Code nor any method.
"use strict";
const { spawn } = require("child_process");

class Client {
  // `onMessage(method, params)` is called for what the server sends; what it returns answers a request.
  constructor(command, args, onMessage, onEnd) {
    this.onMessage = onMessage;
    this.waiting = new Map();
    this.id = 0;
    this.bytes = Buffer.alloc(0);
    this.process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.process.stdout.on("data", (data) => this.read(data));
    this.process.stdin.on("error", () => {});
    this.process.on("error", (error) => this.end(error));
    this.process.on("exit", (code) => this.end(new Error(`surgeryc lsp ended with status ${code}`)));
    this.onEnd = onEnd;
  }

  end(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    if (this.onEnd) this.onEnd(error);
    this.onEnd = null;
  }

  send(message) {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.process.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.process.stdin.write(body);
  }

  tell(method, params) {
    this.send({ method, params });
  }

  // `token`: a CancellationToken of VS Code, or nothing.
  ask(method, params, token) {
    const id = ++this.id;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send({ id, method, params });
      if (token) token.onCancellationRequested(() => this.tell("$/cancelRequest", { id }));
    });
  }

  read(data) {
    this.bytes = Buffer.concat([this.bytes, data]);
    for (;;) {
      const end = this.bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/content-length: *(\d+)/i.exec(this.bytes.toString("latin1", 0, end))[1]);
      if (this.bytes.length < end + 4 + length) return;
      const message = JSON.parse(this.bytes.toString("utf8", end + 4, end + 4 + length));
      this.bytes = this.bytes.subarray(end + 4 + length);
      this.take(message);
    }
  }

  take(message) {
    if (message.method) {
      const result = this.onMessage(message.method, message.params);
      if (message.id !== undefined) this.send({ id: message.id, result: result === undefined ? null : result });
      return;
    }
    const waiting = this.waiting.get(message.id);
    if (!waiting) return;
    this.waiting.delete(message.id);
    if (message.error) waiting.reject(Object.assign(new Error(message.error.message), { code: message.error.code }));
    else waiting.resolve(message.result);
  }

  async stop() {
    try {
      await this.ask("shutdown", null);
      this.onEnd = null;
      this.tell("exit", null);
    } catch {} // it is gone already
  }
}

module.exports = { Client };
