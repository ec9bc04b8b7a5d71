/* The driver's last call: a plan to files, by kind. The order of the work: names and temporaries first (so
 * that a folder that cannot be written is known at once), then code, then linking, then the renames. */
#include "compiler/emit/emit.h"
#include "compiler/codegen/codegen.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

typedef struct Emit {
  Arena *arena;
  const Plan *plan;
  const EmitOptions *o;
  const char *name; /* the prefix of all that is exported */
  CodegenTarget target;
  int parts; /* modules, each made by a thread */
  OutFile out, header, folder, weights, object[CODEGEN_MAX_PARTS];
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
  CodegenTarget target;
  const char *error = NULL;
  if (!codegen_target(arena, cpu, 3, &target, &error)) return error;
  codegen_target_dispose(&target);
  return NULL;
}

static bool is_linked(const EmitOptions *o) {
  return o->kind == EMIT_EXE || o->kind == EMIT_STATIC || o->kind == EMIT_SHARED ||
         (o->kind == EMIT_OBJ && o->embedded_bytes);
}

/* "dir/ants.o" → "dir/ants.h" */
const char *emit_header_path(Arena *arena, const EmitOptions *o) {
  if (o->kind != EMIT_OBJ && o->kind != EMIT_STATIC && o->kind != EMIT_SHARED) return NULL;
  const char *output = o->output, *slash = strrchr(output, '/'), *base = slash ? slash + 1 : output, *dot = strrchr(base, '.');
  size_t length = dot && dot != base ? (size_t)(dot - output) : strlen(output);
  return arena_printf(arena, "%.*s.h", (int)length, output);
}

static bool open_files(Emit *e) {
  const EmitOptions *o = e->o;
  e->out = e->header = e->folder = e->weights = OUTFILE_NONE;
  for (int i = 0; i < CODEGEN_MAX_PARTS; i++) e->object[i] = OUTFILE_NONE;
  const char *slash = strrchr(o->output, '/');
  if (!*(slash ? slash + 1 : o->output))
    return emit_complain("cannot write '%s': it has no file name", o->output);
  if (!outfile_create(e->arena, &e->out, o->output)) return false;
  bool device = e->out.path == o->output;
  if (device && o->kind == EMIT_STATIC)
    return emit_complain("cannot write a library to '%s': it is no plain file", o->output);
  const char *path = emit_header_path(e->arena, o);
  if (path && !device) {
    if (streq(path, o->output)) return emit_complain("'%s' would be both the output and its header", path);
    if (!outfile_create(e->arena, &e->header, path)) return false;
  }
  return !is_linked(o) || outfile_folder(e->arena, &e->folder, device ? "/tmp/surgeryc" : e->out.target);
}

/* One module's way to bytes: a thread's work, so with a target machine, a context and an arena of its own. */
typedef struct Part {
  const Emit *e;
  const char *manifest;
  int part, parts;
  LLVMMemoryBufferRef buffer;
  double built, optimised, emitted; /* seconds from the start */
} Part;

static LLVMMemoryBufferRef module_bytes(const EmitOptions *o, LLVMModuleRef module,
                                        const CodegenTarget *target) {
  if (o->kind != EMIT_LLVM)
    return codegen_emit(module, target, o->kind == EMIT_ASM ? LLVMAssemblyFile : LLVMObjectFile);
  char *ir = LLVMPrintModuleToString(module);
  LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(ir, strlen(ir), "ir");
  LLVMDisposeMessage(ir);
  return buffer;
}

static void *compile_part(void *argument) {
  Part *p = argument;
  const Emit *e = p->e;
  const EmitOptions *o = e->o;
  bool text = o->kind == EMIT_LLVM || o->kind == EMIT_ASM;
  CodegenOptions options = {.name = e->name,
                            .manifest = p->manifest,
                            .embedded_bytes = o->embedded ? o->embedded_bytes : 0,
                            .embedded = text ? o->embedded : NULL,
                            .program = o->kind == EMIT_EXE,
                            .part = p->part,
                            .parts = p->parts};
  Arena *arena = arena_create();
  CodegenTarget target;
  const char *error = NULL;
  if (!codegen_target(arena, o->cpu, o->opt_level, &target, &error)) BUG("%s", error);
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module = codegen_module(context, arena, e->plan, &target, &options);
  p->built = now();
  codegen_optimise(module, &target);
  p->optimised = now();
  p->buffer = module_bytes(o, module, &target);
  p->emitted = now();
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  codegen_target_dispose(&target);
  arena_destroy(arena);
  return NULL;
}

/* Where cc joins the objects anyway, each CPU makes one; a handful of kernels is not worth a second thread.
 */
static int count_parts(const Emit *e) {
  enum { CALLS_A_PART = 8 };
  const Plan *p = e->plan;
  size_t calls = 0, most = CODEGEN_MAX_PARTS;
  if (e->o->kind != EMIT_EXE && e->o->kind != EMIT_SHARED) return 1;
  const Schedule *schedules[] = {&p->pack, &p->forward, &p->step};
  for (int i = 0; i < 3; i++) calls += schedules[i]->present ? schedules[i]->calls.count : 0;
  for (size_t i = 0; i < p->later.count; i++) calls += p->later.at[i]->step.calls.count;
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && (size_t)CPU_COUNT(&cpus) < most)
    most = (size_t)CPU_COUNT(&cpus);
  if (e->o->threads > 0 && (size_t)e->o->threads < most) most = (size_t)e->o->threads;
  if (calls / CALLS_A_PART < most) most = calls / CALLS_A_PART;
  return most < 1 ? 1 : (int)most;
}

static double latest(double a, double b) {
  return a > b ? a : b;
}

/* Fills buffer[0 … parts). A thread that cannot be had costs time and nothing else. Signals stay with the
 * main thread. */
static void compile(Emit *e, LLVMMemoryBufferRef buffer[CODEGEN_MAX_PARTS]) {
  Part part[CODEGEN_MAX_PARTS];
  pthread_t thread[CODEGEN_MAX_PARTS];
  bool threaded[CODEGEN_MAX_PARTS] = {false};
  const char *manifest = manifest_text(e->arena, e->plan, e->o, e->target.cpu, e->target.features);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  for (int i = 0; i < e->parts; i++) {
    part[i] = (Part){.e = e, .manifest = manifest, .part = i, .parts = e->parts};
    if (i) threaded[i] = pthread_create(&thread[i], NULL, compile_part, &part[i]) == 0;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  Part end = {0};
  for (int i = 0; i < e->parts; i++) {
    if (threaded[i])
      pthread_join(thread[i], NULL);
    else
      compile_part(&part[i]);
    buffer[i] = part[i].buffer;
    end.built = latest(end.built, part[i].built);
    end.optimised = latest(end.optimised, part[i].optimised);
    end.emitted = latest(end.emitted, part[i].emitted);
  }
  timed(e, "codegen", end.built);
  timed(e, "optimise", end.optimised);
  timed(e, "machine code", end.emitted);
}

static bool write_intermediate(OutFile *f, const char *path, LLVMMemoryBufferRef buffer) {
  return outfile_intermediate(f, path) &&
         outfile_write(f, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)) && outfile_close(f);
}

static bool write_weights(Emit *e, const char *path) {
  const char *symbol = arena_printf(e->arena, "%s_embedded", e->name);
  return outfile_intermediate(&e->weights, path) &&
         embed_object(&e->weights, symbol, e->o->embedded, e->o->embedded_bytes) &&
         outfile_close(&e->weights);
}

/* The linker and ar make the file anew: an empty one is no archive to ar. A device is handed on as it is. */
static bool make_way(Emit *e) {
  if (!outfile_close(&e->out)) return false;
  if (e->out.slot >= 0 && unlink(e->out.path))
    return emit_complain("cannot write '%s': %s", e->o->output, strerror(errno));
  return true;
}

/* The objects in the folder: NAME.o, NAME_1.o … of the parts, NAME_weights.o. base: their names; path: with
 * the folder. */
static bool write_objects(Emit *e, LLVMMemoryBufferRef *buffer, const char **base, const char **path) {
  const char *folder = plain_path(e->arena, e->folder.path);
  int count = 0;
  for (int i = 0; i < e->parts; i++)
    base[count++] = arena_printf(e->arena, i ? "%s_%d.o" : "%s.o", e->name, i);
  if (e->o->embedded && e->o->embedded_bytes) base[count++] = arena_printf(e->arena, "%s_weights.o", e->name);
  for (int i = 0; i < count; i++) path[i] = arena_printf(e->arena, "%s/%s", folder, base[i]);
  for (int i = 0; i < e->parts; i++)
    if (!write_intermediate(&e->object[i], path[i], buffer[i])) return false;
  return count == e->parts || write_weights(e, path[e->parts]);
}

static bool link_objects(Emit *e, LLVMMemoryBufferRef *buffer) {
  const EmitOptions *o = e->o;
  const char *base[CODEGEN_MAX_PARTS + 2] = {NULL}, *path[CODEGEN_MAX_PARTS + 2] = {NULL};
  if (!write_objects(e, buffer, base, path) || !make_way(e)) return false;
  const char *slash = strrchr(e->out.path, '/'), *folder = plain_path(e->arena, e->folder.path);
  switch (o->kind) {
  case EMIT_EXE:
    return link_program(e->arena, o, path, e->out.path);
  case EMIT_SHARED:
    return link_shared(e->arena, o, e->name, folder, path, e->out.path);
  case EMIT_OBJ:
    return link_relocatable(e->arena, path, e->out.path);
  case EMIT_STATIC:
    return link_archive(e->arena, folder, base,
                        arena_printf(e->arena, "../%s", slash ? slash + 1 : e->out.path));
  default:
    BUG("output kind %d is not linked", (int)o->kind);
  }
}

static bool write_all(Emit *e) {
  LLVMMemoryBufferRef buffer[CODEGEN_MAX_PARTS];
  e->parts = count_parts(e);
  compile(e, buffer);
  bool done = is_linked(e->o)
                  ? link_objects(e, buffer)
                  : outfile_write(&e->out, LLVMGetBufferStart(buffer[0]), LLVMGetBufferSize(buffer[0]));
  for (int i = 0; i < e->parts; i++) LLVMDisposeMemoryBuffer(buffer[i]);
  if (!done) return false;
  timed(e, is_linked(e->o) ? "link" : "write", now());
  if (e->header.path) {
    const char *text = header_text(e->arena, e->plan, e->name, e->o);
    if (!outfile_write(&e->header, text, strlen(text)) || !outfile_close(&e->header)) return false;
  }
  return outfile_commit(&e->out) && (!e->header.path || outfile_commit(&e->header));
}

bool emit_output(Session *s, const Plan *plan, const EmitOptions *o) {
  Emit e = {.arena = s->arena,
            .plan = plan,
            .o = o,
            .name = codegen_identifier(s->arena, o->output),
            .last = now()};
  const char *error = NULL;
  if (!codegen_target(s->arena, o->cpu, o->opt_level, &e.target, &error)) return emit_complain("%s", error);
  outfile_watch_signals(true);
  bool done = open_files(&e) && write_all(&e);
  for (int i = 0; i < CODEGEN_MAX_PARTS; i++) outfile_discard(&e.object[i]);
  outfile_discard(&e.weights);
  outfile_discard(&e.folder);
  outfile_discard(&e.header);
  outfile_discard(&e.out);
  outfile_watch_signals(false);
  codegen_target_dispose(&e.target);
  return done;
}
