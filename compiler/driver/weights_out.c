/* The state dict's values: read from the donors or freshly initialised, then written beside the output (or into it).
 * One file a network: OUT.safetensors, in the order of the state dict, with the script's name in its metadata. */
#include "compiler/driver/driver.h"
#include "compiler/edit/weights.h"
#include "runtime/surgery.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_file(const char *a, const char *b) {
  struct stat sa, sb;
  return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* The donors' own files are never written over. */
static bool overwrites_donor(Compilation *c, const char *path) {
  const Graph *g = c->script.graph;
  for (size_t i = 0; i < g->donors.count; i++)
    if (g->donors.at[i].path && same_file(path, g->donors.at[i].path)) {
      fprintf(stderr, "surgeryc: %s would be overwritten, and its weights are read from it: choose another output name\n", path);
      return true;
    }
  return false;
}

static bool fill_all(Compilation *c, char *weights, surgery_tensor_out *out, const ParamList *all) {
  const Graph *g = c->script.graph;
  for (size_t i = 0; i < all->count; i++) {
    const Param *p = &g->params.at[all->at[i]];
    void *to = weights + c->plan->weight_offset.at[all->at[i]];
    surgery_error err = {0};
    if (!weights_fill(c->s, g, c->script.train, all->at[i], to, &err)) {
      fprintf(stderr, "surgeryc: %s: %s\n", p->name, err.message);
      return false;
    }
    out[i] = (surgery_tensor_out){.name = p->name, .dtype = p->shape.dtype == DTYPE_I64 ? SURGERY_I64 : SURGERY_F32,
                                  .rank = p->shape.rank, .data = to};
    for (int k = 0; k < p->shape.rank; k++) out[i].shape[k] = p->shape.dim[k];
  }
  return true;
}

/* Reads a file that was just written, to be put into the output. */
static bool read_back(Compilation *c, const char *path) {
  struct stat st;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &st) != 0) fail_environment("%s: %s", path, strerror(errno));
  char *bytes = arena_alloc(c->s->arena, (size_t)st.st_size + 1);
  for (off_t at = 0; at < st.st_size;) {
    ssize_t got = read(file, bytes + at, (size_t)(st.st_size - at));
    if (got <= 0) fail_environment("%s: %s", path, got < 0 ? strerror(errno) : "shorter than it was");
    at += got;
  }
  close(file);
  c->emit.embedded = bytes;
  c->emit.embedded_bytes = (size_t)st.st_size;
  return true;
}

static const char *weights_path(Compilation *c) {
  const char *out = c->emit.output, *slash = strrchr(out, '/'), *base = slash ? slash + 1 : out;
  const char *dot = strrchr(base, '.');
  bool suffix = dot && dot != base && c->emit.kind != EMIT_EXE;
  size_t length = suffix ? (size_t)(dot - out) : strlen(out);
  return arena_printf(c->s->arena, "%.*s.safetensors", (int)length, out);
}

bool write_weights(Compilation *c) {
  const char *path = weights_path(c);
  if (!c->o->embed_weights && overwrites_donor(c, path)) return false;
  ParamList all = graph_state_dict(c->script.graph, c->s->arena, true);
  char *weights = NULL;
  if (posix_memalign((void **)&weights, 64, (size_t)c->plan->weights_bytes + 64) != 0)
    fail_environment("no memory for %lld bytes of weights", (long long)c->plan->weights_bytes);
  surgery_tensor_out *out = arena_array(c->s->arena, surgery_tensor_out, all.count + 1);
  const char *metadata[] = {"format", "pt", "script", c->o->script, NULL};
  surgery_error err = {0};
  bool done = fill_all(c, weights, out, &all);
  if (done && c->o->embed_weights) path = arena_printf(c->s->arena, "%s.embed-%ld.safetensors", path, (long)getpid());
  if (done && surgery_weights_write(path, out, all.count, metadata, &err) != 0) {
    fprintf(stderr, "surgeryc: %s\n", err.message);
    done = false;
  }
  free(weights);
  if (!done) return false;
  if (c->o->embed_weights) {
    read_back(c, path);
    unlink(path);
    return true;
  }
  char *absolute = realpath(path, NULL);
  c->emit.weights_file = absolute ? arena_strdup(c->s->arena, absolute) : path;
  free(absolute);
  return true;
}
