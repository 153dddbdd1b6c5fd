/* A hand-off that forgets completion records: what was done before the shard moved is done again
 * when it is asked for again. */
#include "env/memory.h"
#include "seeded/seeded.h"
#include "shardkv/keys.h"
#include "shardkv/shards_inside.h"

SEEDED_WRAP(copy_read);

static void drop_completions(struct buffer *pairs)
{
    struct buffer kept = {0};
    struct reader r = reader_of(buffer_slice(pairs));
    while (!reader_done(&r)) {
        struct slice key = reader_slice(&r, KEYS_BYTES_MAX);
        struct slice value = reader_slice(&r, SF_MESSAGE_BYTES_MAX);
        sf_assert(reader_ok(&r));
        if (key.n > 0 && key.p[0] == 'c')
            continue;
        buffer_put_slice(&kept, key);
        buffer_put_slice(&kept, value);
    }
    buffer_set(pairs, buffer_slice(&kept));
    buffer_deinit(&kept);
}

int __wrap_copy_read(const struct space *space, const struct row *row, struct slice cursor,
                     size_t bytes_max, struct buffer *pairs, struct buffer *to, bool *last)
{
    int status = __real_copy_read(space, row, cursor, bytes_max, pairs, to, last);
    drop_completions(pairs);
    return status;
}
