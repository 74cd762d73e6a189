/* Numbers as text and back, the same in every locale. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT = 32 }; /* room for any number and its NUL */

/* The whole text must be one decimal number, without white space; a real must be finite ("1e309",
 * "nan" and "0x10" are refused), an integer must fit. *out is set only on success. */
bool number_real(const char *text, double *out);
bool number_int(const char *text, int64_t *out);

/* The shortest decimal that reads back as the same bits. Returns text. */
char *number_text(double r, char text[NUMBER_TEXT]);

#endif
