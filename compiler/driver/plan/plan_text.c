/* The plan as text, for people: statements, layers, totals. Called by command_plan.c. */
#include "compiler/driver/plan/plan_info.h"
#include "compiler/weights/weights.h"

enum { MOST_NAMES = 8, STATEMENT_WIDTH = 90 };

static const char *counted(Arena *arena, int64_t number, const char *what) {
  return arena_printf(arena, "%s %s%s", grouped(arena, number), what, number == 1 ? "" : "s");
}

/* "a, b, c and 12 more" */
static const char *names_text(Arena *arena, const LogNames *names) {
  const char *text = "";
  size_t shown = names->count > MOST_NAMES + 1 ? MOST_NAMES : names->count;
  for (size_t i = 0; i < shown; i++) text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", names->at[i]);
  return shown == names->count ? text : arena_printf(arena, "%s and %zu more", text, names->count - shown);
}

/* ---- statements ---- */

static void print_match(const PlanInfo *f, const LogMatch *m) {
  Arena *arena = f->s->arena;
  const char *parameters = counted(arena, count_params(f->g, &m->params), "parameter");
  printf("         %s: %s (%s", source_text(f, m->span, STATEMENT_WIDTH), names_text(arena, &m->names),
         m->layers ? counted(arena, (int64_t)m->layers, "layer") : counted(arena, (int64_t)m->params.count, "tensor"));
  printf("%s%s%s)\n", m->params.count ? ", " : "", m->params.count ? parameters : "",
         m->cut ? ", cut off by the take" : "");
}

static void print_names(const PlanInfo *f, const char *verb, const LogNames *names) {
  if (names->count == 0) return;
  printf("         %s %zu: %s\n", verb, names->count, names_text(f->s->arena, names));
}

static void print_params(const PlanInfo *f, const char *verb, const ParamList *params) {
  if (params->count == 0) return;
  printf("         %s %s, %s\n", verb, counted(f->s->arena, (int64_t)params->count, "tensor"),
         counted(f->s->arena, count_params(f->g, params), "parameter"));
}

static void print_step(const PlanInfo *f, const LogStep *step, const char *script) {
  const Stmt *stmt = step->stmt;
  bool setting = stmt->kind == STMT_INPUT || stmt->kind == STMT_LABELS || stmt->kind == STMT_TRAIN;
  if (setting && step->matches.count == 0) return;
  int line = 0;
  const char *file = place_file(f, stmt->span, &line);
  printf("  %5d  %s", line, source_text(f, stmt->span, STATEMENT_WIDTH));
  printf(streq(file, script) ? "\n" : "    # in %s\n", file);
  for (size_t i = 0; i < step->matches.count; i++) print_match(f, &step->matches.at[i]);
  if (stmt->kind == STMT_TAKE)
    printf("         keeps %s of the donor\n", counted(f->s->arena, (int64_t)step->kept, "layer"));
  print_names(f, "cuts off", &step->cut);
  print_names(f, "removes", &step->removed);
  print_names(f, "replaces", &step->replaced);
  print_names(f, "puts back", &step->restored);
  print_names(f, "adds", &step->added);
  print_names(f, "renames", &step->renamed);
  print_params(f, "freezes", &step->frozen);
  print_params(f, "unfreezes", &step->unfrozen);
  const SavedFile *saved = saved_by(f, stmt);
  if (saved) printf("         writes %s when the script is built\n", saved->path);
  if (stmt->kind == STMT_EXPECT) printf("         holds\n");
}

static void print_statements(const PlanInfo *f) {
  int line;
  const char *script = f->log->steps.count ? place_file(f, f->log->steps.at[0].stmt->span, &line) : NULL;
  printf("   line  statement, what its selectors picked, what it did\n");
  for (size_t i = 0; i < f->log->steps.count; i++) print_step(f, &f->log->steps.at[i], script);
  putchar('\n');
}

/* ---- the network ---- */

static void print_layers(const PlanInfo *f) {
  Table table = {.arena = f->s->arena, .columns = 5, .right = 1u << 3};
  table_row(&table, PAINT_NONE, "layer", "type", "output", "parameters", "");
  for (size_t i = 0; i < f->layer.count; i++) {
    const LayerInfo *l = &f->layer.at[i];
    table_row(&table, PAINT_NONE, l->name, l->type, shape_text(f->s->arena, l->shape),
              l->parameters.all ? grouped(f->s->arena, l->parameters.all) : "", l->state);
  }
  table_print(&table, stdout, false);
}

static void print_tally(const PlanInfo *f, const char *what, const Tally *t) {
  Arena *arena = f->s->arena;
  printf("%-11s ", what);
  if (*what) printf("%s: ", grouped(arena, t->kept + t->added));
  printf("%s kept, %s new", grouped(arena, t->kept), grouped(arena, t->added));
  if (t->removed) printf("; %s removed", grouped(arena, t->removed));
  if (t->cut) printf("; %s cut off", grouped(arena, t->cut));
  putchar('\n');
}

static void print_work(const PlanInfo *f) {
  double prefix = 0, step = 0, forward = 0;
  for (size_t i = 0; i < f->function.count; i++) {
    const FunctionInfo *function = &f->function.at[i];
    if (streq(function->name, "forward")) forward = function->flops;
    if (streq(function->name, "prefix")) prefix = function->flops;
    if (streq(function->name, "step")) step = function->flops;
  }
  printf("work        forward %.4g GFLOP a sample", forward * 1e-9);
  if (step > 0) printf(", training step %.4g", (prefix + step) * 1e-9);
  if (step > 0 && prefix > 0) printf(" (%.4g with cached features)", step * 1e-9);
  putchar('\n');
}

static void print_memory(const PlanInfo *f) {
  Arena *arena = f->s->arena;
  printf("memory      weights %s bytes, packed %s, gradients %s\n", grouped(arena, f->plan->weights_bytes),
         grouped(arena, f->plan->packed_bytes), grouped(arena, f->plan->grads_bytes));
  printf("            bytes for n samples on t threads%30s %14s   (t = %d)\n", "n = 1", "n = 16", f->threads);
  for (size_t i = 0; i < f->function.count; i++) {
    const FunctionInfo *function = &f->function.at[i];
    const char *n = function->samples ? arena_printf(arena, "min(n, %lld)", (long long)function->samples) : "n";
    const char *formula = arena_printf(arena, "%s %s + %s + %s t", grouped(arena, function->per_sample), n,
                                       grouped(arena, function->fixed), grouped(arena, function->scratch));
    printf("  %-9s %-48s %13s %14s   %s\n", function->name, formula, grouped(arena, function_bytes(f, function, 1)),
           grouped(arena, function_bytes(f, function, 16)), counted(arena, (int64_t)function->calls, "call"));
  }
}

static void print_weights(const PlanInfo *f) {
  for (size_t i = 0; i < f->weights.count; i++) {
    const WeightInfo *w = &f->weights.at[i];
    printf("%-11s %s: %s", i ? "" : "weights", w->path ? w->path : "fresh values",
           counted(f->s->arena, (int64_t)w->tensors.count, "tensor"));
    printf(", %s%s\n", counted(f->s->arena, w->parameters, "parameter"), w->missing ? "; the file is not there" : "");
  }
  for (size_t i = 0; i < f->g->saves.count; i++)
    printf("%-11s %s: %s\n", i ? "" : "written", f->g->saves.at[i]->path,
           counted(f->s->arena, (int64_t)f->g->saves.at[i]->tensors.count, "tensor"));
}

static void print_phases(const PlanInfo *f) {
  Arena *arena = f->s->arena;
  for (size_t i = 0; i < f->phase.count; i++) {
    const PhaseInfo *p = &f->phase.at[i];
    printf("phase       %s: %s trained, %s bytes of gradients", p->name, counted(arena, p->trained, "parameter"),
           grouped(arena, p->gradients_bytes));
    if (p->prefix_end)
      printf("; frozen up to %s: %s, run once for each image", p->prefix_end, shape_text(arena, p->features));
    putchar('\n');
  }
}

void plan_print_text(const PlanInfo *f) {
  Arena *arena = f->s->arena;
  const Graph *g = f->g;
  print_statements(f);
  print_layers(f);
  printf("\ninput       %s\n", shape_text(arena, &g->input.shape));
  for (size_t i = 0; i < g->outputs.count; i++)
    printf("%-11s %s\n", g->outputs.at[i].name, shape_text(arena, &value_at(g, g->outputs.at[i].value)->shape));
  print_tally(f, "layers", &f->layers);
  printf("parameters  %s: %s trained, %s frozen\n", grouped(arena, f->total.all), grouped(arena, f->total.trained),
         grouped(arena, f->total.all - f->total.trained));
  print_tally(f, "", &f->parameters);
  if (f->phase.count) print_phases(f);
  else if (f->prefix_end)
    printf("prefix      frozen up to %s: %s, run once for each image where preprocessing is deterministic\n",
           f->prefix_end, shape_text(arena, &f->plan->features));
  print_weights(f);
  print_work(f);
  print_memory(f);
}
