/* From objects to programs and libraries, by the system's cc and ar. Finds the runtime library next to the
 * compiler. Called by emit.c; must not look into plans. */
#include "compiler/emit/emit.h"
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SURGERY_SANITIZE
#define SURGERY_SANITIZE "" /* how the runtime was built: its sanitizers must be linked too */
#endif

typedef VEC(const char *) Args;
#define arg(...) vec_push(arena, &args, __VA_ARGS__)

const char *plain_path(Arena *arena, const char *path) {
  return *path == '-' ? arena_printf(arena, "./%s", path) : path;
}

static bool is_file(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* libsurgery.a: in the given folder; else from the place of this compiler, which is a build folder, a prefix (wherever
 * that was moved) or, for tests, a folder below the build's. NULL when there is none. */
static const char *find_runtime(Arena *arena, const EmitOptions *o) {
  static const char *const places[] = {"runtime", SURGERY_LIB_FROM_BIN, "../runtime", "../../runtime"};
  if (o->runtime_dir) {
    const char *path = arena_printf(arena, "%s/libsurgery.a", o->runtime_dir);
    return is_file(path) ? plain_path(arena, path) : NULL;
  }
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return NULL;
  self[length] = 0;
  const char *folder = dirname(self);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    const char *path = arena_printf(arena, "%s/%s/libsurgery.a", folder, places[i]);
    if (is_file(path)) return path;
  }
  return NULL;
}

const char *emit_runtime(Arena *arena) { return find_runtime(arena, &(EmitOptions){0}); }

static bool add_libraries(Arena *arena, Args *to, const EmitOptions *o) {
  /* OpenBLAS is loaded by the runtime when it is needed. */
  static const char *const libraries[] = {"-ljpeg", "-lpng", "-lz", "-lpthread", "-ldl", "-lm"};
  Args args = *to;
  const char *runtime = find_runtime(arena, o);
  if (!runtime)
    return o->runtime_dir ? emit_complain("there is no libsurgery.a in '%s'", o->runtime_dir)
                          : emit_complain("libsurgery.a is neither beside surgeryc (runtime/) nor in its "
                                          "prefix (" SURGERY_LIB_FROM_BIN "): is Surgery installed whole?");
  arg(runtime);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) arg(libraries[i]);
  if (*SURGERY_SANITIZE) arg("-fsanitize=" SURGERY_SANITIZE);
  arg(NULL);
  *to = args;
  return true;
}

static void add_objects(Arena *arena, Args *to, const char *const *objects) {
  Args args = *to;
  for (; *objects; objects++) arg(plain_path(arena, *objects));
  *to = args;
}

bool link_program(Arena *arena, const EmitOptions *o, const char *const *objects, const char *out) {
  Args args = {0};
  arg("cc");
  arg("-o");
  arg(plain_path(arena, out));
  arg("-Wl,--gc-sections,--as-needed,-O1");
  add_objects(arena, &args, objects);
  return add_libraries(arena, &args, o) && run_program(args.at, NULL, "linking the program");
}

/* Only the network's and the runtime's public names leave the library. */
static bool write_exports(OutFile *f, Arena *arena, const char *name, const char *folder) {
  const char *text = arena_printf(arena, "{ global: %s_*; surgery_*; local: *; };\n", name);
  return outfile_intermediate(f, arena_printf(arena, "%s/exports.map", folder)) &&
         outfile_write(f, text, strlen(text)) && outfile_close(f);
}

bool link_shared(Arena *arena, const EmitOptions *o, const char *name, const char *folder, const char *const *objects,
                 const char *out) {
  OutFile map;
  Args args = {0};
  const char *slash = strrchr(o->output, '/');
  if (!write_exports(&map, arena, name, folder)) {
    outfile_discard(&map);
    return false;
  }
  arg("cc");
  arg("-shared");
  arg("-o");
  arg(plain_path(arena, out));
  arg("-Xlinker");
  arg("-soname");
  arg("-Xlinker");
  arg(slash ? slash + 1 : o->output);
  arg("-Xlinker");
  arg(arena_printf(arena, "--version-script=%s", map.path));
  /* nodelete: threads of the pool outlive a dlclose and would find their code gone. */
  arg("-Wl,--gc-sections,--as-needed,-O1,-z,defs,-z,nodelete");
  if (*SURGERY_SANITIZE) arg("-Wl,-z,undefs"); /* the sanitizers are the program's */
  add_objects(arena, &args, objects);
  bool done = add_libraries(arena, &args, o) && run_program(args.at, NULL, "linking the library");
  outfile_discard(&map);
  return done;
}

bool link_relocatable(Arena *arena, const char *const *objects, const char *out) {
  Args args = {0};
  arg("cc");
  arg("-r");
  arg("-nostdlib");
  arg("-o");
  arg(plain_path(arena, out));
  add_objects(arena, &args, objects);
  arg(NULL);
  if (!run_program(args.at, NULL, "joining the objects")) return false;
  args.count = 0; /* two networks in one program may have layers of the same names */
  arg("objcopy");
  arg("--localize-hidden");
  arg(plain_path(arena, out));
  arg(NULL);
  return run_program(args.at, NULL, "joining the objects");
}

bool link_archive(Arena *arena, const char *folder, const char *const *objects, const char *out) {
  Args args = {0};
  arg("ar");
  arg("rcsD"); /* D: the same bytes every time */
  arg(out);
  add_objects(arena, &args, objects);
  arg(NULL);
  return run_program(args.at, folder, "making the library");
}
