/* One load statement on its way: between load.c, which finds out what is asked for and binds it, and
 * load_compare.c, which holds it against the file. Private to the two. */
#ifndef SURGERY_EDIT_LOAD_H
#define SURGERY_EDIT_LOAD_H
#include "compiler/edit/edit.h"
#include "compiler/weights/weights.h"

typedef struct LoadItem { /* one tensor of the network, or a part of it */
  ParamId param;
  const Region *to;   /* NULL: all of it */
  const char *key;    /* in the file */
  const Index *index; /* the brackets behind that, NULL: none */
  Span index_span;
  const surgery_tensor *tensor; /* NULL: it is not in the file */
  const Region *from;           /* what the brackets mean */
  bool skip;                    /* it does not fit, and an `allow` excuses it: it keeps its value */
} LoadItem;

typedef struct LoadAllow {
  const Allow *stmt;
  bool *param;  /* by ParamId; NULL for `unexpected`, which picks names in the file */
  bool excused; /* something */
} LoadAllow;

typedef struct Load {
  EditContext *e;
  const Stmt *stmt;
  Arena *scratch;
  DonorFile file;
  VEC(LoadItem) items;
  VEC(LoadAllow) allows;
} Load;

/* The layer or container that the selector names as one: its name stands in the keys where `under` and `=` put
 * another. NULL where it names several things, or single tensors. */
const char *load_one_layer(Load *l);
/* What the `allow` parts pick in the network. False with diagnostics. */
bool load_read_allows(Load *l);
/* Every item against the file, and for `load all` the file against the items. False with one message that lists all
 * that does not fit; warns of an `allow` that excuses nothing. */
bool load_compare(Load *l);
#endif
