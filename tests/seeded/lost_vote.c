/* A vote that is not kept: who starts again may vote for another in the same term. */
#include "seeded/seeded.h"
#include "storage/wal.h"

SEEDED_WRAP(wal_hard_state);

void __wrap_wal_hard_state(struct wal *wal, uint64_t replica_key, struct hard_state state)
{
    state.vote = 0;
    __real_wal_hard_state(wal, replica_key, state);
}
