#include "ctl/text.h"

#include <stdlib.h>
#include <unistd.h>

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

void text_print_name(struct slice name)
{
    if (isatty(STDOUT_FILENO))
        text_print(stdout, name);
    else
        fwrite(name.p, 1, name.n, stdout);
}

void text_of_bytes(uint64_t bytes, char out[TEXT_BYTES_MAX])
{
    static const char units[] = "KMGTPE";
    uint64_t unit = 1024;
    size_t i = 0;
    if (bytes < unit) {
        snprintf(out, TEXT_BYTES_MAX, "%llu", (unsigned long long)bytes);
        return;
    }
    while (i + 2 < sizeof units && (bytes - 1) / unit >= 1023) {
        unit *= 1024;
        i++;
    }
    uint64_t tenths = bytes / unit * 10 + (bytes % unit * 10 + unit - 1) / unit;
    if (tenths < 100)
        snprintf(out, TEXT_BYTES_MAX, "%u.%u%c", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                 units[i]);
    else
        snprintf(out, TEXT_BYTES_MAX, "%llu%c",
                 (unsigned long long)(bytes / unit + (bytes % unit > 0)), units[i]);
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
