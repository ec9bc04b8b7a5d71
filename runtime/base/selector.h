/* Selectors: which layers, calls and parameters of a network a text such as `layer1, every Conv2d in layer2` means.
 * Scripts have them in their statements, compiled programs after --layers and --only. Here are the tree, its reader
 * for texts that are no script, and its evaluation on any network that is laid out as a SelectNet. Nothing here prints,
 * and nothing is changed. Called by compiler/select, whose tree the grammar builds, and by runtime/net. */
#ifndef SURGERY_BASE_SELECTOR_H
#define SURGERY_BASE_SELECTOR_H
#include "runtime/base/arena.h"
#include "runtime/base/match.h"
#include "runtime/base/span.h"

/* ---- the tree ---- */

typedef enum SelectorKind {
  SELECT_ALL,        /* all */
  SELECT_NAME,       /* text: a dotted name, or a glob when is_glob */
  SELECT_REGEX,      /* text: the expression between the slashes */
  SELECT_EVERY,      /* text: a type; right: the selector after `in`, or NULL */
  SELECT_RANGE,      /* left..right, both ends included */
  SELECT_STAGES,     /* [index] or left[index]: left is NULL for the whole network */
  SELECT_CHILDREN,   /* children[index], left.children[index] */
  SELECT_PARAMETERS, /* parameters[index] */
  SELECT_BACKBONE,
  SELECT_HEAD,
  SELECT_UNION,  /* left, right */
  SELECT_EXCEPT, /* left except right */
  SELECT_REGION  /* left[dims]: a region of a tensor, `fc.weight[:, :10]`; only in load and save.
                    `fc.weight[:10]` is parsed as SELECT_STAGES with left; load and save reread it. */
} SelectorKind;

typedef struct Index Index;
struct Index {
  Index *next;              /* the next dimension of a region */
  bool is_range;            /* a:b, else one index in `begin` */
  struct Expr *begin, *end; /* NULL where missing; the host's own, which its bound() evaluates */
  Span span;
};

typedef struct Selector Selector;
struct Selector {
  SelectorKind kind;
  Span span;
  Span type_span; /* of SELECT_EVERY the type's */
  const char *text;
  bool is_glob;
  bool is_quoted;     /* the name stood between quotes: no word and no pattern is meant by it */
  bool is_template;   /* the text has braces to be filled in; set also after that */
  uint16_t depth;     /* as in Expr */
  bool parameters_of; /* `parameters of SEL` (freeze, unfreeze): only PyTorch's requires_grad */
  Selector *left, *right;
  Index *index;
};

/* What a path means: a word, a name, a pattern, or a template of these. */
void selector_set_path(Selector *selector, const char *text);
/* The next `{` of a template, NULL: none. A pattern's braces are no template where a comma stands in them; between
 * quotes each brace begins one (and `{{` is one that does not). */
const char *template_brace(const char *text, bool is_quoted);
/* One plain name: also a word such as `head`, which a layer may have for a name. */
static inline bool select_is_name(const Selector *selector) {
  return (selector->kind == SELECT_NAME && !selector->is_glob) || selector->kind == SELECT_HEAD ||
         selector->kind == SELECT_BACKBONE;
}
/* `layer1.children` and the like before `[`: the kind, with the length of what is before the last dot in *before (0:
 * the whole network). False: an index of it counts stages. */
bool selector_counts(const Selector *path, SelectorKind *kind, size_t *before);
/* A layer's name as a selector of it is written: between quotes where it is no plain path. */
const char *select_written(Arena *arena, const char *name);

/* ---- the network ---- */

typedef int32_t NodeId, ModuleId, ParamId;
#define NO_ID (-1)

typedef struct IdList {
  const int32_t *at;
  size_t count;
} IdList;

typedef struct SelectModule { /* a layer or a container; 0 is the root, and parents come before their children */
  const char *name, *local, *type;
  ModuleId parent;
  IdList children, params; /* in declared order; its own parameters and buffers */
  bool alive, cut;         /* cut: the take cut it off */
} SelectModule;

typedef struct SelectNode { /* a call */
  const char *name;
  const char *type; /* of a function; NULL: of a layer */
  ModuleId module;  /* the layer it calls; NO_ID for a function */
  ModuleId scope;   /* the innermost container in whose forward it is */
  int stage;        /* NO_ID: head or none */
  bool alive, cut;
} SelectNode;

typedef struct SelectParam {
  const char *name;
  ModuleId module;
} SelectParam;

typedef struct SelectNet {
  const char *name;
  VEC(SelectModule) modules;
  VEC(SelectNode) nodes;
  VEC(SelectParam) params;
  IdList order;      /* every node in forward order */
  IdList parameters; /* alive ones without buffers, in the state dict's order */
  VEC(const char *) stages;
  bool own_output; /* an output has a name of its own, so that it may have cut off what is not there */
} SelectNet;

ModuleId select_find_module(const SelectNet *net, const char *name); /* alive ones; NO_ID */
bool select_was_cut(const SelectNet *net, const char *name);

/* ---- who asks ---- */

/* A message begins with its report and may have more. Nothing that it says is kept. */
typedef enum SelectSay { SELECT_REPORT, SELECT_CARET, SELECT_NOTE, SELECT_HELP, SELECT_FIX } SelectSay;
typedef struct SelectHost SelectHost;
struct SelectHost {
  /* code: "E0201", of a report. span: of a report and a fix. */
  void (*say)(SelectHost *host, SelectSay what, const char *code, Span span, const char *text);
  /* The value of an index's bound; false after a message of the host's own. */
  bool (*bound)(SelectHost *host, const struct Expr *expr, int64_t *value);
  /* May an earlier mistake be the reason why there is no such name (NULL: no such thing)? Then nothing is said. */
  bool (*excused)(SelectHost *host, const char *name);
  /* The text that is the value of the constant of this name; NULL: there is none. */
  const char *(*constant)(SelectHost *host, const char *name);
};

/* ---- what is picked ---- */

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

/* False after a message. All of *out is in `arena`, but for the names of units, which are in `lasting`. Layers that the
 * take cut off are picked only `with_cut`. */
bool selector_pick(SelectHost *host, const SelectNet *net, const Selector *selector, bool with_cut, Arena *arena,
                   Arena *lasting, Picked *out);
/* ---- selectors that are no part of a script (selector_text.c) ---- */

/* The tree of the text; NULL and *wrong where it is none. */
Selector *selector_parse(Arena *arena, const char *text, const char **wrong);
/* Picks by the text. False: *message (in `arena`) says why, with the help on the same line. */
bool selector_pick_text(const SelectNet *net, const char *text, Arena *arena, Picked *out, const char **message);
#endif
