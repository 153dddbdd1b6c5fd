/* codec: consensus messages, Configs and master calls survive the wire; damage never harms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "proto/sample.h"

/* One kind of thing that is encoded, for the tests that are the same for all. */
struct form {
    void (*make)(struct sample *s, struct buffer *b); /* packs a random one */
    int (*again)(struct cursor *c, struct buffer *b); /* unpacks, packs, frees */
};

static void make_msg(struct sample *s, struct buffer *b)
{
    struct consensus_msg msg;
    sample_msg(s, &msg);
    codec_pack_msg(b, &msg);
    consensus_msg_deinit(&msg);
}

static int again_msg(struct cursor *c, struct buffer *b)
{
    struct consensus_msg msg;
    int status = codec_unpack_msg(c, &msg);
    if (status == SF_OK) {
        codec_pack_msg(b, &msg);
        consensus_msg_deinit(&msg);
    }
    return status;
}

static void make_config(struct sample *s, struct buffer *b)
{
    struct config *config = sample_config(s);
    codec_pack_config(b, config);
    config_free(config);
}

static int again_config(struct cursor *c, struct buffer *b)
{
    struct config *config = NULL;
    int status = codec_unpack_config(c, &config);
    if (status == SF_OK)
        codec_pack_config(b, config);
    config_free(config);
    return status;
}

static void make_master_op(struct sample *s, struct buffer *b)
{
    struct master_op op;
    sample_master_op(s, &op);
    codec_pack_master_op(b, &op);
    master_op_free(&op);
}

static int again_master_op(struct cursor *c, struct buffer *b)
{
    struct master_op op;
    int status = codec_unpack_master_op(c, &op);
    if (status == SF_OK)
        codec_pack_master_op(b, &op);
    master_op_free(&op);
    return status;
}

static const struct form forms[] = {
    {make_msg, again_msg}, {make_config, again_config}, {make_master_op, again_master_op}};
#define FORM_COUNT (sizeof forms / sizeof forms[0])

/* Decodes the one element of a packed array and packs it anew. */
static int decode(const struct form *form, struct slice bytes, struct buffer *b)
{
    struct unpacked u = {0};
    int status = unpack_open(bytes, &u);
    if (status != SF_OK)
        return status;
    struct cursor c = unpack_root(&u);
    buffer_clear(b);
    pack_array(b, 1);
    status = form->again(&c, b);
    unpack_close(&u);
    return status;
}

static void make(const struct form *form, struct sample *s, struct buffer *b)
{
    buffer_clear(b);
    pack_array(b, 1);
    form->make(s, b);
}

static void test_all_round_trip(void **state)
{
    (void)state;
    struct sample s = {.state = 10};
    struct buffer b = {0}, again = {0};
    for (int i = 0; i < 500; i++) {
        for (size_t k = 0; k < FORM_COUNT; k++) {
            make(&forms[k], &s, &b);
            assert_int_equal(decode(&forms[k], buffer_slice(&b), &again), SF_OK);
            assert_true(slice_equal(buffer_slice(&b), buffer_slice(&again)));
        }
    }
    buffer_deinit(&b);
    buffer_deinit(&again);
}

static void test_all_are_refused_when_cut(void **state)
{
    (void)state;
    struct sample s = {.state = 11};
    struct buffer b = {0}, again = {0};
    for (size_t k = 0; k < FORM_COUNT; k++) {
        make(&forms[k], &s, &b);
        for (size_t n = 0; n < b.n; n++)
            assert_true(decode(&forms[k], slice_of(b.p, n), &again) < 0);
        struct unpacked u = {0};
        assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
        msgpack_object_array *array = &u.root.via.array.ptr[0].via.array;
        for (array->size--; array->size > 0; array->size--) {
            struct cursor c = unpack_root(&u);
            assert_int_equal(forms[k].again(&c, &again), SF_PROTOCOL);
        }
        unpack_close(&u);
    }
    buffer_deinit(&b);
    buffer_deinit(&again);
}

static void test_damage_does_no_harm(void **state)
{
    (void)state;
    struct sample s = {.state = 12};
    struct buffer b = {0}, once = {0}, twice = {0};
    unsigned survived = 0;
    for (int i = 0; i < 15000; i++) {
        const struct form *form = &forms[(size_t)i % FORM_COUNT];
        make(form, &s, &b);
        sample_damage(&s, &b);
        if (decode(form, buffer_slice(&b), &once) == SF_OK) {
            assert_int_equal(decode(form, buffer_slice(&once), &twice), SF_OK);
            assert_true(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
            survived++;
        }
    }
    assert_in_range(survived, 100, 14900);
    buffer_deinit(&b);
    buffer_deinit(&once);
    buffer_deinit(&twice);
}

static void test_a_config_keeps_its_meaning(void **state)
{
    (void)state;
    struct sample s = {.state = 13};
    for (int i = 0; i < 100; i++) {
        struct config *config = sample_config(&s), *got = NULL;
        struct unpacked u = {0};
        struct buffer b = {0};
        pack_array(&b, 1);
        codec_pack_config(&b, config);
        assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
        struct cursor c = unpack_root(&u);
        assert_int_equal(codec_unpack_config(&c, &got), SF_OK);
        assert_true(config_equal(config, got));
        config_free(config);
        config_free(got);
        unpack_close(&u);
        buffer_deinit(&b);
    }
}

/* Packs a Config that a careless or hostile sender made. */
static int status_of_config(const struct config *config)
{
    struct buffer b = {0}, again = {0};
    pack_array(&b, 1);
    codec_pack_config(&b, config);
    int status = decode(&forms[1], buffer_slice(&b), &again);
    buffer_deinit(&b);
    buffer_deinit(&again);
    return status;
}

static void test_configs_that_nobody_could_rely_on(void **state)
{
    (void)state;
    char address[1][SF_ADDRESS_BYTES_MAX] = {"a:1"};
    group_id shards[2] = {1, 2};
    struct group groups[2] = {{.gid = 1, .address_count = 1, .addresses = address},
                              {.gid = 2, .address_count = 1, .addresses = address}};
    struct config config = {.shard_count = 2,
                            .routing = ROUTING_HASH,
                            .shards = shards,
                            .groups = groups,
                            .group_count = 2};
    assert_int_equal(status_of_config(&config), SF_OK);
    shards[1] = 3; /* an owner that is no group */
    assert_int_equal(status_of_config(&config), SF_PROTOCOL);
    shards[1] = 0;
    groups[1].gid = 1; /* twice */
    assert_int_equal(status_of_config(&config), SF_PROTOCOL);
    groups[1].gid = 2;
    groups[1].address_count = 0;
    assert_int_equal(status_of_config(&config), SF_PROTOCOL);
    groups[1].address_count = 1;
    config.routing = (enum routing)4;
    assert_int_equal(status_of_config(&config), SF_PROTOCOL);
    config.routing = ROUTING_HASH;
    config.shard_count = 0;
    assert_int_equal(status_of_config(&config), SF_PROTOCOL);
}

static void test_a_message_keeps_its_entries(void **state)
{
    (void)state;
    struct consensus_msg msg = {.type = MSG_APPEND,
                                .from = 1,
                                .to = 2,
                                .term = 3,
                                .index = 4,
                                .log_term = 5,
                                .commit = 6,
                                .context = 7,
                                .reject = true,
                                .entry_count = 1},
                         got;
    struct entry entry = {.index = 5, .term = 3, .payload = payload_new(slice_str("body"))};
    struct unpacked u = {0};
    struct buffer b = {0};
    msg.entries = &entry;
    pack_array(&b, 1);
    codec_pack_msg(&b, &msg);
    assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
    struct cursor c = unpack_root(&u);
    assert_int_equal(codec_unpack_msg(&c, &got), SF_OK);
    unpack_close(&u);
    buffer_deinit(&b); /* payloads are copies */
    assert_int_equal(got.type, MSG_APPEND);
    assert_int_equal(got.from, 1);
    assert_int_equal(got.to, 2);
    assert_int_equal(got.term, 3);
    assert_int_equal(got.index, 4);
    assert_int_equal(got.log_term, 5);
    assert_int_equal(got.commit, 6);
    assert_int_equal(got.context, 7);
    assert_true(got.reject && !got.transfer && !got.after_sync);
    assert_int_equal(got.entry_count, 1);
    assert_int_equal(got.entries[0].index, 5);
    assert_int_equal(got.entries[0].term, 3);
    assert_true(slice_equal(payload_slice(got.entries[0].payload), slice_str("body")));
    consensus_msg_deinit(&got);
    payload_unref(entry.payload);
}

static void test_master_replies_round_trip(void **state)
{
    (void)state;
    struct master_reply reply = {.status = SF_GROUP_EXISTS, .which = 7, .config_num = 9}, got;
    struct unpacked u = {0};
    struct buffer b = {0};
    pack_array(&b, 1);
    codec_pack_master_reply(&b, &reply);
    assert_int_equal(unpack_open(buffer_slice(&b), &u), SF_OK);
    struct cursor c = unpack_root(&u);
    assert_int_equal(codec_unpack_master_reply(&c, &got), SF_OK);
    assert_true(got.status == reply.status && got.which == 7 && got.config_num == 9);
    unpack_close(&u);
    buffer_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_round_trip),
        cmocka_unit_test(test_all_are_refused_when_cut),
        cmocka_unit_test(test_damage_does_no_harm),
        cmocka_unit_test(test_a_config_keeps_its_meaning),
        cmocka_unit_test(test_configs_that_nobody_could_rely_on),
        cmocka_unit_test(test_a_message_keeps_its_entries),
        cmocka_unit_test(test_master_replies_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
