/* What the files of codegen/ share: the state of one module under construction. */
#ifndef SURGERY_CODEGEN_INTERNAL_H
#define SURGERY_CODEGEN_INTERNAL_H
#include "compiler/codegen/codegen.h"

typedef struct Task { /* a kernel with its constants: one function (template) or one constants global
                         (runtime) */
  const char *name;
  KernelId kernel;
  const uint64_t *word;
  int word_count;
  bool shared;           /* template: the constants come in the table, behind the buffers */
  int part;              /* the module that holds a template's function */
  LLVMValueRef function; /* template: sg_task; runtime: the runtime's sg_ function */
  LLVMValueRef constants;
} Task;

typedef struct Codegen {
  Arena *arena;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  const Plan *plan;
  const CodegenTarget *target;
  const CodegenOptions *options;
  const char *suffix; /* of symbols: "_x86_64_v3" where there are several levels, else "" */
  LLVMTypeRef ptr, i64, i32, nothing;
  LLVMTypeRef task_type;    /* void(buf, n, begin, end, scratch) */
  LLVMTypeRef run_type;     /* struct sg_run */
  LLVMTypeRef network_type; /* struct sg_network */
  VEC(Task) tasks;
  int64_t part_size[CODEGEN_MAX_PARTS]; /* of its tasks' templates, to share the work evenly */
} Codegen;

/* The fields of sg_run in order, with y one field. */
enum {
  RUN_WEIGHTS,
  RUN_PACKED,
  RUN_GRADS,
  RUN_ARENA,
  RUN_N,
  RUN_X,
  RUN_Y,
  RUN_TARGET,
  RUN_LOSS,
  RUN_RNG,
  RUN_CLASS_WEIGHTS,
  RUN_MASK,
  RUN_THREADS,
  RUN_OWNER,
  RUN_FIELDS
};

/* templates.c: the embedded templates as a module, everything in it internal and ready for inlining. */
LLVMModuleRef templates_load(LLVMContextRef context, const CodegenTarget *target);
/* Gives a function that holds code the target's attributes; of `target` NULL those of every CPU of its kind, for what
 * runs before a level is chosen. */
void templates_set_target(LLVMContextRef context, LLVMValueRef function, const CodegenTarget *target);
void add_attribute(LLVMContextRef context, LLVMValueRef function, LLVMAttributeIndex index, const char *name);

/* tasks.c: the task of a call, made at its first use and named after it. Every part of a plan asks for the
 * same tasks in the same order, and so comes to the same names and the same division. */
const Task *task_for_call(Codegen *cg, const Call *call);

/* schedules.c: void NAME_SCHEDULE_fn(const sg_run *); NULL for an absent schedule. */
LLVMValueRef schedule_function(Codegen *cg, const Program *schedule);

/* exports.c: NAME_network and what else the object shows. functions: of plan_programs(), NULL where absent: pack,
 * forward, prefix, tail, step, inspect and loss, then prefix, tail and step of each phase behind the first. */
#define FUNCTIONS 7
void export_network(Codegen *cg, const LLVMValueRef *functions, size_t count);
#define NETWORK_FIELDS (FUNCTIONS + 11)
/* recipe.c: the constant, or a null pointer. */
LLVMValueRef recipe_global(Codegen *cg, const struct TrainRecipe *recipe);
/* A function with a body to be, the builder at its entry. */
LLVMValueRef begin_function(Codegen *cg, const char *name, LLVMTypeRef type, LLVMLinkage linkage);
/* "_x86_64_v3" */
const char *level_suffix(Arena *arena, const char *cpu);
/* An external function, declared once. */
LLVMValueRef external_function(Codegen *cg, const char *name, LLVMTypeRef type);
/* A private constant string. */
LLVMValueRef text_global(Codegen *cg, const char *name, const char *text);
#endif
