/* describe: messages, entries and updates as lines of text, for transcripts. */
#ifndef TESTS_CONSENSUS_DESCRIBE_H
#define TESTS_CONSENSUS_DESCRIBE_H

#include "consensus/consensus.h"

void describe(struct buffer *out, const char *text, ...) SF_PRINTF(2, 3);
void describe_entries(struct buffer *out, const struct entry *entries, size_t count);
void describe_msg(struct buffer *out, const struct consensus_msg *msg); /* without a newline */
enum consensus_msg_type describe_type(const char *name); /* asserts that there is such a type */
/* Everything in an update but its messages, a line for each thing that is there. */
void describe_update(struct buffer *out, replica_id self, const struct consensus_update *update);
void describe_status(struct buffer *out, replica_id self, const struct consensus_status *status);

#endif
