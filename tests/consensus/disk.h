/* disk: the write-ahead log of a simulated replica. Records wait in the order in which they were
 * written until they are synced; a crash loses those that are still waiting. */
#ifndef TESTS_CONSENSUS_DISK_H
#define TESTS_CONSENSUS_DISK_H

#include "consensus/consensus.h"

/* What one update gave to the log, and the messages that wait for its sync. */
struct disk_record {
    bool hard_state_changed;
    struct hard_state hard_state;
    uint64_t truncate_from;
    struct entry *entries; /* owned, with their payloads */
    size_t entry_count;
    uint64_t persist_mark; /* 0: nothing but messages */
    struct consensus_msg *messages;
    size_t message_count;
};

struct disk {
    /* Durable. */
    struct hard_state hard_state;
    uint64_t base_index, base_term;
    struct entry *entries;
    size_t entry_count, entry_cap;
    /* Waiting. */
    struct disk_record *records;
    size_t record_count, record_cap;
};

void disk_deinit(struct disk *disk);
void disk_write(struct disk *disk, const struct disk_record *record); /* takes its content */
/* Makes the oldest waiting record durable and moves it to *out, whose messages and mark are the
 * caller's to handle. False: none waits. */
bool disk_sync(struct disk *disk, struct disk_record *out);
void disk_record_deinit(struct disk_record *record);
void disk_crash(struct disk *disk); /* loses what waits */
/* The log begins after (index, term); what stands after it stays (index: at most the last). */
void disk_cut(struct disk *disk, uint64_t index, uint64_t term);
void disk_reset(struct disk *disk, uint64_t index, uint64_t term); /* the same; nothing stays */
uint64_t disk_last(const struct disk *disk);
const struct entry *disk_find(const struct disk *disk, uint64_t index); /* NULL: none is durable */
bool disk_term_at(const struct disk *disk, uint64_t index, uint64_t *term); /* durable ones */

#endif
