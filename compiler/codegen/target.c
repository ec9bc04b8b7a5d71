/* Which machine the code is for: LLVM's target machine for the host or for a named CPU. Also owns the
 * one-time initialisation of LLVM. Must not know networks. Called by emit/ and the tests. */
#include "compiler/codegen/codegen.h"
#include "runtime/base/cpu.h"
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>

/* LLVM's C API can list neither its CPUs nor what they have, and takes an unknown name for the oldest one; so the
 * 64-bit x86 names that may be asked for stand here, with the least that code for them relies on: a program looks for
 * it before it runs. Where the host is no x86, names are handed on unchecked. */
#define CORE2 "+cx16,+sahf,+sse3,+ssse3"
#define AMD10 "+cx16,+sahf,+popcnt,+lzcnt,+sse3,+sse4a"
#define AVX CPU_LEVEL2 ",+avx,+xsave"
static const struct X86Cpu {
  const char *name, *features;
} x86_cpus[] = {
    {"x86-64-v4", CPU_LEVEL4},
    {"skylake-avx512", CPU_LEVEL4},
    {"cascadelake", CPU_LEVEL4 ",+avx512vnni"},
    {"cooperlake", CPU_LEVEL4 ",+avx512vnni,+avx512bf16"},
    {"cannonlake", CPU_LEVEL4 ",+avx512ifma,+avx512vbmi"},
#define ICELAKE CPU_LEVEL4 ",+avx512ifma,+avx512vbmi,+avx512vbmi2,+avx512vnni,+avx512bitalg,+avx512vpopcntdq,+gfni"
    {"icelake-client", ICELAKE},
    {"icelake-server", ICELAKE},
    {"tigerlake", ICELAKE},
    {"rocketlake", ICELAKE},
    {"sapphirerapids", ICELAKE ",+avx512bf16,+avx512fp16,+avxvnni"},
    {"emeraldrapids", ICELAKE ",+avx512bf16,+avx512fp16,+avxvnni"},
    {"graniterapids", ICELAKE ",+avx512bf16,+avx512fp16,+avxvnni"},
    {"graniterapids-d", ICELAKE ",+avx512bf16,+avx512fp16,+avxvnni"},
    {"knl", CPU_LEVEL3 ",+avx512f,+avx512cd"},
    {"knm", CPU_LEVEL3 ",+avx512f,+avx512cd,+avx512vpopcntdq"},
    {"znver4", ICELAKE ",+avx512bf16"},
    {"znver5", ICELAKE ",+avx512bf16,+avxvnni"},
    {"x86-64-v3", CPU_LEVEL3},
    {"haswell", CPU_LEVEL3},
    {"broadwell", CPU_LEVEL3},
    {"skylake", CPU_LEVEL3},
#define GRACEMONT CPU_LEVEL3 ",+gfni,+avxvnni"
    {"alderlake", GRACEMONT},
    {"raptorlake", GRACEMONT},
    {"meteorlake", GRACEMONT},
    {"gracemont", GRACEMONT},
#define SIERRAFOREST GRACEMONT ",+avxifma,+avxvnniint8,+avxneconvert"
    {"arrowlake", SIERRAFOREST},
    {"sierraforest", SIERRAFOREST},
    {"grandridge", SIERRAFOREST},
    {"arrowlake-s", SIERRAFOREST ",+avxvnniint16"},
    {"lunarlake", SIERRAFOREST ",+avxvnniint16"},
    {"pantherlake", SIERRAFOREST ",+avxvnniint16"},
    {"clearwaterforest", SIERRAFOREST ",+avxvnniint16"},
    {"znver1", CPU_LEVEL3},
    {"znver2", CPU_LEVEL3},
    {"znver3", CPU_LEVEL3},
    {"bdver4", CPU_LEVEL3 ",+xop,+fma4,+tbm"},
    {"bdver3", AVX ",+xop,+fma4,+tbm,+lzcnt,+fma,+f16c,+bmi"},
    {"bdver2", AVX ",+xop,+fma4,+tbm,+lzcnt,+fma,+f16c,+bmi"},
    {"bdver1", AVX ",+xop,+fma4,+lzcnt"},
    {"btver2", AVX ",+bmi,+f16c,+lzcnt,+movbe,+sse4a"},
    {"ivybridge", AVX ",+f16c"},
    {"sandybridge", AVX},
    {"x86-64-v2", CPU_LEVEL2},
    {"nehalem", CPU_LEVEL2},
    {"westmere", CPU_LEVEL2},
    {"silvermont", CPU_LEVEL2 ",+movbe"},
    {"goldmont", CPU_LEVEL2 ",+movbe"},
    {"goldmont-plus", CPU_LEVEL2 ",+movbe"},
    {"tremont", CPU_LEVEL2 ",+movbe,+gfni"},
    {"penryn", CORE2 ",+sse4.1"},
    {"core2", CORE2},
    {"bonnell", CORE2 ",+movbe"},
    {"btver1", AMD10 ",+ssse3"},
    {"amdfam10", AMD10},
    {"nocona", "+cx16,+sse3"},
    {"k8-sse3", "+cx16,+sse3"},
    {"k8", ""},
    {"x86-64", ""},
};
enum { X86_CPUS = sizeof x86_cpus / sizeof *x86_cpus };

static void fatal(const char *reason) { BUG("LLVM: %s", reason); }

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

/* NULL with *error where there is none. */
static const struct X86Cpu *find_cpu(Arena *arena, const char *cpu, const char **error) {
  const char *names[X86_CPUS];
  for (int i = 0; i < X86_CPUS; i++) {
    names[i] = x86_cpus[i].name;
    if (streq(names[i], cpu)) return &x86_cpus[i];
  }
  const char *near = nearest_name(cpu, names, X86_CPUS);
  *error = near ? arena_printf(arena,
                               "unknown CPU '%s'; did you mean '%s'? (also: native, x86-64-v2, x86-64-v3, "
                               "x86-64-v4)",
                               cpu, near)
                : arena_printf(arena,
                               "unknown CPU '%s'; use native, x86-64-v2, x86-64-v3, x86-64-v4 or a CPU's "
                               "name as clang has it (haswell, znver4, sapphirerapids …)",
                               cpu);
  return NULL;
}

bool codegen_target(Arena *arena, const char *cpu, int opt_level, CodegenTarget *out, const char **error) {
  static const LLVMCodeGenOptLevel speeds[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault,
                                               LLVMCodeGenLevelAggressive};
  initialise();
  *out = (CodegenTarget){.opt_level = opt_level < 0 ? 0 : opt_level > 3 ? 3 : opt_level};
  out->triple = take_message(arena, LLVMGetDefaultTargetTriple());
  const char *asked = "";
  if (!cpu || streq(cpu, "native")) {
    out->cpu = take_message(arena, LLVMGetHostCPUName());
    asked = take_message(arena, LLVMGetHostCPUFeatures());
    out->features = present_features(arena, asked);
  } else {
    out->features = "";
    if (strncmp(out->triple, "x86_64", 6) == 0) {
      const struct X86Cpu *known = find_cpu(arena, cpu, error);
      if (!known) return false;
      out->features = known->features;
    }
    out->cpu = arena_strdup(arena, cpu);
    if (strncmp(cpu, "x86-64-v", 8) == 0) asked = out->features; /* spelt out for LLVM too: a level is nothing else */
  }
  out->needs = cpu_features(out->features);
  out->wide_vectors = strstr(out->features, "+avx512f") != NULL;
  LLVMTargetRef target;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(out->triple, &target, &message)) {
    *error = arena_printf(arena, "LLVM has no target %s: %s", out->triple, take_message(arena, message));
    return false;
  }
  /* Position independent always: the same object serves programs (PIE) and shared libraries. */
  out->machine = LLVMCreateTargetMachine(target, out->triple, out->cpu, asked, speeds[out->opt_level], LLVMRelocPIC,
                                         LLVMCodeModelDefault);
  if (!out->machine) BUG("no target machine for %s, CPU %s", out->triple, out->cpu);
  return true;
}

void codegen_target_dispose(CodegenTarget *target) {
  if (target->machine) LLVMDisposeTargetMachine(target->machine);
  target->machine = NULL;
}

/* The best first: that which needs most. Two that need the same could not be told apart. */
static bool insert_level(Arena *arena, CodegenLevels *levels, uint64_t *needs, const CodegenTarget *target,
                         const char *asked, const char **error) {
  int at = 0;
  for (int i = 0; i < levels->count; i++) {
    if (streq(levels->cpu[i], target->cpu))
      *error = arena_printf(arena, "--cpu names %s twice%s", target->cpu,
                            streq(asked, levels->asked[i]) ? "" : ": it is what native is here");
    else if (needs[i] == target->needs)
      *error =
          arena_printf(arena, "--cpu: a program cannot tell %s from %s, which has the same features: give one of them",
                       target->cpu, levels->cpu[i]);
    if (*error) return false;
    if (__builtin_popcountll(needs[i]) >= __builtin_popcountll(target->needs)) at = i + 1;
  }
  for (int i = levels->count++; i > at; i--)
    levels->asked[i] = levels->asked[i - 1], levels->cpu[i] = levels->cpu[i - 1], needs[i] = needs[i - 1];
  levels->asked[at] = asked, levels->cpu[at] = target->cpu, needs[at] = target->needs;
  return true;
}

bool codegen_levels(Arena *arena, const char *cpu, CodegenLevels *out, const char **error) {
  uint64_t needs[CODEGEN_MAX_LEVELS] = {0};
  *out = (CodegenLevels){.count = 0};
  *error = NULL;
  for (const char *at = cpu ? cpu : "native"; at;) {
    const char *comma = strchr(at, ','), *name = comma ? arena_strndup(arena, at, (size_t)(comma - at)) : at;
    CodegenTarget target;
    if (out->count == CODEGEN_MAX_LEVELS) {
      *error = arena_printf(arena, "--cpu=%s: no more than %d at a time", cpu, CODEGEN_MAX_LEVELS);
      return false;
    }
    if (!*name && cpu[strspn(cpu, ",")]) {
      *error = arena_printf(arena, "--cpu=%s: a name is missing at a comma", cpu);
      return false;
    }
    if (!codegen_target(arena, name, 3, &target, error)) return false;
    codegen_target_dispose(&target);
    if (!insert_level(arena, out, needs, &target, name, error)) return false;
    at = comma ? comma + 1 : NULL;
  }
  return true;
}
