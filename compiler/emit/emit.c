/* The driver's last call: a plan to files, by kind. The order of the work: names and temporaries first (so that a folder
 * that cannot be written is known at once), then code, then linking, then the renames. */
#include "compiler/emit/emit.h"
#include "compiler/codegen/codegen.h"
#include <errno.h>
#include <time.h>
#include <unistd.h>

typedef struct Emit {
  Arena *arena;
  const Plan *plan;
  const EmitOptions *o;
  const char *name;   /* the prefix of all that is exported */
  CodegenTarget target;
  OutFile out, header, folder, object, weights;
  double last;        /* seconds, for --time-passes */
} Emit;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void timed(Emit *e, const char *what) {
  double t = now();
  if (e->o->time_passes) fprintf(stderr, "%-16s %8.1f ms\n", what, (t - e->last) * 1e3);
  e->last = t;
}

const char *emit_cpu_error(Arena *arena, const char *cpu) {
  CodegenTarget target;
  const char *error = NULL;
  if (!codegen_target(arena, cpu, 3, &target, &error)) return error;
  codegen_target_dispose(&target);
  return NULL;
}

static bool has_header(const EmitOptions *o) {
  return o->kind == EMIT_OBJ || o->kind == EMIT_STATIC || o->kind == EMIT_SHARED;
}

static bool is_linked(const EmitOptions *o) {
  return o->kind == EMIT_EXE || o->kind == EMIT_STATIC || o->kind == EMIT_SHARED ||
         (o->kind == EMIT_OBJ && o->embedded_bytes);
}

/* "dir/ants.o" → "dir/ants.h" */
static const char *header_path(Arena *arena, const char *output) {
  const char *slash = strrchr(output, '/'), *base = slash ? slash + 1 : output, *dot = strrchr(base, '.');
  size_t length = dot && dot != base ? (size_t)(dot - output) : strlen(output);
  return arena_printf(arena, "%.*s.h", (int)length, output);
}

static bool open_files(Emit *e) {
  const EmitOptions *o = e->o;
  e->out = e->header = e->folder = e->object = e->weights = OUTFILE_NONE;
  const char *slash = strrchr(o->output, '/');
  if (!*(slash ? slash + 1 : o->output)) return emit_complain("cannot write '%s': it has no file name", o->output);
  if (!outfile_create(e->arena, &e->out, o->output)) return false;
  bool device = e->out.path == o->output;
  if (device && o->kind == EMIT_STATIC) return emit_complain("cannot write a library to '%s': it is no plain file", o->output);
  if (has_header(o) && !device) {
    const char *path = header_path(e->arena, o->output);
    if (streq(path, o->output)) return emit_complain("'%s' would be both the output and its header", path);
    if (!outfile_create(e->arena, &e->header, path)) return false;
  }
  return !is_linked(o) || outfile_folder(e->arena, &e->folder, device ? "/tmp/surgeryc" : e->out.target);
}

/* Text and objects come straight from LLVM. */
static LLVMMemoryBufferRef compile(Emit *e) {
  const EmitOptions *o = e->o;
  bool text = o->kind == EMIT_LLVM || o->kind == EMIT_ASM;
  CodegenOptions options = {
      .name = e->name,
      .manifest = manifest_text(e->arena, e->plan, o, e->target.cpu, e->target.features),
      .embedded_bytes = o->embedded ? o->embedded_bytes : 0,
      .embedded = text ? o->embedded : NULL,
      .program = o->kind == EMIT_EXE,
  };
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module = codegen_module(context, e->arena, e->plan, &e->target, &options);
  timed(e, "codegen");
  codegen_optimise(module, &e->target);
  timed(e, "optimise");
  LLVMMemoryBufferRef buffer;
  if (o->kind == EMIT_LLVM) {
    char *ir = LLVMPrintModuleToString(module);
    buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(ir, strlen(ir), "ir");
    LLVMDisposeMessage(ir);
  } else {
    buffer = codegen_emit(module, &e->target, o->kind == EMIT_ASM ? LLVMAssemblyFile : LLVMObjectFile);
  }
  timed(e, "machine code");
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  return buffer;
}

static bool write_intermediate(OutFile *f, const char *path, LLVMMemoryBufferRef buffer) {
  return outfile_intermediate(f, path) && outfile_write(f, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)) &&
         outfile_close(f);
}

static bool write_weights(Emit *e, const char *path) {
  const char *symbol = arena_printf(e->arena, "%s_embedded", e->name);
  return outfile_intermediate(&e->weights, path) &&
         embed_object(&e->weights, symbol, e->o->embedded, e->o->embedded_bytes) && outfile_close(&e->weights);
}

/* The linker and ar make the file anew: an empty one is no archive to ar. A device is handed on as it is. */
static bool make_way(Emit *e) {
  if (!outfile_close(&e->out)) return false;
  if (e->out.slot >= 0 && unlink(e->out.path)) return emit_complain("cannot write '%s': %s", e->o->output, strerror(errno));
  return true;
}

static bool link_objects(Emit *e, LLVMMemoryBufferRef buffer) {
  const EmitOptions *o = e->o;
  const char *folder = plain_path(e->arena, e->folder.path);
  const char *base[3] = {arena_printf(e->arena, "%s.o", e->name), NULL, NULL}, *path[3] = {NULL};
  if (o->embedded_bytes) base[1] = arena_printf(e->arena, "%s_weights.o", e->name);
  for (int i = 0; base[i]; i++) path[i] = arena_printf(e->arena, "%s/%s", folder, base[i]);
  if (!write_intermediate(&e->object, path[0], buffer)) return false;
  if (path[1] && !write_weights(e, path[1])) return false;
  if (!make_way(e)) return false;
  const char *slash = strrchr(e->out.path, '/');
  switch (o->kind) {
  case EMIT_EXE: return link_program(e->arena, o, path, e->out.path);
  case EMIT_SHARED: return link_shared(e->arena, o, e->name, folder, path, e->out.path);
  case EMIT_OBJ: return link_relocatable(e->arena, path, e->out.path);
  case EMIT_STATIC:
    return link_archive(e->arena, folder, base, arena_printf(e->arena, "../%s", slash ? slash + 1 : e->out.path));
  default: BUG("output kind %d is not linked", (int)o->kind);
  }
}

static bool write_all(Emit *e) {
  LLVMMemoryBufferRef buffer = compile(e);
  bool done = is_linked(e->o) ? link_objects(e, buffer)
                              : outfile_write(&e->out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
  LLVMDisposeMemoryBuffer(buffer);
  if (!done) return false;
  timed(e, is_linked(e->o) ? "link" : "write");
  if (e->header.path) {
    const char *text = header_text(e->arena, e->plan, e->name, e->o);
    if (!outfile_write(&e->header, text, strlen(text)) || !outfile_close(&e->header)) return false;
  }
  return outfile_commit(&e->out) && (!e->header.path || outfile_commit(&e->header));
}

bool emit_output(Session *s, const Plan *plan, const EmitOptions *o) {
  Emit e = {.arena = s->arena, .plan = plan, .o = o, .name = codegen_identifier(s->arena, o->output), .last = now()};
  const char *error = NULL;
  if (!codegen_target(s->arena, o->cpu, o->opt_level, &e.target, &error)) return emit_complain("%s", error);
  outfile_watch_signals(true);
  bool done = open_files(&e) && write_all(&e);
  outfile_discard(&e.object);
  outfile_discard(&e.weights);
  outfile_discard(&e.folder);
  outfile_discard(&e.header);
  outfile_discard(&e.out);
  outfile_watch_signals(false);
  codegen_target_dispose(&e.target);
  return done;
}
