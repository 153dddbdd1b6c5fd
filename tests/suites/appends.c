#include "suites/appends.h"

#include <inttypes.h>
#include <string.h>

#include "suites/clerk.h"
#include "suites/suite.h"

const char *append_element(size_t client, size_t j)
{
    return text("x %zu %zu y", client, j);
}

/* Where `part` begins, at or after `from`; NULL: nowhere. */
static const uint8_t *find(struct slice whole, size_t from, struct slice part)
{
    return memmem(whole.p + from, whole.n - from, part.p, part.n);
}

bool slice_contains(struct slice whole, struct slice part)
{
    return part.n == 0 || (whole.n > 0 && find(whole, 0, part) != NULL);
}

void appends_check(struct slice value, size_t client, size_t count)
{
    size_t from = 0;
    for (size_t j = 0; j < count; j++) {
        struct slice element = slice_str(append_element(client, j));
        const uint8_t *at = value.n > 0 ? find(value, 0, element) : NULL;
        check(at != NULL, "element %zu of client %zu is missing", j, client);
        size_t position = (size_t)(at - value.p);
        check(position >= from, "element %zu of client %zu stands before the last one", j, client);
        check(find(value, position + 1, element) == NULL, "element %zu of client %zu stands twice",
              j, client);
        from = position;
    }
}

void random_letters(struct buffer *to, size_t letters)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    buffer_clear(to);
    for (size_t i = 0; i < letters; i++)
        buffer_put_u8(to, (uint8_t)alphabet[suite_random_below(sizeof alphabet - 1)]);
}

const char *random_decimal(void)
{
    return text("%" PRIu64, suite_random_below(1ull << 31));
}

static uint32_t fnv_1a(uint32_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        hash = (hash ^ bytes.p[i]) * 16777619u;
    return hash;
}

void put_hash_on(struct buffer *old, struct slice value)
{
    uint32_t hash = fnv_1a(fnv_1a(2166136261u, buffer_slice(old)), value);
    buffer_set(old, slice_str(text("%" PRIu32, hash)));
}
