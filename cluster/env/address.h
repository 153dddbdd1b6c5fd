/* HOST:PORT, the one form in which the cluster writes addresses. HOST is a name, an IPv4 address,
 * or an IPv6 address in brackets. */
#ifndef ENV_ADDRESS_H
#define ENV_ADDRESS_H

#include <stdint.h>

#include "env/assert.h"
#include "shardfs/limits.h"

struct address {
    char host[SF_ADDRESS_BYTES_MAX]; /* without brackets */
    uint16_t port;
};

/* SF_ADDRESS, with *out untouched. */
SF_MUST_CHECK int address_parse(const char *text, struct address *out);

#endif
