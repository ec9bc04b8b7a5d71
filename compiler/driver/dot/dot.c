/* A network as Graphviz's text: units as boxes in forward order, blocks and stages as clusters, what is
 * frozen and what is trained in different colours. What belongs together is decided in dot_cut.c. Called
 * by show --graph and
 * --emit=graph. */
#include "compiler/base/diag.h"
#include "compiler/driver/dot/dot.h"
#include <stdlib.h>

typedef struct Colors {
  const char *fill, *line, *words;
} Colors;
static const Colors colors[] = {
    [STATE_NONE] = {"#f8fafc", "#94a3b8", "no parameters"},       [STATE_TRAINED] = {"#ffedd5", "#ea580c", "trained"},
    [STATE_PARTLY] = {"#fef9c3", "#ca8a04", "partly frozen"},     [STATE_FROZEN] = {"#dbeafe", "#2563eb", "frozen"},
    [STATE_STATISTICS] = {"#fef9c3", "#ca8a04", "partly frozen"},
};

/* Text for an HTML-like label. */
static const char *html(Arena *arena, const char *text) {
  const char *clean = clean_text(arena, text, strlen(text)), *out = "";
  for (size_t n; *clean; clean += n) {
    n = strcspn(clean, "&<>\"");
    if (n) out = arena_printf(arena, "%s%.*s", out, (int)n, clean);
    if (!clean[n]) break;
    const char *entity = clean[n] == '&' ? "&amp;" : clean[n] == '<' ? "&lt;" : clean[n] == '>' ? "&gt;" : "&quot;";
    out = arena_printf(arena, "%s%s", out, entity);
    n++;
  }
  return out;
}

static const char *pair_text(Arena *arena, const int64_t *pair) {
  return arena_printf(arena, "%lld×%lld", (long long)pair[0], (long long)pair[1]);
}

/* "Conv2d 3×3, 64 → 128, stride 2": what one looks for in a drawing; other layers as in a script. */
static const char *conv_text(Arena *arena, const Conv2dArgs *a) {
  bool depthwise = a->groups > 1 && a->groups == a->in_channels && a->groups == a->out_channels;
  const char *text = arena_printf(arena, "Conv2d %s, %lld → %lld", pair_text(arena, a->kernel_size),
                                  (long long)a->in_channels, (long long)a->out_channels);
  if (a->stride[0] != 1 || a->stride[1] != 1)
    text = a->stride[0] == a->stride[1] ? arena_printf(arena, "%s, stride %lld", text, (long long)a->stride[0])
                                        : arena_printf(arena, "%s, stride %s", text, pair_text(arena, a->stride));
  if (depthwise) return arena_printf(arena, "%s, depthwise", text);
  return a->groups > 1 ? arena_printf(arena, "%s, %lld groups", text, (long long)a->groups) : text;
}

static const char *unit_type(const Dot *p, const DotUnit *unit) {
  NodeId head = unit->nodes.at[0];
  const char *text = node_at(p->g, head)->op == OP_Conv2d ? conv_text(p->arena, &node_args(p->g, head)->Conv2d)
                                                          : node_text(p->g, p->arena, head);
  for (size_t i = 1; i < unit->nodes.count; i++)
    text = arena_printf(p->arena, "%s, %s", text, node_type(p->g, unit->nodes.at[i]));
  return text;
}

/* Without the name of the cluster that it is drawn in. */
static const char *short_name(const Dot *p, const DotUnit *unit, NodeId node) {
  const char *name = node_at(p->g, node)->name;
  if (unit->block == NO_ID || p->blocks.at[unit->block].units < 2) return name;
  const char *block = module_at(p->g, p->blocks.at[unit->block].module)->name;
  size_t length = strlen(block);
  return strncmp(name, block, length) == 0 && name[length] == '.' ? name + length + 1 : name;
}

static const char *unit_names(const Dot *p, const DotUnit *unit) {
  const char *text = arena_printf(p->arena, "<b>%s</b>", html(p->arena, short_name(p, unit, unit->nodes.at[0])));
  const char *before = short_name(p, unit, unit->nodes.at[0]);
  for (size_t i = 1; i < unit->nodes.count; i++) {
    const char *name = short_name(p, unit, unit->nodes.at[i]), *dot = strrchr(name, '.');
    size_t prefix = dot ? (size_t)(dot - name) + 1 : 0; /* "conv.0.0, .1, .2" */
    bool same = prefix && strncmp(name, before, prefix) == 0;
    text = arena_printf(p->arena, "%s, %s", text, html(p->arena, same ? name + prefix - 1 : name));
  }
  return text;
}

static int unit_of_value(const Dot *p, ValueId value) {
  NodeId producer = value_at(p->g, value)->producer;
  return producer == NO_ID ? NO_ID : p->unit_of[producer];
}

static bool is_hidden(const Dot *p, size_t unit) {
  int block = p->units.at[unit].block;
  return block != NO_ID && p->blocks.at[block].hidden;
}

/* The longest way from the input to the first output, which Graphviz is asked to draw straight. */
static bool *main_way(const Dot *p) {
  bool *on = arena_array(p->arena, bool, p->units.count + 1);
  int unit = unit_of_value(p, p->g->outputs.at[0].value);
  while (unit != NO_ID && !on[unit]) {
    const Node *head = node_at(p->g, p->units.at[unit].nodes.at[0]);
    on[unit] = true;
    int best = NO_ID;
    for (size_t k = 0; k < head->inputs.count; k++) {
      int from = unit_of_value(p, head->inputs.at[k]);
      if (from != NO_ID && (best == NO_ID || p->units.at[from].depth > p->units.at[best].depth)) best = from;
    }
    unit = best;
  }
  return on;
}

static void print_unit(const Dot *p, size_t index, bool straight, FILE *out) {
  const DotUnit *unit = &p->units.at[index];
  const Colors *c = &colors[unit->state];
  int64_t count = 0;
  for (size_t i = 0; i < unit->nodes.count; i++) count += node_totals(p->g, unit->nodes.at[i]).all;
  const Node *last = node_at(p->g, unit->nodes.at[unit->nodes.count - 1]);
  bool join = node_at(p->g, unit->nodes.at[0])->inputs.count > 1;
  fprintf(out, "u%zu [%sfillcolor=\"%s\" color=\"%s\"%s label=<%s<br/><font point-size=\"9\">%s<br/>%s", index,
          straight ? "group=main " : "", c->fill, c->line, join ? " penwidth=2" : "", unit_names(p, unit),
          html(p->arena, unit_type(p, unit)), shape_text(p->arena, &value_at(p->g, last->output)->shape));
  if (count) fprintf(out, ", %s parameter%s", grouped(p->arena, count), count == 1 ? "" : "s");
  fputs("</font>>]\n", out);
}

static const char *block_label(const Dot *p, const DotBlock *block) {
  const Module *m = module_at(p->g, block->module);
  Arena *a = p->arena;
  int64_t count = module_totals(p->g, block->module, true).all;
  const char *each =
      count ? arena_printf(a, ", %s parameters%s", grouped(a, count), block->repeats > 1 ? " each" : "") : "";
  if (block->repeats == 1) return arena_printf(a, "<b>%s</b>  %s%s", html(a, m->name), html(a, m->type), each);
  return arena_printf(a, "<b>%s … %s</b>  <font color=\"#0f766e\"><b>%zu times</b></font>  %s%s", html(a, m->name),
                      html(a, module_at(p->g, block->last)->name), block->repeats, html(a, m->type), each);
}

static const char *group_label(const Dot *p, const DotGroup *group) {
  Arena *a = p->arena;
  if (group->stage == NO_ID)
    return arena_printf(a, "<b>%s</b>  %s", html(a, module_at(p->g, group->module)->name),
                        html(a, module_at(p->g, group->module)->type));
  return arena_printf(a, "<b>%s</b>  stage [%d]", html(a, p->g->stages.at[group->stage].name), group->stage);
}

/* A title is a node in its cluster's first row and not the cluster's label: lines are led around nodes, but through
 * labels. */
static void print_name_plate(char kind, int index, const char *label, FILE *out) {
  fprintf(out, "t%c%d [shape=plain style=\"\" margin=0 label=<%s>]\n", kind, index, label);
}

static void open_group(const Dot *p, int group, FILE *out) {
  if (group == NO_ID) return;
  fprintf(out, "subgraph cluster_g%d {\nlabel=\"\" style=\"rounded,filled\" fillcolor=\"#f1f5f9\" color=\"#cbd5e1\"\n",
          group);
  if (!p->groups.at[group].opened) print_name_plate('g', group, group_label(p, &p->groups.at[group]), out);
  p->groups.at[group].opened = true;
}

static void open_block(const Dot *p, int index, FILE *out) {
  if (index == NO_ID) return;
  DotBlock *block = &p->blocks.at[index];
  bool repeats = block->repeats > 1;
  fprintf(out,
          "subgraph cluster_b%d {\nlabel=\"\" style=\"rounded,filled\" fillcolor=\"#ffffff\" color=\"%s\" "
          "penwidth=%d\n",
          index, repeats ? "#0f766e" : "#94a3b8", repeats ? 2 : 1);
  if (!block->opened) print_name_plate('b', index, block_label(p, block), out);
  block->opened = true;
}

static int frame_of(const Dot *p, const DotUnit *unit) {
  return unit->block != NO_ID && p->blocks.at[unit->block].units > 1 ? unit->block : NO_ID;
}

/* Titles stand above what enters their cluster from outside, and below where it comes from. */
static void print_rows(const Dot *p, FILE *out) {
  for (size_t i = 0; i < p->units.count; i++) {
    const DotUnit *unit = &p->units.at[i];
    const Node *head = node_at(p->g, unit->nodes.at[0]);
    int frame = frame_of(p, unit);
    for (size_t k = 0; k < head->inputs.count && !is_hidden(p, i); k++) {
      int from = unit_of_value(p, head->inputs.at[k]);
      const char *above = from == NO_ID ? "input" : arena_printf(p->arena, "u%d", from);
      const DotUnit *other = from == NO_ID ? NULL : &p->units.at[from];
      const char *at = arena_printf(p->arena, "u%zu", i), *invisible = "[style=invis weight=0]";
      if (frame != NO_ID && (!other || frame_of(p, other) != frame)) {
        fprintf(out, "tb%d -> %s %s\n", frame, at, invisible);
        at = arena_printf(p->arena, "tb%d", frame);
        if (other && other->group == unit->group) fprintf(out, "%s -> %s %s\n", above, at, invisible);
      }
      if (unit->group != NO_ID && (!other || other->group != unit->group))
        fprintf(out, "tg%d -> %s %s\n%s -> tg%d %s\n", unit->group, at, invisible, above, unit->group, invisible);
    }
  }
}

/* Clusters are closed when the forward order leaves them; one that is opened again goes on where it was. */
static void print_units(const Dot *p, FILE *out) {
  bool *straight = main_way(p);
  int group = NO_ID, block = NO_ID;
  for (size_t i = 0; i < p->units.count; i++) {
    const DotUnit *unit = &p->units.at[i];
    if (is_hidden(p, i)) continue;
    int framed = frame_of(p, unit);
    if (block != NO_ID && framed != block) fputs("}\n", out);
    if (group != NO_ID && unit->group != group) fputs("}\n", out);
    if (unit->group != group) open_group(p, unit->group, out);
    if (framed != block) open_block(p, framed, out);
    group = unit->group, block = framed;
    print_unit(p, i, straight[i], out);
  }
  if (block != NO_ID) fputs("}\n", out);
  if (group != NO_ID) fputs("}\n", out);
}

/* Of a sum's inputs the one behind the most layers is the main way; the others are shortcuts around it. */
static bool is_shortcut(const Dot *p, const Node *sum, size_t input) {
  if (!streq(op_info(sum->op)->name, "add")) return false;
  int most = 0, from = unit_of_value(p, sum->inputs.at[input]), depth = from == NO_ID ? 0 : p->units.at[from].depth;
  for (size_t k = 0; k < sum->inputs.count; k++) {
    int other = unit_of_value(p, sum->inputs.at[k]);
    if (other != NO_ID && p->units.at[other].depth > most) most = p->units.at[other].depth;
  }
  return depth < most;
}

/* Units that stand on a shortcut: their only user is a sum that takes them as such, or another unit on it. */
static bool *shortcut_units(const Dot *p) {
  bool *on = arena_array(p->arena, bool, p->units.count + 1);
  for (size_t i = p->units.count; i-- > 0;) {
    if (is_hidden(p, i)) continue;
    const Node *head = node_at(p->g, p->units.at[i].nodes.at[0]);
    for (size_t k = 0; k < head->inputs.count; k++) {
      int from = unit_of_value(p, head->inputs.at[k]);
      bool alone = from != NO_ID && p->uses[head->inputs.at[k]] == 1;
      if (alone && (on[i] || is_shortcut(p, head, k))) on[from] = true;
    }
  }
  return on;
}

static void print_edges(const Dot *p, FILE *out) {
  bool *on_shortcut = shortcut_units(p);
  for (size_t i = 0; i < p->units.count; i++) {
    if (is_hidden(p, i)) continue;
    const Node *head = node_at(p->g, p->units.at[i].nodes.at[0]);
    for (size_t k = 0; k < head->inputs.count; k++) {
      int from = unit_of_value(p, head->inputs.at[k]);
      fprintf(out, "%s -> u%zu%s\n", from == NO_ID ? "input" : arena_printf(p->arena, "u%d", from), i,
              on_shortcut[i]            ? " [style=bold color=\"#7c3aed\" weight=1]" /* high up, beside the main way */
              : is_shortcut(p, head, k) ? " [style=bold color=\"#7c3aed\" weight=0]"
                                        : " [weight=9]");
    }
  }
}

static void print_ends(const Dot *p, FILE *out) {
  const Graph *g = p->g;
  Arena *a = p->arena;
  fprintf(out,
          "input [group=main shape=ellipse fillcolor=\"#ffffff\" color=\"#334155\" label=<<b>input</b><br/><font "
          "point-size=\"9\">%s</font>>]\n",
          shape_text(a, &g->input.shape));
  for (size_t i = 0; i < g->outputs.count; i++) {
    const Output *o = &g->outputs.at[i];
    int from = unit_of_value(p, o->value);
    fprintf(out,
            "output%zu [group=main shape=ellipse fillcolor=\"#ffffff\" color=\"#334155\" "
            "label=<<b>%s</b><br/><font "
            "point-size=\"9\">%s</font>>]\n",
            i, html(a, o->name), shape_text(a, &value_at(g, o->value)->shape));
    fprintf(out, "%s -> output%zu [weight=9]\n", from == NO_ID ? "input" : arena_printf(a, "u%d", from), i);
  }
}

static void legend_cell(const char *fill, const char *line, const char *words, FILE *out) {
  fprintf(out, "<td bgcolor=\"%s\" color=\"%s\" border=\"1\">  %s  </td>", fill, line, words);
}

/* The title, and under it the colours that occur. */
static void print_title(const Dot *p, const char *title, FILE *out) {
  Totals t = module_totals(p->g, 0, true);
  bool used[STATE_STATISTICS + 1] = {0};
  for (size_t i = 0; i < p->units.count; i++) used[p->units.at[i].state] = true;
  used[STATE_TRAINED] = used[STATE_FROZEN] = true; /* always explained, so that drawings can be compared */
  fprintf(out,
          "label=<<table border=\"0\" cellspacing=\"6\"><tr><td colspan=\"4\"><font "
          "point-size=\"16\"><b>%s</b></font></td></tr>"
          "<tr><td colspan=\"4\">%s parameters: %s trained, %s frozen</td></tr><tr>",
          html(p->arena, title), grouped(p->arena, t.all), grouped(p->arena, t.trained),
          grouped(p->arena, t.all - t.trained));
  static const TrainState shown[] = {STATE_TRAINED, STATE_PARTLY, STATE_FROZEN, STATE_NONE};
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
    if (used[shown[i]]) legend_cell(colors[shown[i]].fill, colors[shown[i]].line, colors[shown[i]].words, out);
  fputs("</tr></table>>\n", out);
}

/* "ants_bees" of "examples/ants_bees.surgery"; other words as they are. */
static const char *title_of(Arena *arena, const char *given) {
  const char *slash = strrchr(given, '/'), *base = slash ? slash + 1 : given, *end = strrchr(base, '.');
  return streq(end, ".surgery") && end != base ? arena_strndup(arena, base, (size_t)(end - base)) : given;
}

const char *dot_text(Session *s, const Script *script, const char *given) {
  Dot p = dot_cut(s->arena, script->graph);
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) fail_environment("no memory");
  fputs("digraph network {\n"
        "newrank=true labelloc=t fontname=\"Helvetica\" fontsize=11 "
        "ranksep=0.22 nodesep=0.3 pad=0.2 bgcolor=\"#ffffff\"\n"
        "node [shape=box style=\"rounded,filled\" fontname=\"Helvetica\" fontsize=11 margin=\"0.12,0.04\" "
        "height=0.3]\n"
        "edge [color=\"#475569\" arrowsize=0.6]\n",
        out);
  print_title(&p, title_of(s->arena, given), out);
  print_ends(&p, out);
  print_units(&p, out);
  print_rows(&p, out);
  print_edges(&p, out);
  fputs("}\n", out);
  if (fclose(out) != 0) fail_environment("no memory");
  const char *kept = arena_strndup(s->arena, text, size);
  free(text);
  return kept;
}
