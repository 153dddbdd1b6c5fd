#include "proto/kv.h"

#include <stddef.h>

#define TAG_BYTES 8u /* at the beginning of an internal key: its route */

/* The flags that mean something to a kind; all others are refused, so that none is ignored. */
static const unsigned flags_allowed[KV_KIND_LIMIT] = {
    [KV_SCAN] = KV_UNNAMED,
    [KV_PUT] = KV_HAS_ATTR | KV_HAS_TAIL | KV_HAS_CREATED | KV_HAS_MTIME | KV_HAS_LENGTH |
               KV_HAS_INTENT | KV_IF_TAIL | KV_OWNED | KV_ANY_KIND,
    [KV_APPEND] = KV_WANT_OLD | KV_IF_TAIL,
    [KV_PUT_HASH] = KV_IF_TAIL,
    [KV_SET_RANGE] = KV_IF_TAIL,
    [KV_SET_LENGTH] = KV_HAS_TAIL | KV_LENGTH_MAX | KV_IF_TAIL,
    [KV_PUNCH_RANGE] = KV_IF_TAIL,
    [KV_SET_ATTR] = KV_HAS_ATTR | KV_HAS_MTIME | KV_IF_TAIL | KV_OWNED,
    [KV_ADD] = KV_IF_TAIL,
    [KV_DELETE] = KV_IF_TAIL | KV_OWNED | KV_ANY_KIND,
    [KV_TAKE] = KV_IF_TAIL,
    [KV_INTENT] = KV_HAS_INTENT,
    [KV_PREPARE] = KV_WAITS | KV_REFUSED,
    [KV_OUTCOME] = KV_COMMITS,
};
#define FLAGS_OF_A_CHECK (KV_IF_TAIL | KV_PREFIX_EMPTY | KV_IF_SLOT_ZERO)

enum place { PLACE_ALONE, PLACE_CHECK, PLACE_OP }; /* by itself, or within a MINI */

/* The result of one rule. */
static int verdict(bool holds, int error, const char *field, const char **what)
{
    if (!holds && what)
        *what = field;
    return holds ? SF_OK : error;
}

/* Passes on the first rule that does not hold. */
#define RULE(holds, error, field)                                                                  \
    do {                                                                                           \
        int status_ = verdict(holds, error, field, what);                                          \
        if (status_) {                                                                             \
            return status_;                                                                        \
        }                                                                                          \
    } while (0)

static bool tail_is_sorted(const struct kv_tail *tail, size_t count)
{
    uint64_t before = 0; /* extent 0 is the head */
    for (size_t i = 0; i < count; i++) {
        if (tail[i].first_extent <= before)
            return false;
        before = tail[i].first_extent;
    }
    return true;
}

static int check_tails(const struct kv_op *op, const char **what)
{
    RULE(op->tail_count <= SF_TAIL_MAX, SF_TOO_BIG, "tail");
    RULE(op->if_tail_count <= SF_TAIL_MAX, SF_TOO_BIG, "expected tail");
    RULE(tail_is_sorted(op->tail, op->tail_count), SF_INVALID, "tail");
    RULE(tail_is_sorted(op->if_tail, op->if_tail_count), SF_INVALID, "expected tail");
    RULE(op->tail_count == 0 || (op->flags & KV_HAS_TAIL), SF_INVALID, "tail");
    RULE(op->if_tail_count == 0 || (op->flags & KV_IF_TAIL), SF_INVALID, "expected tail");
    return SF_OK;
}

/* What holds for every kind. */
static int check_common(const struct kv_op *op, unsigned flags, const char **what)
{
    RULE(op->space == KV_PLAIN || op->space == KV_INTERNAL, SF_INVALID, "key space");
    RULE(op->key.n <= SF_KEY_BYTES_MAX, SF_TOO_BIG, "key");
    RULE(op->space == KV_PLAIN || op->key.n >= TAG_BYTES || op->shard_count > 0, SF_INVALID, "key");
    RULE((op->flags & ~flags) == 0, SF_INVALID, "flags");
    RULE((unsigned)op->pre.kind <= KV_PRE_CREATED, SF_INVALID, "precondition");
    RULE(op->data.n <= SF_VALUE_BYTES_MAX, SF_TOO_BIG, "value");
    RULE(op->attr.n <= SF_ATTR_BYTES_MAX, SF_TOO_BIG, "attributes");
    RULE(op->attr.n == 0 || (op->flags & KV_HAS_ATTR), SF_INVALID, "attributes");
    RULE(op->offset <= SF_FILE_BYTES_MAX, SF_TOO_BIG, "offset");
    RULE(op->length <= SF_FILE_BYTES_MAX || op->kind == KV_ABANDON, SF_TOO_BIG, "length");
    RULE(op->kind == KV_SCAN || op->shard_count == 0, SF_INVALID, "shards");
    RULE(op->kind == KV_ADD || op->add_count == 0, SF_INVALID, "adds");
    bool has_times = op->kind == KV_PUT || op->kind == KV_SET_ATTR;
    uint64_t after_max_ns = has_times ? INT64_MAX : 0; /* beyond, nothing could come after it */
    RULE(op->after_ns <= after_max_ns, SF_INVALID, "time to come after");
    bool holds_others = op->kind == KV_MINI || op->kind == KV_PREPARE;
    RULE(holds_others || op->check_count + op->op_count == 0, SF_INVALID, "operations");
    RULE(kv_is_of_txn(op->kind) || op->number_count == 0, SF_INVALID, "participants");
    RULE(kv_may_hold(op->kind) || op->hold == 0, SF_INVALID, "hold");
    return check_tails(op, what);
}

static int check_scan(const struct kv_op *op, const char **what)
{
    RULE(op->length >= 1, SF_INVALID, "limit");
    RULE(op->length <= SF_SCAN_MAX, SF_TOO_BIG, "limit");
    RULE(op->data.n <= SF_KEY_BYTES_MAX, SF_TOO_BIG, "name to begin after");
    RULE(op->shard_count == 1 || !(op->flags & KV_UNNAMED), SF_INVALID, "shards");
    RULE(op->key.n == 0 || !(op->flags & KV_UNNAMED), SF_INVALID, "key");
    RULE(op->shard_count <= SF_SHARDS_MAX, SF_TOO_BIG, "shards");
    for (size_t i = 0; i < op->shard_count; i++)
        RULE(op->shards[i] < SF_SHARDS_MAX, SF_INVALID, "shards");
    return SF_OK;
}

static int check_put(const struct kv_op *op, const char **what)
{
    RULE((unsigned)op->record_kind <= RECORD_DIRECTORY, SF_INVALID, "record kind");
    RULE(!(op->flags & KV_HAS_LENGTH) || op->length >= op->data.n, SF_INVALID, "length");
    return SF_OK;
}

static int check_add(const struct kv_op *op, const char **what)
{
    RULE(op->add_count >= 1, SF_INVALID, "adds");
    RULE(op->add_count <= KV_ADDS_MAX, SF_TOO_BIG, "adds");
    for (size_t i = 0; i < op->add_count; i++)
        RULE(op->adds[i].slot < KV_SLOTS_MAX, SF_INVALID, "slot");
    return SF_OK;
}

static int check_within_mini(const struct kv_op *op, enum place place, const char **what);

static size_t size_of(const struct kv_op *op)
{
    return op->key.n + op->data.n + op->attr.n;
}

static int check_mini(const struct kv_op *op, const char **what)
{
    RULE(op->check_count <= SF_MINI_OPS_MAX && op->op_count <= SF_MINI_OPS_MAX, SF_TOO_BIG,
         "operations");
    RULE(op->check_count + op->op_count <= SF_MINI_OPS_MAX, SF_TOO_BIG, "operations");
    RULE(op->check_count + op->op_count >= 1, SF_INVALID, "operations");
    size_t bytes = 0;
    for (size_t i = 0; i < op->check_count + op->op_count; i++) {
        bool is_check = i < op->check_count;
        const struct kv_op *part = is_check ? &op->checks[i] : &op->ops[i - op->check_count];
        int status = check_within_mini(part, is_check ? PLACE_CHECK : PLACE_OP, what);
        if (status)
            return status;
        bytes += size_of(part);
    }
    RULE(bytes <= KV_MINI_BYTES_MAX, SF_TOO_BIG, "operations");
    return SF_OK;
}

static int check_numbers(const struct kv_op *op, size_t most, const char **what)
{
    RULE(op->number_count >= 1, SF_INVALID, "participants");
    RULE(op->number_count <= most, SF_TOO_BIG, "participants");
    for (size_t i = 0; i < op->number_count; i++) {
        const struct kv_number *n = &op->numbers[i];
        bool in_order = op->kind != KV_PREPARE || i == 0 || n[-1].shard < n->shard;
        RULE(n->shard < SF_SHARDS_MAX && in_order, SF_INVALID, "participants");
        RULE(n->session != 0 && n->sequence != 0, SF_INVALID, "participants");
        RULE(n->first_incomplete <= n->sequence, SF_INVALID, "participants");
    }
    return SF_OK;
}

static int check_prepare(const struct kv_op *op, const char **what)
{
    int status = check_numbers(op, SF_MINI_OPS_MAX, what);
    return status ? status : check_mini(op, what);
}

static int check_lock(const struct kv_op *op, const char **what)
{
    struct kv_lock lock;
    RULE(op->space == KV_INTERNAL, SF_INVALID, "key space");
    RULE(kv_lock_unpack(op->data, &lock) == SF_OK, SF_INVALID, "lock");
    RULE(op->kind != KV_LOCK_TEST || lock.type != KV_LOCK_NONE, SF_INVALID, "lock");
    return SF_OK;
}

/* What holds for one kind. */
static int check_kind(const struct kv_op *op, const char **what)
{
    switch (op->kind) {
    case KV_SCAN:
        return check_scan(op, what);
    case KV_PUT:
        return check_put(op, what);
    case KV_SET_RANGE:
        RULE(op->offset <= SF_VALUE_BYTES_MAX - op->data.n, SF_TOO_BIG, "offset");
        return SF_OK;
    case KV_ADD:
        return check_add(op, what);
    case KV_NEW_IDS:
        RULE(op->length >= 1 && op->length <= KV_IDS_MAX, SF_INVALID, "count");
        return SF_OK;
    case KV_SESSION_OPEN:
        RULE(op->data.n == KV_CLIENT_BYTES, SF_INVALID, "client id");
        return SF_OK;
    case KV_ABANDON:
        RULE(op->length >= 1, SF_INVALID, "sequence number");
        return SF_OK;
    case KV_MINI:
        return check_mini(op, what);
    case KV_PREPARE:
        return check_prepare(op, what);
    case KV_FORGET:
        return check_numbers(op, KV_NUMBERS_MAX, what);
    case KV_OUTCOME:
    case KV_ASK:
        return check_numbers(op, 1, what);
    case KV_LOCK:
    case KV_LOCK_CANCEL:
    case KV_LOCK_TEST:
    case KV_LOCK_AWAIT:
        return check_lock(op, what);
    case KV_RENEW:
    case KV_FENCE:
    case KV_RELEASE:
        RULE(op->ids_first != 0, SF_INVALID, "holder");
        return SF_OK;
    case KV_GET:
    case KV_GET_RANGE:
    case KV_STAT:
    case KV_APPEND:
    case KV_PUT_HASH:
    case KV_SET_LENGTH:
    case KV_PUNCH_RANGE:
    case KV_SET_ATTR:
    case KV_DELETE:
    case KV_TAKE:
    case KV_INTENT:
    case KV_SESSION_CLOSE:
        return SF_OK;
    case KV_KIND_LIMIT:
    default:
        RULE(false, SF_INVALID, "kind");
        return SF_OK;
    }
}

/* May the kind stand there? In a MINI only what changes one key. */
static bool kind_fits(enum kv_kind kind, enum place place)
{
    switch (place) {
    case PLACE_CHECK:
        return kind == KV_STAT;
    case PLACE_OP:
        return kind >= KV_PUT && kind <= KV_TAKE;
    case PLACE_ALONE:
    default:
        return kv_method_name(kind) != NULL && kind != KV_TAKE;
    }
}

static int check_at(const struct kv_op *op, enum place place, const char **what)
{
    RULE(kind_fits(op->kind, place), SF_INVALID, "kind");
    RULE(place == PLACE_ALONE || op->hold == 0, SF_INVALID, "hold");
    unsigned flags = place == PLACE_CHECK ? FLAGS_OF_A_CHECK : flags_allowed[op->kind];
    int status = check_common(op, flags, what);
    return status ? status : check_kind(op, what);
}

static int check_within_mini(const struct kv_op *op, enum place place, const char **what)
{
    RULE(!(op->flags & KV_IF_SLOT_ZERO) || op->offset < KV_SLOTS_MAX, SF_INVALID, "slot");
    return check_at(op, place, what);
}

int kv_op_check(const struct kv_op *op, const char **what)
{
    return check_at(op, PLACE_ALONE, what);
}

bool kv_reference(struct slice bytes, enum kv_space *space, struct slice *key)
{
    bool is_internal = bytes.n > 0 && bytes.p[0] == KV_INTERNAL;
    bool is_plain = bytes.n > 0 && bytes.p[0] == KV_PLAIN;
    if (bytes.n > 1 + SF_KEY_BYTES_MAX || (is_internal && bytes.n < 1 + TAG_BYTES) ||
        (!is_internal && !is_plain))
        return false;
    *space = is_internal ? KV_INTERNAL : KV_PLAIN;
    *key = slice_of(bytes.p + 1, bytes.n - 1);
    return true;
}
