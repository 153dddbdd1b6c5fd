#include <string.h>

#include "router/inner.h"

static size_t part_count(const char *text)
{
    size_t count = 1;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

int router_parse_addresses(const char *text, char ***out, size_t *count, const char **bad)
{
    size_t parts = part_count(text), made = 0;
    char **addresses = sf_calloc(parts, sizeof *addresses);
    const char *at = text;
    for (; made < parts; made++) {
        size_t n = strcspn(at, ",");
        if (n >= SF_ADDRESS_BYTES_MAX)
            goto fail;
        char *address = addresses[made] = sf_calloc(1, n + 1);
        memcpy(address, at, n);
        if (!env_address_is_valid(address)) {
            made++;
            goto fail;
        }
        at += n + 1;
    }
    *out = addresses;
    *count = parts;
    return SF_OK;
fail:
    while (made > 0)
        free(addresses[--made]);
    free(addresses);
    if (bad)
        *bad = at;
    return SF_ADDRESS;
}
