/* Writes the weight files that the scripts of tests/lang name, good ones and broken ones, into the folder
 * given as argument. Run once before them, as a fixture of ctest. */
#include "compiler/weights/weights.h"
#include "compiler/ops/shape.h"
#include "compiler/script/script.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *folder;
static Session *session;

static const char *path_of(const char *name) { return arena_printf(session->arena, "%s/%s", folder, name); }

static void write_bytes(const char *name, const void *bytes, size_t count) {
  FILE *file = fopen(path_of(name), "wb");
  if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) {
    perror(name);
    exit(1);
  }
}

static void write_tensors(const char *name, const surgery_tensor_out *tensors, size_t count) {
  surgery_error err;
  if (surgery_weights_write(path_of(name), tensors, count, NULL, &err) == 0) return;
  fprintf(stderr, "%s\n", err.message);
  exit(1);
}

/* A file with all tensors of a built-in network, freshly initialised. */
static void write_network(const char *model, const char *name) {
  Expr expr = {.kind = EXPR_NAME, .span = SPAN_NONE, .text = model};
  Graph *g = build_donor(session, zoo_scope(session), &expr, SPAN_NONE);
  if (!g || !infer_shapes(session, g)) exit(1);
  ParamList params = graph_state_dict(g, session->arena, true);
  surgery_tensor_out *tensors = arena_array(session->arena, surgery_tensor_out, params.count);
  for (size_t i = 0; i < params.count; i++) {
    const Param *p = &g->params.at[params.at[i]];
    bool i64 = p->shape.dtype == DTYPE_I64;
    void *data = arena_alloc(session->arena, (size_t)shape_count(&p->shape) * (i64 ? 8 : 4));
    if (!weights_fill(session, g, NULL, params.at[i], data, NULL)) exit(1);
    tensors[i] = (surgery_tensor_out){
        .name = p->name, .dtype = i64 ? SURGERY_I64 : SURGERY_F32, .rank = p->shape.rank, .data = data};
    for (int k = 0; k < p->shape.rank; k++) tensors[i].shape[k] = p->shape.dim[k];
  }
  write_tensors(name, tensors, params.count);
}

/* The network Tiny of the scripts. Its file is old: it lacks num_batches_tracked. */
static void write_tiny(void) {
  static const float zeros[64];
  surgery_tensor_out tiny[] = {
      {"conv.weight", SURGERY_F32, 4, {2, 1, 3, 3}, zeros},
      {"conv.bias", SURGERY_F32, 1, {2}, zeros},
      {"bn.weight", SURGERY_F32, 1, {2}, zeros},
      {"bn.bias", SURGERY_F32, 1, {2}, zeros},
      {"bn.running_mean", SURGERY_F32, 1, {2}, zeros},
      {"bn.running_var", SURGERY_F32, 1, {2}, zeros},
      {"fc.weight", SURGERY_F32, 2, {3, 8}, zeros},
      {"fc.bias", SURGERY_F32, 1, {3}, zeros},
  };
  write_tensors("tiny.safetensors", tiny, 8);
  write_tensors("tiny-0badc0de.safetensors", tiny, 8);
  write_tensors("folder/Tiny.safetensors", tiny, 8);
  write_tensors("tiny-missing.safetensors", tiny, 6);
  tiny[6].shape[1] = 9;
  tiny[7].name = "fc.offset";
  write_tensors("tiny-shape.safetensors", tiny, 8);
}

/* Tensors whose numbers count from 0 (fc) and from 100 (conv), under several names and in several kinds. */
static void write_counted(void) {
  static float count[64];
  static int64_t whole[64];
  for (int i = 0; i < 64; i++) {
    count[i] = (float)i;
    whole[i] = i;
  }
  surgery_tensor_out all[] = {
      {"conv.weight", SURGERY_F32, 4, {2, 1, 3, 3}, count + 10},
      {"conv.bias", SURGERY_F32, 1, {2}, count},
      {"fc.weight", SURGERY_F32, 2, {3, 8}, count},
      {"fc.bias", SURGERY_F32, 1, {3}, count + 5},
      {"extra.weight", SURGERY_F32, 1, {4}, count},
  };
  write_tensors("count.pth", all, 4);
  write_tensors("count-extra.safetensors", all, 5);
  write_tensors("count-fc.npz", all + 2, 2);
  surgery_tensor_out prefixed[] = {all[0], all[1], all[2], all[3], all[4]};
  static const char *const names[] = {"net.conv.weight", "net.conv.bias", "net.fc.weight", "net.fc.bias",
                                      "other.weight"};
  for (int i = 0; i < 5; i++) prefixed[i].name = names[i];
  write_tensors("count-prefix.safetensors", prefixed, 5);
  /* two copies of it, and one of another network's tensors, as in contrastive training */
  surgery_tensor_out twice[9];
  static const char *const copies[] = {"student.conv.weight", "student.conv.bias",   "student.fc.weight",
                                       "student.fc.bias",     "average.conv.weight", "average.conv.bias",
                                       "average.fc.weight",   "average.fc.bias",     "queue"};
  for (int i = 0; i < 9; i++) {
    twice[i] = all[i % 4];
    twice[i].name = copies[i];
  }
  write_tensors("count-twice.safetensors", twice, 9);
  surgery_tensor_out middle[] = {all[0], all[1], all[2], all[3]};
  middle[0].name = "features.module.0.weight";
  middle[1].name = "features.module.0.bias";
  write_tensors("count-middle.safetensors", middle, 4);
  surgery_tensor_out odd[] = {{"fc.weight", SURGERY_F32, 2, {3, 4}, count},
                              {"fc.bias", SURGERY_I64, 1, {3}, whole},
                              {"column", SURGERY_F32, 1, {3}, count + 40},
                              {"wide.weight", SURGERY_F32, 2, {5, 12}, count}};
  write_tensors("count-odd.safetensors", odd, 4);
  /* 1, 2, 3 and 0.5 as f16, as no writer of this project makes them */
  static const char header[] = "{\"fc.bias\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6]},"
                               "\"conv.bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[6,10]}}";
  static const uint16_t half[] = {0x3c00, 0x4000, 0x4200, 0x3800, 0x3c00};
  unsigned char bytes[8 + sizeof header - 1 + sizeof half] = {sizeof header - 1};
  memcpy(bytes + 8, header, sizeof header - 1);
  memcpy(bytes + 8 + sizeof header - 1, half, sizeof half);
  write_bytes("half.safetensors", bytes, sizeof bytes);
}

/* A classifier on a small BERT, under the names of the first release. */
static void write_bert(void) {
  static float zeros[64], gamma[4] = {100, 101, 102, 103}, beta[4] = {200, 201, 202, 203}, sevens[4] = {7, 7, 7, 7};
  static int64_t places[6] = {0, 1, 2, 3, 4, 5};
#define LAYER "bert.encoder.layer.0."
#define LINEAR(name, out, in)                                                                                          \
  {name ".weight", SURGERY_F32, 2, {out, in}, zeros}, { name ".bias", SURGERY_F32, 1, {out}, zeros }
#define NORM(name)                                                                                                     \
  {name ".gamma", SURGERY_F32, 1, {4}, gamma}, { name ".beta", SURGERY_F32, 1, {4}, beta }
  surgery_tensor_out all[] = {
      {"bert.embeddings.position_ids", SURGERY_I64, 2, {1, 6}, places},
      {"bert.embeddings.word_embeddings.weight", SURGERY_F32, 2, {5, 4}, zeros},
      {"bert.embeddings.position_embeddings.weight", SURGERY_F32, 2, {6, 4}, zeros},
      {"bert.embeddings.token_type_embeddings.weight", SURGERY_F32, 2, {2, 4}, zeros},
      NORM("bert.embeddings.LayerNorm"),
      LINEAR(LAYER "attention.self.query", 4, 4),
      LINEAR(LAYER "attention.self.key", 4, 4),
      LINEAR(LAYER "attention.self.value", 4, 4),
      LINEAR(LAYER "attention.output.dense", 4, 4),
      NORM(LAYER "attention.output.LayerNorm"),
      LINEAR(LAYER "intermediate.dense", 8, 4),
      LINEAR(LAYER "output.dense", 4, 8),
      NORM(LAYER "output.LayerNorm"),
      {"bert.pooler.dense.weight", SURGERY_F32, 2, {4, 4}, zeros},
      {"bert.pooler.dense.bias", SURGERY_F32, 1, {4}, sevens},
      LINEAR("classifier", 2, 4),
  };
  write_tensors("bert-task.safetensors", all, sizeof all / sizeof *all);
}

/* A residual network of one block under the names of Hugging Face, its tensors' numbers their places here. */
static void write_resnet(void) {
  static const struct {
    const char *name;
    int64_t shape[4];
    int rank;
  } layers[] = {
      {"resnet.embedder.embedder.convolution.weight", {2, 1, 3, 3}, 4},
      {"resnet.embedder.embedder.normalization", {2}, 1},
      {"resnet.encoder.stages.0.layers.0.layer.0.convolution.weight", {2, 2, 3, 3}, 4},
      {"resnet.encoder.stages.0.layers.0.layer.0.normalization", {2}, 1},
      {"resnet.encoder.stages.0.layers.0.layer.1.convolution.weight", {2, 2, 3, 3}, 4},
      {"resnet.encoder.stages.0.layers.0.layer.1.normalization", {2}, 1},
      {"resnet.encoder.stages.0.layers.0.shortcut.convolution.weight", {2, 2, 1, 1}, 4},
      {"resnet.encoder.stages.0.layers.0.shortcut.normalization", {2}, 1},
      {"classifier.1.weight", {3, 2}, 2},
      {"classifier.1.bias", {3}, 1},
  };
  static const char *const roles[] = {"weight", "bias", "running_mean", "running_var"};
  surgery_tensor_out all[32];
  size_t count = 0;
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    size_t length = strlen(layers[i].name);
    bool norm = length > 13 && strcmp(layers[i].name + length - 13, "normalization") == 0;
    for (int r = 0; r < (norm ? 4 : 1); r++) {
      const char *name = norm ? arena_printf(session->arena, "%s.%s", layers[i].name, roles[r]) : layers[i].name;
      float *numbers = arena_array(session->arena, float, 64);
      for (int k = 0; k < 64; k++) numbers[k] = (float)(10 * i + (size_t)r);
      all[count] = (surgery_tensor_out){.name = name, .dtype = SURGERY_F32, .rank = layers[i].rank, .data = numbers};
      memcpy(all[count++].shape, layers[i].shape, sizeof layers[i].shape);
    }
  }
  write_tensors("resnet-hf.safetensors", all, count);
}

static void write_broken(void) {
  unsigned char garbage[4096];
  for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (unsigned char)(i * i * 31 + 7 * i + 13);
  write_bytes("garbage.pth", garbage, sizeof garbage);
  write_bytes("folder/squeezenet1_1-b8a52dc0.pth", garbage, sizeof garbage);
  write_bytes("empty.pth", garbage, 0);
  FILE *whole = fopen(path_of("lenet.safetensors"), "rb");
  static unsigned char start[2000];
  if (!whole || fread(start, 1, sizeof start, whole) != sizeof start) exit(1);
  fclose(whole);
  write_bytes("truncated.safetensors", start, sizeof start);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  folder = argv[1];
  Arena *arena = arena_create();
  session = arena_new(arena, Session);
  session->arena = session->sources.arena = session->diags.arena = arena;
  session->diags.sources = &session->sources;
  if ((mkdir(folder, 0777) != 0 && errno != EEXIST) || (mkdir(path_of("folder"), 0777) != 0 && errno != EEXIST)) {
    perror(folder);
    return 1;
  }
  write_network("lenet", "lenet.safetensors");
  write_tiny();
  write_counted();
  write_bert();
  write_resnet();
  write_broken();
  diag_print_text(&session->diags, stderr, false);
  arena_destroy(arena);
  return 0;
}
