/* All tests of pictures; a name or a pattern as argument runs those alone. */
#include <string.h>
#include "images.h"

int main(int argc, char **argv) {
  struct CMUnitTest all[64];
  size_t count = 0;
  const struct {
    const struct CMUnitTest *tests;
    size_t count;
  } groups[] = {{real_tests, real_count},       {small_tests, small_count},   {augment_tests, augment_count},
                {color_tests, color_count},     {broken_tests, broken_count}, {folder_tests, folder_count},
                {reduced_tests, reduced_count}, {format_tests, format_count}};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    memcpy(all + count, groups[i].tests, groups[i].count * sizeof *all);
    count += groups[i].count;
  }
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  return _cmocka_run_group_tests("images", all, count, work_begin, work_end);
}
