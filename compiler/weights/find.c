/* Which file a donor's weights are in. The order: --weights NAME=FILE, then the script's `from`; without it,
 * the network's own file in the --weights folders, in $SURGERY_WEIGHTS and in PyTorch's hub cache. The hash
 * in a torchvision file name is checked. Opens nothing for its tensors. Called by weights.c. */
#include "compiler/base/source.h"
#include "compiler/weights/weights.h"
#include <nettle/sha2.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Under these names people keep a network's weights, the first that is there counts. */
static const char *const suffixes[] = {".pth", ".safetensors", ".pt", ".bin", ".npz"};

const char *weights_usual_file(Session *s, const char *model) {
  const char *files = zoo_weight_files(s, model);
  return files ? arena_strndup(s->arena, files, strcspn(files, " ")) : NULL;
}

typedef struct Search {
  Session *s;
  const char *model;
  VEC(const char *) places; /* searched, for the message */
  const char *found;
  bool missing; /* the file that was asked for is not there */
} Search;

static bool is_file(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool ends_with_slash(const char *path) { return *path && path[strlen(path) - 1] == '/'; }

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool try_file(Search *q, const char *path) {
  if (q->found || !is_file(path)) return q->found != NULL;
  q->found = path;
  return true;
}

/* ---- the hash in the name ---- */

/* The eight hexadecimal digits of "resnet18-f37072fd.pth"; NULL when the name has none. */
static const char *name_hash(const char *path) {
  const char *base = strrchr(path, '/'), *dash = strrchr(base ? base : path, '-');
  if (!dash) return NULL;
  for (int i = 1; i <= 8; i++)
    if (!isxdigit((unsigned char)dash[i]) || isupper((unsigned char)dash[i])) return NULL;
  return dash[9] == '.' ? dash + 1 : NULL;
}

/* SHA-256, since torch.hub checks the names by it. False when it cannot be read; that is reported where the file is
 * opened. */
static bool file_hash(const char *path, char text[65]) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  static uint8_t buffer[1 << 16];
  uint8_t digest[32];
  struct sha256_ctx hash;
  size_t count;
  sha256_init(&hash);
  while ((count = fread(buffer, 1, sizeof buffer, file)) > 0) sha256_update(&hash, count, buffer);
  bool ok = !ferror(file);
  fclose(file);
  sha256_digest(&hash, sizeof digest, digest);
  for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
  return ok;
}

static bool check_hash(Session *s, const char *path, Span span, bool explicit) {
  char text[65];
  const char *wanted = name_hash(path);
  if (!wanted || s->names_trusted || !file_hash(path, text) || strncmp(text, wanted, 8) == 0) return true;
  Diag *d = diag_report(&s->diags, explicit ? DIAG_W0401 : DIAG_E0404, span,
                        "%s: its name says that its SHA-256 begins with %.8s, but it is %.8s…", path, wanted, text);
  if (explicit) return true;
  diag_help(&s->diags, d, "download it again; if this file is meant, name it with --weights or from");
  return false;
}

/* ---- where to look ---- */

static void search_folder(Search *q, const char *folder, bool any_name) {
  if (q->found || !*folder) return;
  if (!is_folder(folder)) {
    if (any_name && is_file(folder)) q->found = folder; /* --weights FILE */
    vec_push(q->s->arena, &q->places, folder);
    return;
  }
  vec_push(q->s->arena, &q->places, folder);
  const char *files = q->model ? zoo_weight_files(q->s, q->model) : NULL;
  for (; files && *files; files += strspn(files, " ")) {
    size_t length = strcspn(files, " ");
    try_file(q, arena_printf(q->s->arena, "%s/%.*s", folder, (int)length, files));
    files += length;
  }
  for (size_t i = 0; any_name && i < sizeof suffixes / sizeof *suffixes; i++)
    try_file(q, arena_printf(q->s->arena, "%s/%s%s", folder, q->model, suffixes[i]));
}

static void search_list(Search *q, const char *folders) {
  while (folders && *folders) {
    const char *end = strchrnul(folders, ':');
    search_folder(q, arena_strndup(q->s->arena, folders, (size_t)(end - folders)), true);
    folders = *end ? end + 1 : end;
  }
}

static void search_hub(Search *q) {
  const char *torch = getenv("TORCH_HOME"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  Arena *a = q->s->arena;
  if (torch && *torch) search_folder(q, arena_printf(a, "%s/hub/checkpoints", torch), false);
  else if (cache && *cache) search_folder(q, arena_printf(a, "%s/torch/hub/checkpoints", cache), false);
  else if (home && *home) search_folder(q, arena_printf(a, "%s/.cache/torch/hub/checkpoints", home), false);
}

static const char *list_places(Search *q) {
  const char *text = "";
  for (size_t i = 0; i < q->places.count; i++)
    text = arena_printf(q->s->arena, "%s%s%s", text, i ? ", " : "", q->places.at[i]);
  return text;
}

/* ---- the three ways to say it ---- */

static const char *named_on_command_line(const Session *s, const char *model) {
  const char *path = NULL;
  for (size_t i = 0; i < s->weights.count; i++) /* the last one counts */
    if (s->weights.at[i].name && streq(s->weights.at[i].name, model)) path = s->weights.at[i].value;
  return path;
}

/* The path that the string at `span` holds, where it has no escapes. */
static const char *front_path(Session *s, Span span) {
  if (span.source >= s->sources.files.count || span.end < span.begin + 2) return "";
  return arena_strndup(s->arena, s->sources.files.at[span.source].text + span.begin + 1, span.end - span.begin - 2);
}

/* False: the script goes on with the shapes that the network has. */
/* What Hugging Face calls the weights in the folder of a model. */
static const char *const in_folders[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                         "pytorch_model.bin.index.json"};

/* The path is a folder: names the weight file in it, where it is a model's. */
static bool report_folder(Search *q, Span span, const char *path, const char *folder) {
  Session *s = q->s;
  Diag *d = diag_report(&s->diags, DIAG_E0401, span, "%s is a folder, not a weight file", path);
  for (size_t i = 0; i < sizeof in_folders / sizeof *in_folders; i++) {
    if (!is_file(arena_printf(s->arena, "%s/%s", folder, in_folders[i]))) continue;
    const char *file = arena_printf(s->arena, "%s%s%s", path, ends_with_slash(path) ? "" : "/", in_folders[i]);
    diag_help(&s->diags, d, "did you mean '%s'?", file);
    if (streq(path, front_path(s, span))) diag_fix(&s->diags, d, span, "\"%s\"", file);
    return false;
  }
  diag_help(&s->diags, d, "name a file in it");
  return false;
}

static bool report_missing(Search *q, Span span, const char *path, int reason) {
  q->missing = true;
  if (q->s->missing_allowed) return false;
  q->s->missing_weights++;
  for (size_t i = 0; i < q->places.count; i++)
    if (is_folder(q->places.at[i])) return report_folder(q, span, path, q->places.at[i]);
  Diag *d = diag_report(&q->s->diags, DIAG_E0401, span, "the weight file %s is not there%s%s", path,
                        reason == ENOENT ? "" : ": ", reason == ENOENT ? "" : strerror(reason));
  if (q->places.count > 0) diag_note(&q->s->diags, d, "looked for %s", list_places(q));
  for (size_t i = 0; i < q->places.count; i++) {
    const char *near = nearest_file(q->s->arena, q->places.at[i], path);
    if (!near) continue;
    diag_help(&q->s->diags, d, "did you mean '%s'?", near);
    if (streq(path, front_path(q->s, span))) diag_fix(&q->s->diags, d, span, "\"%s\"", near);
    return false;
  }
  if (q->model) diag_help(&q->s->diags, d, "correct the path, or say where it is: --weights %s=FILE", q->model);
  else diag_help(&q->s->diags, d, "correct the path, or name the folder it is in: --weights DIR");
  return false;
}

static bool find_from(Search *q, const char *from, Span span) {
  Arena *a = q->s->arena;
  if (*from == '/') {
    vec_push(a, &q->places, from);
    return try_file(q, from) || report_missing(q, span, from, ENOENT);
  }
  const char *script = q->s->sources.files.at[span.source].path, *slash = strrchr(script, '/');
  if (slash) vec_push(a, &q->places, arena_printf(a, "%.*s/%s", (int)(slash - script), script, from));
  vec_push(a, &q->places, from);
  for (size_t i = 0; i < q->s->weights.count; i++)
    if (!q->s->weights.at[i].name) vec_push(a, &q->places, arena_printf(a, "%s/%s", q->s->weights.at[i].value, from));
  for (size_t i = 0; i < q->places.count && !q->found; i++) try_file(q, q->places.at[i]);
  return q->found || report_missing(q, span, from, ENOENT);
}

static bool find_canonical(Search *q, const Donor *donor, bool built_in) {
  for (size_t i = 0; i < q->s->weights.count; i++)
    if (!q->s->weights.at[i].name) search_folder(q, q->s->weights.at[i].value, true);
  search_list(q, getenv("SURGERY_WEIGHTS"));
  search_hub(q);
  if (q->found) return true;
  Span span = donor->model->span;
  if (!built_in) {
    Diag *d = diag_report(&q->s->diags, DIAG_N0402, span,
                          "%s starts with newly initialised weights: no weight file was given", q->model);
    diag_help(&q->s->diags, d, "write take %s from \"FILE\", or from random if this is meant", q->model);
    return true;
  }
  const char *file = weights_usual_file(q->s, q->model);
  q->missing = true;
  if (q->s->missing_allowed) return false;
  q->s->missing_weights++;
  Diag *d = diag_report(&q->s->diags, DIAG_E0402, span, "there are no weights for %s", q->model);
  if (file)
    diag_note(&q->s->diags, d, "looked for %s in %s", file, q->places.count ? list_places(q) : "no place at all");
  else if (q->places.count)
    diag_note(&q->s->diags, d, "looked for %s.pth and its like in %s", q->model, list_places(q));
  diag_help(&q->s->diags, d, "--weights %s=FILE, or in the script: take %s from \"FILE\"", q->model, q->model);
  diag_help(&q->s->diags, d, "to start with newly initialised weights: take %s from random", q->model);
  diag_fix(&q->s->diags, d, (Span){donor->span.source, donor->span.end, donor->span.end}, " from random");
  return false;
}

const char *absolute_path(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = realpath(slash ? arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path)) : ".", NULL);
  const char *whole =
      folder ? arena_printf(arena, "%s/%s", streq(folder, "/") ? "" : folder, slash ? slash + 1 : path) : path;
  free(folder);
  return whole;
}

WeightSearch weights_find_file(Session *s, const Graph *g, const char *file, Span span, const char **path,
                               SavedFile **saved) {
  const char *real = absolute_path(s->arena, file);
  *saved = NULL;
  for (size_t i = 0; i < g->saves.count; i++)
    if (g->saves.at[i]->path && streq(g->saves.at[i]->real, real)) *saved = g->saves.at[i];
  *path = file;
  if (*saved) return WEIGHTS_FOUND;
  Search q = {.s = s};
  if (!find_from(&q, file, span)) return WEIGHTS_MISSING;
  *path = q.found;
  vec_push(s->arena, &s->dependencies, q.found);
  return check_hash(s, q.found, span, true) ? WEIGHTS_FOUND : WEIGHTS_WRONG;
}

const char *weights_model_name(const Donor *donor) {
  const Expr *model = donor->model->kind == EXPR_CALL ? donor->model->left : donor->model;
  return model->text ? model->text : "network";
}

WeightSearch weights_find(Session *s, Scope *scope, const Donor *donor, const char *model, const char **path) {
  *path = NULL;
  if (donor->from_random) return WEIGHTS_FOUND;
  Search q = {.s = s, .model = model};
  const char *given = named_on_command_line(s, model);
  const Const *mine = scope_get(scope, model), *built_in = scope_get(zoo_scope(s), model);
  bool explicit = given || donor->from;
  if (given) {
    if (donor->from && !streq(given, donor->from))
      diag_report(&s->diags, DIAG_N0404, donor->from_span, "--weights %s=%s takes the place of this file", model,
                  given);
    if (!try_file(&q, given)) {
      vec_push(s->arena, &q.places, given);
      report_missing(&q, donor->model->span, given, ENOENT);
    }
  } else if (!(donor->from ? find_from(&q, donor->from, donor->from_span)
                           : find_canonical(&q, donor, built_in && mine && mine->model == built_in->model)) &&
             !q.missing) {
    return WEIGHTS_WRONG;
  }
  if (q.missing) {
    const char *usual = weights_usual_file(s, model);
    *path = given ? given : donor->from ? donor->from : usual ? usual : arena_printf(s->arena, "%s.pth", model);
    return WEIGHTS_MISSING;
  }
  if (!q.found) return WEIGHTS_FOUND;
  *path = q.found;
  vec_push(s->arena, &s->dependencies, q.found);
  Span span = donor->from && !given ? donor->from_span : donor->model->span;
  return check_hash(s, q.found, span, explicit) ? WEIGHTS_FOUND : WEIGHTS_WRONG;
}
