/* Packing: what kernels take is derived from the weights once they have changed. Where the network was opened to
 * evaluate, each call of pack() reads its tensors from the file into one room for all. Called by net.c, and by
 * generated code. */
#include <stdlib.h>
#include <string.h>
#include "runtime/base/error.h"
#include "runtime/net/net.h"
#include "runtime/base/pages.h"

typedef struct NetSource {
  surgery_weights *file;
  unsigned char *room; /* for the tensors of any one call, as they lie in the weights */
  surgery_weights_part *parts;
  bool failed;
  surgery_error why;
} NetSource;

static int64_t end_of(const ManifestTensor *t) { return t->offset + t->shape.count * (t->i64 ? 8 : 4); }

/* The bytes of the weights between which a call's tensors lie; the first of them on a 64-byte boundary. */
static void span(const Manifest *m, const ManifestReads *reads, int64_t *begin, int64_t *end) {
  *begin = reads->count ? INT64_MAX : 0, *end = 0;
  for (size_t i = 0; i < reads->count; i++) {
    const ManifestTensor *t = &m->tensors[reads->tensors[i]];
    if (t->offset / 64 * 64 < *begin) *begin = t->offset / 64 * 64;
    if (end_of(t) > *end) *end = end_of(t);
  }
}

int net_source_open(surgery_net *net, surgery_weights *file, surgery_error *err) {
  const Manifest *m = net->manifest;
  NetSource *s = calloc(1, sizeof *s);
  int64_t most = 0, begin, end;
  size_t tensors = 0;
  for (size_t i = 0; i < m->pack_call_count; i++) {
    span(m, &m->pack_reads[i], &begin, &end);
    if (end - begin > most) most = end - begin;
    if (m->pack_reads[i].count > tensors) tensors = m->pack_reads[i].count;
  }
  if (s) s->room = sg_pages_new(most), s->parts = calloc(tensors + 1, sizeof *s->parts);
  if (s && s->room && s->parts) {
    s->file = file;
    net->source = s;
    return 0;
  }
  if (s) sg_pages_free(s->room), free(s->parts), free(s);
  return sg_fail(err, SURGERY_ENVIRONMENT, "no memory for %lld bytes of weights", (long long)most);
}

void net_source_close(surgery_net *net) {
  NetSource *s = net->source;
  if (!s) return;
  surgery_weights_close(s->file);
  sg_pages_free(s->room), free(s->parts), free(s);
  net->source = NULL;
}

/* After a failure the calls go on with whatever lies there: net_pack reports it when they are done. */
void *sg_pack_weights(const sg_run *run, int64_t call) {
  const surgery_net *net = run->owner ? run->owner->net : NULL;
  NetSource *s = net ? net->source : NULL;
  if (!s || s->failed) return run->weights;
  const Manifest *m = net->manifest;
  if (call < 0 || (size_t)call >= m->pack_call_count) {
    s->failed = true;
    sg_fail(&s->why, SURGERY_BAD_INPUT, "the network's pack has more calls than its manifest tells");
    return run->weights;
  }
  const ManifestReads *reads = &m->pack_reads[call];
  int64_t begin, end;
  size_t count = 0;
  span(m, reads, &begin, &end);
  for (size_t i = 0; i < reads->count; i++) {
    const ManifestTensor *t = &m->tensors[reads->tensors[i]];
    const surgery_tensor *have = surgery_weights_find(s->file, t->name);
    void *to = s->room + (t->offset - begin);
    if (have) s->parts[count++] = (surgery_weights_part){have, t->i64 ? NULL : to, t->i64 ? to : NULL, t->shape.count};
    else memset(to, 0, (size_t)(end_of(t) - t->offset));
  }
  s->failed = surgery_weights_read_all(s->file, s->parts, count, &s->why) != 0;
  return (unsigned char *)s->room - begin;
}

int net_pack(surgery_net *net, surgery_error *err) {
  if (!net->packed_stale) return 0;
  if (net->network->pack) {
    int64_t threads = sg_threads();
    if (net_reserve_arena(net, &(NetRun){NET_PACK, .n = 1}, threads, err)) return -1;
    net->network->pack(&(sg_run){.weights = net->weights,
                                 .packed = net->packed,
                                 .arena = net->arena,
                                 .n = 1,
                                 .rng = net->rng,
                                 .threads = threads,
                                 .owner = &(sg_owner){.net = net}});
  }
  if (net->source && net->source->failed) {
    if (err) *err = net->source->why;
    net->source->failed = false;
    return -1;
  }
  net_source_close(net);
  net->packed_stale = false;
  return 0;
}
