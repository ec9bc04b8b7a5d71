/* The cache of `surgeryc run`. An entry is made under a lock and never changed once it is complete; what a build
 * that was killed left behind is not complete, and is made again. Called by command_run.c. */
#include "compiler/driver/cache.h"
#include "compiler/codegen/codegen.h"
#include "runtime/base/content_hash.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { UNUSED_DAYS = 30 };
static const int64_t most_bytes = INT64_C(4) << 30; /* of all entries; $SURGERY_CACHE_SIZE in bytes takes its place */

/* ---- the key ---- */

static void add_text(ContentHash *hash, const char *text) { *hash = content_hash_text(*hash, text); }

/* A file by what a change of it changes: reading gigabytes of weights each time would take longer than the rest. */
static void add_file(Arena *arena, ContentHash *hash, const char *path) {
  struct stat st = {0};
  char *real = realpath(path, NULL);
  if (stat(path, &st)) st.st_size = -1;
  add_text(hash, real ? real : path);
  add_text(hash, arena_printf(arena, "%lld %lld.%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                              st.st_mtim.tv_nsec));
  free(real);
}

static void add_compiler(Arena *arena, ContentHash *hash, const Options *o) {
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  add_text(hash, "surgeryc " SURGERY_VERSION);
  if (length > 0) {
    self[length] = '\0';
    add_file(arena, hash, self);
  }
  const char *runtime = emit_runtime(arena);
  if (runtime) add_file(arena, hash, runtime);
  CodegenLevels levels;
  const char *error;
  if (!codegen_levels(arena, o->cpu, &levels, &error)) BUG("%s", error);
  for (int i = 0; i < levels.count; i++) { /* "native" is another CPU elsewhere */
    CodegenTarget target;
    if (!codegen_target(arena, levels.asked[i], o->opt_level, &target, &error)) BUG("%s", error);
    add_text(hash, target.cpu);
    add_text(hash, target.features);
    codegen_target_dispose(&target);
  }
  add_text(hash, arena_printf(arena, "-O%d", o->opt_level));
  if (o->tune) add_text(hash, arena_printf(arena, "--tune for %d threads", surgery_threads()));
}

const char *cache_key(const Compilation *c) {
  Session *s = c->s;
  ContentHash hash = {{0}};
  add_compiler(s->arena, &hash, c->o);
  add_text(&hash, c->o->script);
  for (size_t i = 0; i < s->defines.count; i++) {
    add_text(&hash, s->defines.at[i].name);
    add_text(&hash, s->defines.at[i].value);
  }
  for (size_t i = 0; i < s->sources.files.count; i++) { /* the built-in models too: no matter */
    add_text(&hash, s->sources.files.at[i].path);
    hash = content_hash(hash, s->sources.files.at[i].text, s->sources.files.at[i].length);
  }
  for (size_t i = 0; i < s->dependencies.count; i++) {
    bool is_text = false; /* its content counts, not its time */
    for (size_t k = 0; k < s->sources.files.count && !is_text; k++)
      is_text = streq(s->dependencies.at[i], s->sources.files.at[k].path);
    if (!is_text) add_file(s->arena, &hash, s->dependencies.at[i]);
  }
  return arena_printf(s->arena, "%016llx%016llx", (unsigned long long)hash.word[0], (unsigned long long)hash.word[1]);
}

/* ---- places ---- */

static bool complain(const char *path) {
  fprintf(stderr, "surgeryc: %s: %s\n", path, strerror(errno));
  return false;
}

static bool make_folder(const char *path) { return mkdir(path, 0700) == 0 || errno == EEXIST || complain(path); }

/* The XDG specification: a path that is not absolute is ignored. NULL with a line on stderr. */
static const char *cache_folder(Arena *arena) {
  const char *given = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *above;
  if (given && *given == '/') {
    above = given;
  } else if (home && *home) {
    above = arena_printf(arena, "%s/.cache", home);
  } else {
    fputs("surgeryc: there is no place for the cache: set XDG_CACHE_HOME or HOME\n", stderr);
    return NULL;
  }
  const char *folder = arena_printf(arena, "%s/surgery", above);
  return make_folder(above) && make_folder(folder) ? folder : NULL;
}

static const char *marker(Arena *arena, const char *folder) {
  return arena_printf(arena, "%s.complete", folder); /* beside it: a program may have any name */
}

bool cache_find(Arena *arena, CacheEntry *entry, const char *key, const char *program) {
  const char *cache = cache_folder(arena);
  if (!cache) return false;
  *entry = (CacheEntry){.key = key, .lock = -1};
  entry->folder = arena_printf(arena, "%s/%s", cache, key);
  entry->program = arena_printf(arena, "%s/%s", entry->folder, program);
  entry->complete =
      utimensat(AT_FDCWD, marker(arena, entry->folder), NULL, 0) == 0 && access(entry->program, X_OK) == 0;
  return true;
}

void cache_unlock(CacheEntry *entry) {
  if (entry->lock >= 0) close(entry->lock);
  entry->lock = -1;
}

bool cache_lock(Arena *arena, CacheEntry *entry) {
  const char *path = arena_printf(arena, "%s.lock", entry->folder);
  struct stat st;
  do { /* remove_unused() may have taken the file away while this waited for it: then it locks nobody out */
    cache_unlock(entry);
    entry->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int wrong = entry->lock < 0;
    while (!wrong && (wrong = flock(entry->lock, LOCK_EX)) && errno == EINTR) wrong = 0;
    if (wrong || fstat(entry->lock, &st)) return complain(path);
  } while (st.st_nlink == 0);
  entry->complete = access(marker(arena, entry->folder), F_OK) == 0 && access(entry->program, X_OK) == 0;
  return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  return ftw->level == 0 ? 0 : remove(path);
}

/* All in the folder, a killed build's own folders too; the marker goes first. */
static bool empty_folder(Arena *arena, const char *path) {
  if (unlink(marker(arena, path)) && errno != ENOENT) return false;
  return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

bool cache_clear(Arena *arena, CacheEntry *entry) {
  return make_folder(entry->folder) && (empty_folder(arena, entry->folder) || complain(entry->folder));
}

/* ---- what nobody has used for long ---- */

/* Those of version 0.1.0 had twice as many digits: nobody uses them any more, and they are removed in their turn. */
static bool is_key(const char *name) {
  size_t digits = strspn(name, "0123456789abcdef");
  return !name[digits] && (digits == 32 || digits == 64);
}

typedef struct Entry {
  const char *folder;
  time_t used;
  int64_t bytes;
} Entry;

static int64_t summed; /* by nftw(), which hands nothing along */

static int sum_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  if (type == FTW_F) summed += (int64_t)st->st_blocks * 512;
  return 0;
}

/* False: it is in use, or cannot be removed. */
static bool remove_entry(Arena *arena, const char *folder) {
  const char *lock = arena_printf(arena, "%s.lock", folder);
  int held = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  bool removed = held >= 0 && flock(held, LOCK_EX | LOCK_NB) == 0 && empty_folder(arena, folder) &&
                 rmdir(folder) == 0 && unlink(lock) == 0;
  if (held >= 0) close(held);
  return removed;
}

static int compare_use(const void *a, const void *b) {
  time_t x = ((const Entry *)a)->used, y = ((const Entry *)b)->used;
  return (x > y) - (x < y);
}

typedef VEC(Entry) Entries;

/* All entries, those first whose last use is the longest ago. */
static Entries list_entries(Arena *arena, const char *cache) {
  Entries all = {0};
  DIR *list = opendir(cache);
  for (const struct dirent *e; list && (e = readdir(list));) {
    struct stat st;
    Entry entry = {.folder = arena_printf(arena, "%s/%s", cache, e->d_name)};
    if (!is_key(e->d_name) || (stat(marker(arena, entry.folder), &st) && stat(entry.folder, &st))) continue;
    entry.used = st.st_mtime;
    vec_push(arena, &all, entry);
  }
  if (list) closedir(list);
  if (all.count) qsort(all.at, all.count, sizeof *all.at, compare_use);
  return all;
}

static int64_t bound(void) {
  const char *given = getenv("SURGERY_CACHE_SIZE");
  char *end;
  long long bytes = given && *given ? strtoll(given, &end, 10) : -1;
  return bytes < 0 || *end ? most_bytes : bytes;
}

/* What nobody has used for long, and then of the rest as much as is too much. The entry that was just made stays. */
static void remove_unused(Arena *arena, const char *cache, const char *kept) {
  Entries all = list_entries(arena, cache);
  int64_t total = 0;
  for (size_t i = 0; i < all.count; i++) {
    summed = 0;
    nftw(all.at[i].folder, sum_one, 16, FTW_PHYS);
    total += all.at[i].bytes = summed;
  }
  for (size_t i = 0; i < all.count; i++) {
    bool is_old = time(NULL) - all.at[i].used >= (time_t)UNUSED_DAYS * 24 * 3600;
    if ((!is_old && total <= bound()) || (kept && streq(all.at[i].folder, kept))) continue;
    if (remove_entry(arena, all.at[i].folder)) total -= all.at[i].bytes;
  }
}

bool cache_remove_all(Arena *arena) {
  const char *cache = cache_folder(arena);
  if (!cache) return false;
  Entries all = list_entries(arena, cache);
  size_t left = 0;
  for (size_t i = 0; i < all.count; i++) left += !remove_entry(arena, all.at[i].folder);
  if (left) fprintf(stderr, "surgeryc: %zu programs in %s are in use or cannot be removed\n", left, cache);
  return left == 0;
}

bool cache_finish(Arena *arena, CacheEntry *entry) {
  if (!outfile_whole(arena, marker(arena, entry->folder), "", 0)) return false;
  const char *cache = arena_strndup(arena, entry->folder, (size_t)(strrchr(entry->folder, '/') - entry->folder));
  remove_unused(arena, cache, entry->folder);
  return true;
}
