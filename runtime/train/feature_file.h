/* The features of a data set in a file, so that the next training begins at once. What a file holds is used only where
 * everything that it was computed from is the same to the last byte: the frozen numbers, the compiled prefix, the
 * preprocessing, and the samples of each block. Used by feed.c. */
#ifndef SURGERY_FEATURE_FILE_H
#define SURGERY_FEATURE_FILE_H
#include "runtime/data/dataset.h"
#include "runtime/net/net.h"

typedef struct FeatureFile FeatureFile;

/* Where the features and the other things of a sample go: all by the sample's index. */
typedef struct FeaturePlaces {
  unsigned char *features; /* count × the phase's features_bytes */
  unsigned char *targets;  /* count × target_count × 4 */
  uint8_t *good;           /* 1 where there are features; blocks are good as a whole or not at all */
} FeaturePlaces;

/* Looks at the samples and into the file for them in `folder`, which is made where it is missing; fills the places of
 * the blocks, `block` samples each, that are still right. *note: NULL, or why others are computed anew (free it); no
 * file at all is no reason. NULL with *err: the folder cannot be used. */
FeatureFile *feature_file_open(const surgery_net *net, const ManifestPhase *phase, Dataset *set, const char *folder,
                               int64_t block, const FeaturePlaces *places, char **note, surgery_error *err);
const char *feature_file_path(const FeatureFile *file);
int64_t feature_file_right(const FeatureFile *file); /* samples whose features were read */
bool feature_file_wants(const FeatureFile *file);    /* there are others, that a file would keep */
/* All good blocks, those that were read and those computed since; whole or not at all. */
int feature_file_write(FeatureFile *file, const FeaturePlaces *places, surgery_error *err);
void feature_file_close(FeatureFile *file); /* NULL is fine */
#endif
