/* The plan as JSON, for programs: all that the text says, with every name. Called by command_plan.c. */
#include "compiler/driver/plan/plan_info.h"
#include "compiler/weights/weights.h"
#include "grammar/ast.h"

static void set(json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, value)) fail_environment("no memory");
}

static void push(json_t *array, json_t *value) {
  if (json_array_append_new(array, value)) fail_environment("no memory");
}

static json_t *names_json(Arena *arena, const LogNames *names) {
  json_t *array = json_array();
  for (size_t i = 0; i < names->count; i++) push(array, name_json(arena, names->at[i]));
  return array;
}

static json_t *params_json(const PlanInfo *f, const ParamList *params) {
  json_t *object = json_object();
  LogNames names = {0};
  for (size_t i = 0; i < params->count; i++) vec_push(f->s->arena, &names, param_at(f->g, params->at[i])->name);
  set(object, "tensors", names_json(f->s->arena, &names));
  set(object, "parameters", json_integer(count_params(f->g, params)));
  return object;
}

static json_t *match_json(const PlanInfo *f, const LogMatch *m) {
  json_t *object = json_object();
  set(object, "selector", name_json(f->s->arena, source_text(f, m->span, SIZE_MAX)));
  set(object, "names", names_json(f->s->arena, &m->names));
  set(object, "layers", json_integer((json_int_t)m->layers));
  set(object, "tensors", json_integer((json_int_t)m->params.count));
  set(object, "parameters", json_integer(count_params(f->g, &m->params)));
  return object;
}

static json_t *step_json(const PlanInfo *f, const LogStep *step) {
  json_t *object = json_object(), *matches = json_array();
  int line = 0;
  set(object, "file", name_json(f->s->arena, place_file(f, step->stmt->span, &line)));
  set(object, "line", json_integer(line));
  set(object, "text", name_json(f->s->arena, source_text(f, step->stmt->span, SIZE_MAX)));
  for (size_t i = 0; i < step->matches.count; i++) push(matches, match_json(f, &step->matches.at[i]));
  set(object, "matches", matches);
  if (step->stmt->kind == STMT_TAKE) set(object, "kept", json_integer((json_int_t)step->kept));
  const struct {
    const char *key;
    const LogNames *names;
  } lists[] = {{"cut", &step->cut},           {"removed", &step->removed}, {"replaced", &step->replaced},
               {"restored", &step->restored}, {"added", &step->added},     {"renamed", &step->renamed}};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (lists[i].names->count) set(object, lists[i].key, names_json(f->s->arena, lists[i].names));
  if (step->frozen.count) set(object, "frozen", params_json(f, &step->frozen));
  if (step->unfrozen.count) set(object, "unfrozen", params_json(f, &step->unfrozen));
  if (saved_by(f, step->stmt)) set(object, "writes", name_json(f->s->arena, saved_by(f, step->stmt)->path));
  return object;
}

static json_t *tally_json(const Tally *t) {
  json_t *object = json_object();
  set(object, "kept", json_integer(t->kept));
  set(object, "added", json_integer(t->added));
  set(object, "removed", json_integer(t->removed));
  set(object, "cut", json_integer(t->cut));
  return object;
}

static json_t *layers_json(const PlanInfo *f) {
  json_t *array = json_array();
  for (size_t i = 0; i < f->layer.count; i++) {
    const LayerInfo *l = &f->layer.at[i];
    json_t *object = json_object();
    set(object, "name", name_json(f->s->arena, l->name));
    set(object, "type", name_json(f->s->arena, l->type));
    set(object, "shape", shape_json(l->shape->rank, l->shape->dim));
    set(object, "parameters", json_integer(l->parameters.all));
    set(object, "trained", json_integer(l->parameters.trained));
    set(object, "state", name_json(f->s->arena, l->state));
    push(array, object);
  }
  return array;
}

static json_t *functions_json(const PlanInfo *f) {
  json_t *all = json_object();
  for (size_t i = 0; i < f->function.count; i++) {
    const FunctionInfo *function = &f->function.at[i];
    json_t *object = json_object(), *bytes = json_object();
    set(object, "per_sample", json_integer(function->per_sample));
    set(object, "fixed", json_integer(function->fixed));
    set(object, "scratch", json_integer(function->scratch));
    set(object, "samples", function->samples ? json_integer(function->samples) : json_null());
    set(bytes, "1", json_integer(function_bytes(f, function, 1)));
    set(bytes, "16", json_integer(function_bytes(f, function, 16)));
    set(object, "bytes", bytes);
    set(object, "flops", json_real(function->flops));
    set(object, "calls", json_integer((json_int_t)function->calls));
    set(all, function->name, object);
  }
  return all;
}

static json_t *sources_json(const PlanInfo *f) {
  json_t *array = json_array();
  for (size_t i = 0; i < f->weights.count; i++) {
    json_t *object = json_object();
    set(object, "file", name_json(f->s->arena, f->weights.at[i].path));
    set(object, "missing", json_boolean(f->weights.at[i].missing));
    set(object, "tensors", names_json(f->s->arena, &f->weights.at[i].tensors));
    set(object, "parameters", json_integer(f->weights.at[i].parameters));
    push(array, object);
  }
  return array;
}

static json_t *saves_json(const PlanInfo *f) {
  json_t *array = json_array();
  for (size_t i = 0; i < f->g->saves.count; i++) {
    const SavedFile *file = f->g->saves.at[i];
    json_t *object = json_object();
    LogNames names = {0};
    for (size_t k = 0; k < file->tensors.count; k++) vec_push(f->s->arena, &names, file->tensors.at[k].head.name);
    set(object, "file", name_json(f->s->arena, file->path));
    set(object, "tensors", names_json(f->s->arena, &names));
    push(array, object);
  }
  return array;
}

static json_t *phases_json(const PlanInfo *f) {
  json_t *array = json_array();
  for (size_t i = 0; i < f->phase.count; i++) {
    const PhaseInfo *p = &f->phase.at[i];
    json_t *object = json_object();
    set(object, "name", name_json(f->s->arena, p->name));
    set(object, "trained", json_integer(p->trained));
    set(object, "gradients_bytes", json_integer(p->gradients_bytes));
    set(object, "prefix", name_json(f->s->arena, p->prefix_end));
    push(array, object);
  }
  return array;
}

static json_t *plan_json(const PlanInfo *f) {
  const Graph *g = f->g;
  json_t *root = json_object(), *outputs = json_array(), *steps = json_array();
  for (size_t i = 0; i < f->log->steps.count; i++) push(steps, step_json(f, &f->log->steps.at[i]));
  set(root, "network", name_json(f->s->arena, g->name));
  set(root, "statements", steps);
  set(root, "layers", layers_json(f));
  set(root, "input", shape_json(g->input.shape.rank, g->input.shape.dim));
  for (size_t i = 0; i < g->outputs.count; i++) {
    json_t *output = json_object();
    set(output, "name", name_json(f->s->arena, g->outputs.at[i].name));
    const Shape *shape = &value_at(g, g->outputs.at[i].value)->shape;
    set(output, "shape", shape_json(shape->rank, shape->dim));
    push(outputs, output);
  }
  set(root, "outputs", outputs);
  return root;
}

void plan_print_json(const PlanInfo *f) {
  json_t *root = plan_json(f), *parameters = json_object(), *tallies = json_object();
  set(parameters, "total", json_integer(f->total.all));
  set(parameters, "trained", json_integer(f->total.trained));
  set(parameters, "frozen", json_integer(f->total.all - f->total.trained));
  set(root, "parameters", parameters);
  set(tallies, "layers", tally_json(&f->layers));
  set(tallies, "parameters", tally_json(&f->parameters));
  set(root, "donor", tallies);
  set(root, "prefix", name_json(f->s->arena, f->prefix_end));
  set(root, "phases", phases_json(f));
  set(root, "weights", sources_json(f));
  set(root, "saves", saves_json(f));
  set(root, "weights_bytes", json_integer(f->plan->weights_bytes));
  set(root, "packed_bytes", json_integer(f->plan->packed_bytes));
  set(root, "gradients_bytes", json_integer(f->plan->grads_bytes));
  set(root, "threads", json_integer(f->threads));
  set(root, "functions", functions_json(f));
  print_json(root);
}
