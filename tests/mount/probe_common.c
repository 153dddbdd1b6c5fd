#include "mount/probe.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void probe_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("mount_probe: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void probe_must(int ok, const char *what)
{
    if (!ok)
        probe_fail("%s: %s", what, strerror(errno));
}

const char *probe_path(const char *directory, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return path;
}

unsigned probe_number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (end == text || *end || n > UINT_MAX)
        probe_fail("'%s' is not a number", text);
    return (unsigned)n;
}
