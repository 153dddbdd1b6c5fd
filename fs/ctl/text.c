#include "ctl/text.h"

#include <stdlib.h>
#include <unistd.h>

static void print_byte(FILE *to, uint8_t byte)
{
    if (byte == '\n')
        fputs("\\n", to);
    else if (byte == '\t')
        fputs("\\t", to);
    else
        fprintf(to, "\\%03o", (unsigned)byte);
}

/* Bytes of the character that begins at p, at most `left`; 0: none does, or a control character. */
static size_t character_bytes(const uint8_t *p, size_t left)
{
    static const uint32_t least[] = {0, 0x20, 0xa0, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);
    if (n > left || (*p >= 0x80 && *p < 0xc0) || *p >= 0xf8)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    bool is_one = c >= least[n] && c != 0x7f && (c < 0xd800 || c > 0xdfff) && c <= 0x10ffff;
    return is_one ? n : 0;
}

void text_print(FILE *to, struct slice text)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = character_bytes(text.p + i, text.n - i);
        if (n > 0)
            fwrite(text.p + i, 1, n, to);
        else
            print_byte(to, text.p[i++]);
        i += n;
    }
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
