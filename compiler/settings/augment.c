/* augment of the train block: torchvision's transforms under short names, with their arguments and defaults. Called by
 * settings_train.c. */
#include "compiler/settings/binder.h"

static bool size_arg(Eval *e, const char *name, const Arg *arg, AugmentConfig *out) {
  Const c;
  out->size_span = arg->value->span;
  if (!eval_expr(e, arg->value, &c)) return false;
  bool pair = c.kind == CONST_LIST && c.list.count == 2;
  return want_int(e->s, pair ? &c.list.at[0] : &c, arg->value->span, name, "size", 1, 65535, &out->size[0]) &&
         want_int(e->s, pair ? &c.list.at[1] : &c, arg->value->span, name, "size", 1, 65535, &out->size[1]);
}

/* Both from the smaller to the larger number. */
static bool ranges_ordered(Eval *e, const char *name, Span span, const AugmentConfig *out) {
  if (out->scale[0] <= out->scale[1] && out->ratio[0] <= out->ratio[1]) return true;
  front_error(e->s, DIAG_E0504, span, "%s: scale and ratio go from the smaller to the larger number", name);
  return false;
}

static bool read_resized_crop(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"size", true}, {"scale", false}, {"ratio", false}};
  const char *name = "random_resized_crop";
  const Arg *bound[3];
  out->scale[0] = 0.08, out->scale[1] = 1, out->ratio[0] = 3.0 / 4, out->ratio[1] = 4.0 / 3;
  return bind_arguments(e->s, name, formals, 3, args, span, bound) && size_arg(e, name, bound[0], out) &&
         pair_arg(e, name, "scale", bound[1], 1e-4, 1, out->scale) &&
         pair_arg(e, name, "ratio", bound[2], 1e-3, 1e3, out->ratio) && ranges_ordered(e, name, span, out);
}

static bool read_random_crop(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"size", true}, {"padding", false}};
  const Arg *bound[2];
  return bind_arguments(e->s, "random_crop", formals, 2, args, span, bound) &&
         size_arg(e, "random_crop", bound[0], out) &&
         int_arg(e, "random_crop", "padding", bound[1], 0, 65535, &out->padding);
}

static bool read_flip(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"p", false}};
  const char *name = out->kind == AUGMENT_VERTICAL_FLIP ? "vertical_flip" : "horizontal_flip";
  const Arg *bound[1];
  out->p = 0.5;
  return bind_arguments(e->s, name, formals, 1, args, span, bound) && float_arg(e, name, "p", bound[0], 0, 1, &out->p);
}

/* A number x around 1 (hue: 0) is 1 - x … 1 + x; a pair is taken as it is. */
static bool read_jitter_range(Eval *e, const char *name, const Arg *arg, bool hue, double to[2]) {
  double x, least = hue ? -0.5 : 0, most = hue ? 0.5 : LARGE;
  Const c;
  to[0] = to[1] = hue ? 0 : 1;
  if (!arg) return true;
  if (!eval_expr(e, arg->value, &c)) return false;
  if (c.kind == CONST_LIST) {
    if (!pair_arg(e, "color_jitter", name, arg, least, most, to)) return false;
    if (to[0] <= to[1]) return true;
    front_error(e->s, DIAG_E0504, arg->value->span, "color_jitter: %s goes from the smaller to the larger number",
                name);
    return false;
  }
  if (!want_float(e->s, &c, arg->value->span, "color_jitter", name, 0, most, &x)) return false;
  to[0] = hue ? -x : x > 1 ? 0 : 1 - x, to[1] += x;
  return true;
}

static bool read_jitter(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"brightness", false}, {"contrast", false}, {"saturation", false}, {"hue", false}};
  const Arg *bound[4];
  if (!bind_arguments(e->s, "color_jitter", formals, 4, args, span, bound)) return false;
  for (int i = 0; i < 4; i++)
    if (!read_jitter_range(e, formals[i].name, bound[i], i == 3, out->jitter[i])) return false;
  if (args) return true;
  Diag *d = front_error(e->s, DIAG_E0504, span, "color_jitter changes nothing");
  diag_help(&e->s->diags, d, "say what and by how much: color_jitter(brightness=0.2, contrast=0.2)");
  return false;
}

static bool read_rotation(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"degrees", true}};
  const Arg *bound[1];
  Const c;
  if (!bind_arguments(e->s, "rotation", formals, 1, args, span, bound) || !eval_expr(e, bound[0]->value, &c))
    return false;
  if (c.kind != CONST_LIST) {
    if (!float_arg(e, "rotation", "degrees", bound[0], 0, 360, &out->degrees[1])) return false;
    out->degrees[0] = -out->degrees[1];
    return true;
  }
  if (!pair_arg(e, "rotation", "degrees", bound[0], -360, 360, out->degrees)) return false;
  if (out->degrees[0] <= out->degrees[1]) return true;
  front_error(e->s, DIAG_E0504, span, "rotation: degrees go from the smaller to the larger number");
  return false;
}

static bool read_erasing(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"p", false}, {"scale", false}, {"ratio", false}, {"value", false}};
  const Arg *bound[4];
  out->p = 0.5, out->scale[0] = 0.02, out->scale[1] = 0.33, out->ratio[0] = 0.3, out->ratio[1] = 3.3;
  return bind_arguments(e->s, "erasing", formals, 4, args, span, bound) &&
         float_arg(e, "erasing", "p", bound[0], 0, 1, &out->p) &&
         pair_arg(e, "erasing", "scale", bound[1], 1e-6, 1, out->scale) &&
         pair_arg(e, "erasing", "ratio", bound[2], 1e-3, 1e3, out->ratio) &&
         float_arg(e, "erasing", "value", bound[3], -1e30, LARGE, &out->value) &&
         ranges_ordered(e, "erasing", span, out);
}

static const struct {
  const char *name;
  AugmentKind kind;
  bool (*read)(Eval *e, const Arg *args, Span span, AugmentConfig *out);
} augments[] = {{"random_resized_crop", AUGMENT_RANDOM_RESIZED_CROP, read_resized_crop},
                {"random_crop", AUGMENT_RANDOM_CROP, read_random_crop},
                {"horizontal_flip", AUGMENT_HORIZONTAL_FLIP, read_flip},
                {"vertical_flip", AUGMENT_VERTICAL_FLIP, read_flip},
                {"color_jitter", AUGMENT_COLOR_JITTER, read_jitter},
                {"rotation", AUGMENT_ROTATION, read_rotation},
                {"erasing", AUGMENT_ERASING, read_erasing}};

static bool read_one(Block *b, const Arg *arg, AugmentConfig *out) {
  static const char *const later[] = {"cutmix", "gaussian_blur", "random_affine", "rand_augment", "auto_augment"};
  static const TorchName torch[] = {{"RandomResizedCrop", "random_resized_crop", NULL},
                                    {"RandomCrop", "random_crop", NULL},
                                    {"RandomHorizontalFlip", "horizontal_flip", NULL},
                                    {"RandomVerticalFlip", "vertical_flip", NULL},
                                    {"ColorJitter", "color_jitter", NULL},
                                    {"RandomRotation", "rotation", NULL},
                                    {"RandomErasing", "erasing", NULL},
                                    {"random_horizontal_flip", "horizontal_flip", NULL},
                                    {"random_rotation", "rotation", NULL},
                                    {"random_erasing", "erasing", NULL},
                                    {"GaussianBlur", "gaussian_blur", NULL},
                                    {"AutoAugment", "auto_augment", NULL},
                                    {"RandAugment", "rand_augment", NULL},
                                    {"RandomAffine", "random_affine", NULL}};
  const char *known[LENGTH(augments)];
  const Expr *name;
  const Arg *args;
  if (!read_choice(b->eval.s, arg->value, "an augmentation", &name, &args)) return false;
  if (streq(name->text, "mixup")) {
    Diag *d = front_error(b->eval.s, DIAG_E0502, arg->value->span, "mixup is a setting of its own");
    diag_help(&b->eval.s->diags, d, "write it beside augment: mixup 0.2");
    return false;
  }
  for (size_t i = 0; i < LENGTH(augments); i++) known[i] = augments[i].name;
  if (!choice_known(b->eval.s, "augmentation", name, known, LENGTH(known), later, LENGTH(later), torch, LENGTH(torch)))
    return false;
  for (size_t i = 0; i < LENGTH(augments); i++) {
    if (!streq(augments[i].name, name->text)) continue;
    *out = (AugmentConfig){.kind = augments[i].kind, .span = arg->value->span, .size_span = arg->value->span};
    return augments[i].read(&b->eval, args, arg->value->span, out);
  }
  return false;
}

/* Steps that make the picture's size cannot stand together. */
static bool stands_already(Block *b, const PhaseConfig *stage, const AugmentConfig *step, const Arg *arg) {
  bool crop = step->kind == AUGMENT_RANDOM_CROP || step->kind == AUGMENT_RANDOM_RESIZED_CROP;
  for (size_t i = 0; i < stage->augment.count; i++) {
    AugmentKind other = stage->augment.at[i].kind;
    bool both = crop && (other == AUGMENT_RANDOM_CROP || other == AUGMENT_RANDOM_RESIZED_CROP);
    if (other != step->kind && !both) continue;
    front_error(b->eval.s, DIAG_E0505, arg->value->span,
                other == step->kind ? "%s is given twice"
                                    : "%s stands beside another crop: one of the two makes the size",
                arg->value->kind == EXPR_CALL ? arg->value->left->text : arg->value->text);
    return true;
  }
  return false;
}

bool read_augment(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  PhaseConfig *stage = to->stage;
  if (!stmt->args) {
    front_error(b->eval.s, DIAG_E0504, stmt->span,
                "augment lacks its steps: augment random_resized_crop(224), horizontal_flip");
    return false;
  }
  stage->augment.count = 0; /* a phase's own in place of the block's */
  stage->augment.at = NULL, stage->augment.capacity = 0;
  const Expr *only = stmt->args->value;
  if (stage->name && !stmt->args->next && only->kind == EXPR_NONE) return true; /* augment none */
  for (const Arg *arg = stmt->args; arg; arg = arg->next) {
    AugmentConfig step;
    if (!read_one(b, arg, &step) || stands_already(b, stage, &step, arg)) return false;
    vec_push(to->g->arena, &stage->augment, step);
  }
  return true;
}
