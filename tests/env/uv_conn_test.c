/* Connections of the real machine, on loopback. */
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/address.h"
#include "env/bytes.h"
#include "env/memory.h"
#include "uv_stage.h"

/* -- names --------------------------------------------------------------------------------- */

/* The only names of this program: the tests ask no server. They stand before libc's own. */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict list)
    __attribute__((visibility("default")));
void freeaddrinfo(struct addrinfo *list) __attribute__((visibility("default")));

static struct addrinfo *one_address(const char *numeric, const char *service)
{
    struct addrinfo *info = sf_calloc(1, sizeof *info);
    struct sockaddr_in *in = sf_calloc(1, sizeof *in);
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)strtoul(service, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, numeric, &in->sin_addr), 1);
    info->ai_family = AF_INET;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addr = (struct sockaddr *)in;
    info->ai_addrlen = sizeof *in;
    return info;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
    (void)hints;
    if (strcmp(name, "localhost") == 0) {
        *list = one_address("127.0.0.1", service);
    } else if (strcmp(name, "two-addresses") == 0) {
        *list = one_address("127.0.0.99", service);
        (*list)->ai_next = one_address("127.0.0.1", service);
    } else {
        return EAI_NONAME;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_addr);
        free(list);
        list = next;
    }
}

/* -- connections --------------------------------------------------------------------------- */

/* One side of a connection: collects what comes, may echo it or close. */
struct side {
    struct env *env;
    struct env_listener *listener;
    struct env_conn *conn;
    struct buffer got;
    size_t want; /* done once so much came */
    bool opened, done, closed, echo, refuse, close_on_data;
    int reason;
};

static void side_on_open(void *ctx)
{
    struct side *s = ctx;
    s->opened = true;
}

static void side_on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct side *s = ctx;
    assert_true(n > 0);
    buffer_append(&s->got, bytes, n);
    if (s->echo)
        env_conn_send(s->conn, sf_memdup(bytes, n), n);
    s->done = s->got.n >= s->want;
    if (s->close_on_data) {
        env_conn_close(s->conn);
        s->conn = NULL;
    }
}

static void side_on_close(void *ctx, int reason)
{
    struct side *s = ctx;
    s->conn = NULL;
    s->closed = true;
    s->reason = reason;
}

static const struct env_conn_events side_events = {side_on_open, side_on_data, side_on_close};

static void side_on_accept(void *ctx, struct env_conn *conn)
{
    struct side *s = ctx;
    if (s->refuse) {
        env_conn_send(conn, sf_memdup("no", 2), 2);
        env_conn_close(conn);
        return;
    }
    s->conn = conn;
    s->opened = true;
    env_conn_accept(conn, &side_events, s);
}

struct pair {
    struct env *env;
    struct side server, client;
};

static void pair_init(struct pair *p, const char *listen_on)
{
    *p = (struct pair){.env = stage_env_new()};
    p->server.env = p->client.env = p->env;
    p->server.want = p->client.want = 1;
    assert_int_equal(env_listen(p->env, listen_on, side_on_accept, &p->server, &p->server.listener),
                     SF_OK);
}

static void pair_dial(struct pair *p)
{
    const char *address = env_listener_address(p->server.listener);
    assert_true(env_address_is_valid(address));
    assert_int_equal(env_connect(p->env, address, &side_events, &p->client, &p->client.conn),
                     SF_OK);
}

static void side_deinit(struct side *s)
{
    if (s->conn != NULL)
        env_conn_close(s->conn);
    env_listener_close(s->listener);
    buffer_deinit(&s->got);
}

static void pair_deinit(struct pair *p)
{
    side_deinit(&p->server);
    side_deinit(&p->client);
    uv_env_free(p->env);
}

static void send_text(struct side *s, const char *text)
{
    env_conn_send(s->conn, sf_memdup(text, strlen(text)), strlen(text));
}

static void loopback_carries_both_ways(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1:0", "localhost:0"};
    for (size_t i = 0; i < 2; i++) {
        struct pair p;
        pair_init(&p, hosts[i]);
        p.server.echo = true;
        p.server.want = p.client.want = 11;
        pair_dial(&p);
        assert_false(p.client.opened);
        send_text(&p.client, "hello ");
        send_text(&p.client, "world");
        assert_int_equal(env_conn_queued_bytes(p.client.conn), 11);
        stage_run_until(p.env, &p.client.done);
        assert_true(p.client.opened);
        assert_int_equal(env_conn_queued_bytes(p.client.conn), 0);
        assert_memory_equal(p.client.got.p, "hello world", 11);
        env_conn_close(p.client.conn);
        p.client.conn = NULL;
        stage_run_until(p.env, &p.server.closed);
        assert_int_equal(p.server.reason, SF_CLOSED);
        assert_false(p.client.closed);
        pair_deinit(&p);
    }
}

static void large_transfers_arrive_whole(void **state)
{
    (void)state;
    enum { MESSAGES = 300, BYTES = 100000 };
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    p.server.want = (size_t)MESSAGES * BYTES;
    pair_dial(&p);
    for (size_t i = 0; i < MESSAGES; i++) {
        uint8_t *bytes = sf_malloc(BYTES);
        for (size_t j = 0; j < BYTES; j++)
            bytes[j] = (uint8_t)(i * 7 + j);
        env_conn_send(p.client.conn, bytes, BYTES);
    }
    stage_run_until(p.env, &p.server.done);
    assert_int_equal(p.server.got.n, p.server.want);
    for (size_t i = 0; i < p.server.got.n; i++) {
        if (p.server.got.p[i] != (uint8_t)(i / BYTES * 7 + i % BYTES))
            fail_msg("byte %zu differs", i);
    }
    assert_int_equal(env_conn_queued_bytes(p.client.conn), 0);
    pair_deinit(&p);
}

/* More messages than fit in one write, sent while earlier ones still wait. */
static void many_small_messages_keep_their_order(void **state)
{
    (void)state;
    enum { ROUNDS = 200, MESSAGES = 1000 };
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    p.server.want = (size_t)ROUNDS * MESSAGES * sizeof(uint32_t);
    pair_dial(&p);
    stage_run_until(p.env, &p.server.opened);
    stage_run_until(p.env, &p.client.opened);
    for (uint32_t i = 0; i < ROUNDS * MESSAGES; i++) {
        env_conn_send(p.client.conn, sf_memdup(&i, sizeof i), sizeof i);
        env_conn_read_enable(p.server.conn, i % (ROUNDS * MESSAGES / 4) > 10 * MESSAGES);
        if (i % MESSAGES == 0)
            stage_run_ms(p.env, 0);
    }
    stage_run_until(p.env, &p.server.done);
    for (uint32_t i = 0; i < ROUNDS * MESSAGES; i++)
        assert_memory_equal(p.server.got.p + i * sizeof i, &i, sizeof i);
    pair_deinit(&p);
}

static void a_paused_side_makes_the_other_queue(void **state)
{
    (void)state;
    enum { BYTES = 32 << 20 };
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    p.server.want = BYTES;
    pair_dial(&p);
    stage_run_until(p.env, &p.server.opened);
    env_conn_read_enable(p.server.conn, false);
    env_conn_send(p.client.conn, sf_calloc(1, BYTES), BYTES);
    stage_run_ms(p.env, 20);
    assert_int_equal(p.server.got.n, 0);
    assert_true(env_conn_queued_bytes(p.client.conn) > 0);
    env_conn_read_enable(p.server.conn, true);
    stage_run_until(p.env, &p.server.done);
    assert_int_equal(p.server.got.n, BYTES);
    pair_deinit(&p);
}

static void a_refused_connection_is_unreachable(void **state)
{
    (void)state;
    struct pair p;
    char address[SF_ADDRESS_BYTES_MAX];
    pair_init(&p, "127.0.0.1:0");
    snprintf(address, sizeof address, "%s", env_listener_address(p.server.listener));
    env_listener_close(p.server.listener);
    p.server.listener = NULL;
    uv_env_run_once(p.env);
    assert_int_equal(env_connect(p.env, address, &side_events, &p.client, &p.client.conn), SF_OK);
    send_text(&p.client, "lost");
    assert_false(p.client.closed);
    stage_run_until(p.env, &p.client.closed);
    assert_int_equal(p.client.reason, SF_UNREACHABLE);
    assert_false(p.client.opened);
    pair_deinit(&p);
}

/* The first of two addresses refuses; what was sent before goes to the second. */
static void every_address_of_a_name_is_tried(void **state)
{
    (void)state;
    struct pair p;
    struct address bound;
    char address[SF_ADDRESS_BYTES_MAX];
    pair_init(&p, "127.0.0.1:0");
    assert_int_equal(address_parse(env_listener_address(p.server.listener), &bound), SF_OK);
    snprintf(address, sizeof address, "two-addresses:%d", bound.port);
    assert_int_equal(env_connect(p.env, address, &side_events, &p.client, &p.client.conn), SF_OK);
    send_text(&p.client, "found");
    p.server.want = 5;
    stage_run_until(p.env, &p.server.done);
    assert_true(p.client.opened);
    pair_deinit(&p);
}

/* The other side closes while megabytes wait: they are dropped, and that ends the connection. */
static void a_peer_that_goes_ends_a_long_write(void **state)
{
    (void)state;
    enum { BYTES = 32 << 20 };
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    pair_dial(&p);
    stage_run_until(p.env, &p.server.opened);
    env_conn_read_enable(p.server.conn, false);
    stage_run_until(p.env, &p.client.opened);
    env_conn_send(p.client.conn, sf_calloc(1, BYTES), BYTES);
    env_conn_send(p.client.conn, sf_calloc(1, BYTES), BYTES);
    uv_env_run_once(p.env);
    env_conn_close(p.server.conn);
    p.server.conn = NULL;
    stage_run_until(p.env, &p.client.closed);
    assert_int_equal(p.client.reason, SF_CLOSED);
    pair_deinit(&p);
}

/* A program that ends in a hurry: what it left open goes with the env, and hears nothing. */
static void freeing_closes_what_was_left(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    pair_dial(&p);
    send_text(&p.client, "x");
    stage_run_until(p.env, &p.server.done);
    uv_env_free(p.env);
    assert_false(p.client.closed || p.server.closed);
    buffer_deinit(&p.server.got);
}

static void an_unknown_name_is_unreachable(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    assert_int_equal(env_connect(p.env, "unknown:1", &side_events, &p.client, &p.client.conn),
                     SF_OK);
    stage_run_until(p.env, &p.client.closed);
    assert_int_equal(p.client.reason, SF_UNREACHABLE);
    /* Closed while the look-up runs: nothing comes any more. */
    p.client.closed = false;
    assert_int_equal(env_connect(p.env, "unknown:1", &side_events, &p.client, &p.client.conn),
                     SF_OK);
    env_conn_close(p.client.conn);
    p.client.conn = NULL;
    pair_deinit(&p);
    assert_false(p.client.closed);
}

static void wrong_addresses_are_refused(void **state)
{
    (void)state;
    struct pair p;
    struct env_listener *listener;
    struct env_conn *conn;
    pair_init(&p, "127.0.0.1:0");
    const char *taken = env_listener_address(p.server.listener);
    assert_int_equal(env_listen(p.env, "nonsense", side_on_accept, NULL, &listener), SF_ADDRESS);
    assert_int_equal(env_listen(p.env, "a:b:c", side_on_accept, NULL, &listener), SF_ADDRESS);
    assert_int_equal(env_listen(p.env, "unknown:1", side_on_accept, NULL, &listener), SF_ADDRESS);
    assert_int_equal(env_listen(p.env, taken, side_on_accept, NULL, &listener), SF_IN_USE);
    assert_int_equal(env_connect(p.env, "127.0.0.1:99999", &side_events, NULL, &conn), SF_ADDRESS);
    pair_deinit(&p);
}

static void what_is_sent_before_a_close_may_still_arrive(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    p.server.refuse = true;
    pair_dial(&p);
    stage_run_until(p.env, &p.client.closed);
    assert_int_equal(p.client.reason, SF_CLOSED);
    assert_int_equal(p.client.got.n, 2);
    pair_deinit(&p);
}

static void closing_inside_on_data_is_silent(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, "127.0.0.1:0");
    p.server.close_on_data = true;
    pair_dial(&p);
    send_text(&p.client, "x");
    stage_run_until(p.env, &p.client.closed);
    assert_true(p.server.done);
    assert_false(p.server.closed);
    pair_deinit(&p);
}

static void connections_may_be_closed_at_any_stage(void **state)
{
    (void)state;
    for (int turns = 0; turns < 6; turns++) {
        struct pair p;
        pair_init(&p, "127.0.0.1:0");
        pair_dial(&p);
        send_text(&p.client, "x");
        for (int i = 0; i < turns && !p.server.done; i++)
            uv_env_run_once(p.env);
        env_conn_close(p.client.conn);
        p.client.conn = NULL;
        pair_deinit(&p);
        assert_false(p.client.closed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_carries_both_ways),
        cmocka_unit_test(large_transfers_arrive_whole),
        cmocka_unit_test(many_small_messages_keep_their_order),
        cmocka_unit_test(a_paused_side_makes_the_other_queue),
        cmocka_unit_test(a_refused_connection_is_unreachable),
        cmocka_unit_test(every_address_of_a_name_is_tried),
        cmocka_unit_test(a_peer_that_goes_ends_a_long_write),
        cmocka_unit_test(freeing_closes_what_was_left),
        cmocka_unit_test(an_unknown_name_is_unreachable),
        cmocka_unit_test(wrong_addresses_are_refused),
        cmocka_unit_test(what_is_sent_before_a_close_may_still_arrive),
        cmocka_unit_test(closing_inside_on_data_is_silent),
        cmocka_unit_test(connections_may_be_closed_at_any_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
