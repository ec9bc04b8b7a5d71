/* The ONNX operators that are read: the only list. A row names the operator, the attributes that its function
 * reads or that change nothing here, how many inputs it has, and the function that makes an item of a node.
 */
#include "compiler/import/onnx_internal.h"

enum { MANY_INPUTS = 10000 };

static const OnnxOp ops[] = {
    {"Add", "", 2, 2, convert_add},
    {"AveragePool", "kernel_shape strides pads dilations auto_pad ceil_mode count_include_pad", 1, 1,
     convert_averagepool},
    {"BatchNormalization", "epsilon momentum spatial training_mode", 5, 5, convert_batchnorm},
    {"Cast", "to saturate", 1, 1, convert_cast},
    {"Clip", "min max", 1, 3, convert_clip},
    {"Concat", "axis", 1, MANY_INPUTS, convert_concat},
    {"Conv", "kernel_shape strides pads dilations auto_pad group", 2, 3, convert_conv},
    {"Dropout", "ratio seed", 1, 3, convert_dropout},
    {"Flatten", "axis", 1, 1, convert_flatten},
    {"Gather", "axis", 2, 2, convert_gather},
    {"Gelu", "approximate", 1, 1, convert_gelu_node},
    {"Gemm", "alpha beta transA transB", 2, 3, convert_gemm},
    {"GlobalAveragePool", "", 1, 1, convert_global_pool},
    {"Identity", "", 1, 1, convert_identity},
    {"LeakyRelu", "alpha", 1, 1, convert_leaky_relu},
    {"MatMul", "", 2, 2, convert_matmul},
    {"MaxPool", "kernel_shape strides pads dilations auto_pad ceil_mode storage_order", 1, 1, convert_maxpool},
    {"Pad", "mode pads value", 1, 4, convert_pad},
    {"ReduceMean", "axes keepdims noop_with_empty_axes", 1, 2, convert_mean},
    {"Relu", "", 1, 1, convert_activation},
    {"Reshape", "allowzero", 2, 2, convert_reshape},
    {"Shape", "", 1, 1, convert_shape},
    {"Sigmoid", "", 1, 1, convert_activation},
    {"Softmax", "axis", 1, 1, convert_softmax},
    {"Squeeze", "axes", 1, 2, convert_squeeze},
    {"Sum", "", 1, MANY_INPUTS, convert_add},
    {"Tanh", "", 1, 1, convert_activation},
    {"Unsqueeze", "axes", 1, 2, convert_unsqueeze},
};

const OnnxOp *onnx_op(const OnnxNode *node) {
  if (node->domain && *node->domain && !streq(node->domain, "ai.onnx")) return NULL;
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (streq(ops[i].name, node->op_type)) return &ops[i];
  return NULL;
}
