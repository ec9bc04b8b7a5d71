/* What `surgeryc plan` knows of a script, gathered once and printed as text or as JSON. */
#ifndef SURGERY_DRIVER_PLAN_INFO_H
#define SURGERY_DRIVER_PLAN_INFO_H
#include "compiler/driver/show/show.h"
#include "compiler/select/log.h"

typedef struct Tally {               /* layers (functions count as such) or parameters, by what became of them */
  int64_t kept, added, removed, cut; /* of the donor; not of it; of the donor, by edits or by the take */
} Tally;

typedef struct LayerInfo {         /* one node of the forward order */
  const char *name, *type, *state; /* state: as state_name() */
  const Shape *shape;
  Totals parameters; /* at the layer's first call */
} LayerInfo;

typedef struct FunctionInfo { /* a generated function; bytes(n) = per_sample min(n, samples) + fixed + scratch threads
                               */
  const char *name;
  int64_t per_sample, fixed, scratch;
  int64_t samples; /* that the runtime gives it at a time, on the threads of now; 0: all */
  double flops;    /* a sample */
  size_t calls;
} FunctionInfo;

typedef struct WeightInfo { /* where weights come from */
  const char *path;         /* NULL: fresh values */
  bool missing;             /* the file is not there */
  LogNames tensors;
  int64_t parameters;
} WeightInfo;

typedef struct PhaseInfo { /* of a train block with phases */
  const char *name;
  int64_t trained, gradients_bytes; /* numbers in parameters; bytes */
  const char *prefix_end;           /* as PlanInfo.prefix_end */
  const Shape *features;            /* what the frozen prefix returns */
} PhaseInfo;

typedef struct PlanInfo {
  const Graph *g;
  const Plan *plan;
  const EditLog *log;
  Session *s;
  Tally layers, parameters;
  Totals total;
  VEC(LayerInfo) layer;
  VEC(FunctionInfo) function;
  VEC(PhaseInfo) phase;
  VEC(WeightInfo) weights;
  int threads;
  const char *prefix_end; /* the last layer of the frozen prefix; NULL: there is none */
} PlanInfo;

PlanInfo plan_info(const Compilation *c);
int64_t function_bytes(const PlanInfo *f, const FunctionInfo *function, int64_t n);
/* Numbers in these parameters. */
int64_t count_params(const Graph *g, const ParamList *params);
/* The file and the line of a place; the statement as it is written, on one line, its blocks left out. */
const char *place_file(const PlanInfo *f, Span span, int *line);
const char *source_text(const PlanInfo *f, Span span, size_t most);
/* The file that the statement writes, of those of Graph.saves; NULL. */
const struct SavedFile *saved_by(const PlanInfo *f, const Stmt *stmt);

void plan_print_text(const PlanInfo *f);
void plan_print_json(const PlanInfo *f);
#endif
