/* A network cut into what a drawing shows: units (a layer with the normalisation and activation that follow
 * it alone), blocks, groups, and blocks that only repeat the one before. Private to dot*.c. */
#ifndef SURGERY_DRIVER_DOT_H
#define SURGERY_DRIVER_DOT_H
#include "compiler/driver/show/show.h"

typedef struct DotGroup { /* a stage, or a container of the network itself where there are no stages */
  int stage;              /* index, or NO_ID */
  ModuleId module;        /* NO_ID for a stage */
  size_t nodes;           /* how many lie in it */
  bool opened;            /* its title is written */
} DotGroup;

typedef struct DotBlock { /* a container inside a group */
  ModuleId module;
  size_t units;
  size_t repeats; /* itself and the identical blocks behind it, which are not drawn */
  ModuleId last;  /* the last of them */
  bool hidden;    /* one of those */
  bool opened;    /* its title is written */
} DotBlock;

typedef struct DotUnit {
  VEC(NodeId) nodes; /* in forward order */
  int group, block;  /* indices, or NO_ID */
  TrainState state;
  int depth; /* units on the longest way to it from the input */
} DotUnit;

typedef struct Dot {
  Arena *arena;
  const Graph *g;
  VEC(DotGroup) groups;
  VEC(DotBlock) blocks;
  VEC(DotUnit) units;
  int *unit_of; /* by NodeId; of a hidden block the unit that stands for it; NO_ID: not drawn */
  int *uses;    /* by ValueId: how many alive nodes and outputs use it */
} Dot;

Dot dot_cut(Arena *arena, const Graph *g);
/* dot_repeats.c: finds the blocks that repeat; called by dot_cut. */
void dot_collapse(Dot *p);
#endif
