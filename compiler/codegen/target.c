/* Which machine the code is for: LLVM's target machine for the host or for a named CPU. Also owns the
 * one-time initialisation of LLVM. Must not know networks. Called by emit/ and the tests. */
#include "compiler/codegen/codegen.h"
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>

/* LLVM's C API cannot list its CPUs and takes an unknown name for the oldest one; so the 64-bit x86 names
 * that may be asked for stand here. Where the host is no x86, names are handed on unchecked. */
static const char *const x86_names[] = {
    /* with AVX-512 */
    "x86-64-v4", "skylake-avx512", "cascadelake", "cooperlake", "cannonlake", "icelake-client",
    "icelake-server", "tigerlake", "rocketlake", "sapphirerapids", "emeraldrapids", "graniterapids",
    "graniterapids-d", "knl", "knm", "znver4", "znver5",
    /* without */
    "x86-64", "x86-64-v2", "x86-64-v3", "nocona", "core2", "penryn", "nehalem", "westmere", "sandybridge",
    "ivybridge", "haswell", "broadwell", "skylake", "alderlake", "raptorlake", "meteorlake", "gracemont",
    "arrowlake", "arrowlake-s", "lunarlake", "pantherlake", "sierraforest", "grandridge", "clearwaterforest",
    "bonnell", "silvermont", "goldmont", "goldmont-plus", "tremont", "k8", "k8-sse3", "amdfam10", "btver1",
    "btver2", "bdver1", "bdver2", "bdver3", "bdver4", "znver1", "znver2", "znver3"};
enum { X86_NAMES = sizeof x86_names / sizeof *x86_names, X86_WIDE = 17 };

/* The levels of the psABI, spelt out, so that a program can tell what it needs from the machine it runs on.
 */
#define LEVEL2 "+cx16,+sahf,+popcnt,+sse3,+ssse3,+sse4.1,+sse4.2"
#define LEVEL3 LEVEL2 ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+xsave"
#define LEVEL4 LEVEL3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"
static const struct {
  const char *name, *features;
} levels[] = {{"x86-64-v2", LEVEL2}, {"x86-64-v3", LEVEL3}, {"x86-64-v4", LEVEL4}};

static void fatal(const char *reason) {
  BUG("LLVM: %s", reason);
}

static void initialise(void) {
  static bool done;
  if (done) return;
  done = true;
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMInitializeNativeAsmParser();
  LLVMInstallFatalErrorHandler(fatal);
  /* Loop strength reduction takes a third of the time of machine code and gains nothing here: the hot loops'
   * addresses are a base, an index and a constant already. */
  LLVMParseCommandLineOptions(2, (const char *const[]){"surgeryc", "-disable-lsr"}, NULL);
}

static const char *take_message(Arena *arena, char *message) {
  char *copy = arena_strdup(arena, message ? message : "");
  LLVMDisposeMessage(message);
  return copy;
}

/* The features that are there ("+x"), without those that are not: a virtual machine may hide some that the
 * CPU's name implies, and for those the "-x" matter to LLVM; so both lists are kept apart. */
static const char *present_features(Arena *arena, const char *all) {
  char *out = arena_alloc(arena, strlen(all) + 1), *end = out;
  for (const char *at = all; *at;) {
    size_t length = strcspn(at, ",");
    if (*at == '+') {
      if (end != out) *end++ = ',';
      memcpy(end, at, length);
      end += length;
    }
    at += length + (at[length] == ',');
  }
  *end = 0;
  return out;
}

/* Its place in x86_names, or -1 with *error. */
static int find_name(Arena *arena, const char *cpu, const char **error) {
  if (strchr(cpu, ',')) {
    *error = arena_printf(
        arena, "--cpu=%s: an output is for one CPU; give the least of them, or build one for each", cpu);
    return -1;
  }
  for (int i = 0; i < X86_NAMES; i++)
    if (streq(x86_names[i], cpu)) return i;
  const char *near = suggest_name(cpu, x86_names, X86_NAMES);
  *error = near ? arena_printf(arena,
                               "unknown CPU '%s'; did you mean '%s'? (also: native, x86-64-v2, x86-64-v3, "
                               "x86-64-v4)",
                               cpu, near)
                : arena_printf(arena,
                               "unknown CPU '%s'; use native, x86-64-v2, x86-64-v3, x86-64-v4 or a CPU's "
                               "name as clang has it (haswell, znver4, sapphirerapids …)",
                               cpu);
  return -1;
}

bool codegen_target(Arena *arena, const char *cpu, int opt_level, CodegenTarget *out, const char **error) {
  static const LLVMCodeGenOptLevel speeds[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                               LLVMCodeGenLevelDefault, LLVMCodeGenLevelAggressive};
  initialise();
  *out = (CodegenTarget){.opt_level = opt_level < 0 ? 0 : opt_level > 3 ? 3 : opt_level};
  out->triple = take_message(arena, LLVMGetDefaultTargetTriple());
  const char *asked = "";
  if (!cpu || streq(cpu, "native")) {
    out->cpu = take_message(arena, LLVMGetHostCPUName());
    asked = take_message(arena, LLVMGetHostCPUFeatures());
    out->features = present_features(arena, asked);
    out->wide_vectors = strstr(out->features, "+avx512f") != NULL;
  } else {
    if (strncmp(out->triple, "x86_64", 6) == 0) {
      int index = find_name(arena, cpu, error);
      if (index < 0) return false;
      out->wide_vectors = index < X86_WIDE;
    }
    out->cpu = arena_strdup(arena, cpu);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
      if (streq(levels[i].name, cpu)) asked = levels[i].features;
    out->features = asked;
  }
  LLVMTargetRef target;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(out->triple, &target, &message)) {
    *error = arena_printf(arena, "LLVM has no target %s: %s", out->triple, take_message(arena, message));
    return false;
  }
  /* Position independent always: the same object serves programs (PIE) and shared libraries. */
  out->machine = LLVMCreateTargetMachine(target, out->triple, out->cpu, asked, speeds[out->opt_level],
                                         LLVMRelocPIC, LLVMCodeModelDefault);
  if (!out->machine) BUG("no target machine for %s, CPU %s", out->triple, out->cpu);
  return true;
}

void codegen_target_dispose(CodegenTarget *target) {
  if (target->machine) LLVMDisposeTargetMachine(target->machine);
  target->machine = NULL;
}
