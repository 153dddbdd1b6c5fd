/* json: printing JSON to standard output, with commas and quotes in the right places. */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct json {
    unsigned depth;
    bool filled; /* something stands before on this level */
};

/* name: NULL within an array or at the top. */
void json_open(struct json *j, const char *name, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket);                  /* '}' or ']' */
void json_u64(struct json *j, const char *name, uint64_t value);
void json_text(struct json *j, const char *name, const char *text);
void json_bool(struct json *j, const char *name, bool value);

#endif
