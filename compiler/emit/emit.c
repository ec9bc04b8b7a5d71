/* The steps from a plan to files, by kind: names and temporaries first, then code, then linking, then the renames. The
 * weights are weights_file.c's and saves.c's. */
#include "compiler/emit/emission.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

const char *emit_cpu_error(Arena *arena, const char *cpu) {
  CodegenLevels levels;
  const char *error = NULL;
  return codegen_levels(arena, cpu, &levels, &error) ? NULL : error;
}

static bool is_linked(const Emission *e) {
  const EmitOptions *o = &e->o;
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

Emission *emit_begin(Session *s, const Script *script, const Plan *plan, const EmitOptions *o) {
  Emission *e = arena_new(s->arena, Emission);
  *e = (Emission){.s = s, .arena = s->arena, .script = script, .o = *o};
  e->out = e->header = e->weights = e->depfile = OUTFILE_NONE;
  e->folder = e->assembly = e->embedded = e->joined = OUTFILE_NONE;
  for (int i = 0; i < EMIT_MAX_MODULES; i++) e->object[i] = OUTFILE_NONE;
  e->compile =
      (Compile){.plan = plan, .options = &e->o, .name = o->name ? o->name : codegen_identifier(s->arena, o->output)};
  const char *error = NULL;
  if (!codegen_levels(s->arena, o->cpu, &e->compile.levels, &error)) return emit_complain("%s", error), NULL;
  e->compile.parts = compile_parts(&e->compile);
  outfile_watch_signals(true);
  return e;
}

/* ---- names and temporaries ---- */

static bool same_file(const char *a, const char *b) {
  struct stat sa, sb;
  return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

bool would_overwrite_input(const Session *s, const char *path) {
  for (size_t k = 0; path && k < s->dependencies.count; k++)
    if (same_file(path, s->dependencies.at[k])) {
      emit_complain("%s would be overwritten, and it is one of the inputs: choose another output name", path);
      return true;
    }
  return false;
}

/* The saves' own names were judged by their statements. */
static bool names_collide(const Emission *e) {
  const char *written[] = {e->o.output, e->o.depfile, emit_header_path(e->arena, &e->o),
                           e->o.embed_weights || !e->script ? NULL : weights_beside(e->arena, &e->o)};
  for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
    if (would_overwrite_input(e->s, written[i]) || save_collides(e->script, e->arena, written[i])) return true;
    for (size_t k = 0; written[i] && k < i; k++) /* -MF OUT.safetensors */
      if (written[k] && streq(absolute_path(e->arena, written[i]), absolute_path(e->arena, written[k])))
        return !emit_complain("%s would be two of the outputs: choose another name for one of them", written[i]);
  }
  return false;
}

static bool open_output(Emission *e) {
  const EmitOptions *o = &e->o;
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
  return true;
}

ExitStatus emit_files(Emission *e) {
  if (names_collide(e)) return EXIT_USAGE;
  if (e->o.depfile && !outfile_create(e->arena, &e->depfile, e->o.depfile)) return EXIT_ENVIRONMENT;
  return open_output(e) && reserve_saves(e) && reserve_weights(e) ? EXIT_DONE : EXIT_ENVIRONMENT;
}

/* ---- objects ---- */

static bool write_intermediate(OutFile *f, const char *path, LLVMMemoryBufferRef buffer) {
  return outfile_intermediate(f, path) && outfile_write(f, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)) &&
         outfile_close(f);
}

static bool write_weights(Emission *e, const char *path) {
  const char *symbol = arena_printf(e->arena, "%s_embedded", e->compile.name);
  return outfile_intermediate(&e->assembly, arena_printf(e->arena, "%s.s", path)) &&
         outfile_intermediate(&e->embedded, path) && outfile_close(&e->embedded) &&
         embed_object(e->arena, &e->assembly, symbol, e->o.embedded_file, path);
}

/* The linker and ar make the file anew: an empty one is no archive to ar. A device is handed on as it is. */
static bool make_way(Emission *e) {
  if (!outfile_close(&e->out)) return false;
  if (e->out.slot >= 0 && unlink(e->out.path))
    return emit_complain("cannot write '%s': %s", e->o.output, strerror(errno));
  return true;
}

/* The objects in the folder: NAME.o, NAME_1.o … of the modules, NAME_weights.o. base: their names; path: with
 * the folder. */
static bool write_objects(Emission *e, LLVMMemoryBufferRef *buffer, const char **base, const char **path) {
  const char *folder = plain_path(e->arena, e->folder.path), *name = e->compile.name;
  int count = 0;
  for (int i = 0; i < e->modules; i++) base[count++] = arena_printf(e->arena, i ? "%s_%d.o" : "%s.o", name, i);
  if (e->o.embedded && e->o.embedded_bytes) base[count++] = arena_printf(e->arena, "%s_weights.o", name);
  for (int i = 0; i < count; i++) path[i] = arena_printf(e->arena, "%s/%s", folder, base[i]);
  for (int i = 0; i < e->modules; i++)
    if (!write_intermediate(&e->object[i], path[i], buffer[i])) return false;
  return count == e->modules || write_weights(e, path[e->modules]);
}

/* Several objects become one, so that what they know of each other is seen by nobody else. */
static bool join_objects(Emission *e, const char **base, const char **path) {
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
static bool copy_object(Emission *e, const char *path) {
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

static bool link_objects(Emission *e, LLVMMemoryBufferRef *buffer) {
  const EmitOptions *o = &e->o;
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

ExitStatus emit_manifest(Emission *e) {
  e->manifest = manifest_text(e->arena, e->compile.plan, &e->o);
  return EXIT_DONE;
}

ExitStatus emit_code(Emission *e) {
  e->modules = compile_modules(e->arena, &e->compile, e->manifest, e->buffer);
  return EXIT_DONE;
}

static void dispose_modules(Emission *e) {
  for (int i = 0; i < e->modules; i++) LLVMDisposeMemoryBuffer(e->buffer[i]);
  e->modules = 0;
}

/* A program's objects, and what is joined, are in a folder of their own beside the output. */
static bool write_output(Emission *e) {
  if (!is_linked(e)) return outfile_write(&e->out, LLVMGetBufferStart(e->buffer[0]), LLVMGetBufferSize(e->buffer[0]));
  bool device = e->out.path == e->o.output;
  return outfile_folder(e->arena, &e->folder, device ? "/tmp/surgeryc" : e->out.target) && link_objects(e, e->buffer);
}

ExitStatus emit_link(Emission *e) {
  e->out_whole = write_output(e);
  dispose_modules(e);
  return e->out_whole ? EXIT_DONE : EXIT_ENVIRONMENT;
}

static const char *own_header(const Emission *e) {
  return header_text(e->arena, e->compile.plan, e->compile.name, &e->o);
}

ExitStatus emit_header(Emission *e) {
  if (!e->header.path) return EXIT_DONE; /* the output is a device */
  const char *text = own_header(e);
  return outfile_write(&e->header, text, strlen(text)) && outfile_close(&e->header) ? EXIT_DONE : EXIT_ENVIRONMENT;
}

/* ---- the end ---- */

ExitStatus emit_commit(Emission *e) {
  e->out.keep_unchanged = e->header.keep_unchanged = e->weights.keep_unchanged = e->o.keep_unchanged;
  for (size_t i = 0; i < e->saves.count; i++) e->saves.at[i].keep_unchanged = e->o.keep_unchanged;
  bool done = !e->out_whole || (outfile_commit(&e->out) && outfile_commit(&e->header));
  if (done && e->weights_whole && !e->o.embed_weights) done = outfile_commit(&e->weights);
  for (size_t i = 0; done && i < e->saves_whole; i++) done = outfile_commit(&e->saves.at[i]);
  return done ? EXIT_DONE : EXIT_ENVIRONMENT;
}

typedef VEC(const char *) Names;

/* All that is written but the dependency file itself. */
static Names written_files(Emission *e) {
  Names names = {0};
  const char *header = emit_header_path(e->arena, &e->o);
  vec_push(e->arena, &names, e->o.output);
  if (header) vec_push(e->arena, &names, header);
  if (e->weights.target && !e->o.embed_weights) vec_push(e->arena, &names, weights_beside(e->arena, &e->o));
  for (size_t i = 0; i < e->saves.count; i++) vec_push(e->arena, &names, e->script->graph->saves.at[i]->path);
  return names;
}

static const char *dependencies(Emission *e) {
  Names targets = written_files(e);
  if (e->o.depfile_target) return depfile_text(e->s, &e->o.depfile_target, 1);
  return depfile_text(e->s, targets.at, targets.count);
}

ExitStatus emit_depfile(Emission *e) {
  const char *text = dependencies(e);
  return outfile_write(&e->depfile, text, strlen(text)) && outfile_commit(&e->depfile) ? EXIT_DONE : EXIT_ENVIRONMENT;
}

void emit_end(Emission *e) {
  if (!e) return;
  dispose_modules(e);
  for (int i = 0; i < EMIT_MAX_MODULES; i++) outfile_discard(&e->object[i]);
  for (size_t i = 0; i < e->saves.count; i++) outfile_discard(&e->saves.at[i]);
  OutFile *const rest[] = {&e->assembly, &e->embedded, &e->joined,  &e->folder,
                           &e->header,   &e->out,      &e->weights, &e->depfile};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) outfile_discard(rest[i]);
  outfile_watch_signals(false);
}

bool emit_output(Session *s, const Plan *plan, const EmitOptions *o) {
  Emission *e = emit_begin(s, NULL, plan, o);
  bool done = e && emit_files(e) == EXIT_DONE && emit_manifest(e) == EXIT_DONE && emit_code(e) == EXIT_DONE &&
              emit_link(e) == EXIT_DONE && emit_header(e) == EXIT_DONE && emit_commit(e) == EXIT_DONE;
  emit_end(e);
  return done;
}

/* ---- for --dump ---- */

void emit_dump_files(Emission *e, FILE *out) {
  Names names = written_files(e);
  for (size_t i = 0; i < names.count; i++) fprintf(out, "%s\n", names.at[i]);
  if (e->o.depfile) fprintf(out, "%s\n", e->o.depfile);
}

void emit_dump_manifest(Emission *e, FILE *out) { fprintf(out, "%s\n", e->manifest); }

void emit_dump_code(Emission *e, FILE *out) {
  for (int i = 0; i < e->modules; i++)
    fprintf(out, "module %d of %d: %zu bytes\n", i + 1, e->modules, LLVMGetBufferSize(e->buffer[i]));
}

void emit_dump_output(Emission *e, FILE *out) {
  struct stat st;
  if (stat(e->out.path, &st) == 0) fprintf(out, "%s: %lld bytes\n", e->o.output, (long long)st.st_size);
}

void emit_dump_header(Emission *e, FILE *out) { fputs(own_header(e), out); }
void emit_dump_depfile(Emission *e, FILE *out) { fputs(dependencies(e), out); }
