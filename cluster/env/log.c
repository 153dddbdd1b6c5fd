#include "env/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define LINE_BYTES_MAX 1024

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    return names[level];
}

/* One call for the whole line, so that lines of several threads do not mix. */
static void print_line(enum log_level level, const char *room, const char *text)
{
    struct timespec now;
    struct tm parts;
    char date[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    fprintf(stderr, "%s.%03ldZ %s %s: %s\n", date, now.tv_nsec / 1000000, level_name(level), room,
            text);
}

enum log_level log_level_min = LOG_LEVEL_INFO;
void (*log_sink)(enum log_level level, const char *room, const char *text) = print_line;

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    if (level < log_level_min)
        return;
    char text[LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_sink(level, room, text);
}
