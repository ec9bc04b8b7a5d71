/* JSON-RPC over two file descriptors, as the Language Server Protocol frames it: headers, an empty line, a body of
 * JSON. Knows no method but $/cancelRequest. */
#ifndef SURGERY_LSP_RPC_H
#define SURGERY_LSP_RPC_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum RpcError {
  RPC_PARSE_ERROR = -32700,
  RPC_INVALID_REQUEST = -32600,
  RPC_METHOD_NOT_FOUND = -32601,
  RPC_INVALID_PARAMS = -32602,
  RPC_INTERNAL_ERROR = -32603,
  RPC_NOT_INITIALIZED = -32002,
  RPC_REQUEST_FAILED = -32803,
  RPC_CONTENT_MODIFIED = -32801,
  RPC_REQUEST_CANCELLED = -32800
} RpcError;

typedef struct Rpc {
  int in, out;
  char *bytes; /* what was read and is no whole frame yet */
  size_t used, room;
  json_t **queue; /* messages that wait, in their order; [0, taken) were handed out */
  size_t taken, count, capacity;
  bool ended, broken; /* nothing more comes; nobody reads what is written */
} Rpc;

/* Reads what there is, or with `wait` until there is something. A request that is cancelled while it waits is answered
 * here, and never handed out. */
void rpc_read(Rpc *rpc, bool wait);
/* The next message, which the caller releases; NULL: none is waiting. */
json_t *rpc_next(Rpc *rpc);
/* Those that wait: rpc_waiting(rpc, 0) is the next one; NULL after the last. */
const json_t *rpc_waiting(const Rpc *rpc, size_t i);
/* These take over the references that they are given. */
void rpc_notify(Rpc *rpc, const char *method, json_t *params);
void rpc_request(Rpc *rpc, const char *id, const char *method, json_t *params);
void rpc_answer(Rpc *rpc, const json_t *id, json_t *result);
void rpc_refuse(Rpc *rpc, const json_t *id, RpcError code, const char *message);
void rpc_free(Rpc *rpc);
#endif
