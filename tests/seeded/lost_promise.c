/* An acceptor that starts again knows what it accepted, and not what it promised since. */
#include "consensus/consensus.h"
#include "seeded/seeded.h"

SEEDED_WRAP(consensus_new);

struct consensus *__wrap_consensus_new(const struct consensus_config *config,
                                       const struct consensus_restore *restore)
{
    struct consensus_restore forgetful = *restore;
    if (config->engine == CONSENSUS_PAXOS) {
        forgetful.hard_state = (struct hard_state){.term = restore->base_term};
        for (size_t i = 0; i < restore->entry_count; i++)
            if (restore->entries[i].term > forgetful.hard_state.term)
                forgetful.hard_state.term = restore->entries[i].term;
    }
    return __real_consensus_new(config, &forgetful);
}
