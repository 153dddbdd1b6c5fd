#include "ctl/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/text.h"

static bool shown;

void progress_show(const char *format, ...)
{
    if (!isatty(STDERR_FILENO))
        return;
    va_list args;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    text_vprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    shown = true;
}

void progress_end(void)
{
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}
