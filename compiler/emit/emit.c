/* The driver's last call: a plan to files, by kind. The order of the work: names and temporaries first (so
 * that a folder that cannot be written is known at once), then code, then linking, then the renames. */
#include "compiler/emit/compile.h"
#include <errno.h>
#include <time.h>
#include <unistd.h>

typedef struct Emit {
  Arena *arena;
  const EmitOptions *o;
  Compile compile;
  int modules;
  OutFile out, header, folder, assembly, weights, joined, object[EMIT_MAX_MODULES];
  double last; /* seconds, for --time-passes */
} Emit;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void timed(Emit *e, const char *what, double t) {
  if (e->o->time_passes) fprintf(stderr, "%-16s %8.1f ms\n", what, (t - e->last) * 1e3);
  e->last = t;
}

const char *emit_cpu_error(Arena *arena, const char *cpu) {
  CodegenLevels levels;
  const char *error = NULL;
  return codegen_levels(arena, cpu, &levels, &error) ? NULL : error;
}

static bool is_linked(const Emit *e) {
  const EmitOptions *o = e->o;
  return o->kind == EMIT_EXE || o->kind == EMIT_STATIC || o->kind == EMIT_SHARED ||
         (o->kind == EMIT_OBJ && (o->embedded_bytes || e->compile.levels.count > 1 || e->compile.parts > 1));
}

/* "dir/ants.o" → "dir/ants.h" */
const char *emit_header_path(Arena *arena, const EmitOptions *o) {
  if (o->kind != EMIT_OBJ && o->kind != EMIT_STATIC && o->kind != EMIT_SHARED) return NULL;
  const char *output = o->output, *slash = strrchr(output, '/'), *base = slash ? slash + 1 : output,
             *dot = strrchr(base, '.');
  size_t length = dot && dot != base ? (size_t)(dot - output) : strlen(output);
  return arena_printf(arena, "%.*s.h", (int)length, output);
}

static bool open_files(Emit *e) {
  const EmitOptions *o = e->o;
  e->out = e->header = e->folder = e->assembly = e->weights = e->joined = OUTFILE_NONE;
  for (int i = 0; i < EMIT_MAX_MODULES; i++) e->object[i] = OUTFILE_NONE;
  const char *slash = strrchr(o->output, '/');
  if (!*(slash ? slash + 1 : o->output)) return emit_complain("cannot write '%s': it has no file name", o->output);
  if (!outfile_create(e->arena, &e->out, o->output)) return false;
  bool device = e->out.path == o->output;
  if (device && o->kind == EMIT_STATIC)
    return emit_complain("cannot write a library to '%s': it is no plain file", o->output);
  const char *path = emit_header_path(e->arena, o);
  if (path && !device) {
    if (streq(path, o->output)) return emit_complain("'%s' would be both the output and its header", path);
    if (!outfile_create(e->arena, &e->header, path)) return false;
  }
  return !is_linked(e) || outfile_folder(e->arena, &e->folder, device ? "/tmp/surgeryc" : e->out.target);
}

static bool write_intermediate(OutFile *f, const char *path, LLVMMemoryBufferRef buffer) {
  return outfile_intermediate(f, path) && outfile_write(f, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)) &&
         outfile_close(f);
}

static bool write_weights(Emit *e, const char *path) {
  const char *symbol = arena_printf(e->arena, "%s_embedded", e->compile.name);
  return outfile_intermediate(&e->assembly, arena_printf(e->arena, "%s.s", path)) &&
         outfile_intermediate(&e->weights, path) && outfile_close(&e->weights) &&
         embed_object(e->arena, &e->assembly, symbol, e->o->embedded_file, path);
}

/* The linker and ar make the file anew: an empty one is no archive to ar. A device is handed on as it is. */
static bool make_way(Emit *e) {
  if (!outfile_close(&e->out)) return false;
  if (e->out.slot >= 0 && unlink(e->out.path))
    return emit_complain("cannot write '%s': %s", e->o->output, strerror(errno));
  return true;
}

/* The objects in the folder: NAME.o, NAME_1.o … of the modules, NAME_weights.o. base: their names; path: with
 * the folder. */
static bool write_objects(Emit *e, LLVMMemoryBufferRef *buffer, const char **base, const char **path) {
  const char *folder = plain_path(e->arena, e->folder.path), *name = e->compile.name;
  int count = 0;
  for (int i = 0; i < e->modules; i++) base[count++] = arena_printf(e->arena, i ? "%s_%d.o" : "%s.o", name, i);
  if (e->o->embedded && e->o->embedded_bytes) base[count++] = arena_printf(e->arena, "%s_weights.o", name);
  for (int i = 0; i < count; i++) path[i] = arena_printf(e->arena, "%s/%s", folder, base[i]);
  for (int i = 0; i < e->modules; i++)
    if (!write_intermediate(&e->object[i], path[i], buffer[i])) return false;
  return count == e->modules || write_weights(e, path[e->modules]);
}

/* Several objects become one, so that what they know of each other is seen by nobody else. */
static bool join_objects(Emit *e, const char **base, const char **path) {
  if (!base[1]) return true;
  const char *folder = plain_path(e->arena, e->folder.path),
             *name = arena_printf(e->arena, "%s_all.o", e->compile.name);
  const char *joined = arena_printf(e->arena, "%s/%s", folder, name);
  if (!outfile_intermediate(&e->joined, joined) || !outfile_close(&e->joined) ||
      !link_relocatable(e->arena, path, joined))
    return false;
  base[0] = name, path[0] = joined;
  base[1] = path[1] = NULL;
  return true;
}

/* The output may be a device, which no linker can write. */
static bool copy_object(Emit *e, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return emit_complain("%s: %s", path, strerror(errno));
  static char buffer[1 << 16];
  bool done = true;
  for (size_t count; done && (count = fread(buffer, 1, sizeof buffer, file)) > 0;)
    done = outfile_write(&e->out, buffer, count);
  if (done && ferror(file)) done = emit_complain("%s: cannot be read", path);
  fclose(file);
  return done;
}

static bool link_objects(Emit *e, LLVMMemoryBufferRef *buffer) {
  const EmitOptions *o = e->o;
  const char *base[EMIT_MAX_MODULES + 2] = {NULL}, *path[EMIT_MAX_MODULES + 2] = {NULL};
  if (!write_objects(e, buffer, base, path)) return false;
  if (o->kind == EMIT_OBJ) return join_objects(e, base, path) && copy_object(e, path[0]);
  if (o->kind == EMIT_STATIC && !join_objects(e, base, path)) return false;
  if (!make_way(e)) return false;
  const char *slash = strrchr(e->out.path, '/'), *folder = plain_path(e->arena, e->folder.path);
  switch (o->kind) {
  case EMIT_EXE: return link_program(e->arena, o, path, e->out.path);
  case EMIT_SHARED: return link_shared(e->arena, o, e->compile.name, folder, path, e->out.path);
  case EMIT_STATIC:
    return link_archive(e->arena, folder, base, arena_printf(e->arena, "../%s", slash ? slash + 1 : e->out.path));
  default: BUG("output kind %d is not linked", (int)o->kind);
  }
}

static bool write_all(Emit *e) {
  LLVMMemoryBufferRef buffer[EMIT_MAX_MODULES];
  e->modules = compile_modules(e->arena, &e->compile, buffer);
  e->last = now();
  bool done = is_linked(e) ? link_objects(e, buffer)
                           : outfile_write(&e->out, LLVMGetBufferStart(buffer[0]), LLVMGetBufferSize(buffer[0]));
  for (int i = 0; i < e->modules; i++) LLVMDisposeMemoryBuffer(buffer[i]);
  if (!done) return false;
  timed(e, is_linked(e) ? "link" : "write", now());
  if (e->header.path) {
    const char *text = header_text(e->arena, e->compile.plan, e->compile.name, e->o);
    if (!outfile_write(&e->header, text, strlen(text)) || !outfile_close(&e->header)) return false;
  }
  return outfile_commit(&e->out) && (!e->header.path || outfile_commit(&e->header));
}

bool emit_output(Session *s, const Plan *plan, const EmitOptions *o) {
  Emit e = {
      .arena = s->arena,
      .o = o,
      .compile = {.plan = plan, .options = o, .name = o->name ? o->name : codegen_identifier(s->arena, o->output)}};
  const char *error = NULL;
  if (!codegen_levels(s->arena, o->cpu, &e.compile.levels, &error)) return emit_complain("%s", error);
  e.compile.parts = compile_parts(&e.compile);
  outfile_watch_signals(true);
  bool done = open_files(&e) && write_all(&e);
  for (int i = 0; i < EMIT_MAX_MODULES; i++) outfile_discard(&e.object[i]);
  outfile_discard(&e.assembly);
  outfile_discard(&e.weights);
  outfile_discard(&e.joined);
  outfile_discard(&e.folder);
  outfile_discard(&e.header);
  outfile_discard(&e.out);
  outfile_watch_signals(false);
  return done;
}
