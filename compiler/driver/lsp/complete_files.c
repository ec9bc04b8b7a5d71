/* Completion from the disk: names of files, and names of tensors inside a weight file. Called by complete.c. */
#include "compiler/driver/lsp/complete.h"
#include "runtime/surgery.h"
#include <dirent.h>
#include <sys/stat.h>

static const char *folder_of(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? arena_strndup(arena, path, (size_t)(slash - path)) : ".";
}

static bool has_suffix(const char *name, const char *const *suffixes) {
  size_t length = strlen(name);
  for (; *suffixes; suffixes++) {
    size_t k = strlen(*suffixes);
    if (length > k && streq(name + length - k, *suffixes)) return true;
  }
  return false;
}

static void list_folder(Completion *c, const char *folder, const char *written, const char *const *suffixes) {
  enum { MOST = 2000 };
  Arena *arena = c->r->arena;
  DIR *dir = opendir(folder);
  struct dirent *entry;
  for (int i = 0; dir && i < MOST && (entry = readdir(dir)); i++) {
    if (entry->d_name[0] == '.') continue;
    struct stat st;
    bool is_folder = stat(arena_printf(arena, "%s/%s", folder, entry->d_name), &st) == 0 && S_ISDIR(st.st_mode);
    if (!is_folder && !has_suffix(entry->d_name, suffixes)) continue;
    const char *label = arena_printf(arena, "%s%s%s", written, entry->d_name, is_folder ? "/" : "");
    add_item(c, is_folder ? ITEM_FOLDER : ITEM_FILE, label, NULL, NULL, NULL);
  }
  if (dir) closedir(dir);
}

/* The folders where a file of the script is looked for: beside it, and those of the options. */
static size_t folders(Completion *c, const char *out[32]) {
  size_t count = 0;
  const Session *s = &c->r->a->s;
  out[count++] = folder_of(c->r->arena, c->r->document->path);
  for (size_t i = 0; i < s->weights.count && count < 16; i++)
    if (!s->weights.at[i].name) out[count++] = s->weights.at[i].value;
  for (size_t i = 0; i < s->include_dirs.count && count < 32; i++) out[count++] = s->include_dirs.at[i];
  return count;
}

void complete_files(Completion *c, const char *const *suffixes) {
  const char *slash = strrchr(c->typed, '/'), *at[32];
  const char *written = slash ? arena_strndup(c->r->arena, c->typed, (size_t)(slash + 1 - c->typed)) : "";
  if (*written == '/') {
    list_folder(c, written, written, suffixes);
    return;
  }
  size_t count = folders(c, at);
  for (size_t i = 0; i < count; i++)
    list_folder(c, arena_printf(c->r->arena, "%s/%s", at[i], written), written, suffixes);
}

/* The string after `from` or `take` in the statement. */
static const char *statement_file(Completion *c) {
  const SourceView *view = c->r->view;
  bool after = false;
  for (size_t i = (size_t)(c->cursor.first < 0 ? 0 : c->cursor.first); i < view->words.count; i++) {
    const ScriptWord *w = &view->words.at[i];
    if (w->first && (int)i != c->cursor.first) break;
    if (w->kind == WORD_STRING && after && w->span.end - w->span.begin > 2)
      return arena_strndup(c->r->arena, view->text.at + w->span.begin + 1, w->span.end - w->span.begin - 2);
    after = word_is(view, (int)i, "from");
  }
  return NULL;
}

static surgery_weights *open_file(Completion *c, const char *file) {
  const char *at[32];
  surgery_error err;
  surgery_weights *w = *file == '/' ? surgery_weights_open(file, &err) : NULL;
  size_t count = *file == '/' ? 0 : folders(c, at);
  for (size_t i = 0; i < count && !w; i++)
    w = surgery_weights_open(arena_printf(c->r->arena, "%s/%s", at[i], file), &err);
  return w;
}

void complete_keys(Completion *c, bool prefixes) {
  const char *file = statement_file(c);
  surgery_weights *w = file ? open_file(c, file) : NULL;
  if (!w) return;
  for (size_t i = 0; i < surgery_weights_count(w); i++) {
    const surgery_tensor *t = surgery_weights_at(w, i);
    size_t typed = strlen(c->typed);
    if (strncmp(t->name, c->typed, typed) != 0) continue;
    const char *dot = strchr(t->name + typed, '.'); /* one component further */
    if (dot) add_item(c, ITEM_MODULE, arena_strndup(c->r->arena, t->name, (size_t)(dot - t->name)), file, NULL, NULL);
    else if (!prefixes) add_item(c, ITEM_FIELD, t->name, sizes_text(c->r->arena, t->rank, t->shape), NULL, NULL);
  }
  surgery_weights_close(w);
}
