/* Selectors on the graph of a script (the language and its evaluation: runtime/base/selector.h). What a selector picked
 * is there in the form that the edits need, the flags by id and besides the units, one for each thing that the selector
 * names as one; or flattened to lists of ids. Called by all that have a selector in their statement. */
#ifndef SURGERY_SELECT_H
#define SURGERY_SELECT_H
#include "compiler/lang/lang.h"

typedef struct Selection {
  VEC(ModuleId) modules; /* layers, containers included where everything in them is picked */
  VEC(NodeId) nodes;     /* calls, in forward order */
  VEC(ParamId) params;   /* parameters and buffers, in state-dict order */
  bool only_params;      /* single tensors were picked (fc.weight, parameters[:10]) */
} Selection;
/* False with a diagnostic (nothing matched, out of range) naming the nearest names. Cut-off layers are not
 * matched unless `with_cut`. */
bool select_resolve(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Selection *out);

/* As select_resolve; everything lies in `arena`, which may be freed when the edit is done. */
bool select_units(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Arena *arena,
                  Picked *out);
/* The same without a word in the log: for who asks again about a selector, or about a part of one. */
bool select_look(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Arena *arena,
                 Picked *out);

/* The layer that the node calls, or the container in whose forward the function is. */
static inline ModuleId node_home(const Graph *g, NodeId node) {
  const Node *n = node_at(g, node);
  return n->module != NO_ID ? n->module : n->scope;
}
/* The node is a call of the module, or is in its forward or below. */
static inline bool node_within(const Graph *g, NodeId node, ModuleId module) {
  ModuleId home = node_home(g, node);
  return home == NO_ID ? module == 0 : module_within(g, home, module);
}
#endif
