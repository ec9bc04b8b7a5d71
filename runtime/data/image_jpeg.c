/* JPEG by libjpeg-turbo: the values of PIL's Image.open, the slow exact DCT, smooth upsampling; but a JPEG that will be
 * made much smaller is decoded smaller. The library's own exit is caught. Called by image_decode.c. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>
#include "runtime/data/image_decode.h"
#include "runtime/data/image_resize.h"
#include "runtime/base/error.h"

/* Each scan of a progressive JPEG goes over the whole picture, however few bytes it has: a small file could
 * keep the machine busy for hours. Real ones have about ten. */
#define MAX_SCANS 500

typedef struct JpegState {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
  JSAMPROW row; /* of four channels, when the file has them */
} JpegState;

static void jpeg_leave(j_common_ptr info) {
  JpegState *state = info->client_data;
  info->err->format_message(info, state->message);
  longjmp(state->leave, 1);
}

/* A warning about a file that ends too early is an error, as in PIL; the others are tolerated, as there. */
static void jpeg_warn(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) jpeg_leave(info);
}

static void jpeg_watch(j_common_ptr info) {
  JpegState *state = info->client_data;
  if (state->info.input_scan_number <= MAX_SCANS) return;
  snprintf(state->message, sizeof state->message, "more than %d scans", MAX_SCANS);
  longjmp(state->leave, 1);
}

/* Adobe's CMYK is stored inverted; PIL's conversion to RGB. */
static void cmyk_to_rgb(const uint8_t *from, uint8_t *to, int width) {
  for (int x = 0; x < width; x++) {
    int k = from[4 * x + 3];
    for (int c = 0; c < 3; c++) {
      int t = (255 - from[4 * x + c]) * k + 128;
      int v = k - (((t >> 8) + t) >> 8);
      to[3 * x + c] = (uint8_t)(v < 0 ? 0 : v);
    }
  }
}

/* libjpeg leaves out the high frequencies of each block, which the resize would average away. */
static int jpeg_reduce(struct jpeg_decompress_struct *info, const ImageUse *use, bool turned) {
  int width = (int)info->image_width, height = (int)info->image_height;
  int reduced = use->spec && !turned ? image_reduction(use->spec, use->augmented, width, height) : 1;
  info->scale_num = (unsigned)(8 / reduced), info->scale_denom = 8;
  jpeg_calc_output_dimensions(info);
  return reduced;
}

static int jpeg_orientation(const struct jpeg_decompress_struct *info) {
  for (jpeg_saved_marker_ptr m = info->marker_list; m; m = m->next)
    if (m->marker == JPEG_APP0 + 1 && m->data_length >= 6 && memcmp(m->data, "Exif\0", 5) == 0)
      return exif_orientation(m->data, m->data_length);
  return 1;
}

static int jpeg_rows(JpegState *s, Image *p, const ImageUse *use, surgery_error *err) {
  const char *path = use->path;
  jpeg_read_header(&s->info, TRUE);
  bool four = s->info.num_components == 4;
  int channels = s->info.num_components == 1 ? 1 : 3;
  s->info.out_color_space = four ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  if (image_check_size(s->info.image_width, s->info.image_height, path, err)) return -1;
  int orientation = use->upright ? jpeg_orientation(&s->info) : 1;
  int reduced = jpeg_reduce(&s->info, use, orientation > 1);
  if (image_reserve(p, s->info.output_width, s->info.output_height, channels, path, err)) return -1;
  if (reduced > 1)
    p->reduced = reduced, p->whole_width = (int)s->info.image_width, p->whole_height = (int)s->info.image_height;
  if (four && !(s->row = malloc((size_t)p->width * 4))) return sg_fail_memory(err, path, (size_t)p->width * 4);
  jpeg_start_decompress(&s->info);
  while (s->info.output_scanline < s->info.output_height) {
    uint8_t *to = p->pixels + (size_t)s->info.output_scanline * (size_t)p->width * (size_t)channels;
    JSAMPROW row = four ? s->row : to;
    jpeg_read_scanlines(&s->info, &row, 1);
    if (four) cmyk_to_rgb(row, to, p->width);
  }
  jpeg_finish_decompress(&s->info);
  return image_orient(p, orientation, path, err);
}

int image_jpeg(FILE *file, const ImageUse *use, Image *p, surgery_error *err) {
  const char *path = use->path;
  JpegState *s = calloc(1, sizeof *s);
  if (!s) return sg_fail_memory(err, path, sizeof *s);
  s->info.err = jpeg_std_error(&s->errors);
  s->errors.error_exit = jpeg_leave;
  s->errors.emit_message = jpeg_warn;
  s->info.client_data = s;
  int result;
  if (setjmp(s->leave) == 0) {
    jpeg_create_decompress(&s->info);
    s->progress.progress_monitor = jpeg_watch;
    s->info.progress = &s->progress;
    jpeg_stdio_src(&s->info, file);
    if (use->upright) jpeg_save_markers(&s->info, JPEG_APP0 + 1, 0xffff);
    result = jpeg_rows(s, p, use, err);
  } else {
    result = sg_fail(err, SURGERY_BAD_INPUT, "%s: a broken JPEG: %s", path, s->message);
  }
  jpeg_destroy_decompress(&s->info);
  free(s->row);
  free(s);
  return result;
}
