/* subject: the record that an operation works on, from when it is found to when it is changed.
 *
 * An operation opens it, tests, changes `record` and `head`, and ends with subject_save or
 * subject_remove; or it changes nothing. Where the operation may fail it does so before the first
 * change of the head.
 */
#ifndef SHARDKV_SUBJECT_H
#define SHARDKV_SUBJECT_H

#include "shardkv/head.h"
#include "shardkv/trash.h"

struct subject {
    struct access *access;
    const struct kv_op *op; /* lent */
    struct key key;         /* of the record's header */
    bool found;             /* there is such a record; else `record` is an empty value */
    struct record record;   /* as stored, then as it is to be */
    struct head head;
    struct draft_value value; /* what record.attr points into */
    uint64_t old_length;
    struct kv_tail old_tail[SF_TAIL_MAX];
    size_t old_tail_count;
};

void subject_open(struct subject *subject, struct access *access, const struct kv_op *op);
void subject_close(struct subject *subject);

enum subject_change {
    CHANGE_ATTRIBUTES, /* attr or the shown mtime: a new version and ctime */
    CHANGE_BYTES,      /* and a new mtime */
};
/* Writes the header with a new version and new times; what its tail lost is trashed. record.length
 * may have been changed, and the head's to go with it (record_head_length). */
void subject_save(struct subject *subject, enum subject_change change);
/* Deletes header and head. trash_tail: what the tail names becomes trash (all but TAKE). */
void subject_remove(struct subject *subject, bool trash_tail);

/* Resizes value and head together: cuts, or grows with zeros. */
void subject_resize(struct subject *subject, uint64_t length);
void subject_set_tail(struct subject *subject, const struct kv_tail *tail, size_t count);
/* The head's bytes, in memory of the access. */
struct slice subject_bytes(struct subject *subject);

#endif
