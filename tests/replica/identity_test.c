/* Whose a directory is: what is refused, and what it says then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"
#include "replica/identity.h"
#include "sim/sim.h"

/* -- a process that does nothing but lend its env ------------------------------------------ */

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    (void)node;
    *(struct env **)ctx = env;
}

static void halt(void *ctx, struct sim_node *node)
{
    (void)ctx;
    (void)node;
}

static struct env *env_now;

static int make_env(void **state)
{
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = &env_now};
    struct sim *sim = sim_new(1);
    sim_node_start(sim_node_new(sim, "n1", &program));
    *state = sim;
    return 0;
}

static int free_env(void **state)
{
    sim_free(*state);
    return 0;
}

/* -- what is wanted ------------------------------------------------------------------------ */

static char addresses[3][SF_ADDRESS_BYTES_MAX] = {"a:1", "b:1", "c:1"};

static struct identity_replica wanted_replica(void)
{
    return (struct identity_replica){
        .group = {.gid = 100, .address_count = 3, .addresses = addresses},
        .self = 2,
        .engine = CONSENSUS_RAFT,
        .shard_count = 10,
        .routing = ROUTING_FIRST_BYTE};
}

static struct identity wanted_identity(void)
{
    return (struct identity){.cluster_id = 0xabc, .role = "shardkv"};
}

/* Makes the directory one of replica 2 of group 100. */
static void make_directory(void)
{
    struct identity identity = wanted_identity();
    struct identity_replica replica = wanted_replica();
    assert_int_equal(identity_add(&identity, &replica)->key, 1);
    assert_int_equal(env_dir_create(env_now, "d"), SF_OK);
    assert_int_equal(identity_write(env_now, "d", &identity), SF_OK);
    identity_deinit(&identity);
}

static void check_claim(const struct identity *wanted, bool create, int status, const char *why)
{
    struct identity found;
    char *said = NULL;
    assert_int_equal(identity_claim(env_now, "d", wanted, create, &found, &said), status);
    if (why != NULL)
        assert_string_equal(said, why);
    free(said);
    if (status == SF_OK)
        identity_deinit(&found);
}

static void check_match(const struct identity_replica *wanted, int status, const char *why)
{
    struct identity claimed, wanted_host = wanted_identity();
    const struct identity_replica *found = NULL;
    char *said = NULL;
    assert_int_equal(identity_claim(env_now, "d", &wanted_host, false, &claimed, &said), SF_OK);
    assert_int_equal(identity_match(&claimed, "d", wanted, false, &found, &said), status);
    if (why != NULL)
        assert_string_equal(said, why);
    else
        assert_non_null(found);
    free(said);
    identity_deinit(&claimed);
}

static void make_file(const char *path, const char *content)
{
    struct env_file *file = NULL;
    assert_int_equal(env_dir_create(env_now, "d"), SF_OK);
    assert_int_equal(env_file_open(env_now, path, ENV_FILE_CREATE, &file), SF_OK);
    assert_int_equal(env_file_write(file, 0, content, strlen(content)), SF_OK);
    env_file_close(file);
}

/* -- tests --------------------------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
    struct identity found;
    char *why = NULL;
    (void)state;
    make_directory();
    assert_int_equal(identity_read(env_now, "d", &found, &why), SF_OK);
    assert_true(found.exists);
    assert_int_equal(found.cluster_id, 0xabc);
    assert_string_equal(found.role, "shardkv");
    assert_int_equal(found.replica_count, 1);
    const struct identity_replica *r = &found.replicas[0];
    assert_int_equal(r->key, 1);
    assert_int_equal(r->group.gid, 100);
    assert_int_equal(r->group.address_count, 3);
    assert_string_equal(identity_address(r), "b:1");
    assert_int_equal(r->engine, CONSENSUS_RAFT);
    assert_int_equal(r->shard_count, 10);
    assert_int_equal(r->routing, ROUTING_FIRST_BYTE);
    identity_deinit(&found);
}

static void an_empty_directory_needs_create(void **state)
{
    struct identity wanted = wanted_identity();
    (void)state;
    assert_int_equal(env_dir_create(env_now, "d"), SF_OK);
    check_claim(&wanted, false, SF_NOT_FOUND,
                "d holds no server's data: say --create to begin a new one there");
    check_claim(&wanted, true, SF_OK, NULL);
}

static void a_directory_with_other_files_is_refused(void **state)
{
    struct identity wanted = wanted_identity();
    (void)state;
    make_file("d/letters.txt", "dear");
    check_claim(&wanted, true, SF_MISMATCH,
                "d holds other files and no identity: give an empty directory");
}

static void another_role_or_cluster_is_refused(void **state)
{
    struct identity wanted = wanted_identity();
    (void)state;
    make_directory();
    check_claim(&wanted, false, SF_OK, NULL);
    wanted.cluster_id = 0xdef;
    check_claim(&wanted, true, SF_MISMATCH,
                "d belongs to cluster 0000000000000abc, not 0000000000000def");
    strcpy(wanted.role, "shardmaster");
    check_claim(&wanted, true, SF_MISMATCH, "d belongs to a shardkv, not to a shardmaster");
}

static void another_replica_is_refused(void **state)
{
    struct identity_replica wanted = wanted_replica();
    (void)state;
    make_directory();
    check_match(&wanted, SF_OK, NULL);
    wanted.self = 1;
    check_match(
        &wanted, SF_MISMATCH,
        "d belongs to replica 2 of group 100 (b:1), not to replica 1: start it with b:1, or "
        "give another directory");
    wanted = wanted_replica();
    wanted.group.gid = 101;
    check_match(&wanted, SF_MISMATCH,
                "d belongs to replica 2 of group 100 (b:1), not to one of group 101: give another "
                "directory");
    wanted = wanted_replica();
    wanted.group.address_count = 2;
    check_match(&wanted, SF_MISMATCH,
                "d belongs to a replica of group 100 at a:1,b:1,c:1, not at a:1,b:1");
}

static void what_was_fixed_at_creation_stays(void **state)
{
    struct identity_replica wanted = wanted_replica();
    (void)state;
    make_directory();
    wanted.shard_count = 64;
    check_match(&wanted, SF_MISMATCH, "d was created with 10 shards, not 64");
    wanted.shard_count = 0;
    wanted.routing = ROUTING_HASH;
    check_match(&wanted, SF_MISMATCH, "d was created with routing first-byte, not hash");
    wanted.routing = 0;
    check_match(&wanted, SF_OK, NULL);
    wanted.engine = CONSENSUS_PAXOS;
    check_match(&wanted, SF_MISMATCH, "d was created with engine raft, not paxos");
}

static void a_damaged_file_is_refused(void **state)
{
    static const char *const contents[] = {
        "",
        "shardfs-directory 2\ncluster abc\nrole shardkv\n",
        "shardfs-directory 1\ncluster abc\n",
        "shardfs-directory 1\ncluster 0\nrole shardkv\n",
        "shardfs-directory 1\ncluster abc\nrole shardkv\nreplica 1 gid 5\n",
        "shardfs-directory 1\ncluster abc\nrole shardkv\n"
        "replica 1 gid 5 id 3 engine raft shards 64 routing hash group a:1,b:1\n",
        "shardfs-directory 1\ncluster abc\nrole shardkv\n"
        "replica 1 gid 5 id 1 engine zab shards 64 routing hash group a:1,b:1\n",
        "shardfs-directory 1\ncluster abc\nrole shardkv\n"
        "replica 1 gid 5 id 1 engine raft shards 64 routing hash group a:1,b:1 more\n",
    };
    struct identity found;
    (void)state;
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        char *why = NULL;
        if (i > 0)
            assert_int_equal(env_remove(env_now, "d/identity"), SF_OK);
        make_file("d/identity", contents[i]);
        assert_int_equal(identity_read(env_now, "d", &found, &why), SF_CORRUPT);
        assert_string_equal(why, "d/identity cannot be read: stored data is damaged");
        free(why);
    }
}

static void likeness_tells_every_difference(void **state)
{
    struct identity_replica a = wanted_replica(), b = wanted_replica();
    char swapped[3][SF_ADDRESS_BYTES_MAX] = {"b:1", "a:1", "c:1"};
    (void)state;
    b.self = 3;
    assert_true(identity_likeness(&a) == identity_likeness(&b));
    b.group.addresses = swapped;
    assert_true(identity_likeness(&a) != identity_likeness(&b));
    b = wanted_replica();
    b.shard_count = 11;
    assert_true(identity_likeness(&a) != identity_likeness(&b));
    b = wanted_replica();
    b.routing = ROUTING_NUMBER;
    assert_true(identity_likeness(&a) != identity_likeness(&b));
}

#define IN_ENV(test) cmocka_unit_test_setup_teardown(test, make_env, free_env)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ENV(what_is_written_is_read),
        IN_ENV(an_empty_directory_needs_create),
        IN_ENV(a_directory_with_other_files_is_refused),
        IN_ENV(another_role_or_cluster_is_refused),
        IN_ENV(another_replica_is_refused),
        IN_ENV(what_was_fixed_at_creation_stays),
        IN_ENV(a_damaged_file_is_refused),
        IN_ENV(likeness_tells_every_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
