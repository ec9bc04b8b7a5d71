// Classifies digits that are in memory, trains two steps on them, and saves what it trained. The same program is built by
// each of the build systems beside it.
#include "digits.h"
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

// 8 x 8 pixels each, from dark to bright: " .:-=+*#%@".
struct Picture {
  std::int32_t digit;
  std::string_view rows;
};
static const Picture pictures[] = {
    {0, "  .%#.    =@%=   =#+.#.  =+. --  -+  :+   %. =#   +%#@-    #%=  "},
    {1, "  .%#     .@@-    =@@     #@#    =@@#    .*@#     .@@     .%@:  "},
    {2, "   .%%:    **#=    = #=     =%.  :=#%:   -@@-     .##:.    .#@- "},
    {3, " .*%*.   :==*#     -%%.    *%.     :%.      #*    ::*@.   #@%*  "},
    {4, "   .*      ==     .#-..   =% +=  -@* @-  :%@#@.    :%*     .@:  "},
};
constexpr std::size_t count = std::size(pictures);

// As the script's input block has it: 0 to 1, less the mean, by the deviation.
static std::vector<float> pixels() {
  constexpr std::string_view levels = " .:-=+*#%@";
  std::vector<float> x;
  for (const Picture &picture : pictures)
    for (std::size_t i = 0; i < DIGITS_INPUT_COUNT; i++)
      x.push_back((static_cast<float>(levels.find(picture.rows.at(i))) / 9.0f - 0.3f) / 0.37f);
  return x;
}

int main() {
  surgery_error error;
  std::unique_ptr<digits, void (*)(digits *)> net(digits_open(nullptr, &error), digits_close);
  if (!net) return std::printf("%s\n", error.message), 1;

  const std::vector<float> x = pixels();
  std::vector<float> y(count * DIGITS_CLASSES);
  if (int failure = digits_forward(net.get(), count, x.data(), y.data())) return std::puts(surgery_failure_text(failure)), 1;
  std::vector<std::int32_t> target;
  std::size_t right = 0;
  for (std::size_t i = 0; i < count; i++) {
    std::int32_t best = 0;
    for (std::int32_t k = 1; k < DIGITS_CLASSES; k++)
      if (y[i * DIGITS_CLASSES + k] > y[i * DIGITS_CLASSES + best]) best = k;
    right += best == pictures[i].digit;
    target.push_back(pictures[i].digit);
  }
  std::printf("%zu of %zu right\n", right, count);

  for (int step = 1; step <= 2; step++) {
    float loss;
    if (int failure = digits_train_step(net.get(), count, x.data(), target.data(), &loss))
      return std::puts(surgery_failure_text(failure)), 1;
    std::printf("step %d: loss %.3g\n", step, loss);
  }
  if (digits_save(net.get(), "trained.safetensors", nullptr, &error)) return std::printf("%s\n", error.message), 1;
  std::puts("saved trained.safetensors");
}
