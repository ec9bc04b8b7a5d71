/* A donor, the network that a script takes from: of the zoo, of the script's own models, or of an ONNX file. */
#ifndef SURGERY_MODEL_H
#define SURGERY_MODEL_H
#include "compiler/lang/lang.h"
#include "runtime/weights/weights.h"

/* A whole donor by its model expression, `resnet18` or `MyModel(10)`: graph with modules, nodes, stages, input. NULL
 * with diagnostics. Shapes are not inferred. */
Graph *build_donor(Session *s, Scope *scope, const Expr *model, Span origin);
/* The built-in network whose keys and shapes the weight file has; NULL: none has them (guess.c). */
const char *weights_guess_model(Session *s, surgery_weights *file);
/* Is that the shape of a parameter? Whatever its dtype. */
bool donor_has_shape(const surgery_tensor *tensor, const Shape *shape);
#endif
