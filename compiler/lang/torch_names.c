/* Layers and functions that PyTorch has, and what to say where this version lacks one: what there is of the same
 * kind, or how the same thing is done here. The table names everything of a kind; what ops.def has of it is offered,
 * so a new operator needs no change here. Called where a name was not found. */
#include "compiler/lang/lang.h"
#include <ctype.h>

static const struct {
  const char *kind; /* "activations in this version: …" */
  const char *names;
} kinds[] = {
    {"activations", "ReLU ReLU6 LeakyReLU Sigmoid Tanh GELU Softmax ELU SELU CELU SiLU Mish PReLU RReLU Hardswish "
                    "Hardsigmoid Hardtanh "
                    "Hardshrink Softplus Softshrink Softsign Softmin LogSigmoid Tanhshrink Threshold GLU relu gelu "
                    "tanh softmax sigmoid elu "
                    "selu celu silu mish prelu rrelu hardswish hardsigmoid hardtanh softplus softsign softmin "
                    "logsigmoid glu leaky_relu relu6"},
    {"normalisations",
     "BatchNorm1d BatchNorm2d LayerNorm BatchNorm3d GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d RMSNorm "
     "LocalResponseNorm SyncBatchNorm layer_norm group_norm instance_norm local_response_norm normalize"},
    {"poolings",
     "MaxPool2d AvgPool2d AdaptiveAvgPool2d MaxPool1d MaxPool3d AvgPool1d AvgPool3d AdaptiveAvgPool1d "
     "AdaptiveAvgPool3d "
     "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d LPPool1d LPPool2d FractionalMaxPool2d adaptive_avg_pool2d "
     "adaptive_max_pool2d max_pool1d avg_pool1d adaptive_avg_pool1d lp_pool2d"},
    {"convolutions", "Conv2d Conv1d Conv3d ConvTranspose1d ConvTranspose3d LazyConv1d LazyConv3d Unfold Fold conv1d "
                     "conv3d unfold fold"},
    {"ways to enlarge a map",
     "ConvTranspose2d Upsample UpsamplingNearest2d UpsamplingBilinear2d PixelShuffle MaxUnpool2d interpolate upsample "
     "pixel_shuffle conv_transpose2d grid_sample"},
    {"layers for sequences", "Embedding MultiheadAttention RNN LSTM GRU RNNCell LSTMCell GRUCell Transformer "
                             "TransformerEncoder TransformerDecoder "
                             "TransformerEncoderLayer TransformerDecoderLayer EmbeddingBag"},
    {"dropouts",
     "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout dropout1d dropout2d alpha_dropout"},
    {"changes of shape",
     "Flatten Unflatten PixelUnshuffle ChannelShuffle ZeroPad1d ZeroPad2d ConstantPad2d ReflectionPad2d "
     "ReplicationPad2d "
     "CircularPad2d flatten cat select pad permute transpose squeeze unsqueeze stack split chunk narrow roll flip "
     "unflatten tile expand repeat contiguous index_select gather pixel_unshuffle channel_shuffle swapaxes movedim"},
    {"ways to calculate", "add mean zeros_like scaled_dot_product_attention Bilinear CosineSimilarity PairwiseDistance "
                          "mul multiply sub subtract div "
                          "divide matmul mm bmm einsum sum prod max min amax amin argmax argmin topk exp log sqrt "
                          "rsqrt pow abs clamp clip std var "
                          "norm where ones_like full_like cumsum sin cos round floor ceil sign bilinear "
                          "cosine_similarity one_hot addmm baddbmm"},
};

#define PYTORCH "PyTorch's name for it is "
/* How the same is done here. `fix`, where there is one, takes the place of the call; in it … stands for the arguments.
 */
static const struct {
  const char *name, *help, *fix;
} others[] = {
    {"ModuleList",
     "the layers of a model are declared one by one, or in a loop: for i in 0..3 { \"layer{i}\" = ReLU() }", NULL},
    {"ModuleDict", "the layers of a model are declared one by one: NAME = LAYER", NULL},
    {"Parameter", "parameters belong to layers: a model declares layers, and each has those of torch.nn", NULL},
    {"ParameterList", "parameters belong to layers: a model declares layers, and each has those of torch.nn", NULL},
    {"LogSoftmax", "the loss CrossEntropy holds it already: train without it, on what goes into it", NULL},
    {"log_softmax", "the loss CrossEntropy holds it already: train without it, on what goes into it", NULL},
    {"ZeroPad2d", "a convolution or pooling pads with zeros itself: padding=1", NULL},
    {"pad", "a convolution or pooling pads with zeros itself: padding=1", NULL},
    {"LazyLinear", "`_` is inferred from what flows in", "Linear(_, …)"},
    {"LazyConv2d", "`_` is inferred from what flows in", "Conv2d(_, …)"},
    {"LazyBatchNorm1d", "`_` is inferred from what flows in", "BatchNorm1d(_)"},
    {"LazyBatchNorm2d", "`_` is inferred from what flows in", "BatchNorm2d(_)"},
    {"permute", "(N, C, H, W) becomes (N, C*H*W) by flatten(x, 1)", NULL},
    {"squeeze", "(N, C, 1, 1) becomes (N, C) by flatten(x, 1)", NULL},
    {"div", "a value is divided by a number as x / 4", NULL},
    {"divide", "a value is divided by a number as x / 4", NULL},
    {"multiply", "a value is multiplied by a number as x * 0.5", NULL},
    {"neg", "a value is negated as -x", NULL},
    {"sub", "the difference of two values is written a + -b", NULL},
    {"subtract", "the difference of two values is written a + -b", NULL},
    {"contiguous", "values have no strides here: leave the call out", NULL},
    /* Keras */
    {"Dense", PYTORCH "Linear", "Linear(_, …)"},
    {"FullyConnected", PYTORCH "Linear", "Linear(_, …)"},
    {"Conv2D", PYTORCH "Conv2d", "Conv2d(_, …)"},
    {"MaxPooling2D", PYTORCH "MaxPool2d", "MaxPool2d(…)"},
    {"MaxPool2D", PYTORCH "MaxPool2d", "MaxPool2d(…)"},
    {"AveragePooling2D", PYTORCH "AvgPool2d", "AvgPool2d(…)"},
    {"BatchNormalization", PYTORCH "BatchNorm2d", "BatchNorm2d(_)"},
    {"LayerNormalization", PYTORCH "LayerNorm", "LayerNorm(_)"},
    {"GlobalAvgPool2d", PYTORCH "AdaptiveAvgPool2d", "AdaptiveAvgPool2d(1)"},
    {"GlobalAveragePooling2D", PYTORCH "AdaptiveAvgPool2d", "AdaptiveAvgPool2d(1)"},
    {"GlobalMaxPooling2D", "a pooling over the whole map is there for the mean only", "AdaptiveAvgPool2d(1)"},
};

/* Functions that are layers here: with the layer's arguments behind the value, or those that it needs. */
static const struct {
  const char *function, *layer, *needs;
} as_layers[] = {
    {"max_pool2d", "MaxPool2d", "2"},
    {"avg_pool2d", "AvgPool2d", "2"},
    {"dropout", "Dropout", ""},
    {"softmax", "Softmax", ""},
    {"sigmoid", "Sigmoid", ""},
    {"tanh", "Tanh", ""},
    {"gelu", "GELU", ""},
    {"leaky_relu", "LeakyReLU", ""},
    {"relu6", "ReLU6", ""},
    {"batch_norm", "BatchNorm2d", NULL},
    {"layer_norm", "LayerNorm", NULL},
    {"conv2d", "Conv2d", NULL},
    {"linear", "Linear", NULL},
    {"embedding", "Embedding", NULL},
    {"identity", "Identity", ""},
    {"multi_head_attention_forward", "MultiheadAttention", NULL},
};

static size_t layer_of(const char *function) {
  size_t i = 0;
  while (i < LENGTH(as_layers) && !streq(as_layers[i].function, function)) i++;
  return i;
}

static bool exists(const char *name) { return op_find(name, true) != OP_NONE || op_find(name, false) != OP_NONE; }

/* The next word of a list; false at its end. */
static bool next_word(Arena *arena, const char **list, const char **word) {
  *list += strspn(*list, " ");
  size_t length = strcspn(*list, " ");
  *word = arena_strndup(arena, *list, length);
  *list += length;
  return length > 0;
}

static int kind_of(Arena *arena, const char *name) {
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    const char *list = kinds[i].names, *word;
    while (next_word(arena, &list, &word))
      if (streq(word, name)) return (int)i;
  }
  return -1;
}

/* `functions`: in a forward, where they can be called too. */
static void help_kind_of(Session *s, Diag *d, int kind, bool functions) {
  const char *list = kinds[kind].names, *word, *text = "";
  while (next_word(s->arena, &list, &word))
    if (op_find(word, true) != OP_NONE || (functions && op_find(word, false) != OP_NONE))
      text = arena_printf(s->arena, "%s%s%s", text, *text ? ", " : "", word);
  if (*text) diag_help(&s->diags, d, "%s in this version: %s", kinds[kind].kind, text);
  else diag_help(&s->diags, d, "this version has no %s", kinds[kind].kind);
}

/* Keras's activation="relu" is a layer of its own. */
static const char *activation_of(Session *s, const Expr *call) {
  static const char *const table[][2] = {{"\"relu\"", "ReLU()"},
                                         {"\"sigmoid\"", "Sigmoid()"},
                                         {"\"tanh\"", "Tanh()"},
                                         {"\"gelu\"", "GELU()"},
                                         {"\"softmax\"", "Softmax(1)"}};
  for (const Arg *arg = call->kind == EXPR_CALL ? call->args : NULL; arg; arg = arg->next)
    for (size_t i = 0; arg->name && streq(arg->name, "activation") && i < LENGTH(table); i++)
      if (streq(front_text(s, arg->value->span), table[i][0])) return table[i][1];
  return NULL;
}

/* `Dense(10, activation="relu")`: what stands between the brackets but its activation; NULL where there are other
 * names, which may mean something else here, "" where there is nothing. */
static const char *plain_arguments(Session *s, const Expr *call, const char *activation) {
  const char *text = "";
  for (const Arg *arg = call->kind == EXPR_CALL ? call->args : NULL; arg; arg = arg->next) {
    if (arg->name && activation && streq(arg->name, "activation")) continue;
    if (arg->name) return NULL;
    text = arena_printf(s->arena, "%s%s%s", text, *text ? ", " : "", front_text(s, arg->value->span));
  }
  return text;
}

/* The layer to be written in the place of the call; NULL where its arguments mean something else here. */
static const char *written_as(Session *s, const Expr *call, const char *form) {
  const char *hole = form ? strstr(form, "…") : NULL, *activation = activation_of(s, call);
  const char *args = plain_arguments(s, call, activation);
  if (!hole) return form;
  if (!args || (!*args && strstr(form, "(_, "))) return NULL; /* Linear(_, ) */
  if (!*args && strstr(form, "Pool2d")) args = "2";           /* Keras's default */
  const char *layer = arena_printf(s->arena, "%.*s%s%s", (int)(hole - form), form, args, hole + strlen("…"));
  return activation ? arena_printf(s->arena, "Sequential(%s, %s)", layer, activation) : layer;
}

/* In a list of layers the last one can be left out: `, LogSoftmax(1)`. */
static void fix_left_out(Session *s, Diag *d, const Expr *call) {
  Span span = call->span;
  if (span.source >= s->sources.files.count) return;
  const Source *source = &s->sources.files.at[span.source];
  uint32_t at = span.begin, end = span.end;
  while (at > 0 && isspace((unsigned char)source->text[at - 1])) at--;
  while (end < source->length && isspace((unsigned char)source->text[end])) end++;
  if (at == 0 || source->text[at - 1] != ',' || end == source->length || source->text[end] != ')') return;
  diag_fix(&s->diags, d, (Span){span.source, at - 1, span.end}, "%s", "");
}

bool torch_lacks(Eval *e, const Expr *callee, const Expr *call) {
  Session *s = e->s;
  const char *name = callee->text;
  if (exists(name) || layer_of(name) < LENGTH(as_layers)) return false;
  int kind = kind_of(s->arena, name);
  size_t other = 0;
  while (other < LENGTH(others) && !streq(others[other].name, name)) other++;
  if (kind < 0 && other == LENGTH(others)) return false;
  bool keras = other < LENGTH(others) && strncmp(others[other].help, PYTORCH, strlen(PYTORCH)) == 0;
  bool layer = isupper((unsigned char)*name);
  Diag *d =
      keras ? front_error(s, DIAG_E0103, callee->span, "there is no layer or model '%s'", name)
            : front_error(s, DIAG_E0129, callee->span, "torch%s's %s is not in this version", layer ? ".nn" : "", name);
  if (other == LENGTH(others)) {
    help_kind_of(s, d, kind, e->trace != NULL);
    return true;
  }
  const char *instead = written_as(s, call, others[other].fix);
  diag_help(&s->diags, d, instead ? "%s: %s" : "%s", others[other].help, instead);
  if (instead) diag_fix(&s->diags, d, call->span, "%s", instead);
  if (streq(name, "LogSoftmax")) fix_left_out(s, d, call);
  return true;
}

/* ---- functions that are layers ---- */

/* A name for the layer that nothing in the model has. */
static const char *free_name(Eval *e, const char *function) {
  const char *name = function;
  for (int i = 1; scope_get(e->scope, name) || exists(name); i++)
    name = arena_printf(e->s->arena, "%s_%d", function, i);
  return name;
}

/* `forward x { return F.max_pool2d(x, 2) }`: the layer is declared in front of the forward, and called. */
static void fix_layer(Eval *e, Diag *d, const Expr *call, const char *name, const char *layer, const char *value) {
  Session *s = e->s;
  const ModelBody *body = e->graph && e->trace ? module_at(e->graph, e->trace->module)->body : NULL;
  if (!body || !body->forward || !value) return;
  Span forward = body->forward->span;
  if (forward.source != call->span.source || forward.begin > call->span.begin) return;
  Span before = {forward.source, forward.begin, call->span.begin},
       all = {forward.source, forward.begin, call->span.end};
  diag_fix(&s->diags, d, all, "%s = %s\n  %s%s(%s)", name, layer, front_text(s, before), name, value);
}

bool help_function_as_layer(Eval *e, Diag *d, const Expr *callee, const Expr *call) {
  Session *s = e->s;
  size_t i = layer_of(callee->text);
  if (i == LENGTH(as_layers) || op_find(as_layers[i].layer, true) == OP_NONE) return false;
  if (!as_layers[i].needs) {
    diag_help(&s->diags, d,
              "a layer does it, which has the weights: declare `NAME = %s(…)` above the forward, and call NAME(x)",
              as_layers[i].layer);
    return true;
  }
  const char *name = free_name(e, callee->text), *args = "", *value = NULL;
  const Arg *rest = call->args;
  if (callee->kind == EXPR_MEMBER) { /* x.sigmoid() */
    value = front_text(s, callee->left->span);
  } else if (rest && !rest->name) {
    value = front_text(s, rest->value->span);
    rest = rest->next;
  }
  for (const Arg *arg = rest; arg; arg = arg->next) {
    if (arg->name && (streq(arg->name, "training") || streq(arg->name, "inplace"))) continue; /* the program knows */
    args = arena_printf(s->arena, "%s%s%s%s%s", args, *args ? ", " : "", arg->name ? arg->name : "",
                        arg->name ? "=" : "", front_text(s, arg->value->span));
  }
  const char *layer = arena_printf(s->arena, "%s(%s)", as_layers[i].layer, *args ? args : as_layers[i].needs);
  diag_help(&s->diags, d, "a layer does it: declare `%s = %s` above the forward, and call %s(x)", name, layer, name);
  fix_layer(e, d, call, name, layer, value);
  return true;
}
