/* Compiles and loads cases; see compile.h. The only file here that knows the compiler and runs it. */
#include "tests/ops/compile.h"
#include "compiler/plan/plan.h"
#include "compiler/emit/emit.h"
#include "runtime/surgery.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the objects call and this program may not use itself: taken along by the linker, and seen by the library. */
#define KERNEL(name, params, kind, ...) KEEP_##kind(name)
#define KEEP_TEMPLATE(name)
#define KEEP_RUNTIME(name) (void (*)(void)) sg_##name,
extern void (*const runtime_functions[])(void);
void (*const runtime_functions[])(void) = {
#include "runtime/kernels/kernels.def"
    (void (*)(void))sg_parallel,        (void (*)(void))sg_threads,      (void (*)(void))surgery_open,
    (void (*)(void))surgery_close,      (void (*)(void))surgery_forward, (void (*)(void))surgery_forward_outputs,
    (void (*)(void))surgery_train_step, (void (*)(void))surgery_save,    (void (*)(void))sg_raw_begin,
};

/* Three of four without optimisation, which compiles in half the time; $OPS_OPTIMIZE is for all, as $OPS_CPU is. */
static int optimisation(int index) {
  const char *all = getenv("OPS_OPTIMIZE");
  return all ? atoi(all) : index % 4 ? 0 : 3;
}

static bool write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (!file) return false;
  fputs(text, file);
  return fclose(file) == 0;
}

/* Every second case has the inspect function of a program too, which lowers its operators in another way. */
static bool compile_case(const Case *c, const char *folder, int opt_level, bool inspect) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  const char *path = arena_printf(arena, "%s/%s.surgery", folder, c->symbol);
  if (!write_text(path, case_script(c))) die("%s: %s", path, strerror(errno));
  Script script;
  bool done = run_script(s, path, &script);
  if (done) {
    graph_check(script.graph);
    Plan *plan = make_plan(arena, script.graph, script.train);
    if (inspect) plan_inspect(plan);
    EmitOptions o = {.output = arena_printf(arena, "%s/%s.o", folder, c->symbol),
                     .kind = EMIT_OBJ,
                     .opt_level = opt_level,
                     .cpu = getenv("OPS_CPU"),
                     .script_name = path};
    done = emit_output(s, plan, &o);
  } else {
    fprintf(stderr, "%s:\n", c->name);
    diag_print_text(&s->diags, stderr, false);
  }
  arena_destroy(arena);
  return done;
}

static void compile_share(const CaseTable *table, const char *folder, int worker, int workers) {
  for (int i = worker; i < table->count; i += workers) {
    unlink(must_print("%s/%s.o", folder, table->at[i].symbol));
    compile_case(&table->at[i], folder, optimisation(i), i % 2 == 1);
  }
}

/* A bug in the compiler ends its process; the cases behind it then have no object. */
static void compile_all(const CaseTable *table, const char *folder, int workers) {
  fflush(NULL);
  for (int k = 0; k < workers; k++) {
    pid_t child = fork();
    if (child < 0) die("fork: %s", strerror(errno));
    if (child) continue;
    compile_share(table, folder, k, workers);
    fflush(NULL);
    _exit(0);
  }
  for (int k = 0, status; k < workers; k++)
    if (wait(&status) > 0 && status) fprintf(stderr, "tests/ops: the compiler ended with status %d\n", status);
}

void compile_cases(const CaseTable *table, const char *folder, int workers, const sg_network **code) {
  if (mkdir(folder, 0777) != 0 && errno != EEXIST) die("%s: %s", folder, strerror(errno));
  compile_all(table, folder, workers);
  const char **args = must_alloc((int64_t)sizeof *args * (table->count + 8));
  int count = 0;
  char *library = must_print("%s/cases-%d.so", folder, (int)getpid());
  args[count++] = "cc";
  args[count++] = "-shared";
  args[count++] = "-o";
  args[count++] = library;
  for (int i = 0; i < table->count; i++) {
    char *object = must_print("%s/%s.o", folder, table->at[i].symbol);
    if (access(object, R_OK) == 0) args[count++] = object;
  }
  if (!run_program(args, NULL, "linking the cases")) die("the cases cannot be linked");
  void *loaded = dlopen(library, RTLD_NOW);
  if (!loaded) die("%s", dlerror());
  unlink(library);
  for (int i = 0; i < table->count; i++) {
    code[i] = dlsym(loaded, must_print("%s_network", table->at[i].symbol));
    if (!code[i]) fprintf(stderr, "%s: not compiled\n", table->at[i].name);
  }
}
