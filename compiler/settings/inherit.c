/* `input image(…)` without a block: the steps that the network brings along and that still make sense stay,
 * and a note says what the pictures go through. The same where adapt gives the network's own input other
 * channels. Called by input.c and check.c. */
#include "compiler/settings/settings.h"

static const char *numbers_text(Session *s, const double *values, int count) {
  const char *text = "";
  for (int i = 0; i < count; i++) text = arena_printf(s->arena, "%s%s%.6g", text, i ? ", " : "", values[i]);
  return arena_printf(s->arena, "[%s]", text);
}

static bool is_imagenet(const Preprocess *p) {
  static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
  return p->channels == 3 && memcmp(p->mean, mean, sizeof mean) == 0 && memcmp(p->std, std, sizeof std) == 0;
}

static const char *step_text(Session *s, const Preprocess *p) {
  const char *side =
      p->size[1] == NONE_VALUE ? arena_printf(s->arena, "%lld", (long long)p->size[0]) : size_text(s, p->size);
  switch (p->kind) {
  case PRE_GRAYSCALE: return "grayscale";
  case PRE_EXIF_TRANSPOSE: return "exif_transpose";
  case PRE_CENTER_CROP: return arena_printf(s->arena, "center_crop %s", side);
  case PRE_RESIZE: /* one number is the shorter side: a square needs both */
    if (p->size[1] == p->size[0]) side = arena_printf(s->arena, "(%s, %s)", side, side);
    return arena_printf(s->arena, "resize %s", side);
  case PRE_NORMALIZE:
    if (is_imagenet(p)) return "normalize imagenet";
    return arena_printf(s->arena, "normalize mean=%s std=%s", numbers_text(s, p->mean, p->channels),
                        numbers_text(s, p->std, p->channels));
  }
  BUG("preprocessing of kind %d", (int)p->kind);
}

/* The steps that are (or are not) kept, as a script has them. */
static const char *steps_text(Session *s, const Input *input, const bool *kept, bool which) {
  const char *text = "";
  for (size_t i = 0; i < input->preprocess.count; i++)
    if (kept[i] == which)
      text = arena_printf(s->arena, "%s%s%s", text, *text ? "; " : "", step_text(s, &input->preprocess.at[i]));
  return text;
}

static bool makes_sense(const Preprocess *step, const Input *from, const Shape *to) {
  bool same_size = from->shape.dim[1] == to->dim[1] && from->shape.dim[2] == to->dim[2];
  switch (step->kind) {
  case PRE_RESIZE:
  case PRE_CENTER_CROP: return same_size;
  case PRE_NORMALIZE: return step->channels == to->dim[0];
  case PRE_GRAYSCALE: return to->dim[0] == 1;
  case PRE_EXIF_TRANSPOSE: return true;
  }
  BUG("preprocessing of kind %d", (int)step->kind);
}

/* What is proposed for the block: for squares sizes in the network's own proportion, as 256 to 224; else both
 * sides. */
static const char *proposal(Session *s, const Input *from, const Shape *to, const bool *kept) {
  const char *text = "";
  bool square = to->dim[1] == to->dim[2], resized = false;
  for (size_t i = 0; i < from->preprocess.count; i++) {
    Preprocess step = from->preprocess.at[i];
    if (!kept[i] && (step.kind == PRE_GRAYSCALE || (step.kind == PRE_CENTER_CROP && resized))) continue;
    if (!kept[i] && step.kind == PRE_NORMALIZE) {
      step.channels = (int)to->dim[0];
      for (int c = 0; c < 4; c++) step.mean[c] = step.std[c] = 0.5;
    }
    if (!kept[i] && step.kind == PRE_CENTER_CROP) step.size[0] = to->dim[1], step.size[1] = to->dim[2];
    if (!kept[i] && step.kind == PRE_RESIZE) {
      bool aspect = step.size[1] == NONE_VALUE && square;
      int64_t own = from->shape.dim[1] < from->shape.dim[2] ? from->shape.dim[1] : from->shape.dim[2];
      step.size[0] = aspect ? (step.size[0] * to->dim[1] + own - 1) / own : to->dim[1];
      step.size[1] = aspect ? NONE_VALUE : to->dim[2];
      resized = !aspect;
    }
    text = arena_printf(s->arena, "%s%s%s", text, *text ? "; " : "", step_text(s, &step));
  }
  return text;
}

/* What the network had: the model's own input is for the shape that the model states, whatever adapt made of it. */
static Input before(const Graph *g) {
  Input from = g->input;
  if (from.span.source == SPAN_NO_SOURCE && g->made_for.rank == 3) from.shape = g->made_for;
  return from;
}

static void inherit(Session *s, Graph *g, Span span, Input *out) {
  Input from = before(g), made = {.kind = INPUT_IMAGE};
  if (from.kind != INPUT_IMAGE || from.shape.rank != 3 || from.preprocess.count == 0) return;
  bool *kept = arena_array(g->arena, bool, from.preprocess.count);
  for (size_t i = 0; i < from.preprocess.count; i++) {
    kept[i] = makes_sense(&from.preprocess.at[i], &from, &out->shape);
    if (kept[i]) vec_push(g->arena, &made.preprocess, from.preprocess.at[i]);
  }
  out->inherited = arena_new(g->arena, Inherited);
  *out->inherited = (Inherited){.from = from, .kept = kept, .span = span};
  out->preprocess.at = made.preprocess.at;
  out->preprocess.count = made.preprocess.count, out->preprocess.capacity = made.preprocess.capacity;
}

void inherit_preprocess(Session *s, Graph *g, Input *input) { inherit(s, g, input->span, input); }

void settle_adapted(Session *s, Graph *g) {
  const Input *input = &g->input;
  if (input->span.source != SPAN_NO_SOURCE || input->adapted.source == SPAN_NO_SOURCE) return;
  for (size_t i = 0; i < input->preprocess.count; i++)
    if (!makes_sense(&input->preprocess.at[i], input, &input->shape)) {
      inherit(s, g, input->adapted, &g->input);
      return;
    }
}

void tell_inherited(Session *s, const Graph *g) {
  const Inherited *what = g->input.inherited;
  if (!what) return;
  const int64_t *to = g->input.shape.dim;
  const char *stay = steps_text(s, &what->from, what->kept, true),
             *gone = steps_text(s, &what->from, what->kept, false);
  Diag *d = front_error(s, DIAG_N0540, what->span,
                        *stay ? "images go through the network's own steps: %s"
                              : "images become values from 0 to 1, and nothing else is done to them%s",
                        stay);
  if (*gone) diag_note(&s->diags, d, "left out, as made for %s: %s", shape_text(s->arena, &what->from.shape), gone);
  diag_help(&s->diags, d, "to choose, give a block: input image(%lld, %lld, %lld) { %s }", (long long)to[0],
            (long long)to[1], (long long)to[2], proposal(s, &what->from, &g->input.shape, what->kept));
}
