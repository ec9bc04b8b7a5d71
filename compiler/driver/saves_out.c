/* The files of the script's `save` statements: their values are made and written when the script is built, beside
 * their places, and get their names only when all else has succeeded. Called by the passes and by build(). */
#include "compiler/driver/driver.h"
#include "compiler/weights/weights.h"
#include "runtime/surgery.h"
#include <stdlib.h>

static const char *suffix_of(const char *path) {
  return strrchr(path, '.'); /* save.c has seen to it that there is one */
}

/* On a boundary of 64 bytes behind it the next one begins. */
static size_t padded_bytes(const surgery_tensor *t) {
  return (size_t)round_up_64(t->count * (int64_t)surgery_dtype_size(t->dtype));
}

/* All tensors of one file, one behind the other; the caller frees *numbers. */
static ExitStatus fill_file(Compilation *c, const SavedFile *file, surgery_tensor_out *out, char **numbers) {
  size_t bytes = 0;
  for (size_t i = 0; i < file->tensors.count; i++) bytes += padded_bytes(&file->tensors.at[i].head);
  if (posix_memalign((void **)numbers, 64, bytes + 64) != 0)
    fail_environment("no memory for %zu bytes of weights", bytes);
  char *to = *numbers;
  for (size_t i = 0; i < file->tensors.count; i++) {
    const SavedTensor *t = &file->tensors.at[i];
    surgery_error err = {0};
    if (!weights_fill_saved(c->s, c->script.graph, c->script.train, t, to, &err)) return weights_failed(&err);
    out[i] = (surgery_tensor_out){.name = t->head.name, .dtype = t->head.dtype, .rank = t->head.rank, .data = to};
    memcpy(out[i].shape, t->head.shape, sizeof out[i].shape);
    to += padded_bytes(&t->head);
  }
  return EXIT_DONE;
}

ExitStatus write_saves(Compilation *c) {
  const Graph *g = c->script.graph;
  for (size_t i = 0; i < g->saves.count; i++) {
    const SavedFile *file = g->saves.at[i];
    OutFile place;
    if (!outfile_reserve(c->s->arena, &place, file->path, suffix_of(file->path))) return EXIT_ENVIRONMENT;
    vec_push(c->s->arena, &c->saves, place);
    surgery_tensor_out *out = arena_array(c->s->arena, surgery_tensor_out, file->tensors.count + 1);
    char *numbers = NULL;
    ExitStatus status = fill_file(c, file, out, &numbers);
    if (status == EXIT_DONE) status = write_tensors(c, &c->saves.at[i], out, file->tensors.count);
    free(numbers);
    if (status != EXIT_DONE) return status;
  }
  return EXIT_DONE;
}

bool commit_saves(Compilation *c) {
  for (size_t i = 0; i < c->saves.count; i++)
    if (!outfile_commit(&c->saves.at[i])) return false;
  return true;
}

void discard_saves(Compilation *c) {
  for (size_t i = 0; i < c->saves.count; i++) outfile_discard(&c->saves.at[i]);
}

bool save_collides(const Compilation *c, const char *output) {
  const Graph *g = c->script.graph;
  const char *real = output ? absolute_path(c->s->arena, output) : NULL;
  for (size_t i = 0; real && i < g->saves.count; i++)
    if (streq(g->saves.at[i]->real, real)) {
      fprintf(stderr, "surgeryc: %s would be both an output and the file of a save\n", output);
      return true;
    }
  return false;
}
