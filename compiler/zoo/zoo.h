/* The texts of the built-in models, as zoo/embed.sh puts them into the compiler. */
#ifndef SURGERY_ZOO_H
#define SURGERY_ZOO_H
struct ZooSource {
  const char *path, *text; /* "<zoo>/resnet.surgery" */
};
extern const struct ZooSource zoo_sources[]; /* ended by path == NULL */
#endif
