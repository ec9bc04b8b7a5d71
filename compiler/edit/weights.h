/* Where the values of the network's parameters come from: a donor's weight file, or fresh ones. The take
 * binds every parameter; the driver then fills them, one after the other, into the compiled network's own
 * weight file. */
#ifndef SURGERY_EDIT_WEIGHTS_H
#define SURGERY_EDIT_WEIGHTS_H
#include "compiler/frontend/frontend.h"
#include "runtime/surgery.h"

/* Finds the donor's file (`from`, --weights, $SURGERY_WEIGHTS, PyTorch's hub cache), checks that it has every
 * tensor of the live parameters with the right shape, and binds them. Parameters whose shape is not known yet
 * are checked by weights_check. False with diagnostics, all mismatches in one. */
bool weights_bind(Session *s, Scope *scope, Graph *g, const Donor *donor);
/* After the last shapes: again, for what was not known then. */
bool weights_check(Session *s, Graph *g);

/* The initial value of a fresh parameter: what `init` says, else PyTorch's default for its layer. Its shape,
 * and for a bias the shape of its layer's weight, must be known. `init` (Param.has_init) may give a normal
 * distribution or a shifted one, for which the manifest has no form: write "fresh": null then, since the
 * values are in the file. */
FreshInit param_fresh_init(const Graph *g, ParamId param);
/* Writes the parameter's initial value to `to`: shape_count() numbers, f32 or i64 by its dtype, row-major.
 * Read from the donor's file, or fresh from a stream keyed by the train block's seed (0 without one) and the
 * parameter's name. `train` may be NULL. False with *err filled when the file fails. */
bool weights_fill(Session *s, const Graph *g, const TrainConfig *train, ParamId param, void *to,
                  surgery_error *err);
/* Closes the files that weights_bind and weights_fill keep open. */
void weights_close(Graph *g);

/* ---- between weights.c and weights_find.c ---- */
/* The donor's file: *path is NULL when its values are fresh. False with a diagnostic. */
bool weights_find(Session *s, Scope *scope, const Donor *donor, const char *model, const char **path);
/* "resnet18" of `take resnet18(10)`. */
const char *weights_model_name(const Donor *donor);
/* Names the built-in network whose keys and shapes the file has, if there is one (weights_guess.c). */
const char *weights_guess_model(Session *s, surgery_weights *file);
#endif
