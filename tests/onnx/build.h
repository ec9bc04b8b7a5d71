/* ONNX files made by the tests themselves, good and broken ones: a model is filled in with nodes, tensors, an
 * input and an output, then written. Also: importing a file outside of any script. */
#ifndef TESTS_ONNX_BUILD_H
#define TESTS_ONNX_BUILD_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "compiler/weights/weights.h"
#include "compiler/import/onnx.h"
#include "onnx.pb-c.h"

typedef struct Build {
  Arena *arena;
  Onnx__ModelProto model;
  Onnx__GraphProto graph;
  Onnx__OperatorSetIdProto opset;
  VEC(Onnx__NodeProto *) nodes;
  VEC(Onnx__TensorProto *) tensors;
  VEC(Onnx__ValueInfoProto *) inputs, outputs;
} Build;

enum { TYPE_FLOAT = 1, TYPE_INT32 = 6, TYPE_INT64 = 7, TYPE_STRING = 8, TYPE_HALF = 10, TYPE_DOUBLE = 11 };

/* An empty model of opset 13. */
Build *build_begin(void);
void build_end(Build *b);
/* "3 8 8": the sizes; "?" is an open one; the first is the batch. */
Onnx__ValueInfoProto *build_input(Build *b, const char *name, const char *dims);
Onnx__ValueInfoProto *build_output(Build *b, const char *name, const char *dims);
/* Names separated by blanks; "-" is an input that is left out. */
Onnx__NodeProto *build_node(Build *b, const char *type, const char *name, const char *inputs, const char *outputs);
/* Each returns the node, so that calls can be nested. ints: "1 1 1 1". */
Onnx__NodeProto *with_int(Build *b, Onnx__NodeProto *node, const char *name, int64_t value);
Onnx__NodeProto *with_float(Build *b, Onnx__NodeProto *node, const char *name, double value);
Onnx__NodeProto *with_ints(Build *b, Onnx__NodeProto *node, const char *name, const char *values);
Onnx__NodeProto *with_text(Build *b, Onnx__NodeProto *node, const char *name, const char *value);
Onnx__NodeProto *with_tensor(Build *b, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *tensor);
/* Values 0, 1, 2 … in raw_data; not yet an initializer. dims "" is a scalar. */
Onnx__TensorProto *build_values(Build *b, const char *name, int type, const char *dims);
/* The same as an initializer of f32. */
Onnx__TensorProto *build_tensor(Build *b, const char *name, const char *dims);
void build_initializer(Build *b, Onnx__TensorProto *tensor);
/* Integers or one number, as an initializer. */
void build_ints(Build *b, const char *name, const char *values);
void build_number(Build *b, const char *name, double value);
unsigned char *build_bytes(Build *b, size_t *size); /* in the arena */
/* Into the test's folder; the path. */
const char *build_write(Build *b, const char *name);

/* A folder of the test's own, removed at exit; a path in it, good for 8 calls. */
const char *scratch(const char *name);
void write_bytes(const char *path, const void *bytes, size_t size);

typedef struct Imported {
  Session *s;
  Graph *graph; /* NULL: refused */
  char *messages;
} Imported;
Imported import_file(const char *path);
void import_end(Imported *i);
/* The values of a parameter. */
float *param_values(Imported *i, const char *name, int64_t *count);
#endif
