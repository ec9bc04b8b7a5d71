/* From a finished Plan to machine code through LLVM's C API. emit/ calls these four in order: choose a
 * target, build the module, optimise it, turn it into bytes. Nothing here writes a file or reads one: the
 * kernel templates are embedded in the compiler. A module that LLVM finds invalid is a BUG(), never an error
 * of the user. One context a module, so that two modules may be made by two threads. */
#ifndef SURGERY_CODEGEN_H
#define SURGERY_CODEGEN_H
#include "compiler/ops/program.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct CodegenTarget {
  LLVMTargetMachineRef machine;
  const char *triple;
  const char *cpu;      /* LLVM's name; the host's for "native" */
  const char *features; /* "+avx2,+fma,…": what the code may use */
  uint64_t needs;       /* those of them that a program looks for: bits of runtime/base/cpu.h */
  bool wide_vectors;    /* AVX-512: decides which of the embedded templates are taken */
  int opt_level;
} CodegenTarget;

/* cpu: NULL or "native" for the host, else a name that LLVM knows. opt_level: 0 to 3. False: the name is not
 * known; *error is one line that offers the nearest names, in the arena. */
bool codegen_target(Arena *arena, const char *cpu, int opt_level, CodegenTarget *out, const char **error);
void codegen_target_dispose(CodegenTarget *target);

#define CODEGEN_MAX_LEVELS 8
typedef struct CodegenLevels {           /* the CPUs of one output, the best first */
  const char *asked[CODEGEN_MAX_LEVELS]; /* for codegen_target() */
  const char *cpu[CODEGEN_MAX_LEVELS];   /* LLVM's names, all different */
  int count;                             /* at least 1 */
} CodegenLevels;
/* cpu: names separated by commas, in any order; NULL: "native". False as above; none may stand there twice. */
bool codegen_levels(Arena *arena, const char *cpu, CodegenLevels *out, const char **error);

typedef struct CodegenOptions {
  const char *name;                 /* prefix of everything exported, a C identifier: NAME_network, NAME_forward … */
  const char *manifest;             /* the JSON text of runtime/abi.h */
  const struct TrainRecipe *recipe; /* runtime/base/recipe.h; NULL without a train block */
  uint64_t embedded_bytes;          /* of the weights; 0: none. The bytes themselves are the symbol NAME_embedded, */
  const void *embedded;             /* defined here from these bytes, or elsewhere when this is NULL */
  bool program;                     /* main() instead of the C interface */
  bool bare;                        /* neither: NAME_network alone, for the compiler's own process */
  /* Of several levels each has modules of its own, whose symbols end in the CPU's name; those of level 0 have what all
   * share: the manifest, main() or the C interface. NULL: the one of `target`. */
  const CodegenLevels *levels;
  int level;
  /* A plan may be spread over `parts` modules, to be made by as many threads and linked together: part 0 has
   * all but some of the tasks, which are hidden symbols of the others. 0 parts is 1. */
  int part, parts;
} CodegenOptions;
#define CODEGEN_MAX_PARTS 8

/* The module for a plan, not yet optimised: NAME_network with its functions (levels behind the first:
 * NAME_network_CPU), one task function for each distinct (kernel, constants), the C interface or main(). The caller
 * disposes of it before the context. */
LLVMModuleRef codegen_module(LLVMContextRef context, Arena *arena, const Plan *plan, const CodegenTarget *target,
                             const CodegenOptions *options);
/* Inlines the templates and runs LLVM's pipeline for target->opt_level. */
void codegen_optimise(LLVMModuleRef module, const CodegenTarget *target);
/* An object file's bytes, or assembly text. The caller disposes of the buffer. */
LLVMMemoryBufferRef codegen_emit(LLVMModuleRef module, const CodegenTarget *target, LLVMCodeGenFileType type);

/* "dir/one-two.o" → "one_two": the last component without its suffix made a C identifier that is no keyword
 * of C or C++ and no prefix of the runtime. */
const char *codegen_identifier(Arena *arena, const char *path);
#endif
