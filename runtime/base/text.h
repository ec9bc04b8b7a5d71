/* Text from outside, made safe to print. */
#ifndef SURGERY_BASE_TEXT_H
#define SURGERY_BASE_TEXT_H
/* A folder may be called anything, and a weight file may hold anything as a name. What is not UTF-8 or a control
 * character becomes U+FFFD, there and here: files keep texts in UTF-8, and names are printed. malloc; NULL: no memory.
 */
char *text_clean_name(const char *name);
#endif
