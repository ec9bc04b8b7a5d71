/* Images on disk as data sets: DIR/class/picture as torchvision's ImageFolder reads it, and lists of single
 * pictures. A picture that cannot be decoded is an unusable sample: named by the loader, left out and
 * counted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"
#include "runtime/base/io.h"

bool image_suffix(const char *path) {
  static const char *const known[] = {".jpg", ".jpeg", ".png",  ".ppm",  ".bmp",
                                      ".pgm", ".tif",  ".tiff", ".webp", ".gif"};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
    if (strcasecmp(dot, known[i]) == 0) return true;
  return false;
}

typedef struct Names {
  char **at;
  size_t count, capacity;
} Names;

static void names_free(Names *n) {
  for (size_t i = 0; i < n->count; i++) free(n->at[i]);
  free(n->at);
  *n = (Names){0};
}

/* Takes ownership of `name`, which may be NULL: no memory. */
static int names_add(Names *n, char *name, surgery_error *err) {
  if (name && n->count == n->capacity) {
    size_t capacity = n->capacity * 2 + 16;
    char **at = realloc(n->at, capacity * sizeof *at);
    if (at) n->at = at, n->capacity = capacity;
  }
  if (!name || n->count == n->capacity) {
    free(name);
    return sg_fail_memory(err, "a list of files", n->count * sizeof *n->at);
  }
  n->at[n->count++] = name;
  return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static char *join(const char *folder, const char *name) {
  char *path = NULL;
  size_t length = strlen(folder);
  return asprintf(&path, "%s%s%s", folder, length && folder[length - 1] == '/' ? "" : "/", name) < 0 ? NULL : path;
}

/* The names in a folder, sorted: its subfolders, and its files with a picture's suffix. Either may be NULL.
 */
static int read_folder(const char *folder, Names *folders, Names *pictures, surgery_error *err) {
  DIR *dir = opendir(folder);
  if (!dir) return sg_fail_system(err, errno, "%s", folder);
  int failed = 0;
  for (struct dirent *e; !failed && (e = readdir(dir)) != NULL;) {
    if (e->d_name[0] == '.') continue;
    char *path = join(folder, e->d_name);
    struct stat st;
    bool there = path && stat(path, &st) == 0;
    free(path);
    if (there && S_ISDIR(st.st_mode) && folders) failed = names_add(folders, strdup(e->d_name), err);
    else if (there && S_ISREG(st.st_mode) && pictures && image_suffix(e->d_name))
      failed = names_add(pictures, strdup(e->d_name), err);
  }
  closedir(dir);
  if (folders && folders->count) qsort(folders->at, folders->count, sizeof *folders->at, by_name);
  if (pictures && pictures->count) qsort(pictures->at, pictures->count, sizeof *pictures->at, by_name);
  return failed;
}

/* The folders from the top to the one that is read; a link may lead back up to one of them. */
typedef struct Trail {
  const struct Trail *above;
  dev_t device;
  ino_t number;
} Trail;

static bool passed_already(const Trail *above, const struct stat *st) {
  for (; above; above = above->above)
    if (above->device == st->st_dev && above->number == st->st_ino) return true;
  return false;
}

/* All pictures at any depth, a folder's own before those of its subfolders. */
static int walk(const char *folder, const Trail *above, Names *out, surgery_error *err) {
  struct stat st;
  if (stat(folder, &st)) return sg_fail_system(err, errno, "%s", folder);
  if (passed_already(above, &st)) return 0;
  Trail here = {above, st.st_dev, st.st_ino};
  Names folders = {0}, pictures = {0};
  int failed = read_folder(folder, &folders, &pictures, err);
  for (size_t i = 0; !failed && i < pictures.count; i++) failed = names_add(out, join(folder, pictures.at[i]), err);
  for (size_t i = 0; !failed && i < folders.count; i++) {
    char *path = join(folder, folders.at[i]);
    failed = path ? walk(path, &here, out, err) : sg_fail_memory(err, folder, 0);
    free(path);
  }
  names_free(&folders);
  names_free(&pictures);
  return failed;
}

int image_list(const char *folder, char ***files, size_t *count, surgery_error *err) {
  Names out = {0};
  int failed = walk(folder, NULL, &out, err);
  if (failed) names_free(&out);
  *files = out.at;
  *count = out.count;
  return failed;
}

/* ---- the data sets ---- */

typedef struct Files {
  Names paths;
  float *targets; /* (count, target_count), or NULL */
} Files;

static int files_load(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *err) {
  const Files *files = set->source;
  const char *path = files->paths.at[index];
  Image picture;
  surgery_error why = {0};
  if (image_decode_for(&set->spec, seed != DATASET_NO_AUGMENT, path, &picture, &why)) {
    if (err) *err = why;
    return 1;
  }
  int failed = image_to_input(&picture, &set->spec, seed, x, &why);
  free(picture.pixels);
  if (failed) {
    sg_fail(err, why.status, "%s: %s", path, why.message);
    return why.status == SURGERY_ENVIRONMENT ? -1 : 1;
  }
  size_t target_bytes = (size_t)set->spec.target_count * 4;
  if (target && set->targets) memcpy(target, (const char *)set->targets + (size_t)index * target_bytes, target_bytes);
  return 0;
}

static void files_ahead(const Dataset *set, int64_t index) {
  int fd = open(((const Files *)set->source)->paths.at[index], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return; /* load will say why */
  posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
  close(fd);
}

static int files_hash(const Dataset *set, int64_t index, ContentHash *to) {
  const Files *files = set->source;
  surgery_error ignored;
  uint8_t *bytes;
  size_t size;
  if (sg_read_file(files->paths.at[index], &bytes, &size, &ignored)) return -1;
  *to = content_hash(*to, bytes, size);
  free(bytes);
  return 0;
}

static const char *files_name(const Dataset *set, int64_t index, char *to, size_t size) {
  snprintf(to, size, "%s", ((const Files *)set->source)->paths.at[index]);
  return to;
}

static void files_close(Dataset *set) {
  Files *files = set->source;
  if (!files) return;
  names_free(&files->paths);
  free(files->targets), free(files);
}

static Dataset *files_new(const char *format, const char *path, const DatasetSpec *spec, surgery_error *err) {
  if (spec->input->kind != INPUT_IMAGE) {
    sg_fail(err, SURGERY_BAD_INPUT,
            "%s: pictures, but the network's input is not an image: declare `input image(C, H, W)`", path);
    return NULL;
  }
  Dataset *set = dataset_new(format, path, spec, err);
  if (!set) return NULL;
  set->load = files_load;
  set->ahead = files_ahead;
  set->name = files_name;
  set->hash = files_hash;
  set->close = files_close;
  set->can_augment = true;
  set->source = calloc(1, sizeof(Files));
  if (set->source) return set;
  sg_fail_memory(err, path, sizeof(Files));
  dataset_close(set);
  return NULL;
}

void dataset_use_file_targets(Dataset *set, float *targets) {
  set->targets = ((Files *)set->source)->targets = targets;
}

Dataset *dataset_open_images(const char *const *paths, size_t count, const DatasetSpec *spec, surgery_error *err) {
  return dataset_open_files("pictures", count ? paths[0] : "", paths, count, spec, err);
}

Dataset *dataset_open_files(const char *format, const char *path, const char *const *paths, size_t count,
                            const DatasetSpec *spec, surgery_error *err) {
  Dataset *set = files_new(format, path, spec, err);
  if (!set) return NULL;
  Files *files = set->source;
  for (size_t i = 0; i < count; i++)
    if (names_add(&files->paths, strdup(paths[i]), err)) {
      dataset_close(set);
      return NULL;
    }
  set->count = (int64_t)count;
  return set;
}

/* The images of every class folder, one folder after the other; *of[i]: the class of image i. */
/* Not a picture to torchvision's ImageFolder, whose samples these are to be. Returns how many there were. */
static size_t leave_out_gifs(Names *paths, size_t from) {
  size_t kept = from;
  for (size_t i = from; i < paths->count; i++) {
    const char *dot = strrchr(paths->at[i], '.');
    if (dot && strcasecmp(dot, ".gif") == 0) free(paths->at[i]);
    else paths->at[kept++] = paths->at[i];
  }
  size_t left_out = paths->count - kept;
  paths->count = kept;
  return left_out;
}

static int gather(Dataset *set, const Names *classes, int32_t **of, surgery_error *err) {
  Files *files = set->source;
  size_t gifs = 0;
  for (size_t c = 0; c < classes->count; c++) {
    size_t before = files->paths.count;
    char *folder = join(set->path, classes->at[c]);
    int failed = folder ? walk(folder, NULL, &files->paths, err) : sg_fail_memory(err, set->path, 0);
    free(folder);
    gifs += failed ? 0 : leave_out_gifs(&files->paths, before);
    int32_t *grown = failed ? NULL : realloc(*of, (files->paths.count + 1) * sizeof **of);
    if (!grown) return failed ? failed : sg_fail_memory(err, set->path, files->paths.count * sizeof **of);
    *of = grown;
    for (size_t i = before; i < files->paths.count; i++) grown[i] = (int32_t)c;
    if (before == files->paths.count)
      return sg_fail(err, SURGERY_BAD_INPUT,
                     "%s/%s: no pictures (.jpg, .jpeg, .png, .bmp, .tif, .webp) in this class folder", set->path,
                     classes->at[c]);
  }
  set->count = (int64_t)files->paths.count;
  if (gifs)
    dataset_note(set, "%s: %zu .gif %s left out, as torchvision's ImageFolder does", set->path, gifs,
                 gifs == 1 ? "file is" : "files are");
  return 0;
}

static int check_classes(const char *path, const Names *classes, const DatasetSpec *spec, surgery_error *err) {
  if (classes->count == 0)
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: no class folders in it; pictures are expected as %s/CLASS/PICTURE.jpg",
                   path, path);
  if (classes->count == 1 && spec->role == ROLE_TRAIN && spec->target == TARGET_CLASSES && spec->classes > 1)
    return sg_fail(err, SURGERY_BAD_INPUT,
                   "%s: one class folder alone, '%s', and the network tells %lld classes apart; is the path "
                   "one folder too high?",
                   path, SG_Q(classes->at[0]), (long long)spec->classes);
  return 0;
}

static int fill_folder(Dataset *set, Names *classes, surgery_error *err) {
  if (read_folder(set->path, classes, NULL, err) || check_classes(set->path, classes, &set->spec, err)) return -1;
  int32_t *of = NULL, *map = calloc(classes->count + 1, sizeof *map);
  int failed = map ? gather(set, classes, &of, err) : sg_fail_memory(err, set->path, 0);
  if (!failed && set->spec.target == TARGET_CLASSES)
    failed = dataset_map_classes(set, classes->at, classes->count, map, err);
  if (!failed && set->spec.target == TARGET_CLASSES && set->spec.target_count == 1) {
    for (int64_t i = 0; i < set->count; i++) of[i] = map[of[i]];
    set->targets = set->labels = of;
    of = NULL;
  } else if (!failed && set->spec.target != TARGET_NONE) {
    failed = sg_fail(
        err, SURGERY_BAD_INPUT,
        "%s: class folders give one class for each picture, but the loss%s%s compares each output with a number: "
        "classes need loss CrossEntropy; numbers for pictures stand in a CSV, a column of files and one for each "
        "output",
        set->path, set->spec.loss ? " " : "", set->spec.loss ? set->spec.loss : "");
  }
  free(of);
  free(map);
  return failed;
}

PathMatch folder_probe(const PathHead *head) { return head->folder ? PATH_WEAK : PATH_NOT; }

Dataset *dataset_open_folder(const char *path, const DatasetSpec *spec, surgery_error *err) {
  Dataset *set = files_new("folder", path, spec, err);
  if (!set) return NULL;
  Names classes = {0};
  int failed = fill_folder(set, &classes, err);
  names_free(&classes);
  if (!failed) return set;
  dataset_close(set);
  return NULL;
}
