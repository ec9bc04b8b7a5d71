/* Fuzzing of the language server. Where the first byte is even, the rest is what a client sends after a good beginning:
 * frames or none. Where it is odd, the rest is a script, and the client asks everything at several places of it, and
 * changes it in between. The server must not fail, and must answer no request by the news of a bug in it. */
#include "compiler/driver/lsp/server.h"
#include "runtime/base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int surgery_threads(void) { return 1; } /* the pool is left out here */

#define URI "file:///nowhere/fuzz.surgery"

typedef struct Frames {
  int fd, id;
} Frames;

static void put(Frames *f, const char *body, size_t length) {
  dprintf(f->fd, "Content-Length: %zu\r\n\r\n%.*s", length, (int)length, body);
}

static void send_json(Frames *f, const char *method, bool request, json_t *params) {
  json_t *message = json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params);
  if (!message) abort();
  if (request) json_object_set_new(message, "id", json_integer(++f->id));
  char *body = json_dumps(message, JSON_COMPACT);
  put(f, body, strlen(body));
  free(body);
  json_decref(message);
}

static json_t *document(void) { return json_pack("{s:s, s:i}", "uri", URI, "version", 1); }

static void begin(Frames *f, const char *script) {
  send_json(f, "initialize", true,
            json_pack("{s:{s:{s:{s:{s:b}}}}}", "capabilities", "textDocument", "completion", "completionItem",
                      "snippetSupport", 1));
  send_json(f, "initialized", false, json_object());
  send_json(f, "textDocument/didOpen", false,
            json_pack("{s:{s:s, s:i, s:s}}", "textDocument", "uri", URI, "version", 1, "text", script));
}

static void ask_all(Frames *f, int line, int character) {
  static const char *const methods[] = {
#define METHOD(name, ...) name,
#include "compiler/driver/lsp/methods.def"
#undef METHOD
  };
  for (size_t i = 0; i < LENGTH(methods); i++)
    send_json(f, methods[i], true,
              json_pack("{s:o, s:{s:i, s:i}, s:{s:{s:i, s:i}, s:{s:i, s:i}}, s:s, s:s, s:{s:b}}", "textDocument",
                        document(), "position", "line", line, "character", character, "range", "start", "line", 0,
                        "character", 0, "end", "line", line + 5, "character", character, "newName", "other",
                        "previousResultId", "1", "context", "includeDeclaration", 1));
}

static void play(Frames *f, const uint8_t *data, size_t size) {
  char *script = malloc(3 * size + 1);
  if (!script) abort();
  utf8_mend(script, (const char *)data, size, true);
  begin(f, script);
  int lines = 1;
  for (const char *at = script; (at = strchr(at, '\n')); at++) lines++;
  for (size_t i = 0; i < 4; i++) {
    unsigned place = size ? data[(i * 7919) % size] : 0;
    ask_all(f, (int)(place % (unsigned)(lines + 1)), (int)(place % 41));
    /* Some of it goes, and what was in front of it comes again. */
    json_t *from = json_pack("{s:i, s:i}", "line", (int)(place % (unsigned)lines), "character", (int)(place % 13));
    json_t *to =
        json_pack("{s:i, s:i}", "line", (int)(place % (unsigned)lines), "character", (int)(place % 13 + 1 + i));
    json_t *change = json_pack("{s:{s:o, s:o}, s:s}", "range", "start", from, "end", to, "text", i % 2 ? "" : "x ");
    send_json(f, "textDocument/didChange", false,
              json_pack("{s:o, s:[o]}", "textDocument", document(), "contentChanges", change));
  }
  free(script);
}

static void judge(int out) {
  off_t size = lseek(out, 0, SEEK_END);
  char *text = calloc(1, (size_t)size + 1);
  if (!text || pread(out, text, (size_t)size, 0) != size) abort();
  const char *bug = strstr(text, "this is a bug in surgeryc");
  if (bug) {
    fprintf(stderr, "%.300s\n", bug);
    abort();
  }
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int in = -1, out = -1;
  if (in < 0) {
    in = memfd_create("in", 0);
    out = memfd_create("out", 0);
    guard_signals();
  }
  if (size == 0) return 0;
  if (ftruncate(in, 0) || ftruncate(out, 0) || lseek(in, 0, SEEK_SET) || lseek(out, 0, SEEK_SET)) abort();
  Frames f = {in, 0};
  if (data[0] % 2) play(&f, data + 1, size - 1);
  else {
    begin(&f, "take lenet from random\nfreeze conv1\nreplace fc with Linear(_, 3)\n");
    if (write(in, data + 1, size - 1) != (ssize_t)size - 1) abort();
  }
  lseek(in, 0, SEEK_SET);
  lsp_serve(in, out, NULL, NULL);
  judge(out);
  return 0;
}
