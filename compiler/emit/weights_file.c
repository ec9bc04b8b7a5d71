/* The state dict's values: read from the donors or initialised, then written beside the output (or into it). One file a
 * network: OUT.safetensors, in the order of the state dict, with the script's name in its metadata. It gets its name
 * only when the rest of the compilation has succeeded, so that a failure leaves an older build whole. */
#include "compiler/emit/emission.h"
#include "compiler/weights/weights.h"
#include "runtime/surgery.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Beside the output. A program has no suffix of its own: "resnet18-f37072fd.2" loses nothing. */
const char *weights_beside(Arena *arena, const EmitOptions *o) {
  const char *out = o->output, *slash = strrchr(out, '/'), *base = slash ? slash + 1 : out;
  const char *dot = o->kind == EMIT_EXE ? NULL : strrchr(base, '.');
  size_t length = dot && dot != base ? (size_t)(dot - out) : strlen(out);
  return arena_printf(arena, "%.*s.safetensors", (int)length, out);
}

ExitStatus weights_failed(const surgery_error *err) {
  fprintf(stderr, "surgeryc: %s\n", err->message);
  return err->status == SURGERY_ENVIRONMENT ? EXIT_ENVIRONMENT : EXIT_WRONG_INPUT;
}

/* *count of them: of tensors that share their memory the file has the first. */
static ExitStatus fill_all(Emission *e, char *weights, surgery_tensor_out *out, const ParamList *all, size_t *count) {
  const Graph *g = e->script->graph;
  for (size_t i = 0; i < all->count; i++) {
    const Param *p = param_at(g, all->at[i]);
    if (p->shares != NO_ID) continue;
    void *to = weights + e->compile.plan->weight_offset.at[all->at[i]];
    surgery_error err = {0};
    if (!weights_fill(e->s, g, e->script->train, all->at[i], to, &err)) return weights_failed(&err);
    out[(*count)++] = (surgery_tensor_out){.name = p->name,
                                           .dtype = p->shape.dtype == DTYPE_I64 ? SURGERY_I64 : SURGERY_F32,
                                           .rank = p->shape.rank,
                                           .data = to};
    for (int k = 0; k < p->shape.rank; k++) out[*count - 1].shape[k] = p->shape.dim[k];
  }
  return EXIT_DONE;
}

static bool is_random(const Graph *g, ParamId id) {
  const Param *p = param_at(g, id);
  if (p->donor != NO_ID || p->patches.count > 0 || p->is_buffer) return false;
  Initializer init = param_initializer(g, id);
  return init.kind != INIT_CONSTANT && init.value != 0;
}

/* A JSON list of the layers whose weights are nothing but random numbers; NULL where there is none. */
static const char *untrained_layers(Emission *e) {
  const Graph *g = e->script->graph;
  json_t *list = json_array();
  for (size_t i = 0; i < g->modules.count; i++) {
    const Module *m = module_at(g, i);
    bool random = false;
    for (size_t k = 0; m->alive && k < m->params.count; k++) random |= is_random(g, m->params.at[k]);
    if (random) json_array_append_new(list, json_string(m->name));
  }
  char *text = json_array_size(list) ? json_dumps(list, JSON_COMPACT) : NULL;
  const char *kept = text ? arena_strdup(e->arena, text) : NULL;
  free(text);
  json_decref(list);
  return kept;
}

/* A signal waits until the writer is through: its own temporary is not on the list of what is removed then.
 */
ExitStatus write_tensors(Emission *e, const OutFile *file, const surgery_tensor_out *out, size_t count,
                         const char *untrained) {
  const char *names = weights_class_names(e->s, e->script->graph);
  const char *metadata[9] = {"format", "pt", "script", e->o.script_name};
  size_t pairs = 4;
  if (names) metadata[pairs++] = "class_names", metadata[pairs++] = names;
  if (untrained) metadata[pairs++] = "untrained", metadata[pairs++] = untrained;
  surgery_error err = {0};
  sigset_t ours, old;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT), sigaddset(&ours, SIGTERM), sigaddset(&ours, SIGHUP);
  sigprocmask(SIG_BLOCK, &ours, &old);
  int wrong = surgery_weights_write(file->path, out, count, metadata, &err);
  sigprocmask(SIG_SETMASK, &old, NULL);
  if (!wrong) return EXIT_DONE;
  fprintf(stderr, "surgeryc: cannot write '%s': %s\n", file->target, err.message);
  return EXIT_ENVIRONMENT;
}

/* Maps the file that was just written, to be put into the output. */
static ExitStatus read_back(Emission *e) {
  struct stat st = {0};
  int file = open(e->weights.path, O_RDONLY | O_CLOEXEC);
  bool there = file >= 0 && fstat(file, &st) == 0;
  void *bytes = there ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  if (bytes == MAP_FAILED) fprintf(stderr, "surgeryc: %s: %s\n", e->weights.path, strerror(errno));
  if (file >= 0) close(file);
  if (bytes == MAP_FAILED) return EXIT_ENVIRONMENT;
  e->o.embedded = bytes;
  e->o.embedded_bytes = (size_t)st.st_size;
  e->o.embedded_file = e->weights.path;
  return EXIT_DONE;
}

/* Writing to a device or a pipe (-o /dev/stdout, whatever that is at the moment) leaves no place for a second
 * file. */
static bool has_no_place(const Emission *e) {
  struct stat st;
  if (e->o.embed_weights) return false;
  if (strncmp(e->o.output, "/dev/", 5) == 0 || strncmp(e->o.output, "/proc/", 6) == 0) return true;
  return stat(e->o.output, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

bool reserve_weights(Emission *e) {
  if (!e->script || has_no_place(e)) return true;
  return outfile_reserve(e->arena, &e->weights, weights_beside(e->arena, &e->o), ".safetensors");
}

ExitStatus emit_weights(Emission *e) {
  if (!e->weights.target) return EXIT_DONE;
  ParamList all = graph_state_dict(e->script->graph, e->arena, true);
  char *weights = NULL;
  if (posix_memalign((void **)&weights, 64, (size_t)e->compile.plan->weights_bytes + 64) != 0)
    fail_environment("no memory for %lld bytes of weights", (long long)e->compile.plan->weights_bytes);
  surgery_tensor_out *out = arena_array(e->arena, surgery_tensor_out, all.count + 1);
  size_t count = 0;
  ExitStatus status = fill_all(e, weights, out, &all, &count);
  if (status == EXIT_DONE) status = write_tensors(e, &e->weights, out, count, untrained_layers(e));
  free(weights);
  if (status != EXIT_DONE) return status;
  e->weights_whole = true;
  if (e->o.embed_weights) return read_back(e);
  const char *path = weights_beside(e->arena, &e->o), *slash = strrchr(path, '/');
  e->o.weights_file = slash ? slash + 1 : path;
  return EXIT_DONE;
}

void emit_dump_weights(Emission *e, FILE *to) {
  const Graph *g = e->script->graph;
  ParamList all = graph_state_dict(g, e->arena, true);
  for (size_t i = 0; i < all.count; i++) {
    const Param *p = param_at(g, all.at[i]);
    const char *from = p->donor != NO_ID ? g->donors.at[p->donor].path : NULL;
    fprintf(to, "%-40s %-4s %-22s %s", p->name, dtype_name(p->shape.dtype), shape_text_plain(e->arena, &p->shape),
            from ? from : "fresh");
    if (p->shares != NO_ID) fprintf(to, ", one with %s", param_at(g, p->shares)->name);
    for (size_t k = 0; k < p->patches.count; k++)
      fprintf(to, ", %s from %s", region_text(e->arena, "", p->patches.at[k].to),
              g->donors.at[p->patches.at[k].donor].path);
    fputc('\n', to);
  }
}
