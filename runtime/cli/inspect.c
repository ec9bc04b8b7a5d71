/* `inspect`: what the values of the network are like on given files or a data set, their gradients, which layers could
 * be removed, and pictures of the values. The other inspect_*.c do the work; here are the arguments and the order of
 * it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/cli/inspect.h"
#include "runtime/base/error.h"

#define MAPS_OF_DATA 3 /* samples that are drawn where there is a data set and no file */
#define KEPT 64        /* samples, spread over all, on which blocks are left out for a trial */

typedef struct InspectArguments {
  const char *layers, *maps, *data;
  int64_t batch, step_batch, limit;
  bool json, raw;
} InspectArguments;

typedef struct Inspect {
  Cli *cli;
  const InspectArguments *a;
  surgery_net *net;
  Dataset *set;
  Stats stats;
  Times times;
  Gradients gradients;
  bool *picked, *drawn; /* [value_count]: for the tables, for the pictures */
  Kept kept;
  float *scratch; /* a value of one sample */
  int64_t broken, pictures;
  bool bar;
} Inspect;

static void tell_progress(void *context, int64_t done, int64_t total) {
  const Inspect *in = context;
  if (in->bar) fprintf(stderr, "\r%lld of %lld%s", (long long)done, (long long)total, done >= total ? "\r\033[K" : "");
}

/* ---- pictures ---- */

static int make_folder(const char *path, surgery_error *err) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST) {
    struct stat s;
    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode)) return 0;
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: there is a file of that name, and a folder is wanted", path);
  }
  return sg_fail_system(err, errno, "%s", path);
}

/* Letters, digits, '.', '-' and '_' stay; a name never begins with a dot. */
static void safe_name(const char *name, char *to, size_t size) {
  size_t at = 0;
  for (; *name && at + 1 < size; name++) {
    char c = *name;
    bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    to[at] = !plain || (c == '.' && at == 0) ? '_' : c;
    at++;
  }
  to[at] = 0;
}

/* Where a sample's pictures go: DIR itself for a single one, else a folder of its own: the file's name, with a number
 * after it where another has it too. */
static int sample_folder(const Inspect *in, const char *sample, bool single, char *to, size_t size,
                         surgery_error *err) {
  if (single) {
    snprintf(to, size, "%s", in->a->maps);
    return 0;
  }
  char name[200];
  const char *slash = strrchr(sample, '/');
  safe_name(slash && slash[1] ? slash + 1 : sample, name, sizeof name);
  char *dot = strrchr(name, '.');
  if (dot && dot != name) *dot = 0;
  struct stat s;
  snprintf(to, size, "%s/%s", in->a->maps, name);
  for (int k = 2; stat(to, &s) == 0 && k < 10000; k++) snprintf(to, size, "%s/%s-%d", in->a->maps, name, k);
  return make_folder(to, err);
}

static int draw_sample(Inspect *in, int64_t n, int64_t sample, int64_t index, const float *x, bool single,
                       surgery_error *err) {
  char name[1200], folder[5000], safe[200], path[5300];
  const Manifest *m = in->net->manifest;
  in->set->name(in->set, index, name, sizeof name);
  if (sample_folder(in, name, single, folder, sizeof folder, err)) return -1;
  for (size_t i = 0; i < m->value_count; i++) {
    if (!in->drawn[i] || !map_possible(&m->values[i])) continue;
    Heatmap p = {.net = in->net, .value = (int)i, .input = x + sample * m->input.shape.count, .file = name};
    p.values = value_plain(in->net, (int)i, n, sample, x, in->scratch);
    safe_name(m->values[i].name, safe, sizeof safe);
    snprintf(path, sizeof path, "%s/%s.png", folder, safe);
    if (heatmap_write(&p, path, err)) return -1;
    in->pictures++;
  }
  return 0;
}

/* ---- the pass over the samples ---- */

/* Evenly spread over the `count` positions of the order. */
static void keep_samples(Inspect *in, const Batch *b, int64_t count) {
  int64_t floats = in->net->manifest->input.shape.count;
  for (int64_t i = 0; i < b->n; i++)
    if ((b->first + i) * KEPT / count >= in->kept.count && in->kept.count < KEPT)
      memcpy(in->kept.x + in->kept.count++ * floats, b->x + i * floats, (size_t)floats * sizeof(float));
}

static int take_batch(Inspect *in, const Batch *b, int64_t count, int64_t *left_to_draw, bool single,
                      surgery_error *err) {
  for (size_t i = 0; i < b->broken_count; i++) {
    if (in->bar) fprintf(stderr, "\r\033[K");
    cli_broken(in->cli, b->broken[i]);
  }
  in->broken += (int64_t)b->broken_count;
  if (b->n == 0) return 0;
  if (net_run(in->net, &(NetRun){NET_INSPECT, .n = b->n, .x = b->x, .mask = b->mask}, err)) return -1;
  keep_samples(in, b, count);
  stats_add(&in->stats, b->n, b->x);
  for (int64_t i = 0; i < b->n && *left_to_draw > 0; i++, --*left_to_draw)
    if (draw_sample(in, b->n, i, b->index[i], b->x, single, err)) return -1;
  return 0;
}

static int run_samples(Inspect *in, surgery_error *err) {
  int64_t count = in->a->limit && in->a->limit < in->set->count ? in->a->limit : in->set->count, done = 0;
  int64_t draw = !in->a->maps ? 0 : in->cli->operand_count ? count : MAPS_OF_DATA;
  int64_t *order = malloc((size_t)(count + 1) * sizeof *order);
  if (!order) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for %lld samples", (long long)count);
  spread_samples(order, count, in->set->count);
  LoaderOptions o = {
      .order = order, .count = count, .batch = in->a->batch, .threads = loader_threads_beside(), .help = true};
  Loader *loader = loader_start(in->set, &o, err);
  bool single = count == 1 || draw == 1;
  int status = loader ? 1 : -1;
  Batch b;
  while (status > 0 && (status = loader_next(loader, &b, err)) > 0) {
    if (take_batch(in, &b, count, &draw, single, err)) status = -1;
    done += b.taken;
    tell_progress(in, done, count);
  }
  loader_stop(loader);
  free(order);
  if (status == 0 && in->stats.samples == 0)
    return sg_fail(err, SURGERY_BAD_INPUT, "none of the %lld samples can be used", (long long)count);
  return status;
}

/* ---- the order of it all ---- */

static int choose_values(Inspect *in, surgery_error *err) {
  const Manifest *m = in->net->manifest;
  int64_t most = 1;
  for (size_t i = 0; i < m->value_count; i++)
    if (m->values[i].shape.count > most) most = m->values[i].shape.count;
  in->picked = calloc(m->value_count + 1, sizeof *in->picked),
  in->drawn = calloc(m->value_count + 1, sizeof *in->drawn);
  in->scratch = malloc((size_t)most * sizeof(float));
  if (!in->picked || !in->drawn || !in->scratch ||
      posix_memalign((void **)&in->kept.x, 64, (size_t)(KEPT * m->input.shape.count) * 4 + 64))
    return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (net_select_values(in->net, in->a->layers ? in->a->layers : "all", in->picked, err)) return -1;
  if (in->a->layers) memcpy(in->drawn, in->picked, m->value_count * sizeof *in->drawn);
  else map_choice(in->net, in->drawn);
  return 0;
}

static int open_set(Inspect *in, surgery_error *err) {
  DatasetSpec spec = cli_spec(in->net, ROLE_TEST, in->cli->operand_count == 0);
  spec.raw = in->a->raw;
  in->set = in->cli->operand_count
                ? dataset_open_inputs((const char *const *)in->cli->operand, (size_t)in->cli->operand_count, &spec, err)
                : dataset_open(in->a->data, &spec, err);
  cli_note(in->cli, in->set);
  return in->set ? 0 : -1;
}

static int measure_gradients(Inspect *in, surgery_error *err) {
  if (!in->a->data || !net_has(in->net, net_first_phase(in->net), NET_STEP)) return 0;
  DatasetSpec spec = cli_spec(in->net, ROLE_TEST, true);
  spec.raw = in->a->raw;
  Dataset *set = dataset_open(in->a->data, &spec, err);
  int64_t batch = in->a->step_batch ? in->a->step_batch : in->net->manifest->train->stages[0].batch;
  int status = set ? gradients_measure(&in->gradients, in->net, set, batch, in->a->limit, tell_progress, in, err) : -1;
  dataset_close(set);
  return status;
}

static int tell(Inspect *in, surgery_error *err) {
  Suggestion *suggestions = NULL;
  const Gradients *gradients = in->gradients.batches ? &in->gradients : NULL;
  int64_t count = find_blocks(&in->stats, &in->times, gradients, &suggestions);
  if (count < 0) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  if (ablate_blocks(suggestions, count, in->net, &in->kept, err)) {
    free(suggestions);
    return -1;
  }
  rank_blocks(suggestions, count);
  Findings f = {.net = in->net,
                .picked = in->picked,
                .stats = &in->stats,
                .times = &in->times,
                .gradients = gradients,
                .suggestion = suggestions,
                .suggestions = count,
                .data = in->a->data != NULL};
  int status = 0;
  if (!in->a->json) print_findings(&f);
  else if (print_findings_json(&f)) status = sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  free(suggestions);
  if (status == 0 && in->a->maps && !in->cli->quiet)
    cli_message(in->cli, "%lld pictures in %s", (long long)in->pictures, in->a->maps);
  return status;
}

static int inspect(Inspect *in, surgery_error *err) {
  if (!net_has(in->net, NULL, NET_INSPECT))
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "the network was compiled without its inspect function, which only programs have");
  if (choose_values(in, err) || stats_init(&in->stats, in->net, err) || open_set(in, err) ||
      (in->a->maps && make_folder(in->a->maps, err)) || run_samples(in, err) ||
      times_measure(&in->times, in->net, in->kept.x, err) || measure_gradients(in, err))
    return -1;
  return tell(in, err);
}

static ExitStatus run(Cli *cli) {
  InspectArguments a = {.batch = 4};
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &a, &status)) return status;
  if (cli->operand_count == 0 && !a.data) return cli_usage(cli, "which files? Or a data set: --data DIR");
  Inspect in = {.cli = cli,
                .a = &a,
                .kept.batch = a.batch,
                .net = cli_open(cli, &err),
                .bar = !cli->quiet && isatty(STDERR_FILENO)};
  if (!in.net) return cli_error(cli, &err);
  status = inspect(&in, &err) ? cli_error(cli, &err) : EXIT_DONE;
  if (status == EXIT_DONE && in.broken) {
    cli_message(cli, "%lld of %lld samples were left out", (long long)in.broken, (long long)in.set->count);
    if (cli->operand_count) status = EXIT_WRONG_INPUT;
  }
  if (in.stats.net) stats_free(&in.stats);
  times_free(&in.times), gradients_free(&in.gradients);
  free(in.picked), free(in.drawn), free(in.kept.x), free(in.scratch);
  dataset_close(in.set);
  surgery_close(in.net);
  return status;
}

#define AT(field) offsetof(InspectArguments, field)
static const Option options[] = {
    {"layers", OPTION_TEXT, AT(layers), "SELECTOR",
     "only these, in the table and as pictures (default: all in the table)"},
    {"maps", OPTION_TEXT, AT(maps), "DIR",
     "a picture (PNG) of each layer for each file (default: the first convolution, the end of"
     " each stage, the output)"},
    {"data", OPTION_TEXT, AT(data), "DIR",
     "a data set as eval takes it: for the gradients, and, without FILE, for all else"},
    {"limit", OPTION_COUNT, AT(limit), "N", "so many samples, spread over all (default: all)"},
    {"batch", OPTION_COUNT, AT(batch), "N", "samples at once (default 4: every value is kept in memory)"},
    {"step-batch", OPTION_COUNT, AT(step_batch), "N",
     "samples in a training step, for the gradients (default: the script's)"},
    {"raw", OPTION_FLAG, AT(raw), NULL, CLI_RAW_HELP},
    {"json", OPTION_FLAG, AT(json), NULL, "all numbers as JSON"},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_inspect = {
    "inspect",
    "[options] FILE…",
    "statistics and pictures of every layer, gradients, what could be removed",
    "FILE: a picture (JPEG, PNG, WebP, GIF, BMP, TIFF), a .npy, IDX or .npz file, or a folder of pictures, as predict "
    "takes them.\n"
    "SELECTOR: as in scripts: 'layer1', 'layer4.*.conv?', '/bn/', 'every ReLU in layer2', 'conv1..layer2', '[0:2]', "
    "'all\n"
    "except fc', and unions with commas.\n"
    "dead: channels that are zero in every sample; cosine: between a layer's input and output; |f|/|x|: of a sum, the "
    "branch against\n"
    "the identity; ms: of forward, one sample. Of what could be removed: output: how the output changes without it, "
    "|y' - y| / |y|, and\n"
    "agree: how often the class stays the same, both tried on 64 samples at most; change: |out - in| / |in|; gradient "
    "by weights.",
    options,
    true,
    run};
