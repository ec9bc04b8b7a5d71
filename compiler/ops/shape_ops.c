/* The shape rules of the operators: from the shapes of the inputs and the arguments to the shape of the
 * output, all without N. Formulas are PyTorch's. */
#include "compiler/ops/shape.h"
#include <inttypes.h>

bool shape_same(ShapeContext *c) {
  *c->out = c->in[0];
  return true;
}

/* Fills in `_`, or compares what the layer was declared with to what flows in. */
static bool match_features(ShapeContext *c, const char *what, int64_t *declared, int64_t got) {
  if (*declared == HOLE_VALUE) *declared = got;
  return *declared == got || shape_wants_features(c, what, *declared, got);
}

static int64_t conv_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  int64_t span = in + 2 * padding - dilation * (kernel - 1) - 1;
  return span < 0 ? 0 : span / stride + 1;
}

static const char *const axis_name[2] = {"high", "wide"};

bool shape_conv2d(ShapeContext *c) {
  const OpArgs *a = c->args;
  if (c->in[0].rank != 3)
    return shape_wants_rank(c, "(N, C, H, W)", "a convolution needs a map: put it before the flatten");
  bool hole = c->args->in_channels == HOLE_VALUE;
  bool fits = match_features(c, "input channels", &c->args->in_channels, c->in[0].dim[0]);
  if (hole && !conv_groups_fit(c->s, a, c->node->origin)) return false;
  Shape out = {.rank = 3, .dim = {a->out_channels}};
  for (int i = 0; i < 2; i++) {
    out.dim[1 + i] = conv_size(c->in[0].dim[1 + i], a->kernel_size[i], a->stride[i], a->padding[i], a->dilation[i]);
    if (out.dim[1 + i] <= 0)
      return shape_window_too_large(c, axis_name[i], a->dilation[i] * (a->kernel_size[i] - 1) + 1,
                                    c->in[0].dim[1 + i] + 2 * a->padding[i]);
  }
  *c->out = out;
  return fits;
}

bool shape_linear(ShapeContext *c) {
  const Shape *in = &c->in[0];
  if (in->rank < 1) return shape_wants_rank(c, "(N, features)", "there is nothing to multiply with");
  int64_t features = in->dim[in->rank - 1];
  int64_t declared = c->args->in_features;
  bool map = in->rank == 3; /* almost always a forgotten Flatten; PyTorch would take the width for the features */
  if (map && (declared == HOLE_VALUE || declared != features)) return shape_wants_rank(c, "(N, features)", NULL);
  bool fits = match_features(c, "input features", &c->args->in_features, features);
  *c->out = *in;
  c->out->dim[in->rank - 1] = c->args->out_features;
  return fits;
}

bool shape_batchnorm1d(ShapeContext *c) {
  if (c->in[0].rank != 1) return shape_wants_rank(c, "(N, C)", "BatchNorm2d is the one for maps");
  bool fits = match_features(c, "features", &c->args->num_features, c->in[0].dim[0]);
  *c->out = c->in[0];
  c->out->dim[0] = c->args->num_features;
  return fits;
}

bool shape_batchnorm2d(ShapeContext *c) {
  if (c->in[0].rank != 3) return shape_wants_rank(c, "(N, C, H, W)", "BatchNorm1d is the one behind a flatten");
  bool fits = match_features(c, "channels", &c->args->num_features, c->in[0].dim[0]);
  *c->out = c->in[0];
  c->out->dim[0] = c->args->num_features;
  return fits;
}

/* A dimension counted with the batch as 0, negative from the end → one counted without it; -1: not there. */
int shape_inner_dimension(const Shape *shape, int64_t dim) {
  int64_t all = shape->rank + 1;
  if (dim < 0) dim += all;
  return dim >= 1 && dim < all ? (int)(dim - 1) : -1;
}

bool shape_softmax(ShapeContext *c) {
  if (shape_inner_dimension(&c->in[0], c->args->dim) < 0) return shape_bad_dimension(c, 0, c->args->dim, false);
  return shape_same(c);
}

/* PyTorch's pooling_output_shape: with ceil_mode the last window must begin inside the input or its left padding. */
static int64_t pool_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                         bool ceil_mode) {
  int64_t span = in + 2 * padding - dilation * (kernel - 1) - 1;
  if (span < 0 && !(ceil_mode && span + stride - 1 >= 0)) return 0;
  int64_t out = (span + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (out - 1) * stride >= in + padding) out--;
  return out;
}

bool shape_pool2d(ShapeContext *c) {
  OpArgs *a = c->args;
  if (c->in[0].rank != 3) return shape_wants_rank(c, "(N, C, H, W)", "pooling needs a map: put it before the flatten");
  Shape out = c->in[0];
  for (int i = 0; i < 2; i++) {
    if (a->stride[i] == NONE_VALUE) a->stride[i] = a->kernel_size[i];
    int64_t dilation = c->op == OP_MaxPool2d ? a->dilation[i] : 1;
    if (a->padding[i] > a->kernel_size[i] / 2) {
      Span own = a->arg_span[2]; /* padding, in both rows */
      bool there = shape_in_script(c, own);
      Diag *d = diag_report(&c->s->diags, DIAG_E0306, there ? own : c->node->origin,
                            "%s: padding %lld is more than half of the window %lld", c->node->name,
                            (long long)a->padding[i], (long long)a->kernel_size[i]);
      diag_help(&c->s->diags, d, "at most padding=%lld", (long long)a->kernel_size[i] / 2);
      if (there && a->padding[0] == a->padding[1])
        diag_fix(&c->s->diags, d, own, "%lld", (long long)a->kernel_size[i] / 2);
      return false;
    }
    out.dim[1 + i] =
        pool_size(c->in[0].dim[1 + i], a->kernel_size[i], a->stride[i], a->padding[i], dilation, a->ceil_mode);
    if (out.dim[1 + i] <= 0)
      return shape_window_too_large(c, axis_name[i], dilation * (a->kernel_size[i] - 1) + 1,
                                    c->in[0].dim[1 + i] + 2 * a->padding[i]);
  }
  *c->out = out;
  return true;
}

bool shape_adaptive_avgpool2d(ShapeContext *c) {
  if (c->in[0].rank != 3) return shape_wants_rank(c, "(N, C, H, W)", "pooling needs a map: put it before the flatten");
  *c->out = c->in[0];
  for (int i = 0; i < 2; i++)
    if (c->args->output_size[i] != NONE_VALUE) c->out->dim[1 + i] = c->args->output_size[i];
  return true;
}

bool shape_flatten(ShapeContext *c) {
  const Shape *in = &c->in[0];
  int first = shape_inner_dimension(in, c->args->start_dim), last = shape_inner_dimension(in, c->args->end_dim);
  if (first < 0) return shape_bad_dimension(c, 0, c->args->start_dim, false);
  if (last < first) return shape_bad_dimension(c, 1, c->args->end_dim, false);
  int64_t merged = 1;
  for (int i = first; i <= last; i++) merged *= in->dim[i];
  *c->out = (Shape){.rank = in->rank - (last - first), .dtype = in->dtype};
  for (int i = 0; i < first; i++) c->out->dim[i] = in->dim[i];
  c->out->dim[first] = merged;
  for (int i = last + 1; i < in->rank; i++) c->out->dim[first + i - last] = in->dim[i];
  return true;
}

bool shape_add(ShapeContext *c) {
  bool equal = shape_equal(&c->in[0], &c->in[1]);
  *c->out = c->in[equal ? 0 : shape_unedited(c, 1)];
  return equal || shape_mismatch(c, 1, "both sides of + must have the same shape");
}

bool shape_cat(ShapeContext *c) {
  int dim = shape_inner_dimension(&c->in[0], c->args->dim);
  if (dim < 0) return shape_bad_dimension(c, 0, c->args->dim, false);
  Shape out = c->in[0];
  for (size_t i = 1; i < c->in_count; i++) {
    Shape other = c->in[i];
    if (other.rank != c->in[0].rank) return shape_mismatch(c, i, "cat joins values of the same rank");
    out.dim[dim] += other.dim[dim];
    other.dim[dim] = c->in[0].dim[dim];
    if (!shape_equal(&other, &c->in[0]))
      return shape_mismatch(c, i, "cat joins values that differ in the joined dimension alone");
  }
  *c->out = out;
  return true;
}

bool shape_mean(ShapeContext *c) {
  const Shape *in = &c->in[0];
  bool gone[MAX_SHAPE_RANK] = {false};
  for (int i = 0; i < c->args->dims.count; i++) {
    int dim = shape_inner_dimension(in, c->args->dims.at[i]);
    if (dim < 0 || gone[dim]) return shape_bad_dimension(c, 0, c->args->dims.at[i], dim >= 0);
    gone[dim] = true;
  }
  *c->out = (Shape){.rank = 0, .dtype = in->dtype};
  for (int i = 0; i < in->rank; i++) {
    if (!gone[i]) c->out->dim[c->out->rank++] = in->dim[i];
    else if (c->args->keepdim) c->out->dim[c->out->rank++] = 1;
  }
  return true;
}

bool conv_groups_fit(Session *s, const OpArgs *a, Span call) {
  enum { GROUPS = 6 }; /* its place in the row */
  bool out = a->out_channels % a->groups != 0, in = a->in_channels != HOLE_VALUE && a->in_channels % a->groups != 0;
  if (!out && !in) return true;
  int64_t channels = out ? a->out_channels : a->in_channels;
  Diag *d = front_error(s, DIAG_E0113, a->arg_span[GROUPS].end ? a->arg_span[GROUPS] : call,
                        "Conv2d: groups=%" PRId64 " does not divide %s=%" PRId64, a->groups,
                        out ? "out_channels" : "in_channels", channels);
  const char *list = "1";
  int count = 1;
  for (int64_t i = 2; i <= channels && i <= 65536 && count < 12; i++)
    if (channels % i == 0 &&
        (out ? a->in_channels == HOLE_VALUE || a->in_channels % i == 0 : a->out_channels % i == 0)) {
      list = arena_printf(s->arena, "%s, %" PRId64, list, i);
      count++;
    }
  diag_help(&s->diags, d, "each group has the same number of channels, in and out: groups=%s%s", list,
            count == 12 ? ", …" : "");
  return false;
}
