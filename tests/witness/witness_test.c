/* The witness accepts what is right, and each kind of wrong answer is one that it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "env/memory.h"
#include "rpc/frame.h"
#include "shardkv/request.h"
#include "shardkv/shards_inside.h"
#include "witness/witness.h"

#define CLIENT 7u
#define REFUSED 7 /* exit status */

/* One group that serves one shard from Config 1 on, one client with one session. */
struct rig {
    struct sim *sim;
    struct witness *witness;
    struct kv_model *model; /* beside the witness's own: what the group is to answer */
    struct shards *shards;
    uint64_t position, index, time_ns;
    uint32_t id;
    struct kv_session session;
};

static struct rig rig;

static _Noreturn void end_refused(const char *condition, const char *file, int line)
{
    (void)condition;
    (void)file;
    (void)line;
    _exit(REFUSED);
}

static void serve_shard(void)
{
    struct row *row = sf_calloc(1, sizeof *row);
    row->state = ROW_SERVING;
    row->home = row->gained = 1;
    shards_insert(rig.shards, row);
    rig.shards->num = 1;
}

static void apply_body(struct slice body)
{
    rig.index++;
    rig.time_ns += 1000000;
    struct machine_entry entry = {.index = rig.index, .time_ns = rig.time_ns, .body = body};
    witness_applied(rig.witness, 0, &entry, rig.shards);
}

/* -- what is asked, applied, answered ------------------------------------------------------ */

static struct kv_request make_request(struct kv_op op)
{
    return (struct kv_request){.target = {.gid = 1}, .session = rig.session, .op = op};
}

/* The request leaves the client; its number. */
static uint32_t ask(const struct kv_request *request)
{
    struct buffer b = {0};
    kv_request_pack(&b, request);
    frame_request(&b, ++rig.id, kv_method_name(request->op.kind));
    witness_heard(rig.witness, CLIENT, true, buffer_slice(&b));
    buffer_deinit(&b);
    return rig.id;
}

/* The group applies it. *reply: the right answer. */
static void apply(const struct kv_request *request, struct buffer *reply)
{
    struct buffer body = {0};
    request_pack(&body, request);
    apply_body(buffer_slice(&body));
    buffer_deinit(&body);
    struct kv_model_at at = {.time_ns = rig.time_ns, .position = rig.index};
    buffer_clear(reply);
    kv_model_mutate(rig.model, &at, &request->session, &request->op, reply);
}

static void answer(uint32_t id, struct slice reply)
{
    struct buffer b = {0};
    buffer_append(&b, reply.p, reply.n);
    frame_reply(&b, id);
    witness_heard(rig.witness, CLIENT, false, buffer_slice(&b));
    buffer_deinit(&b);
}

static struct kv_op put(const char *value)
{
    return (struct kv_op){.kind = KV_PUT, .key = slice_str("color"), .data = slice_str(value)};
}

static struct kv_op get(void)
{
    return (struct kv_op){.kind = KV_GET, .key = slice_str("color")};
}

/* The next number of the session. */
static struct kv_request next(struct kv_op op)
{
    rig.session.first_incomplete = ++rig.session.sequence;
    return make_request(op);
}

static void do_put(const char *value)
{
    struct buffer reply = {0};
    struct kv_request request = next(put(value));
    uint32_t id = ask(&request);
    apply(&request, &reply);
    answer(id, buffer_slice(&reply));
    buffer_deinit(&reply);
}

static void read_now(struct buffer *reply)
{
    const uint32_t shard = 0;
    struct kv_op op = get();
    struct kv_model_read read = {.op = &op, .shards = &shard, .shard_count = 1, .to = rig.index};
    buffer_clear(reply);
    kv_model_answer(rig.model, &read, reply);
}

/* -- the stage ----------------------------------------------------------------------------- */

static int setup(void **state)
{
    static const uint8_t config_entry = SHARDS_ENTRY_FIRST, client[KV_CLIENT_BYTES] = "me";
    const struct kv_model_options options = {
        .shard_count = 1, .routing = ROUTING_HASH, .limits = shardkv_limits_default};
    const struct shards_options table = {.gid = 1, .shard_count = 1, .routing = ROUTING_HASH};
    struct buffer reply = {0};
    (void)state;
    rig = (struct rig){.sim = sim_new(1), .time_ns = 1000};
    rig.witness = witness_new(rig.sim, &options);
    rig.model = kv_model_new(&options);
    rig.shards = shards_new(&table);
    serve_shard();
    apply_body(slice_of(&config_entry, 1));
    kv_model_create(rig.model, 0, 1);
    struct kv_request open = make_request(
        (struct kv_op){.kind = KV_SESSION_OPEN, .data = slice_of(client, sizeof client)});
    uint32_t id = ask(&open);
    apply(&open, &reply);
    answer(id, buffer_slice(&reply));
    rig.session.session = (1ull << 32) + 1;
    buffer_deinit(&reply);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    witness_free(rig.witness);
    kv_model_free(rig.model);
    shards_free(rig.shards);
    sim_free(rig.sim);
    return 0;
}

/* In a process of its own, which ends when the witness refuses. */
#define assert_refused(statement)                                                                  \
    do {                                                                                           \
        int status = 0;                                                                            \
        pid_t pid = fork();                                                                        \
        assert_true(pid >= 0);                                                                     \
        if (pid == 0) {                                                                            \
            sf_assert_handler = end_refused;                                                       \
            statement;                                                                             \
            _exit(0);                                                                              \
        }                                                                                          \
        assert_int_equal(waitpid(pid, &status, 0), pid);                                           \
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == REFUSED);                          \
    } while (0)

/* -- cases --------------------------------------------------------------------------------- */

static void right_answers_are_accepted(void **state)
{
    struct buffer reply = {0};
    (void)state;
    do_put("red");
    struct kv_request read = make_request(get());
    uint32_t id = ask(&read);
    read_now(&reply);
    answer(id, buffer_slice(&reply));
    struct witness_count count = witness_count(rig.witness);
    assert_int_equal(count.entries, 2);
    assert_int_equal(count.mutations, 2);
    assert_int_equal(count.reads, 1);
    buffer_deinit(&reply);
}

static void a_repetition_has_the_first_answer(void **state)
{
    struct buffer first = {0}, second = {0};
    (void)state;
    struct kv_request request = next(put("red"));
    uint32_t id = ask(&request), again = ask(&request);
    apply(&request, &first);
    apply(&request, &second);
    assert_true(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    answer(id, buffer_slice(&first));
    answer(again, buffer_slice(&second));
    buffer_deinit(&first);
    buffer_deinit(&second);
}

/* As a group would that lost the completion record. */
static void a_repetition_that_was_executed_is_refused(void **state)
{
    struct buffer reply = {0};
    (void)state;
    struct kv_request request = next(put("red")), other = request;
    uint32_t id = ask(&request);
    apply(&request, &reply);
    struct kv_model_at at = {.time_ns = rig.time_ns + 1, .position = rig.index + 1};
    other.session.sequence++; /* to the model it is another one */
    other.session.first_incomplete++;
    buffer_clear(&reply);
    kv_model_mutate(rig.model, &at, &other.session, &other.op, &reply);
    assert_refused(answer(id, buffer_slice(&reply)));
    buffer_deinit(&reply);
}

static void what_nobody_asked_for_is_refused(void **state)
{
    struct buffer reply = {0};
    (void)state;
    struct kv_request asked = next(put("red")), applied = asked;
    (void)ask(&asked);
    applied.op = put("blue");
    assert_refused(apply(&applied, &reply));
    buffer_deinit(&reply);
}

static void an_answer_before_its_entry_is_refused(void **state)
{
    struct buffer reply = {0};
    (void)state;
    struct kv_request request = next(put("red"));
    uint32_t id = ask(&request);
    kv_reply_pack(&reply, &(struct kv_reply){.status = SF_OK});
    assert_refused(answer(id, buffer_slice(&reply)));
    buffer_deinit(&reply);
}

static void a_refusal_says_nothing(void **state)
{
    struct buffer reply = {0};
    (void)state;
    struct kv_request request = next(put("red"));
    uint32_t id = ask(&request);
    kv_reply_pack(&reply, &(struct kv_reply){.status = SF_NOT_LEADER});
    answer(id, buffer_slice(&reply));
    assert_int_equal(witness_count(rig.witness).mutations, 1); /* the session's opening alone */
    buffer_deinit(&reply);
}

static void a_read_of_the_past_is_refused(void **state)
{
    struct buffer old = {0};
    (void)state;
    do_put("red");
    read_now(&old);
    do_put("blue");
    struct kv_request read = make_request(get());
    uint32_t id = ask(&read);
    assert_refused(answer(id, buffer_slice(&old)));
    buffer_deinit(&old);
}

static void a_read_may_see_what_changed_while_it_was_asked(void **state)
{
    struct buffer old = {0}, new = {0};
    (void)state;
    do_put("red");
    read_now(&old);
    struct kv_request read = make_request(get());
    uint32_t id = ask(&read), other = ask(&read);
    do_put("blue");
    read_now(&new);
    answer(id, buffer_slice(&old));
    answer(other, buffer_slice(&new));
    buffer_deinit(&old);
    buffer_deinit(&new);
}

static void a_page_that_misses_a_name_is_refused(void **state)
{
    struct buffer reply = {0};
    (void)state;
    do_put("red");
    struct kv_request scan = make_request((struct kv_op){.kind = KV_SCAN, .length = 10});
    uint32_t id = ask(&scan);
    kv_reply_pack(&reply, &(struct kv_reply){.stat.kind = RECORD_DIRECTORY});
    assert_refused(answer(id, buffer_slice(&reply)));
    buffer_deinit(&reply);
}

/* -- locks --------------------------------------------------------------------------------- */

#define LOCK_KEY "\0\0\0\0\0\0\0\1l"

static const struct kv_lock first_lock = {
    .type = KV_LOCK_EXCLUSIVE, .holder = 7, .owner = 1, .last = 3};
static const struct kv_lock second_lock = {
    .type = KV_LOCK_SHARED, .holder = 7, .owner = 2, .first = 3, .last = 5};

/* data: set to what the operation points into. */
static struct kv_op lock_op(enum kv_kind kind, const struct kv_lock *lock, struct buffer *data)
{
    buffer_clear(data);
    kv_lock_pack(data, lock);
    return (struct kv_op){.kind = kind,
                          .space = KV_INTERNAL,
                          .key = slice_of((const uint8_t *)LOCK_KEY, sizeof LOCK_KEY - 1),
                          .data = buffer_slice(data)};
}

static void take_first_lock(void)
{
    struct buffer data = {0}, reply = {0};
    struct kv_request request = next(lock_op(KV_LOCK, &first_lock, &data));
    uint32_t id = ask(&request);
    apply(&request, &reply);
    answer(id, buffer_slice(&reply));
    buffer_deinit(&data);
    buffer_deinit(&reply);
}

static void a_lock_that_others_have_is_refused(void **state)
{
    struct buffer data = {0}, right = {0}, wrong = {0};
    (void)state;
    take_first_lock();
    struct kv_request request = next(lock_op(KV_LOCK, &second_lock, &data));
    uint32_t id = ask(&request);
    apply(&request, &right);
    kv_reply_pack(&wrong, &(struct kv_reply){.old_length = 1, .ids_first = 30000});
    assert_refused(answer(id, buffer_slice(&wrong)));
    buffer_clear(&wrong);
    kv_reply_pack(&wrong,
                  &(struct kv_reply){.status = SF_LOCK_HELD, .old_length = 1, .ids_first = 30000});
    assert_true(slice_equal(buffer_slice(&wrong), buffer_slice(&right)));
    answer(id, buffer_slice(&right));
    buffer_deinit(&data);
    buffer_deinit(&right);
    buffer_deinit(&wrong);
}

static void a_test_that_misses_a_lock_is_refused(void **state)
{
    struct buffer data = {0}, shown = {0}, reply = {0};
    (void)state;
    take_first_lock();
    struct kv_request request = make_request(lock_op(KV_LOCK_TEST, &second_lock, &data));
    uint32_t id = ask(&request);
    kv_reply_pack(&reply, &(struct kv_reply){0});
    assert_refused(answer(id, buffer_slice(&reply)));
    kv_lock_pack(&shown, &first_lock);
    buffer_clear(&reply);
    kv_reply_pack(&reply, &(struct kv_reply){.data = buffer_slice(&shown)});
    answer(id, buffer_slice(&reply));
    buffer_deinit(&data);
    buffer_deinit(&shown);
    buffer_deinit(&reply);
}

/* Byte 3 is guarded by first_lock, byte 4 by none. */
static void write_byte(uint8_t byte)
{
    struct buffer key = {0}, data = {0}, reply = {0};
    buffer_put_u64(&key, 9);
    buffer_put_u8(&key, KV_MODEL_GUARD);
    buffer_put_u8(&key, byte);
    buffer_append(&key, (const uint8_t *)LOCK_KEY, sizeof LOCK_KEY - 1);
    buffer_put_u64(&data, first_lock.holder);
    buffer_put_u64(&data, first_lock.owner);
    struct kv_request request = next((struct kv_op){.kind = KV_PUT,
                                                    .space = KV_INTERNAL,
                                                    .key = buffer_slice(&key),
                                                    .data = buffer_slice(&data)});
    (void)ask(&request);
    apply(&request, &reply);
    buffer_deinit(&key);
    buffer_deinit(&data);
    buffer_deinit(&reply);
}

static void a_write_without_its_lock_is_refused(void **state)
{
    (void)state;
    assert_refused(write_byte(3));
    take_first_lock();
    write_byte(3);
    assert_refused(write_byte(4));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(right_answers_are_accepted),
        CASE(a_repetition_has_the_first_answer),
        CASE(a_repetition_that_was_executed_is_refused),
        CASE(what_nobody_asked_for_is_refused),
        CASE(an_answer_before_its_entry_is_refused),
        CASE(a_refusal_says_nothing),
        CASE(a_read_of_the_past_is_refused),
        CASE(a_read_may_see_what_changed_while_it_was_asked),
        CASE(a_page_that_misses_a_name_is_refused),
        CASE(a_lock_that_others_have_is_refused),
        CASE(a_test_that_misses_a_lock_is_refused),
        CASE(a_write_without_its_lock_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
