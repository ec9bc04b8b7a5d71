/* The first frame of a GIF by giflib, on the canvas that the file states, as PIL shows it. */
#include <gif_lib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/image_decode.h"
#include "runtime/base/error.h"

#define FUNCTIONS(X)                                                                                                   \
  X(DGifOpen)                                                                                                          \
  X(DGifCloseFile) X(DGifGetRecordType) X(DGifGetImageDesc) X(DGifGetLine) X(DGifGetExtension) X(DGifGetExtensionNext)
static struct {
#define X(name) __typeof__(&name) name;
  FUNCTIONS(X)
#undef X
} gif;
static const char *const names[] = {
#define X(name) #name,
    FUNCTIONS(X) NULL
#undef X
};
static ImageLibrary library = {
    .format = "GIF", .file = "libgif.so.7", .package = "libgif7", .names = names, .functions = &gif};

typedef struct Memory {
  const uint8_t *at;
  size_t left;
} Memory;

static int read_memory(GifFileType *file, GifByteType *to, int size) {
  Memory *m = file->UserData;
  size_t got = size < 0 ? 0 : (size_t)size < m->left ? (size_t)size : m->left;
  memcpy(to, m->at, got);
  m->at += got, m->left -= got;
  return (int)got;
}

static int broken(const char *path, surgery_error *err) {
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken GIF", path);
}

/* Up to the first frame; *clear: the index that stands for no colour, -1: none. */
static int find_frame(GifFileType *file, int *clear, const char *path, surgery_error *err) {
  GifRecordType type;
  *clear = -1;
  while (gif.DGifGetRecordType(file, &type) == GIF_OK) {
    int code = 0;
    GifByteType *block = NULL;
    if (type == TERMINATE_RECORD_TYPE) return sg_fail(err, SURGERY_BAD_INPUT, "%s: a GIF without a picture", path);
    if (type == IMAGE_DESC_RECORD_TYPE) return gif.DGifGetImageDesc(file) == GIF_OK ? 0 : broken(path, err);
    if (type != EXTENSION_RECORD_TYPE) continue;
    if (gif.DGifGetExtension(file, &code, &block) != GIF_OK) break;
    if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4) *clear = block[1] & 1 ? block[4] : -1;
    while (block)
      if (gif.DGifGetExtensionNext(file, &block) != GIF_OK) return broken(path, err);
  }
  return broken(path, err);
}

static void put(const ColorMapObject *colors, int index, int clear, int channels, uint8_t *to) {
  GifColorType c = {(GifByteType)index, (GifByteType)index, (GifByteType)index}; /* without colours: gray */
  if (colors && index < colors->ColorCount) c = colors->Colors[index];
  to[0] = c.Red, to[1] = c.Green, to[2] = c.Blue;
  if (channels == 4) to[3] = index == clear ? 0 : 255;
}

static int read_rows(GifFileType *file, const ColorMapObject *colors, int clear, uint8_t *line, Image *p,
                     const char *path, surgery_error *err) {
  static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
  const GifImageDesc *frame = &file->Image;
  size_t size = (size_t)p->channels;
  for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++)
    for (int y = frame->Interlace ? first[pass] : 0; y < frame->Height; y += frame->Interlace ? step[pass] : 1) {
      if (gif.DGifGetLine(file, line, frame->Width) != GIF_OK) return broken(path, err);
      uint8_t *to = p->pixels + ((size_t)(frame->Top + y) * (size_t)p->width + (size_t)frame->Left) * size;
      for (int x = 0; x < frame->Width; x++) put(colors, line[x], clear, p->channels, to + (size_t)x * size);
    }
  return 0;
}

static int read_frame(GifFileType *file, const ImageUse *use, Image *p, surgery_error *err) {
  int clear;
  if (find_frame(file, &clear, use->path, err)) return -1;
  const GifImageDesc *frame = &file->Image;
  if (frame->Left < 0 || frame->Top < 0 || frame->Width < 1 || frame->Height < 1) return broken(use->path, err);
  int64_t width = (int64_t)frame->Left + frame->Width, height = (int64_t)frame->Top + frame->Height;
  if (width < file->SWidth) width = file->SWidth;
  if (height < file->SHeight) height = file->SHeight;
  bool alpha = use->alpha && clear >= 0;
  if (image_reserve(p, (uint64_t)width, (uint64_t)height, alpha ? 4 : 3, use->path, err)) return -1;
  p->alpha = alpha;
  const ColorMapObject *colors = frame->ColorMap ? frame->ColorMap : file->SColorMap;
  bool whole = frame->Width == p->width && frame->Height == p->height;
  uint8_t empty[4];
  put(colors, clear >= 0 ? clear : 0, clear, p->channels, empty);
  if (!whole) image_fill(p, empty);
  uint8_t *line = malloc((size_t)frame->Width);
  int status = line ? read_rows(file, colors, clear, line, p, use->path, err)
                    : sg_fail_memory(err, use->path, (size_t)frame->Width);
  free(line);
  return status;
}

int image_gif(FILE *stream, const ImageUse *use, Image *p, surgery_error *err) {
  uint8_t *bytes;
  size_t size;
  int why;
  if (image_library(&library, use->path, err) || image_read_file(stream, use->path, &bytes, &size, err)) return -1;
  Memory memory = {bytes, size};
  GifFileType *file = gif.DGifOpen(&memory, read_memory, &why);
  int status = file ? read_frame(file, use, p, err) : broken(use->path, err);
  if (file) gif.DGifCloseFile(file, &why);
  free(bytes);
  return status;
}
