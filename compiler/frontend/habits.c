/* Help for what a PyTorch user types that is written otherwise here: names with their module in front, functions and
 * layers of other names, a Python assignment at the top of a script. Says what is meant and gives the fix; whether it
 * is a mistake was found by the callers. */
#include "compiler/frontend/internal.h"
#include "compiler/frontend/settings_names.h"
#include <ctype.h>

/* ---- nn.Linear, torch.relu, self.conv1 ---- */

static bool is_module(const char *name) {
  static const char *const modules[] = {"nn", "torch", "F", "self", "functional", "torchvision", "models"};
  for (size_t i = 0; i < LENGTH(modules); i++)
    if (streq(modules[i], name)) return true;
  return false;
}

const Expr *without_module(Eval *e, const Expr *callee) {
  const Expr *root = callee;
  if (callee->kind != EXPR_MEMBER) return NULL;
  while (root->kind == EXPR_MEMBER) root = root->left;
  if (root->kind != EXPR_NAME || !is_module(root->text) || scope_get(e->scope, root->text)) return NULL;
  if (streq(root->text, "self") && callee->left != root) return NULL; /* self.blocks.0: a member of a member */
  Span prefix = {callee->span.source, callee->span.begin, callee->span.end - (uint32_t)strlen(callee->text)};
  const char *text = front_text(e->s, prefix);
  Diag *d = front_error(e->s, DIAG_E0103, prefix, "'%s%s' is written %s here", text, callee->text, callee->text);
  diag_help(&e->s->diags, d, "leave '%s' out", text);
  diag_fix(&e->s->diags, d, prefix, "%s", "");
  Expr *plain = arena_new(e->s->arena, Expr);
  *plain = *callee;
  plain->kind = EXPR_NAME;
  plain->left = NULL;
  plain->span.begin = prefix.end;
  return plain;
}

/* ---- functions and layers ---- */

bool help_unknown_call(Eval *e, Diag *d, const Expr *call) {
  static const char *const layers[][2] = {
      {"max_pool2d", "MaxPool2d(2)"},        {"avg_pool2d", "AvgPool2d(2)"}, {"dropout", "Dropout(0.5)"},
      {"softmax", "Softmax(1)"},             {"sigmoid", "Sigmoid()"},       {"tanh", "Tanh()"},
      {"gelu", "GELU()"},                    {"leaky_relu", "LeakyReLU(0.01)"}, {"relu6", "ReLU6()"},
      {"batch_norm", "BatchNorm2d(_)"},      {"conv2d", "Conv2d(…)"},        {"linear", "Linear(…)"},
  };
  const Expr *callee = call->left;
  Diags *diags = &e->s->diags;
  const Arg *first = call->args, *second = first ? first->next : NULL;
  if (streq(callee->text, "range") && first && !(second && second->next)) {
    const char *from = second ? front_text(e->s, first->value->span) : "0";
    const char *to = front_text(e->s, (second ? second : first)->value->span);
    diag_help(diags, d, "a range is written %s..%s; its end is not in it", from, to);
    diag_fix(diags, d, call->span, "%s..%s", from, to);
    return true;
  }
  if (callee->kind == EXPR_MEMBER && (streq(callee->text, "view") || streq(callee->text, "reshape"))) {
    Span span = {call->span.source, callee->span.end - (uint32_t)strlen(callee->text), call->span.end};
    diag_help(diags, d, "flatten(1) makes (N, C, H, W) to (N, C*H*W)");
    diag_fix(diags, d, span, "flatten(1)");
    return true;
  }
  for (size_t i = 0; i < LENGTH(layers); i++)
    if (streq(layers[i][0], callee->text)) {
      diag_help(diags, d, "a layer does it: declare `name = %s` above the forward, and call name(x)", layers[i][1]);
      return true;
    }
  return false;
}

bool torch_has_layer(const char *name) {
  static const char *const layers[] = {
      "Conv1d",          "Conv3d",        "ConvTranspose1d",   "ConvTranspose2d",   "ConvTranspose3d", "MaxPool1d",
      "MaxPool3d",       "AvgPool1d",     "AvgPool3d",         "AdaptiveAvgPool1d", "AdaptiveMaxPool1d",
      "AdaptiveMaxPool2d", "BatchNorm3d", "GroupNorm",         "InstanceNorm2d",    "RNN",
      "LSTM",            "GRU",           "Transformer",       "TransformerEncoder", "TransformerEncoderLayer",
      "EmbeddingBag",      "SiLU",              "Mish",            "ELU",
      "SELU",            "CELU",          "PReLU",             "RReLU",             "Hardswish",       "Hardsigmoid",
      "Hardtanh",        "Softplus",      "Softsign",          "Softmin",           "LogSoftmax",      "LogSigmoid",
      "Dropout1d",       "Dropout2d",     "Dropout3d",         "AlphaDropout",      "Upsample",        "PixelShuffle",
      "ZeroPad2d",       "ReflectionPad2d", "ReplicationPad2d", "Unflatten",        "Bilinear",        "LPPool2d",
      "LocalResponseNorm", "Unfold",      "Fold",              "ModuleList",        "ModuleDict",      "LazyConv2d"};
  for (size_t i = 0; i < LENGTH(layers); i++)
    if (streq(layers[i], name)) return true;
  return false;
}

bool help_unknown_layer(Session *s, Diag *d, const char *name) {
  static const char *const others[][2] = {
      {"Dense", "Linear"},        {"FullyConnected", "Linear"}, {"LazyLinear", "Linear"},          {"Conv2D", "Conv2d"},
      {"MaxPooling2D", "MaxPool2d"}, {"AveragePooling2D", "AvgPool2d"}, {"BatchNormalization", "BatchNorm2d"},
      {"GlobalAvgPool2d", "AdaptiveAvgPool2d(1)"}, {"GlobalAveragePooling2D", "AdaptiveAvgPool2d(1)"}};
  for (size_t i = 0; i < LENGTH(others); i++)
    if (streq(others[i][0], name)) {
      diag_help(&s->diags, d, "PyTorch's name for it is %s", others[i][1]);
      return true;
    }
  return false;
}

/* ---- networks ---- */

/* models.resnet18, torchvision.models.resnet18 */
bool help_unknown_network(Session *s, Diag *d, Span name) {
  const Source *source = &s->sources.files.at[name.source];
  const char *from = source->text + name.begin, *at = from, *end = source->text + source->length;
  static const char *const modules[] = {"torchvision.", "models."};
  for (size_t i = 0; i < LENGTH(modules); i++) {
    size_t length = strlen(modules[i]);
    if ((size_t)(end - at) > length && memcmp(at, modules[i], length) == 0) at += length;
  }
  if (at == from) return false;
  Span prefix = {name.source, name.begin, name.begin + (uint32_t)(at - from)};
  diag_help(&s->diags, d, "networks are written without their module: leave '%s' out", front_text(s, prefix));
  diag_fix(&s->diags, d, prefix, "%s", "");
  return true;
}

static bool is_true(const Arg *args, const char *name) {
  for (const Arg *a = args; a; a = a->next)
    if (a->name && streq(a->name, name)) return !(a->value->kind == EXPR_BOOL && !a->value->integer) && a->value->kind != EXPR_NONE;
  return false;
}

/* model = resnet18(pretrained=True) */
static void help_take(Session *s, Diag *d, const Stmt *stmt, const Expr *callee) {
  const Arg *args = stmt->value->kind == EXPR_CALL ? stmt->value->args : NULL;
  bool learnt = is_true(args, "pretrained") || is_true(args, "weights");
  const char *given = "";
  for (const Arg *a = args; a; a = a->next) {
    if (a->name && (streq(a->name, "pretrained") || streq(a->name, "weights"))) continue;
    const char *name = !a->name ? "" : streq(a->name, "num_classes") ? "classes=" : arena_printf(s->arena, "%s=", a->name);
    given = arena_printf(s->arena, "%s%s%s%s", given, *given ? ", " : "", name, front_text(s, a->value->span));
  }
  if (*given) given = arena_printf(s->arena, "(%s)", given);
  const char *from = learnt ? "" : " from random";
  diag_help(&s->diags, d, "a network is taken: take %s%s%s", callee->text, given, from);
  if (learnt) diag_help(&s->diags, d, "torchvision's weights are looked for; others are named: from \"FILE\", from random");
  diag_fix(&s->diags, d, stmt->span, "take %s%s%s", callee->text, given, from);
}

bool help_needs_model(Session *s, Scope *scope, Diag *d, const Stmt *stmt) {
  const Expr *callee = stmt->value->kind == EXPR_CALL ? stmt->value->left : stmt->value;
  Span start = {stmt->span.source, stmt->span.begin, stmt->span.begin};
  const char *instead, *help = callee->kind == EXPR_NAME ? habit_of(callee->text, &instead) : NULL;
  const char *last = callee->kind == EXPR_NAME || callee->kind == EXPR_MEMBER ? callee->text : NULL;
  const Const *model = last ? scope_get(scope, last) : NULL;
  bool take = !help && model && model->kind == CONST_MODEL && model->model;
  if (help) {
    diag_help(&s->diags, d, "%s", help);
    if (habit_is_line_to_drop(callee->text)) diag_fix(&s->diags, d, stmt->span, "%s", "");
  } else if (take) {
    help_take(s, d, stmt, callee);
  } else if (last && isupper((unsigned char)*last)) {
    diag_help(&s->diags, d, "a layer is put at the end of the network by: append %s", front_text(s, stmt->span));
    diag_fix(&s->diags, d, start, "append ");
  } else if (stmt->kind == STMT_ASSIGN) {
    diag_help(&s->diags, d, "a constant is named by: let %s", front_text(s, stmt->span));
    diag_fix(&s->diags, d, start, "let ");
  } else {
    diag_help(&s->diags, d, "`append NAME = LAYER` adds a layer to the network; `let` names a constant");
  }
  return take;
}
