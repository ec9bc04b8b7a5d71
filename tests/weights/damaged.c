/* No damage may do more than give a message: every fixture cut off after each byte, and with bytes changed at
 * random (a fixed seed). What is still read must be readable to the end. Run under ASan and UBSan this is the
 * proof; without them it is a weaker one. */
#include "tests/weights/support.h"

#include <dirent.h>
#include <unistd.h>

static uint64_t random_state = 0x9e3779b97f4a7c15;
static uint32_t random_below(uint32_t limit) {
  random_state ^= random_state << 13; /* xorshift64 */
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)((random_state >> 32) * limit >> 32);
}

/* Opens and reads all; true when everything could be read. */
static bool try_file(const char *path) {
  surgery_error err = {0};
  surgery_weights *w = surgery_weights_open(path, &err);
  if (!w) {
    assert_true(err.message[0] && err.status != SURGERY_OK);
    return false;
  }
  bool good = read_all(w, &err);
  if (!good) assert_true(err.message[0] != '\0');
  surgery_weights_close(w);
  return good;
}

typedef struct Fixture {
  char name[256];
  unsigned char *bytes;
  size_t size;
} Fixture;
static Fixture fixtures[64];
static size_t fixture_count;

static int load_fixtures(void **state) {
  DIR *dir = opendir(FOLDER "/fixtures");
  if (!dir) return -1;
  for (struct dirent *e; (e = readdir(dir)) && fixture_count < 64;) {
    char path[600];
    if (e->d_name[0] == '.') continue;
    Fixture *f = &fixtures[fixture_count++];
    snprintf(f->name, sizeof f->name, "%s", e->d_name);
    snprintf(path, sizeof path, FOLDER "/fixtures/%s", e->d_name);
    f->bytes = read_bytes(path, &f->size);
    write_bytes(scratch(f->name), f->bytes, f->size); /* shards find each other there */
  }
  closedir(dir);
  return fixture_count > 20 ? 0 : -1;
}

static int free_fixtures(void **state) {
  for (size_t i = 0; i < fixture_count; i++) free(fixtures[i].bytes);
  return 0;
}

static void test_truncated(void **state) {
  for (size_t i = 0; i < fixture_count; i++) {
    const Fixture *f = &fixtures[i];
    const char *path = scratch("cut");
    size_t read = 0;
    for (size_t size = 0; size < f->size; size += f->size > 6000 ? 7 : 1) {
      write_bytes(path, f->bytes, size);
      read += try_file(path);
    }
    /* Only a tar archive ends in padding that nobody needs; a JSON text may lack its last newline. */
    bool padded = strstr(f->name, "tar") || strstr(f->name, "json");
    if (read && !padded) fail_msg("%s: read although cut off (%zu times)", f->name, read);
  }
}

static void test_flipped(void **state) {
  enum { ROUNDS = 150 };
  for (size_t i = 0; i < fixture_count; i++) {
    const Fixture *f = &fixtures[i];
    const char *path = scratch("flipped");
    unsigned char *bytes = malloc(f->size);
    assert_non_null(bytes);
    for (int round = 0; round < ROUNDS; round++) {
      memcpy(bytes, f->bytes, f->size);
      for (uint32_t n = 1 + random_below(4); n > 0; n--) {
        static const unsigned char edges[] = {0, 1, 0x7f, 0x80, 0xff, '(', 'R', '.', '}', 'Q'};
        uint32_t at = random_below((uint32_t)f->size);
        bytes[at] = random_below(2) ? edges[random_below(sizeof edges)] : (unsigned char)random_below(256);
      }
      write_bytes(path, bytes, f->size);
      try_file(path);
    }
    free(bytes);
  }
}

/* Shorter than when it was opened: an error, not a signal; with nothing left no tensor that has numbers is
 * read. */
static void test_shrunk(void **state) {
  unsigned opened = 0;
  for (size_t i = 0; i < fixture_count; i++) {
    const Fixture *f = &fixtures[i];
    for (int part = 0; part < 3; part++) {
      surgery_error err = {0};
      const char *path = scratch(f->name);
      surgery_weights *w = surgery_weights_open(path, &err);
      if (!w) break; /* a shard without its index's others */
      size_t numbers = 0;
      for (size_t t = 0; t < surgery_weights_count(w); t++) numbers += (size_t)surgery_weights_at(w, t)->count;
      assert_int_equal(truncate(path, (off_t)(f->size * (size_t)part / 3)), 0);
      bool good = read_all(w, &err);
      if (good && part == 0 && numbers && !strstr(f->name, "index"))
        fail_msg("%s: numbers were read out of an empty file", f->name);
      if (!good && !strstr(err.message, ": ends at byte ")) fail_msg("%s: %s", f->name, err.message);
      surgery_weights_close(w);
      write_bytes(path, f->bytes, f->size);
      opened++;
    }
  }
  assert_true(opened > 60);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped),
                                     cmocka_unit_test(test_shrunk)};
  return cmocka_run_group_tests(tests, load_fixtures, free_fixtures);
}
