/* Regions of tensors, `fc.weight[:, :10]`: read from a script, and copied out of and into row-major numbers.
 * Used by load, save and weights_fill.c. */
#ifndef SURGERY_EDIT_REGION_H
#define SURGERY_EDIT_REGION_H
#include "compiler/edit/edit.h"

/* The region that the brackets mean in a tensor of these dimensions; dimensions that are not named are taken
 * whole. As everywhere in the language, what is out of range or empty is an error. */
bool region_read(EditContext *e, const Index *index, Span span, const char *name, const Shape *of, Region *out);
/* The shape of what it cuts out: indices take their dimension away. */
Shape region_shape(const Region *region, DType dtype);
/* True when it lies within a tensor of that shape. */
bool region_within(const Region *region, const Shape *shape);
/* "fc.weight[:, 0:10]" */
const char *region_text(Arena *arena, const char *name, const Region *region);
/* Row-major numbers of `size` bytes each: the region of `tensor` into `part`, and back. */
void region_gather(const void *tensor, const Shape *shape, const Region *region, size_t size, void *part);
void region_scatter(void *tensor, const Shape *shape, const Region *region, size_t size, const void *part);

/* What `load` and `save` act on: whole parameters and buffers, and regions of them. */
typedef struct TensorPick {
  ParamId param;
  const Region *region; /* in the session's arena; NULL: all of it */
} TensorPick;
typedef VEC(TensorPick) TensorPicks;
/* Whole tensors once each, in the order of the state dict within each part of a union. False with
 * diagnostics; the shapes of the network must be as known as they can be (edit_shapes_now). */
bool region_pick_tensors(EditContext *e, const Selector *selector, TensorPicks *out);
/* Reports that the tensor's shape would have to be known here. Returns false. */
bool region_unknown_shape(EditContext *e, Span span, const char *name);
#endif
