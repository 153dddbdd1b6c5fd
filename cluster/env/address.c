#include "env/address.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "shardfs/error.h"

#define PORT_DIGITS_MAX 5

static bool port_parse(const char *text, uint16_t *port)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > PORT_DIGITS_MAX || text[digits] != 0)
        return false;
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint32_t)(text[i] - '0');
    if (value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* A zone ("%eth0") may follow an IPv6 address, so '%' and letters are allowed there. */
static bool host_is_valid(const char *host, size_t n, bool bracketed)
{
    const char *others = bracketed ? ":.%" : ".-_";
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)host[i]) && strchr(others, host[i]) == NULL)
            return false;
    }
    return n > 0;
}

int address_parse(const char *text, struct address *out)
{
    size_t length = strnlen(text, SF_ADDRESS_BYTES_MAX);
    const char *colon = strrchr(text, ':');
    uint16_t port;
    if (length >= SF_ADDRESS_BYTES_MAX || colon == NULL || !port_parse(colon + 1, &port))
        return SF_ADDRESS;

    const char *host = text;
    size_t n = (size_t)(colon - text);
    bool bracketed = n >= 2 && text[0] == '[' && colon[-1] == ']';
    if (bracketed) {
        host++;
        n -= 2;
    }
    if (!host_is_valid(host, n, bracketed))
        return SF_ADDRESS;

    memcpy(out->host, host, n);
    out->host[n] = 0;
    out->port = port;
    return SF_OK;
}
