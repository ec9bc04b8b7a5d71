/* The statements `input` and `labels`: the shape of one sample, the preprocessing of image files, the names of
 * the classes. Called by compiler/edit for the script and by donor.c for a model's own default. */
#include "compiler/settings/settings.h"

enum { MAX_SIDE = 65535, MAX_TOKENS = 1 << 20 };

/* ---- preprocessing ---- */

typedef struct InputBlock {
  Graph *g;
  Input *input;
} InputBlock;

static bool one_size(Session *s, const Const *c, Span span, const char *name, bool aspect, int64_t size[2]) {
  if (c->kind == CONST_LIST && c->list.count == 2)
    return want_int(s, &c->list.at[0], span, name, "the height", 1, MAX_SIDE, &size[0]) &&
           want_int(s, &c->list.at[1], span, name, "the width", 1, MAX_SIDE, &size[1]);
  if (!want_int(s, c, span, name, "the size", 1, MAX_SIDE, &size[0])) return false;
  size[1] = aspect ? NONE_VALUE : size[0];
  return true;
}

/* `resize 256`, `resize (256, 320)`, `center_crop 224`. */
static bool read_size(Block *b, const Stmt *stmt, bool aspect, Preprocess *out) {
  static const Formal formals[] = {{"size", true}};
  const Arg *bound[1];
  Const c;
  if (!bind_arguments(b->eval.s, stmt->name, formals, 1, stmt->args, stmt->span, bound)) return false;
  out->value = bound[0]->value->span;
  return eval_expr(&b->eval, bound[0]->value, &c) &&
         one_size(b->eval.s, &c, bound[0]->value->span, stmt->name, aspect, out->size);
}

static bool read_channels(Block *b, const Arg *arg, const char *name, double min, double out[4], int *count) {
  Session *s = b->eval.s;
  Const c;
  if (!eval_expr(&b->eval, arg->value, &c)) return false;
  Const single = {.kind = CONST_LIST};
  if (c.kind != CONST_LIST) {
    vec_push(s->arena, &single.list, c);
    c = single;
  }
  if (c.list.count < 1 || c.list.count > 4) {
    front_error(s, DIAG_E0504, arg->value->span, "normalize: %s has one number for each channel, not %zu", name,
                c.list.count);
    return false;
  }
  for (size_t i = 0; i < c.list.count; i++)
    if (!want_float(s, &c.list.at[i], arg->value->span, "normalize", name, min, 1e6, &out[i])) return false;
  *count = (int)c.list.count;
  return true;
}

static bool read_normalize(Block *b, const Stmt *stmt, Preprocess *out) {
  static const Formal formals[] = {{"mean", true}, {"std", true}};
  static const char *const known[] = {"imagenet"};
  Session *s = b->eval.s;
  const Arg *bound[2], *first = stmt->args;
  if (first && !first->next && !first->name && first->value->kind == EXPR_NAME) {
    if (streq(first->value->text, "imagenet")) {
      memcpy(out->mean, (double[]){0.485, 0.456, 0.406, 0}, sizeof out->mean);
      memcpy(out->std, (double[]){0.229, 0.224, 0.225, 1}, sizeof out->std);
      out->channels = 3;
      return true;
    }
    Diag *d = front_error(s, DIAG_E0502, first->value->span, "normalize does not know '%s'", first->value->text);
    if (!front_suggest(s, d, first->value->span, first->value->text, known, 1))
      diag_help(&s->diags, d, "write `normalize imagenet` or `normalize mean=[0.5] std=[0.5]`");
    return false;
  }
  int means, stds;
  if (!bind_arguments(s, "normalize", formals, 2, stmt->args, stmt->span, bound)) return false;
  if (!read_channels(b, bound[0], "mean", -1e6, out->mean, &means)) return false;
  if (!read_channels(b, bound[1], "std", 1e-6, out->std, &stds)) return false;
  if (means != stds) {
    front_error(s, DIAG_E0504, stmt->span, "normalize: mean has %d number%s, std has %d", means, means == 1 ? "" : "s",
                stds);
    return false;
  }
  out->channels = means;
  return true;
}

const PreprocessStep preprocess_steps[PREPROCESS_STEPS] = {
    [PRE_RESIZE] = {"resize", "size", "the shorter side, or (height, width), as torchvision's Resize"},
    [PRE_CENTER_CROP] = {"center_crop", "size", "the middle of the image"},
    [PRE_NORMALIZE] = {"normalize", "imagenet", "imagenet, or mean=… std=…: the last step"},
    [PRE_GRAYSCALE] = {"grayscale", "", "one channel, as PIL's L"},
    [PRE_EXIF_TRANSPOSE] = {"exif_transpose", "", "turned as the camera was: the first step"},
};

static bool read_preprocess(Block *b, const Stmt *stmt, Preprocess *out) {
  if (streq(stmt->name, "resize")) {
    out->kind = PRE_RESIZE;
    return read_size(b, stmt, true, out);
  }
  if (streq(stmt->name, "center_crop")) {
    out->kind = PRE_CENTER_CROP;
    return read_size(b, stmt, false, out);
  }
  if (streq(stmt->name, "normalize")) {
    out->kind = PRE_NORMALIZE;
    return read_normalize(b, stmt, out);
  }
  out->kind = streq(stmt->name, "grayscale") ? PRE_GRAYSCALE : PRE_EXIF_TRANSPOSE;
  return bind_arguments(b->eval.s, stmt->name, NULL, 0, stmt->args, stmt->span, (const Arg *[1]){NULL});
}

static bool input_statement(Block *b, const Stmt *stmt) {
  const char *known[PREPROCESS_STEPS];
  for (int i = 0; i < PREPROCESS_STEPS; i++) known[i] = preprocess_steps[i].name;
  static const char *const later[] = {"crop", "pad", "to_tensor", "rescale"};
  InputBlock *to = b->data;
  Session *s = b->eval.s;
  Preprocess step = {.span = stmt->span, .value = SPAN_NONE};
  if (stmt->kind != STMT_SETTING) {
    front_error(s, DIAG_E0121, stmt->span, "'%s' is not allowed in an input block", stmt_title(stmt));
    return false;
  }
  if (!known_name(s, DIAG_E0501, "preprocessing step", stmt->name, stmt->name_span, known, LENGTH(known), later,
                  LENGTH(later)))
    return false;
  if (!read_preprocess(b, stmt, &step)) return false;
  size_t count = to->input->preprocess.count;
  if (count > 0 && to->input->preprocess.at[count - 1].kind == PRE_NORMALIZE) {
    Diag *d = front_error(s, DIAG_E0506, stmt->span, "%s comes after normalize", stmt->name);
    diag_help(&s->diags, d, "the other steps work on the image; normalize is the last");
    return false;
  }
  if (count > 0 && step.kind == PRE_EXIF_TRANSPOSE) {
    Diag *d = front_error(s, DIAG_E0506, stmt->span, "exif_transpose comes after another step");
    diag_help(&s->diags, d, "it turns the image before anything else happens to it: write it first");
    return false;
  }
  vec_push(to->g->arena, &to->input->preprocess, step);
  return true;
}

const char *size_text(Session *s, const int64_t dim[2]) {
  return dim[0] == dim[1] ? arena_printf(s->arena, "%lld", (long long)dim[0])
                          : arena_printf(s->arena, "(%lld, %lld)", (long long)dim[0], (long long)dim[1]);
}

/* The last step that changes the size makes another than the network takes. */
static bool wrong_size(Session *s, const Input *input, const Preprocess *step) {
  const int64_t *wanted = input->shape.dim + 1;
  if (step->size[1] == NONE_VALUE) {
    Diag *d = front_error(s, DIAG_E0506, step->span, "resize %lld sets the shorter side and leaves the other open",
                          (long long)step->size[0]);
    diag_help(&s->diags, d, "crop it: center_crop %s; or give both sides: resize (%lld, %lld)", size_text(s, wanted),
              (long long)wanted[0], (long long)wanted[1]);
    if (step->size[0] >= wanted[0] && step->size[0] >= wanted[1])
      diag_fix(&s->diags, d, (Span){step->span.source, step->span.end, step->span.end}, "; center_crop %s",
               size_text(s, wanted));
    diag_fix(&s->diags, d, step->value, "(%lld, %lld)", (long long)wanted[0], (long long)wanted[1]);
    return false;
  }
  Diag *d =
      front_error(s, DIAG_E0506, step->value, "the preprocessing makes images of %lld x %lld, but the input is %s",
                  (long long)step->size[0], (long long)step->size[1], shape_text(s->arena, &input->shape));
  diag_help(&s->diags, d, "the last resize or crop gives the input's height and width: %s", size_text(s, wanted));
  diag_fix(&s->diags, d, step->value, "%s", size_text(s, wanted));
  return false;
}

/* The same for another number of channels: one number for all, or their mean for a single one. What further channels
 * there are (opacity) stays as it is. */
static const char *normalize_for(Session *s, const Preprocess *step, int64_t channels) {
  const char *mean = "", *std = "";
  double mean_of = 0, std_of = 0;
  for (int i = 0; i < step->channels; i++)
    mean_of += step->mean[i] / step->channels, std_of += step->std[i] / step->channels;
  for (int i = 0; i < channels; i++) {
    bool one = channels == 1 || step->channels == 1, there = i < step->channels;
    mean = arena_printf(s->arena, "%s%s%.4g", mean, i ? ", " : "", one ? mean_of : there ? step->mean[i] : 0);
    std = arena_printf(s->arena, "%s%s%.4g", std, i ? ", " : "", one ? std_of : there ? step->std[i] : 1);
  }
  return arena_printf(s->arena, "normalize mean=[%s] std=[%s]", mean, std);
}

/* What the steps make must be what the network takes. */
static bool check_preprocess(Session *s, const Input *input) {
  const Preprocess *last = NULL;
  int64_t channels = input->shape.dim[0];
  for (size_t i = 0; i < input->preprocess.count; i++) {
    const Preprocess *step = &input->preprocess.at[i];
    if (step->kind == PRE_RESIZE || step->kind == PRE_CENTER_CROP) last = step;
    if (step->kind == PRE_GRAYSCALE && channels != 1) {
      front_error(s, DIAG_E0506, step->span, "grayscale makes 1 channel, but the input has %lld", (long long)channels);
      return false;
    }
    if (step->kind == PRE_NORMALIZE && step->channels != channels) {
      Diag *d = front_error(s, DIAG_E0506, step->span, "normalize is for %d channel%s, but the input has %lld",
                            step->channels, step->channels == 1 ? "" : "s", (long long)channels);
      const char *whole = normalize_for(s, step, channels);
      diag_help(&s->diags, d, "give one mean and one std for each channel: %s", whole);
      diag_fix(&s->diags, d, step->span, "%s", whole);
      return false;
    }
  }
  if (!last || (last->size[0] == input->shape.dim[1] && last->size[1] == input->shape.dim[2])) return true;
  return wrong_size(s, input, last);
}

/* ---- the shape ---- */

static bool read_image(Eval *e, const Stmt *stmt, Input *out) {
  static const Formal formals[] = {{"channels", true}, {"height", true}, {"width", true}};
  const Arg *bound[3];
  out->kind = INPUT_IMAGE;
  out->shape.rank = 3;
  const Arg *first = stmt->args, *second = first ? first->next : NULL, *third = second ? second->next : NULL;
  if (third && third->next && !third->next->next && !third->next->name &&
      !first->name) { /* PyTorch's habit: the batch */
    Diag *d = front_error(e->s, DIAG_E0109, first->value->span, "image has 3 sizes, 4 are given");
    diag_help(&e->s->diags, d, "the batch is left out: image(%s, %s, %s)", front_text(e->s, second->value->span),
              front_text(e->s, third->value->span), front_text(e->s, third->next->value->span));
    diag_fix(&e->s->diags, d, (Span){first->value->span.source, first->value->span.begin, second->value->span.begin},
             "%s", "");
    return false;
  }
  if (!bind_arguments(e->s, "image", formals, 3, stmt->args, stmt->span, bound)) return false;
  Const sizes[3] = {0};
  for (int i = 0; i < 3; i++)
    if (!eval_expr(e, bound[i]->value, &sizes[i])) return false;
  if (sizes[0].kind == CONST_INT && sizes[2].kind == CONST_INT && sizes[0].integer > 4 && sizes[2].integer >= 1 &&
      sizes[2].integer <= 4 && third && !third->name) {
    Diag *d = front_error(e->s, DIAG_E0113, first->value->span, "image: an input has 1 to 4 channels, not %lld",
                          (long long)sizes[0].integer);
    const char *h = front_text(e->s, first->value->span), *w = front_text(e->s, second->value->span),
               *c = front_text(e->s, third->value->span);
    diag_help(&e->s->diags, d, "the channels come first, as in PyTorch: image(%s, %s, %s)", c, h, w);
    diag_fix(&e->s->diags, d, span_join(first->value->span, third->value->span), "%s, %s, %s", c, h, w);
    return false;
  }
  for (int i = 0; i < 3; i++) {
    if (!want_int(e->s, &sizes[i], bound[i]->value->span, "image", formals[i].name, 1, i ? MAX_SIDE : 4,
                  &out->shape.dim[i]))
      return false;
  }
  return true;
}

static bool read_tensor(Eval *e, const Stmt *stmt, Input *out) {
  double product = 1;
  out->kind = INPUT_TENSOR;
  for (const Arg *arg = stmt->args; arg; arg = arg->next) {
    Const c;
    if (arg->name && streq(arg->name, "mask")) {
      if (!eval_expr(e, arg->value, &c) || !want_bool(e->s, &c, arg->value->span, "tensor", "mask", &out->mask))
        return false;
      continue;
    }
    if (arg->name) {
      front_error(e->s, DIAG_E0108, arg->name_span, "tensor takes its sizes without names: tensor(784)");
      return false;
    }
    if (out->shape.rank == MAX_SHAPE_RANK) {
      front_error(e->s, DIAG_E0109, arg->value->span, "tensor has at most %d dimensions", MAX_SHAPE_RANK);
      return false;
    }
    if (!eval_expr(e, arg->value, &c)) return false;
    if (!want_int(e->s, &c, arg->value->span, "tensor", "a size", 1, INT32_MAX, &out->shape.dim[out->shape.rank++]))
      return false;
    product *= (double)out->shape.dim[out->shape.rank - 1];
  }
  if (out->shape.rank == 0) {
    Diag *d = front_error(e->s, DIAG_E0110, stmt->span, "tensor is missing its sizes");
    diag_help(&e->s->diags, d, "the batch is left out: tensor(784) takes (N, 784)");
    return false;
  }
  if (out->mask && out->shape.rank != 2) {
    Diag *d = front_error(e->s, DIAG_E0511, stmt->span, "a mask has one number for each token, but the input is %s",
                          shape_text(e->s->arena, &out->shape));
    diag_help(&e->s->diags, d, "tokens and what is known of each: input tensor(128, 768, mask=true)");
    return false;
  }
  if (product <= 4294967296.0) return true;
  front_error(e->s, DIAG_E0113, stmt->span, "one sample would have %.3g elements: at most 2^32", product);
  return false;
}

/* tokens(128), tokens(128, mask=true): numbers of words, and beside them which are attended to. */
static bool read_tokens(Eval *e, const Stmt *stmt, Input *out) {
  static const Formal formals[] = {{"length", true}, {"mask", false}};
  const Arg *bound[2];
  Const c;
  out->kind = INPUT_TOKENS;
  out->shape = (Shape){.rank = 1, .dtype = DTYPE_I64};
  if (!bind_arguments(e->s, "tokens", formals, 2, stmt->args, stmt->span, bound)) return false;
  if (!eval_expr(e, bound[0]->value, &c)) return false;
  if (!want_int(e->s, &c, bound[0]->value->span, "tokens", "length", 1, MAX_TOKENS, &out->shape.dim[0])) return false;
  if (!bound[1]) return true;
  return eval_expr(e, bound[1]->value, &c) && want_bool(e->s, &c, bound[1]->value->span, "tokens", "mask", &out->mask);
}

bool eval_input(Session *s, Scope *scope, Graph *g, const Stmt *stmt) {
  static const char *const known[] = {"image", "tensor", "tokens"};
  Eval e = {.s = s, .scope = scope};
  Input input = {.shape = {.rank = 0, .dtype = DTYPE_F32}, .span = stmt->span, .adapted = SPAN_NONE};
  if (!known_name(s, DIAG_E0502, "kind of input", stmt->name, stmt->name_span, known, LENGTH(known), NULL, 0))
    return false;
  bool image = streq(stmt->name, "image"), tokens = streq(stmt->name, "tokens");
  if (!(image ? read_image : tokens ? read_tokens : read_tensor)(&e, stmt, &input)) return false;
  if (!image && stmt->body) {
    front_error(s, DIAG_E0506, stmt->body->span, "preprocessing is for images; %s as they are",
                tokens ? "tokens come" : "the elements of a tensor come");
    return false;
  }
  InputBlock to = {g, &input};
  Block block = {.eval = e, .other = input_statement, .data = &to, .keep_going = true};
  if (!run_block(&block, stmt->body) || !check_preprocess(s, &input)) return false;
  if (image && !stmt->block) inherit_preprocess(s, g, &input);
  g->input = input;
  return true;
}

/* ---- labels ---- */

static bool push_label(Session *s, Graph *g, Scope *seen, const Const *c, Span span) {
  if (c->kind != CONST_TEXT || !*c->text) {
    front_error(s, DIAG_E0507, span, "a label is a text, not %s",
                c->kind == CONST_TEXT ? "an empty one" : const_kind(c));
    return false;
  }
  if (scope_own(seen, c->text)) {
    front_error(s, DIAG_E0507, span, "the label \"%s\" is given twice", c->text);
    return false;
  }
  scope_set(seen, c->text, *c);
  vec_push(g->arena, &g->labels, c->text);
  return true;
}

bool eval_labels(Session *s, Scope *scope, Graph *g, const Stmt *stmt) {
  Eval e = {.s = s, .scope = scope};
  Scope *seen = scope_create(s->arena, NULL);
  g->labels.count = 0;
  bool good = true;
  for (const Arg *arg = stmt->args; arg; arg = arg->next) {
    Const c;
    const Expr *value = arg->value;
    if (value->kind == EXPR_NAME && !name_known(&e, value, &c)) { /* labels ants, bees */
      Diag *d = front_error(s, DIAG_E0507, value->span, "a label is a text; there is no '%s' here", value->text);
      diag_help(&s->diags, d, "\"%s\"", value->text);
      diag_fix(&s->diags, d, value->span, "\"%s\"", value->text);
      good = false;
      continue;
    }
    if (!eval_expr(&e, arg->value, &c)) return false;
    if (c.kind != CONST_LIST && !push_label(s, g, seen, &c, arg->value->span)) return false;
    for (size_t i = 0; c.kind == CONST_LIST && i < c.list.count; i++) /* labels names, with `let names = [...]` */
      if (!push_label(s, g, seen, &c.list.at[i], arg->value->span)) return false;
  }
  if (g->labels.count > 0 || !good) return good;
  front_error(s, DIAG_E0507, stmt->span, "labels is missing its names: labels \"ants\", \"bees\"");
  return false;
}
