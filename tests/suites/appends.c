#include "suites/appends.h"

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
