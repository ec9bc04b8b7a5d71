/* `surgeryc plan`: what each statement of a script did, and what the network comes to: layers with shapes and
 * parameters, totals, FLOPs, the exact memory of each generated function. Gathers; plan_text.c and plan_json.c print.
 */
#include "compiler/driver/plan/plan_info.h"
#include "compiler/base/diag.h"
#include "compiler/weights/weights.h"
#include "runtime/abi.h"
#include "runtime/surgery.h"

int64_t count_params(const Graph *g, const ParamList *params) {
  int64_t count = 0;
  for (size_t i = 0; i < params->count; i++) count += shape_count(&param_at(g, params->at[i])->shape);
  return count;
}

int64_t function_bytes(const PlanInfo *f, const FunctionInfo *function, int64_t n) {
  if (function->samples && function->samples < n) n = function->samples;
  return function->per_sample * n + function->fixed + function->scratch * f->threads;
}

/* ---- places ---- */

const char *place_file(const PlanInfo *f, Span span, int *line) {
  int column;
  if (span.source == SPAN_NO_SOURCE) return NULL;
  const Source *source = &f->s->sources.files.at[span.source];
  source_position(source, span.begin, line, &column);
  return source->path;
}

/* A block of statements, and not the braces of a name such as layer{i}. */
static bool opens_block(const char *at) {
  return *at == '{' && (at[1] == ' ' || at[1] == '\r' || at[1] == '\n' || at[1] == '\t');
}

const char *source_text(const PlanInfo *f, Span span, size_t most) {
  if (span.source == SPAN_NO_SOURCE) return "";
  const char *text = f->s->sources.files.at[span.source].text + span.begin;
  size_t length = span.end - span.begin, shown = 0;
  while (shown < length && shown < most && text[shown] != '\n' && !opens_block(text + shown)) shown++;
  bool block = shown < length && shown < most && opens_block(text + shown);
  while (shown < length && shown > 0 && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--; /* no half character */
  size_t left = shown;
  while (shown > 0 && (text[shown - 1] == ' ' || text[shown - 1] == '\r')) shown--;
  return arena_printf(f->s->arena, "%s%s", clean_text(f->s->arena, text, shown),
                      left == length ? ""
                      : block        ? " { … }"
                                     : " …");
}

const struct SavedFile *saved_by(const PlanInfo *f, const Stmt *stmt) {
  for (size_t i = 0; stmt->kind == STMT_SAVE && i < f->g->saves.count; i++) {
    const SavedFile *file = f->g->saves.at[i];
    if (streq(file->path, stmt->file)) return file;
  }
  return NULL;
}

/* ---- layers and parameters ---- */

static void list_layers(PlanInfo *f) {
  const Graph *g = f->g;
  bool *seen = arena_array(f->s->arena, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    if (!n->alive) continue;
    bool first = n->module != NO_ID && !seen[n->module];
    if (first) seen[n->module] = true;
    vec_push(f->s->arena, &f->layer,
             (LayerInfo){.name = n->name,
                         .type = node_type(g, g->order.at[i]),
                         .state = state_name(node_state(g, g->order.at[i])),
                         .shape = &value_at(g, n->output)->shape,
                         .parameters = first ? node_totals(g, g->order.at[i]) : (Totals){0}});
  }
}

static void tally(Tally *t, int64_t count, bool donor, bool alive, bool cut) {
  if (alive) *(donor ? &t->kept : &t->added) += count;
  else if (donor) *(cut ? &t->cut : &t->removed) += count;
}

static void tally_all(PlanInfo *f) {
  const Graph *g = f->g;
  for (size_t i = 0; i < g->modules.count; i++) {
    const Module *m = module_at(g, i);
    if (m->op != OP_NONE) tally(&f->layers, 1, i < f->log->donor_modules, m->alive, m->cut);
  }
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    if (n->module == NO_ID) tally(&f->layers, 1, i < f->log->donor_nodes, n->alive, n->cut);
  }
  for (size_t i = 0; i < g->params.count; i++) {
    const Param *p = param_at(g, i);
    const Module *m = module_at(g, p->module);
    if (!p->is_buffer) tally(&f->parameters, shape_count(&p->shape), i < f->log->donor_params, m->alive, m->cut);
  }
  f->total = module_totals(g, 0, true);
}

/* ---- functions and weights ---- */

static void add_function(PlanInfo *f, const Program *s) {
  if (!s->present) return;
  vec_push(f->s->arena, &f->function,
           (FunctionInfo){.name = s->name,
                          .per_sample = s->per_sample_bytes,
                          .fixed = s->fixed_bytes,
                          .scratch = s->scratch_bytes,
                          .samples = s->samples * ((f->threads + SG_SAMPLES_THREADS - 1) / SG_SAMPLES_THREADS),
                          .flops = program_flops(s),
                          .calls = s->calls.count});
}

static WeightInfo *source_of(PlanInfo *f, const char *path, bool missing) {
  for (size_t i = 0; i < f->weights.count; i++)
    if (streq(f->weights.at[i].path, path)) return &f->weights.at[i];
  vec_push(f->s->arena, &f->weights, (WeightInfo){.path = path, .missing = missing});
  return &f->weights.at[f->weights.count - 1];
}

static void add_weights(PlanInfo *f, const Param *p) {
  const DonorFile *donor = p->donor == NO_ID ? NULL : &f->g->donors.at[p->donor];
  WeightInfo *from = source_of(f, donor ? donor->path : NULL, donor && donor->missing);
  vec_push(f->s->arena, &from->tensors, p->name);
  from->parameters += p->is_buffer ? 0 : shape_count(&p->shape);
}

static void list_weights(PlanInfo *f) {
  ParamList all = graph_state_dict(f->g, f->s->arena, true);
  for (size_t i = 0; i < all.count; i++) add_weights(f, param_at(f->g, all.at[i]));
}

static const char *prefix_end(const Plan *p) {
  if (!p->prefix.present) return NULL;
  return node_at(p->graph, p->graph->order.at[p->trainability.boundary_position])->name;
}

static void list_phases(PlanInfo *f) {
  for (size_t i = 0; f->plan->train && i < f->plan->train->phases.count; i++) {
    const Plan *p = i ? f->plan->later.at[i - 1] : f->plan;
    vec_push(f->s->arena, &f->phase,
             (PhaseInfo){.name = f->plan->train->phases.at[i].recipe.name,
                         .trained = module_totals(p->trained, 0, true).trained,
                         .gradients_bytes = p->grads_bytes,
                         .prefix_end = prefix_end(p),
                         .features = &p->features});
  }
}

PlanInfo plan_info(const Compilation *c) {
  const Plan *p = c->plan;
  PlanInfo f = {.g = c->script.graph, .plan = p, .log = c->s->log, .s = c->s, .threads = surgery_threads()};
  ProgramList all = plan_programs(c->s->arena, p);
  for (size_t i = 0; i < all.count; i++) add_function(&f, all.at[i]);
  list_layers(&f);
  tally_all(&f);
  list_weights(&f);
  list_phases(&f);
  f.prefix_end = prefix_end(p);
  return f;
}

ExitStatus command_plan(Session *s, const Options *o) {
  Compilation c = {.s = s, .o = o};
  s->log = log_create(s->arena);
  ExitStatus status = run_passes(&c, "plan");
  if (status != EXIT_DONE || !c.plan) return status; /* no plan: --stop-after */
  PlanInfo info = plan_info(&c);
  if (o->json) plan_print_json(&info);
  else plan_print_text(&info);
  return s->diags.errors == 0 ? EXIT_DONE : EXIT_WRONG_INPUT; /* a weight file is missing */
}
