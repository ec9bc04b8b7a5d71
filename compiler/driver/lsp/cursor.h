/* What is around a place in a text that may be half written: the word, the statement, the block, the call. */
#ifndef SURGERY_LSP_CURSOR_H
#define SURGERY_LSP_CURSOR_H
#include "compiler/driver/lsp/server.h"
#include "runtime/base/recipe.h"

typedef enum BlockKind { BLOCK_SCRIPT, BLOCK_MODEL, BLOCK_FORWARD, BLOCK_TRAIN, BLOCK_PHASE, BLOCK_INPUT } BlockKind;

typedef struct Cursor {
  const SourceView *view;
  uint32_t offset;
  int word;      /* that holds the place or ends there; -1: none does */
  int before;    /* the last word that ends at or before the place and is not `word`; -1: none, or another statement */
  int first;     /* the first word of the statement; -1: the place begins one */
  StmtKind stmt; /* by its first word; STMT_KINDS: no keyword begins it */
  BlockKind block; /* the innermost block */
  int block_word;  /* the first word of the statement that has it; -1: the script */
  bool in_comment;
  int call;     /* the '(' of the innermost call that is open, -1: none */
  int argument; /* in it, from 0 */
  int named;    /* the word before the `=` of the argument that is written; -1: it has none */
} Cursor;

Cursor cursor_at(const SourceView *view, uint32_t offset);
/* Where the statement around the place begins; the place itself where it begins one. */
uint32_t view_statement_begin(const Cursor *c);
/* The text of a word; "" for -1. In the arena. */
const char *word_text(Arena *arena, const SourceView *view, int word);
bool word_is(const SourceView *view, int word, const char *text);
/* The keyword that begins with that word; STMT_KINDS: none. */
StmtKind word_keyword(const SourceView *view, int word);

/* ---- tables.c: what may be called, as ops.def, train.def and the script have it ---- */
typedef struct CallArg {
  const char *name, *fallback; /* NULL: it must be given */
  const char *type;            /* "integer", for people */
  const char *words[4];        /* what it may be; ended by NULL */
  bool hole;                   /* it may be `_` */
} CallArg;
typedef struct Callable {
  const char *name, *doc, *torch; /* NULL: there is nothing to say */
  VEC(CallArg) args;
  bool layer, known;
} Callable;
/* Called `name` at the cursor: an operator, a model, an optimizer … `known` is false where there is none. */
Callable find_callable(Request *r, const Cursor *c, const char *name);
/* "Linear(in_features, out_features, bias=true)"; *at[i], *end[i]: where each argument is in it, where not NULL. */
const char *callable_text(Arena *arena, const Callable *callable, size_t *at, size_t *end);
/* The family of train.def's names that the setting takes; NULL. */
const TrainRows *setting_rows(const char *setting);
const Stmt *find_model(Request *r, const char *name, const char **origin); /* of the script, or built in; NULL */

/* ---- hover.c ---- */
/* As module_totals() with what lies below, of the parameters whose shape is known: in the middle of a script some are
 * not.
 */
Totals known_totals(const Graph *g, ModuleId module);
/* Type, shapes, parameters, state, FLOPs of a layer, container or function, in Markdown. */
const char *describe_layer(Request *r, Analysis *a, const LayerName *layer);
/* The layers that a path, a glob or a regular expression means. */
LayerNames matching_layers(Arena *arena, const LayerNames *all, const char *path, bool regex);
#endif
