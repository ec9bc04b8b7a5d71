/* The blocks input, labels and train: bound, checked, and after all statements checked once more. */
#ifndef SURGERY_SETTINGS_H
#define SURGERY_SETTINGS_H
#include "compiler/lang/lang.h"
#include "compiler/settings/config.h"

/* Each is false with diagnostics. */
/* The steps of its block, by PreprocessKind: how each is written, and what it does. */
enum { PREPROCESS_STEPS = PRE_EXIF_TRANSPOSE + 1 };
typedef struct PreprocessStep {
  const char *name, *value, *doc;
} PreprocessStep;
extern const PreprocessStep preprocess_steps[PREPROCESS_STEPS];
bool eval_input(Session *s, Scope *scope, Graph *g, const Stmt *stmt);
bool eval_labels(Session *s, Scope *scope, Graph *g, const Stmt *stmt);
/* Fills `train` from its defaults (Adam(lr=1e-3), CrossEntropy, batch 32, epochs 10, seed 0) and the block. */
bool eval_train(Session *s, Scope *scope, Graph *g, const Stmt *stmt, TrainConfig *train);

/* inherit.c: the network's own preprocessing for an image input without a block. */
void inherit_preprocess(Session *s, Graph *g, Input *input);
void tell_inherited(Session *s, const Graph *g); /* the note; in the end, where nothing is wrong */
/* Settles what adapt means for the network's own preprocessing; after all statements. */
void settle_adapted(Session *s, Graph *g);
const char *size_text(Session *s, const int64_t dim[2]);

/* ---- after all statements (check.c) ---- */
/* Before the shape pass and behind it; `take` and `labels` are where those statements stand. */
bool settings_check(Session *s, Graph *g, TrainConfig *train, Span take);
bool settings_check_shapes(Session *s, Graph *g, const TrainConfig *train, Span labels);

/* ---- names that are known, and names that the language has but this version does not ---- */

/* True when `name` is one of `known`. Otherwise reports E0503 for one of `later`, or `code` with a suggestion. */
bool known_name(Session *s, DiagCode code, const char *what, const char *name, Span span, const char *const *known,
                size_t known_count, const char *const *later, size_t later_count);
#endif
