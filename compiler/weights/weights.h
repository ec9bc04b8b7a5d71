/* Where the values of the network's parameters come from: a donor's weight file, or fresh ones. The take
 * binds every parameter; the driver then fills them, one after the other, into the compiled network's own
 * weight file. */
#ifndef SURGERY_EDIT_WEIGHTS_H
#define SURGERY_EDIT_WEIGHTS_H
#include "compiler/model/model.h"
#include "compiler/settings/config.h"
#include "runtime/surgery.h"
#include "compiler/graph/graph.h"

/* One tensor of a `save`: what a reader of the file will find, and the record of the parameter as it was at
 * that statement, from which its values are made when the file is written, or read by a later `load`. */
typedef struct SavedTensor {
  surgery_tensor head;
  Param value;
  const Region *region; /* of it; NULL: all */
} SavedTensor;
typedef struct SavedFile {
  const char *path; /* as the script writes it; NULL: no file, but values that `adapt` goes on from */
  const char *real; /* the same from the root */
  Span span;
  VEC(SavedTensor) tensors;
} SavedFile;

/* Finds the donor's file (`from`, --weights, $SURGERY_WEIGHTS, PyTorch's hub cache), checks that it has every
 * tensor of the live parameters with the right shape, and binds them. Parameters whose shape is not known yet
 * are checked by weights_check. All mismatches are one diagnostic, counted in s->weight_errors: the script
 * goes on. */
void weights_bind(Session *s, Scope *scope, Graph *g, const Donor *donor);
/* After the last shapes: again, for what was not known then. */
bool weights_check(Session *s, Graph *g);

/* The initial value of a fresh parameter: what `init` says, else PyTorch's default for its layer. Its shape,
 * and for a bias the shape of its layer's weight, must be known. */
Initializer param_initializer(const Graph *g, ParamId param);
/* The row of a fresh table that is 0: an Embedding's padding_idx; -1: none. */
int64_t param_zero_row(const Graph *g, ParamId param);
/* Writes the parameter's initial value to `to`: shape_count() numbers, f32 or i64 by its dtype, row-major.
 * Read from the donor's file, or fresh from a stream keyed by the train block's seed (0 without one) and the
 * parameter's name. `train` may be NULL. False with *err filled when the file fails. */
bool weights_fill(Session *s, const Graph *g, const TrainConfig *train, ParamId param, void *to, surgery_error *err);
/* The same for the record of a parameter that a `save` kept. */
bool weights_fill_saved(Session *s, const Graph *g, const TrainConfig *train, const SavedTensor *tensor, void *to,
                        surgery_error *err);
/* No `save` may write over a file that was read. False with diagnostics. */
bool weights_check_saves(Session *s, const Graph *g);
/* The names of the network's classes as weight files keep them (metadata "class_names", a JSON list); NULL:
 * they have none. */
const char *weights_class_names(Session *s, Graph *g);
/* Closes the files that weights_bind and weights_fill keep open. */
void weights_close(Graph *g);

/* ---- shared by weights*.c, load.c and save.c ---- */
/* Opens what the donor names; true for fresh values and for files that this script saves. False with a
 * diagnostic. */
bool donor_open(Session *s, DonorFile *donor);
/* The same once more, for the numbers; false with *err filled. */
bool donor_reopen(Session *s, DonorFile *donor, surgery_error *err);
/* A parameter's name as it is in the file, by what the script wrote behind `under`. */
const char *donor_key(Arena *arena, const DonorFile *donor, const char *name);
/* Finds out, from the names that are wanted, whether what is behind `under` stands before them or in the
 * place of one container. */
void donor_place(Arena *arena, DonorFile *donor, const char *const *names, size_t count);
bool donor_same_file(const DonorFile *a, const DonorFile *b);
const surgery_tensor *donor_find(DonorFile *donor, const char *key);
/* The same under the other names that a parameter may have in a file (weights_names.c); the tensor's own name is the
 * one there. */
const surgery_tensor *donor_find_named(Arena *arena, DonorFile *donor, const char *key);
/* Notes, once for a file each, what was taken off or translated; said: zeros at first. */
void donor_names_note(Session *s, DonorFile *donor, const char *key, const surgery_tensor *tensor, bool said[2]);
/* A tensor that is no part of any network here, whoever asks for all of a file. */
bool donor_ignores(const char *name);
size_t donor_count(const DonorFile *donor);
const surgery_tensor *donor_at(const DonorFile *donor, size_t index);
/* The shape of a file's tensor as the compiler writes it; rank -1: more dimensions than it knows. */
Shape donor_shape(const surgery_tensor *tensor);
const char *donor_shape_text(Arena *arena, const surgery_tensor *tensor);
/* Notes what was recognised around the weights. */
void donor_notes(Session *s, const DonorFile *donor);
/* That this tensor is converted to f32: once for a file. */
void donor_conversion_note(Session *s, const DonorFile *donor, const surgery_tensor *tensor, bool *said);
bool donor_may_lack(const Graph *g, const Param *p);
bool donor_is_float(const surgery_tensor *tensor);
/* A file's integers for a parameter of numbers, or the other way round. */
bool donor_wrong_dtype(const Param *p, const surgery_tensor *tensor);
/* The parameter's value is fresh from here on, or what the caller sets next. */
void weights_forget(Param *p);

typedef enum WeightSearch {
  WEIGHTS_FOUND,
  WEIGHTS_MISSING, /* the file is not there: said, unless that is allowed; *path is the name that was asked
                      for */
  WEIGHTS_WRONG    /* with a diagnostic */
} WeightSearch;
/* The donor's file: *path is NULL when its values are fresh. */
WeightSearch weights_find(Session *s, Scope *scope, const Donor *donor, const char *model, const char **path);
/* The file that a `load` names: one that this script saves, or one on disk, whose path is *path. */
WeightSearch weights_find_file(Session *s, const Graph *g, const char *file, Span span, const char **path,
                               SavedFile **saved);
/* From the root, with links in its folder followed; the file itself need not be there. */
const char *absolute_path(Arena *arena, const char *path);
/* The name under which torchvision publishes the weights of a built-in network; NULL: it does not. */
const char *weights_usual_file(Session *s, const char *model);
/* "resnet18" of `take resnet18(10)`. */
const char *weights_model_name(const Donor *donor);
/* One tensor that is asked for. */
typedef struct WantedTensor {
  const char *name; /* in the network */
  const Shape *shape;
  bool optional;
} WantedTensor;
typedef VEC(WantedTensor) WantedList;
typedef struct FoundUnder { /* what a script writes behind `under` … */
  const char *under;
  const char *inner; /* … the container whose place it takes, NULL: it stands before the names … */
  const char *where; /* … how the names differ there, for a message … */
  size_t fit;        /* … and how many of the wanted it gives */
} FoundUnder;
typedef VEC(FoundUnder) FoundList;
/* Where the file has what is wanted, in front of all names or in the place of a container, in any of its sets
 * of weights; those first that give all. Only sets that give more than `fit` (weights_under.c). */
void weights_find_under(Session *s, const DonorFile *donor, const WantedList *wanted, size_t fit, FoundList *found);
/* Says so in a message on the file; true where `under` gives all, and is the cure. `layer`: a load's one
 * layer, whose name stands in what is written behind `under`; NULL. */
bool weights_help_under(Session *s, Diag *d, const DonorFile *donor, const FoundList *found, size_t wanted,
                        const char *layer);

/* ---- regions of tensors (region.c) ---- */

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
