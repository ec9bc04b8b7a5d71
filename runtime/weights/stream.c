/* Sequential reading of a part of a file through a small window: for pickles, whose length nobody states. */
#include "runtime/weights/pickle.h"

void stream_open(ByteStream *s, const WeightFile *file, uint64_t at, uint64_t end) {
  s->file = file;
  s->end = end;
  s->window_at = at;
  s->have = s->next = 0;
}

uint64_t stream_at(const ByteStream *s) { return s->window_at + s->next; }
uint64_t stream_left(const ByteStream *s) { return s->end - stream_at(s); }

void stream_seek(ByteStream *s, uint64_t at) {
  if (at >= s->window_at && at <= s->window_at + s->have) {
    s->next = (size_t)(at - s->window_at);
  } else {
    stream_open(s, s->file, at, s->end);
  }
}

static int refill(ByteStream *s, surgery_error *err) {
  uint64_t at = stream_at(s), left = s->end - at;
  size_t n = left < sizeof s->window ? (size_t)left : sizeof s->window;
  s->window_at = at;
  s->have = s->next = 0;
  if (sg_pread(s->file->fd, s->file->path, s->window, at, n, err)) return -1;
  s->have = n;
  return 0;
}

int stream_get(ByteStream *s, void *to, size_t size, const char *what, surgery_error *err) {
  if (size > stream_left(s)) {
    return sg_fail(err, SURGERY_BAD_INPUT, "%s: byte %llu: ends inside %s (%zu bytes are needed, %llu are left)",
                   s->file->path, ULL(stream_at(s)), what, size, ULL(stream_left(s)));
  }
  unsigned char *at = to;
  while (size > 0) {
    if (s->next == s->have && size >= sizeof s->window) { /* large: past the window, straight to its place */
      if (sg_pread(s->file->fd, s->file->path, at, stream_at(s), size, err)) return -1;
      s->window_at = stream_at(s) + size;
      s->have = s->next = 0;
      return 0;
    }
    if (s->next == s->have && refill(s, err)) return -1;
    size_t n = s->have - s->next < size ? s->have - s->next : size;
    memcpy(at, s->window + s->next, n);
    s->next += n;
    at += n;
    size -= n;
  }
  return 0;
}
