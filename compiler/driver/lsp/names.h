/* The names that a script gives itself, and where each is used: constants, models with their arguments and layers,
 * values of a forward, layers that edits bring. Works on the trees only, so also in a script with mistakes. */
#ifndef SURGERY_LSP_NAMES_H
#define SURGERY_LSP_NAMES_H
#include "compiler/driver/lsp/cursor.h"

typedef enum SymbolKind { SYMBOL_CONSTANT, SYMBOL_MODEL, SYMBOL_ARGUMENT, SYMBOL_LAYER, SYMBOL_VALUE } SymbolKind;

typedef struct Symbol {
  const char *name;
  SymbolKind kind;
  Span span;                /* of its definition */
  struct NameScope *inside; /* of a model: its arguments and layers */
  struct Symbol *model;     /* of a layer: what it is a call of; NULL: of no model of the user's */
} Symbol;

typedef struct NameUse {
  Span span;
  Symbol *symbol;
} NameUse;
typedef VEC(NameUse) NameUses;

/* All sources of the analysis, definitions included, in the order of the run. */
NameUses find_names(Request *r);
#endif
