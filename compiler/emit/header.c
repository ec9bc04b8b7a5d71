/* The C header beside an object or a library: the functions of docs/c-interface.md and the network's sizes as
 * constants. It stands alone: C99 or C++, no include path. Called by emit.c. */
#include "compiler/emit/emit.h"
#include <ctype.h>
#include <stdarg.h>

typedef struct Writer {
  Arena *arena;
  VEC(char) text;
  const char *name, *upper;
} Writer;

static void put(Writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(Writer *w, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(w->arena, format, args);
  va_end(args);
  for (; *text; text++) vec_push(w->arena, &w->text, *text);
}

/* Names come from scripts: nothing in them may end the comment they stand in. */
static const char *in_comment(Arena *arena, const char *text) {
  char *copy = arena_strdup(arena, text ? text : "");
  for (char *c = copy; *c; c++)
    if ((unsigned char)*c < ' ' || (*c == '/' && c > copy && c[-1] == '*') || (*c == '*' && c > copy && c[-1] == '/') ||
        *c == '\\' || (*c == '?' && c[1] == '?'))
      *c = '_';
  return copy;
}

static const char *quoted(Arena *arena, const char *text) {
  const char *out = "";
  for (; *text; text++) {
    bool plain = isalnum((unsigned char)*text) || strchr("._-+ ", *text);
    out = plain ? arena_printf(arena, "%s%c", out, *text) : arena_printf(arena, "%s\\%03o", out, (unsigned char)*text);
  }
  return out;
}

static const char *dims_text(Arena *arena, const Shape *shape) {
  const char *text = "";
  for (int i = 0; i < shape->rank; i++)
    text = arena_printf(arena, "%s%s%lld", text, i ? ", " : "", (long long)shape->dim[i]);
  return text;
}

static bool has_tokens(const Plan *plan) { return plan->graph->input.kind == INPUT_TOKENS; }
/* The type of a number of x. */
static const char *number(const Plan *plan) { return has_tokens(plan) ? "int32_t" : "float"; }

static const Shape *output_shape(const Graph *g, size_t i) { return &value_at(g, g->outputs.at[i].value)->shape; }

static void put_top(Writer *w, const Plan *plan, const EmitOptions *o) {
  const Graph *g = plan->graph;
  put(w, "/* %s: a network compiled by surgeryc %s from %s.\n", w->name, SURGERY_VERSION,
      in_comment(w->arena, o->script_name));
  put(w, " *   x  %s %s, row-major\n", shape_text(w->arena, &g->input.shape),
      has_tokens(plan) ? "int32, token numbers" : "f32");
  if (g->input.mask)
    put(w, " *   mask  (N, %lld) int32: 1 where a token is attended to, else 0\n", (long long)g->input.shape.dim[0]);
  for (size_t i = 0; i < g->outputs.count; i++)
    put(w, " *   y  %s f32, '%s'\n", shape_text(w->arena, output_shape(g, i)),
        in_comment(w->arena, g->outputs.at[i].name));
  if (o->cpu && strchr(o->cpu, ','))
    put(w, " *   CPU  %s: the functions choose by themselves; the sizes below hold for each\n",
        in_comment(w->arena, o->cpu));
  for (size_t i = 0; i < g->labels.count; i++) put(w, " *   class %zu  %s\n", i, in_comment(w->arena, g->labels.at[i]));
  put(w, " * Generated: do not edit. %s */\n",
      o->kind == EMIT_SHARED ? "Link with the shared library alone: the runtime is in it."
                             : "Link with -lsurgery -ljpeg -lpng -lz -lm.");
  put(w, "#ifndef %s_NETWORK_H\n#define %s_NETWORK_H\n#include <stddef.h>\n#include <stdint.h>\n", w->upper, w->upper);
  put(w, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
}

/* The same text as in runtime/surgery.h, which may be included too, before or after. */
static void put_error(Writer *w) {
  put(w, "#ifndef SURGERY_ERROR_DEFINED\n#define SURGERY_ERROR_DEFINED\n"
         "typedef enum surgery_status {\n"
         "  SURGERY_OK = 0,\n"
         "  SURGERY_BAD_INPUT = 1,   /* a file or argument is wrong: the user can mend it */\n"
         "  SURGERY_ENVIRONMENT = 3, /* open, read, write, memory failed: the system's reason is in the "
         "message */\n"
         "  SURGERY_INTERRUPTED = 4\n"
         "} surgery_status;\n"
         "typedef struct surgery_error {\n"
         "  surgery_status status;\n"
         "  char message[1024];\n"
         "} surgery_error;\n"
         "/* What the functions that compute return where they did not; 0: done. */\n"
         "typedef enum surgery_failure {\n"
         "  SURGERY_NO_MEMORY = -1,\n"
         "  SURGERY_NULL_ARGUMENT = -2, /* the network, x, y or target */\n"
         "  SURGERY_NOT_TRAINABLE = -3, /* all of the network is frozen */\n"
         "  SURGERY_BAD_TARGET = -4,    /* no class of the network */\n"
         "  SURGERY_BAD_TOKEN = -5,     /* outside the vocabulary */\n"
         "  SURGERY_SMALL_BATCH = -6,   /* a trainable BatchNorm gets one value per channel */\n"
         "  SURGERY_SMALL_MEMORY = -7,  /* the caller's own: less than the macro says, or not 64-byte aligned */\n"
         "  SURGERY_OTHER_CPU = -8      /* lacks what the code needs */\n"
         "} surgery_failure;\n"
         "#endif\n"
         "const char *surgery_failure_text(int failure); /* such a number in words */\n"
         "int surgery_threads(void); /* threads that the functions below use */\n\n");
}

/* Of all outputs, in their order: names, shapes padded with 0, floats. */
static void put_outputs(Writer *w, const Graph *g) {
  int most = 1;
  for (size_t i = 0; i < g->outputs.count; i++)
    if (output_shape(g, i)->rank > most) most = output_shape(g, i)->rank;
  const char *names = "", *ranks = "", *shapes = "", *counts = "";
  for (size_t i = 0; i < g->outputs.count; i++) {
    const Shape *y = output_shape(g, i);
    const char *comma = i ? ", " : "", *dims = "";
    for (int k = 0; k < most; k++)
      dims = arena_printf(w->arena, "%s%s%lld", dims, k ? ", " : "", k < y->rank ? (long long)y->dim[k] : 0LL);
    names = arena_printf(w->arena, "%s%s\"%s\"", names, comma, quoted(w->arena, g->outputs.at[i].name));
    ranks = arena_printf(w->arena, "%s%s%d", ranks, comma, y->rank);
    shapes = arena_printf(w->arena, "%s%s{%s}", shapes, comma, dims);
    counts = arena_printf(w->arena, "%s%s%lld", counts, comma, (long long)shape_count(y));
  }
  put(w, "#define %s_OUTPUTS %zu\n", w->upper, g->outputs.count);
  put(w, "#define %s_OUTPUT_NAMES {%s} /* const char *name[%s_OUTPUTS], for an initialiser */\n", w->upper, names,
      w->upper);
  put(w, "#define %s_OUTPUT_RANKS {%s}\n", w->upper, ranks);
  put(w, "#define %s_OUTPUT_MAX_RANK %d\n", w->upper, most);
  put(w, "#define %s_OUTPUT_SHAPES {%s} /* of one sample: [%s_OUTPUTS][%s_OUTPUT_MAX_RANK], 0 behind the last */\n",
      w->upper, shapes, w->upper, w->upper);
  put(w, "#define %s_OUTPUT_COUNTS {%s} /* floats for one sample */\n", w->upper, counts);
}

static void put_sizes(Writer *w, const Plan *plan) {
  const Graph *g = plan->graph;
  Totals t = module_totals(g, 0, true);
  const Shape *y = output_shape(g, 0);
  int64_t floats = 0;
  for (size_t i = 0; i < g->outputs.count; i++) floats += shape_count(output_shape(g, i));
  put(w, "#define %s_INPUT_SHAPE {%s} /* of one sample, for an initialiser */\n", w->upper,
      dims_text(w->arena, &g->input.shape));
  put(w, "#define %s_INPUT_RANK %d\n", w->upper, g->input.shape.rank);
  put(w, "#define %s_INPUT_COUNT %lld /* %s of x for one sample */\n", w->upper,
      (long long)shape_count(&g->input.shape), has_tokens(plan) ? "tokens" : "floats");
  put(w, "#define %s_OUTPUT_SHAPE {%s} /* of the first output */\n", w->upper, dims_text(w->arena, y));
  put(w, "#define %s_OUTPUT_COUNT %lld /* floats of the first output for one sample */\n", w->upper,
      (long long)shape_count(y));
  put(w, "#define %s_RAW_OUTPUT_COUNT %lld /* floats of all outputs for one sample, for %s_forward_raw */\n", w->upper,
      (long long)floats, w->name);
  put_outputs(w, g);
  put(w, "#define %s_CLASSES %lld\n", w->upper, (long long)(y->rank ? y->dim[0] : 1));
  put(w, "#define %s_PARAMETERS %lld\n", w->upper, (long long)t.all);
  put(w, "#define %s_TRAINABLE_PARAMETERS %lld\n\n", w->upper, (long long)t.trained);
}

static const char *arena_bytes(Writer *w, const Program *s) {
  return arena_printf(w->arena, "((size_t)(n) * %lldu + %lldu + (size_t)surgery_threads() * %lldu)",
                      (long long)s->per_sample_bytes, (long long)s->fixed_bytes, (long long)s->scratch_bytes);
}

/* The runtime has one arena for all functions, as large as the largest that it calls. */
static void put_memory(Writer *w, const Plan *plan) {
  put(w,
      "/* Bytes. The state dict, each tensor 64-byte aligned, and behind it what %s_pack derives from it. "
      "*/\n",
      w->name);
  put(w, "#define %s_STATE_BYTES ((size_t)%lldu)\n", w->upper, (long long)round_up_64(plan->weights_bytes));
  int64_t weights = round_up_64(plan->weights_bytes) + round_up_64(plan->packed_bytes);
  if (plan->pack.present) weights += plan->pack.per_sample_bytes + plan->pack.fixed_bytes;
  put(w, "#define %s_WEIGHTS_BYTES ((size_t)%lldu", w->upper, (long long)weights);
  if (plan->pack.present && plan->pack.scratch_bytes)
    put(w, " + (size_t)surgery_threads() * %lldu", (long long)plan->pack.scratch_bytes);
  put(w, ")\n");
  put(w, "/* The planned memory of a forward pass over n samples, without weights, x and y. */\n");
  put(w, "#define %s_FORWARD_BYTES(n) %s\n", w->upper, arena_bytes(w, &plan->forward));
  if (!plan->step.present) {
    put(w, "#define %s_TRAIN_BYTES(n) ((size_t)0) /* nothing is trainable */\n\n", w->upper);
    return;
  }
  put(w, "/* Of a training step: activations and gradients, without weights, x, targets and the optimizer's "
         "state. */\n");
  const char *step = arena_bytes(w, &plan->step);
  if (plan->prefix.present) {
    put(w, "#define %s_PREFIX_BYTES(n) %s /* the frozen layers before the first trainable one */\n", w->upper,
        arena_bytes(w, &plan->prefix));
    put(w, "#define %s_STEP_BYTES(n) %s\n", w->upper, step);
    put(w,
        "#define %s_TRAIN_BYTES(n) \\\n  ((%s_PREFIX_BYTES(n) > %s_STEP_BYTES(n) ? %s_PREFIX_BYTES(n) : "
        "%s_STEP_BYTES(n)) "
        "+ (size_t)(n) * %lldu + %lldu)\n\n",
        w->upper, w->upper, w->upper, w->upper, w->upper, (long long)plan->features_bytes,
        (long long)plan->grads_bytes);
  } else {
    put(w, "#define %s_TRAIN_BYTES(n) (%s + %lldu)\n\n", w->upper, step, (long long)plan->grads_bytes);
  }
}

static void put_functions(Writer *w, const Plan *plan) {
  const char *n = w->name, *x = shape_text(w->arena, &plan->graph->input.shape);
  const char *y = shape_text(w->arena, output_shape(plan->graph, 0));
  put(w,
      "/* One network in memory with its own weights; for one thread of use at a time. */\ntypedef struct %s "
      "%s;\n",
      n, n);
  put(w,
      "/* weights: a file; NULL: embedded ones, else %s.safetensors beside the program (or the shared library),\n"
      " * else the file that surgeryc's --weights-path named. NULL with *err filled (err may be NULL) when it cannot\n"
      " * be read or does not fit. */\n",
      n);
  put(w, "%s *%s_open(const char *weights, surgery_error *err);\n", n, n);
  const char *type = number(plan);
  put(w, "/* x: %s, y: %s%s. 0 or a surgery_failure. */\n", x, y,
      plan->graph->outputs.count > 1 ? ", the first output" : "");
  put(w, "int %s_forward(%s *net, size_t n, const %s *x, float *y);\n", n, n, type);
  put(w, "/* The same for all outputs: y[i] takes output i, (N, …), and may be NULL. */\n");
  put(w, "int %s_forward_outputs(%s *net, size_t n, const %s *x, float *const y[%s_OUTPUTS]);\n", n, n, type, w->upper);
  put(w, "/* One step of the script's optimizer. target: (N); *loss: the batch's mean before the update; loss may be "
         "NULL.\n"
         " * 0 or a surgery_failure; then nothing was trained. */\n");
  put(w, "int %s_train_step(%s *net, size_t n, const %s *x, const int32_t *target, float *loss);\n", n, n, type);
  if (plan->graph->input.mask) {
    put(w, "/* The same with a mask, as above; NULL: all tokens are attended to, as in the two functions before. */\n");
    put(w, "int %s_forward_masked(%s *net, size_t n, const %s *x, const int32_t *mask, float *y);\n", n, n, type);
    put(w,
        "int %s_train_step_masked(%s *net, size_t n, const %s *x, const int32_t *mask, const int32_t *target, float "
        "*loss);\n",
        n, n, type);
  }
  put(w, "/* By suffix: .safetensors, .pth, .npz. selector: layers or tensors, as in scripts; NULL: all. 0 or -1. "
         "*/\n");
  put(w, "int %s_save(%s *net, const char *path, const char *selector, surgery_error *err);\n", n, n);
  put(w, "void %s_close(%s *net);\n\n", n, n);
  put(w,
      "/* For callers without an allocator. Every pointer is 64-byte aligned.\n"
      " *   weights  weights_bytes: %s_WEIGHTS_BYTES; write the tensors at the offsets of %s_TENSORS, then call\n"
      " *            %s_pack once\n"
      " *   arena    arena_bytes: %s_FORWARD_BYTES(n), contents need not be set\n"
      " *   x, y     %s, then the outputs one after the other, each for all n samples: n * "
      "%s_RAW_OUTPUT_COUNT floats\n"
      " * Both macros are for surgery_threads() as it is then. Where there are more threads later, the call takes as "
      "many as\n"
      " * the bytes that it is told have room for; with room for less than one it returns SURGERY_SMALL_MEMORY.\n"
      " * 0 or a surgery_failure. */\n",
      w->upper, w->upper, n, w->upper, x, w->upper);
  put(w, "int %s_pack(void *weights, size_t weights_bytes);\n", n);
  if (has_tokens(plan)) put(w, "/* A token outside the vocabulary makes its sample's outputs NaN. */\n");
  put(w, "int %s_forward_raw(const void *weights, void *arena, size_t arena_bytes, size_t n, const %s *x, float *y);\n",
      n, type);
}

static void put_tensors(Writer *w, const Plan *plan) {
  const Graph *g = plan->graph;
  ParamList state = graph_state_dict(g, w->arena, true);
  put(w,
      "\n/* TENSOR(name, dtype, offset in bytes, elements): the state dict, f32 or i64, row-major. "
      "*/\n#define %s_TENSORS(TENSOR)",
      w->upper);
  for (size_t i = 0; i < state.count; i++) {
    const Param *p = param_at(g, state.at[i]);
    put(w, " \\\n  TENSOR(\"%s\", %s, %lld, %lld)", quoted(w->arena, p->name), dtype_name(p->shape.dtype),
        (long long)plan->weight_offset.at[state.at[i]], (long long)shape_count(&p->shape));
  }
  put(w, "\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

const char *header_text(Arena *arena, const Plan *plan, const char *name, const EmitOptions *o) {
  char *upper = arena_strdup(arena, name);
  for (char *c = upper; *c; c++) *c = (char)toupper((unsigned char)*c);
  Writer w = {.arena = arena, .name = name, .upper = upper};
  put_top(&w, plan, o);
  put_error(&w);
  put_sizes(&w, plan);
  put_memory(&w, plan);
  put_functions(&w, plan);
  put_tensors(&w, plan);
  vec_push(arena, &w.text, '\0');
  return w.text.at;
}
