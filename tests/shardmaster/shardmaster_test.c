/* What the configuration service answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shardmaster/clients.h"
#include "shardmaster/master_stage.h"

struct scene {
    struct stage *stage;
    struct master_client *client;
};

static struct scene scene_up(uint64_t seed, size_t count)
{
    const struct stage_options options = master_stage_options(count);
    struct stage *stage = master_stage_up(seed, &options);
    return (struct scene){.stage = stage, .client = client_new(stage)};
}

static void scene_free(struct scene *scene)
{
    client_free(scene->client);
    master_stage_free(scene->stage);
}

static const struct master_reply *join(struct master_client *client, group_id gid)
{
    char address[1][SF_ADDRESS_BYTES_MAX];
    struct group group = master_group(gid, address);
    const struct master_op op = {.kind = MASTER_JOIN, .groups = &group, .group_count = 1};
    client_operate(client, &op);
    client_wait(client);
    return client_reply(client);
}

static const struct master_reply *leave(struct master_client *client, group_id gid)
{
    const struct master_op op = {.kind = MASTER_LEAVE, .gids = &gid, .gid_count = 1};
    client_operate(client, &op);
    client_wait(client);
    return client_reply(client);
}

static const struct master_reply *move(struct master_client *client, uint32_t shard, group_id gid)
{
    const struct master_op op = {.kind = MASTER_MOVE, .shard = shard, .gid = gid};
    client_operate(client, &op);
    client_wait(client);
    return client_reply(client);
}

static const struct config *query(struct master_client *client, int64_t num)
{
    client_query(client, num);
    client_wait(client);
    return client_config(client);
}

static size_t shards_of(const struct config *config, group_id gid)
{
    size_t n = 0;
    for (uint32_t s = 0; s < config->shard_count; s++)
        n += config->shards[s] == gid;
    return n;
}

/* -- tests --------------------------------------------------------------------------------- */

static void config_0_has_no_groups(void **state)
{
    struct scene s = scene_up(1, 3);
    (void)state;
    const struct config *config = query(s.client, -1);
    assert_int_equal(config->num, 0);
    assert_int_equal(config->shard_count, 10);
    assert_int_equal(config->group_count, 0);
    assert_int_equal(shards_of(config, 0), 10);
    scene_free(&s);
}

static void joins_leaves_and_moves_make_configs(void **state)
{
    struct scene s = scene_up(2, 3);
    (void)state;
    assert_int_equal(join(s.client, 1)->config_num, 1);
    assert_int_equal(join(s.client, 2)->config_num, 2);
    const struct config *config = query(s.client, -1);
    assert_int_equal(shards_of(config, 1), 5);
    assert_int_equal(shards_of(config, 2), 5);
    assert_string_equal(config_find_group(config, 2)->addresses[0], "g2:1");
    uint32_t shard = config->shards[0] == 1 ? 0 : 1;
    assert_int_equal(move(s.client, shard, 2)->config_num, 3);
    assert_int_equal(query(s.client, -1)->shards[shard], 2);
    assert_int_equal(leave(s.client, 1)->config_num, 4);
    assert_int_equal(shards_of(query(s.client, -1), 2), 10);
    scene_free(&s);
}

static void errors_name_their_group_and_make_no_config(void **state)
{
    struct scene s = scene_up(3, 3);
    (void)state;
    join(s.client, 1);
    const struct master_reply *reply = join(s.client, 1);
    assert_int_equal(reply->status, SF_GROUP_EXISTS);
    assert_int_equal(reply->which, 1);
    assert_int_equal(reply->config_num, 1);
    reply = leave(s.client, 9);
    assert_int_equal(reply->status, SF_NO_GROUP);
    assert_int_equal(reply->which, 9);
    assert_int_equal(move(s.client, 10, 1)->status, SF_NO_SHARD);
    assert_int_equal(move(s.client, 0, 8)->status, SF_NO_GROUP);
    reply = move(s.client, 0, 1); /* to its owner */
    assert_int_equal(reply->status, SF_OK);
    assert_int_equal(reply->config_num, 1);
    assert_int_equal(query(s.client, -1)->num, 1);
    scene_free(&s);
}

static void history_is_kept(void **state)
{
    struct scene s = scene_up(4, 3);
    struct config *kept[6];
    (void)state;
    for (group_id gid = 1; gid <= 5; gid++) {
        join(s.client, gid);
        kept[gid] = config_copy(query(s.client, -1));
    }
    for (size_t i = 0; i < 3; i++) {
        sim_node_crash(s.stage->nodes[i].node);
        sim_node_start(s.stage->nodes[i].node);
    }
    for (group_id gid = 1; gid <= 5; gid++) {
        assert_true(config_equal(query(s.client, (int64_t)gid), kept[gid]));
        config_free(kept[gid]);
    }
    assert_int_equal(query(s.client, 0)->group_count, 0);
    assert_int_equal(query(s.client, 1000)->num, 5);
    scene_free(&s);
}

static void an_operation_sent_again_is_done_once(void **state)
{
    struct scene s = scene_up(5, 3);
    char address[1][SF_ADDRESS_BYTES_MAX];
    struct group group = master_group(1, address);
    const struct master_op op = {.kind = MASTER_JOIN, .groups = &group, .group_count = 1};
    (void)state;
    client_operate(s.client, &op);
    client_wait(s.client);
    client_repeat(s.client);
    client_wait(s.client);
    assert_int_equal(client_reply(s.client)->status, SF_OK);
    assert_int_equal(client_reply(s.client)->config_num, 1);
    join(s.client, 1); /* a new one */
    assert_int_equal(client_reply(s.client)->status, SF_GROUP_EXISTS);
    scene_free(&s);
}

static void any_replica_answers_for_an_old_config(void **state)
{
    struct scene s = scene_up(6, 3);
    (void)state;
    join(s.client, 1);
    assert_true(stage_wait_settled(s.stage, s.stage->applied_max, 10000));
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            if (i != j)
                sim_cut(s.stage->sim, s.stage->nodes[i].node, s.stage->nodes[j].node);
    sim_run_ns(s.stage->sim, 5 * ENV_SECOND_NS);
    assert_null(stage_leader(s.stage));
    assert_int_equal(query(s.client, 1)->num, 1);
    scene_free(&s);
}

/* -- the duplicate table ------------------------------------------------------------------- */

static void note_client(const struct space *space, uint64_t id, uint64_t time_ns)
{
    const struct master_op op = {.client_hi = 1, .client_lo = id, .sequence = time_ns};
    const struct client_record record = {
        .sequence = time_ns, .time_ns = time_ns, .reply = {.status = SF_NO_GROUP, .which = id}};
    struct store_batch *batch = store_batch_new(space);
    assert_int_equal(clients_note(space, batch, &op, &record, 3), SF_OK);
    assert_int_equal(store_write(space->store, batch), SF_OK);
    store_batch_free(batch);
}

static int find_client(const struct space *space, uint64_t id, uint64_t *sequence)
{
    const struct master_op op = {.client_hi = 1, .client_lo = id};
    struct client_record record;
    int status = clients_find(space, &op, &record);
    if (status == SF_OK) {
        assert_int_equal(record.reply.status, SF_NO_GROUP);
        assert_int_equal(record.reply.which, id);
        *sequence = record.sequence;
    }
    return status;
}

static void the_client_that_was_silent_longest_is_dropped(void **state)
{
    struct store_image *image = store_image_new();
    struct store *store = store_memory_open(image);
    const struct space space = {.store = store};
    uint64_t sequence = 0;
    (void)state;
    note_client(&space, 10, 1);
    note_client(&space, 11, 2);
    note_client(&space, 12, 3);
    note_client(&space, 10, 4);
    note_client(&space, 13, 5); /* 11 is the oldest */
    assert_int_equal(find_client(&space, 11, &sequence), SF_NOT_FOUND);
    assert_int_equal(find_client(&space, 10, &sequence), SF_OK);
    assert_int_equal(sequence, 4);
    note_client(&space, 14, 6);
    assert_int_equal(find_client(&space, 12, &sequence), SF_NOT_FOUND);
    assert_int_equal(find_client(&space, 13, &sequence), SF_OK);
    store_close(store);
    store_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_0_has_no_groups),
        cmocka_unit_test(joins_leaves_and_moves_make_configs),
        cmocka_unit_test(errors_name_their_group_and_make_no_config),
        cmocka_unit_test(history_is_kept),
        cmocka_unit_test(an_operation_sent_again_is_done_once),
        cmocka_unit_test(any_replica_answers_for_an_old_config),
        cmocka_unit_test(the_client_that_was_silent_longest_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
