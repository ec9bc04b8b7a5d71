/* Globs over dotted names: see glob.h. Knows nothing of networks. The method is Thompson's: a program of
 * instructions with splits, run on all branches in step, so that no pattern is exponential. Called by
 * select.c. */
#include "compiler/select/glob.h"

#define GLOB_MAX_NESTING 16

typedef enum GlobOp { GLOB_CHAR, GLOB_NOT_DOT, GLOB_ANY, GLOB_SPLIT, GLOB_JUMP, GLOB_MATCH } GlobOp;

typedef struct GlobStep {
  GlobOp op;
  char c;
  int to, or_to; /* GLOB_JUMP: to; GLOB_SPLIT: both */
} GlobStep;

struct Glob {
  Arena *arena;
  VEC(GlobStep) steps;
  /* the states of one run: two lists, a stack, and the mark of the round that put a state into its list */
  int *now, *then, *stack;
  unsigned *mark;
};

typedef struct GlobParser {
  Glob *glob;
  const char *at;
  const char *reason;
  int nesting;
} GlobParser;

static int emit(Glob *g, GlobStep step) {
  vec_push(g->arena, &g->steps, step);
  return (int)g->steps.count - 1;
}

static int here(const Glob *g) { return (int)g->steps.count; }

/* Any number of characters of the kind `op`. */
static void emit_star(Glob *g, GlobOp op) {
  int split = emit(g, (GlobStep){.op = GLOB_SPLIT});
  emit(g, (GlobStep){.op = op});
  emit(g, (GlobStep){.op = GLOB_JUMP, .to = split});
  g->steps.at[split].to = split + 1;
  g->steps.at[split].or_to = here(g);
}

static bool ends_alternative(const GlobParser *p, char c) {
  return c == 0 || (p->nesting > 0 && (c == ',' || c == '}'));
}

static bool parse_sequence(GlobParser *p);

static bool parse_braces(GlobParser *p) {
  Glob *g = p->glob;
  VEC(int) jumps = {0};
  if (++p->nesting > GLOB_MAX_NESTING) {
    p->reason = "its braces are nested too deep";
    return false;
  }
  do {
    p->at++; /* the brace or the comma */
    int split = emit(g, (GlobStep){.op = GLOB_SPLIT});
    g->steps.at[split].to = here(g);
    if (!parse_sequence(p)) return false;
    int jump = emit(g, (GlobStep){.op = GLOB_JUMP});
    vec_push(g->arena, &jumps, jump);
    g->steps.at[split].or_to = here(g);
  } while (*p->at == ',');
  if (*p->at != '}') {
    p->reason = "a '{' is not closed";
    return false;
  }
  p->at++;
  p->nesting--;
  /* the last split's other way leads here when no alternative fits: a state that matches nothing */
  emit(g, (GlobStep){.op = GLOB_CHAR, .c = 0});
  for (size_t i = 0; i < jumps.count; i++) g->steps.at[jumps.at[i]].to = here(g);
  return true;
}

static void parse_stars(GlobParser *p, bool at_component) {
  Glob *g = p->glob;
  while (*p->at == '*') p->at++;
  if (!at_component || *p->at != '.') {
    emit_star(g, GLOB_ANY);
    return;
  }
  /* `**.` is nothing, or whole components each with its dot */
  p->at++;
  int split = emit(g, (GlobStep){.op = GLOB_SPLIT});
  g->steps.at[split].to = here(g);
  emit_star(g, GLOB_ANY);
  emit(g, (GlobStep){.op = GLOB_CHAR, .c = '.'});
  g->steps.at[split].or_to = here(g);
}

/* `.**` at the end: nothing, or a dot and all that follows. */
static void parse_trailing_stars(GlobParser *p) {
  Glob *g = p->glob;
  p->at++;
  while (*p->at == '*') p->at++;
  int split = emit(g, (GlobStep){.op = GLOB_SPLIT});
  g->steps.at[split].to = here(g);
  emit(g, (GlobStep){.op = GLOB_CHAR, .c = '.'});
  emit_star(g, GLOB_ANY);
  g->steps.at[split].or_to = here(g);
}

static bool trailing_stars(const GlobParser *p) {
  if (p->at[0] != '.' || p->at[1] != '*' || p->at[2] != '*') return false;
  const char *q = p->at + 1;
  while (*q == '*') q++;
  return ends_alternative(p, *q);
}

static bool parse_sequence(GlobParser *p) {
  bool at_component = true;
  while (!ends_alternative(p, *p->at)) {
    char c = *p->at;
    if (trailing_stars(p)) {
      parse_trailing_stars(p);
    } else if (c == '*' && p->at[1] == '*') {
      parse_stars(p, at_component);
      at_component = p->at[-1] == '.';
      continue;
    } else if (c == '{') {
      if (!parse_braces(p)) return false;
    } else {
      if (c == '*') emit_star(p->glob, GLOB_NOT_DOT);
      else if (c == '?') emit(p->glob, (GlobStep){.op = GLOB_NOT_DOT});
      else emit(p->glob, (GlobStep){.op = GLOB_CHAR, .c = c});
      p->at++;
    }
    at_component = c == '.';
  }
  return true;
}

Glob *glob_compile(Arena *arena, const char *pattern, const char **reason) {
  Glob *g = arena_new(arena, Glob);
  g->arena = arena;
  GlobParser p = {.glob = g, .at = pattern};
  if (strlen(pattern) > GLOB_MAX_LENGTH) p.reason = "it is longer than 1024 characters";
  if (p.reason || !parse_sequence(&p)) {
    *reason = p.reason;
    return NULL;
  }
  emit(g, (GlobStep){.op = GLOB_MATCH});
  size_t count = g->steps.count;
  g->now = arena_array(arena, int, count);
  g->then = arena_array(arena, int, count);
  g->stack = arena_array(arena, int, 2 * count + 2);
  g->mark = arena_array(arena, unsigned, count);
  return g;
}

/* Adds a state and all that can be reached from it without reading a character. */
static void add_state(Glob *g, int *list, int *count, int state, unsigned round) {
  int depth = 0;
  g->stack[depth++] = state;
  while (depth > 0) {
    int i = g->stack[--depth];
    if (g->mark[i] == round) continue;
    g->mark[i] = round;
    const GlobStep *s = &g->steps.at[i];
    if (s->op == GLOB_SPLIT) {
      g->stack[depth++] = s->or_to;
      g->stack[depth++] = s->to;
    } else if (s->op == GLOB_JUMP) {
      g->stack[depth++] = s->to;
    } else {
      list[(*count)++] = i;
    }
  }
}

bool glob_match(Glob *g, const char *name) {
  memset(g->mark, 0, sizeof *g->mark * g->steps.count);
  unsigned round = 1;
  int count = 0;
  add_state(g, g->now, &count, 0, round);
  for (const char *c = name; *c && count > 0; c++) {
    int next = 0;
    round++;
    for (int i = 0; i < count; i++) {
      const GlobStep *s = &g->steps.at[g->now[i]];
      bool fits = s->op == GLOB_ANY || (s->op == GLOB_NOT_DOT && *c != '.') || (s->op == GLOB_CHAR && s->c == *c);
      if (fits) add_state(g, g->then, &next, g->now[i] + 1, round);
    }
    int *swap = g->now;
    g->now = g->then;
    g->then = swap;
    count = next;
  }
  for (int i = 0; i < count; i++)
    if (g->steps.at[g->now[i]].op == GLOB_MATCH) return true;
  return false;
}
