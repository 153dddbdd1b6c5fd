#include "ctl/json.h"

#include <stdio.h>

static void put_text(const char *text)
{
    putchar('"');
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20)
            printf("\\u%04x", (unsigned)*p);
        else if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else
            putchar(*p);
    }
    putchar('"');
}

static void begin(struct json *j, const char *name)
{
    if (j->filled)
        putchar(',');
    if (name) {
        put_text(name);
        putchar(':');
    }
    j->filled = true;
}

void json_open(struct json *j, const char *name, char bracket)
{
    begin(j, name);
    putchar(bracket);
    j->depth++;
    j->filled = false;
}

void json_close(struct json *j, char bracket)
{
    putchar(bracket);
    j->filled = true;
    if (--j->depth == 0)
        putchar('\n');
}

void json_u64(struct json *j, const char *name, uint64_t value)
{
    begin(j, name);
    printf("%llu", (unsigned long long)value);
}

void json_text(struct json *j, const char *name, const char *text)
{
    begin(j, name);
    put_text(text);
}

void json_bool(struct json *j, const char *name, bool value)
{
    begin(j, name);
    fputs(value ? "true" : "false", stdout);
}
