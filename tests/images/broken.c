/* Files that are no whole pictures: every cut of every small picture, damaged bytes, garbage, hostile
 * headers. None may do harm (the suite also runs under the sanitizers), and what cannot be decoded is named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "images.h"

/* 0: decoded; -1: refused, with a message that names the file, and nothing handed out. */
static int decode(const char *path, const char *part) {
  Image picture;
  surgery_error err = {0};
  int status = image_decode(path, &picture, &err);
  if (status == 0) {
    assert_true(picture.width >= 1 && picture.height >= 1 && (picture.channels == 1 || picture.channels == 3));
    free(picture.pixels);
    return 0;
  }
  assert_int_equal(status, -1);
  assert_null(picture.pixels);
  assert_int_not_equal(err.status, SURGERY_OK);
  if (strncmp(err.message, path, strlen(path)) != 0) fail_msg("'%s' does not begin with the file", err.message);
  if (part && !strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
  return -1;
}

static void refused(const char *name, const void *bytes, size_t size, const char *part) {
  if (decode(write_bytes(name, bytes, size), part) == 0) fail_msg("%s is taken for a picture", name);
}

static void each_image(void (*each)(const char *name, uint8_t *bytes, size_t size)) {
  static const char *const names[] = {"png/rgb.png",
                                      "png/gray.png",
                                      "png/palette.png",
                                      "png/palette_transparent.png",
                                      "png/rgba.png",
                                      "png/gray16.png",
                                      "png/one_bit.png",
                                      "png/four_bits.png",
                                      "png/interlaced.png",
                                      "png/one_pixel.png",
                                      "png/rgb16.png",
                                      "png/gray_alpha.png",
                                      "png/tall.png",
                                      "jpeg/rgb.jpg",
                                      "jpeg/half.jpg",
                                      "jpeg/gray.jpg",
                                      "jpeg/cmyk.jpg",
                                      "jpeg/progressive.jpg",
                                      "jpeg/quarter.jpeg",
                                      "jpeg/wide.jpg",
                                      "jpeg/one_pixel.JPG",
                                      "jpeg/turned.jpg",
                                      "png/interlaced_16_alpha.png",
                                      "webp/lossless.webp",
                                      "webp/lossy.webp",
                                      "webp/animated.webp",
                                      "gif/plain.gif",
                                      "gif/interlaced.gif",
                                      "gif/transparent.gif",
                                      "bmp/rgb.bmp",
                                      "bmp/palette.bmp",
                                      "bmp/os2.bmp",
                                      "bmp/masks.bmp",
                                      "bmp/rle8.bmp",
                                      "bmp/rle4.bmp",
                                      "tiff/rgb.tif",
                                      "tiff/rgb_lzw.tiff",
                                      "tiff/palette.tif",
                                      "tiff/one_bit.tif",
                                      "tiff/jpeg.tif",
                                      "tiff/tiles.tif",
                                      "tiff/planes.tif",
                                      "tiff/rgba.tif"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[1000];
    size_t size;
    bool old = names[i][0] == 'p' || names[i][0] == 'j';
    snprintf(path, sizeof path, "%s/%s", old ? PICTURES : FORMATS, names[i]);
    uint8_t *bytes = read_bytes(path, &size);
    each(names[i], bytes, size);
    free(bytes);
  }
}

/* How many bytes at the end of a file hold no pixels; -1: the decoder takes a part for the whole, as PIL's does. */
static int64_t without_pixels(const char *name) {
  static const struct {
    const char *part;
    int64_t bytes;
  } rows[] = {{"animated", -1}, {"jpeg.tif", -1}, {"one_bit.tif", -1}, {"tiff/", 0}, {"png/", 21},
              {"jpeg/", 2},     {"webp/", 1},     {"gif/", 8},         {"bmp/", 4}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strstr(name, rows[i].part)) return rows[i].bytes;
  fail_msg("%s: which format?", name);
  return 0;
}

/* Without its last bytes a JPEG lacks the end marker; a PNG has all pixels as long as IEND, its checksum and
 * the last chunk's checksum alone are missing (PIL takes it then, too). */
static void cut_everywhere(const char *name, uint8_t *bytes, size_t size) {
  int64_t rest = without_pixels(name);
  const char *path = write_bytes("cut", bytes, size);
  for (size_t length = size; length-- > 0;) {
    assert_int_equal(truncate(path, (off_t)length), 0);
    int status = decode(path, length ? NULL : "an empty file");
    if (status == 0 && rest >= 0 && length < size - (size_t)rest)
      fail_msg("%s cut to %zu of %zu bytes is taken for whole", name, length, size);
  }
}

static void test_truncated(void **state) { each_image(cut_everywhere); }

static void damage(const char *name, uint8_t *bytes, size_t size) {
  uint8_t *copy = malloc(size);
  for (uint64_t seed = 0; seed < 150; seed++) {
    Random random = random_stream(seed, size);
    memcpy(copy, bytes, size);
    for (uint64_t i = 0; i <= seed % 4; i++) copy[random_below(&random, size)] = (uint8_t)random_u64(&random);
    decode(write_bytes("damaged", copy, size), NULL);
  }
  free(copy);
}

static void test_damaged(void **state) { each_image(damage); }

static void test_garbage(void **state) {
  uint8_t noise[4096];
  Random random = random_stream(5, 0);
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)random_u64(&random);
  refused("noise.jpg", noise, sizeof noise, "no picture: neither JPEG, PNG, WebP, GIF, BMP nor TIFF");
  refused("empty.png", "", 0, "an empty file");
  refused("gif.jpg", "GIF89a\1\0\1\0", 10, "a broken GIF");
  refused("ppm.jpg", "P6 1 1 255 abc", 14, "no picture: neither JPEG, PNG, WebP, GIF, BMP nor TIFF");
  refused("riff.webp", "RIFF\4\0\0\0WAVE", 12, "no picture");
  refused("short.bmp", "BM", 2, "a broken BMP: it ends in its header");
  static const struct {
    const char *begin, *part;
    size_t size;
  } formats[] = {{"RIFF\xf8\xf\0\0WEBPVP8L", "a broken WebP", 16},
                 {"GIF87a", "a broken GIF", 6},
                 {"BM", "BMP", 2},
                 {"II*\0\10\0\0\0", "TIFF", 8},
                 {"MM\0*\0\0\0\10", "TIFF", 8}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    memcpy(noise, formats[i].begin, formats[i].size);
    refused("noise", noise, sizeof noise, formats[i].part);
  }
  refused("text.jpg", "hello", 5, "no picture: neither JPEG, PNG, WebP, GIF, BMP nor TIFF");
  memcpy(noise, "\xff\xd8\xff\xe0", 4);
  refused("noise2.jpg", noise, sizeof noise, "a broken JPEG");
  memcpy(noise, "\x89PNG\r\n\x1a\n", 8);
  refused("noise.png", noise, sizeof noise, "a broken PNG");
  assert_int_equal(decode(work_path("not-there.jpg"), "No such file"), -1);
  assert_int_equal(mkdir(work_path("folder.jpg"), 0755), 0);
  assert_int_equal(decode(work_path("folder.jpg"), "directory"), -1);
}

static void put32(uint8_t *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A PNG's header with these sizes and a right checksum, and a few pixels behind it. */
static void refused_png(uint32_t width, uint32_t height, const char *part) {
  uint8_t file[64] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
  static const uint8_t data[] = {0,    0,    0, 11, 'I', 'D', 'A', 'T', 0x78, 0x9c, 0x63, 0x60,
                                 0x00, 0x00, 0, 3,  0,   1,   0,   0,   0,    0,    0};
  put32(file + 16, width);
  put32(file + 20, height);
  file[24] = 8, file[25] = 2;
  put32(file + 29, (uint32_t)crc32(0, file + 12, 17));
  memcpy(file + 33, data, sizeof data);
  put32(file + 33 + 19, (uint32_t)crc32(0, file + 37, 15));
  refused("header.png", file, 33 + sizeof data, part);
}

static void test_hostile_headers(void **state) {
  refused_png(0, 5, "a broken PNG");
  refused_png(5, 0, "a broken PNG");
  refused_png(0x80000000u, 1, "a broken PNG");
  refused_png(0x7fffffffu, 0x7fffffffu, "a broken PNG");
  refused_png(60000, 60000, "60000 x 60000 pixels are more than the limit of 178956970");
  refused_png(999999, 999999, "more than the limit");
  refused_png(12000, 12000, "a broken PNG"); /* allowed, but there are no such pixels */
}

/* Small files that announce large pictures. */
static void test_hostile_sizes(void **state) {
  static const struct {
    const char *file;
    size_t at;
    const char *bytes;
    size_t count;
    const char *part;
  } rows[] = {
      {"bmp/rgb.bmp", 18, "\xff\xff\xff\x7f\xff\xff\xff\x7f", 8, "more than the limit"},
      {"bmp/rgb.bmp", 18, "\0\0\1\0\0\1\0\0", 8, "it ends in its pixels"},
      {"bmp/rgb.bmp", 18, "\0\0\0\0", 4, "without pixels"},
      {"bmp/rgb.bmp", 10, "\xff\xff\xff\xff", 4, "its pixels lie behind its end"},
      {"bmp/rgb.bmp", 14, "\xff\xff\xff\xff", 4, "its header is of an unknown size"},
      {"bmp/rgb.bmp", 28, "\x40\0", 2, "its pixels are of an unknown size"},
      {"bmp/rgb.bmp", 30, "\x9\0\0\0", 4, "it is compressed in an unknown way"},
      {"gif/plain.gif", 6, "\xff\xff\xff\xff", 4, "more than the limit"},
      {"webp/lossless.webp", 21, "\xff\xff\xff\xff", 4, "WebP"},
      {"tiff/tiles.tif", 18, "\xff\xff\xff\xff", 4, "a broken TIFF"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char path[1000];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", FORMATS, rows[i].file);
    uint8_t *bytes = read_bytes(path, &size);
    memcpy(bytes + rows[i].at, rows[i].bytes, rows[i].count);
    refused("large", bytes, size, rows[i].part);
    free(bytes);
  }
}

/* The place of a JPEG's frame header: its height is 5, its width 7 bytes further on. */
static size_t frame_of(const uint8_t *bytes, size_t size) {
  for (size_t at = 2; at + 9 < size; at += 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]))
    if (bytes[at] == 0xff && (bytes[at + 1] == 0xc0 || bytes[at + 1] == 0xc2)) return at;
  fail_msg("no frame header");
  return 0;
}

static void test_hostile_jpegs(void **state) {
  static const struct {
    unsigned width, height;
    const char *part;
  } rows[] = {{0, 17, "a broken JPEG"},
              {21, 0, "a broken JPEG"},
              {65500, 65500, "65500 x 65500 pixels are more than the limit"},
              {65535, 65535, "a broken JPEG"},
              {12000, 12000, "a broken JPEG"}};
  static const char *const names[] = {"rgb", "progressive", "gray", "cmyk"};
  for (size_t n = 0; n < 4; n++) {
    char path[1000];
    size_t size;
    snprintf(path, sizeof path, "%s/jpeg/%s.jpg", PICTURES, names[n]);
    uint8_t *bytes = read_bytes(path, &size);
    size_t frame = frame_of(bytes, size);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
      bool much = rows[i].width == 12000; /* where decoding goes on without data: baseline ends at once */
      if (much && strcmp(names[n], "rgb") != 0) continue;
      bytes[frame + 5] = (uint8_t)(rows[i].height >> 8), bytes[frame + 6] = (uint8_t)rows[i].height;
      bytes[frame + 7] = (uint8_t)(rows[i].width >> 8), bytes[frame + 8] = (uint8_t)rows[i].width;
      size_t length = much ? size - 2 : size; /* without its end marker */
      refused("header.jpg", bytes, length, rows[i].part);
    }
    free(bytes);
  }
}

/* A progressive JPEG whose last scan comes again and again. */
static void test_endless_scans(void **state) {
  size_t size, last = 0;
  uint8_t *bytes = read_bytes(PICTURES "/jpeg/progressive.jpg", &size);
  for (size_t i = 0; i + 1 < size; i++)
    if (bytes[i] == 0xff && bytes[i + 1] == 0xda) last = i;
  size_t scan = size - 2 - last, copies = 600;
  uint8_t *all = malloc(size + copies * scan);
  memcpy(all, bytes, size - 2);
  for (size_t i = 0; i < copies; i++) memcpy(all + size - 2 + i * scan, bytes + last, scan);
  memcpy(all + size - 2 + copies * scan, bytes + size - 2, 2);
  refused("scans.jpg", all, size + copies * scan, "more than 500 scans");
  free(all), free(bytes);
}

TESTS(broken, cmocka_unit_test(test_truncated), cmocka_unit_test(test_damaged), cmocka_unit_test(test_garbage),
      cmocka_unit_test(test_hostile_headers), cmocka_unit_test(test_hostile_sizes),
      cmocka_unit_test(test_hostile_jpegs), cmocka_unit_test(test_endless_scans));
