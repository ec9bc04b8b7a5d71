/* `info`: what the program is made of. */
#include <string.h>
#include "runtime/cli/cli.h"
#include "runtime/train/optimizer.h"

typedef struct InfoArguments {
  bool layers, json;
} InfoArguments;

int info_json(const surgery_net *net); /* info_json.c; -1: no memory, or stdout cannot be written */

static void print_shapes(const surgery_net *net) {
  const Manifest *m = net->manifest;
  const ClassNames *classes = &net->classes;
  static const char *const kinds[] = {"image", "tensor", "tokens"};
  char shape[SHAPE_TEXT];
  cli_print(stdout, "network     %s", m->name);
  if (m->script) cli_print(stdout, ", from %s", m->script);
  cli_print(stdout, "\ninput       %s %s", manifest_shape_text(&m->input.shape, shape), kinds[m->input.kind]);
  if (m->input.kind == INPUT_TOKENS) cli_print(stdout, " below %lld", (long long)m->input.vocabulary);
  cli_print(stdout, m->input.mask ? ", with a mask\n" : "\n");
  for (size_t i = 0; i < m->output_count; i++) {
    cli_print(stdout, "%-10s  %s", i ? "" : "output", manifest_shape_text(&m->outputs[i].shape, shape));
    if (m->output_count > 1) cli_print(stdout, " %s", m->outputs[i].name);
    putchar('\n');
  }
  if (classes->count == 0) return;
  cli_print(stdout, "labels      ");
  for (size_t i = 0; i < classes->count && i < 10; i++) cli_print(stdout, "%s%s", i ? ", " : "", classes->at[i]);
  if (classes->count > 10) cli_print(stdout, ", … (%zu)", classes->count);
  cli_print(stdout, classes->of == NAMES_OF_WEIGHTS ? " (of the weights)\n" : "\n");
}

static void print_preprocess(const ManifestInput *input) {
  if (input->step_count == 0) return;
  cli_print(stdout, "pictures    ");
  for (size_t i = 0; i < input->step_count; i++) {
    const PreprocessStep *s = &input->steps[i];
    if (i) cli_print(stdout, ", ");
    if (s->op == PREPROCESS_GRAYSCALE) cli_print(stdout, "grayscale");
    else if (s->op == PREPROCESS_EXIF_TRANSPOSE) cli_print(stdout, "exif_transpose");
    else if (s->op == PREPROCESS_NORMALIZE) cli_print(stdout, "normalize");
    else
      cli_print(stdout, s->size[1] < 0 ? "%s %lld" : "%s %lld x %lld",
                s->op == PREPROCESS_RESIZE ? "resize" : "center_crop", (long long)s->size[0], (long long)s->size[1]);
  }
  putchar('\n');
}

static void print_memory(const Manifest *m) {
  const ManifestPhase *phase = &m->phases[0];
  char a[32], b[32], c[32];
  cli_print(stdout, "memory      weights %s, packed %s\n", cli_bytes((double)m->weights_bytes, a),
            cli_bytes((double)m->packed_bytes, b));
  for (int64_t n = 1; n <= 16; n += 15) {
    cli_print(stdout, "            n = %-3lld forward %s", (long long)n,
              cli_bytes((double)net_arena_bytes(m, phase, NET_FORWARD, n, sg_threads()), a));
    if (m->parameters_trainable) {
      if (phase->features_bytes)
        cli_print(stdout, ", prefix %s", cli_bytes((double)net_arena_bytes(m, phase, NET_PREFIX, n, sg_threads()), b));
      cli_print(stdout, ", train step %s", cli_bytes((double)net_arena_bytes(m, phase, NET_STEP, n, sg_threads()), c));
    }
    putchar('\n');
  }
}

static void print_stage(const TrainRecipe *t, const StageRecipe *p) {
  cli_print(stdout, "%s(lr=%g), ", optimizer_name(&p->optimizer), p->optimizer.lr);
  if (!p->name) cli_print(stdout, "%s, ", loss_name(&t->loss));
  if (p->schedule.kind) cli_print(stdout, "schedule %s, ", schedule_name(&p->schedule));
  cli_print(stdout, "batch %lld, %lld epochs", (long long)p->batch, (long long)p->epochs);
  if (!p->name) cli_print(stdout, ", seed %llu", (unsigned long long)t->seed);
  for (int64_t i = 0; i < p->augment.count; i++)
    cli_print(stdout, "%s%s", i ? ", " : "; augment ", augment_name(&p->augment.at[i]));
  putchar('\n');
}

static void print_training(const TrainRecipe *t) {
  if (t == &recipe_unsaid) return;
  for (int64_t i = 0; i < t->stage_count; i++) {
    cli_print(stdout, i ? "            " : "training    ");
    if (t->stages[i].name) cli_print(stdout, "%s: ", t->stages[i].name);
    print_stage(t, &t->stages[i]);
  }
  if (t->stages[0].name)
    cli_print(stdout, "            %s, seed %llu\n", loss_name(&t->loss), (unsigned long long)t->seed);
  const char *comma = "            ";
  if (t->clip_norm > 0) cli_print(stdout, "%sclip_norm %g", comma, t->clip_norm), comma = ", ";
  if (t->accumulate > 1) cli_print(stdout, "%saccumulate %lld", comma, (long long)t->accumulate), comma = ", ";
  if (t->mixup > 0) cli_print(stdout, "%smixup %g", comma, t->mixup), comma = ", ";
  if (t->ema > 0) cli_print(stdout, "%sema %g", comma, t->ema), comma = ", ";
  if (t->early_stop.patience > 0)
    cli_print(stdout, "%searly_stop after %lld epochs", comma, (long long)t->early_stop.patience), comma = ", ";
  if (*comma == ',') putchar('\n');
}

static void print_layers(const Manifest *m) {
  char shape[SHAPE_TEXT], number[32];
  size_t widest = 5, type = 4;
  for (size_t i = 0; i < m->layer_count; i++) {
    if (strlen(m->layers[i].name) > widest) widest = strlen(m->layers[i].name);
    if (strlen(m->layers[i].type) > type) type = strlen(m->layers[i].type);
  }
  cli_print(stdout, "\n%-*s  %-*s  %-22s  %12s\n", (int)widest, "layer", (int)type, "type", "output", "parameters");
  for (size_t i = 0; i < m->layer_count; i++) {
    const ManifestLayer *l = &m->layers[i];
    cli_print(stdout, "%-*s  %-*s  %-22s  %12s%s\n", (int)widest, l->name, (int)type, l->type,
              manifest_shape_text(&l->shape, shape), text_thousands(l->parameters, number),
              m->phases[0].frozen[i] ? "  frozen" : "");
  }
}

/* "compiled for x86-64-v4, x86-64-v3 (used) and x86-64-v2" */
static void print_processor(const surgery_net *net) {
  char cpu[128];
  cli_cpu(cpu, sizeof cpu);
  cli_print(stdout, "processor   %s; compiled for ", cpu);
  for (const sg_network *level = net->levels; level; level = level->next_lower)
    cli_print(stdout, "%s%s%s",
              level == net->levels ? ""
              : level->next_lower  ? ", "
                                   : " and ",
              level->cpu, level == net->network && net->levels->next_lower ? " (used)" : "");
  cli_print(stdout, "; %d threads\n", surgery_threads());
}

static void print_all(const surgery_net *net, bool layers) {
  const Manifest *m = net->manifest;
  char frozen[32], trainable[32];
  print_shapes(net);
  print_preprocess(&m->input);
  cli_print(stdout, "parameters  %s frozen, %s trainable\n", text_thousands(m->parameters_frozen, frozen),
            text_thousands(m->parameters_trainable, trainable));
  if (m->flops > 0) cli_print(stdout, "work        %.3g GFLOP for one sample\n", m->flops / 1e9);
  cli_print(stdout, "weights     %s (%s)\n", net->weights_path, net->weights_why);
  print_memory(m);
  print_training(m->train);
  print_processor(net);
  if (layers) print_layers(m);
}

static ExitStatus run(Cli *cli) {
  InfoArguments arguments = {false, false};
  ExitStatus status;
  surgery_error err;
  if (!cli_parse(cli, &arguments, &status)) return status;
  surgery_net *net = cli_open(cli, &err);
  if (!net) return cli_error(cli, &err);
  int failed = 0;
  if (arguments.json) failed = info_json(net);
  else print_all(net, arguments.layers);
  surgery_close(net);
  return failed ? EXIT_ENVIRONMENT : EXIT_DONE;
}

static const Option options[] = {
    {"json", OPTION_FLAG, offsetof(InfoArguments, json), NULL, "everything, and all of the training's recipe, as JSON"},
    {"layers", OPTION_FLAG, offsetof(InfoArguments, layers), NULL, "every layer with its type, output and parameters"},
    {NULL, OPTION_FLAG, 0, NULL, NULL}};
const CliCommand command_info = {
    "info", "[options]", "inputs, outputs, layers, weights, memory, CPU, threads", NULL, options, false, run};
