/* The train block → TrainConfig: which setting is read where, the plain numbers, and values of the kinds that settings
 * have. Names, order and defaults of arguments are torch.optim's, torch.nn's and torchvision's. Called by compiler/edit
 * where the block stands; its phases are in settings_phase.c. */
#include "compiler/settings/binder.h"

/* ---- names and values ---- */

bool known_name(Session *s, DiagCode code, const char *what, const char *name, Span span, const char *const *known,
                size_t known_count, const char *const *later, size_t later_count) {
  const char *list = "";
  for (size_t i = 0; i < known_count; i++) {
    if (streq(known[i], name)) return true;
    list = arena_printf(s->arena, "%s%s%s", list, i ? ", " : "", known[i]);
  }
  for (size_t i = 0; i < later_count; i++)
    if (streq(later[i], name)) {
      Diag *d = front_error(s, DIAG_E0503, span, "%s '%s' is not supported yet by this version", what, name);
      diag_note(&s->diags, d, "supported: %s", list);
      return false;
    }
  Diag *d = front_error(s, code, span, "there is no %s '%s'", what, name);
  if (front_suggest(s, d, span, name, known, known_count)) return false;
  diag_note(&s->diags, d, "known: %s", list);
  return false;
}

bool choice_known(Session *s, const char *what, const Expr *name, const char *const *known, size_t known_count,
                  const char *const *later, size_t later_count, const TorchName *torch, size_t torch_count) {
  for (size_t i = 0; i < torch_count; i++) {
    if (!streq(torch[i].torch, name->text)) continue;
    for (size_t k = 0; k < later_count; k++)
      if (streq(later[k], torch[i].ours))
        return known_name(s, DIAG_E0502, what, torch[i].ours, name->span, known, known_count, later, later_count);
    Diag *d = front_error(s, DIAG_E0502, name->span, "there is no %s '%s'", what, name->text);
    if (torch[i].help) diag_help(&s->diags, d, "%s", torch[i].help);
    else diag_help(&s->diags, d, "it is called %s here", torch[i].ours);
    diag_fix(&s->diags, d, name->span, "%s", torch[i].ours);
    return false;
  }
  return known_name(s, DIAG_E0502, what, name->text, name->span, known, known_count, later, later_count);
}

bool read_choice(Session *s, const Expr *value, const char *what, const Expr **name, const Arg **args) {
  *name = value->kind == EXPR_CALL ? value->left : value;
  if ((*name)->kind != EXPR_NAME) {
    front_error(s, DIAG_E0504, value->span, "%s is given by its name", what);
    return false;
  }
  *args = value->kind == EXPR_CALL ? value->args : NULL;
  return true;
}

const Expr *single_value(Session *s, const Stmt *stmt) {
  static const Formal formals[] = {{"value", true}};
  const Arg *bound[1], *first = stmt->args, *second = first ? first->next : NULL;
  if (second && second->name && !first->name && first->value->kind == EXPR_NAME) { /* optimizer Adam lr=1e-3 */
    const Arg *last = second;
    while (last->next) last = last->next;
    Span rest = {second->name_span.source, second->name_span.begin, last->value->span.end};
    Diag *d = front_error(s, DIAG_E0108, second->name_span, "%s has no argument '%s'", stmt->name, second->name);
    diag_help(&s->diags, d, "it is an argument of %s: %s(%s)", first->value->text, first->value->text,
              front_text(s, rest));
    diag_fix(&s->diags, d, span_join(first->value->span, rest), "%s(%s)", first->value->text, front_text(s, rest));
    return NULL;
  }
  return bind_arguments(s, stmt->name, formals, 1, stmt->args, stmt->span, bound) ? bound[0]->value : NULL;
}

bool int_arg(Eval *e, const char *callee, const char *name, const Arg *arg, int64_t min, int64_t max, int64_t *out) {
  Const c;
  if (!arg) return true; /* the default stands */
  return eval_expr(e, arg->value, &c) && want_int(e->s, &c, arg->value->span, callee, name, min, max, out);
}

bool float_arg(Eval *e, const char *callee, const char *name, const Arg *arg, double min, double max, double *out) {
  Const c;
  if (!arg) return true;
  return eval_expr(e, arg->value, &c) && want_float(e->s, &c, arg->value->span, callee, name, min, max, out);
}

bool bool_arg(Eval *e, const char *callee, const char *name, const Arg *arg, bool *out) {
  Const c;
  if (!arg) return true;
  return eval_expr(e, arg->value, &c) && want_bool(e->s, &c, arg->value->span, callee, name, out);
}

bool word_arg(Eval *e, const char *callee, const char *name, const Arg *arg, const char *const *words, size_t count,
              size_t *out) {
  Const c = {.kind = CONST_NONE};
  const char *list = "";
  if (!arg) return true;
  /* a bare word is taken as it stands: interval=step */
  const char *word = arg->value->kind == EXPR_NAME ? arg->value->text : NULL;
  if (!word && !eval_expr(e, arg->value, &c)) return false;
  if (c.kind == CONST_TEXT) word = c.text;
  for (*out = 0; *out < count; ++*out) {
    if (word && streq(words[*out], word)) return true;
    list = arena_printf(e->s->arena, "%s%s\"%s\"", list, *out ? " or " : "", words[*out]);
  }
  front_error(e->s, DIAG_E0112, arg->value->span, "%s: %s must be %s, not %s", callee, name, list,
              word ? word : const_text(e->s->arena, &c));
  return false;
}

bool pair_arg(Eval *e, const char *callee, const char *name, const Arg *arg, double min, double max, double out[2]) {
  Const c;
  if (!arg) return true;
  if (!eval_expr(e, arg->value, &c)) return false;
  if (c.kind != CONST_LIST || c.list.count != 2) {
    front_error(e->s, DIAG_E0112, arg->value->span, "%s: %s must be a pair of numbers, not %s", callee, name,
                const_text(e->s->arena, &c));
    return false;
  }
  return want_float(e->s, &c.list.at[0], arg->value->span, callee, name, min, max, &out[0]) &&
         want_float(e->s, &c.list.at[1], arg->value->span, callee, name, min, max, &out[1]);
}

/* ---- the settings ---- */

static bool read_count(Block *b, const Stmt *stmt, int64_t min, int64_t max, int64_t *out) {
  const Expr *value = single_value(b->eval.s, stmt);
  Const c;
  return value && eval_expr(&b->eval, value, &c) &&
         want_int(b->eval.s, &c, value->span, "train", stmt->name, min, max, out);
}

static bool read_number(Block *b, const Stmt *stmt, double min, double max, double *out) {
  const Expr *value = single_value(b->eval.s, stmt);
  Const c;
  return value && eval_expr(&b->eval, value, &c) &&
         want_float(b->eval.s, &c, value->span, "train", stmt->name, min, max, out);
}

/* A number that must be above 0. */
static bool read_positive(Block *b, const Stmt *stmt, double max, double *out) {
  if (!read_number(b, stmt, 0, max, out)) return false;
  if (*out > 0) return true;
  Diag *d = front_error(b->eval.s, DIAG_E0504, stmt->span, "%s must be above 0", stmt->name);
  diag_help(&b->eval.s->diags, d, "leave it out where it is not wanted");
  return false;
}

static bool read_batch(Block *b, const Stmt *stmt) {
  return read_count(b, stmt, 1, 1 << 20, &((TrainBlock *)b->data)->stage->batch);
}
static bool read_epochs(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  to->stage->epochs_given = true;
  if (!to->stage->name) to->train->epochs_span = stmt->span;
  return read_count(b, stmt, 1, 1000000, &to->stage->epochs);
}
static bool read_lr(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  to->stage->own_lr = true;
  return read_number(b, stmt, 0, LARGE, &to->stage->optimizer.lr);
}
static bool read_seed(Block *b, const Stmt *stmt) {
  return read_count(b, stmt, 0, INT64_MAX, &((TrainBlock *)b->data)->train->seed);
}
static bool read_accumulate(Block *b, const Stmt *stmt) {
  return read_count(b, stmt, 1, 1000000, &((TrainBlock *)b->data)->train->accumulate);
}
static bool read_clip_norm(Block *b, const Stmt *stmt) {
  return read_positive(b, stmt, LARGE, &((TrainBlock *)b->data)->train->clip_norm);
}
static bool read_mixup(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  to->train->mixup_span = stmt->span;
  return read_positive(b, stmt, 1000, &to->train->mixup);
}
static bool read_ema(Block *b, const Stmt *stmt) {
  return read_positive(b, stmt, BELOW_ONE, &((TrainBlock *)b->data)->train->ema);
}

/* Every setting; those of a phase stand in place of the block's. */
static const struct Setting {
  const char *name;
  bool in_block, in_phase;
  bool (*read)(Block *b, const Stmt *stmt);
} settings[] = {{"optimizer", true, true, read_optimizer},
                {"lr", false, true, read_lr},
                {"loss", true, false, read_loss},
                {"schedule", true, true, read_schedule},
                {"batch", true, true, read_batch},
                {"epochs", true, true, read_epochs},
                {"augment", true, true, read_augment},
                {"seed", true, false, read_seed},
                {"clip_norm", true, false, read_clip_norm},
                {"accumulate", true, false, read_accumulate},
                {"mixup", true, false, read_mixup},
                {"early_stop", true, false, read_early_stop},
                {"ema", true, false, read_ema}};

static bool given_twice(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  for (size_t i = 0; i < to->seen.count; i++)
    if (streq(to->seen.at[i], stmt->name)) {
      Diag *d = front_error(b->eval.s, DIAG_E0505, stmt->name_span, "'%s' is given twice", stmt->name);
      diag_label(&b->eval.s->diags, d, to->seen_at.at[i], "first here");
      return true;
    }
  vec_push(b->eval.s->arena, &to->seen, stmt->name);
  vec_push(b->eval.s->arena, &to->seen_at, stmt->name_span);
  return false;
}

/* Settings of other frameworks: what they are called here, or who else takes care of it. */
static bool other_setting(Block *b, const Stmt *stmt) {
  static const struct {
    const char *name, *ours, *help; /* ours: NULL where the line may go */
  } table[] = {{"clip_grad_norm", "clip_norm", NULL},
               {"clip_grad_norm_", "clip_norm", NULL},
               {"grad_clip", "clip_norm", NULL},
               {"gradient_clip", "clip_norm", NULL},
               {"gradient_clip_val", "clip_norm", NULL},
               {"max_grad_norm", "clip_norm", NULL},
               {"clipnorm", "clip_norm", NULL},
               {"criterion", "loss", NULL},
               {"loss_fn", "loss", NULL},
               {"loss_function", "loss", NULL},
               {"batch_size", "batch", NULL},
               {"num_epochs", "epochs", NULL},
               {"n_epochs", "epochs", NULL},
               {"max_epochs", "epochs", NULL},
               {"scheduler", "schedule", NULL},
               {"lr_scheduler", "schedule", NULL},
               {"early_stopping", "early_stop", NULL},
               {"transforms", "augment", NULL},
               {"transform", "augment", NULL},
               {"augmentation", "augment", NULL},
               {"random_seed", "seed", NULL},
               {"manual_seed", "seed", NULL},
               {"accumulation_steps", "accumulate", NULL},
               {"gradient_accumulation_steps", "accumulate", NULL},
               {"accumulate_grad_batches", "accumulate", NULL},
               {"amp", NULL, "training computes in f32"},
               {"fp16", NULL, "training computes in f32"},
               {"bf16", NULL, "training computes in f32"},
               {"precision", NULL, "training computes in f32"},
               {"mixed_precision", NULL, "training computes in f32"},
               {"device", NULL, "everything is computed on the CPU"},
               {"gpus", NULL, "everything is computed on the CPU"},
               {"num_workers", NULL, "the program is told: --threads N"},
               {"workers", NULL, "the program is told: --threads N"},
               {"pin_memory", NULL, "everything is computed on the CPU"},
               {"shuffle", NULL, "each epoch has an order of its own, which `seed` fixes"},
               {"data", NULL, "the program is told: train --data DIR"},
               {"dataset", NULL, "the program is told: train --data DIR"},
               {"val", NULL, "the program is told: train --val DIR"},
               {"validation", NULL, "the program is told: train --val DIR"},
               {"metrics", NULL, "the program prints them"},
               {"verbose", NULL, "the program prints its progress"}};
  Session *s = b->eval.s;
  for (size_t i = 0; i < LENGTH(table); i++) {
    if (!streq(table[i].name, stmt->name)) continue;
    Diag *d = front_error(s, DIAG_E0501, stmt->name_span, "there is no train setting '%s'", stmt->name);
    if (table[i].ours) {
      diag_suggest(&s->diags, d, stmt->name_span, table[i].ours);
    } else {
      diag_help(&s->diags, d, "%s: leave it out", table[i].help);
      diag_fix(&s->diags, d, stmt->span, "%s", "");
    }
    return true;
  }
  return false;
}

static bool misplaced(Block *b, const Stmt *stmt, bool phase) {
  if (phase) {
    Diag *d = front_error(b->eval.s, DIAG_E0516, stmt->span, "'%s' holds for the whole training", stmt->name);
    diag_help(&b->eval.s->diags, d, "write it in the train block, beside the phases");
    return false;
  }
  Diag *d = front_error(b->eval.s, DIAG_E0501, stmt->name_span, "there is no train setting '%s'", stmt->name);
  diag_help(&b->eval.s->diags, d, "the rate is the optimizer's: optimizer Adam(lr=1e-3); a phase may set %s alone",
            stmt->name);
  TrainBlock *to = b->data;
  bool other = !streq(stmt->name, "lr") || !stmt->args || stmt->args->next;
  for (size_t i = 0; i < to->seen.count; i++) other = other || streq(to->seen.at[i], "optimizer");
  for (const Stmt *next = stmt->next; next; next = next->next)
    other = other || (next->name && streq(next->name, "optimizer"));
  if (!other)
    diag_fix(&b->eval.s->diags, d, stmt->span, "optimizer Adam(lr=%s)", front_text(b->eval.s, stmt->args->value->span));
  return false;
}

static bool train_setting(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  const char *known[LENGTH(settings) + 2];
  bool phase = to->stage->name != NULL;
  size_t count = 0;
  for (size_t i = 0; i < LENGTH(settings); i++) {
    if (streq(settings[i].name, stmt->name)) {
      if (!(phase ? settings[i].in_phase : settings[i].in_block)) return misplaced(b, stmt, phase);
      return !given_twice(b, stmt) && settings[i].read(b, stmt);
    }
    if (phase ? settings[i].in_phase : settings[i].in_block) known[count++] = settings[i].name;
  }
  if (other_setting(b, stmt)) return false;
  known[count++] = "group"; /* a statement of its own, as phase */
  if (!phase) known[count++] = "phase";
  return known_name(b->eval.s, DIAG_E0501, "train setting", stmt->name, stmt->name_span, known, count, NULL, 0);
}

static bool freeze_outside(Block *b, const Stmt *stmt) {
  Session *s = b->eval.s;
  Diag *d = front_error(s, DIAG_E0520, stmt->span, "'%s' in a train block stands in a phase", stmt_title(stmt));
  diag_help(&s->diags, d,
            "for the whole training, write it before the train block; for a part of it: phase NAME { epochs 3; %s … }",
            stmt_title(stmt));
  return false;
}

static bool train_statement(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  Session *s = b->eval.s;
  bool phase = to->stage->name != NULL;
  if (stmt->kind == STMT_GROUP) return read_group(b, stmt);
  if (stmt->kind == STMT_SETTING) return train_setting(b, stmt);
  if (stmt->kind == STMT_FREEZE || stmt->kind == STMT_UNFREEZE)
    return phase ? read_phase_freeze(b, stmt) : freeze_outside(b, stmt);
  if (stmt->kind == STMT_SAVE && !phase) return read_train_save(b, stmt);
  if (stmt->kind == STMT_PHASE && !phase) {
    Scope *scope = scope_snapshot(s, stmt->span, b->eval.scope);
    if (scope) vec_push(s->arena, &to->phases, (PendingPhase){stmt, scope});
    return scope != NULL;
  }
  Diag *d = front_error(s, DIAG_E0121, stmt->span, "'%s' does not stand in a %s", stmt_title(stmt),
                        phase ? "phase" : "train block");
  if (stmt->kind == STMT_SAVE)
    diag_help(&s->diags, d, "write it in the train block, beside the phases: it runs behind the last of them");
  return false;
}

bool eval_train(Session *s, Scope *scope, Graph *g, const Stmt *stmt, TrainConfig *train) {
  *train = (TrainConfig){
      .all = {.optimizer = {.kind = OPTIMIZER_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
              .batch = 32,
              .epochs = 10,
              .span = stmt->span},
      .loss = {.kind = LOSS_CROSS_ENTROPY, .ignore_index = IGNORE_INDEX},
      .accumulate = 1,
      .span = stmt->span,
      .mixup_span = SPAN_NONE,
      .epochs_span = SPAN_NONE};
  TrainBlock to = {
      .g = g, .train = train, .stage = &train->all, .owner = arena_array(s->arena, size_t, g->params.count + 1)};
  Block block = {.eval = {.s = s, .scope = scope}, .other = train_statement, .data = &to, .keep_going = true};
  bool good = run_block(&block, stmt->body);
  return read_phases(&block, train_statement) && good;
}
