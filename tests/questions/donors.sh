# The pretrained files that the scripts of examples/questions name, filled by the formula of tests/numeric. bert_tiny stands for
# the 438 MB of bert_base.
. "$(dirname "$0")/common.sh"
rm -rf "$SEEDS_WORK"
mkdir -p "$SEEDS_WORK/donors"
cd "$SEEDS_WORK/donors"
cp "$seeds/models.surgery" .
donor() { # FILE NETWORK
  printf 'include "models.surgery"\ntake %s from random\n' "$2" >net.surgery
  "$SURGERYC" net.surgery -c -O0 -o net.o --color=never 2>log || { cat log; fail "$2 does not compile"; }
  "$NUMTOOL" fill net.safetensors "$1"
}
donor pretrained_cnn.pth CNN
donor pretrained_complex_model.pth ComplexModel
donor my_model.pth MyModel
donor modular.pth Modular
donor one_linear.pth OneLinear
donor hypothetical.pth 'HypotheticalModel(size=32)'
donor resnet18.pth resnet18
donor bert.safetensors bert_tiny
mv bert.safetensors model.safetensors
rm -f net.* log
