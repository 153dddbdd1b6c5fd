#include "consensus/progress.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void progress_reset(struct progress *p, uint64_t last)
{
    inflights_clear(&p->inflights);
    p->state = PROGRESS_PROBE;
    p->match = 0;
    p->next = last + 1;
    p->probing = false;
    p->snapshot_busy = false;
    p->stalled_ticks = 0;
    p->silent_ticks = 0;
    p->round = 0;
}

void progress_become_probe(struct progress *p, uint64_t next)
{
    inflights_clear(&p->inflights);
    p->state = PROGRESS_PROBE;
    p->next = larger(next, p->match + 1);
    p->probing = false;
}

static void progress_become_replicate(struct progress *p)
{
    inflights_clear(&p->inflights);
    p->state = PROGRESS_REPLICATE;
    p->next = p->match + 1;
    p->probing = false;
}

void progress_become_snapshot(struct progress *p)
{
    inflights_clear(&p->inflights);
    p->state = PROGRESS_SNAPSHOT;
    p->probing = false;
}

bool progress_is_due(const struct progress *p, uint64_t last)
{
    switch (p->state) {
    case PROGRESS_PROBE:
        return !p->probing && p->match < last;
    case PROGRESS_REPLICATE:
        return p->next <= last && !inflights_is_full(&p->inflights);
    case PROGRESS_SNAPSHOT:
        return false;
    }
    return false;
}

void progress_sent(struct progress *p, size_t count, size_t bytes)
{
    if (p->state == PROGRESS_PROBE) {
        p->probing = true;
        p->stalled_ticks = 0;
        return;
    }
    sf_assert(p->state == PROGRESS_REPLICATE && count > 0);
    if (p->inflights.count == 0)
        p->stalled_ticks = 0;
    p->next += count;
    inflights_add(&p->inflights, p->next - 1, bytes);
}

bool progress_accepted(struct progress *p, uint64_t index)
{
    bool news = index > p->match;
    if (news) {
        p->match = index;
        p->next = larger(p->next, index + 1);
        p->stalled_ticks = 0;
        inflights_free_to(&p->inflights, index);
    }
    /* A probe that was accepted at match itself is no news of match, but ends the probing. */
    if (p->state == PROGRESS_PROBE ? index >= p->match : p->state == PROGRESS_SNAPSHOT && news)
        progress_become_replicate(p);
    return news;
}

bool progress_rejected(struct progress *p, uint64_t rejected, uint64_t hint)
{
    /* What is stored cannot be refused, so this is a late reply; and a probe is answered only by a
     * reply to that very probe. */
    if (rejected <= p->match || p->state == PROGRESS_SNAPSHOT)
        return false;
    if (p->state == PROGRESS_PROBE && rejected != p->next - 1)
        return false;
    progress_become_probe(p, smaller(rejected, hint + 1));
    return true;
}

void progress_tick(struct progress *p)
{
    if (p->stalled_ticks < UINT32_MAX)
        p->stalled_ticks++;
    if (p->silent_ticks < UINT32_MAX)
        p->silent_ticks++;
}

uint64_t progress_match(const struct progress *p)
{
    return p->match;
}

uint64_t progress_round(const struct progress *p)
{
    return p->round;
}

bool progress_is_valid(const struct progress *p)
{
    if (p->match >= p->next)
        return false;
    if (p->probing && p->state != PROGRESS_PROBE)
        return false;
    if (p->state != PROGRESS_REPLICATE)
        return p->inflights.count == 0;
    uint64_t newest = p->inflights.count > 0 ? inflights_newest(&p->inflights) : p->match;
    return p->next - 1 == newest;
}
