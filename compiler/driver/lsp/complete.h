/* Between the files of completion: the list in the making. */
#ifndef SURGERY_LSP_COMPLETE_H
#define SURGERY_LSP_COMPLETE_H
#include "compiler/driver/lsp/cursor.h"

typedef enum ItemKind { /* of the protocol */
                        ITEM_FUNCTION = 3,
                        ITEM_FIELD = 5,
                        ITEM_VARIABLE = 6,
                        ITEM_CLASS = 7,
                        ITEM_MODULE = 9,
                        ITEM_PROPERTY = 10,
                        ITEM_VALUE = 12,
                        ITEM_KEYWORD = 14,
                        ITEM_FILE = 17,
                        ITEM_FOLDER = 19
} ItemKind;

typedef struct Completion {
  Request *r;
  Cursor cursor;
  const char *typed; /* in front of the cursor, of the word that is written */
  uint32_t begin;    /* where that begins */
  json_t *items;
  bool cut; /* there are more */
  Map seen;
} Completion;

/* What does not begin as what was typed is left out, and what is there already. `insert`: NULL for the label;
 * `snippet`: with places to fill in, NULL: none. */
void add_item(Completion *c, ItemKind kind, const char *label, const char *detail, const char *insert,
              const char *snippet);

/* complete_files.c */
void complete_files(Completion *c, const char *const *suffixes); /* ended by NULL */
/* The names of the tensors in the weight file that the statement names: all, or with `prefixes` what they begin with.
 */
void complete_keys(Completion *c, bool prefixes);
#endif
