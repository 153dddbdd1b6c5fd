#include "storage/wal_tend.h"

#include "storage/wal_batch.h"
#include "storage/wal_prepare.h"
#include "storage/wal_recycle.h"

#define STEP_MS 5u   /* between two slices of work */
#define IDLE_MS 100u /* without a commit: the log is idle */
#define STARVED_MS 1000u

/* The last batch is synced, but no other vouches for it. */
static bool vouch_is_wanted(const struct wal *wal)
{
    return wal->position > wal->vouched;
}

static uint64_t delay_ms(const struct wal *wal)
{
    bool prepare = wal_prepare_is_wanted(wal);
    if (wal_recycle_is_wanted(wal) || (prepare && !wal->prepare.starved))
        return STEP_MS;
    if (vouch_is_wanted(wal) || wal->prepare.syncing)
        return IDLE_MS;
    return prepare ? STARVED_MS : 0;
}

void wal_tend_arm(struct wal *wal)
{
    uint64_t delay = wal->dead ? 0 : delay_ms(wal);
    if (delay == 0)
        return;
    if (env_timer_is_armed(&wal->tend) &&
        wal->tend.due_ns <= env_now_ns(wal->env) + delay * ENV_MS_NS)
        return;
    wal->tended = wal->synced;
    env_timer_start_ms(&wal->tend, delay);
}

void wal_tend_fire(struct env_timer *timer)
{
    struct wal *wal = container_of(timer, struct wal, tend);
    if (wal->dead)
        return;
    if (wal_recycle_is_wanted(wal))
        wal_recycle_step(wal);
    if (!wal->dead && wal_prepare_is_wanted(wal))
        wal_prepare_step(wal);
    if (!wal->dead && vouch_is_wanted(wal) && wal->batches == NULL && wal->synced == wal->tended) {
        wal_batch_add_empty(wal);
        wal_batch_commit(wal);
    }
    wal_tend_arm(wal);
}
