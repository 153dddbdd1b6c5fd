/* Locks on ranges, byte by byte; and who is barred. */
#include "witness/kv_model_inside.h"

#define BYTES KV_MODEL_LOCK_BYTES

/* What an owner has of a key. */
struct lock_owner {
    uint64_t holder, owner;
    enum kv_lock_type types[BYTES];
};

/* From `position` on these had something. */
struct lock_state {
    uint64_t position;
    struct lock_owner *owners;
    size_t count;
};

struct lock_file {
    struct buffer key;
    struct lock_owner *owners; /* perhaps such as have nothing any more */
    size_t owner_count, owner_cap;
    struct kv_lock *waiting; /* in order */
    size_t waiting_count, waiting_cap;
    struct lock_state *states; /* by position */
    size_t state_count, state_cap;
    UT_hash_handle hh;
};

/* A place in a queue, from its first position to before its end. */
struct lock_place {
    uint64_t holder, ticket, from, end;
};

struct barred {
    uint64_t holder, position;
};

struct kv_model_locks {
    struct lock_file *files; /* by key */
    struct lock_place *places;
    size_t place_count, place_cap;
    struct barred *barred;
    size_t barred_count, barred_cap;
};

/* -- files --------------------------------------------------------------------------------- */

static struct kv_model_locks *locks_of(struct kv_model_shard *shard)
{
    if (shard->locks == NULL)
        shard->locks = sf_calloc(1, sizeof *shard->locks);
    return shard->locks;
}

static struct lock_file *find_file(const struct kv_model_shard *shard, struct slice key)
{
    struct lock_file *file = NULL;
    if (shard->locks != NULL)
        HASH_FIND(hh, shard->locks->files, key.p, key.n, file);
    return file;
}

static struct lock_file *make_file(struct kv_model_shard *shard, struct slice key)
{
    struct lock_file *file = find_file(shard, key);
    if (file != NULL)
        return file;
    file = sf_calloc(1, sizeof *file);
    buffer_set(&file->key, key);
    HASH_ADD_KEYPTR(hh, locks_of(shard)->files, file->key.p, file->key.n, file);
    return file;
}

static bool has_bytes(const struct lock_owner *owner)
{
    for (unsigned i = 0; i < BYTES; i++)
        if (owner->types[i] != KV_LOCK_NONE)
            return true;
    return false;
}

static bool file_has(const struct lock_file *file, uint64_t holder)
{
    for (size_t i = 0; i < file->owner_count; i++)
        if (file->owners[i].holder == holder && has_bytes(&file->owners[i]))
            return true;
    for (size_t i = 0; i < file->waiting_count; i++)
        if (file->waiting[i].holder == holder)
            return true;
    return false;
}

static size_t files_of(const struct kv_model_shard *shard, uint64_t holder)
{
    size_t count = 0;
    if (shard->locks != NULL)
        for (const struct lock_file *file = shard->locks->files; file != NULL; file = file->hh.next)
            count += file_has(file, holder);
    return count;
}

static void push_state(struct lock_file *file, uint64_t position)
{
    struct lock_state state = {.position = position, .count = file->owner_count};
    if (file->owner_count > 0)
        state.owners = sf_memdup(file->owners, file->owner_count * sizeof file->owners[0]);
    file->states =
        kvm_array_room(file->states, file->state_count, &file->state_cap, sizeof file->states[0]);
    file->states[file->state_count++] = state;
}

/* -- who is in whose way ------------------------------------------------------------------- */

static bool excludes(enum kv_lock_type a, enum kv_lock_type b)
{
    return a != KV_LOCK_NONE && b != KV_LOCK_NONE &&
           (a == KV_LOCK_EXCLUSIVE || b == KV_LOCK_EXCLUSIVE);
}

static bool is_own(const struct lock_owner *owner, const struct kv_lock *lock)
{
    return owner->holder == lock->holder && owner->owner == lock->owner;
}

static bool owner_blocks(const struct lock_owner *owner, const struct kv_lock *wanted)
{
    for (uint64_t i = wanted->first; i <= wanted->last; i++)
        if (excludes(owner->types[i], wanted->type))
            return !is_own(owner, wanted);
    return false;
}

static bool waiter_blocks(const struct kv_lock *waiter, const struct kv_lock *wanted)
{
    bool own = waiter->holder == wanted->holder && waiter->owner == wanted->owner;
    return !own && excludes(waiter->type, wanted->type) && waiter->first <= wanted->last &&
           wanted->first <= waiter->last;
}

struct names {
    struct {
        uint64_t holder, owner;
    } * all;
    size_t count, cap;
};

static void add_name(struct names *names, uint64_t holder, uint64_t owner)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->all[i].holder == holder && names->all[i].owner == owner)
            return;
    names->all = kvm_array_room(names->all, names->count, &names->cap, sizeof names->all[0]);
    names->all[names->count].holder = holder;
    names->all[names->count++].owner = owner;
}

/* Whom a request in this place of the queue waits for. */
static void add_blockers(const struct lock_file *file, const struct kv_lock *wanted, size_t before,
                         struct names *names)
{
    for (size_t i = 0; i < file->owner_count; i++)
        if (owner_blocks(&file->owners[i], wanted))
            add_name(names, file->owners[i].holder, file->owners[i].owner);
    for (size_t i = 0; i < before && !(wanted->flags & KV_LOCK_PASSES); i++)
        if (waiter_blocks(&file->waiting[i], wanted))
            add_name(names, file->waiting[i].holder, file->waiting[i].owner);
}

static bool is_blocked(const struct lock_file *file, const struct kv_lock *wanted, size_t before)
{
    struct names names = {0};
    add_blockers(file, wanted, before, &names);
    free(names.all);
    return names.count > 0;
}

static bool closes_circle(const struct kv_model_shard *shard, const struct lock_file *file,
                          const struct kv_lock *wanted)
{
    struct names names = {0};
    bool closed = false;
    add_blockers(file, wanted, file->waiting_count, &names);
    for (size_t n = 0; n < names.count; n++) {
        uint64_t holder = names.all[n].holder, owner = names.all[n].owner;
        closed = closed || (holder == wanted->holder && owner == wanted->owner);
        for (const struct lock_file *f = shard->locks->files; f != NULL; f = f->hh.next)
            for (size_t i = 0; i < f->waiting_count; i++)
                if (f->waiting[i].holder == holder && f->waiting[i].owner == owner)
                    add_blockers(f, &f->waiting[i], i, &names);
    }
    free(names.all);
    return closed;
}

/* -- changes ------------------------------------------------------------------------------- */

static struct lock_owner *owner_of(struct lock_file *file, const struct kv_lock *lock)
{
    for (size_t i = 0; i < file->owner_count; i++)
        if (is_own(&file->owners[i], lock))
            return &file->owners[i];
    file->owners =
        kvm_array_room(file->owners, file->owner_count, &file->owner_cap, sizeof file->owners[0]);
    struct lock_owner *owner = &file->owners[file->owner_count++];
    *owner = (struct lock_owner){.holder = lock->holder, .owner = lock->owner};
    return owner;
}

static void forget_empty(struct lock_file *file)
{
    for (size_t i = 0; i < file->owner_count;) {
        if (has_bytes(&file->owners[i]))
            i++;
        else
            file->owners[i] = file->owners[--file->owner_count];
    }
}

static void set(struct lock_file *file, const struct kv_lock *lock, enum kv_lock_type type)
{
    struct lock_owner *owner = owner_of(file, lock);
    for (uint64_t i = lock->first; i <= lock->last; i++)
        owner->types[i] = type;
    forget_empty(file);
}

static void end_place(const struct doing *doing, const struct kv_lock *waiter)
{
    struct kv_model_locks *locks = locks_of(doing->shard);
    for (size_t i = 0; i < locks->place_count; i++) {
        struct lock_place *place = &locks->places[i];
        if (place->holder == waiter->holder && place->ticket == waiter->ticket)
            place->end = doing->position;
    }
}

static void leave(const struct doing *doing, struct lock_file *file, size_t at)
{
    end_place(doing, &file->waiting[at]);
    file->waiting_count--;
    memmove(&file->waiting[at], &file->waiting[at + 1],
            (file->waiting_count - at) * sizeof file->waiting[0]);
}

static void grant(const struct doing *doing, struct lock_file *file)
{
    for (size_t i = 0; i < file->waiting_count;) {
        struct kv_lock lock = file->waiting[i];
        if (is_blocked(file, &lock, i)) {
            i++;
            continue;
        }
        leave(doing, file, i);
        set(file, &lock, lock.type);
        i = 0;
    }
}

static void queue(const struct doing *doing, struct lock_file *file, const struct kv_lock *wanted)
{
    struct kv_model_locks *locks = locks_of(doing->shard);
    file->waiting = kvm_array_room(file->waiting, file->waiting_count, &file->waiting_cap,
                                   sizeof file->waiting[0]);
    file->waiting[file->waiting_count++] = *wanted;
    locks->places = kvm_array_room(locks->places, locks->place_count, &locks->place_cap,
                                   sizeof locks->places[0]);
    locks->places[locks->place_count++] =
        (struct lock_place){wanted->holder, wanted->ticket, doing->position, UINT64_MAX};
}

static int ask(const struct doing *doing, struct lock_file *file, const struct kv_lock *wanted)
{
    size_t before = wanted->flags & KV_LOCK_WAITS ? file->waiting_count : 0;
    bool converts = wanted->flags & KV_LOCK_CONVERTS;
    bool blocked = wanted->type != KV_LOCK_NONE && is_blocked(file, wanted, before);
    if (blocked && converts) {
        set(file, wanted, KV_LOCK_NONE);
        grant(doing, file);
        before = wanted->flags & KV_LOCK_WAITS ? file->waiting_count : 0;
        blocked = is_blocked(file, wanted, before);
    }
    if (!blocked) {
        set(file, wanted, wanted->type);
        grant(doing, file);
        return SF_OK;
    }
    if (!(wanted->flags & KV_LOCK_WAITS))
        return SF_LOCK_HELD;
    if (!converts && closes_circle(doing->shard, file, wanted))
        return SF_DEADLOCK;
    queue(doing, file, wanted);
    return SF_QUEUED;
}

/* -- entries ------------------------------------------------------------------------------- */

static struct barred *find_barred(const struct kv_model_shard *shard, uint64_t holder)
{
    for (size_t i = 0; shard->locks != NULL && i < shard->locks->barred_count; i++)
        if (shard->locks->barred[i].holder == holder)
            return &shard->locks->barred[i];
    return NULL;
}

bool kvm_is_barred(const struct kv_model_shard *shard, uint64_t holder)
{
    return find_barred(shard, holder) != NULL;
}

static void tell(const struct doing *doing, uint64_t holder, struct kv_reply *reply)
{
    reply->old_length = files_of(doing->shard, holder);
    reply->ids_first = doing->model->options.limits.lease_ns / 1000000u;
}

static struct kv_lock lock_in(const struct kv_op *op)
{
    struct kv_lock lock;
    int status = kv_lock_unpack(op->data, &lock);
    sf_assert(status == SF_OK && lock.last < BYTES);
    return lock;
}

static int cancel(const struct doing *doing, struct lock_file *file, const struct kv_lock *asked)
{
    for (size_t i = 0; i < file->waiting_count; i++) {
        if (file->waiting[i].holder != asked->holder || file->waiting[i].ticket != asked->ticket)
            continue;
        leave(doing, file, i);
        grant(doing, file);
        return SF_OK;
    }
    return SF_NOT_FOUND;
}

void kvm_lock(const struct doing *doing, const struct kv_op *op, struct kv_reply *reply)
{
    const struct kv_lock lock = lock_in(op);
    struct lock_file *file = make_file(doing->shard, op->key);
    *reply = (struct kv_reply){.status = SF_FENCED};
    if (op->kind == KV_LOCK && kvm_is_barred(doing->shard, lock.holder))
        return;
    reply->status = op->kind == KV_LOCK ? ask(doing, file, &lock) : cancel(doing, file, &lock);
    tell(doing, lock.holder, reply);
    push_state(file, doing->position);
}

static void fence(const struct doing *doing, uint64_t holder, struct kv_reply *reply)
{
    struct kv_model_locks *locks = locks_of(doing->shard);
    if (find_barred(doing->shard, holder) == NULL) {
        locks->barred = kvm_array_room(locks->barred, locks->barred_count, &locks->barred_cap,
                                       sizeof locks->barred[0]);
        locks->barred[locks->barred_count++] = (struct barred){holder, doing->position};
        kvm_sessions_drop_of(doing->shard, holder);
    }
    for (const struct txn *txn = doing->shard->txns; txn != NULL; txn = txn->hh.next)
        if (txn->fate == KV_FATE_PREPARED &&
            kvm_session_find(doing->shard, txn->name.session) == NULL)
            reply->status = SF_BUSY;
}

static void release(const struct doing *doing, uint64_t holder)
{
    for (struct lock_file *file = locks_of(doing->shard)->files; file; file = file->hh.next) {
        if (!file_has(file, holder))
            continue;
        for (size_t i = 0; i < file->owner_count; i++)
            if (file->owners[i].holder == holder)
                memset(file->owners[i].types, 0, sizeof file->owners[i].types);
        for (size_t i = file->waiting_count; i > 0; i--)
            if (file->waiting[i - 1].holder == holder)
                leave(doing, file, i - 1);
        forget_empty(file);
        grant(doing, file);
        push_state(file, doing->position);
    }
}

void kvm_holder(const struct doing *doing, const struct kv_op *op, struct buffer *reply)
{
    struct kv_reply r = {0};
    bool barred = kvm_is_barred(doing->shard, op->ids_first);
    if (op->kind == KV_RENEW && barred)
        r.status = SF_FENCED;
    else if (op->kind == KV_RENEW)
        tell(doing, op->ids_first, &r);
    else if (op->kind == KV_FENCE)
        fence(doing, op->ids_first, &r);
    else if (!barred)
        r.status = SF_INVALID;
    else
        release(doing, op->ids_first);
    kv_reply_pack(reply, &r);
}

/* -- what is guarded ----------------------------------------------------------------------- */

void kvm_check_guard(const struct doing *doing, const struct kv_op *op)
{
    const struct kv_model *model = doing->model;
    struct slice key = op->key;
    if (op->kind != KV_PUT || op->space != KV_INTERNAL || key.n <= KV_MODEL_GUARD_BYTES ||
        key.p[8] != KV_MODEL_GUARD)
        return;
    struct kv_op lock = {.space = KV_INTERNAL,
                         .key =
                             slice_of(key.p + KV_MODEL_GUARD_BYTES, key.n - KV_MODEL_GUARD_BYTES)};
    uint32_t shard = kv_op_shard(&lock, model->options.routing, model->options.shard_count);
    const struct lock_file *file = find_file(&model->shards[shard], lock.key);
    struct reader r = reader_of(op->data);
    uint64_t holder = reader_u64(&r), owner = reader_u64(&r);
    bool has = false;
    for (size_t i = 0; file != NULL && i < file->owner_count; i++)
        if (file->owners[i].holder == holder && file->owners[i].owner == owner)
            has = file->owners[i].types[key.p[9]] == KV_LOCK_EXCLUSIVE;
    sf_assert(has); /* who changes what a lock guards has that lock */
}

/* -- reads --------------------------------------------------------------------------------- */

static bool is_this(const struct kv_reply *expected, struct slice reply)
{
    struct buffer b = {0};
    kv_reply_pack(&b, expected);
    bool same = slice_equal(buffer_slice(&b), reply);
    buffer_deinit(&b);
    return same;
}

static int await_at(const struct kv_model_shard *shard, const struct kv_lock *lock,
                    uint64_t position)
{
    const struct barred *barred = find_barred(shard, lock->holder);
    for (size_t i = 0; shard->locks != NULL && i < shard->locks->place_count; i++) {
        const struct lock_place *place = &shard->locks->places[i];
        if (place->holder == lock->holder && place->ticket == lock->ticket &&
            place->from <= position && position < place->end)
            return SF_QUEUED;
    }
    return barred != NULL && barred->position <= position ? SF_FENCED : SF_OK;
}

static bool explains_await(const struct kv_model_shard *shard, const struct kv_model_read *read,
                           const struct kv_lock *lock, struct slice reply)
{
    for (uint64_t at = read->from; at <= read->to; at++)
        if (is_this(&(struct kv_reply){.status = await_at(shard, lock, at)}, reply))
            return true;
    return false;
}

/* Is it all that this owner has around there of one type? */
static bool is_a_lock(const struct lock_owner *owner, const struct kv_lock *lock)
{
    for (uint64_t i = lock->first; i <= lock->last; i++)
        if (owner->types[i] != lock->type)
            return false;
    return (lock->first == 0 || owner->types[lock->first - 1] != lock->type) &&
           (lock->last == BYTES - 1 || owner->types[lock->last + 1] != lock->type);
}

static bool shows(const struct lock_state *state, const struct kv_lock *wanted,
                  const struct kv_lock *found)
{
    bool meets = found->first <= wanted->last && wanted->first <= found->last &&
                 excludes(found->type, wanted->type);
    for (size_t i = 0; i < state->count && meets; i++)
        if (is_own(&state->owners[i], found))
            return !is_own(&state->owners[i], wanted) && is_a_lock(&state->owners[i], found);
    return false;
}

static bool shows_none(const struct lock_state *state, const struct kv_lock *wanted)
{
    for (size_t i = 0; i < state->count; i++)
        if (owner_blocks(&state->owners[i], wanted))
            return false;
    return true;
}

static bool explains_test(const struct lock_file *file, const struct kv_model_read *read,
                          const struct kv_lock *wanted, struct slice reply)
{
    struct unpacked unpacked;
    struct kv_reply r;
    struct kv_lock found;
    if (unpack_open(reply, &unpacked) != SF_OK)
        return false;
    bool good = kv_reply_unpack(&unpacked.root, &r) == SF_OK && r.status == SF_OK;
    bool none = good && r.data.n == 0;
    bool one = good && !none && kv_lock_unpack(r.data, &found) == SF_OK && found.last < BYTES;
    bool explained =
        none && (file == NULL || file->state_count == 0 || file->states[0].position > read->from);
    for (size_t i = file != NULL ? file->state_count : 0; i > 0; i--) {
        const struct lock_state *state = &file->states[i - 1];
        if (state->position <= read->to)
            explained = explained || (none && shows_none(state, wanted)) ||
                        (one && shows(state, wanted, &found));
        if (state->position <= read->from)
            break;
    }
    if (good)
        kv_reply_free(&r);
    unpack_close(&unpacked);
    return explained;
}

bool kvm_lock_explains(const struct kv_model *model, const struct kv_model_read *read,
                       struct slice reply)
{
    const struct kv_model_shard *shard = &model->shards[read->shards[0]];
    const struct kv_lock lock = lock_in(read->op);
    if (read->op->kind == KV_LOCK_AWAIT)
        return explains_await(shard, read, &lock, reply);
    return explains_test(find_file(shard, read->op->key), read, &lock, reply);
}

/* -- ends ---------------------------------------------------------------------------------- */

bool kvm_has_locks(const struct kv_model_shard *shard)
{
    if (shard->locks != NULL)
        for (const struct lock_file *file = shard->locks->files; file; file = file->hh.next)
            if (file->owner_count + file->waiting_count > 0)
                return true;
    return false;
}

size_t kv_model_locked_shards(const struct kv_model *model)
{
    size_t count = 0;
    for (uint32_t i = 0; i < model->options.shard_count; i++)
        count += kvm_has_locks(&model->shards[i]);
    return count;
}

static void forget_states(struct lock_file *file, uint64_t position)
{
    size_t gone = 0;
    while (gone + 1 < file->state_count && file->states[gone + 1].position <= position)
        free(file->states[gone++].owners);
    if (gone == 0)
        return;
    file->state_count -= gone;
    memmove(file->states, file->states + gone, file->state_count * sizeof file->states[0]);
}

void kvm_locks_forget(struct kv_model_shard *shard, uint64_t position)
{
    struct kv_model_locks *locks = shard->locks;
    if (locks == NULL)
        return;
    for (struct lock_file *file = locks->files; file != NULL; file = file->hh.next)
        forget_states(file, position);
    for (size_t i = 0; i < locks->place_count;) {
        if (locks->places[i].end <= position)
            locks->places[i] = locks->places[--locks->place_count];
        else
            i++;
    }
}

static void file_free(struct kv_model_locks *locks, struct lock_file *file)
{
    HASH_DEL(locks->files, file);
    for (size_t i = 0; i < file->state_count; i++)
        free(file->states[i].owners);
    free(file->states);
    free(file->owners);
    free(file->waiting);
    buffer_deinit(&file->key);
    free(file);
}

void kvm_locks_free(struct kv_model_shard *shard)
{
    struct kv_model_locks *locks = shard->locks;
    if (locks == NULL)
        return;
    while (locks->files != NULL)
        file_free(locks, locks->files);
    free(locks->barred);
    free(locks->places);
    free(locks);
    shard->locks = NULL;
}
