/* Workers with a long value each. Its bytes are those of a stream that a number stands for, then
 * perhaps those of another one, so that whatever comes back can be compared byte by byte. After an
 * operation whose outcome is open the whole value is written anew. */
#include <inttypes.h>
#include <stdio.h>

#include "storm/load_inside.h"

#define PUT_BYTES_MAX (5u << 19)
#define APPEND_BYTES_MAX (1u << 20)
#define READ_BYTES_MAX (1u << 20)

/* -- streams ------------------------------------------------------------------------------- */

static uint8_t byte_of(uint64_t seed, uint64_t at)
{
    uint64_t mixed = (seed ^ at >> 3) * 0x9e3779b97f4a7c15u;
    return (uint8_t)(mixed >> 32 >> (at & 7));
}

static uint8_t expected(const struct large *large, uint64_t at)
{
    if (at < large->bytes)
        return byte_of(large->seed, at);
    return byte_of(large->appended, at - large->bytes);
}

static struct slice make_stream(struct large *large)
{
    buffer_clear(&large->data);
    uint8_t *to = buffer_grow(&large->data, large->new_bytes);
    for (uint64_t i = 0; i < large->new_bytes; i++)
        to[i] = byte_of(large->new_seed, i);
    return buffer_slice(&large->data);
}

/* -- answers ------------------------------------------------------------------------------- */

static uint64_t length_of(const struct large *large)
{
    return large->bytes + large->appended_bytes;
}

static void check_bytes(const struct large *large, uint64_t offset, struct slice data)
{
    uint64_t length = length_of(large), left = offset < length ? length - offset : 0;
    uint64_t asked = large->call.length;
    sf_assert(data.n == (asked != 0 && asked < left ? asked : left));
    for (size_t i = 0; i < data.n; i++)
        sf_assert(data.p[i] == expected(large, offset + i));
}

static void note_change(struct large *large)
{
    if (large->kind == VALUE_PUT) {
        large->seed = large->new_seed;
        large->bytes = large->new_bytes;
        large->appended_bytes = 0;
    } else if (large->kind == VALUE_APPEND) {
        sf_assert(large->call.old_length == length_of(large));
        large->appended = large->new_seed;
        large->appended_bytes = large->new_bytes;
    } else if (large->kind == VALUE_TRUNCATE) {
        large->bytes = large->new_bytes;
    }
    large->known = true;
}

static void on_done(struct value_call *call, int status, const struct kv_stat *stat,
                    struct slice data)
{
    struct large *large = container_of(call, struct large, call);
    struct worker *w = container_of(large, struct worker, large);
    (void)stat;
    bool reads = large->kind == VALUE_READ;
    if (reads && status == SF_OK)
        check_bytes(large, call->offset, data);
    else if (status == SF_OK)
        note_change(large);
    else if (!reads)
        large->known = false;
    sf_assert(status == SF_OK || status == SF_UNKNOWN || status == SF_TIMEOUT ||
              status == SF_NO_SPACE);
    w->load->answered += status == SF_OK;
    worker_done(w);
}

/* -- acting -------------------------------------------------------------------------------- */

static void submit(struct worker *w, enum value_kind kind)
{
    struct large *large = &w->large;
    snprintf(w->key, sizeof w->key, "%u", 1000 + w->number + w->large.keys_left * LOAD_WORKERS_MAX);
    large->kind = kind;
    large->call.on_done = on_done;
    large->call.kind = kind;
    large->call.key = slice_str(w->key);
    large->call.timeout_ms = worker_timeout_ms(w);
    w->busy = true;
    value_submit(w->client->client, &large->call);
}

static void begin_write(struct worker *w, enum value_kind kind, uint64_t bytes_max)
{
    struct large *large = &w->large;
    large->new_seed = w->client->life << 32 | ++w->count;
    large->new_bytes = 1 + worker_random(w, bytes_max);
    large->call = (struct value_call){.data = make_stream(large)};
    submit(w, kind);
}

static void begin_read(struct worker *w)
{
    struct large *large = &w->large;
    large->call = (struct value_call){.offset = worker_random(w, length_of(large) + 1),
                                      .length = 1 + worker_random(w, READ_BYTES_MAX)};
    submit(w, VALUE_READ);
}

static void begin_cut(struct worker *w)
{
    struct large *large = &w->large;
    large->new_bytes = worker_random(w, large->bytes + 1);
    large->call = (struct value_call){.length = large->new_bytes};
    submit(w, VALUE_TRUNCATE);
}

static void act(struct worker *w)
{
    const struct large *large = &w->large;
    uint64_t what = worker_random(w, 8);
    if (!large->known || what == 0)
        begin_write(w, VALUE_PUT, PUT_BYTES_MAX);
    else if (what == 1 && large->appended_bytes == 0)
        begin_write(w, VALUE_APPEND, APPEND_BYTES_MAX);
    else if (what == 2 && large->appended_bytes == 0)
        begin_cut(w);
    else
        begin_read(w);
}

/* What nobody knows is not read. */
static void check(struct worker *w)
{
    if (!w->large.known)
        return;
    w->large.call = (struct value_call){.length = length_of(&w->large) + 1};
    submit(w, VALUE_READ);
}

const struct role load_large = {.pause_ms = 3000, .act = act, .check = check};
