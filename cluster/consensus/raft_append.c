/* The follower's side of replication. The happy path: the entry before the first new one is in the
 * log, the new ones are added, and the reply waits for their sync.
 * Source: dissertation, figure 3.1, AppendEntries receiver steps 1 to 5. */
#include "consensus/raft.h"
#include "consensus/raft_log.h"
#include "env/mark.h"

static void accept(struct raft *r, const struct consensus_msg *msg, uint64_t matched)
{
    raft_send(r, (struct consensus_msg){.type = MSG_APPEND_REPLY,
                                        .to = msg->from,
                                        .index = matched,
                                        .context = msg->context,
                                        .after_sync = true});
}

/* The hint spares the leader to step back entry by entry: it is the last place where this log can
 * match one that has msg->log_term at msg->index. */
static void refuse(struct raft *r, const struct consensus_msg *msg)
{
    struct consensus_msg reply = {.type = MSG_APPEND_REPLY,
                                  .to = msg->from,
                                  .reject = true,
                                  .index = raft_log_match_hint(&r->log, msg->index, msg->log_term),
                                  .context = msg->index,
                                  .after_sync = true};
    bool held = entry_log_term_at(&r->log, reply.index, &reply.log_term);
    sf_assert(held);
    SF_MARK("raft: append refused, the log does not match");
    raft_send(r, reply);
}

/* Adds what the log lacks. Only an entry that contradicts a held one removes anything: a message
 * that came late must not shorten the log. */
static void add_entries(struct raft *r, const struct consensus_msg *msg)
{
    for (size_t i = 0; i < msg->entry_count; i++) {
        const struct entry *entry = &msg->entries[i];
        if (entry->index <= r->log.commit || entry_log_matches(&r->log, entry->index, entry->term))
            continue;
        if (entry->index <= entry_log_last(&r->log)) {
            SF_MARK("raft: end of a log cut off");
            entry_log_truncate(&r->log, entry->index);
        }
        entry_log_append(&r->log, entry->term, payload_ref(entry->payload));
    }
}

void raft_step_append(struct raft *r, const struct consensus_msg *msg)
{
    if (!raft_follow(r, msg->from) || r->installing_index != 0)
        return;
    /* What is committed here is in every leader's log, whatever this one sent before it. */
    if (msg->index > r->log.commit && !entry_log_matches(&r->log, msg->index, msg->log_term)) {
        refuse(r, msg);
        return;
    }
    add_entries(r, msg);
    uint64_t matched = msg->index + msg->entry_count;
    entry_log_commit(&r->log, msg->commit < matched ? msg->commit : matched);
    accept(r, msg, matched > r->log.commit ? matched : r->log.commit);
}
