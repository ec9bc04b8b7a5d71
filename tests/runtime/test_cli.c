/* The commands of a compiled program, run within this process: what they print, where, and their exit status.
 */
#include <errno.h>
#include <math.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/cli/page.h"
#include "runtime/data/dataset.h"
#include "tests/runtime/fake.h"

#define TRAIN "{\"optimizer\": {\"type\": \"Adam\", \"lr\": 0.005}, \"batch\": 16, \"epochs\": 8, \"seed\": 3}"

static sg_network network;
static char *out, *messages; /* of the last command */

static int redirect(int fd, const char *path) {
  int kept = dup(fd), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  MUST(kept >= 0 && file >= 0 && dup2(file, fd) == fd);
  close(file);
  return kept;
}

/* The command's words after the program's name; '@' at a word's beginning stands for the test's folder. */
static int command_to(const char *stdout_path, const char *line) {
  char *argv[32] = {"./fake"}, words[1000], kept[32][600];
  int argc = 1;
  snprintf(words, sizeof words, "%s", line);
  for (char *word = strtok(words, " "); word; word = strtok(NULL, " "), argc++) {
    snprintf(kept[argc], sizeof kept[0], "%s", *word == '@' ? test_path(word + 1) : word);
    argv[argc] = kept[argc];
  }
  fflush(stdout);
  int o = redirect(STDOUT_FILENO, stdout_path), e = redirect(STDERR_FILENO, test_path("stderr"));
  int status = surgery_main(&network, argc, argv);
  fflush(stdout);
  clearerr(stdout);
  dup2(o, STDOUT_FILENO), dup2(e, STDERR_FILENO);
  close(o), close(e);
  free(out), free(messages);
  out = test_read("stdout", NULL), messages = test_read("stderr", NULL);
  return status;
}

static int command(const char *line) { return command_to(test_path("stdout"), line); }

static void has(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in:\n%s\nstderr:\n%s", part, text, messages);
}

static sg_network labelled_network(const char *weights) {
  return fake_network(&(FakeOptions){
      .kind = FAKE_HEAD,
      .train = TRAIN,
      .weights_path = weights,
      .labels = "[\"ant\", \"bee\", \"cow\", \"dog\", \"eel\", \"fox\", \"gnu\", \"hen\", \"ibis\", \"jay\"]"});
}

int run_as_program(int argc, char **argv) {
  sg_network own = labelled_network(argv[1]);
  argv[1] = argv[0];
  int status = surgery_main(&own, argc - 1, argv + 1);
  free((void *)own.manifest);
  return status;
}

static int set_up(void **state) {
  (void)state;
  fake_write_weights(test_path("w.safetensors"), 1);
  test_write_csv("train.csv", 1, 300);
  test_write_csv("val.csv", 2, 200);
  test_write_idx("idx/train-images-idx3-ubyte.gz", "idx/train-labels-idx1-ubyte.gz", 1, 300);
  test_write_idx("idx/t10k-images-idx3-ubyte.gz", "idx/t10k-labels-idx1-ubyte.gz", 2, 100);
  network = labelled_network(test_path("w.safetensors"));
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  free((void *)network.manifest);
  free(out), free(messages);
  out = messages = NULL;
  return 0;
}

static void test_usage(void **state) {
  (void)state;
  assert_int_equal(command(""), 2);
  has(messages, "usage: fake COMMAND");
  assert_int_equal(command("--help"), 0);
  has(out, "predict");
  assert_int_equal(command("--version"), 0);
  has(out, "surgery 0.1.0");
  assert_int_equal(command("predcit x.jpg"), 2);
  has(messages, "there is no command 'predcit'; did you mean 'predict'?");
  assert_int_equal(command("train --epoks 3"), 2);
  has(messages, "there is no option '--epoks'; did you mean '--epochs'?");
  assert_int_equal(command("train -x"), 2);
  has(messages, "'-x'");
  assert_int_equal(command("train --data"), 2);
  has(messages, "--data wants a value");
  assert_int_equal(command("train"), 2);
  has(messages, "--data DIR is wanted");
  assert_int_equal(command("predict"), 2);
  assert_int_equal(command("eval"), 2);
  assert_int_equal(command("export"), 2);
  assert_int_equal(command("info more"), 2);
  has(messages, "'more' is not expected here");
  static const char *const wrong[] = {"train --data x --epochs many",
                                      "train --data x --batch 0",
                                      "train --data x --lr -1",
                                      "train --data x --lr nan",
                                      "bench --runs 99999999999999999999",
                                      "info --threads 0",
                                      "info --threads 5000",
                                      "train --data x --resume a --weights b"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (command(wrong[i]) != 2) fail_msg("%s: %s", wrong[i], messages);
  static const char *const commands[] = {"info", "predict", "eval", "train", "bench", "export"};
  for (int i = 0; i < 6; i++) {
    char line[40];
    snprintf(line, sizeof line, "%s --help", commands[i]);
    assert_int_equal(command(line), 0);
    has(out, "--weights FILE");
    assert_string_equal(messages, "");
  }
}

static void test_info(void **state) {
  (void)state;
  assert_int_equal(command("info --layers"), 0);
  has(out, "(N, 64) tensor");
  has(out, "(N, 10)");
  has(out, "2,080 frozen, 330 trainable");
  has(out, "ant, bee, cow");
  has(out, "fc2");
  has(out, "w.safetensors");
  has(out, "Adam(lr=0.005), CrossEntropy, batch 16, 8 epochs, seed 3");
  assert_int_equal(command("info --weights @gone.safetensors"), 1);
  has(messages, "gone.safetensors");
  test_write("junk.safetensors", "junkjunkjunkjunk", 16);
  assert_int_equal(command("info --weights @junk.safetensors"), 1);
  assert_int_equal(command_to("/dev/full", "info"), 3);
  has(messages, "standard output");
}

static void test_train_eval_predict(void **state) {
  (void)state;
  assert_int_equal(command("train --data @train.csv --val @val.csv --epochs 30 --out @t.safetensors --log @l.csv"), 0);
  has(out, "val top-1  0.9");
  has(out, "t.safetensors");
  has(messages, "features: 300 images in ");
  has(messages, "epoch 30/30: loss ");
  assert_int_equal(command("eval --data @val.csv --weights @t.safetensors"), 0);
  has(out, "samples  200");
  has(out, "top-1    0.9");
  has(out, "top-5    ");
  has(out, "confusion");
  has(out, "ibis");
  float x[2 * 64];
  int32_t label[2];
  char line[100];
  static const char *const names[] = {"ant", "bee", "cow", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay"};
  test_clusters(1, 2, x, label);
  assert_int_equal(npy_write(test_path("two.npy"), 2, (int64_t[]){2, 64}, x, NULL), 0);
  assert_int_equal(command("predict @two.npy --top 2 --weights @t.safetensors"), 0);
  snprintf(line, sizeof line, "two.npy[0]: %s 0.", names[label[0]]);
  has(out, line);
  snprintf(line, sizeof line, "two.npy[1]: %s 0.", names[label[1]]);
  has(out, line);
  assert_int_equal(command("predict @two.npy --json --out @y.npy"), 0);
  has(out, "\"classes\": [{\"class\": ");
  has(out, "two.npy[1]");
  has(out, "\n]\n");
  size_t size;
  free(test_read("y.npy", &size));
  assert_int_equal(size, 128 + 2 * 10 * 4);
  assert_int_equal(command("predict @two.npy @gone.npy"), 1);
  assert_int_equal(command("predict @two.npy @gone.jpg"), 1); /* the input is no picture */
  has(messages, "input is not an image");
  assert_int_equal(command("eval --data @gone.csv"), 1);
  assert_int_equal(command("eval --data @two.npy"), 1);
}

/* A picture that cannot be read: named, the others are predicted. */
static void test_broken_picture(void **state) {
  (void)state;
  sg_network kept = network;
  float x[64] = {0.5f};
  network = fake_network(&(FakeOptions){.kind = FAKE_HEAD,
                                        .weights_path = test_path("w.safetensors"),
                                        .input = "{\"kind\": \"image\", \"shape\": [1, 8, 8], \"preprocess\": []}"});
  assert_int_equal(npy_write(test_path("picture.npy"), 3, (int64_t[]){1, 8, 8}, x, NULL), 0);
  test_write("broken.jpg", "\xff\xd8\xff\xe0 and no more", 16);
  assert_int_equal(command("predict @gone.jpg @broken.jpg @picture.npy"), 1);
  has(out, "picture.npy");
  has(messages, "gone.jpg");
  has(messages, "broken.jpg");
  has(messages, "2 of 3 inputs could not be used");
  free((void *)network.manifest);
  network = kept;
}

static void test_train_idx(void **state) {
  (void)state;
  assert_int_equal(command("train --data @idx --epochs 20 --lr 0.05 --out @i.safetensors --quiet"), 0);
  has(out, "val top-1  0."); /* the t10k part is found */
  assert_string_equal(messages, "");
  assert_int_equal(command("eval --data @idx --weights @i.safetensors"), 0);
  has(out, "samples  100");
}

static void test_train_refused(void **state) {
  (void)state;
  assert_int_equal(command("train --data @train.csv --out /nonexistent/x.safetensors"), 3);
  assert_null(strstr(messages, "epoch")); /* found before the training */
  assert_int_equal(command("train --data @train.csv --out @x.doc"), 1);
  has(messages, ".safetensors");
  test_write("onecls.csv", "", 0);
  FILE *file = fopen(test_path("one.csv"), "w");
  for (int row = 0; row < 4; row++)
    for (int i = 0; i < 65; i++) fprintf(file, "%d%c", i == 64 ? 2 : row + i, i == 64 ? '\n' : ',');
  fclose(file);
  assert_int_equal(command("train --data @one.csv --out @x.safetensors"), 1);
  has(messages, "of one class");
  assert_int_equal(command("train --data @onecls.csv --out @x.safetensors"), 1);
  has(messages, "no samples");
  test_write("emptydir/keep/x", "", 0);
  assert_int_equal(command("train --data @emptydir --out @x.safetensors"), 1);
  has(messages, "emptydir");
  assert_int_equal(command("train --data @train.csv --resume @w.safetensors --out @x.safetensors"), 1);
  has(messages, "no checkpoint");
  assert_int_equal(command("train --data @train.csv --lr 1e38 --out @diverged.safetensors"), 1);
  has(messages, "diverged");
  assert_int_equal(access(test_path("diverged.safetensors"), F_OK), -1);
}

/* --seed without weights of one's own draws the fresh layers anew. */
static void test_seed(void **state) {
  (void)state;
  static const char *const lines[] = {
      "train --quiet --data @train.csv --epochs 1 --seed 5 --out @s1.safetensors",
      "train --quiet --data @train.csv --epochs 1 --seed 5 --out @s2.safetensors",
      "train --quiet --data @train.csv --epochs 0 --seed 6 --out @s3.safetensors",
      "train --quiet --data @train.csv --epochs 0 --seed 6 --weights @w.safetensors --out @s4.safetensors"};
  char *file[4];
  size_t size[4];
  for (int i = 0; i < 4; i++) {
    char name[32];
    assert_int_equal(command(lines[i]), 0);
    snprintf(name, sizeof name, "s%d.safetensors", i + 1);
    assert_non_null(file[i] = test_read(name, &size[i]));
    assert_int_equal(size[i], size[0]);
  }
  assert_memory_equal(file[0], file[1], size[0]);
  assert_memory_not_equal(file[1], file[2], size[0]);
  assert_memory_not_equal(file[2], file[3], size[0]); /* given weights stay */
  for (int i = 0; i < 4; i++) free(file[i]);
}

/* Ctrl-C: the child finishes its step, saves, ends with 130; resumed, it reaches the weights of an
 * undisturbed run. */
static void test_interrupt(void **state) {
  (void)state;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    redirect(STDERR_FILENO, test_path("stderr"));
    execl("/proc/self/exe", "fake", test_path("w.safetensors"), "train", "--data", test_path("train.csv"), "--epochs",
          "100000", "--no-cache", "--out", test_path("int.safetensors"), "--log", test_path("int.csv"), (char *)NULL);
    _exit(99);
  }
  for (int i = 0; i < 2000; i++) { /* until an epoch was logged */
    char *log = test_read("int.csv", NULL);
    bool begun = log && strstr(log, "\nepoch,2");
    free(log);
    if (begun) break;
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
  kill(child, SIGINT);
  int status;
  waitpid(child, &status, 0);
  char *said = test_read("stderr", NULL);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 130) fail_msg("status %x: %s", status, said);
  has(said, "interrupted after step ");
  has(said, "--resume ");
  free(said);
  assert_int_equal(access(test_path("int.safetensors"), F_OK), -1);
  surgery_error err;
  surgery_weights *checkpoint = surgery_weights_open(test_path("int-checkpoint.safetensors"), &err);
  assert_non_null(checkpoint);
  int steps = atoi(surgery_weights_metadata(checkpoint, "step")) + 25;
  surgery_weights_close(checkpoint);
  char line[300];
  snprintf(line, sizeof line,
           "train --quiet --data @train.csv --epochs 100000 --steps %d --resume @int-checkpoint.safetensors "
           "--out @r.safetensors",
           steps);
  assert_int_equal(command(line), 0);
  snprintf(line, sizeof line, "train --quiet --data @train.csv --epochs 100000 --steps %d --out @u.safetensors", steps);
  assert_int_equal(command(line), 0);
  size_t a, b;
  char *resumed = test_read("r.safetensors", &a), *undisturbed = test_read("u.safetensors", &b);
  assert_int_equal(a, b);
  assert_memory_equal(resumed, undisturbed, a);
  free(resumed), free(undisturbed);
}

static void test_export_and_bench(void **state) {
  (void)state;
  assert_int_equal(command("export --out @e.safetensors --only fc1"), 0);
  has(out, "2 tensors");
  assert_int_equal(command("export --out @e.npz"), 0);
  assert_int_equal(command("export --out @e.safetensors --only fc9"), 1);
  has(messages, "did you mean 'fc");
  assert_int_equal(command("export --out @e16.safetensors --dtype f16"), 0);
  assert_int_equal(command("predict @two.npy --weights @e16.safetensors"), 0); /* and reads it */
  assert_int_equal(command("export --out @e16.pth --dtype bf16"), 0);
  assert_int_equal(command("export --out @e16.npz --dtype bf16"), 1);
  has(messages, "numpy has no dtype bf16; .safetensors and .pth have");
  assert_int_equal(command("export --out @e16.npz --dtype f8"), 2);
  has(messages, "--dtype f8: f32, f16 or bf16 is wanted");
  assert_int_equal(command("export --out @e.doc"), 1);
  assert_int_equal(command("export --out /dev/full/e.npz"), 3);
  assert_int_equal(command("bench --batch 4 --runs 3"), 0);
  has(out, "forward");
  has(out, "train step");
  has(out, "samples/s");
  assert_int_equal(command("bench --batch 4000000000000000"), 3);
  has(messages, "no memory");
}

/* What report.html is written in. */
static void test_page(void **state) {
  (void)state;
  static const struct {
    const char *page, *json, *filled;
  } cases[] = {
      {"no tag { } }}", "{}", "no tag { } }}"},
      {"{{a}}, {{b}}, {{none}}.", "{'a': 'x < y & \\u0022z\\u0022\\u0001', 'b': -12}",
       "x &lt; y &amp; &quot;z&quot;, -12, ."},
      {"{{x %.2f}} {{x %g}}%", "{'x': 1.5}", "1.50 1.5%"},
      /* of a list, of an object, of another value, of none */
      {"{{#l}}<{{.}}{{n}}>{{/l}}", "{'l': ['a', 'b'], 'n': 7}", "<a7><b7>"},
      {"{{#l}}{{n}}{{m}},{{/l}}{{n}}", "{'l': [{'n': 1}, {'m': 2}], 'n': 7}", "1,72,7"},
      {"{{#o}}{{n}}{{#o}}!{{/o}}{{/o}}", "{'o': {'n': 1}}", "1!"},
      {"{{#a}}a{{/a}}{{#b}}b{{/b}}{{#c}}c{{/c}}{{#d}}d{{/d}}", "{'a': false, 'b': 0, 'c': [], 'd': ''}", "bd"},
      {"{{^a}}a{{/a}}{{^b}}b{{/b}}{{^c}}c{{/c}}{{^e}}e{{/e}}", "{'a': false, 'b': 0, 'c': []}", "ace"},
      /* what is inside a section that is not shown */
      {"1{{#no}}{{#l}}x{{/l}}{{^no}}y{{/no}}{{/no}}2", "{'l': [1]}", "12"},
      /* a tag on its own line */
      {"{{#o}}\n{{n}}\n{{/o}}\n", "{'o': {'n': 1}}", "1\n"},
      {"a\n{{#l}}\n-{{.}}\n{{/l}}\nb {{#l}}\n{{/l}}", "{'l': ['1', '2']}", "a\n-1\n-2\nb \n\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char json[200], *filled = NULL, *at = json;
    size_t size;
    snprintf(json, sizeof json, "%s", cases[i].json);
    while ((at = strchr(at, '\''))) *at = '"';
    json_t *values = json_loads(json, 0, NULL);
    FILE *out = open_memstream(&filled, &size);
    assert_non_null(values);
    page_fill(out, cases[i].page, values);
    fclose(out);
    assert_string_equal(filled, cases[i].filled);
    free(filled);
    json_decref(values);
  }
}

int run_cli_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_usage),
                                     cmocka_unit_test(test_info),
                                     cmocka_unit_test(test_train_eval_predict),
                                     cmocka_unit_test(test_broken_picture),
                                     cmocka_unit_test(test_train_idx),
                                     cmocka_unit_test(test_train_refused),
                                     cmocka_unit_test(test_seed),
                                     cmocka_unit_test(test_interrupt),
                                     cmocka_unit_test(test_export_and_bench),
                                     cmocka_unit_test(test_page)};
  return cmocka_run_group_tests_name("commands", tests, set_up, tear_down);
}
