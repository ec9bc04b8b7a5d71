/* What `load` and `save` act on: tensors and regions of them, read from a script (tensor_picks.c). */
#ifndef SURGERY_EDIT_TENSOR_PICKS_H
#define SURGERY_EDIT_TENSOR_PICKS_H
#include "compiler/edit/edit.h"
#include "compiler/weights/region.h"

/* The region that the brackets mean in a tensor of these dimensions; dimensions that are not named are taken
 * whole. As everywhere in the language, what is out of range or empty is an error. */
bool region_read(EditContext *e, const Index *index, Span span, const char *name, const Shape *of, Region *out);
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
