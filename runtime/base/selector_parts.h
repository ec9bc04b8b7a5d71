/* What the files selector*.c share. */
#ifndef SURGERY_BASE_SELECTOR_PARTS_H
#define SURGERY_BASE_SELECTOR_PARTS_H
#include "runtime/base/selector.h"

typedef struct SelectContext {
  SelectHost *host;
  const SelectNet *net;
  Arena *arena, *lasting;
  bool with_cut;
  int depth;
  size_t parts;
  size_t helps; /* of the message that is being said */
} SelectContext;

Picked picked_create(const SelectNet *net, Arena *arena);
void picked_add_module(const SelectNet *net, Picked *p, ModuleId module);
void picked_add_node(const SelectNet *net, Picked *p, NodeId node);
void picked_add_param(const SelectNet *net, Picked *p, ParamId param);
void picked_add_everything(const SelectNet *net, Picked *p);
/* One unit of all these nodes (in forward order). */
void picked_add_region(const SelectNet *net, Picked *p, const bool *nodes, const char *name);
bool select_pick(SelectContext *c, const Selector *selector, Picked *into);

/* By pattern, type and word (selector_match.c). */
bool select_pattern(SelectContext *c, const Selector *selector, Picked *into);
bool select_every(SelectContext *c, const Selector *selector, Picked *into);
bool select_word(SelectContext *c, const Selector *selector, Picked *into);
/* By counting: stages, children, parameters (selector_count.c). */
bool select_stages(SelectContext *c, const Selector *selector, Picked *into);
bool select_children(SelectContext *c, const Selector *selector, Picked *into);
bool select_parameters(SelectContext *c, const Selector *selector, Picked *into);
/* The layer of that name that the take cut off, if there is one. */
bool select_cut_name(SelectContext *c, const char *name, Picked *into);

/* Messages (selector_errors.c). */
void select_report(SelectContext *c, const char *code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void select_caret(SelectContext *c, const char *text);
void select_note(SelectContext *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void select_help(SelectContext *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void select_fix(SelectContext *c, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "did you mean 'near'?", and the fix that writes it in the place of `span`. */
void select_suggest(SelectContext *c, Span span, const char *near);
/* Each reports and returns false. */
bool select_unknown_name(SelectContext *c, const Selector *selector);
bool select_no_match(SelectContext *c, const Selector *selector, const char *what);
bool select_no_type(SelectContext *c, const Selector *selector, bool inside);

/* The layer that the node calls, or the container in whose forward the function is. */
static inline ModuleId select_home(const SelectNet *net, NodeId node) {
  const SelectNode *n = &net->nodes.at[node];
  return n->module != NO_ID ? n->module : n->scope;
}
static inline bool select_within(const SelectNet *net, ModuleId module, ModuleId ancestor) {
  while (module != NO_ID && module != ancestor) module = net->modules.at[module].parent;
  return module == ancestor;
}
/* The node is a call of the module, or is in its forward or below. */
static inline bool select_node_within(const SelectNet *net, NodeId node, ModuleId module) {
  ModuleId home = select_home(net, node);
  return home == NO_ID ? module == 0 : select_within(net, home, module);
}
#endif
