/* What the files of `inspect` share: inspect.c is the command, inspect_stats.c gathers what the values are,
 * inspect_time.c what they take, inspect_gradients.c their gradients, inspect_rank.c judges what could be removed,
 * inspect_ablate.c tries it, inspect_print.c tells it all, inspect_maps.c draws. */
#ifndef SURGERY_INSPECT_H
#define SURGERY_INSPECT_H
#include "runtime/cli/cli.h"

/* Of one value over all samples. */
typedef struct ValueStats {
  double count, sum, squares, least, most;
  double zeros, not_finite; /* how many; values that are not finite count for nothing else */
  int64_t channels;
  uint8_t *alive; /* [channels]: some number of it was not zero */
  double cosine,
      branch; /* sums over samples: of input and output, where they have one shape; of |f(x)| / |x| of a sum */
  int64_t cosines, branches; /* samples that count in them */
  int identity;              /* of a sum: the input that is x, the other is f(x); else -1 */
} ValueStats;

/* Of one block over all samples: how the stream changes between its ends. */
typedef struct BlockStats {
  double cosine, change; /* sums over samples; change: |out - in| / |in| */
  int64_t samples;       /* those with an input that is not zero */
} BlockStats;

typedef struct Stats {
  const surgery_net *net;
  int64_t samples;
  ValueStats *value;               /* [value_count] */
  BlockStats *block;               /* [block_count] */
  float *scratch;                  /* three samples' largest values for each thread */
  int64_t scratch_floats, threads; /* the scratch is for so many */
} Stats;
int stats_init(Stats *stats, const surgery_net *net, surgery_error *err);
void stats_free(Stats *stats);
/* After net_run(NET_INSPECT) of n samples x. */
void stats_add(Stats *stats, int64_t n, const float *x);
double stats_mean(const ValueStats *v);
double stats_deviation(const ValueStats *v); /* of the whole population */
int64_t stats_dead(const ValueStats *v);     /* channels that were zero in every sample */
/* One sample of a value (-1: the input) in NCHW: in place, or written to `to`, which has room for it. */
const float *value_plain(const surgery_net *net, int value, int64_t n, int64_t sample, const float *x, float *to);

/* Seconds that forward takes for one sample, all and for each value's calls. */
typedef struct Times {
  double forward;
  double *value; /* [value_count] */
} Times;
int times_measure(Times *times, surgery_net *net, const float *x, surgery_error *err);
void times_free(Times *times);

/* A tensor, a layer or a block, and the gradient of its trainable values. */
typedef struct GradientNorm {
  char *name;
  bool tensor, block;
  int64_t count;  /* trainable values; 0: none, it is frozen */
  double norm;    /* mean over the batches of the L2 norm */
  double weights; /* the L2 norm of these weights */
} GradientNorm;
typedef struct Gradients {
  GradientNorm *at;     /* tensors, then layers, then blocks */
  size_t count, blocks; /* blocks: where they begin, in the manifest's order */
  int64_t batches, samples;
  double loss;
} Gradients;
/* Steps over at most `limit` samples (0: all) of the set without an update; the weights are as before. */
int gradients_measure(Gradients *gradients, surgery_net *net, Dataset *set, int64_t batch, int64_t limit,
                      void (*each)(void *context, int64_t done, int64_t total), void *context, surgery_error *err);
void gradients_free(Gradients *gradients);
/* `count` numbers of 0 … all - 1, evenly spread. */
void spread_samples(int64_t *order, int64_t count, int64_t all);

/* Samples that are kept, for trying what happens without a block. */
typedef struct Kept {
  float *x; /* NCHW, 64-byte aligned */
  int64_t count, batch;
} Kept;

typedef struct Suggestion {
  const ManifestBlock *block;
  double score;          /* the smaller, the less is lost */
  double change, cosine; /* between what goes into the block and what comes out */
  double output,
      agreement;   /* measured without the block: |y' - y| / |y|, share of samples of the same class; NAN: not tried */
  double gradient; /* norm by norm of the weights; NAN: not known */
  double seconds;  /* that it would save, of forward */
} Suggestion;
/* Blocks that save something; free the list. -1: no memory. */
int64_t find_blocks(const Stats *stats, const Times *times, const Gradients *gradients, Suggestion **suggestions);
/* Fills output and agreement where it can. */
int ablate_blocks(Suggestion *list, int64_t count, surgery_net *net, const Kept *kept, surgery_error *err);
/* Sorts them, the most dispensable first. */
void rank_blocks(Suggestion *list, int64_t count);

typedef struct Findings {
  const surgery_net *net;
  const bool *picked; /* values to be reported */
  const Stats *stats;
  const Times *times;
  const Gradients *gradients; /* NULL: no data set, or nothing trainable */
  const Suggestion *suggestion;
  int64_t suggestions;
  bool data; /* there was a data set */
} Findings;
void print_findings(const Findings *findings);
int print_findings_json(const Findings *findings);

/* A picture of one value of one sample: DIR/NAME.png. */
typedef struct Heatmap {
  const surgery_net *net;
  int value;
  const float *values; /* NCHW */
  const float *input;  /* the network's, NCHW */
  const char *file;    /* which sample, for the caption */
} Heatmap;
bool map_possible(const ManifestValue *value);
int heatmap_write(const Heatmap *picture, const char *path, surgery_error *err);
/* A sensible choice: the first convolution, the last value of each size of map, the outputs. picked: [value_count] */
void map_choice(const surgery_net *net, bool *picked);
#endif
