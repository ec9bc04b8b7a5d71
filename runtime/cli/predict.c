/* `predict FILE…`: classes with probabilities, or what the outputs look like; raw outputs into .npy files. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cli/overwrite.h"
#include "runtime/train/finite.h"

typedef struct PredictArguments {
  int64_t top, batch;
  bool json, raw, force;
  const char *out;
} PredictArguments;

typedef struct Prediction {
  Cli *cli;
  const PredictArguments *a;
  surgery_net *net;
  Dataset *set;
  bool classifier; /* the first output is one row of logits or probabilities a sample */
  bool softmax;    /* to be applied here */
  bool sigmoid;    /* instead of it: the network was trained with BCEWithLogits */
  int64_t classes;
  int64_t printed, broken, rows;
  bool told_wild;
  float *kept[SG_MAX_OUTPUTS]; /* for --out: (rows, …) */
} Prediction;

static bool ends_in_softmax(const Manifest *m) {
  return m->layer_count && strcmp(m->layers[m->layer_count - 1].type, "Softmax") == 0;
}

/* to: [p->classes], from `count` outputs; one logit under BCEWithLogits tells two classes apart. */
static void probabilities(const Prediction *p, const float *y, int64_t count, double *to) {
  if (p->sigmoid) {
    for (int64_t i = 0; i < count; i++) to[i] = 1 / (1 + exp(-(double)y[i]));
    if (count == 1) to[1] = to[0], to[0] = 1 - to[1];
    return;
  }
  double largest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; i++) largest = fmax(largest, y[i]);
  for (int64_t i = 0; i < count; i++) sum += to[i] = p->softmax ? exp(y[i] - largest) : y[i];
  for (int64_t i = 0; i < count && p->softmax; i++) to[i] /= sum;
}

/* The next best class after `last` (-1: the best); equals by number. NaN is worse than all. */
static int64_t next_best(const double *value, int64_t count, int64_t last) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; i++) {
    double v = isnan(value[i]) ? -INFINITY : value[i], l = last < 0             ? INFINITY
                                                           : isnan(value[last]) ? -INFINITY
                                                                                : value[last];
    if (last >= 0 && (v > l || (v == l && i <= last))) continue;
    if (best < 0 || v > (isnan(value[best]) ? -INFINITY : value[best])) best = i;
  }
  return best;
}

/* A text as JSON wants it: valid UTF-8. */
static json_t *json_text(const char *text) {
  json_t *string = json_string(text);
  if (string) return string;
  char *copy = strdup(text);
  for (char *c = copy; c && *c; c++)
    if (*c & 0x80) *c = '?';
  string = json_string(copy ? copy : "?");
  free(copy);
  return string;
}

static json_t *json_classes(const Prediction *p, const double *value, int64_t count) {
  json_t *list = json_array();
  char number[24];
  int64_t class = -1;
  for (int64_t k = 0; k < p->a->top && k < count; k++) {
    class = next_best(value, count, class);
    json_t *one = json_object();
    json_object_set_new(one, "class", json_integer(class));
    json_object_set_new(one, "label", json_text(cli_label(&p->net->classes, NULL, class, number)));
    json_object_set_new(one, "probability", isfinite(value[class]) ? json_real(value[class]) : json_null());
    json_array_append_new(list, one);
  }
  return list;
}

static json_t *json_values(const float *y, const ManifestShape *shape) {
  json_t *list = json_array();
  for (int64_t i = 0; i < shape->count; i++)
    json_array_append_new(list, isfinite(y[i]) ? json_real(y[i]) : json_null());
  return list;
}

/* By name, for a network that has several. */
static json_t *json_outputs(const Prediction *p, int64_t row) {
  const Manifest *m = p->net->manifest;
  json_t *object = json_object();
  for (size_t o = 0; o < m->output_count; o++)
    json_object_set_new(
        object, m->outputs[o].name,
        json_values((const float *)p->net->outputs[o] + row * m->outputs[o].shape.count, &m->outputs[o].shape));
  return object;
}

static void print_classes(const Prediction *p, const char *name, const double *value, int64_t count) {
  char number[24];
  int64_t class = -1;
  cli_put_name(stdout, name);
  putchar(':');
  for (int64_t k = 0; k < p->a->top && k < count; k++) {
    class = next_best(value, count, class);
    cli_print(stdout, "%s %s %.4f", k ? " " : "", cli_label(&p->net->classes, NULL, class, number), value[class]);
  }
  putchar('\n');
}

static void print_values(const char *name, const char *output, const float *y, const ManifestShape *shape) {
  char text[SHAPE_TEXT];
  double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
  cli_put_name(stdout, name);
  cli_print(stdout, ":%s%s", output ? " " : "", output ? output : "");
  if (shape->count <= 8) {
    for (int64_t i = 0; i < shape->count; i++) cli_print(stdout, " %.6g", (double)y[i]);
    putchar('\n');
    return;
  }
  for (int64_t i = 0; i < shape->count; i++) {
    sum += y[i], squares += (double)y[i] * y[i];
    least = fmin(least, y[i]), most = fmax(most, y[i]);
  }
  double mean = sum / (double)shape->count;
  cli_print(stdout, " %s mean %.6g std %.6g min %.6g max %.6g\n", text_shape("(", shape->rank, shape->dim, ")", text),
            mean, sqrt(fmax(0, squares / (double)shape->count - mean * mean)), least, most);
}

static int print_sample(Prediction *p, int64_t index, int64_t row) {
  const Manifest *m = p->net->manifest;
  char name[1200];
  p->set->name(p->set, index, name, sizeof name);
  const float *y = (const float *)p->net->outputs[0] + row * m->outputs[0].shape.count;
  int64_t count = m->outputs[0].shape.count;
  double *value = p->classifier ? malloc((size_t)p->classes * sizeof *value + 1) : NULL;
  if (p->classifier && !value) return -1;
  if (p->classifier) probabilities(p, y, count, value);
  if (p->a->json) {
    json_t *object = json_object();
    json_object_set_new(object, "file", json_text(name));
    if (p->classifier) json_object_set_new(object, "classes", json_classes(p, value, p->classes));
    else if (m->output_count == 1) json_object_set_new(object, "values", json_values(y, &m->outputs[0].shape));
    if (m->output_count > 1) json_object_set_new(object, "outputs", json_outputs(p, row));
    char *text = json_dumps(object, JSON_PRESERVE_ORDER);
    printf("%s%s", p->printed ? ",\n" : "[\n", text ? text : "null");
    free(text);
    json_decref(object);
  } else {
    if (p->classifier) print_classes(p, name, value, p->classes);
    for (size_t o = p->classifier; o < m->output_count; o++)
      print_values(name, m->output_count > 1 ? m->outputs[o].name : NULL,
                   (const float *)p->net->outputs[o] + row * m->outputs[o].shape.count, &m->outputs[o].shape);
  }
  free(value);
  p->printed++;
  return 0;
}

static int keep_outputs(Prediction *p, int64_t n) {
  const Manifest *m = p->net->manifest;
  for (size_t o = 0; o < m->output_count; o++) {
    size_t each = (size_t)m->outputs[o].shape.count * sizeof(float);
    float *more = realloc(p->kept[o], (size_t)(p->rows + n) * each + 1);
    if (!more) return -1;
    p->kept[o] = more;
    memcpy((char *)more + (size_t)p->rows * each, p->net->outputs[o], (size_t)n * each);
  }
  p->rows += n;
  return 0;
}

#define OUT_PATH 4200

/* FILE for one output; FILE with .NAME before its suffix for each of several. */
static void output_path(const Prediction *p, size_t output, char to[OUT_PATH]) {
  const Manifest *m = p->net->manifest;
  const char *dot = strrchr(p->a->out, '.');
  int stem = dot && !strchr(dot, '/') ? (int)(dot - p->a->out) : (int)strlen(p->a->out);
  if (m->output_count == 1) snprintf(to, OUT_PATH, "%s", p->a->out);
  else snprintf(to, OUT_PATH, "%.*s.%s%s", stem, p->a->out, m->outputs[output].name, p->a->out + stem);
}

static bool may_write(const Prediction *p) {
  CliFile *inputs = calloc((size_t)p->cli->operand_count + 1, sizeof *inputs);
  bool may = true;
  for (int i = 0; inputs && i < p->cli->operand_count; i++) inputs[i] = (CliFile){p->cli->operand[i], "an input"};
  for (size_t o = 0; inputs && p->a->out && may && o < p->net->manifest->output_count; o++) {
    char path[OUT_PATH];
    output_path(p, o, path);
    const CliFile output[] = {{path, "--out"}, {NULL, NULL}};
    may = cli_may_write(p->cli, p->net, output, inputs, p->a->force);
  }
  free(inputs);
  return may;
}

static int write_outputs(const Prediction *p, surgery_error *err) {
  const Manifest *m = p->net->manifest;
  for (size_t o = 0; o < m->output_count; o++) {
    char path[OUT_PATH];
    output_path(p, o, path);
    int64_t dim[SURGERY_MAX_RANK + 1] = {p->rows};
    memcpy(dim + 1, m->outputs[o].shape.dim, sizeof m->outputs[o].shape.dim);
    if (npy_write(path, m->outputs[o].shape.rank + 1, dim, p->kept[o], err)) return -1;
    if (!p->cli->quiet) cli_message(p->cli, "wrote %s", path);
  }
  return 0;
}

/* NaN is no prediction: whose fault it is, once. */
static void tell_wild(Prediction *p, const Batch *batch) {
  const Manifest *m = p->net->manifest;
  const float *y = p->net->outputs[0];
  char cause[900];
  for (int64_t i = 0; i < batch->n && !p->told_wild; i++) {
    bool wild = false;
    for (int64_t k = 0; k < m->outputs[0].shape.count; k++) wild |= isnan(y[i * m->outputs[0].shape.count + k]);
    if (!wild) continue;
    p->told_wild = true;
    if (finite_blame_data(p->set, batch->index + i, 0, 1, cause, sizeof cause) ||
        finite_blame_weights(p->net, cause, sizeof cause))
      cli_message(p->cli, "warning: %s", cause);
  }
}

static int predict_all(Prediction *p, surgery_error *err) {
  bool once = p->set->count <= p->a->batch; /* loaded while the weights are packed, or between two batches */
  LoaderOptions o = {.count = p->set->count,
                     .batch = p->a->batch,
                     .threads = once ? surgery_threads() : loader_threads_beside(),
                     .help = !once};
  Loader *loader = loader_start(p->set, &o, err);
  if (!loader) return -1;
  Batch batch;
  int status = net_pack(p->net, err); /* while the first samples are loaded */
  while (status >= 0 && (status = loader_next(loader, &batch, err)) > 0) {
    for (size_t i = 0; i < batch.broken_count; i++) cli_broken(p->cli, batch.broken[i]);
    p->broken += (int64_t)batch.broken_count;
    if (net_run(p->net, &(NetRun){NET_FORWARD, .n = batch.n, .x = batch.x, .mask = batch.mask}, err)) status = -1;
    bool memory = true;
    if (status > 0) tell_wild(p, &batch);
    for (int64_t i = 0; status > 0 && memory && i < batch.n; i++) memory = print_sample(p, batch.index[i], i) == 0;
    if (status > 0 && memory && p->a->out && batch.n) memory = keep_outputs(p, batch.n) == 0;
    if (!memory) {
      *err = (surgery_error){.status = SURGERY_ENVIRONMENT, .message = "no memory"};
      status = -1;
    }
    if (status < 0) break;
  }
  loader_stop(loader);
  if (p->a->json && status == 0) printf(p->printed ? "\n]\n" : "[]\n");
  return status == 0 && p->a->out && p->rows ? write_outputs(p, err) : status;
}

static ExitStatus run(Cli *cli) {
  PredictArguments a = {.top = 5, .batch = 16};
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &a, &status)) return status;
  if (cli->operand_count == 0) return cli_usage(cli, "which files?");
  Prediction p = {.cli = cli, .a = &a, .net = cli_open_to_eval(cli, &err)};
  if (!p.net) return cli_error(cli, &err);
  const Manifest *m = p.net->manifest;
  /* Values that the script names are features, unless it also names classes. */
  bool named = m->output_count > 1 || strcmp(m->outputs[0].name, "output") != 0;
  p.classes = net_classes(m);
  p.sigmoid = loss_target(&m->train->loss) == LOSS_LABELS;
  p.classifier = m->outputs[0].shape.rank == 1 && (m->outputs[0].shape.count > 1 || p.sigmoid) && p.classes > 1 &&
                 (!named || (p.net->classes.count > 0 && p.net->classes.of == NAMES_OF_SCRIPT));
  p.softmax = !ends_in_softmax(m);
  if (!may_write(&p)) {
    surgery_close(p.net);
    return EXIT_USAGE;
  }
  DatasetSpec spec = cli_spec(p.net, ROLE_TEST, false);
  spec.raw = a.raw;
  p.set = dataset_open_inputs((const char *const *)cli->operand, (size_t)cli->operand_count, &spec, &err);
  cli_note(cli, p.set);
  if (!p.set || predict_all(&p, &err)) status = cli_error(cli, &err);
  else if (p.broken) {
    cli_message(cli, "%lld of %lld inputs could not be used", (long long)p.broken, (long long)p.set->count);
    status = EXIT_WRONG_INPUT;
  } else status = EXIT_DONE;
  for (size_t o = 0; o < SG_MAX_OUTPUTS; o++) free(p.kept[o]);
  dataset_close(p.set);
  surgery_close(p.net);
  return status;
}

static const Option options[] = {
    {"top", OPTION_COUNT, offsetof(PredictArguments, top), "K", "how many classes to print (default 5)"},
    {"json", OPTION_FLAG, offsetof(PredictArguments, json), NULL,
     "one JSON array: file, classes (class, label, probability) or values; several outputs by name"},
    {"batch", OPTION_COUNT, offsetof(PredictArguments, batch), "N", "samples at once (default 16)"},
    {"raw", OPTION_FLAG, offsetof(PredictArguments, raw), NULL, CLI_RAW_HELP},
    {"out", OPTION_TEXT, offsetof(PredictArguments, out), "FILE.npy",
     "the raw outputs, (N, …); FILE.NAME.npy for each of several outputs"},
    {"force", OPTION_FLAG, offsetof(PredictArguments, force), NULL, CLI_FORCE_HELP},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_predict = {
    "predict",
    "[options] FILE…",
    "classes with probabilities for pictures and arrays",
    "FILE: a picture (JPEG, PNG, WebP, GIF, BMP, TIFF), a .npy, IDX or .npz file, or a folder of "
    "pictures. A picture that cannot be read is named,\n"
    "the others are predicted, and the exit status is 1. Bytes (uint8) in arrays are pictures and are\n"
    "preprocessed, other numbers are taken as they are.",
    options,
    true,
    run};
