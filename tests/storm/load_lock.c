/* Workers on clients of their own that lock ranges of a few keys, and change what the locks guard. In a
 * round a worker, under a name that nobody had before, takes locks, waits for them, converts and tests
 * them, writes, and gives all back. The witness judges every answer, so who was granted what and in
 * which order; and at each write, when it is executed, that its writer has the lock (kv_model.h). Here
 * only statuses are refused that cannot be.
 *
 * What a client believes: it has what it was granted and did not give back, until it is told that it
 * was fenced. It may be wrong about that; then nothing of what it does may have an effect. */
#include "env/mark.h"
#include "storm/load_inside.h"

#define FILES LOCK_FILES_MAX
#define PATIENCE_MS_MAX 3000u
#define PAUSE_MS_MAX 150u
#define STEPS_MAX 8u
#define TAG_FIRST 50u

static void step(struct worker *w);

static struct client *client_now(const struct worker *w)
{
    return w->client->client;
}

static void pause_for(struct worker *w)
{
    env_timer_start_ms(&w->locking.pause, worker_random(w, PAUSE_MS_MAX));
}

static void believe(struct locking *l, enum kv_lock_type type)
{
    for (unsigned i = l->first; i <= l->last; i++)
        l->has[l->file][i] = type;
}

static void on_pause(struct env_timer *timer)
{
    struct locking *l = container_of(timer, struct locking, pause);
    step(container_of(l, struct worker, locking));
}

static void on_patience(struct env_timer *timer)
{
    struct locking *l = container_of(timer, struct locking, patience);
    struct worker *w = container_of(l, struct worker, locking);
    if (worker_random(w, 6) > 0) {
        lock_leave(&l->call);
        return;
    }
    SF_MARK("swarm: who waits for a lock is forgotten");
    lock_drop(&l->call); /* what it gets all the same its client gives back */
    believe(l, KV_LOCK_NONE);
    l->unsure[l->file] = true;
    l->ends = true;
    pause_for(w);
}

void locking_boot(struct worker *w, struct env *env)
{
    env_timer_init(env, &w->locking.pause, on_pause);
    env_timer_init(env, &w->locking.patience, on_patience);
}

void locking_halt(struct worker *w)
{
    env_timer_stop(&w->locking.pause);
    env_timer_stop(&w->locking.patience);
}

/* -- what it believes to have -------------------------------------------------------------- */

static bool has_any(const struct locking *l, unsigned file)
{
    for (unsigned i = 0; i < KV_MODEL_LOCK_BYTES; i++)
        if (l->has[file][i] != KV_LOCK_NONE)
            return true;
    return false;
}

static bool has_any_at_all(const struct locking *l)
{
    for (unsigned file = 0; file < FILES; file++)
        if (has_any(l, file))
            return true;
    return false;
}

/* A byte that it has exclusively, from a random one on; false: none. */
static bool find_own(struct worker *w, unsigned *file, unsigned *byte)
{
    const struct locking *l = &w->locking;
    const unsigned all = FILES * KV_MODEL_LOCK_BYTES;
    unsigned from = (unsigned)worker_random(w, all);
    for (unsigned i = 0; i < all; i++) {
        *file = (from + i) % all / KV_MODEL_LOCK_BYTES;
        *byte = (from + i) % KV_MODEL_LOCK_BYTES;
        if (l->has[*file][*byte] == KV_LOCK_EXCLUSIVE)
            return true;
    }
    return false;
}

static void end_round(struct worker *w)
{
    env_timer_stop(&w->locking.patience);
    w->load->answered++;
    worker_done(w);
}

static bool was_fenced(const struct worker *w)
{
    return w->locking.lost || w->locking.fenced != w->client->fenced;
}

/* -- locks --------------------------------------------------------------------------------- */

static void put_big(uint8_t *to, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (56 - 8 * i));
}

static struct slice lock_key(uint8_t to[LOCK_KEY_BYTES], unsigned file)
{
    put_big(to, file);
    to[8] = 'l';
    return slice_of(to, LOCK_KEY_BYTES);
}

static void on_locked(struct lock_call *call, int status)
{
    struct locking *l = container_of(call, struct locking, call);
    struct worker *w = container_of(l, struct worker, locking);
    bool converts = call->lock.flags & KV_LOCK_CONVERTS;
    env_timer_stop(&l->patience);
    if (status == SF_OK) {
        believe(l, call->lock.type);
    } else if (status == SF_FENCED) {
        l->lost = true;
    } else if (status == SF_UNKNOWN || status == SF_NO_SPACE) { /* a second copy may be admitted */
        believe(l, KV_LOCK_NONE);
        l->unsure[l->file] = true;
    } else if (status != SF_TIMEOUT) {
        sf_assert(status == SF_LOCK_HELD || status == SF_DEADLOCK || status == SF_INTERRUPTED);
        if (converts)
            believe(l, KV_LOCK_NONE);
    }
    pause_for(w);
}

/* timeout_ms: 0: none. */
static void submit_lock(struct worker *w, enum kv_lock_type type, unsigned flags,
                        uint64_t timeout_ms)
{
    struct locking *l = &w->locking;
    l->call = (struct lock_call){.on_done = on_locked,
                                 .key = lock_key(l->key, l->file),
                                 .lock = {.type = type,
                                          .flags = flags,
                                          .owner = l->owner,
                                          .first = l->first,
                                          .last = l->last},
                                 .timeout_ms = timeout_ms};
    lock_submit(client_now(w), &l->call);
    l->holder = l->call.lock.holder;
}

static void choose_range(struct worker *w)
{
    struct locking *l = &w->locking;
    l->file = (unsigned)worker_random(w, FILES);
    l->first = (unsigned)worker_random(w, KV_MODEL_LOCK_BYTES);
    l->last = l->first + (unsigned)worker_random(w, KV_MODEL_LOCK_BYTES - l->first);
    if (worker_random(w, 4) == 0) {
        l->first = 0;
        l->last = KV_MODEL_LOCK_BYTES - 1;
    }
}

/* Who has something and waits for more loses patience, for circles over several shards are found by
 * nobody. */
static void take(struct worker *w)
{
    struct locking *l = &w->locking;
    bool waits = worker_random(w, 3) > 0, has = has_any_at_all(l);
    unsigned flags = waits ? KV_LOCK_WAITS : 0;
    choose_range(w);
    flags |= has ? KV_LOCK_PASSES : 0u;
    flags |= worker_random(w, 4) == 0 ? KV_LOCK_CONVERTS : 0u;
    submit_lock(w, worker_random(w, 3) == 0 ? KV_LOCK_SHARED : KV_LOCK_EXCLUSIVE, flags,
                worker_timeout_ms(w));
    if (waits && (has || worker_random(w, 8) == 0))
        env_timer_start_ms(&l->patience, worker_random(w, PATIENCE_MS_MAX));
}

static void give_back_some(struct worker *w)
{
    choose_range(w);
    submit_lock(w, KV_LOCK_NONE, 0, worker_timeout_ms(w));
}

static void on_tested(struct lock_call *call, int status)
{
    struct locking *l = container_of(call, struct locking, call);
    sf_assert(status == SF_OK || status == SF_TIMEOUT || status == SF_FENCED);
    pause_for(container_of(l, struct worker, locking));
}

static void test(struct worker *w)
{
    struct locking *l = &w->locking;
    choose_range(w);
    l->call = (struct lock_call){
        .on_done = on_tested,
        .key = lock_key(l->key, l->file),
        .lock = {.type = worker_random(w, 2) == 0 ? KV_LOCK_SHARED : KV_LOCK_EXCLUSIVE,
                 .owner = l->owner,
                 .first = l->first,
                 .last = l->last},
        .test = true,
        .timeout_ms = worker_timeout_ms(w)};
    lock_submit(client_now(w), &l->call);
}

/* False: there is nothing to give back. */
static bool give_back_all(struct worker *w)
{
    struct locking *l = &w->locking;
    for (unsigned file = 0; file < FILES; file++) {
        if (!has_any(l, file) && !l->unsure[file])
            continue;
        l->unsure[file] = false;
        l->file = file;
        l->first = 0;
        l->last = KV_MODEL_LOCK_BYTES - 1;
        submit_lock(w, KV_LOCK_NONE, 0, 0); /* until it is done: it would be forgotten */
        return true;
    }
    return false;
}

/* -- what they guard ----------------------------------------------------------------------- */

static void write_guarded(struct worker *w);

/* What was refused on a full disk may be admitted in a second copy, until a later number is executed. */
static void on_written(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *w = container_of(call, struct worker, call);
    struct locking *l = &w->locking;
    (void)reply;
    sf_assert(status == SF_OK || status == SF_UNKNOWN || status == SF_TIMEOUT ||
              status == SF_NO_SPACE || status == SF_FENCED);
    l->repeats = status == SF_NO_SPACE;
    if (status == SF_FENCED) {
        SF_MARK("swarm: a write under a lost lock is refused");
        l->lost = true;
    }
    if (status == SF_UNKNOWN)
        l->unsettled = client_unsettled(client_now(w));
    pause_for(w);
}

static void prepare_part(struct worker *w, size_t at, unsigned file, unsigned byte)
{
    const struct locking *l = &w->locking;
    uint8_t *key = (uint8_t *)w->part_keys[at];
    put_big(key, TAG_FIRST + file * KV_MODEL_LOCK_BYTES + byte);
    key[8] = KV_MODEL_GUARD;
    key[9] = (uint8_t)byte;
    (void)lock_key(key + KV_MODEL_GUARD_BYTES, file);
    buffer_clear(&w->data);
    buffer_put_u64(&w->data, l->holder);
    buffer_put_u64(&w->data, l->owner);
    buffer_put_u64(&w->data, ++w->count);
    w->parts[at] = (struct kv_op){.kind = KV_PUT,
                                  .space = KV_INTERNAL,
                                  .key = slice_of(key, KV_MODEL_GUARD_BYTES + LOCK_KEY_BYTES),
                                  .data = buffer_slice(&w->data)};
}

/* One record, or two at once, mostly in two shards. */
static void write_guarded(struct worker *w)
{
    unsigned file, byte, other_file, other_byte;
    if (!find_own(w, &file, &byte) || !find_own(w, &other_file, &other_byte)) {
        pause_for(w);
        return;
    }
    bool two = (file != other_file || byte != other_byte) && worker_random(w, 2) == 0;
    if (two)
        prepare_part(w, 1, other_file, other_byte);
    prepare_part(w, 0, file, byte);
    w->op = w->parts[0];
    if (two) {
        w->parts[1].data = w->parts[0].data;
        w->op = (struct kv_op){.kind = KV_MINI, .ops = w->parts, .op_count = 2};
    }
    w->call = (struct client_call){
        .on_done = on_written, .op = &w->op, .timeout_ms = worker_timeout_ms(w)};
    client_submit(client_now(w), &w->call);
}

/* The very same again, without a limit. */
static void write_again(struct worker *w)
{
    w->call = (struct client_call){.on_done = on_written, .op = &w->op};
    client_submit(client_now(w), &w->call);
}

/* -- rounds -------------------------------------------------------------------------------- */

static void do_something(struct worker *w)
{
    uint64_t what = worker_random(w, 16);
    if (what < 6)
        take(w);
    else if (what < 12)
        write_guarded(w);
    else if (what < 14)
        give_back_some(w);
    else if (what < 15)
        test(w);
    else
        pause_for(w);
}

/* What it gave up has to end before it gives back anything. */
static void step(struct worker *w)
{
    struct locking *l = &w->locking;
    if (was_fenced(w)) {
        SF_MARK("swarm: a client learns that it lost its locks");
        end_round(w);
    } else if (l->repeats) {
        write_again(w);
    } else if (!client_is_settled(client_now(w), l->unsettled)) {
        pause_for(w);
    } else if (!w->load->running || l->ends || l->steps == 0) {
        l->steps = 0;
        l->ends = true;
        if (!give_back_all(w))
            end_round(w);
    } else {
        l->steps--;
        do_something(w);
    }
}

static void act(struct worker *w)
{
    struct locking *l = &w->locking;
    memset(l->has, 0, sizeof l->has);
    memset(l->unsure, 0, sizeof l->unsure);
    l->lost = l->ends = l->repeats = false;
    l->unsettled = 0;
    l->fenced = w->client->fenced;
    l->owner = (uint64_t)w->number << 32 | ++l->rounds;
    l->steps = 1 + (unsigned)worker_random(w, STEPS_MAX);
    w->busy = true;
    step(w);
}

const struct role load_lock = {.pause_ms = 300, .act = act};
