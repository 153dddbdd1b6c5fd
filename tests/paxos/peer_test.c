/* The public peers over real sockets and directories: what a program sees that knows
 * shardfs/paxos.h alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shardfs/paxos.h>

#define COUNT 3u

/* Peers that share a thread, and their directories; those of the running test. */
static struct {
    char list[128];
    char dir[64]; /* each peer's is a number below it */
    struct paxos_peer *peers[COUNT];
} stage;

/* -- the stage ----------------------------------------------------------------------------- */

/* Ports that were free a moment ago, all at once. */
static void choose_ports(void)
{
    int sockets[COUNT];
    stage.list[0] = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof a;
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(sockets[i], (struct sockaddr *)&a, n), 0);
        assert_int_equal(getsockname(sockets[i], (struct sockaddr *)&a, &n), 0);
        size_t at = strlen(stage.list);
        snprintf(stage.list + at, sizeof stage.list - at, "%s127.0.0.1:%u", i > 0 ? "," : "",
                 ntohs(a.sin_port));
    }
    for (unsigned i = 0; i < COUNT; i++)
        close(sockets[i]);
}

static int setup(void **state)
{
    (void)state;
    strcpy(stage.dir, "/tmp/paxos_peer_test.XXXXXX");
    assert_non_null(mkdtemp(stage.dir));
    choose_ports();
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        paxos_close(stage.peers[i]);
        stage.peers[i] = NULL;
    }
    return nftw(stage.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *dir_of(unsigned i)
{
    static _Thread_local char path[96];
    snprintf(path, sizeof path, "%s/%u", stage.dir, i);
    return path;
}

static int try_open(unsigned i, bool create)
{
    const struct paxos_options options = {.dir = dir_of(i), .create = create};
    return paxos_open(stage.list, i, &options, &stage.peers[i]);
}

static void open_all(void)
{
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(try_open(i, true), SF_OK);
}

static void turn_all(void)
{
    for (unsigned i = 0; i < COUNT; i++)
        if (stage.peers[i] != NULL)
            paxos_wait_ms(stage.peers[i], 1);
}

static void wait_decided(int64_t seq)
{
    for (unsigned i = 0; i < COUNT; i++)
        while (stage.peers[i] != NULL && !paxos_decided(stage.peers[i], seq, NULL))
            turn_all();
}

static void value_is(unsigned i, int64_t seq, const void *expected, size_t n)
{
    struct paxos_value value;
    assert_int_equal(paxos_status(stage.peers[i], seq, &value), PAXOS_DECIDED);
    assert_non_null(value.p);
    assert_int_equal(value.n, n);
    assert_memory_equal(value.p, expected, n);
}

/* -- agreement ----------------------------------------------------------------------------- */

static void peers_agree(void **state)
{
    struct paxos_value values[COUNT];
    (void)state;
    open_all();
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(paxos_max(stage.peers[i]), -1);
        assert_int_equal(paxos_min(stage.peers[i]), 0);
        assert_int_equal(paxos_start(stage.peers[i], 4, &"0123"[i], 1), SF_OK);
    }
    wait_decided(4);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(paxos_decided(stage.peers[i], 4, &values[i]));
        assert_int_equal(values[i].n, 1);
        assert_memory_equal(values[i].p, values[0].p, 1);
        assert_int_equal(paxos_max(stage.peers[i]), 4);
    }
}

static void many_instances_at_once(void **state)
{
    (void)state;
    open_all();
    for (int64_t seq = 0; seq < 300; seq++)
        assert_int_equal(paxos_start(stage.peers[seq % COUNT], seq, &seq, sizeof seq), SF_OK);
    for (int64_t seq = 0; seq < 300; seq++) {
        wait_decided(seq);
        for (unsigned i = 0; i < COUNT; i++)
            value_is(i, seq, &seq, sizeof seq);
    }
}

static void a_value_has_from_none_to_millions_of_bytes(void **state)
{
    static const size_t lengths[] = {0, 1, 1000000, PAXOS_VALUE_BYTES_MAX};
    char *bytes = malloc(PAXOS_VALUE_BYTES_MAX + 1);
    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'x', PAXOS_VALUE_BYTES_MAX + 1);
    open_all();
    assert_int_equal(paxos_start(stage.peers[0], 9, bytes, PAXOS_VALUE_BYTES_MAX + 1), SF_TOO_BIG);
    assert_int_equal(paxos_max(stage.peers[0]), -1);
    for (unsigned k = 0; k < 4; k++) {
        const void *p = lengths[k] > 0 ? bytes : NULL;
        assert_int_equal(paxos_start(stage.peers[k % COUNT], k, p, lengths[k]), SF_OK);
        wait_decided(k);
        for (unsigned i = 0; i < COUNT; i++)
            value_is(i, k, bytes, lengths[k]);
    }
    free(bytes);
}

/* More than a connection holds at a time. */
static void many_long_values_at_once(void **state)
{
    size_t n = 1000000;
    char *bytes = malloc(n);
    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'x', n);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(paxos_open(stage.list, i, NULL, &stage.peers[i]), SF_OK);
    for (int64_t seq = 0; seq < 60; seq++)
        assert_int_equal(paxos_start(stage.peers[seq % COUNT], seq, bytes, n), SF_OK);
    for (int64_t seq = 0; seq < 60; seq++)
        wait_decided(seq);
    for (unsigned i = 0; i < COUNT; i++)
        value_is(i, 59, bytes, n);
    free(bytes);
}

static atomic_uint threads_done;

/* A peer that lives here alone, until all have what they want. */
static void *live(void *arg)
{
    struct paxos_peer **slot = arg;
    unsigned me = (unsigned)(slot - stage.peers);
    if (try_open(me, true) != SF_OK)
        return NULL;
    for (int64_t seq = 0; seq < 50; seq++)
        if (paxos_start(*slot, seq, &me, sizeof me) != SF_OK)
            return NULL;
    for (int64_t seq = 0; seq < 50; seq++)
        while (!paxos_decided(*slot, seq, NULL))
            paxos_wait(*slot);
    atomic_fetch_add(&threads_done, 1);
    while (atomic_load(&threads_done) < COUNT)
        paxos_wait_ms(*slot, 1);
    return slot;
}

static void peers_may_live_in_threads_of_their_own(void **state)
{
    pthread_t threads[COUNT];
    (void)state;
    atomic_store(&threads_done, 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, live, &stage.peers[i]), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        void *lived = NULL;
        assert_int_equal(pthread_join(threads[i], &lived), 0);
        assert_non_null(lived);
    }
    for (int64_t seq = 0; seq < 50; seq++) {
        struct paxos_value value;
        assert_true(paxos_decided(stage.peers[0], seq, &value));
        value_is(1, seq, value.p, value.n);
        value_is(2, seq, value.p, value.n);
    }
}

static void a_poll_loop_is_enough(void **state)
{
    (void)state;
    open_all();
    assert_int_equal(paxos_start(stage.peers[0], 0, "v", 1), SF_OK);
    while (!paxos_decided(stage.peers[2], 0, NULL)) {
        struct pollfd fds[COUNT];
        int wait_ms = 10;
        for (unsigned i = 0; i < COUNT; i++) {
            int own_ms = paxos_timeout_ms(stage.peers[i]);
            assert_in_range(own_ms, 0, 10);
            wait_ms = own_ms < wait_ms ? own_ms : wait_ms;
            fds[i] = (struct pollfd){.fd = paxos_fd(stage.peers[i]), .events = POLLIN};
        }
        assert_true(poll(fds, COUNT, wait_ms) >= 0);
        for (unsigned i = 0; i < COUNT; i++)
            paxos_turn(stage.peers[i]);
    }
    value_is(2, 0, "v", 1);
}

/* -- what is no instance, what is forgotten ------------------------------------------------ */

static void numbers_beyond_the_instances_have_answers(void **state)
{
    struct paxos_value value = {"untouched", 9};
    (void)state;
    open_all();
    struct paxos_peer *peer = stage.peers[0];
    assert_int_equal(paxos_start(peer, -1, "v", 1), SF_INVALID);
    assert_int_equal(paxos_start(peer, INT64_MIN, "v", 1), SF_INVALID);
    assert_int_equal(paxos_start(peer, PAXOS_SEQ_MAX + 1, "v", 1), SF_INVALID);
    assert_int_equal(paxos_max(peer), -1);
    assert_int_equal(paxos_status(peer, -1, &value), PAXOS_FORGOTTEN);
    assert_null(value.p);
    assert_int_equal(value.n, 0);
    assert_int_equal(paxos_status(peer, 0, NULL), PAXOS_PENDING);
    assert_int_equal(paxos_status(peer, INT64_MAX, NULL), PAXOS_PENDING);
    paxos_done(peer, -1);
    assert_int_equal(paxos_min(peer), 0);
}

static void the_forgotten_is_gone(void **state)
{
    struct paxos_value value = {"untouched", 9};
    (void)state;
    open_all();
    assert_int_equal(paxos_start(stage.peers[0], 0, "v", 1), SF_OK);
    wait_decided(0);
    for (unsigned i = 0; i < COUNT; i++) {
        paxos_done(stage.peers[i], 5); /* beyond max */
        paxos_done(stage.peers[i], 2); /* a smaller one changes nothing */
        assert_int_equal(paxos_start(stage.peers[i], 6 + i, "tells", 5), SF_OK);
    }
    for (unsigned i = 0; i < COUNT; i++)
        while (paxos_min(stage.peers[i]) < 6)
            turn_all();
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(paxos_min(stage.peers[i]), 6);
        assert_int_equal(paxos_status(stage.peers[i], 0, &value), PAXOS_FORGOTTEN);
        assert_null(value.p);
        assert_false(paxos_decided(stage.peers[i], 0, &value));
        assert_int_equal(paxos_start(stage.peers[i], 5, "v", 1), SF_GONE);
        assert_int_equal(paxos_status(stage.peers[i], 5, NULL), PAXOS_FORGOTTEN);
    }
}

/* -- directories --------------------------------------------------------------------------- */

static void close_one(unsigned i)
{
    paxos_close(stage.peers[i]);
    stage.peers[i] = NULL;
}

static void a_directory_outlives_its_peer(void **state)
{
    (void)state;
    open_all();
    assert_int_equal(paxos_start(stage.peers[1], 7, "kept", 4), SF_OK);
    wait_decided(7);
    turn_all(); /* the last that it learned is written at the end of a turn */
    close_one(0);
    assert_int_equal(try_open(0, false), SF_OK);
    assert_int_equal(paxos_max(stage.peers[0]), 7);
    assert_int_equal(paxos_start(stage.peers[0], 7, "another", 7), SF_OK);
    wait_decided(7);
    value_is(0, 7, "kept", 4);
}

static void a_peer_that_lost_its_directory_is_not_opened(void **state)
{
    (void)state;
    assert_int_equal(try_open(0, false), SF_NOT_FOUND); /* missing */
    assert_int_equal(mkdir(dir_of(0), 0700), 0);
    assert_int_equal(try_open(0, false), SF_NOT_FOUND); /* empty */
    assert_int_equal(try_open(0, true), SF_OK);
    close_one(0);
    assert_int_equal(try_open(0, false), SF_OK);
}

static void a_directory_of_others_is_refused(void **state)
{
    char other[64], path[128];
    (void)state;
    assert_int_equal(try_open(0, true), SF_OK);
    struct paxos_options options = {.dir = dir_of(0)};
    struct paxos_peer *peer = NULL;
    assert_int_equal(paxos_open(stage.list, 1, &options, &peer), SF_IN_USE);
    close_one(0);
    assert_int_equal(paxos_open(stage.list, 1, &options, &peer), SF_MISMATCH); /* another peer's */
    snprintf(other, sizeof other, "%.*s", (int)strcspn(stage.list, ","), stage.list);
    assert_int_equal(paxos_open(other, 0, &options, &peer), SF_MISMATCH); /* another list's */
    snprintf(path, sizeof path, "%s/strange", stage.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    options = (struct paxos_options){.dir = stage.dir, .create = true};
    assert_int_equal(paxos_open(stage.list, 0, &options, &peer), SF_MISMATCH); /* has other files */
    options.dir = path;
    assert_int_equal(paxos_open(stage.list, 0, &options, &peer), SF_EXISTS); /* is a file */
    assert_null(peer);
    assert_int_equal(try_open(0, false), SF_OK);
}

static void damage_is_named_and_refused(void **state)
{
    char path[128];
    (void)state;
    open_all();
    for (int64_t seq = 0; seq < 20; seq++)
        assert_int_equal(paxos_start(stage.peers[0], seq, "some value", 10), SF_OK);
    for (int64_t seq = 0; seq < 20; seq++)
        wait_decided(seq);
    close_one(0);
    snprintf(path, sizeof path, "%s/wal-0000000000000001", dir_of(0));
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096 + 60, SEEK_SET), 0); /* in the first batch after the head */
    assert_true(fputs("damage", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(try_open(0, false), SF_CORRUPT);
    assert_null(stage.peers[0]);
}

/* -- addresses ----------------------------------------------------------------------------- */

static void bad_lists_are_refused(void **state)
{
    static const struct {
        const char *peers;
        unsigned me;
        int error;
    } cases[] = {
        {"", 0, SF_ADDRESS},
        {"nowhere", 0, SF_ADDRESS},
        {"127.0.0.1:7001,", 0, SF_ADDRESS},
        {"127.0.0.1:7001,,127.0.0.1:7002", 0, SF_ADDRESS},
        {"127.0.0.1:7001, 127.0.0.1:7002", 0, SF_ADDRESS},
        {"127.0.0.1:0,127.0.0.1:7002", 0, SF_ADDRESS},
        {"127.0.0.1:7001,127.0.0.1:00", 0, SF_ADDRESS},
        {"127.0.0.1:70000", 0, SF_ADDRESS},
        {"127.0.0.1:7001,127.0.0.1:7001", 0, SF_INVALID},
        {"127.0.0.1:7001,127.0.0.1:7002", 2, SF_INVALID},
        {"127.0.0.1:7001", (unsigned)-1, SF_INVALID},
        {"h:1,h:2,h:3,h:4,h:5,h:6,h:7,h:8,h:9,h:10", 0, SF_INVALID},
        {"192.0.2.1:7001", 0, SF_PERMISSION}, /* not loopback: to be said */
        {"0.0.0.0:7001", 0, SF_PERMISSION},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct paxos_peer *peer = NULL;
        assert_int_equal(paxos_open(cases[i].peers, cases[i].me, NULL, &peer), cases[i].error);
        assert_null(peer);
    }
}

static void an_address_is_this_machines_and_one_peers(void **state)
{
    const struct paxos_options insecure = {.insecure = true};
    struct paxos_peer *peer = NULL;
    (void)state;
    assert_int_equal(paxos_open("192.0.2.1:7001", 0, &insecure, &peer), SF_ADDRESS);
    assert_int_equal(paxos_open(stage.list, 0, NULL, &stage.peers[0]), SF_OK);
    assert_int_equal(paxos_open(stage.list, 0, NULL, &peer), SF_IN_USE);
    assert_int_equal(try_open(0, true), SF_IN_USE);
    assert_int_not_equal(access(dir_of(0), F_OK), 0); /* nothing was made for it */
    assert_null(peer);
}

/* Two of the list are one process: it never votes for both, so it is no majority alone. */
static void one_process_never_votes_twice(void **state)
{
    char list[160];
    unsigned port = (unsigned)strtoul(strchr(stage.list, ':') + 1, NULL, 10);
    (void)state;
    snprintf(list, sizeof list, "127.0.0.1:%u,localhost:%u,127.0.0.1:1", port, port);
    assert_int_equal(paxos_open(list, 0, NULL, &stage.peers[0]), SF_OK);
    assert_int_equal(paxos_start(stage.peers[0], 0, "v", 1), SF_OK);
    for (int i = 0; i < 200; i++)
        paxos_wait_ms(stage.peers[0], 2);
    assert_int_equal(paxos_status(stage.peers[0], 0, NULL), PAXOS_PENDING);
}

static void peers_of_other_lists_are_refused(void **state)
{
    char swapped[128], first[40], second[40];
    const char *rest = strchr(stage.list, ',') + 1;
    (void)state;
    snprintf(first, sizeof first, "%.*s", (int)strcspn(stage.list, ","), stage.list);
    snprintf(second, sizeof second, "%.*s", (int)strcspn(rest, ","), rest);
    snprintf(swapped, sizeof swapped, "%s,%s", second, first);
    assert_int_equal(paxos_open(swapped, 0, NULL, &stage.peers[1]), SF_OK);
    snprintf(swapped, sizeof swapped, "%s,%s", first, second);
    assert_int_equal(paxos_open(swapped, 0, NULL, &stage.peers[0]), SF_OK);
    assert_int_equal(paxos_start(stage.peers[0], 0, "v", 1), SF_OK);
    for (int i = 0; i < 200; i++)
        turn_all();
    assert_int_equal(paxos_status(stage.peers[0], 0, NULL), PAXOS_PENDING);
    assert_int_equal(paxos_max(stage.peers[1]), -1);
}

static void errors_have_texts(void **state)
{
    (void)state;
    assert_string_equal(paxos_error_text(SF_GONE), "it was here and is gone");
    assert_string_equal(paxos_error_text(1), "?");
    paxos_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(peers_agree),
        TEST(many_instances_at_once),
        TEST(a_value_has_from_none_to_millions_of_bytes),
        TEST(many_long_values_at_once),
        TEST(peers_may_live_in_threads_of_their_own),
        TEST(a_poll_loop_is_enough),
        TEST(numbers_beyond_the_instances_have_answers),
        TEST(the_forgotten_is_gone),
        TEST(a_directory_outlives_its_peer),
        TEST(a_peer_that_lost_its_directory_is_not_opened),
        TEST(a_directory_of_others_is_refused),
        TEST(damage_is_named_and_refused),
        TEST(bad_lists_are_refused),
        TEST(an_address_is_this_machines_and_one_peers),
        TEST(one_process_never_votes_twice),
        TEST(peers_of_other_lists_are_refused),
        TEST(errors_have_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
