. "$RUN_SOURCE/slow/ants.inc"
finds squeezenet1_0 squeezenet/squeezenet1_0.pth 39 56
