# squeezenet/squeezenet1_0.pth finds the ants and the bees; see ants.inc.
. "$RUN_SOURCE/slow/ants.inc"
finds squeezenet1_0 squeezenet/squeezenet1_0.pth 39 56
