/* Operators that only move elements or look at shapes: flatten, cat, select, positions, zeros_like. What does nothing
 * (a flatten of an NCHW value) emits nothing: the value takes its input's buffer. */
#include "compiler/ops/lower.h"
#include "compiler/ops/shape.h"
#include <inttypes.h>

/* ---- flatten ---- */

bool shape_flatten(ShapeContext *c) {
  const Shape *in = &c->in[0];
  int first = shape_inner_dimension(in, c->args->Flatten.start_dim),
      last = shape_inner_dimension(in, c->args->Flatten.end_dim);
  if (first < 0) return shape_bad_dimension(c, 0, c->args->Flatten.start_dim, false);
  if (last < first) return shape_bad_dimension(c, 1, c->args->Flatten.end_dim, false);
  int64_t merged = 1;
  for (int i = first; i <= last; i++) merged *= in->dim[i];
  *c->out = (Shape){.rank = in->rank - (last - first), .dtype = in->dtype};
  for (int i = 0; i < first; i++) c->out->dim[i] = in->dim[i];
  c->out->dim[first] = merged;
  for (int i = last + 1; i < in->rank; i++) c->out->dim[first + i - last] = in->dim[i];
  return true;
}

/* The elements' row-major order does not change, so the plain layout of one is that of the other. */
void lower_flatten(Lower *l, NodeId n) { lower_alias(l, n, LAYOUT_NCHW); }

void grad_flatten(Lower *l, NodeId n) {
  ValueId in = input_value(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, in, LAYOUT_NCHW);
  ElementwiseParams k = {.count = shape_count(value_shape(l, in)), .accumulate = dx.accumulate};
  EMIT(l, copy, &k, n, "grad_input", .x = dy, .y = dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- cat ---- */

bool shape_cat(ShapeContext *c) {
  int dim = shape_inner_dimension(&c->in[0], c->args->cat.dim);
  if (dim < 0) return shape_bad_dimension(c, 0, c->args->cat.dim, false);
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

static CatParams cat_constants(const Lower *l, NodeId n, size_t input, int64_t to) {
  const Shape *in = value_shape(l, node_at(l->g, n)->inputs.at[input]), *out = value_shape(l, output_value(l, n));
  Around a = shape_around(out, node_args(l->g, n)->cat.dim);
  bool blocked = out->rank == 3 && a.at == 0;
  return (CatParams){.c = in->dim[a.at],
                     .to = to,
                     .total = a.size,
                     .row_major = !blocked,
                     .hw = blocked ? a.inner : 0,
                     .outer = a.outer,
                     .inner = a.inner};
}

void lower_cat(Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
  Layout layout = cat_constants(l, n, 0, 0).row_major ? LAYOUT_NCHW : LAYOUT_NCHW16C;
  BufferId *in = arena_array(l->arena, BufferId, node->inputs.count + 1);
  for (size_t i = 0; i < node->inputs.count; i++) in[i] = value_in(l, node->inputs.at[i], layout);
  l->node[n].y = value_out(l, node->output, layout);
  int64_t to = 0;
  for (size_t i = 0; i < node->inputs.count; i++) {
    CatParams k = cat_constants(l, n, i, to);
    EMIT(l, cat_copy, &k, n, "forward", .x = in[i], .y = l->node[n].y);
    to += k.c;
  }
}

void grad_cat(Lower *l, NodeId n) {
  const Node *node = node_at(l->g, n);
  Layout layout = cat_constants(l, n, 0, 0).row_major ? LAYOUT_NCHW : LAYOUT_NCHW16C;
  BufferId dy = grad_of_group(l, n, layout);
  int64_t to = 0;
  for (size_t i = 0; i < node->inputs.count; i++) {
    CatParams k = cat_constants(l, n, i, to);
    to += k.c;
    if (!wants_grad(l, node->inputs.at[i])) continue;
    GradOut dx = grad_begin(l, node->inputs.at[i], layout);
    k.accumulate = dx.accumulate;
    EMIT(l, cat_grad, &k, n, "grad_input", .dy = dy, .dx = dx.buffer);
    grad_end(l, n, &dx);
  }
}

/* ---- select ---- */

bool shape_select(ShapeContext *c) {
  const Shape *in = &c->in[0];
  int dim = shape_inner_dimension(in, c->args->select.dim);
  if (dim < 0) return shape_bad_dimension(c, 0, c->args->select.dim, false);
  int64_t size = in->dim[dim], index = c->args->select.index;
  if (index < -size || index >= size) {
    Diag *d = diag_report(&c->s->diags, DIAG_E0317, shape_blame(c), "%s: dimension %d of %s has no place %" PRId64,
                          c->node->name, dim + 1, shape_input_text(c, 0), index);
    shape_label(c, d, 0);
    diag_help(&c->s->diags, d, "its places are 0 to %" PRId64 ", or -1 to -%" PRId64 " from the end", size - 1, size);
    return false;
  }
  *c->out = (Shape){.rank = in->rank - 1, .dtype = in->dtype};
  for (int i = 0, to = 0; i < in->rank; i++)
    if (i != dim) c->out->dim[to++] = in->dim[i];
  return true;
}

static CatParams select_constants(const Lower *l, NodeId n) {
  const selectArgs *args = &node_args(l->g, n)->select;
  Around a = shape_around(value_shape(l, input_value(l, n)), args->dim);
  return (CatParams){.c = 1,
                     .to = args->index < 0 ? args->index + a.size : args->index,
                     .total = a.size,
                     .row_major = 1,
                     .outer = a.outer,
                     .inner = a.inner};
}

/* The gradient of a cat takes one part out of many: that is what is wanted here. */
void lower_select(Lower *l, NodeId n) {
  CatParams k = select_constants(l, n);
  BufferId x = value_in(l, input_value(l, n), LAYOUT_NCHW);
  EMIT(l, cat_grad, &k, n, "forward", .dy = x, .dx = node_out(l, n, LAYOUT_NCHW));
}

void grad_select(Lower *l, NodeId n) {
  CatParams k = select_constants(l, n);
  BufferId dy = grad_of_group(l, n, LAYOUT_NCHW);
  GradOut dx = grad_begin(l, input_value(l, n), LAYOUT_NCHW);
  k.accumulate = dx.accumulate;
  EMIT(l, select_grad, &k, n, "grad_input", .dy = dy, .dx = dx.buffer);
  grad_end(l, n, &dx);
}

/* ---- positions and zeros ---- */

bool shape_positions(ShapeContext *c) {
  if (c->in[0].rank < 1) return shape_wants_rank(c, "(N, T)", "there are no tokens to count");
  *c->out = (Shape){.rank = 1, .dim = {c->in[0].dim[0]}, .dtype = DTYPE_I64};
  return true;
}

bool shape_zeros_like(ShapeContext *c) {
  *c->out = c->in[0];
  if (c->in[0].dtype == DTYPE_I64) return true;
  c->out->rank = -1;
  if (c->s->diags.errors > 0) return false; /* an Embedding beside it has said so */
  return shape_wants_rank(c, "token numbers (N, T)",
                          "zeros_like makes token numbers of token numbers: the types of the tokens");
}

/* positions and zeros_like: of what flows in only the shape matters. */
void lower_positions(Lower *l, NodeId n) {
  PositionsParams k = {.count = value_shape(l, output_value(l, n))->dim[0],
                       .step = node_at(l->g, n)->op == OP_positions};
  EMIT(l, positions, &k, n, "forward", .y = node_out(l, n, LAYOUT_NCHW));
}
