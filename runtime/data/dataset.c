/* Looks at what a path holds and asks the right source of sources.def; what all sources share. A folder is known by the
 * names in it, a file by its first bytes, by its suffix only where those say nothing. Knows no source from inside.
 * Called by the commands. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>
#include "runtime/data/dataset.h"
#include "runtime/base/error.h"

Dataset *dataset_new(const char *format, const char *path, const DatasetSpec *spec, surgery_error *err) {
  Dataset *set = calloc(1, sizeof *set);
  if (!set || !(set->path = strdup(path))) {
    free(set);
    sg_fail(err, SURGERY_ENVIRONMENT, "%s: no memory", path);
    return NULL;
  }
  set->format = format;
  set->spec = *spec;
  return set;
}

void dataset_close(Dataset *set) {
  if (!set) return;
  if (set->close) set->close(set);
  for (size_t i = 0; set->class_names && i < set->class_count; i++) free(set->class_names[i]);
  free(set->class_names), free(set->labels), free(set->path), free(set->note), free(set);
}

bool path_ends(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcasecmp(text + a - b, end) == 0;
}

int dataset_check_sample(const DatasetSpec *spec, const char *path, int rank, const int64_t *dim, surgery_error *err) {
  const ManifestShape *want = &spec->input->shape;
  char a[SHAPE_TEXT], b[SHAPE_TEXT];
  ManifestShape have = {.rank = rank, .count = 1};
  int64_t left[SURGERY_MAX_RANK], right[SURGERY_MAX_RANK];
  int lefts = 0, rights = 0;
  bool same = true;
  for (int i = 0; i < rank; i++) {
    have.dim[i] = dim[i];
    if (__builtin_mul_overflow(have.count, dim[i], &have.count)) have.count = -1, same = false;
    if (dim[i] != 1) left[lefts++] = dim[i];
  }
  for (int i = 0; i < want->rank; i++)
    if (want->dim[i] != 1) right[rights++] = want->dim[i];
  same = same && have.count == want->count;
  if (same && lefts > 1 && rights > 1) same = lefts == rights && memcmp(left, right, (size_t)lefts * sizeof *left) == 0;
  if (same) return 0;
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: its samples are %s, but the input is %s", path,
                 manifest_shape_text(&have, a), manifest_shape_text(want, b));
}

/* ---- which source ---- */

typedef struct Source {
  PathMatch (*probe)(const PathHead *head);
  Dataset *(*open)(const char *path, const DatasetSpec *spec, surgery_error *err);
  bool holds_tokens;
  const char *help;
} Source;

static const Source sources[] = {
#define SOURCE(id, holds_tokens, help) {id##_probe, dataset_open_##id, holds_tokens, help},
#include "runtime/data/sources.def"
};
#define SOURCES (sizeof sources / sizeof *sources)

const char *dataset_kinds(char *to, size_t size) {
  size_t used = 0, last = SOURCES;
  for (size_t i = 0; i < SOURCES; i++)
    if (sources[i].help) last = i;
  *to = 0;
  for (size_t i = 0; i < SOURCES && used < size; i++)
    if (sources[i].help)
      used += (size_t)snprintf(to + used, size - used, "%s%s",
                               used == 0   ? ""
                               : i == last ? ", or "
                                           : ", ",
                               sources[i].help);
  return to;
}

/* Single pictures are no data set: several of them make one, see open_part(). */
typedef enum PathKind { KIND_MISSING, KIND_OTHER, KIND_FOLDER, KIND_PICTURE, KIND_SOURCE } PathKind;

typedef struct PathFound {
  PathKind kind;
  const Source *source; /* also of a folder */
} PathFound;

/* The first bytes, through gzip where it is one (gzread hands plain files on as they are). */
static void read_head(PathHead *head) {
  gzFile file = gzopen(head->path, "rb");
  int got = file ? gzread(file, head->bytes, sizeof head->bytes) : -1;
  if (file) gzclose(file);
  head->have = got > 0 ? (size_t)got : 0;
}

static PathFound find_source(const char *path) {
  struct stat st;
  PathHead head = {.path = path};
  if (stat(path, &st)) return (PathFound){KIND_MISSING, NULL};
  head.folder = S_ISDIR(st.st_mode);
  if (!head.folder && !S_ISREG(st.st_mode)) return (PathFound){KIND_OTHER, NULL};
  if (!head.folder) read_head(&head);
  const Source *best = NULL;
  PathMatch least = PATH_WEAK;
  for (size_t i = 0; i < SOURCES; i++) {
    PathMatch match = sources[i].probe(&head);
    if (match >= least) best = &sources[i], least = match + 1;
  }
  if (!head.folder && least <= PATH_LIKELY && image_begins(head.bytes, head.have))
    return (PathFound){KIND_PICTURE, NULL};
  if (!head.folder && !best && image_suffix(path)) return (PathFound){KIND_PICTURE, NULL};
  return (PathFound){head.folder ? KIND_FOLDER : best ? KIND_SOURCE : KIND_OTHER, best};
}

/* A name that is not there is the user's mistake; one that cannot be looked at is the system's. */
static void fail_missing(surgery_error *err, const char *path, int reason) {
  if (reason == ENOENT || reason == ENOTDIR) sg_fail(err, SURGERY_BAD_INPUT, "%s: %s", path, strerror(reason));
  else sg_fail_system(err, reason, "%s", path);
}

#define ACCEPTED                                                                                                       \
  "a folder of class folders with pictures, an IDX pair, CIFAR batches, a .csv, or an .npz or .safetensors "           \
  "with x and y"

/* Tokens are in arrays; pictures and tables of numbers hold none. */
static bool holds_tokens(const PathFound *found, const char *path, const DatasetSpec *spec, surgery_error *err) {
  if (spec->input->kind != INPUT_TOKENS || found->kind == KIND_MISSING) return true;
  if (found->source && found->source->holds_tokens) return true;
  sg_fail(err, SURGERY_BAD_INPUT,
          "%s: the network's input is tokens, which an .npz or .safetensors file holds: x, and where there are "
          "some, mask and y",
          path);
  return false;
}

Dataset *dataset_open(const char *path, const DatasetSpec *spec, surgery_error *err) {
  PathFound found = find_source(path);
  int reason = errno;
  if (!holds_tokens(&found, path, spec, err)) return NULL;
  if (found.source && found.source->help) return found.source->open(path, spec, err);
  if (found.kind == KIND_MISSING) fail_missing(err, path, reason);
  else sg_fail(err, SURGERY_BAD_INPUT, "%s: not a data set; that is " ACCEPTED, path);
  return NULL;
}

bool dataset_has_test_part(const char *path) {
  return (idx_folder_has(path, ROLE_TRAIN) && idx_folder_has(path, ROLE_TEST)) ||
         (cifar_folder_has(path, ROLE_TRAIN) && cifar_folder_has(path, ROLE_TEST));
}

/* ---- several inputs as one set, for predict ---- */

typedef struct Parts {
  Dataset **part;
  size_t count;
} Parts;

static const Dataset *part_of(const Dataset *set, int64_t *index) {
  const Parts *parts = set->source;
  for (size_t i = 0; i < parts->count; i++) {
    if (*index < parts->part[i]->count) return parts->part[i];
    *index -= parts->part[i]->count;
  }
  return NULL;
}

static int parts_load(Dataset *set, int64_t index, uint64_t seed, float *x, void *target, surgery_error *err) {
  Dataset *part = (Dataset *)part_of(set, &index);
  return part->load(part, index, seed, x, target, err);
}

static const int32_t *parts_mask(const Dataset *set, int64_t index) {
  const Dataset *part = part_of(set, &index);
  return part->mask ? part->mask(part, index) : NULL;
}

static const char *parts_name(const Dataset *set, int64_t index, char *to, size_t size) {
  const Dataset *part = part_of(set, &index);
  return part->name(part, index, to, size);
}

static void parts_close(Dataset *set) {
  Parts *parts = set->source;
  if (!parts) return;
  for (size_t i = 0; i < parts->count; i++) dataset_close(parts->part[i]);
  free(parts->part), free(parts);
}

static Dataset *open_folder_of_images(const char *path, const DatasetSpec *spec, surgery_error *err) {
  char **files = NULL;
  size_t count = 0;
  Dataset *set = NULL;
  if (image_list(path, &files, &count, err)) return NULL;
  if (count == 0) sg_fail(err, SURGERY_BAD_INPUT, "%s: no pictures in this folder", path);
  else set = dataset_open_images((const char *const *)files, count, spec, err);
  for (size_t i = 0; i < count; i++) free(files[i]);
  free(files);
  return set;
}

/* A picture that is not there is a broken picture: named, and the others are still predicted. */
static bool is_image(const PathFound *found, const char *path) {
  return found->kind == KIND_PICTURE || (found->kind == KIND_MISSING && image_suffix(path));
}

/* One part, from paths[0 …]; *taken: how many paths it took. */
static Dataset *open_part(const char *const *paths, size_t count, size_t *taken, const DatasetSpec *spec,
                          surgery_error *err) {
  PathFound found = find_source(paths[0]);
  int reason = errno;
  *taken = 1;
  if (!holds_tokens(&found, paths[0], spec, err)) return NULL;
  if (is_image(&found, paths[0])) {
    while (*taken < count && (found = find_source(paths[*taken]), is_image(&found, paths[*taken]))) ++*taken;
    return dataset_open_images(paths, *taken, spec, err);
  }
  if (found.source && found.source->open == dataset_open_folder) return open_folder_of_images(paths[0], spec, err);
  if (found.source) return found.source->open(paths[0], spec, err);
  if (found.kind == KIND_MISSING) fail_missing(err, paths[0], reason);
  else sg_fail(err, SURGERY_BAD_INPUT, "%s: neither a picture nor an array (.npy, IDX, .npz)", paths[0]);
  return NULL;
}

Dataset *dataset_open_inputs(const char *const *paths, size_t count, const DatasetSpec *spec, surgery_error *err) {
  Dataset *set = dataset_new("files", count ? paths[0] : "", spec, err);
  if (!set) return NULL;
  Parts *parts = calloc(1, sizeof *parts);
  set->source = parts;
  set->load = parts_load, set->name = parts_name, set->close = parts_close, set->mask = parts_mask;
  if (!parts || !(parts->part = calloc(count + 1, sizeof *parts->part))) {
    sg_fail(err, SURGERY_ENVIRONMENT, "no memory");
    dataset_close(set);
    return NULL;
  }
  for (size_t i = 0, taken; i < count; i += taken) {
    Dataset *part = open_part(paths + i, count - i, &taken, spec, err);
    if (!part) {
      dataset_close(set);
      return NULL;
    }
    parts->part[parts->count++] = part;
    set->count += part->count;
    if (part->note && !set->note) set->note = strdup(part->note);
  }
  return set;
}
