/* See specialised.h. Needs cc, to turn an object into something dlopen takes. */
#include "tests/bench/specialised.h"
#include "runtime/abi.h"
#include <dlfcn.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/IRReader.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *bench_load(LLVMMemoryBufferRef object) {
  char path[] = "/tmp/bench_XXXXXX", command[256];
  int fd = mkstemp(path);
  if (fd < 0 || write(fd, LLVMGetBufferStart(object), LLVMGetBufferSize(object)) < 0)
    fail_environment("cannot write %s", path);
  close(fd);
  LLVMDisposeMemoryBuffer(object);
  snprintf(command, sizeof command, "cc -shared -o %s.so %s", path, path);
  if (system(command)) fail_environment("cannot link %s", path);
  snprintf(command, sizeof command, "%s.so", path);
  void *library = dlopen(command, RTLD_LAZY); /* the C interface wants a runtime that is not here and not called */
  if (!library) fail_environment("%s", dlerror());
  unlink(path);
  unlink(command);
  return library;
}

enum { ROUNDS = 200000 }; /* short, so that some run is left alone by the rest of the machine */
static void (*run_chains)(int64_t rounds, float *x);

static void run_alone(void *const *buf, int64_t n, int64_t begin, int64_t end, void *scratch) {
  float *x = (float *)buf[0] + 16 * begin;
  for (int64_t unit = begin; unit < end; unit++, x += 16) {
    for (int i = 0; i < 16; i++) x[i] = 0.5f;
    run_chains(ROUNDS, x);
  }
}

/* Enough independent chains of fused multiply-adds to fill every port at every latency. */
static const char *chains_text(Arena *arena, int chains) {
  const char *text = "define <16 x float> @peak(i64 %n, <16 x float> %a, <16 x float> %b, <16 x float> %c) "
                     "{\nentry:\n  br label %loop\nloop:\n"
                     "  %i = phi i64 [0, %entry], [%next, %loop]\n";
  for (int c = 0; c < chains; c++)
    text = arena_printf(arena, "%s  %%x%d = phi <16 x float> [%%a, %%entry], [%%y%d, %%loop]\n", text, c, c);
  for (int c = 0; c < chains; c++)
    text = arena_printf(arena,
                        "%s  %%y%d = call <16 x float> @llvm.fma.v16f32(<16 x float> %%x%d, <16 x float> "
                        "%%b, <16 x float> %%c)\n",
                        text, c, c);
  text = arena_printf(
      arena,
      "%s  %%next = add i64 %%i, 1\n  %%more = icmp ult i64 %%next, %%n\n  br i1 %%more, label %%loop, label "
      "%%done\ndone:\n",
      text);
  for (int c = 1; c < chains; c++)
    text = arena_printf(arena, "%s  %%s%d = fadd <16 x float> %s, %%y%d\n", text, c,
                        c > 1 ? arena_printf(arena, "%%s%d", c - 1) : "%y0", c);
  return arena_printf(
      arena,
      "%s  ret <16 x float> %%s%d\n}\ndeclare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, "
      "<16 x float>)\ndefine void @run(i64 %%n, ptr %%p) {\n  %%a = load <16 x float>, ptr %%p\n  %%r = call "
      "<16 x float> @peak(i64 %%n, <16 x float> %%a, <16 x float> %%a, <16 x float> %%a)\n  store <16 x "
      "float> %%r, ptr %%p\n  "
      "ret void\n}\n",
      text, chains - 1);
}

double bench_peak(Arena *arena, const CodegenTarget *target, int threads) {
  const int chains = target->wide_vectors ? 24 : 6; /* each of 1 or 2 registers, of 32 or 16 */
  const char *text = chains_text(arena, chains);
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module;
  char *message = NULL;
  LLVMMemoryBufferRef source = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "peak");
  if (LLVMParseIRInContext(context, source, &module, &message)) BUG("%s", message);
  static const char *const key[] = {"target-cpu", "target-features", "prefer-vector-width"};
  char *features = LLVMGetTargetMachineFeatureString(target->machine);
  const char *value[] = {target->cpu, features, "512"};
  for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
    for (int i = 0; i < 3; i++)
      LLVMAddAttributeAtIndex(
          f, LLVMAttributeFunctionIndex,
          LLVMCreateStringAttribute(context, key[i], (unsigned)strlen(key[i]), value[i], (unsigned)strlen(value[i])));
  void *library = bench_load(codegen_emit(module, target, LLVMObjectFile));
  run_chains = (void (*)(int64_t, float *))dlsym(library, "run");
  void *x = aligned_alloc(64, (size_t)threads * 64);
  double best = 0;
  if (!x) fail_environment("no memory");
  for (int r = 0; r < 100; r++) {
    double t = bench_now();
    if (threads == 1) run_alone(&x, 1, 0, 1, NULL);
    else sg_parallel(run_alone, &x, 1, threads, threads, NULL, 0);
    double rate = (double)ROUNDS * 32.0 * chains * threads / (bench_now() - t) * 1e-9;
    if (rate > best) best = rate;
  }
  free(x);
  return best;
}
