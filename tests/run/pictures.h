/* The data sets of these tests, made from numbers alone. */
#ifndef SURGERY_TESTS_RUN_PICTURES_H
#define SURGERY_TESTS_RUN_PICTURES_H
/* Three classes of 8 x 8 pictures, a bright bar at the left, in the middle, at the right, with noise that
 * leaves them easy to learn. Into DIR, which must not exist: idx/        train-images-idx3-ubyte … (48) and
 * t10k-… (24), uncompressed pictures/   train/ and val/ with folders left, middle, right: 16 PNG each, 8 PNG
 * and JPEG each x.npy       the 24 of the test part, f32, (24, 1, 8, 8), in [0, 1]; y.txt their classes
 * Returns an exit status; says on stderr what failed. */
int make_data(const char *dir);
#endif
