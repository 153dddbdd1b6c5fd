/* Names of the root: the key itself, with the few escapes that a file name needs.
 *
 *   in the key             in the name
 *   '/'                    %2F
 *   0                      %00
 *   the whole key "."      %2E
 *   the whole key ".."     %2E%2E
 *   % 25* 2F, % 25* 00     the same with one more 25 (so that it does not read as an escape)
 *   the whole key % 25* 2E or % 25* 2E%2E: likewise
 *
 * where 25* is any number of "25", none included. Decoding undoes exactly this, so names and keys
 * correspond one to one, and "100%", "%41" and "a%25b" are themselves.
 */
#include "tree/tree.h"

#include <string.h>

struct escape {
    size_t bytes;   /* of the whole "%25*XX"; 0: there is none here */
    size_t guards;  /* how many "25" it has */
    uint8_t stands; /* for this byte, where guards = 0 */
};

static bool starts(const uint8_t *p, size_t n, const char *text)
{
    return n >= strlen(text) && memcmp(p, text, strlen(text)) == 0;
}

/* The escape that begins at p. whole: p is the start of a whole key or name, so dots count too. */
static struct escape escape_at(const uint8_t *p, size_t n, bool whole)
{
    struct escape none = {0, 0, 0}, found = {0, 0, 0};
    size_t at = 1;
    if (n < 3 || p[0] != '%')
        return none;
    for (; starts(p + at, n - at, "25"); at += 2)
        found.guards++;
    found.bytes = at + 2;
    if (starts(p + at, n - at, "2F")) {
        found.stands = '/';
        return found;
    }
    if (starts(p + at, n - at, "00"))
        return found;
    bool dots = whole && starts(p + at, n - at, "2E") &&
                (n == at + 2 || (n == at + 5 && starts(p + at + 2, 3, "%2E")));
    found.stands = '.';
    return dots ? found : none;
}

struct name_writer {
    char *to;
    size_t n;
    bool full;
};

static void put(struct name_writer *w, const void *bytes, size_t n)
{
    w->full |= w->n + n > TREE_NAME_BYTES_MAX;
    if (w->full)
        return;
    memcpy(w->to + w->n, bytes, n);
    w->n += n;
}

bool tree_name_of_key(struct slice key, char name[TREE_NAME_BYTES_MAX + 1])
{
    struct name_writer w = {name, 0, false};
    bool dots = slice_equal(key, slice_str(".")) || slice_equal(key, slice_str(".."));
    if (key.n == 0 || key.n > TREE_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == '/')
            put(&w, "%2F", 3);
        else if (key.p[i] == 0)
            put(&w, "%00", 3);
        else if (dots)
            put(&w, "%2E", 3);
        else if (escape_at(key.p + i, key.n - i, i == 0).bytes > 0)
            put(&w, "%25", 3);
        else
            put(&w, key.p + i, 1);
    }
    if (w.full)
        return false;
    name[w.n] = 0;
    return true;
}

/* Is this the name of the key "." or ".."? */
static size_t dots_of(struct slice name)
{
    if (slice_equal(name, slice_str("%2E")))
        return 1;
    return slice_equal(name, slice_str("%2E%2E")) ? 2 : 0;
}

int tree_key_of_name(struct slice name, uint8_t *key, size_t *bytes)
{
    if (name.n == 0 || memchr(name.p, '/', name.n) || memchr(name.p, 0, name.n))
        return SF_INVALID;
    if (name.n > TREE_NAME_BYTES_MAX)
        return SF_NAME_TOO_LONG;
    size_t n = dots_of(name);
    memset(key, '.', n);
    for (size_t i = n > 0 ? name.n : 0; i < name.n;) {
        struct escape escape = escape_at(name.p + i, name.n - i, i == 0);
        if (escape.bytes == 0) {
            key[n++] = name.p[i++];
        } else if (escape.guards == 0) {
            key[n++] = escape.stands;
            i += escape.bytes;
        } else {
            key[n++] = '%'; /* one "25" is dropped, the rest stays as it is */
            memcpy(key + n, name.p + i + 3, escape.bytes - 3);
            n += escape.bytes - 3;
            i += escape.bytes;
        }
    }
    *bytes = n;
    return SF_OK;
}
