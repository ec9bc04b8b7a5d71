/* Networks from ONNX files: `take "model.onnx"`. */
#ifndef SURGERY_IMPORT_ONNX_H
#define SURGERY_IMPORT_ONNX_H
#include "compiler/lang/lang.h"
#include "runtime/weights/weights.h"

/* The whole network of an ONNX file: modules, parameters (each bound to its tensor in the file, which stands
 * open as the graph's only donor), nodes, one input, one output, no stages. The input's shape is not known
 * (rank -1) where the file leaves other dimensions than the batch open. `path` is searched for as a take's
 * `from`: beside the script, in the working folder, in the folders of --weights. `origin` is the take, for
 * messages. NULL with diagnostics; the operators that are not supported are listed all at once. A file that holds
 * weights and no network is asked about by `guess`, for the message. */
typedef const char *GuessModel(Session *s, surgery_weights *file); /* a network whose weights these are, or NULL */
Graph *import_onnx(Session *s, const char *path, Span origin, GuessModel *guess);
#endif
