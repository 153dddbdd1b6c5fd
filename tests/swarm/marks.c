#include "swarm/marks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "env/mark.h"
#include "env/memory.h"

/* The linker's: where the section of the pointers begins and ends. */
extern struct sf_mark *const __start_sf_marks[], *const __stop_sf_marks[];

size_t marks_count(void)
{
    return (size_t)(__stop_sf_marks - __start_sf_marks);
}

void marks_add(uint64_t *counts)
{
    for (size_t i = 0; i < marks_count(); i++)
        counts[i] += atomic_load(&__start_sf_marks[i]->count);
}

struct line {
    const char *text;
    uint64_t count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

size_t marks_print(FILE *to, const uint64_t *counts)
{
    size_t count = marks_count(), never = 0;
    struct line *lines = sf_calloc(count, sizeof *lines);
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct line){__start_sf_marks[i]->text, counts[i]};
    qsort(lines, count, sizeof *lines, by_text);
    for (size_t i = 0; i < count; i++) {
        if (to != NULL)
            fprintf(to, "%10" PRIu64 "  %s%s\n", lines[i].count, lines[i].text,
                    lines[i].count == 0 ? "   <- never reached" : "");
        never += lines[i].count == 0;
    }
    free(lines);
    return never;
}
