/* The files of the script's `save` statements: their values are made and written when the script is built, beside
 * their places, and get their names only when all else has succeeded. */
#include "compiler/emit/emission.h"
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

/* All tensors of one file, one behind the other; the caller frees *values. */
static ExitStatus fill_file(Emission *e, const SavedFile *file, surgery_tensor_out *out, char **values) {
  size_t bytes = 0;
  for (size_t i = 0; i < file->tensors.count; i++) bytes += padded_bytes(&file->tensors.at[i].head);
  if (posix_memalign((void **)values, 64, bytes + 64) != 0)
    fail_environment("no memory for %zu bytes of weights", bytes);
  char *to = *values;
  for (size_t i = 0; i < file->tensors.count; i++) {
    const SavedTensor *t = &file->tensors.at[i];
    surgery_error err = {0};
    if (!weights_fill_saved(e->s, e->script->graph, e->script->train, t, to, &err)) return weights_failed(&err);
    out[i] = (surgery_tensor_out){.name = t->head.name, .dtype = t->head.dtype, .rank = t->head.rank, .data = to};
    memcpy(out[i].shape, t->head.shape, sizeof out[i].shape);
    to += padded_bytes(&t->head);
  }
  return EXIT_DONE;
}

bool reserve_saves(Emission *e) {
  for (size_t i = 0; e->script && i < e->script->graph->saves.count; i++) {
    const SavedFile *file = e->script->graph->saves.at[i];
    OutFile place;
    if (!outfile_reserve(e->arena, &place, file->path, suffix_of(file->path))) return false;
    vec_push(e->arena, &e->saves, place);
  }
  return true;
}

ExitStatus emit_saves(Emission *e) {
  for (size_t i = 0; i < e->saves.count; i++) {
    const SavedFile *file = e->script->graph->saves.at[i];
    surgery_tensor_out *out = arena_array(e->arena, surgery_tensor_out, file->tensors.count + 1);
    char *values = NULL;
    ExitStatus status = fill_file(e, file, out, &values);
    if (status == EXIT_DONE) status = write_tensors(e, &e->saves.at[i], out, file->tensors.count, NULL);
    free(values);
    if (status != EXIT_DONE) return status;
    e->saves_whole++;
  }
  return EXIT_DONE;
}

void emit_dump_saves(Emission *e, FILE *to) {
  for (size_t i = 0; i < e->saves.count; i++) {
    const SavedFile *file = e->script->graph->saves.at[i];
    for (size_t k = 0; k < file->tensors.count; k++) {
      const surgery_tensor *t = &file->tensors.at[k].head;
      fprintf(to, "%s: %s, %lld elements\n", file->path, t->name, (long long)t->count);
    }
  }
}

bool save_collides(const Script *script, Arena *arena, const char *output) {
  const char *real = script && output ? absolute_path(arena, output) : NULL;
  for (size_t i = 0; real && i < script->graph->saves.count; i++)
    if (streq(script->graph->saves.at[i]->real, real))
      return !emit_complain("%s would be both an output and the file of a save", output);
  return false;
}
