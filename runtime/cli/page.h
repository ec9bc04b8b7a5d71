/* A page of text with places for values, see page.c. */
#ifndef SURGERY_CLI_PAGE_H
#define SURGERY_CLI_PAGE_H
#include <jansson.h>
#include <stdio.h>
void page_fill(FILE *out, const char *page, const json_t *values);
#endif
