/* The train block → TrainConfig: which setting is read where, the plain numbers, and values of the kinds that settings
 * have. Names, order and defaults of arguments are torch.optim's, torch.nn's and torchvision's. Called by compiler/edit
 * where the block stands; its phases are in phase.c. */
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

/* ---- the settings ---- */

static bool read_value(Block *b, const Stmt *stmt, const TrainArg *arg, void *to) {
  const Expr *value = single_value(b->eval.s, stmt);
  if (!value || !put_value(&b->eval, "train", arg, value, to)) return false;
  if (arg->type != TYPE_POSITIVE || *(const double *)to > 0) return true;
  Diag *d = front_error(b->eval.s, DIAG_E0504, stmt->span, "%s must be above 0", stmt->name);
  diag_help(&b->eval.s->diags, d, "leave it out where it is not needed");
  return false;
}

static bool read_setting(Block *b, const Stmt *stmt, SettingKind kind) {
  TrainBlock *to = b->data;
  const TrainSetting *setting = &train_settings[kind];
  bool whole = setting->scope == SCOPE_TRAINING;
  char *recipe = whole ? (char *)&to->train->recipe : (char *)&to->stage->recipe;
  (whole ? to->train->said : to->stage->said)[kind] = stmt->span;
  if (kind == SETTING_lr) to->stage->recipe.own_lr = true;
  switch (setting->arg.type) {
  case TYPE_OPTIMIZER: return read_optimizer(b, stmt);
  case TYPE_LOSS: return read_loss(b, stmt);
  case TYPE_SCHEDULE: return read_schedule(b, stmt);
  case TYPE_AUGMENTS: return read_augment(b, stmt);
  case TYPE_EARLY_STOP: return read_early_stop(b, stmt);
  default: return read_value(b, stmt, &setting->arg, recipe + setting->arg.offset);
  }
}

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
               {"num_workers", NULL, "it is an option of the program: --threads N"},
               {"workers", NULL, "it is an option of the program: --threads N"},
               {"pin_memory", NULL, "everything is computed on the CPU"},
               {"shuffle", NULL, "each epoch has an order of its own, which `seed` fixes"},
               {"data", NULL, "it is an option of the program: train --data DIR"},
               {"dataset", NULL, "it is an option of the program: train --data DIR"},
               {"val", NULL, "it is an option of the program: train --val DIR"},
               {"validation", NULL, "it is an option of the program: train --val DIR"},
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
    diag_help(&b->eval.s->diags, d, "write it in the train block, outside the phases");
    return false;
  }
  Diag *d = front_error(b->eval.s, DIAG_E0501, stmt->name_span, "there is no train setting '%s'", stmt->name);
  diag_help(&b->eval.s->diags, d, "the rate is the optimizer's: optimizer Adam(lr=1e-3); only a phase may set %s",
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
  const char *known[SETTING_KINDS + 2];
  bool phase = to->stage->recipe.name != NULL;
  size_t count = 0;
  for (SettingKind i = 0; i < SETTING_KINDS; i++) {
    const TrainSetting *setting = &train_settings[i];
    bool here = setting->scope != (phase ? SCOPE_TRAINING : SCOPE_PHASE);
    if (streq(setting->arg.name, stmt->name))
      return here ? !given_twice(b, stmt) && read_setting(b, stmt, i) : misplaced(b, stmt, phase);
    if (here) known[count++] = setting->arg.name;
  }
  if (other_setting(b, stmt)) return false;
  known[count++] = "group"; /* a statement of its own, as phase */
  if (!phase) known[count++] = "phase";
  return known_name(b->eval.s, DIAG_E0501, "train setting", stmt->name, stmt->name_span, known, count, NULL, 0);
}

static bool freeze_outside(Block *b, const Stmt *stmt) {
  Session *s = b->eval.s;
  Diag *d = front_error(s, DIAG_E0520, stmt->span, "'%s' in a train block belongs in a phase", stmt_title(stmt));
  diag_help(&s->diags, d,
            "for the whole training, write it before the train block; for a part of it: phase NAME { epochs 3; %s … }",
            stmt_title(stmt));
  return false;
}

static bool train_statement(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  Session *s = b->eval.s;
  bool phase = to->stage->recipe.name != NULL;
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
  Diag *d = front_error(s, DIAG_E0121, stmt->span, "'%s' is not allowed in a %s", stmt_title(stmt),
                        phase ? "phase" : "train block");
  if (stmt->kind == STMT_SAVE)
    diag_help(&s->diags, d, "write it in the train block, outside the phases: it runs after the last of them");
  return false;
}

bool eval_train(Session *s, Scope *scope, Graph *g, const Stmt *stmt, TrainConfig *train) {
  memset(train, 0, sizeof *train);
  train->span = train->all.span = stmt->span;
  for (SettingKind i = 0; i < SETTING_KINDS; i++) {
    const TrainSetting *setting = &train_settings[i];
    train->said[i] = train->all.said[i] = SPAN_NONE;
    if (setting->scope != SCOPE_PHASE)
      train_default(&setting->arg, setting->scope == SCOPE_TRAINING ? (void *)&train->recipe : &train->all.recipe);
  }
  TrainBlock to = {
      .g = g, .train = train, .stage = &train->all, .owner = arena_array(s->arena, size_t, g->params.count + 1)};
  Block block = {.eval = {.s = s, .scope = scope}, .other = train_statement, .data = &to, .keep_going = true};
  bool good = run_block(&block, stmt->body);
  return read_phases(&block, train_statement) && good;
}
