/* text: words from outside, on their way to a terminal or into a line: a control character in them
 * would move the cursor or break the line, and what is no UTF-8 may be one. */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdarg.h>
#include <stdio.h>

#include "env/assert.h"
#include "env/bytes.h"

/* As C writes it: \n, \t, and \ooo for the bytes of other control characters and for those that are no
 * UTF-8; all else as it is. */
void text_print(FILE *to, struct slice text);
/* A name, on standard output: likewise where that is a terminal, else as it is. */
void text_print_name(struct slice name);
/* The whole text that the format gives, likewise. */
void text_vprintf(FILE *to, const char *format, va_list args) SF_PRINTF(2, 0);

/* "0", "512", "1.4K", "23M": as du -h and df -h write them, rounded up. */
#define TEXT_BYTES_MAX 24u
void text_of_bytes(uint64_t bytes, char out[TEXT_BYTES_MAX]);

#endif
