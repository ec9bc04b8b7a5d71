/* The built-in models: their sources are parsed into a scope of their own when the first script or command
 * asks, and that scope is the parent of every script's. */
#include "compiler/lang/lang.h"
#include "compiler/zoo/zoo.h"
#include <stdlib.h>

Scope *zoo_scope(Session *s) {
  if (s->zoo) return s->zoo;
  s->zoo = scope_create(s->arena, NULL);
  for (const struct ZooSource *zoo = zoo_sources; zoo->path; zoo++) {
    int source = sources_add_text(&s->sources, zoo->path, zoo->text, strlen(zoo->text));
    if (source < 0) BUG("%s cannot be added", zoo->path);
    size_t before = s->diags.errors;
    const Stmt *first = parse(s->arena, &s->diags, &s->sources, (uint32_t)source);
    if (s->diags.errors != before) {
      diag_print_text(&s->diags, stderr, false);
      BUG("%s cannot be read", zoo->path);
    }
    for (const Stmt *stmt = first; stmt; stmt = stmt->next)
      if (stmt->kind != STMT_MODEL || !declare_model(s, s->zoo, stmt))
        BUG("%s: only models stand in the zoo", zoo->path);
  }
  return s->zoo;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *zoo_models(Session *s, size_t *count) {
  NameList all = {0}, networks = {0};
  scope_names(s->arena, zoo_scope(s), &all);
  for (size_t i = 0; i < all.count; i++) {
    bool free_of_arguments = true;
    for (const Arg *p = scope_get(s->zoo, all.at[i])->model->params; p; p = p->next)
      free_of_arguments = free_of_arguments && p->value != NULL;
    if (free_of_arguments) vec_push(s->arena, &networks, all.at[i]);
  }
  if (networks.count) qsort(networks.at, networks.count, sizeof *networks.at, compare_names);
  *count = networks.count;
  return networks.at;
}

/* The text of the last line above the model that begins so; `directly`: which stands right above. */
static const char *line_above(Session *s, const char *name, const char *begin, bool directly) {
  const Const *model = scope_own(zoo_scope(s), name);
  if (!model || !model->model || model->model->span.source >= s->sources.files.count) return NULL;
  const char *text = s->sources.files.at[model->model->span.source].text, *end = text + model->model->span.begin;
  const char *found = NULL;
  for (const char *line = text, *next; line < end; line = next) {
    next = strchr(line, '\n') + 1;
    if (strncmp(line, begin, strlen(begin)) == 0 && (!directly || next == end)) found = line + strlen(begin);
  }
  return found ? arena_strndup(s->arena, found, strcspn(found, "\n")) : NULL;
}

const char *zoo_origin(Session *s, const char *name) { return line_above(s, name, "## ", false); }
const char *zoo_weight_files(Session *s, const char *name) { return line_above(s, name, "#: ", true); }
