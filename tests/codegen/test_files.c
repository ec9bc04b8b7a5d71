/* Everything that emit_output writes is used: loaded, linked, compiled, parsed. */
#include "compiler/emit/manifest.h"
#include "tests/codegen/tests.h"
#include "runtime/abi.h"
#include <dlfcn.h>
#include <jansson.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/IRReader.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void *aligned(size_t bytes) {
  void *memory = NULL;
  assert_int_equal(posix_memalign(&memory, 64, (bytes + 63) / 64 * 64), 0);
  return memset(memory, 0x7f, bytes); /* nothing may rely on zeros */
}

static void *load(Fixture *f, const EmitOptions *o) {
  assert_true(emit_output(&f->session, f->plan, o));
  void *library = dlopen(arena_printf(f->arena, "%s/%s", f->folder, o->output), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail_msg("%s", dlerror());
  return library;
}

static void random_floats(float *at, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) at[i] = tiny_random(&seed);
}

static void check_step(Fixture *f, const sg_network *network, unsigned char *weights, unsigned char *packed,
                       const float *x, int n) {
  const Program *s = &f->plan->step;
  int32_t target[] = {3, 9, 0};
  float loss = NAN, want_loss, *y = aligned((size_t)n * TINY_CLASSES * 4), *want = malloc(sizeof(float) * 10 * 400);
  unsigned char *grads = aligned((size_t)f->plan->grads_bytes);
  sg_run run = {.weights = weights,
                .packed = packed,
                .grads = grads,
                .n = n,
                .x = x,
                .y = {y},
                .target = target,
                .loss = &loss,
                .arena = aligned((size_t)(s->per_sample_bytes * n + s->fixed_bytes + 256 * s->scratch_bytes)),
                .threads = sg_threads()};
  network->step(&run);
  tiny_reference_step(f->plan, weights, n, x, target, &want_loss, want);
  assert_true(fabsf(loss - want_loss) < 1e-5f); /* measured 2e-7 */
  for (int i = 0; i < 4000; i++)                /* measured 1e-7 of values up to 0.5 */
    if (!(fabsf(((float *)grads)[i] - want[i]) < 1e-5f))
      fail_msg("dw[%d] is %g, not %g", i, ((float *)grads)[i], want[i]);
  free(run.arena), free(grads), free(want), free(y);
}

void test_runs_as_reference(void **state) {
  Fixture *f = *state;
  static const char *const cpus[] = {"native", "x86-64-v2", "native", "x86-64-v2,native,x86-64"};
  static const int levels[] = {3, 2, 0, 2};
  for (int i = 0; i < 4; i++) {
    EmitOptions o = options(arena_printf(f->arena, "tiny%d.so", i), EMIT_SHARED);
    o.cpu = cpus[i];
    o.opt_level = levels[i];
    void *library = load(f, &o);
    const char *name = arena_printf(f->arena, "tiny%d_", i);
    int (*pack)(void *, size_t) = dlsym(library, arena_printf(f->arena, "%spack", name));
    int (*forward)(const void *, void *, size_t, size_t, const float *, float *) =
        dlsym(library, arena_printf(f->arena, "%sforward_raw", name));
    const sg_network *network = dlsym(library, arena_printf(f->arena, "%snetwork", name));
    assert_true(pack && forward && network && network->abi == SG_ABI && network->size == sizeof *network);
    assert_true(network->forward && network->pack && network->step && !network->prefix && !network->tail);
    size_t weights_bytes = (size_t)(f->plan->weights_bytes + f->plan->packed_bytes);
    unsigned char *weights = aligned(weights_bytes);
    tiny_fill_weights(f->plan, weights);
    assert_int_equal(pack(weights, weights_bytes), 0);
    for (int n = 1; n <= 3; n += 2) {
      const Program *s = &f->plan->forward;
      float *x = aligned((size_t)n * TINY_INPUT * 4), *y = aligned((size_t)n * TINY_CLASSES * 4),
            want[3 * TINY_CLASSES];
      size_t arena_bytes = (size_t)(s->per_sample_bytes * n + s->fixed_bytes + 256 * s->scratch_bytes);
      void *arena = aligned(arena_bytes);
      random_floats(x, (size_t)n * TINY_INPUT, (uint64_t)n);
      assert_int_equal(forward(weights, arena, arena_bytes, (size_t)n, x, y), 0);
      tiny_reference(f->plan, weights, n, x, want);
      for (int k = 0; k < n * TINY_CLASSES; k++) /* measured 1e-6 of values up to 3 */
        if (!(fabsf(y[k] - want[k]) < 2e-5f)) fail_msg("%s, n = %d: y[%d] is %g, not %g", cpus[i], n, k, y[k], want[k]);
      check_step(f, network, weights, weights + f->plan->weights_bytes, x, n);
      free(x), free(y), free(arena);
    }
    free(weights);
    dlclose(library);
  }
}

/* The bytes, and the file that has them. */
static void embed(EmitOptions *o, const char *path, const void *bytes, size_t count) {
  FILE *file = fopen(path, "w");
  assert_true(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
  o->embedded = bytes, o->embedded_bytes = count, o->embedded_file = path;
}

void test_embedded(void **state) {
  Fixture *f = *state;
  size_t bytes = 100003;
  unsigned char *image = malloc(bytes);
  for (size_t i = 0; i < bytes; i++) image[i] = (unsigned char)(i * 7 + i / 256);
  EmitOptions o = options("tiny.so", EMIT_SHARED);
  embed(&o, "the \"image\" \\1.bin", image, bytes);
  void *library = load(f, &o);
  const sg_network *network = dlsym(library, "tiny_network");
  assert_non_null(network);
  assert_int_equal(network->embedded_bytes, bytes);
  assert_int_equal((uintptr_t)network->embedded % 64, 0);
  assert_memory_equal(network->embedded, image, bytes);
  assert_null(dlsym(library, "tiny_embedded"));
  dlclose(library);
  /* As one object, which cc alone can read, and in the text of the module. */
  o.output = "one.o";
  o.kind = EMIT_OBJ;
  assert_true(emit_output(&f->session, f->plan, &o));
  struct stat st;
  assert_int_equal(stat("one.o", &st), 0);
  assert_true((size_t)st.st_size > bytes);
  o.output = "one.ll";
  o.kind = EMIT_LLVM;
  o.embedded_bytes = 64;
  unlink(o.embedded_file);
  assert_true(emit_output(&f->session, f->plan, &o));
  assert_string_equal(listing(f), "one.h one.ll one.o tiny.h tiny.so");
  free(image);
}

static void write_text(const char *path, const char *text) {
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  assert_true(fputs(text, out) >= 0 && fclose(out) == 0);
}

static const char *read_text(Fixture *f, const char *path) {
  int id = sources_add_file(&f->session.sources, path);
  assert_true(id >= 0);
  return f->session.sources.files.at[id].text;
}

#define USES                                                                                                           \
  "int shape[] = TINY_INPUT_SHAPE;\n"                                                                                  \
  "#define TENSOR(name, type, offset, count) + (offset) + (count)\n"                                                   \
  "int main(void) { size_t n = 3; (void)shape; return !(TINY_CLASSES == 10 && TINY_PARAMETERS == 7450 && "             \
  "TINY_FORWARD_BYTES(n) > 0 &&"                                                                                       \
  " TINY_TRAIN_BYTES(n) >= TINY_FORWARD_BYTES(n) && TINY_WEIGHTS_BYTES >= TINY_STATE_BYTES && (0 "                     \
  "TINY_TENSORS(TENSOR)) > 0 &&"                                                                                       \
  " tiny_open(\"/nowhere\", NULL) == NULL); }\n"

void test_header_compiles(void **state) {
  Fixture *f = *state;
  f->session.sources.arena = f->arena;
  EmitOptions o = options("tiny.o", EMIT_OBJ);
  o.script_name = "odd*/name.surgery";
  assert_true(emit_output(&f->session, f->plan, &o));
  write_text("use.c", "#include \"tiny.h\"\n" USES);
  write_text("before.c", "#include \"tiny.h\"\n#include \"runtime/surgery.h\"\n" USES);
  write_text("after.c", "#include \"runtime/surgery.h\"\n#include \"tiny.h\"\n" USES);
  static const char *const modes[][2] = {
      {"-std=c99", "c"}, {"-std=c11", "c"}, {"-std=c++11", "c++"}, {"-std=c++17", "c++"}};
  for (size_t i = 0; i < 4; i++) {
    const char *alone[] = {"cc",      modes[i][0],     "-x",    modes[i][1], "-Wall", "-Wextra", "-pedantic",
                           "-Werror", "-fsyntax-only", "use.c", NULL};
    const char *both[] = {"cc",      modes[i][0],     "-x", modes[i][1], "-Wall",    "-Wextra", "-pedantic",
                          "-Werror", "-fsyntax-only", "-I", SOURCE_DIR,  "before.c", "after.c", NULL};
    assert_int_equal(run(alone), 0);
    assert_int_equal(run(both), 0);
  }
  /* The sizes are the plan's. */
  const Program *s = &f->plan->forward;
  const char *text = read_text(f, "tiny.h");
  assert_non_null(strstr(
      text,
      arena_printf(f->arena, "TINY_FORWARD_BYTES(n) ((size_t)(n) * %lldu + %lldu + (size_t)surgery_threads() * %lldu)",
                   (long long)s->per_sample_bytes, (long long)s->fixed_bytes, (long long)s->scratch_bytes)));
}

/* A C program linked from the static library, the runtime and its libraries, as a user's build would. */
void test_static_library(void **state) {
  Fixture *f = *state;
  EmitOptions o = options("libtiny.a", EMIT_STATIC);
  assert_true(emit_output(&f->session, f->plan, &o));
  assert_true(emit_output(&f->session, f->plan, &o)); /* again, over the old one */
  assert_string_equal(listing(f), "libtiny.a libtiny.h");
  write_text("use.c", "#include \"libtiny.h\"\nint main(void) { surgery_error e; return "
                      "libtiny_open(\"/nowhere.pth\", &e) != NULL "
                      "|| e.status == SURGERY_OK; }\n");
  const char *cc[] = {"cc",
                      "-o",
                      "use",
                      "use.c",
                      "libtiny.a",
                      RUNTIME_DIR "/libsurgery.a",
                      "-ljpeg",
                      "-lpng",
                      "-lz",
                      "-lm",
                      *SANITIZE ? "-fsanitize=" SANITIZE : "-g",
                      NULL};
  assert_int_equal(run(cc), 0);
  assert_int_equal(run((const char *[]){"./use", NULL}), 0);
}

void test_program(void **state) {
  Fixture *f = *state;
  EmitOptions o = options("tiny", EMIT_EXE);
  assert_true(emit_output(&f->session, f->plan, &o));
  assert_string_equal(listing(f), "tiny");
  assert_int_equal(run((const char *[]){"./tiny", "--help", NULL}), 0);
  assert_int_not_equal(run((const char *[]){"./tiny", "no-such-command", NULL}), 0);
}

void test_text_parses(void **state) {
  Fixture *f = *state;
  EmitOptions o = options("tiny.ll", EMIT_LLVM);
  assert_true(emit_output(&f->session, f->plan, &o));
  LLVMContextRef context = LLVMContextCreate();
  LLVMMemoryBufferRef buffer;
  LLVMModuleRef module;
  char *message = NULL;
  assert_false(LLVMCreateMemoryBufferWithContentsOfFile("tiny.ll", &buffer, &message));
  if (LLVMParseIRInContext(context, buffer, &module, &message)) fail_msg("%s", message);
  assert_false(LLVMVerifyModule(module, LLVMReturnStatusAction, &message));
  LLVMDisposeMessage(message);
  assert_non_null(LLVMGetNamedFunction(module, "sg_conv2d.conv1.forward"));
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  o.output = "tiny.s";
  o.kind = EMIT_ASM;
  assert_true(emit_output(&f->session, f->plan, &o));
  assert_int_equal(run((const char *[]){"cc", "-c", "-o", "tiny.o", "tiny.s", NULL}), 0);
}

void test_odd_names(void **state) {
  Fixture *f = *state;
  static const char *const folders[] = {"-dash", "with space", "quote'\"$(x);"};
  for (int i = 0; i < 3; i++) assert_int_equal(mkdir(folders[i], 0777), 0);
  for (EmitKind kind = EMIT_EXE; kind <= EMIT_ASM; kind++) {
    const char *path = arena_printf(f->arena, "%s/-o '\" %d.x", folders[kind % 3], (int)kind);
    EmitOptions o = options(path, kind);
    assert_true(emit_output(&f->session, f->plan, &o));
    assert_int_equal(access(path, R_OK), 0);
  }
  EmitOptions o = options("-o", EMIT_EXE);
  embed(&o, "-o weights", "weights", 7);
  assert_true(emit_output(&f->session, f->plan, &o));
  assert_string_equal(listing(f), "-dash -o -o weights quote'\"$(x); with space");
}

void test_depfile(void **state) {
  Fixture *f = *state;
  static const char *const files[] = {"a b.surgery",   "c$d.surgery",          "e#f.surgery",
                                      "g\\ h.surgery", "<zoo>/resnet.surgery", "a b.surgery"};
  f->session.sources.arena = f->arena;
  for (size_t i = 0; i < 6; i++) vec_push(f->arena, &f->session.dependencies, files[i]);
  assert_string_equal(
      depfile_text(&f->session, (const char *[]){"out dir/net", "net:h"}, 2),
      "out\\ dir/net net\\:h: \\\n a\\ b.surgery \\\n c$$d.surgery \\\n e\\#f.surgery \\\n g\\\\\\ h.surgery\n"
      "a\\ b.surgery: \nc$$d.surgery: \ne\\#f.surgery: \ng\\\\\\ h.surgery: \n");
  /* make agrees: with all of them there the target is up to date; a newer one or one that is gone makes it old. */
  write_text("Makefile", "target: ; @touch target\ninclude make.d\n");
  f->session.dependencies.count = 4;
  write_text("make.d", depfile_text(&f->session, (const char *[]){"target"}, 1));
  for (size_t i = 0; i < 4; i++) write_text(files[i], "");
  assert_int_equal(run((const char *[]){"make", "-s", "target", NULL}), 0);
  assert_int_equal(run((const char *[]){"make", "-q", "target", NULL}), 0);
  assert_int_equal(run((const char *[]){"touch", "-d", "+5 seconds", files[1], NULL}), 0);
  assert_int_not_equal(run((const char *[]){"make", "-q", "target", NULL}), 0);
  assert_int_equal(run((const char *[]){"touch", "-d", "-1 hour", files[1], NULL}), 0);
  assert_int_equal(run((const char *[]){"make", "-q", "target", NULL}), 0);
  assert_int_equal(unlink(files[2]), 0);
  assert_int_not_equal(run((const char *[]){"make", "-q", "target", NULL}), 0);
  assert_int_equal(run((const char *[]){"make", "-s", "target", NULL}), 0);
}

void test_manifest(void **state) {
  Fixture *f = *state;
  EmitOptions o = options("dir/tiny.so", EMIT_SHARED);
  o.weights_file = "/abs/\xff.safetensors";
  TrainConfig train = {
      .recipe = {.loss = {LOSS_CrossEntropy, {.CrossEntropy = {.label_smoothing = 0.1}}}, .accumulate = 1},
      .all.recipe = {.optimizer = {OPTIMIZER_Adam, {.Adam = {.lr = 1e-3, .betas = {0.9, 0.999}, .eps = 1e-8}}},
                     .batch = 16,
                     .epochs = 25}};
  GroupConfig group = {.args = {.lr = 1e-5, .weight_decay = NAN, .momentum = NAN}};
  vec_push(f->arena, &group.params, 4);
  vec_push(f->arena, &train.all.groups, group);
  AugmentStep crop = {
      .config = {AUGMENT_random_resized_crop,
                 {.random_resized_crop = {.size = {24, 24}, .scale = {0.08, 1}, .ratio = {0.75, 1.25}}}}};
  vec_push(f->arena, &train.all.augment, crop);
  f->plan->train = &train;
  const TrainRecipe *recipe = train_recipe(f->arena, f->plan);
  const StageRecipe *stage = recipe->stages;
  assert_true(recipe->stage_count == 1 && stage->optimizer.lr == 1e-3 && stage->optimizer.Adam.betas[1] == 0.999);
  assert_true(stage->groups.count == 2 && isnan(stage->groups.at[0].lr) && stage->groups.at[1].lr == 1e-5);
  assert_true(stage->augment.count == 1 && stage->augment.at[0].random_resized_crop.size[1] == 24);
  json_t *root = json_loads(manifest_text(f->arena, f->plan, &o), JSON_REJECT_DUPLICATES, NULL);
  assert_non_null(root);
  const char *name, *label, *weights, *tensor;
  json_int_t offset, grad, group_index, trainable, total, scratch, weights_bytes;
  int repack;
  assert_int_equal(json_unpack(root, "{s:s, s:[s], s:s, s:{s:I, s:I}, s:b, s:I}", "name", &name, "labels", &label,
                               "weights_file", &weights, "parameters", "total", &total, "trainable", &trainable,
                               "repack", &repack, "weights_bytes", &weights_bytes),
                   0);
  assert_string_equal(name, "tiny");
  assert_string_equal(label, "nought */ \"one\"");
  assert_string_equal(weights, "/abs/\xEF\xBF\xBD.safetensors");
  assert_int_equal(total, 20 * 27 + 20 + 16 * 180 + 4010);
  assert_int_equal(trainable, 4010);
  assert_int_equal(weights_bytes, f->plan->weights_bytes);
  assert_false(repack); /* only frozen layers are packed */
  assert_int_equal(json_unpack(json_array_get(json_object_get(root, "tensors"), 4), "{s:s, s:I, s:I, s:I}", "name",
                               &tensor, "offset", &offset, "grad", &grad, "group", &group_index),
                   0);
  assert_string_equal(tensor, "fc.bias");
  assert_int_equal(offset, f->plan->weight_offset.at[4]);
  assert_int_equal(grad, f->plan->grad_offset.at[4]);
  assert_int_equal(group_index, 1);
  assert_int_equal(json_unpack(root, "{s:{s:{s:I}}, s:n}", "functions", "step", "scratch", &scratch, "features"), 0);
  assert_int_equal(scratch, f->plan->step.scratch_bytes);
  assert_int_equal(json_array_size(json_object_get(root, "layers")), 6);
  json_decref(root);
}
