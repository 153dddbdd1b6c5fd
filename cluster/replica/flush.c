/* flush: makes the store durable on another thread, then cuts the logs on disk below what is. What
 * is applied goes from memory before: no reader needs it but a follower that lags, which is sent it
 * from disk. That costs less than a snapshot, and a snapshot takes a while in which the log grows on.
 *
 * A flush is asked for every flush_ms if anything was applied, when the log grew by flush_bytes,
 * and by a snapshot install. At most one runs; who asks while it runs waits for the next one, since
 * the running one may have begun before what he wrote.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/log.h"
#include "env/memory.h"
#include "replica/inside.h"

#define SAMPLES_PER_SLACK 64u
#define LAG_ENTRIES_MAX (256u << 10) /* what memory knows of one on disk takes some 80 bytes */

/* -- how much log an index stands for ------------------------------------------------------ */

static void push_sample(struct replica *r, uint64_t index, uint64_t term)
{
    if (r->sample_count == r->sample_cap) {
        r->sample_cap = r->sample_cap == 0 ? 64 : r->sample_cap * 2;
        r->samples = sf_realloc(r->samples, r->sample_cap * sizeof *r->samples);
    }
    r->samples[r->sample_count++] =
        (struct log_sample){.index = index, .term = term, .bytes = r->sampled_bytes};
}

void flush_restart_samples(struct replica *r)
{
    r->sample_count = 0;
    push_sample(r, r->applied.index, r->applied.term);
}

/* A follower may need what was applied before the start. */
void flush_begin_samples(struct replica *r, const struct consensus_restore *log)
{
    push_sample(r, log->base_index, log->base_term);
    for (size_t i = 0; i < log->entry_count && log->entries[i].index <= log->applied; i++)
        flush_sample(r, &log->entries[i]);
}

void flush_sample(struct replica *r, const struct entry *entry)
{
    size_t step = r->host->options.slack_bytes / SAMPLES_PER_SLACK;
    r->sampled_bytes += entry->payload->bytes + ENTRY_OVERHEAD_BYTES;
    if (r->sampled_bytes - r->samples[r->sample_count - 1].bytes >= step)
        push_sample(r, entry->index, entry->term);
}

static void drop_samples_below(struct replica *r, size_t first)
{
    r->sample_count -= first;
    memmove(r->samples, r->samples + first, r->sample_count * sizeof *r->samples);
}

/* Position of the newest sample at or below index; 0 where none is. */
static size_t sample_at(const struct replica *r, uint64_t index)
{
    size_t i = r->sample_count - 1;
    while (i > 0 && r->samples[i].index > index)
        i--;
    return i;
}

/* -- the log in memory --------------------------------------------------------------------- */

/* Leader: the lowest index that a follower is known to have, or will have by the snapshot that is
 * under way to it. UINT64_MAX: this replica does not lead, or has no followers. */
static uint64_t slowest_follower(const struct replica *r)
{
    struct consensus_status log;
    uint64_t slowest = snapshot_send_floor(r);
    consensus_status(r->consensus, &log);
    for (size_t i = 0; log.leads && i < log.peer_count; i++)
        if (!log.peers[i].snapshot && log.peers[i].match < slowest)
            slowest = log.peers[i].match;
    return slowest;
}

/* The newest sample that leaves the slack below what is applied. A group of one needs none. */
static size_t newest_beyond_slack(const struct replica *r)
{
    size_t slack = r->peer_count == 0 ? 0 : r->host->options.slack_bytes;
    size_t i = r->sample_count - 1;
    uint64_t newest = r->samples[i].bytes;
    while (i > 0 && newest - r->samples[i].bytes < slack)
        i--;
    return i;
}

/* Of those up to `i` the newest that leaves what a follower needs, within reason. */
static size_t newest_not_needed(const struct replica *r, size_t i)
{
    const struct log_sample *newest = &r->samples[r->sample_count - 1];
    uint64_t floor = slowest_follower(r);
    if (replica_disk_is_low(r))
        return i;
    while (i > 0 && r->samples[i].index > floor &&
           newest->bytes - r->samples[i].bytes < r->host->options.lag_bytes &&
           newest->index - r->samples[i].index < LAG_ENTRIES_MAX)
        i--;
    return i;
}

/* The engine has listed it. An install may have gone past that. */
static bool is_listed(const struct replica *r, uint64_t index)
{
    struct consensus_status log;
    consensus_status(r->consensus, &log);
    return index <= log.listed;
}

static void shorten_log(struct replica *r)
{
    uint64_t newest = r->samples[r->sample_count - 1].index;
    if (newest == r->looked_at || install_holds_apply(r) || r->needs != 0 || !is_listed(r, newest))
        return;
    r->looked_at = newest;
    size_t i = newest_beyond_slack(r);
    if (r->samples[i].index > r->unloaded) {
        r->unloaded = r->samples[i].index;
        consensus_unload(r->consensus, r->unloaded);
    }
    i = newest_not_needed(r, i);
    if (r->samples[i].index > r->compacted) {
        r->compacted = r->samples[i].index;
        consensus_compact(r->consensus, r->compacted);
    }
}

/* -- the log on disk ----------------------------------------------------------------------- */

/* R6 */
static void cut_log(struct replica *r)
{
    size_t i = sample_at(r, r->durable < r->compacted ? r->durable : r->compacted);
    struct log_sample last = r->samples[i];
    if (last.index <= r->cut || last.index > r->durable || last.index > r->compacted)
        return;
    wal_cut(r->host->wal, r->identity.key, last.index, last.term);
    r->cut = last.index;
    drop_samples_below(r, i);
}

/* A follower may have come up, or a disk run low, without a new entry. */
static void look_again(struct replica *r)
{
    r->looked_at = 0;
    shorten_log(r);
    if (!install_holds_apply(r) && r->needs == 0)
        cut_log(r);
}

/* The store is flushed: what is in it for certain is read back, not assumed. */
static void note_durable(struct replica *r)
{
    struct applied durable;
    int status = applied_read(r->host->options.store, r->identity.key, true, &durable);
    if (status == SF_NOT_FOUND || install_holds_apply(r) || r->needs != 0)
        return;
    if (status != SF_OK) {
        host_fatal(r->host, "the store of %s cannot be read: %s", r->host->options.dir,
                   sf_error_text(status));
        return;
    }
    r->durable = durable.index;
    cut_log(r);
}

/* -- the job ------------------------------------------------------------------------------- */

static void job_work(struct env_work *work)
{
    struct flush_job *job = container_of(work, struct flush_job, work);
    job->status = store_flush(job->store);
}

static void begin_job(struct host *host);

static struct flush_waiter *first_served(const struct flusher *f)
{
    struct flush_waiter *waiter = f->waiters;
    while (waiter != NULL && !waiter->begun)
        waiter = waiter->next;
    return waiter;
}

/* What they ask for meanwhile begins afterwards. */
static void wake_served(struct host *host)
{
    struct flusher *f = &host->flusher;
    struct flush_waiter *waiter;
    f->waking = true;
    while (!host->dead && (waiter = first_served(f)) != NULL) {
        flush_forget(host, waiter);
        waiter->on_flushed(waiter);
    }
    f->waking = false;
}

static void job_succeeded(struct host *host)
{
    struct flusher *f = &host->flusher;
    f->full = false;
    for (struct replica *r = host->replicas; r != NULL && !host->dead; r = r->next)
        note_durable(r);
    f->live_bytes = wal_live_bytes(host->wal);
    wake_served(host);
    if (!host->dead && f->wanted)
        begin_job(host);
}

/* Those who wait go on waiting; the timer begins another one. */
static void job_met_full_device(struct host *host)
{
    host->flusher.full = true;
    env_timer_start_ms(&host->flusher.timer, RETRY_NO_SPACE_MS);
}

static void job_done(struct env_work *work)
{
    struct flush_job *job = container_of(work, struct flush_job, work);
    struct host *host = job->host;
    int status = job->status;
    free(job);
    if (host == NULL)
        return;
    host->flusher.job = NULL;
    if (status == SF_OK)
        job_succeeded(host);
    else if (status == SF_NO_SPACE || status == SF_BUSY)
        job_met_full_device(host);
    else
        host_fatal(host, "the store of %s cannot be flushed: %s", host->options.dir,
                   sf_error_text(status));
}

static void begin_job(struct host *host)
{
    struct flusher *f = &host->flusher;
    struct flush_waiter *waiter;
    struct flush_job *job = sf_calloc(1, sizeof *job);
    bool all = true;
    for (struct replica *r = host->replicas; r != NULL; r = r->next)
        all &= replica_settle(r) == SF_OK;
    job->work.work = job_work;
    job->work.done = job_done;
    job->host = host;
    job->store = host->options.store;
    f->job = job;
    f->wanted = false;
    if (all) /* else what the store does not take now is a later flush's, which is due by that */
        f->applied_total = host->applied_total;
    DL_FOREACH(f->waiters, waiter)
    {
        waiter->begun = true;
    }
    env_work(host->env, &job->work);
}

/* -- asking -------------------------------------------------------------------------------- */

void flush_request(struct host *host, struct flush_waiter *waiter)
{
    struct flusher *f = &host->flusher;
    if (waiter != NULL) {
        sf_assert(!waiter->queued);
        waiter->queued = true;
        waiter->begun = false;
        DL_APPEND(f->waiters, waiter);
    }
    f->wanted = true;
    if (f->job == NULL && !f->full && !f->waking)
        begin_job(host);
}

void flush_forget(struct host *host, struct flush_waiter *waiter)
{
    if (!waiter->queued)
        return;
    waiter->queued = false;
    DL_DELETE(host->flusher.waiters, waiter);
}

void flush_turn(struct host *host)
{
    struct flusher *f = &host->flusher;
    for (struct replica *r = host->replicas; r != NULL; r = r->next)
        shorten_log(r);
    if (f->job == NULL && !f->full &&
        wal_live_bytes(host->wal) > f->live_bytes + host->options.flush_bytes)
        flush_request(host, NULL);
}

static void on_time(struct env_timer *timer)
{
    struct host *host = container_of(timer, struct host, flusher.timer);
    struct flusher *f = &host->flusher;
    env_timer_start_ms(timer, host->options.flush_ms);
    for (struct replica *r = host->replicas; r != NULL; r = r->next)
        look_again(r);
    if (f->job == NULL && (f->full || f->applied_total != host->applied_total))
        begin_job(host);
}

void flush_init(struct host *host)
{
    env_timer_init(host->env, &host->flusher.timer, on_time);
}

/* A running job is left to itself: the env runs its end, which frees it. In simulation the end
 * never comes for a process that is gone, and nothing looks at the job any more. */
void flush_deinit(struct host *host)
{
    struct flusher *f = &host->flusher;
    env_timer_stop(&f->timer);
    if (f->job == NULL)
        return;
    f->job->host = NULL;
    if (host->env->simulated)
        free(f->job);
    f->job = NULL;
}
