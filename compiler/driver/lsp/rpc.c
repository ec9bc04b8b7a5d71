/* Frames of JSON-RPC: reading, the queue of what waits, writing. Must not know what a method does. Called by server.c.
 */
#include "compiler/driver/lsp/rpc.h"
#include "compiler/base/diag.h"
#include "runtime/base/io.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { LARGEST_BODY = 128 << 20, LARGEST_HEAD = 8192 };

/* ---- writing ---- */

static void send_message(Rpc *rpc, json_t *message) {
  char *text = json_dumps(message, JSON_COMPACT);
  json_decref(message);
  if (!text) fail_environment("an answer cannot be written as JSON");
  char head[64];
  size_t length = strlen(text);
  int head_length = snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", length);
  if (!rpc->broken && (sg_write_all(rpc->out, head, (size_t)head_length) || sg_write_all(rpc->out, text, length)))
    rpc->broken = true;
  free(text);
}

void rpc_notify(Rpc *rpc, const char *method, json_t *params) {
  send_message(rpc, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params));
}

void rpc_request(Rpc *rpc, const char *id, const char *method, json_t *params) {
  send_message(rpc, json_pack("{s:s, s:s, s:s, s:o}", "jsonrpc", "2.0", "id", id, "method", method, "params", params));
}

void rpc_answer(Rpc *rpc, const json_t *id, json_t *result) {
  send_message(
      rpc, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", (json_t *)id, "result", result ? result : json_null()));
}

void rpc_refuse(Rpc *rpc, const json_t *id, RpcError code, const char *message) {
  send_message(rpc, json_pack("{s:s, s:O, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id ? (json_t *)id : json_null(),
                              "error", "code", code, "message", message));
}

/* ---- the queue ---- */

json_t *rpc_next(Rpc *rpc) {
  while (rpc->taken < rpc->count) {
    json_t *message = rpc->queue[rpc->taken++];
    if (message) return message; /* NULL: it was cancelled */
  }
  rpc->taken = rpc->count = 0;
  return NULL;
}

const json_t *rpc_waiting(const Rpc *rpc, size_t i) {
  for (size_t at = rpc->taken; at < rpc->count; at++)
    if (rpc->queue[at] && i-- == 0) return rpc->queue[at];
  return NULL;
}

static void cancel(Rpc *rpc, const json_t *id) {
  for (size_t i = rpc->taken; id && i < rpc->count; i++) {
    json_t *message = rpc->queue[i];
    if (!message || !json_object_get(message, "method") || !json_equal(json_object_get(message, "id"), id)) continue;
    rpc_refuse(rpc, id, RPC_REQUEST_CANCELLED, "cancelled");
    json_decref(message);
    rpc->queue[i] = NULL;
    return;
  }
}

static void take_message(Rpc *rpc, json_t *message) {
  if (!json_is_object(message)) {
    rpc_refuse(rpc, NULL, RPC_INVALID_REQUEST, "a message is an object");
    json_decref(message);
    return;
  }
  const char *method = json_string_value(json_object_get(message, "method"));
  if (method && strcmp(method, "$/cancelRequest") == 0) {
    cancel(rpc, json_object_get(json_object_get(message, "params"), "id"));
    json_decref(message);
    return;
  }
  if (rpc->count == rpc->capacity) {
    size_t capacity = 2 * rpc->capacity + 16;
    json_t **queue = realloc(rpc->queue, capacity * sizeof *queue);
    if (!queue) fail_environment("no memory");
    rpc->queue = queue;
    rpc->capacity = capacity;
  }
  rpc->queue[rpc->count++] = message;
}

/* ---- frames ---- */

/* The length of the body that a head announces; -1: it announces none. */
static long body_length(const char *head, size_t size) {
  static const char name[] = "content-length:";
  for (size_t line = 0; line < size;) {
    const char *end = memchr(head + line, '\n', size - line);
    size_t next = end ? (size_t)(end - head) + 1 : size;
    if (next - line > sizeof name && strncasecmp(head + line, name, sizeof name - 1) == 0) {
      long length = 0;
      int digits = 0;
      for (size_t i = line + sizeof name - 1; i < next; i++) {
        char c = head[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
        if (c < '0' || c > '9' || length > LARGEST_BODY) return -1;
        length = 10 * length + (c - '0');
        digits++;
      }
      return digits && length <= LARGEST_BODY ? length : -1;
    }
    line = next;
  }
  return -1;
}

/* The bytes of the head with its empty line; 0: it is not whole yet. */
static size_t head_size(const char *at, size_t size) {
  for (size_t i = 0; i + 1 < size; i++) {
    if (at[i] != '\n') continue;
    if (at[i + 1] == '\n') return i + 2;
    if (i + 2 < size && at[i + 1] == '\r' && at[i + 2] == '\n') return i + 3;
  }
  return 0;
}

/* The bytes of the first frame, 0: it is not whole yet. */
static size_t read_frame(Rpc *rpc, const char *at, size_t size) {
  size_t head = head_size(at, size);
  if (!head) {
    if (size < LARGEST_HEAD) return 0;
    rpc_refuse(rpc, NULL, RPC_PARSE_ERROR, "a head without an end");
    return size;
  }
  long length = body_length(at, head);
  if (length < 0) {
    rpc_refuse(rpc, NULL, RPC_PARSE_ERROR, "a head without a Content-Length that can be");
    return head;
  }
  if (size - head < (size_t)length) return 0;
  json_error_t error;
  json_t *message = json_loadb(at + head, (size_t)length, JSON_ALLOW_NUL, &error);
  if (message) take_message(rpc, message);
  else rpc_refuse(rpc, NULL, RPC_PARSE_ERROR, error.text);
  return head + (size_t)length;
}

static void read_frames(Rpc *rpc) {
  size_t done = 0, frame;
  while (done < rpc->used && (frame = read_frame(rpc, rpc->bytes + done, rpc->used - done)) > 0) done += frame;
  if (done) memmove(rpc->bytes, rpc->bytes + done, rpc->used -= done);
}

void rpc_read(Rpc *rpc, bool wait) {
  while (!rpc->ended) {
    if (!wait) {
      struct pollfd ready = {.fd = rpc->in, .events = POLLIN};
      if (poll(&ready, 1, 0) <= 0) break;
    }
    if (rpc->room - rpc->used < 65536) {
      char *bytes = realloc(rpc->bytes, rpc->room = 2 * rpc->room + 131072);
      if (!bytes) fail_environment("no memory");
      rpc->bytes = bytes;
    }
    ssize_t got = read(rpc->in, rpc->bytes + rpc->used, rpc->room - rpc->used);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) rpc->ended = true;
    else rpc->used += (size_t)got;
    read_frames(rpc);
    if (rpc->taken < rpc->count) wait = false;
  }
}

void rpc_free(Rpc *rpc) {
  for (size_t i = rpc->taken; i < rpc->count; i++) json_decref(rpc->queue[i]);
  free(rpc->queue);
  free(rpc->bytes);
}
