# resnet18/resnet18.pth finds the ants and the bees; see ants.inc.
. "$RUN_SOURCE/slow/ants.inc"
finds resnet18 resnet18/resnet18.pth 46 63
