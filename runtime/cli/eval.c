/* `eval --data DIR`: loss, top-1, top-5, each class, the confusion matrix. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/cli/cli.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/finite.h"

#define WIDEST_MATRIX 20 /* classes; above, the most frequent confusions are listed */

typedef struct EvalArguments {
  const char *data;
  int64_t batch;
  bool raw;
} EvalArguments;

typedef struct Watch {
  Cli *cli;
  int64_t broken;
  bool bar;
} Watch;

static void tell_broken(void *context, const char *message) {
  Watch *watch = context;
  watch->broken++;
  if (watch->bar) fprintf(stderr, "\r\033[K");
  cli_broken(watch->cli, message);
}

static void tell_progress(void *context, int64_t done, int64_t total) {
  const Watch *watch = context;
  if (watch->bar)
    fprintf(stderr, "\r%lld of %lld%s", (long long)done, (long long)total, done == total ? "\r\033[K" : "");
}

static void print_classes(const Metrics *m, const ClassNames *names, const Dataset *set) {
  char number[24];
  cli_print(stdout, "\nclass                   right    of   share\n");
  for (int64_t c = 0; c < m->classes; c++)
    if (m->seen[c])
      cli_print(stdout, "%-20s  %7lld %5lld  %.4f\n", cli_label(names, set, c, number), (long long)m->right[c],
                (long long)m->seen[c], (double)m->right[c] / (double)m->seen[c]);
}

static void print_matrix(const Metrics *m, const ClassNames *names, const Dataset *set) {
  char number[24];
  cli_print(stdout, "\nconfusion (rows: true, columns: predicted)\n%-14s", "");
  for (int64_t c = 0; c < m->classes; c++) cli_print(stdout, " %7.7s", cli_label(names, set, c, number));
  putchar('\n');
  for (int64_t t = 0; t < m->classes; t++) {
    cli_print(stdout, "%-14.14s", cli_label(names, set, t, number));
    for (int64_t c = 0; c < m->classes; c++) cli_print(stdout, " %7lld", (long long)m->confusion[t * m->classes + c]);
    putchar('\n');
  }
}

static void print_confusions(const Metrics *m, const ClassNames *names, const Dataset *set) {
  char a[24], b[24];
  cli_print(stdout, "\nmost frequent confusions\n");
  int64_t last = INT64_MAX, last_at = -1;
  for (int k = 0; k < WIDEST_MATRIX; k++) { /* the next smaller count, equals by their place */
    int64_t best = 0, at = -1;
    for (int64_t i = 0; i < m->classes * m->classes; i++) {
      int64_t count = i / m->classes == i % m->classes ? 0 : m->confusion[i];
      if (count > best && (count < last || (count == last && i > last_at))) best = count, at = i;
    }
    if (at < 0) return;
    cli_print(stdout, "%7lld  %s taken for %s\n", (long long)best, cli_label(names, set, at / m->classes, a),
              cli_label(names, set, at % m->classes, b));
    last = best, last_at = at;
  }
}

/* One label a line; the mean above is of those that occur. */
static void print_labels(const Metrics *m, const ClassNames *names, const Dataset *set) {
  char number[24];
  cli_print(stdout, "mean AP  %.4f\nF1       %.4f  (micro %.4f)\n", metrics_summary(m).value[0],
            metrics_summary(m).value[1], metrics_micro_f1(m));
  cli_print(stdout, "\nlabel                      AP      F1    hits   wrong      of\n");
  for (int64_t i = 0; i < m->labels; i++) {
    const LabelSums *l = &m->label[i];
    cli_print(stdout, "%-20s  %.4f  %.4f %7lld %7lld %7lld\n", cli_label(names, set, i, number),
              metrics_average_precision(m, i), metrics_f1(l), (long long)l->hits, (long long)l->wrong,
              (long long)l->positive);
  }
}

static void print_values(const Metrics *m) {
  cli_print(stdout, "MAE      %.6g\nR2       %.4f\n", metrics_mae(m, -1), metrics_r2(m, -1));
  if (m->values < 2 || m->values > WIDEST_MATRIX) return;
  cli_print(stdout, "\noutput         MAE          R2\n");
  for (int64_t i = 0; i < m->values; i++)
    cli_print(stdout, "%-6lld  %10.6g  %10.4f\n", (long long)i, metrics_mae(m, i), metrics_r2(m, i));
}

static void print_metrics(const Metrics *m, const ClassNames *names, const Dataset *set) {
  cli_print(stdout, "samples  %lld\nloss     %.6f\n", (long long)m->samples, metrics_loss(m));
  if (m->label) print_labels(m, names, set);
  if (m->value) print_values(m);
  if (!m->classes) return;
  cli_print(stdout, "top-1    %.4f  (%lld of %lld)\n", metrics_top1(m), (long long)m->top1, (long long)m->targets);
  if (m->classes > 5) cli_print(stdout, "top-5    %.4f\n", metrics_top5(m));
  print_classes(m, names, set);
  if (m->confusion && m->classes <= WIDEST_MATRIX) print_matrix(m, names, set);
  else if (m->confusion) print_confusions(m, names, set);
}

static int eval(Cli *cli, const EvalArguments *a, surgery_net *net, surgery_error *err) {
  Watch watch = {.cli = cli, .bar = !cli->quiet && isatty(STDERR_FILENO)};
  DatasetSpec spec = cli_spec(net, ROLE_TEST, true);
  FeedOptions o = {.phase = net_first_phase(net), .broken = tell_broken, .context = &watch};
  Metrics metrics;
  char cause[900];
  spec.raw = a->raw;
  Dataset *set = dataset_open(a->data, &spec, err);
  cli_note(cli, set);
  BatchSource *feed = set ? batch_source_open(net, set, &o, err) : NULL;
  int status = -1;
  if (feed && metrics_init(&metrics, net->manifest, set->spec.target == TARGET_CLASSES, err) == 0) {
    status = evaluate(net, feed, a->batch, &metrics, NULL, tell_progress, &watch, err);
    if (status == 0) print_metrics(&metrics, &net->classes, set);
    if (status == 0 && !isfinite(metrics_loss(&metrics)) &&
        (finite_blame_data(set, NULL, 0, set->count, cause, sizeof cause) ||
         finite_blame_weights(net, cause, sizeof cause)))
      cli_message(cli, "warning: %s", cause);
    if (status == 0 && watch.broken)
      cli_message(cli, "%lld of %lld samples were left out", (long long)watch.broken, (long long)set->count);
    metrics_free(&metrics);
  }
  batch_source_close(feed);
  dataset_close(set);
  return status;
}

static ExitStatus run(Cli *cli) {
  EvalArguments a = {.batch = 16};
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &a, &status)) return status;
  if (!a.data) return cli_usage(cli, "--data DIR is wanted");
  surgery_net *net = cli_open_to_eval(cli, &err);
  if (!net) return cli_error(cli, &err);
  status = eval(cli, &a, net, &err) ? cli_error(cli, &err) : EXIT_DONE;
  surgery_close(net);
  return status;
}

static const Option options[] = {
    {"data", OPTION_TEXT, offsetof(EvalArguments, data), "DIR", "the data set"},
    {"batch", OPTION_COUNT, offsetof(EvalArguments, batch), "N", "samples at once (default 16)"},
    {"raw", OPTION_FLAG, offsetof(EvalArguments, raw), NULL, CLI_RAW_HELP},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_eval = {
    "eval",
    "--data DIR [options]",
    "loss, top-1, top-5, per class, confusion matrix",
    "DIR: " CLI_DATA_SETS ".\n"
    "Where a folder holds a training and a test part (IDX, CIFAR), it is the test part.\n"
    "Bytes (uint8) in these are pictures and are preprocessed, other numbers are taken as they are.",
    options,
    false,
    run};
