/* Regions of tensors, `fc.weight[:, :10]`: their shapes, and copied out of and into row-major numbers.
 * Used by load, save and fill.c. */
#ifndef SURGERY_EDIT_REGION_H
#define SURGERY_EDIT_REGION_H
#include "compiler/graph/graph.h"

/* The shape of what it cuts out: indices take their dimension away. */
Shape region_shape(const Region *region, DType dtype);
/* True when it lies within a tensor of that shape. */
bool region_within(const Region *region, const Shape *shape);
/* "fc.weight[:, 0:10]" */
const char *region_text(Arena *arena, const char *name, const Region *region);
/* Row-major numbers of `size` bytes each: the region of `tensor` into `part`, and back. */
void region_gather(const void *tensor, const Shape *shape, const Region *region, size_t size, void *part);
void region_scatter(void *tensor, const Shape *shape, const Region *region, size_t size, const void *part);

#endif
