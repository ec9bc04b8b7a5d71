/* Blocks that repeat the one before are drawn once: same layers with the same arguments, shapes and state,
 * called in the same way, one behind the other with nothing branching off in between. Called by
 * picture_cut.c. */
#include "compiler/driver/picture.h"
#include <stdlib.h>

typedef struct BlockView { /* one block with all its nodes */
  VEC(NodeId) nodes;
  ValueId in, out;       /* the only value that enters, the only one that leaves; NO_ID: there are others */
  const char *signature; /* equal for equal blocks; NULL: not to be compared */
} BlockView;

static int node_block(const Picture *p, NodeId node) {
  return p->unit_of[node] == NO_ID ? NO_ID : p->units.at[p->unit_of[node]].block;
}

static void set_once(ValueId *slot, ValueId value, bool *several) {
  if (*slot == NO_ID) *slot = value;
  if (*slot != value) *several = true;
}

/* By value: how many of its users lie in the block of its producer. */
static int *inner_uses(const Picture *p) {
  int *inner = arena_array(p->arena, int, p->g->values.count + 1);
  for (size_t i = 0; i < p->g->order.count; i++) {
    const Node *n = &p->g->nodes.at[p->g->order.at[i]];
    for (size_t k = 0; n->alive && k < n->inputs.count; k++) {
      NodeId producer = p->g->values.at[n->inputs.at[k]].producer;
      if (producer != NO_ID && node_block(p, producer) == node_block(p, p->g->order.at[i])) inner[n->inputs.at[k]]++;
    }
  }
  return inner;
}

/* `place`: by NodeId, where it stands in its block. */
static void sign(const Picture *p, BlockView *view, const int *inner, const size_t *place) {
  const Graph *g = p->g;
  char *text = NULL;
  size_t size = 0;
  bool several = false;
  FILE *out = open_memstream(&text, &size);
  if (!out) fail_environment("no memory");
  for (size_t i = 0; i < view->nodes.count; i++) {
    const Node *n = &g->nodes.at[view->nodes.at[i]];
    fprintf(out, "%s %s %d", node_text(g, p->arena, view->nodes.at[i]),
            shape_text(p->arena, &g->values.at[n->output].shape), (int)node_state(g, view->nodes.at[i]));
    for (size_t k = 0; k < n->inputs.count; k++) {
      NodeId producer = g->values.at[n->inputs.at[k]].producer;
      bool inside = producer != NO_ID && node_block(p, producer) == node_block(p, view->nodes.at[i]);
      fprintf(out, " %d", inside ? (int)place[producer] : -1);
      if (!inside) set_once(&view->in, n->inputs.at[k], &several);
    }
    if (p->uses[n->output] != inner[n->output]) set_once(&view->out, n->output, &several);
    fputc('\n', out);
  }
  if (fclose(out) != 0) fail_environment("no memory");
  if (!several && view->in != NO_ID && view->out != NO_ID) view->signature = arena_strdup(p->arena, text);
  free(text);
}

/* Everything that uses what `before` returns lies in `view`. */
static bool follows(const Picture *p, const BlockView *before, const BlockView *view) {
  if (view->in != before->out) return false;
  int uses = 0;
  for (size_t i = 0; i < view->nodes.count; i++) {
    const Node *n = &p->g->nodes.at[view->nodes.at[i]];
    for (size_t k = 0; k < n->inputs.count; k++) uses += n->inputs.at[k] == before->out;
  }
  return uses == p->uses[before->out];
}

void picture_collapse(Picture *p) {
  BlockView *views = arena_array(p->arena, BlockView, p->blocks.count + 1);
  int *inner = inner_uses(p);
  size_t *place = arena_array(p->arena, size_t, p->g->nodes.count + 1);
  for (size_t b = 0; b < p->blocks.count; b++) views[b].in = views[b].out = NO_ID;
  for (size_t i = 0; i < p->g->order.count; i++) {
    NodeId id = p->g->order.at[i];
    int block = p->g->nodes.at[id].alive ? node_block(p, id) : NO_ID;
    if (block == NO_ID) continue;
    place[id] = views[block].nodes.count;
    vec_push(p->arena, &views[block].nodes, id);
  }
  for (size_t b = 0; b < p->blocks.count; b++) sign(p, &views[b], inner, place);
  size_t first = 0; /* of the run that is being found */
  for (size_t b = 1; b < p->blocks.count; b++) {
    bool same = p->blocks.at[first].units > 1 && views[b].signature &&
                streq(views[b].signature, views[first].signature) && follows(p, &views[b - 1], &views[b]);
    if (!same) {
      first = b;
      continue;
    }
    p->blocks.at[b].hidden = true;
    p->blocks.at[first].repeats++;
    p->blocks.at[first].last = p->blocks.at[b].module;
    for (size_t i = 0; i < views[b].nodes.count; i++)
      p->unit_of[views[b].nodes.at[i]] = p->unit_of[views[first].nodes.at[i]];
  }
}
