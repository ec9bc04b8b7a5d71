/* Between graph.c and graph_names.c. */
#ifndef SURGERY_GRAPH_NAMES_H
#define SURGERY_GRAPH_NAMES_H
#include "compiler/graph/graph.h"
NameIndex *graph_names_create(Arena *arena);
/* The suffix that makes `name` unique among the nodes: 0 for none, else the N of name_N. */
int64_t graph_free_suffix(Graph *g, const char *name);
#endif
