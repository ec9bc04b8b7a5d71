# resnet18/resnet18_fp16.safetensors finds the ants and the bees; see ants.inc.
. "$RUN_SOURCE/slow/ants.inc"
finds resnet18 resnet18/resnet18_fp16.safetensors 46 63
