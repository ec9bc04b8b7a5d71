/* A data set as a network's tail and step take it: the samples themselves, or, after a frozen prefix, their
 * features. Where the samples are always the same (no augmentation) the prefix runs once for each and the
 * features are kept: the feature cache. Used by loop.c and evaluate.c. */
#ifndef SURGERY_FEED_H
#define SURGERY_FEED_H
#include <signal.h>
#include "runtime/data/dataset.h"
#include "runtime/net/net.h"

typedef struct FeedOptions {
  const ManifestPhase *phase; /* whose prefix it is */
  bool augment;               /* the set's augmentations apply: nothing can be cached */
  bool cache;
  const char *folder;  /* for files of features (feature_file.h), where there is a cache; NULL: none */
  bool under_way;      /* something is trained already: where that folder cannot be used, this is a note */
  bool training;       /* batches carry what step() takes as targets */
  double mixup;        /* 0: none; else nothing can be cached either */
  int64_t cache_limit; /* bytes; more are not kept, and the prefix runs each time */
  uint64_t seed;
  const volatile sig_atomic_t *stop; /* may be NULL; set: batch_source_open gives up with SURGERY_INTERRUPTED */
  void (*broken)(void *context, const char *message);                           /* once for each unusable sample */
  void (*note)(void *context, const char *text);                                /* about the files of features */
  void (*progress)(void *context, int64_t done, int64_t total, double seconds); /* while the cache is filled */
  void *context;
} FeedOptions;

typedef struct FeedBatch {
  int64_t n;               /* usable samples, may be 0 */
  int64_t taken;           /* positions of the order done with, broken ones too */
  const void *x;           /* 64-byte aligned: features after a prefix, else samples */
  const void *target;      /* as the set has them; with mixup of the sample that has the larger share */
  const void *step_target; /* as step() takes them; NULL: not for training */
  const int32_t *mask;     /* NULL: the input has none */
} FeedBatch;

typedef struct BatchSource BatchSource;
/* Fills the cache where that is possible. The set must outlive it. */
BatchSource *batch_source_open(surgery_net *net, Dataset *set, const FeedOptions *options, surgery_error *err);
void batch_source_close(BatchSource *feed); /* NULL is fine */
/* One pass: order (NULL: as they are; else kept by the caller) from position `first` on. Ends the pass
 * before. */
int batch_source_start(BatchSource *feed, uint64_t epoch, const int64_t *order, int64_t first, int64_t batch,
                       surgery_error *err);
int batch_source_next(BatchSource *feed, FeedBatch *batch, surgery_error *err); /* 1, 0 at the end, -1 */
const ManifestPhase *batch_source_phase(const BatchSource *feed);
int64_t batch_source_count(const BatchSource *feed);        /* positions: all samples, broken ones too */
int64_t batch_source_broken(const BatchSource *feed);       /* found so far */
int64_t batch_source_cached_bytes(const BatchSource *feed); /* 0: no cache */
const char *batch_source_uncached(const BatchSource *feed); /* why there is none; NULL: it is there, or not wanted */
int64_t batch_source_read(const BatchSource *feed,
                          const char **path);         /* samples whose features came from that file; 0: none */
double batch_source_seconds(const BatchSource *feed); /* that filling it took */
double seconds_now(void);                             /* monotonic */
#endif
