/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that text (n bytes) begins with; 0: none, or not UTF-8. */
int utf8_length(const char *text, size_t n);
/* Writes one character, 1 to 4 bytes; returns how many. */
int utf8_put(uint32_t code, char *out);
/* Columns of a terminal that a text takes: its characters; a byte that is not UTF-8 counts one. */
int utf8_columns(const char *text);

#endif
