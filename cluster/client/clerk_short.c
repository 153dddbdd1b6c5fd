/* The blocking calls by name: each is one request of clerk_do. */
#include "shardfs/clerk.h"

int clerk_get(struct clerk *clerk, struct clerk_bytes key, struct clerk_result *result)
{
    return clerk_do(clerk, &(struct clerk_request){.kind = CLERK_GET, .key = key}, result);
}

int clerk_get_range(struct clerk *clerk, struct clerk_bytes key, uint64_t offset, uint64_t length,
                    struct clerk_result *result)
{
    struct clerk_request request = {
        .kind = CLERK_GET_RANGE, .key = key, .offset = offset, .length = length};
    return clerk_do(clerk, &request, result);
}

int clerk_stat(struct clerk *clerk, struct clerk_bytes key, struct clerk_stat *stat)
{
    struct clerk_result result;
    int status = clerk_do(clerk, &(struct clerk_request){.kind = CLERK_STAT, .key = key}, &result);
    if (stat)
        *stat = result.stat;
    clerk_result_free(&result);
    return status;
}

int clerk_put(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value)
{
    struct clerk_request request = {.kind = CLERK_PUT, .key = key, .data = value};
    return clerk_do(clerk, &request, NULL);
}

int clerk_append(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value,
                 struct clerk_result *result)
{
    struct clerk_request request = {.kind = CLERK_APPEND, .key = key, .data = value};
    return clerk_do(clerk, &request, result);
}

int clerk_put_hash(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value,
                   struct clerk_result *result)
{
    struct clerk_request request = {.kind = CLERK_PUT_HASH, .key = key, .data = value};
    return clerk_do(clerk, &request, result);
}

int clerk_set_range(struct clerk *clerk, struct clerk_bytes key, uint64_t offset,
                    struct clerk_bytes value)
{
    struct clerk_request request = {
        .kind = CLERK_SET_RANGE, .key = key, .data = value, .offset = offset};
    return clerk_do(clerk, &request, NULL);
}

int clerk_set_length(struct clerk *clerk, struct clerk_bytes key, uint64_t length)
{
    struct clerk_request request = {.kind = CLERK_SET_LENGTH, .key = key, .length = length};
    return clerk_do(clerk, &request, NULL);
}

int clerk_delete(struct clerk *clerk, struct clerk_bytes key)
{
    return clerk_do(clerk, &(struct clerk_request){.kind = CLERK_DELETE, .key = key}, NULL);
}

int clerk_scan(struct clerk *clerk, struct clerk_bytes prefix, struct clerk_bytes after,
               uint32_t limit, struct clerk_result *result)
{
    struct clerk_request request = {
        .kind = CLERK_SCAN, .key = prefix, .data = after, .length = limit};
    return clerk_do(clerk, &request, result);
}

int clerk_put_if(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value,
                 struct clerk_condition condition, struct clerk_result *result)
{
    struct clerk_request request = {
        .kind = CLERK_PUT, .key = key, .data = value, .condition = condition};
    return clerk_do(clerk, &request, result);
}

int clerk_delete_if(struct clerk *clerk, struct clerk_bytes key, struct clerk_condition condition,
                    struct clerk_result *result)
{
    struct clerk_request request = {.kind = CLERK_DELETE, .key = key, .condition = condition};
    return clerk_do(clerk, &request, result);
}
