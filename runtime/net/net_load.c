/* Where a network's weights are, and reading them strictly: what is missing, superfluous or of another shape
 * is listed in one message, and the network keeps what it had. Called by surgery_open and by --resume. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/base/error.h"
#include "runtime/net/net.h"
#include "runtime/base/random.h"

/* A list for one message: the first lines, then how many more there are. */
typedef struct Report {
  char text[900];
  size_t used;
  int lines, left_out;
} Report;

static void report(Report *r, const char *kind, const char *name, const char *detail) {
  char line[480];
  int length = snprintf(line, sizeof line, "\n  %s %s%s", kind, name, detail);
  if (length < 0 || (size_t)length >= sizeof line || r->used + (size_t)length >= sizeof r->text - 40 ||
      r->lines >= 12) {
    r->left_out++;
    return;
  }
  memcpy(r->text + r->used, line, (size_t)length + 1);
  r->used += (size_t)length;
  r->lines++;
}

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static bool may_be_missing(const char *name) { return ends_with(name, "num_batches_tracked"); }
static bool may_be_superfluous(const char *name) {
  return may_be_missing(name) || strncmp(name, "optimizer.", 10) == 0;
}

static const ManifestTensor *manifest_find(const Manifest *m, const char *name) {
  for (size_t i = 0; i < m->tensor_count; i++)
    if (strcmp(m->tensors[i].name, name) == 0) return &m->tensors[i];
  return NULL;
}

static bool same_shape(const surgery_tensor *have, const ManifestShape *want) {
  if (have->rank != want->rank) return have->count == 1 && want->count == 1;
  for (int i = 0; i < want->rank; i++)
    if (have->shape[i] != want->dim[i]) return false;
  return true;
}

static void compare(const Manifest *m, surgery_weights *file, Report *r) {
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *want = &m->tensors[i];
    const surgery_tensor *have = surgery_weights_find(file, want->name);
    char a[SHAPE_TEXT], b[SHAPE_TEXT], detail[2 * SHAPE_TEXT + 40];
    if (!have) {
      if (!want->shared && !may_be_missing(want->name)) report(r, "missing", want->name, "");
    } else if (!same_shape(have, &want->shape)) {
      snprintf(detail, sizeof detail, ": %s in the file, %s in the network",
               text_shape("(", have->rank, have->shape, ")", a),
               text_shape("(", want->shape.rank, want->shape.dim, ")", b));
      report(r, "shape of", want->name, detail);
    }
  }
  for (size_t i = 0; i < surgery_weights_count(file); i++) {
    const surgery_tensor *have = surgery_weights_at(file, i);
    if (!may_be_superfluous(have->name) && !manifest_find(m, have->name))
      report(r, "not in the network:", SG_Q(have->name), "");
  }
}

/* The numbers are there already, under another name: a file that also has this one must mean the same. */
static int check_shared(const surgery_net *net, surgery_weights *file, const char *path, const surgery_tensor *have,
                        const ManifestTensor *want, surgery_error *err) {
  size_t bytes = (size_t)want->shape.count * (want->i64 ? 8 : 4);
  void *numbers = malloc(bytes + 1);
  if (!numbers) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  int status = want->i64 ? surgery_weights_read_i64(file, have, numbers, want->shape.count, err)
                         : surgery_weights_read(file, have, numbers, want->shape.count, err);
  if (status == 0 && memcmp(numbers, net->weights + want->offset, bytes) != 0)
    status =
        sg_fail(err, SURGERY_BAD_INPUT,
                "%s: %s was compiled as the same frozen tensor as another one, and has other numbers here: unfreeze "
                "it in the script, or load the file there",
                path, want->name);
  free(numbers);
  return status;
}

/* All of them, or those that evaluation reads itself. */
static int read_tensors(surgery_net *net, surgery_weights *file, bool to_eval, surgery_error *err) {
  const Manifest *m = net->manifest;
  surgery_weights_part *parts = malloc((m->tensor_count + 1) * sizeof *parts);
  size_t count = 0;
  if (!parts) return sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *want = &m->tensors[i];
    if (to_eval && !want->eval_reads) continue;
    const surgery_tensor *have = want->shared ? NULL : surgery_weights_find(file, want->name);
    void *to = net->weights + want->offset;
    if (have)
      parts[count++] = (surgery_weights_part){have, want->i64 ? NULL : to, want->i64 ? to : NULL, want->shape.count};
    else if (!want->shared) memset(to, 0, (size_t)want->shape.count * (want->i64 ? 8 : 4));
  }
  int status = surgery_weights_read_all(file, parts, count, err);
  free(parts);
  return status;
}

static int check_names(const surgery_net *net, surgery_weights *file, const char *path, surgery_error *err) {
  const Manifest *m = net->manifest;
  Report r = {.used = 0};
  compare(m, file, &r);
  if (r.lines || r.left_out) {
    if (r.left_out) snprintf(r.text + r.used, sizeof r.text - r.used, "\n  and %d more", r.left_out);
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: these are not the weights of '%s':%s", path, m->name, r.text);
  }
  return 0;
}

/* Tensors that are the same have to be compared, and what no call is known to read might be missed. */
static bool can_wait(const Manifest *m) {
  for (size_t i = 0; i < m->tensor_count; i++)
    if (m->tensors[i].shared) return false;
  return m->pack_call_count > 0;
}

int net_load_to_eval(surgery_net *net, surgery_weights *file, const char *path, surgery_error *err) {
  if (!can_wait(net->manifest)) return net_load_weights(net, file, path, err);
  if (check_names(net, file, path, err) || read_tensors(net, file, true, err) || net_source_open(net, file, err))
    return -1;
  net->packed_stale = true;
  return 1;
}

int net_load_weights(surgery_net *net, surgery_weights *file, const char *path, surgery_error *err) {
  const Manifest *m = net->manifest;
  if (check_names(net, file, path, err) || read_tensors(net, file, false, err)) return -1;
  for (size_t i = 0; i < m->tensor_count; i++) {
    const ManifestTensor *want = &m->tensors[i];
    const surgery_tensor *have = want->shared ? surgery_weights_find(file, want->name) : NULL;
    if (have && check_shared(net, file, path, have, want, err)) return -1;
  }
  net->packed_stale = true;
  return 0;
}

/* The folder of the running program, "" where the system does not tell. */
static const char *program_folder(char to[PATH_MAX]) {
  ssize_t length = readlink("/proc/self/exe", to, PATH_MAX - 1);
  to[length > 0 ? length : 0] = 0;
  char *slash = strrchr(to, '/');
  if (slash) slash[slash == to] = 0;
  return slash ? to : "";
}

/* The folder of the shared library that the network lies in; "" where it lies in the program itself. */
static const char *library_folder(const surgery_net *net, char to[PATH_MAX]) {
  Dl_info info;
  char program[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length < 0 || !dladdr(net->levels, &info) || !info.dli_fname || !realpath(info.dli_fname, to)) return "";
  program[length] = 0;
  char *slash = strrchr(to, '/');
  if (!slash || strcmp(program, to) == 0) return "";
  slash[slash == to] = 0;
  return to;
}

/* One place to look at; false where nothing is there. `tried`: a line for each place, for the message. */
static bool look_in(surgery_net *net, Report *tried, const char *folder, const char *file, const char *why) {
  bool absolute = *file == '/';
  if (!absolute && !*folder) return false;
  if (asprintf(&net->weights_path, "%s%s%s", absolute ? "" : folder, absolute || strcmp(folder, "/") == 0 ? "" : "/",
               file) < 0) {
    net->weights_path = NULL;
    return false;
  }
  net->weights_why = why;
  if (access(net->weights_path, F_OK) == 0) return true;
  report(tried, why, "", net->weights_path);
  free(net->weights_path);
  net->weights_path = NULL;
  return false;
}

int net_find_weights(surgery_net *net, const char *given, surgery_error *err) {
  const Manifest *m = net->manifest;
  char folder[PATH_MAX], library[PATH_MAX];
  Report tried = {.used = 0};
  if (given) {
    net->weights_why = "given with --weights";
    net->weights_path = strdup(given);
    return net->weights_path ? 0 : sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
  }
  const char *slash = m->weights_file ? strrchr(m->weights_file, '/') : NULL,
             *name = slash ? slash + 1 : m->weights_file;
  program_folder(folder);
  if (name && look_in(net, &tried, folder, name, "beside the program")) return 0;
  if (name && look_in(net, &tried, library_folder(net, library), name, "beside the library")) return 0;
  if (m->weights_path && look_in(net, &tried, folder, m->weights_path, "where its build asked for")) return 0;
  if (!name && !m->weights_path)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "the program carries no weights and knows of no file: give one with --weights FILE");
  return sg_fail(err, SURGERY_BAD_INPUT, "the weights of '%s' were not found: give the file with --weights FILE%s",
                 m->name, tried.text);
}

void net_init_fresh(surgery_net *net, uint64_t seed) {
  for (size_t i = 0; i < net->manifest->tensor_count; i++) {
    const ManifestTensor *t = &net->manifest->tensors[i];
    if (t->fresh == INIT_VALUES_NONE || t->i64) continue;
    const char *stream = t->fresh_stream ? t->fresh_stream : t->name;
    float *to = (float *)(void *)(net->weights + t->offset);
    if (t->fresh == INIT_VALUES_UNIFORM) random_fill_uniform(seed, stream, t->fresh_value, to, t->shape.count);
    if (t->fresh == INIT_VALUES_NORMAL) random_fill_normal(seed, stream, t->fresh_value, to, t->shape.count);
    for (int64_t k = 0; k < t->shape.count; k++) {
      if (t->fresh == INIT_VALUES_CONSTANT) to[k] = (float)t->fresh_value;
      if (t->fresh_shift != 0) to[k] += (float)t->fresh_shift;
    }
    if (t->fresh_zero_row >= 0)
      memset(to + t->fresh_zero_row * t->shape.dim[1], 0, (size_t)t->shape.dim[1] * sizeof *to);
    net->packed_stale = true;
  }
}
