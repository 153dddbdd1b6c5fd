/* Workers of several clients that append records to one long value, which one of them cuts now and
 * then behind a record of its own. In the end each record that was answered is there, once, whole,
 * and where the answer said, unless a cut may have met it; one that was refused is not; and there is
 * nothing else. Meanwhile they read back what they wrote. */
#include "env/mark.h"
#include "storm/load_inside.h"

#define LOG_KEY "2000"
#define RECORD_MARK 0x6c6f6721u
#define HEADER_BYTES 12u /* u32 mark, number, bytes of the whole record */
#define SMALL_BYTES_MAX 2000u
#define LARGE_BYTES_MAX 200000u

/* -- records ------------------------------------------------------------------------------- */

static uint8_t fill_of(uint32_t number, size_t at)
{
    return (uint8_t)((number * 2654435761u) >> 24 ^ at * 31);
}

static struct slice make_record(struct buffer *to, uint32_t number, uint32_t bytes)
{
    buffer_clear(to);
    buffer_put_u32(to, RECORD_MARK);
    buffer_put_u32(to, number);
    buffer_put_u32(to, bytes);
    for (size_t i = HEADER_BYTES; i < bytes; i++)
        buffer_put_u8(to, fill_of(number, i));
    return buffer_slice(to);
}

/* The record at the beginning of what is left. */
static struct logged *take_record(struct log *log, struct slice *rest)
{
    struct reader r = reader_of(*rest);
    uint32_t mark = reader_u32(&r), number = reader_u32(&r), bytes = reader_u32(&r);
    sf_assert(mark == RECORD_MARK && number < log->count);
    struct logged *logged = &log->records[number];
    sf_assert(bytes == logged->bytes && bytes <= rest->n);
    for (size_t i = HEADER_BYTES; i < bytes; i++)
        sf_assert(rest->p[i] == fill_of(number, i));
    *rest = slice_of(rest->p + bytes, rest->n - bytes);
    return logged;
}

static void check_all(struct log *log, struct slice data)
{
    if (data.n > SF_VALUE_BYTES_MAX)
        SF_MARK("swarm: a log of several extents is whole");
    for (struct slice rest = data; rest.n > 0;) {
        uint64_t at = data.n - rest.n;
        struct logged *logged = take_record(log, &rest);
        sf_assert(!logged->seen && logged->fate != LOGGED_NEVER);
        sf_assert(logged->fate != LOGGED_DONE || logged->at == at);
        logged->seen = true;
    }
    for (size_t i = 0; i < log->count; i++) {
        const struct logged *logged = &log->records[i];
        sf_assert(logged->seen || logged->fate != LOGGED_DONE || logged->may_be_cut);
    }
}

/* -- answers ------------------------------------------------------------------------------- */

static void note_append(struct log *log, struct logged *logged, const struct value_call *call,
                        int status)
{
    if (status == SF_TIMEOUT)
        logged->fate = LOGGED_NEVER;
    if (status != SF_OK)
        return;
    logged->fate = LOGGED_DONE;
    logged->at = call->old_length;
    logged->may_be_cut |= log->cut_count != logged->cut_count;
}

/* A cut whose outcome is open may come yet: it stays under way. */
static void note_cut(struct log *log, const struct value_call *call, int status)
{
    if (status == SF_OK && call->length > SF_VALUE_BYTES_MAX)
        SF_MARK("swarm: a log was cut in an extent");
    log->cuts = status != SF_OK && status != SF_TIMEOUT;
}

static void check_read(struct log *log, const struct logged *logged, struct slice data)
{
    if (logged->fate != LOGGED_DONE || logged->may_be_cut)
        return;
    sf_assert(take_record(log, &data) == logged && data.n == 0);
}

static void on_done(struct value_call *call, int status, const struct kv_stat *stat,
                    struct slice data)
{
    struct worker *w = container_of(container_of(call, struct large, call), struct worker, large);
    struct log *log = &w->load->log;
    (void)stat;
    sf_assert(status == SF_OK || status == SF_UNKNOWN || status == SF_TIMEOUT ||
              status == SF_NO_SPACE || (status == SF_NOT_FOUND && call->kind == VALUE_GET));
    if (call->kind == VALUE_APPEND)
        note_append(log, &log->records[w->logged], call, status);
    else if (call->kind == VALUE_TRUNCATE)
        note_cut(log, call, status);
    else if (call->kind == VALUE_GET)
        check_all(log, status == SF_OK ? data : slice_of(NULL, 0));
    else if (status == SF_OK)
        check_read(log, &log->records[w->logged], data);
    w->load->answered += status == SF_OK;
    worker_done(w);
}

/* -- acting -------------------------------------------------------------------------------- */

static void submit(struct worker *w, struct value_call call)
{
    call.on_done = on_done;
    call.key = slice_str(LOG_KEY);
    w->large.call = call;
    w->busy = true;
    value_submit(w->client->client, &w->large.call);
}

static void begin_append(struct worker *w)
{
    struct log *log = &w->load->log;
    uint64_t most = worker_random(w, 4) == 0 ? LARGE_BYTES_MAX : SMALL_BYTES_MAX;
    uint32_t bytes = HEADER_BYTES + (uint32_t)worker_random(w, most);
    w->logged = (uint32_t)log->count;
    log->records[log->count++] =
        (struct logged){.bytes = bytes, .may_be_cut = log->cuts, .cut_count = log->cut_count};
    submit(w, (struct value_call){.kind = VALUE_APPEND,
                                  .data = make_record(&w->data, w->logged, bytes),
                                  .timeout_ms = worker_timeout_ms(w)});
}

static void begin_read(struct worker *w, const struct logged *logged)
{
    submit(w, (struct value_call){.kind = VALUE_READ,
                                  .offset = logged->at,
                                  .length = logged->bytes,
                                  .timeout_ms = worker_timeout_ms(w)});
}

/* Behind this record, which nobody else cuts away. */
static void begin_cut(struct worker *w, const struct logged *logged)
{
    struct log *log = &w->load->log;
    uint64_t cut_at = logged->at + logged->bytes;
    log->cuts = true;
    log->cut_count++;
    for (size_t i = 0; i < log->count; i++)
        if (log->records[i].fate == LOGGED_DONE && log->records[i].at >= cut_at)
            log->records[i].may_be_cut = true;
    submit(w, (struct value_call){
                  .kind = VALUE_TRUNCATE, .length = cut_at, .timeout_ms = worker_timeout_ms(w)});
}

static void act(struct worker *w)
{
    struct log *log = &w->load->log;
    const struct logged *last = &log->records[w->logged];
    bool is_there = last->fate == LOGGED_DONE && !last->may_be_cut;
    if (is_there && w == log->cutter && !log->cuts && worker_random(w, 8) == 0)
        begin_cut(w, last);
    else if (log->count == LOG_RECORDS_MAX || (is_there && worker_random(w, 3) == 0))
        begin_read(w, last);
    else
        begin_append(w);
}

static void check(struct worker *w)
{
    if (w == w->load->log.cutter)
        submit(w, (struct value_call){.kind = VALUE_GET});
}

const struct role load_log = {.pause_ms = 1000, .act = act, .check = check};
