/* The phases of a training: what each sets in place of the block, what it freezes and unfreezes, and, when the whole
 * script has run, what each of them trains. Each begins with what the one before left frozen. And the files that are
 * saved behind the last one. Called by train.c and, at the end, by check.c. */
#include "compiler/settings/binder.h"
#include "compiler/select/select.h"
#include "runtime/surgery.h"

bool read_phase_freeze(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  Arena *arena = b->eval.s->arena;
  Selection picked = {0};
  if (!select_resolve(b->eval.s, to->g, b->eval.scope, stmt->selector, false, &picked)) return false;
  FreezeConfig freeze = {.freeze = stmt->kind == STMT_FREEZE, .span = stmt->span};
  for (size_t i = 0; i < picked.params.count; i++)
    if (!param_at(to->g, picked.params.at[i])->is_buffer) vec_push(arena, &freeze.params, picked.params.at[i]);
  for (size_t i = 0; i < picked.modules.count && !stmt->selector->parameters_of; i++)
    if (module_at(to->g, picked.modules.at[i])->op != OP_NONE) vec_push(arena, &freeze.modules, picked.modules.at[i]);
  for (size_t i = 0; i < picked.nodes.count && !stmt->selector->parameters_of; i++) {
    NodeId id = picked.nodes.at[i]; /* a function's noise is its container's to stop */
    if (node_at(to->g, id)->module == NO_ID && node_varies(to->g, id) != NO_ID)
      vec_push(arena, &freeze.modules, node_varies(to->g, id));
  }
  vec_push(arena, &to->stage->freezes, freeze);
  return true;
}

bool read_train_save(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  Session *s = b->eval.s;
  if (!surgery_weights_can_write(stmt->file)) {
    Diag *d = front_error(s, DIAG_E0519, stmt->file_span, "weights cannot be written to \"%s\"", stmt->file);
    diag_help(&s->diags, d, "the suffix chooses the format: .safetensors, .pth or .npz");
    return false;
  }
  for (size_t i = 0; i < to->train->saves.count; i++)
    if (streq(to->train->saves.at[i].file, stmt->file)) {
      Diag *d = front_error(s, DIAG_E0519, stmt->file_span, "\"%s\" is written twice", stmt->file);
      diag_label(&s->diags, d, to->train->saves.at[i].span, "first here");
      diag_help(&s->diags, d, "one save may name several things: save fc, layer4 to \"%s\"", stmt->file);
      return false;
    }
  Selection picked = {0};
  if (!select_resolve(s, to->g, b->eval.scope, stmt->selector, false, &picked)) return false;
  SaveConfig save = {.file = stmt->file, .span = stmt->span};
  for (size_t i = 0; i < picked.params.count; i++) vec_push(s->arena, &save.params, picked.params.at[i]);
  if (save.params.count == 0) {
    front_error(s, DIAG_E0519, stmt->span, "there are no tensors in it to save");
    return false;
  }
  vec_push(s->arena, &to->train->saves, save);
  return true;
}

/* ---- reading the phases ---- */

/* What the block's groups pick and the phase's own do not. */
static void inherit_groups(TrainBlock *to, Arena *arena, PhaseConfig *phase) {
  for (size_t i = 0; i < to->train->all.groups.count; i++) {
    GroupConfig group = to->train->all.groups.at[i];
    const GroupConfig *from = &to->train->all.groups.at[i];
    group.params.at = NULL, group.params.count = group.params.capacity = 0;
    for (size_t k = 0; k < from->params.count; k++)
      if (!to->owner[from->params.at[k]]) vec_push(arena, &group.params, from->params.at[k]);
    if (group.params.count) vec_push(arena, &phase->groups, group);
  }
}

static bool same_name(Session *s, TrainBlock *to, const Stmt *stmt) {
  if (!to->phase_names) to->phase_names = scope_create(s->arena, NULL);
  const Const *first = scope_own(to->phase_names, stmt->name);
  if (first) {
    Diag *d = front_error(s, DIAG_E0516, stmt->name_span, "there are two phases '%s'", stmt->name);
    diag_label(&s->diags, d, to->train->phases.at[first->integer].span, "the first");
    return true;
  }
  scope_set(to->phase_names, stmt->name, const_int((int64_t)to->train->phases.count));
  return false;
}

static bool read_phase(Block *outer, TrainBlock *to, const PendingPhase *pending,
                       bool (*read)(Block *b, const Stmt *stmt)) {
  Session *s = outer->eval.s;
  const Stmt *stmt = pending->stmt;
  if (same_name(s, to, stmt)) return false;
  PhaseConfig phase = to->train->all;
  phase.recipe.name = stmt->name, phase.recipe.own_lr = false;
  phase.span = stmt->span, phase.said[SETTING_epochs] = SPAN_NONE;
  phase.groups.at = NULL, phase.groups.count = phase.groups.capacity = 0;
  TrainBlock own = {
      .g = to->g, .train = to->train, .stage = &phase, .owner = arena_array(s->arena, size_t, to->g->params.count + 1)};
  Block block = {.eval = {.s = s, .scope = pending->scope}, .other = read, .data = &own, .keep_going = true};
  bool good = run_block(&block, stmt->body);
  inherit_groups(&own, s->arena, &phase);
  if (good && !is_said(phase.said[SETTING_epochs])) {
    Diag *d =
        front_error(s, DIAG_E0516, stmt->name_span, "the phase '%s' does not say how long it is", phase.recipe.name);
    diag_help(&s->diags, d, "give its epochs: phase %s { epochs 3; … }", phase.recipe.name);
    good = false;
  }
  vec_push(s->arena, &to->train->phases, phase);
  return good;
}

static bool check_total(Session *s, const TrainConfig *train) {
  int64_t sum = 0;
  for (size_t i = 0; i < train->phases.count; i++) sum += train->phases.at[i].recipe.epochs;
  if (!train->phases.count || !is_said(train->all.said[SETTING_epochs]) || sum == train->all.recipe.epochs) return true;
  Diag *d =
      front_error(s, DIAG_E0516, train->all.said[SETTING_epochs], "the phases have %lld epochs together, not %lld",
                  (long long)sum, (long long)train->all.recipe.epochs);
  diag_help(&s->diags, d, "leave it out: the training is as long as its phases");
  return false;
}

bool read_phases(Block *b, bool (*read)(Block *b, const Stmt *stmt)) {
  TrainBlock *to = b->data;
  bool good = true;
  for (size_t i = 0; i < to->phases.count; i++) good = read_phase(b, to, &to->phases.at[i], read) && good;
  return good && check_total(b->eval.s, to->train);
}

/* ---- what each trains ---- */

/* Returns how many flags of the phase it changed. */
static size_t apply_freeze(const Graph *g, PhaseConfig *phase, const FreezeConfig *f, size_t *subjects) {
  size_t changed = 0;
  *subjects = f->params.count;
  for (size_t i = 0; i < f->params.count; i++) {
    changed += phase->trainable[f->params.at[i]] == f->freeze;
    phase->trainable[f->params.at[i]] = !f->freeze;
  }
  for (size_t i = 0; i < f->modules.count; i++) {
    const Module *m = module_at(g, f->modules.at[i]);
    /* else its parameters are all there is; a container is in the list for the noise of its functions */
    bool matters = m->op == OP_NONE || op_info(m->op)->batch != BATCH_SAME;
    *subjects += matters;
    changed += matters && phase->frozen[f->modules.at[i]] != f->freeze;
    phase->frozen[f->modules.at[i]] = f->freeze;
  }
  return changed;
}

static bool trains_nothing(Session *s, const Graph *g, const PhaseConfig *phase) {
  for (size_t i = 0; i < g->params.count; i++)
    if (phase->trainable[i] && module_at(g, param_at(g, i)->module)->alive && !param_at(g, i)->is_buffer) return false;
  Diag *d = front_error(s, DIAG_E0518, phase->span, "the phase '%s' has nothing to train: all of it is frozen",
                        phase->recipe.name);
  diag_help(&s->diags, d, "unfreeze what it is to train: phase %s { unfreeze head; … }", phase->recipe.name);
  return true;
}

static bool resolve_phase(Session *s, Graph *g, PhaseConfig *phase, const PhaseConfig *before) {
  phase->trainable = arena_array(g->arena, bool, g->params.count + 1);
  phase->frozen = arena_array(g->arena, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->params.count; i++)
    phase->trainable[i] = before ? before->trainable[i] : param_at(g, i)->trainable;
  for (size_t i = 0; i < g->modules.count; i++) phase->frozen[i] = before ? before->frozen[i] : module_at(g, i)->frozen;
  for (size_t i = 0; i < phase->freezes.count; i++) {
    const FreezeConfig *f = &phase->freezes.at[i];
    size_t subjects;
    if (apply_freeze(g, phase, f, &subjects)) continue;
    if (subjects)
      diag_report(&s->diags, DIAG_W0201, f->span, "%s",
                  f->freeze ? "all of it is frozen already" : "none of it is frozen");
    else diag_report(&s->diags, DIAG_W0202, f->span, "there is nothing to %s in it", f->freeze ? "freeze" : "unfreeze");
  }
  return !trains_nothing(s, g, phase);
}

bool settings_phases(Session *s, Graph *g, TrainConfig *train) {
  bool good = true;
  size_t count = train->phases.count;
  for (size_t i = 0; i < count; i++)
    good = resolve_phase(s, g, &train->phases.at[i], i ? &train->phases.at[i - 1] : NULL) && good;
  for (size_t p = 0; count && p < g->params.count; p++) {
    param_at(g, p)->trainable = false;
    for (size_t i = 0; i < count; i++) param_at(g, p)->trainable |= train->phases.at[i].trainable[p];
  }
  for (size_t m = 0; count && m < g->modules.count; m++) {
    module_at(g, m)->frozen = true;
    for (size_t i = 0; i < count; i++) module_at(g, m)->frozen &= train->phases.at[i].frozen[m];
  }
  return good;
}
