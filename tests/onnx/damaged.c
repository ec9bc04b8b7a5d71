/* No damage may do more than give a message: every model of models/ cut off after each byte, and with bytes
 * changed at random (a fixed seed), is opened as weights and as a network; what is still accepted must be
 * readable to the end. Run under ASan and UBSan this is the proof; without them it is a weaker one. */
#include "tests/onnx/build.h"
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum { FLIPS = 400, MOST = 16 };

typedef struct Model {
  char name[64];
  unsigned char *bytes;
  size_t size;
} Model;
static Model models[MOST];
static size_t model_count;

static uint64_t random_state = 0x9e3779b97f4a7c15;
static size_t random_below(size_t limit) {
  random_state ^= random_state << 13; /* xorshift64 */
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (size_t)(random_state >> 33) % limit;
}

static int load_models(void **state) {
  DIR *dir = opendir(FOLDER "/models");
  if (!dir) return -1;
  for (struct dirent *e; (e = readdir(dir)) && model_count < MOST;) {
    char path[512];
    Model *m = &models[model_count];
    if (!strstr(e->d_name, ".onnx")) continue;
    snprintf(m->name, sizeof m->name, "%.60s", e->d_name);
    snprintf(path, sizeof path, FOLDER "/models/%s", e->d_name);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return -1;
    m->size = (size_t)ftell(f);
    m->bytes = malloc(m->size + 1);
    rewind(f);
    if (!m->bytes || fread(m->bytes, 1, m->size, f) != m->size) return -1;
    fclose(f);
    model_count++;
  }
  closedir(dir);
  return model_count >= 9 ? 0 : -1;
}

static int free_models(void **state) {
  for (size_t k = 0; k < model_count; k++) free(models[k].bytes);
  return 0;
}

static void read_weights(const char *path) {
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  if (!w) {
    assert_true(err.message[0] && err.status != SURGERY_OK);
    return;
  }
  for (size_t k = 0; k < surgery_weights_count(w); k++) {
    const surgery_tensor *t = surgery_weights_at(w, k);
    float *values = malloc((size_t)t->count * 4 + 4);
    assert_non_null(values);
    if (surgery_weights_read(w, t, values, t->count, &err)) assert_true(err.message[0] != '\0');
    free(values);
  }
  surgery_weights_close(w);
}

/* True when it was accepted; every parameter is then filled. */
static bool try_bytes(const unsigned char *bytes, size_t size) {
  const char *path = scratch("damaged.onnx");
  write_bytes(path, bytes, size);
  read_weights(path);
  Imported i = import_file(path);
  bool good = i.graph != NULL;
  for (size_t k = 0; good && k < i.graph->params.count; k++)
    if (i.graph->params.at[k].donor != NO_ID && i.graph->params.at[k].shape.rank >= 0) {
      int64_t count;
      param_values(&i, i.graph->params.at[k].name, &count);
    }
  import_end(&i);
  return good;
}

static void test_truncated(void **state) {
  for (size_t k = 0; k < model_count; k++) {
    assert_true(try_bytes(models[k].bytes, models[k].size));
    size_t accepted = 0;
    for (size_t size = 0; size < models[k].size; size++) accepted += try_bytes(models[k].bytes, size);
    if (accepted) fail_msg("%s was accepted %zu times although cut off", models[k].name, accepted);
  }
}

static void test_changed(void **state) {
  size_t accepted = 0, all = 0;
  for (size_t k = 0; k < model_count; k++) {
    unsigned char *bytes = malloc(models[k].size);
    assert_non_null(bytes);
    for (int round = 0; round < FLIPS; round++, all++) {
      memcpy(bytes, models[k].bytes, models[k].size);
      for (size_t change = random_below(4) + 1; change > 0; change--) {
        size_t at = random_below(models[k].size);
        bytes[at] = (unsigned char)(random_below(2) ? bytes[at] ^ 1u << random_below(8) : random_below(256));
      }
      accepted += try_bytes(bytes, models[k].size);
    }
    free(bytes);
  }
  assert_in_range(accepted, 1, all - 1); /* a changed weight is still a weight; a changed length is not */
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_truncated), cmocka_unit_test(test_changed)};
  return cmocka_run_group_tests(tests, load_models, free_models);
}
