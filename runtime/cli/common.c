/* What several commands need: opening the network, describing its data, printing numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/cli/cli.h"
#include "runtime/base/error.h"

static surgery_net *open_with(Cli *cli, surgery_net *(*open)(const sg_network *, const char *, surgery_error *),
                              surgery_error *err) {
  /* A name that was given and is not there is a wrong input; the system is well. */
  if (cli->weights && access(cli->weights, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    sg_fail(err, SURGERY_BAD_INPUT, "%s: %s", cli->weights, strerror(errno));
    return NULL;
  }
  if (cli->threads) surgery_set_threads((int)cli->threads);
  surgery_net *net = open(cli->network, cli->weights, err);
  if (net && net->note && !cli->quiet) cli_message(cli, "note: %s", net->note);
  return net;
}

surgery_net *cli_open(Cli *cli, surgery_error *err) { return open_with(cli, surgery_open, err); }

surgery_net *cli_open_to_eval(Cli *cli, surgery_error *err) {
  surgery_net *net = open_with(cli, net_open_to_eval, err);
  char names[700];
  if (net && !cli->quiet && net_untrained_text(net, names, sizeof names))
    cli_message(cli, "note: %s never been trained: these weights are random; give trained ones with --weights", names);
  return net;
}

void cli_tell_names(const Cli *cli, const surgery_net *net, const char *path) {
  NetMetadata metadata;
  surgery_error ignored;
  if (cli->quiet || net_metadata(net, &metadata, &ignored)) return;
  if (metadata.names && !surgery_weights_keeps(path, metadata.pairs))
    cli_message(cli, "%s: the names of %zu classes do not fit into this kind of file; .safetensors keeps them", path,
                net->classes.count);
  net_free_metadata(&metadata);
}

DatasetSpec cli_spec(const surgery_net *net, DatasetRole role, bool with_targets) {
  static const char *const names_of[] = {[NAMES_OF_SCRIPT] = "labels of the script",
                                         [NAMES_OF_WEIGHTS] = "classes of the weights",
                                         [NAMES_OF_DATA] = "classes of the training set"};
  const Manifest *m = net->manifest;
  DatasetSpec spec = {.input = &m->input,
                      .role = role,
                      .classes = net_classes(m),
                      .ignores = net_ignores(m, loss_ignored(&m->train->loss)),
                      .ignore_index = loss_ignored(&m->train->loss),
                      .labels = net->classes.at,
                      .label_count = net->classes.count,
                      .labels_of = names_of[net->classes.of],
                      .loss = loss_name(&m->train->loss)};
  if (!with_targets) return spec;
  spec.target = net_classes(m) ? TARGET_CLASSES : TARGET_VALUES;
  spec.target_count = spec.target == TARGET_VALUES ? m->outputs[0].shape.count : net_positions(m);
  spec.values_too = loss_target(&m->train->loss) == LOSS_LABELS ? m->outputs[0].shape.count : 0;
  if (role == ROLE_TRAIN) spec.augment = net_first_phase(net)->recipe->augment;
  return spec;
}

void cli_note(const Cli *cli, const Dataset *set) {
  if (set && set->note && !cli->quiet) cli_message(cli, "note: %s", set->note);
}

const char *cli_label(const ClassNames *names, const Dataset *set, int64_t class, char to[24]) {
  if (class >= 0 && (size_t)class < names->count) return names->at[class];
  if (set && set->names_classes && class >= 0 && (size_t)class < set->class_count) return set->class_names[class];
  snprintf(to, 24, "%lld", (long long)class);
  return to;
}

const char *cli_bytes(double bytes, char to[32]) {
  static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
  int unit = 0;
  while (bytes >= 1000 && unit < 4) bytes /= 1000, unit++;
  snprintf(to, 32, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
  return to;
}

void cli_cpu(char *to, size_t size) {
  char line[256];
  snprintf(to, size, "unknown");
  FILE *file = fopen("/proc/cpuinfo", "re");
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(to, size, "%s", colon + 2);
    break;
  }
  if (file) fclose(file);
}

void cli_broken(void *context, const char *message) { cli_message(context, "left out: %s", message); }

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double cli_median(double *values, int64_t count) {
  if (count < 1) return 0;
  qsort(values, (size_t)count, sizeof *values, compare);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
