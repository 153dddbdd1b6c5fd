#include "ctl/text.h"

#include <stdlib.h>

static void print_byte(FILE *to, uint8_t byte)
{
    if (byte == '\n')
        fputs("\\n", to);
    else if (byte == '\t')
        fputs("\\t", to);
    else if (byte < 0x20 || byte == 0x7f)
        fprintf(to, "\\%03o", (unsigned)byte);
    else
        putc(byte, to);
}

void text_print(FILE *to, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        print_byte(to, text.p[i]);
}

void text_vprintf(FILE *to, const char *format, va_list args)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    sf_assert(memory);
    vfprintf(memory, format, args);
    fclose(memory);
    text_print(to, slice_of((const uint8_t *)text, size));
    free(text);
}
