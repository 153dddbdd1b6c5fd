#include "tree/check_repair.h"

#include <stdio.h>
#include <sys/stat.h>

/* -- telling ------------------------------------------------------------------------------- */

static void tell(struct check *check, enum check_wrong wrong, const char *repaired,
                 const char *left)
{
    struct check_finding finding = {.wrong = wrong, .end = CHECK_FOUND};
    finding.text = buffer_slice(&check->text);
    if (check->host->repair) {
        finding.end = repaired ? CHECK_REPAIRED : CHECK_LEFT;
        finding.how = repaired ? repaired : left;
    }
    check->result->repaired += finding.end == CHECK_REPAIRED;
    check->result->left += finding.end != CHECK_REPAIRED;
    check->host->on_finding(check->host->ctx, &finding);
}

void repair_leave(struct check *check, enum check_wrong wrong, const char *how)
{
    tell(check, wrong, NULL, how);
}

struct slice repair_key_of(const struct check *check, const struct sighting *seen)
{
    return check_bytes(check, seen->key_at, seen->key_bytes);
}

void repair_say_name(struct check *check, const struct sighting *seen)
{
    buffer_clear(&check->text);
    see_name(&check->text, seen->space, repair_key_of(check, seen));
}

void repair_say_subject(struct check *check, const char *what, uint64_t id)
{
    buffer_clear(&check->text);
    text_add(&check->text, "%s %llu", what, (unsigned long long)id);
}

/* -- building ------------------------------------------------------------------------------ */

struct key *repair_key(struct repair *r)
{
    sf_assert(r->key_count < REPAIR_PARTS_MAX);
    return &r->keys[r->key_count++];
}

struct key *repair_own_key(struct repair *r, uint64_t id)
{
    struct key *key = repair_key(r);
    key_of_directory(id, key);
    return key;
}

struct kv_op *repair_op(struct repair *r, enum kv_kind kind, enum kv_space space, struct slice key)
{
    sf_assert(r->op_count < REPAIR_PARTS_MAX);
    struct kv_op *op = &r->ops[r->op_count++];
    *op = (struct kv_op){.kind = kind, .space = space, .key = key};
    return op;
}

struct kv_op *repair_check(struct repair *r, enum kv_space space, struct slice key)
{
    sf_assert(r->check_count < sizeof r->checks / sizeof r->checks[0]);
    struct kv_op *op = &r->checks[r->check_count++];
    *op = (struct kv_op){.kind = KV_STAT, .space = space, .key = key};
    return op;
}

struct kv_op *repair_own(struct repair *r, enum kv_kind kind, uint64_t id)
{
    return repair_op(r, kind, KV_INTERNAL, key_slice(repair_own_key(r, id)));
}

struct kv_op *repair_change(struct repair *r, enum kv_kind kind, const struct sighting *seen)
{
    struct kv_op *op = repair_op(r, kind, seen->space, repair_key_of(r->check, seen));
    op->pre = (struct kv_pre){KV_PRE_VERSION, seen->version};
    return op;
}

void repair_unchanged(struct repair *r, const struct sighting *seen)
{
    repair_check(r, seen->space, repair_key_of(r->check, seen))->pre =
        (struct kv_pre){KV_PRE_VERSION, seen->version};
}

void repair_unchanged_names(struct repair *r, const struct sighting *names, size_t n)
{
    for (size_t i = 0; i < n && i < REPAIR_NAMES_MAX; i++)
        repair_unchanged(r, &names[i]);
}

int repair_stays(struct repair *r, const struct key *key, struct kv_stat *stat)
{
    struct kv_op *check = repair_check(r, key->space, key_slice(key));
    *stat = (struct kv_stat){.version = 0};
    int status = check_ask(r->check, check, stat, NULL);
    check->pre = (struct kv_pre){KV_PRE_VERSION, stat->version};
    if (status == SF_NOT_FOUND)
        check->pre.kind = KV_PRE_ABSENT;
    return status == SF_NOT_FOUND ? SF_OK : status;
}

static void count(struct repair *r, uint64_t directory, int entries, int subdirectories)
{
    if (directory == TREE_ROOT)
        return;
    struct key *key = repair_own_key(r, directory);
    op_count(repair_op(r, KV_ADD, KV_INTERNAL, key_slice(key)), key, entries, subdirectories);
    r->ops[r->op_count - 1].pre.kind = KV_PRE_EXISTS;
}

void repair_take_entry(struct repair *r, const struct sighting *entry, int subdirectories)
{
    repair_change(r, KV_DELETE, entry);
    count(r, entry->fact.value, -1, -subdirectories);
}

static void put_id(uint8_t to[8], uint64_t id)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)(id >> (8 * i));
}

int repair_set_attr(struct repair *r, struct kv_op *op, const struct attr *attr)
{
    int status = attr_encode(attr, &r->attr);
    op->flags |= KV_HAS_ATTR;
    op->attr = buffer_slice(&r->attr);
    return status;
}

int repair_put_own(struct repair *r, uint64_t id, uint64_t parent, const uint64_t found[2])
{
    const struct check_host *host = r->check->host;
    struct attr attr = {.mode = S_IFDIR | RESCUED_MODE,
                        .uid = host->uid,
                        .gid = host->gid,
                        .links = 2,
                        .parent = parent};
    struct kv_op *op = repair_own(r, KV_PUT, id);
    put_id(r->slots, found[0]);
    put_id(r->slots + 8, found[1]);
    op->pre.kind = KV_PRE_ABSENT;
    op->record_kind = RECORD_DIRECTORY;
    op->data = slice_of(r->slots, sizeof r->slots);
    return repair_set_attr(r, op, &attr);
}

int repair_transact(struct repair *r)
{
    struct kv_op mini = {.kind = KV_MINI,
                         .space = r->ops[0].space,
                         .key = r->ops[0].key,
                         .checks = r->checks,
                         .check_count = r->check_count,
                         .ops = r->ops,
                         .op_count = r->op_count};
    op_take_any_kind(r->ops, r->op_count);
    return check_ask(r->check, &mini, NULL, NULL);
}

void repair_conclude(struct repair *r, int status, enum check_wrong wrong, const char *how)
{
    struct check *check = r->check;
    bool has_changed = status == SF_PRECONDITION || status == SF_NOT_FOUND ||
                       status == SF_NOT_EMPTY || status == SF_EXISTS;
    if (has_changed && check->counts.look < CHECK_LOOKS_MAX)
        check->again = true;
    else
        tell(check, wrong, status == SF_OK ? how : NULL, sf_error_text(status));
    buffer_deinit(&r->attr);
}

void repair_mend(struct repair *r, int status, enum check_wrong wrong, const char *how)
{
    if (status == SF_OK && r->check->host->repair)
        status = repair_transact(r);
    repair_conclude(r, status, wrong, how);
}

/* -- /lost+found --------------------------------------------------------------------------- */

static int make_lost(struct check *check, struct slice name)
{
    struct repair r = {.check = check};
    uint64_t id;
    int status = check_new_id(check, &id);
    if (status != SF_OK)
        return status;
    struct kv_op *entry = repair_op(&r, KV_PUT, KV_PLAIN, name);
    put_id(r.id, id);
    entry->pre.kind = KV_PRE_ABSENT;
    entry->record_kind = RECORD_DIRECTORY;
    entry->data = slice_of(r.id, sizeof r.id);
    status = repair_put_own(&r, id, TREE_ROOT, (uint64_t[2]){0, 0});
    if (status == SF_OK)
        status = repair_transact(&r);
    if (status == SF_OK)
        check->lost = id;
    buffer_deinit(&r.attr);
    return status;
}

int repair_find_lost(struct check *check)
{
    struct slice name = slice_str(CHECK_LOST);
    struct kv_op op = {.kind = KV_STAT, .space = KV_PLAIN, .key = name};
    struct kv_stat stat;
    struct buffer data = {0};
    if (check->lost != 0 || !check->host->repair)
        return SF_OK;
    int status = check_ask(check, &op, &stat, &data);
    if (status == SF_OK)
        status = stat.kind == RECORD_DIRECTORY ? key_directory_id(buffer_slice(&data), &check->lost)
                                               : SF_NOT_DIRECTORY;
    else if (status == SF_NOT_FOUND)
        status = make_lost(check, name);
    buffer_deinit(&data);
    return status;
}

struct kv_op *repair_put_lost(struct repair *r, uint64_t id, enum record_kind kind)
{
    char name[24];
    struct key *key = repair_key(r);
    snprintf(name, sizeof name, "#%llu", (unsigned long long)id);
    int status = key_of_entry(r->check->lost, slice_str(name), key);
    sf_assert(status == SF_OK);
    struct kv_op *op = repair_op(r, KV_PUT, key->space, key_slice(key));
    op->pre.kind = KV_PRE_ABSENT;
    op->record_kind = kind;
    count(r, r->check->lost, 1, kind == RECORD_DIRECTORY);
    return op;
}

void repair_put_lost_directory(struct repair *r, uint64_t id)
{
    put_id(r->id, id);
    repair_put_lost(r, id, RECORD_DIRECTORY)->data = slice_of(r->id, sizeof r->id);
}
