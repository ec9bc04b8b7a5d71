/* WebP by libwebp's animation decoder, which PIL uses for still pictures too; of an animation the first frame. */
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include "runtime/data/image_decode.h"
#include "runtime/base/error.h"

/* Those without "Internal" are wrappers in the headers that hand over the headers' version. libwebpdemux brings
 * libwebp. */
// clang-format off
#define FUNCTIONS(X) \
  X(WebPGetFeaturesInternal) X(WebPAnimDecoderOptionsInitInternal) X(WebPAnimDecoderNewInternal) \
  X(WebPAnimDecoderGetInfo) X(WebPAnimDecoderGetNext) X(WebPAnimDecoderGetDemuxer) X(WebPAnimDecoderDelete) \
  X(WebPDemuxGetChunk) X(WebPDemuxReleaseChunkIterator)
// clang-format on
static struct {
#define X(name) __typeof__(&name) name;
  FUNCTIONS(X)
#undef X
} webp;
static const char *const names[] = {
#define X(name) #name,
    FUNCTIONS(X) NULL
#undef X
};
static ImageLibrary library = {
    .format = "WebP", .file = "libwebpdemux.so.2", .package = "libwebpdemux2", .names = names, .functions = &webp};

static int broken(const char *path, surgery_error *err) {
  return sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken WebP", path);
}

static int orientation_of(WebPAnimDecoder *decoder) {
  WebPChunkIterator chunk;
  const WebPDemuxer *parts = webp.WebPAnimDecoderGetDemuxer(decoder);
  if (!parts || !webp.WebPDemuxGetChunk(parts, "EXIF", 1, &chunk)) return 1;
  int orientation = exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
  webp.WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

static int read_frame(WebPAnimDecoder *decoder, bool alpha, const ImageUse *use, Image *p, surgery_error *err) {
  WebPAnimInfo info;
  uint8_t *rgba;
  int time;
  if (!webp.WebPAnimDecoderGetInfo(decoder, &info) || !webp.WebPAnimDecoderGetNext(decoder, &rgba, &time))
    return broken(use->path, err);
  if (image_reserve(p, info.canvas_width, info.canvas_height, alpha ? 4 : 3, use->path, err)) return -1;
  p->alpha = alpha;
  size_t count = (size_t)p->width * (size_t)p->height, channels = (size_t)p->channels;
  for (size_t i = 0; i < count; i++) memcpy(p->pixels + i * channels, rgba + i * 4, channels);
  return use->upright ? image_orient(p, orientation_of(decoder), use->path, err) : 0;
}

int image_webp(FILE *stream, const ImageUse *use, Image *p, surgery_error *err) {
  uint8_t *bytes;
  size_t size;
  if (image_library(&library, use->path, err) || image_read_file(stream, use->path, &bytes, &size, err)) return -1;
  WebPBitstreamFeatures features;
  WebPAnimDecoderOptions options;
  WebPData data = {bytes, size};
  WebPAnimDecoder *decoder = NULL;
  int status = 0;
  if (webp.WebPGetFeaturesInternal(bytes, size, &features, WEBP_DECODER_ABI_VERSION) != VP8_STATUS_OK)
    status = broken(use->path, err);
  else status = image_check_size((uint64_t)features.width, (uint64_t)features.height, use->path, err);
  if (status == 0 && webp.WebPAnimDecoderOptionsInitInternal(&options, WEBP_DEMUX_ABI_VERSION)) {
    options.color_mode = MODE_RGBA, options.use_threads = 0;
    decoder = webp.WebPAnimDecoderNewInternal(&data, &options, WEBP_DEMUX_ABI_VERSION);
  }
  if (status == 0)
    status = decoder ? read_frame(decoder, use->alpha && features.has_alpha, use, p, err) : broken(use->path, err);
  webp.WebPAnimDecoderDelete(decoder);
  free(bytes);
  return status;
}
