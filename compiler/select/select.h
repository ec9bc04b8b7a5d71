/* What a selector picked, in the form that the edits need: the flags by id that select_resolve flattens, and
 * besides the units, one for each thing that the selector names as one (a layer, a container, a stage, a
 * range). Private to compiler/graph and compiler/edit; everybody else calls select_resolve (frontend.h). */
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

typedef VEC(NodeId) NodeList;

/* One thing that an edit acts on as a whole. */
typedef struct Unit {
  const char *name;
  ModuleId module; /* the layer or container it is; NO_ID for one call of a function, or a region of several
                      layers */
  NodeList nodes;  /* its calls, in forward order; cut-off ones where `cut` */
  bool cut;        /* the take cut it off (only with with_cut) */
} Unit;

typedef struct Picked {
  Arena *arena;
  bool *module, *node, *param; /* by id */
  VEC(Unit) units;             /* in the order in which they were found; none twice */
  bool layers, tensors;        /* some part picked layers; some part picked single tensors */
} Picked;

/* As select_resolve; everything lies in `arena`, which may be freed when the edit is done. */
bool select_units(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Arena *arena,
                  Picked *out);
/* The same without a word in the log: for who asks again about a selector, or about a part of one. */
bool select_look(Session *s, const Graph *g, Scope *scope, const Selector *selector, bool with_cut, Arena *arena,
                 Picked *out);

/* One plain name: also a word such as `head`, which a layer may have for a name. */
static inline bool select_is_name(const Selector *selector) {
  return (selector->kind == SELECT_NAME && !selector->is_glob) || selector->kind == SELECT_HEAD ||
         selector->kind == SELECT_BACKBONE;
}
/* A layer's name as a selector of it is written: between quotes where it is no plain path. */
const char *select_written(Arena *arena, const char *name);

/* ---- shared by the files select*.c ---- */
typedef struct SelectContext {
  Session *s;
  const Graph *g;
  Scope *scope;
  Arena *arena;
  bool with_cut;
  int depth;
  size_t parts;
} SelectContext;

Picked picked_create(const Graph *g, Arena *arena);
void picked_add_module(const Graph *g, Picked *p, ModuleId module);
void picked_add_node(const Graph *g, Picked *p, NodeId node);
void picked_add_param(const Graph *g, Picked *p, ParamId param);
void picked_add_everything(const Graph *g, Picked *p);
/* One unit of all these nodes (in forward order). */
void picked_add_region(const Graph *g, Picked *p, const bool *nodes, const char *name);
bool select_pick(SelectContext *c, const Selector *selector, Picked *into);

/* Patterns: globs, regular expressions, types (select_match.c). */
bool select_glob(SelectContext *c, const Selector *selector, Picked *into);
bool select_regex(SelectContext *c, const Selector *selector, Picked *into);
/* Why the system's library may not be given this expression; NULL when it may. */
const char *select_regex_danger(const char *text);
bool select_every(SelectContext *c, const Selector *selector, Picked *into);
/* Counting: stages, children, parameters (select_index.c). */
bool select_stages(SelectContext *c, const Selector *selector, Picked *into);
bool select_children(SelectContext *c, const Selector *selector, Picked *into);
bool select_parameters(SelectContext *c, const Selector *selector, Picked *into);
/* all, backbone, head, or the layer of that name (select_word.c). */
bool select_word(SelectContext *c, const Selector *selector, Picked *into);
/* The layer of that name that the take cut off, if there is one. */
bool select_cut_name(SelectContext *c, const char *name, Picked *into);
/* Each reports and returns false (select_errors.c). */
bool select_unknown_name(SelectContext *c, const Selector *selector);
bool select_no_match(SelectContext *c, const Selector *selector, const char *what);
bool select_no_type(SelectContext *c, const Selector *selector, bool inside);
bool select_was_cut(const Graph *g, const char *name);

/* The layer that the node calls, or the container in whose forward the function stands. */
static inline ModuleId node_home(const Graph *g, NodeId node) {
  const Node *n = &g->nodes.at[node];
  return n->module != NO_ID ? n->module : n->scope;
}
/* The node is a call of the module, or stands in its forward or below. */
static inline bool node_within(const Graph *g, NodeId node, ModuleId module) {
  ModuleId home = node_home(g, node);
  return home == NO_ID ? module == 0 : module_within(g, home, module);
}
#endif
