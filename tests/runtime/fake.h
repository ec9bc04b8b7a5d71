/* A compiled network made by hand: 64 → 32 (ReLU) → 10 in plain C, with a manifest, as generated code would
 * bring it. The runtime's tests open, run and train it without the compiler. */
#ifndef TESTS_RUNTIME_FAKE_H
#define TESTS_RUNTIME_FAKE_H
#include <stdio.h>
#include <stdlib.h>
#include "runtime/abi.h"
#include "runtime/base/recipe.h"
#include "runtime/surgery.h"

/* Stays on in release builds, where assert is gone. */
#define MUST(condition)                                                                                                \
  ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

typedef enum FakeKind {
  FAKE_FULL,  /* both layers learn */
  FAKE_HEAD,  /* fc1 is frozen: prefix, tail, step on features */
  FAKE_FROZEN /* nothing learns: no step */
} FakeKind;

typedef struct FakeOptions {
  FakeKind kind;
  const char *train;        /* the recipe, as test_recipe() takes it; NULL: none */
  const char *weights_path; /* where its build asked for; NULL: nowhere, and no file beside the program either */
  const char *input;        /* the manifest's "input"; NULL: a tensor of 64 */
  const char *labels;       /* "[…]"; NULL: empty */
  const char *layers;       /* NULL: fc1 and fc2 */
  const char *reads;        /* the manifest's "pack_reads" and "eval_reads", with a comma behind; NULL: not there */
} FakeOptions;

/* A recipe that says what the JSON does; text as { "optimizer": {"type": "SGD", "lr": 0.1}, "batch": 4 }; what it
 * leaves out is as without a train block. Lives to the end; NULL for NULL. (recipe.c) */
const TrainRecipe *test_recipe(const char *text);
/* The same of one row, its name as "type", and of a row's arguments; json: a json_t object, or NULL. */
void recipe_choice(TrainRows rows, void *json, void *config);
void recipe_arguments(const TrainArg *args, void *json, void *to);
/* Each case of the folder TRAIN_GOLDENS for a row of the family, "optimizer", "schedule" or "augment": its config, and
 * its JSON object. all: a row without a file fails. */
void test_goldens_of(const char *family, TrainRows rows, bool all, void (*test)(void *config, void *golden));
size_t golden_numbers(void *json, double *to, size_t room); /* a list of numbers as text; how many */
/* The manifest is malloc'ed: free((void *)network.manifest). */
sg_network fake_network(const FakeOptions *options);
/* Writes first weights for it, drawn from `seed`. */
void fake_write_weights(const char *path, uint64_t seed);

extern _Atomic int fake_packs, fake_prefixes; /* how often pack ran; samples that went through prefix */
extern int fake_pack_call;                    /* what pack calls its only call: 0, but for mischief */
#define FAKE_INPUT 64
#define FAKE_HIDDEN 32
#define FAKE_CLASSES 10

/* ---- files for the tests (files.c) ---- */
const char *test_path(const char *name); /* in a folder of this run; a few calls stay valid */
void test_write(const char *name, const void *data, size_t size);
void test_write_gz(const char *name, const void *data, size_t size);
char *test_read(const char *name, size_t *size); /* NULL: not there; malloc */
/* Ten clusters in 64 dimensions: x as bytes or floats, labels; the same for the same seed. */
void test_clusters(uint64_t seed, int64_t count, float *x, int32_t *label);
void test_write_csv(const char *name, uint64_t seed, int64_t count);
void test_write_idx(const char *images, const char *labels, uint64_t seed, int64_t count);
void test_remove_all(void);

int run_schedule_tests(void), run_optimizer_tests(void), run_metrics_tests(void);
int run_net_tests(void), run_caller_tests(void);
int run_cpu_tests(void);
int run_data_tests(void), run_array_tests(void);
int run_train_tests(void);
int run_cli_tests(void);
int run_inspect_tests(void);
int run_gradient_tests(void);
int run_as_program(int argc, char **argv); /* argv[1]: the weights' file; then a command */
#endif
