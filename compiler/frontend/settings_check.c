/* Settings against the network, when all statements have run: labels, class weights, augmentation, groups.
 * Called by script.c, once before and once behind the shape pass. */
#include "compiler/frontend/internal.h"

static bool check_augment(Session *s, const Graph *g, const TrainConfig *train) {
  if (train->augment.count == 0) return true;
  if (g->input.kind != INPUT_IMAGE) {
    front_error(s, DIAG_E0506, train->span, "augment is for images, but the input is a tensor");
    return false;
  }
  for (size_t i = 0; i < train->augment.count; i++) {
    const AugmentConfig *step = &train->augment.at[i];
    if (step->kind != AUGMENT_RANDOM_RESIZED_CROP) continue;
    if (step->size[0] == g->input.shape.dim[1] && step->size[1] == g->input.shape.dim[2]) continue;
    front_error(s, DIAG_E0506, train->span, "random_resized_crop makes pictures of %lld x %lld, but the input is %s",
                (long long)step->size[0], (long long)step->size[1], shape_text(s->arena, &g->input.shape));
    return false;
  }
  return true;
}

static bool check_groups(Session *s, const Graph *g, const TrainConfig *train) {
  bool good = true;
  for (size_t i = 0; i < train->groups.count; i++) {
    const GroupConfig *group = &train->groups.at[i];
    size_t trainable = 0;
    for (size_t k = 0; k < group->params.count; k++) trainable += g->params.at[group->params.at[k]].trainable;
    if (trainable == 0) {
      Diag *d = diag_report(&s->diags, DIAG_W0501, group->span, "everything in this group is frozen");
      diag_help(&s->diags, d, "unfreeze its layers before the train block, or leave the group out");
    }
    if (group->momentum == group->momentum && train->optimizer.kind != OPTIMIZER_SGD) {
      front_error(s, DIAG_E0509, group->span, "momentum is an argument of SGD alone");
      good = false;
    }
  }
  return good;
}

bool settings_check(Session *s, Graph *g, const TrainConfig *train, Span take) {
  if (g->input.shape.rank < 0) {
    Diag *d = front_error(s, DIAG_E0506, take, "the network has no input");
    diag_help(&s->diags, d, "say what one sample looks like: input image(3, 224, 224), or input tensor(784)");
    return false;
  }
  if (!train) return true;
  bool augment = check_augment(s, g, train);
  return check_groups(s, g, train) && augment;
}

bool settings_check_shapes(Session *s, Graph *g, const TrainConfig *train, Span labels) {
  const Shape *out = &g->values.at[g->outputs.at[0].value].shape;
  int64_t classes = out->rank >= 1 ? out->dim[0] : 0;
  bool good = true;
  if (g->labels.count > 0 && (out->rank != 1 || classes != (int64_t)g->labels.count)) {
    Diag *d = front_error(s, DIAG_E0508, labels, "there are %zu labels, but the output is %s", g->labels.count,
                          shape_text(s->arena, out));
    diag_help(&s->diags, d, "name as many classes as the last layer has outputs");
    good = false;
  }
  if (!train || train->loss.kind != LOSS_CROSS_ENTROPY) return good;
  if (train->loss.weight.count > 0 && classes != (int64_t)train->loss.weight.count) {
    front_error(s, DIAG_E0508, train->span, "CrossEntropy has %zu class weights, but the output is %s",
                train->loss.weight.count, shape_text(s->arena, out));
    good = false;
  }
  return good;
}
