/* Parts of hand-made PyTorch pickles, for the tables of malformed files. */
#ifndef TESTS_WEIGHTS_PICKLES_H
#define TESTS_WEIGHTS_PICKLES_H

/* What a legacy file begins with. */
#define MAGIC "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

#define FLOATS(key, numel) "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" key "X\3\0\0\0cpuK" numel "Nt"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR(offset, size, stride) REBUILD "(" FLOATS("0", "\4") "QK" offset size stride "\x89}tR"
#define VIEWED(view)                                                                                                   \
  REBUILD "((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                                          \
          "0X\3\0\0\0cpuK\4" view "t"
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A500 A50 A50 A50 A50 A50 A50 A50 A50 A50 A50
#define NAMED "\x80\2}X\1\0\0\0w"

/* With a list of keys and one storage of four floats behind the pickle. */
#define LISTED                                                                                                         \
  "s.\x80\2]X\1\0\0\0"                                                                                                 \
  "0a."
#define STORED                                                                                                         \
  "\4\0\0\0\0\0\0\0"                                                                                                   \
  "abcdefghijklmnop"

#endif
