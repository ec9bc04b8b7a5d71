/* The training's recipe (runtime/base/recipe.h) as constant data of a module: each struct as it is in memory, its
 * pointers to constants of their own. Knows where the structs have pointers, and nothing else of them. Called by
 * exports.c. */
#include "compiler/codegen/internal.h"
#include "runtime/base/recipe.h"

/* The words of `bytes` bytes; what a pointer is among them is put in its place by point(). */
static LLVMValueRef *words_of(Codegen *cg, const void *from, size_t bytes) {
  LLVMValueRef *words = arena_array(cg->arena, LLVMValueRef, bytes / 8 + 1);
  for (size_t i = 0; i < bytes / 8; i++) words[i] = LLVMConstInt(cg->i64, ((const uint64_t *)from)[i], false);
  return words;
}

static void point(LLVMValueRef *words, size_t offset, LLVMValueRef to) { words[offset / 8] = to; }

static LLVMValueRef constant(Codegen *cg, LLVMValueRef value) {
  LLVMValueRef global = LLVMAddGlobal(cg->module, LLVMTypeOf(value), "recipe");
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetAlignment(global, 8);
  return global;
}

static LLVMValueRef constant_words(Codegen *cg, LLVMValueRef *words, size_t bytes) {
  return bytes ? constant(cg, LLVMConstStructInContext(cg->context, words, (unsigned)(bytes / 8), false))
               : LLVMConstNull(cg->ptr);
}

static LLVMValueRef constant_bytes(Codegen *cg, const void *from, size_t bytes) {
  return bytes ? constant(cg, LLVMConstStringInContext2(cg->context, from, bytes, true)) : LLVMConstNull(cg->ptr);
}

static LLVMValueRef constant_text(Codegen *cg, const char *text) {
  return text ? text_global(cg, "recipe", text) : LLVMConstNull(cg->ptr);
}

/* The lists among the arguments of what is chosen, a struct at `at` in the words. */
static void point_lists(Codegen *cg, TrainRows rows, const void *config, LLVMValueRef *words, size_t at) {
  for (const TrainArg *arg = rows.at[*(const int64_t *)config].args(); arg->name; arg++) {
    const void *value = (const char *)config + TRAIN_ARGS + arg->offset;
    const NumberList *numbers = value;
    const StepList *steps = value;
    if (arg->type == TYPE_NUMBERS)
      point(words, at + TRAIN_ARGS + arg->offset,
            constant_bytes(cg, numbers->at, (size_t)numbers->count * sizeof *numbers->at));
    if (arg->type == TYPE_STEPS)
      point(words, at + TRAIN_ARGS + arg->offset,
            constant_bytes(cg, steps->at, (size_t)steps->count * sizeof *steps->at));
  }
}

static LLVMValueRef stages(Codegen *cg, const TrainRecipe *recipe) {
  size_t bytes = (size_t)recipe->stage_count * sizeof(StageRecipe);
  LLVMValueRef *words = words_of(cg, recipe->stages, bytes);
  for (int64_t i = 0; i < recipe->stage_count; i++) {
    const StageRecipe *stage = &recipe->stages[i];
    size_t at = (size_t)i * sizeof *stage, augment_bytes = (size_t)stage->augment.count * sizeof(AugmentConfig);
    LLVMValueRef *augment = words_of(cg, stage->augment.at, augment_bytes);
    for (int64_t k = 0; k < stage->augment.count; k++)
      point_lists(cg, augment_rows, &stage->augment.at[k], augment, (size_t)k * sizeof(AugmentConfig));
    point_lists(cg, optimizer_rows, &stage->optimizer, words, at + offsetof(StageRecipe, optimizer));
    point_lists(cg, schedule_rows, &stage->schedule, words, at + offsetof(StageRecipe, schedule));
    point(words, at + offsetof(StageRecipe, augment.at), constant_words(cg, augment, augment_bytes));
    point(words, at + offsetof(StageRecipe, groups.at),
          constant_bytes(cg, stage->groups.at, (size_t)stage->groups.count * sizeof(Args_Group)));
    point(words, at + offsetof(StageRecipe, name), constant_text(cg, stage->name));
  }
  return constant_words(cg, words, bytes);
}

static LLVMValueRef saves(Codegen *cg, const TrainRecipe *recipe) {
  size_t bytes = (size_t)recipe->save_count * sizeof(SaveRecipe);
  LLVMValueRef *words = words_of(cg, recipe->saves, bytes);
  for (int64_t i = 0; i < recipe->save_count; i++) {
    const SaveRecipe *save = &recipe->saves[i];
    point(words, (size_t)i * sizeof *save + offsetof(SaveRecipe, file), constant_text(cg, save->file));
    point(words, (size_t)i * sizeof *save + offsetof(SaveRecipe, tensors),
          constant_bytes(cg, save->tensors, (size_t)save->count * sizeof *save->tensors));
  }
  return constant_words(cg, words, bytes);
}

LLVMValueRef recipe_global(Codegen *cg, const TrainRecipe *recipe) {
  if (!recipe) return LLVMConstNull(cg->ptr);
  LLVMValueRef *words = words_of(cg, recipe, sizeof *recipe);
  point_lists(cg, loss_rows, &recipe->loss, words, offsetof(TrainRecipe, loss));
  point(words, offsetof(TrainRecipe, stages), stages(cg, recipe));
  point(words, offsetof(TrainRecipe, saves), saves(cg, recipe));
  return constant_words(cg, words, sizeof *recipe);
}
