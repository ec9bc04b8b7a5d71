/* The module itself: specialisation, symbols, names. No files. */
#include "tests/codegen/tests.h"
#include "runtime/kernels/kernels.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/Object.h>

typedef struct Built {
  LLVMContextRef context;
  LLVMModuleRef module;
  CodegenTarget target;
} Built;

static Built build(Fixture *f, const char *cpu, int opt_level, bool program) {
  Built b = {0};
  const char *error = NULL;
  assert_true(codegen_target(f->arena, cpu, opt_level, &b.target, &error));
  CodegenOptions options = {.name = "tiny", .manifest = "{}", .program = program};
  b.context = LLVMContextCreate();
  b.module = codegen_module(b.context, f->arena, f->plan, &b.target, &options);
  codegen_optimise(b.module, &b.target);
  return b;
}

static void dispose(Built *b) {
  LLVMDisposeModule(b->module);
  LLVMContextDispose(b->context);
  codegen_target_dispose(&b->target);
}

/* The constants of a template must have become immediate numbers: what is left of its global would be loads
 * in loops. Those of runtime kernels (linear…) stay. */
static void check_constants_folded(LLVMModuleRef module) {
  for (LLVMValueRef g = LLVMGetFirstGlobal(module); g; g = LLVMGetNextGlobal(g)) {
    size_t length;
    const char *name = LLVMGetValueName2(g, &length);
    if (strncmp(name, "k.", 2) == 0 && strncmp(name, "k.sg_linear", 11) != 0)
      fail_msg("the constants %s are still loaded", name);
  }
}

void test_specialised_for_cpus(void **state) {
  static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "native"};
  for (size_t i = 0; i < 4; i++)
    for (int level = i == 3 ? 1 : 3; level <= 3; level++) {
      Built b = build(*state, cpus[i], level, false);
      char *message = NULL;
      assert_false(LLVMVerifyModule(b.module, LLVMReturnStatusAction, &message));
      LLVMDisposeMessage(message);
      check_constants_folded(b.module);
      LLVMMemoryBufferRef object = codegen_emit(b.module, &b.target, LLVMObjectFile);
      assert_true(LLVMGetBufferSize(object) > 1000);
      LLVMDisposeMemoryBuffer(object);
      dispose(&b);
    }
}

/* All symbols of the object, each between newlines. */
static const char *symbols_of(Fixture *f, Built *b) {
  LLVMMemoryBufferRef object = codegen_emit(b->module, &b->target, LLVMObjectFile);
  char *message = NULL;
  LLVMBinaryRef binary = LLVMCreateBinary(object, NULL, &message);
  assert_non_null(binary);
  const char *text = "\n";
  LLVMSymbolIteratorRef at = LLVMObjectFileCopySymbolIterator(binary);
  for (; !LLVMObjectFileIsSymbolIteratorAtEnd(binary, at); LLVMMoveToNextSymbol(at))
    text = arena_printf(f->arena, "%s%s\n", text, LLVMGetSymbolName(at));
  LLVMDisposeSymbolIterator(at);
  LLVMDisposeBinary(binary);
  LLVMDisposeMemoryBuffer(object);
  return text;
}

static bool has_symbol(Fixture *f, const char *symbols, const char *name) {
  return strstr(symbols, arena_printf(f->arena, "\n%s\n", name)) != NULL;
}

void test_symbols(void **state) {
  Fixture *f = *state;
  Built b = build(f, "x86-64-v3", 3, false);
  const char *symbols = symbols_of(f, &b);
  dispose(&b);
  static const char *const wanted[] = {"sg_conv2d.conv1.forward",
                                       "sg_conv2d.conv2.forward",
                                       "sg_activation.act1.forward",
                                       "sg_conv2d_pack.conv1.pack",
                                       "sg_cross_entropy.loss",
                                       "tiny_forward_fn",
                                       "tiny_step_fn",
                                       "tiny_pack_fn",
                                       "tiny_network",
                                       "tiny_open",
                                       "tiny_forward",
                                       "tiny_train_step",
                                       "tiny_save",
                                       "tiny_close",
                                       "tiny_pack",
                                       "tiny_forward_raw",
                                       "sg_parallel",
                                       "sg_linear",
                                       "sg_linear_grad_weight",
                                       "surgery_open"};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (!has_symbol(f, symbols, wanted[i])) fail_msg("no symbol %s in %s", wanted[i], symbols);
  /* The same kernel with the same constants is one function; absent schedules and unused templates leave
   * nothing. */
  static const char *const unwanted[] = {"sg_activation.act2.forward",
                                         "sg_conv2d.conv1.forward.1",
                                         "tiny_prefix_fn",
                                         "tiny_tail_fn",
                                         "sgk_conv2d",
                                         "sgk_maxpool2d",
                                         "main",
                                         "sg_linear_grad_input"};
  for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
    if (has_symbol(f, symbols, unwanted[i])) fail_msg("the symbol %s should not be", unwanted[i]);
  assert_null(strstr(symbols, "conv1.grad"));
  assert_null(strstr(symbols, "conv2.grad"));
  b = build(f, "x86-64-v3", 0, true);
  symbols = symbols_of(f, &b);
  dispose(&b);
  assert_true(has_symbol(f, symbols, "main") && has_symbol(f, symbols, "surgery_main"));
  assert_false(has_symbol(f, symbols, "tiny_open"));
}

void test_cpu_names(void **state) {
  Fixture *f = *state;
  assert_null(emit_cpu_error(f->arena, NULL));
  assert_null(emit_cpu_error(f->arena, "native"));
  assert_null(emit_cpu_error(f->arena, "x86-64-v3"));
  const char *error = emit_cpu_error(f->arena, "x86-64-v33");
  assert_non_null(error);
  assert_non_null(strstr(error, "did you mean 'x86-64-v3'"));
  assert_non_null(strstr(emit_cpu_error(f->arena, "\xff toaster"), "unknown CPU"));
  assert_non_null(emit_cpu_error(f->arena, ""));
}

static const char *levels_text(Fixture *f, const char *cpu) {
  CodegenLevels levels;
  const char *error = NULL, *text = "";
  if (!codegen_levels(f->arena, cpu, &levels, &error)) return error;
  assert_null(error);
  for (int i = 0; i < levels.count; i++) text = arena_printf(f->arena, "%s%s ", text, levels.cpu[i]);
  return text;
}

void test_cpu_levels(void **state) {
  Fixture *f = *state;
  static const char *const orders[] = {"x86-64-v2,x86-64-v3,x86-64-v4", "x86-64-v4,x86-64-v2,x86-64-v3",
                                       "x86-64-v3,x86-64-v4,x86-64-v2"};
  for (size_t i = 0; i < 3; i++) assert_string_equal(levels_text(f, orders[i]), "x86-64-v4 x86-64-v3 x86-64-v2 ");
  assert_string_equal(levels_text(f, "x86-64,penryn,nehalem,sandybridge,haswell,skylake-avx512"),
                      "skylake-avx512 haswell sandybridge nehalem penryn x86-64 ");
  assert_string_equal(levels_text(f, "haswell"), "haswell ");
  static const char *const wrong[][2] = {
      {"x86-64-v3,x86-64-v2,x86-64-v3", "x86-64-v3 twice"},
      {"native,native", "twice"},
      {"x86-64-v3,skylake", "cannot tell skylake from x86-64-v3"},
      {"x86-64-v3,", "a name is missing"},
      {",x86-64-v3", "a name is missing"},
      {"x86-64-v3,,x86-64-v2", "a name is missing"},
      {",", "unknown CPU ''"},
      {"x86-64-v3,x86-64-v22", "did you mean 'x86-64-v2'"},
      {"k8,nocona,core2,penryn,nehalem,sandybridge,ivybridge,haswell,znver4", "no more than 8"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (!strstr(levels_text(f, wrong[i][0]), wrong[i][1])) fail_msg("%s: %s", wrong[i][0], levels_text(f, wrong[i][0]));
}

/* Of two levels each is a module of its own, and no symbol is defined in both. */
void test_level_symbols(void **state) {
  Fixture *f = *state;
  CodegenLevels levels;
  const char *error = NULL, *symbols[2];
  assert_true(codegen_levels(f->arena, "x86-64-v2,x86-64-v3", &levels, &error));
  for (int i = 0; i < 2; i++) {
    Built b = {.context = LLVMContextCreate()};
    assert_true(codegen_target(f->arena, levels.asked[i], 2, &b.target, &error));
    CodegenOptions options = {.name = "tiny", .manifest = "{}", .levels = &levels, .level = i};
    b.module = codegen_module(b.context, f->arena, f->plan, &b.target, &options);
    codegen_optimise(b.module, &b.target);
    symbols[i] = symbols_of(f, &b);
    dispose(&b);
  }
  assert_true(has_symbol(f, symbols[0], "tiny_network") && has_symbol(f, symbols[0], "tiny_network_x86_64_v2"));
  assert_true(has_symbol(f, symbols[0], "tiny_open") && has_symbol(f, symbols[0], "sg_choose"));
  assert_true(has_symbol(f, symbols[0], "sg_conv2d.conv1.forward_x86_64_v3"));
  assert_true(has_symbol(f, symbols[1], "tiny_network_x86_64_v2"));
  assert_true(has_symbol(f, symbols[1], "sg_conv2d.conv1.forward_x86_64_v2"));
  static const char *const first_alone[] = {"tiny_network", "tiny_open", "tiny_pack", "tiny_forward_raw",
                                            "surgery_open"};
  for (size_t i = 0; i < sizeof first_alone / sizeof *first_alone; i++)
    if (has_symbol(f, symbols[1], first_alone[i])) fail_msg("the symbol %s should not be", first_alone[i]);
  assert_null(strstr(symbols[1], "_v3"));
}

void test_identifiers(void **state) {
  Fixture *f = *state;
  static const char *const cases[][2] = {{"ants", "ants"},       {"out/ants.o", "ants"},  {"a.b/one-two.so", "one_two"},
                                         {"3d.a", "net_3d"},     {"int.o", "int_"},       {"surgery.o", "surgery_"},
                                         {"main", "main_"},      {"v1.2.o", "v1_2"},      {".hidden", "net_hidden"},
                                         {"\xc3\xa4.o", "net_"}, {"a b'c\".o", "a_b_c_"}, {"-x.o", "net_x"},
                                         {"class.a", "class_"},  {"net.o", "net"},        {"log.o", "log"},
                                         {"json.o", "json"},     {"sgr.o", "sgr"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(codegen_identifier(f->arena, cases[i][0]), cases[i][1]);
}
