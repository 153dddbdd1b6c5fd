/* env on the real machine: timers, turns, connections on loopback, files, work. */
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "env/address.h"
#include "env/bytes.h"
#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"

#define ROUNDS_MAX 100000

static struct env *new_env(void)
{
    struct env *env;
    assert_int_equal(uv_env_new(&env), SF_OK);
    return env;
}

/* Turns until *flag, or the test fails. */
static void run_until(struct env *env, const bool *flag)
{
    for (int i = 0; i < ROUNDS_MAX && !*flag; i++)
        uv_env_run_once(env);
    assert_true(*flag);
}

/* -- timers, turns ------------------------------------------------------------------------- */

struct alarm {
    struct env_timer timer;
    int name;
    char *log;
    bool *done;
};

static void alarm_on_fire(struct env_timer *timer)
{
    struct alarm *a = container_of(timer, struct alarm, timer);
    size_t n = strlen(a->log);
    a->log[n] = (char)('a' + a->name);
    a->log[n + 1] = 0;
    if (a->done != NULL)
        *a->done = true;
}

static void timers_fire_in_order_and_not_when_stopped(void **state)
{
    (void)state;
    static const uint64_t delays_ms[] = {30, 10, 20, 10, 0, 5};
    struct env *env = new_env();
    struct alarm alarms[6];
    char log[16] = "";
    bool done = false;
    uint64_t start_ns = env_now_ns(env);
    for (int i = 0; i < 6; i++) {
        alarms[i] = (struct alarm){.name = i, .log = log};
        env_timer_init(env, &alarms[i].timer, alarm_on_fire);
        env_timer_start_ms(&alarms[i].timer, delays_ms[i]);
    }
    alarms[0].done = &done;
    env_timer_stop(&alarms[5].timer);
    env_timer_stop(&alarms[5].timer);
    assert_false(env_timer_is_armed(&alarms[5].timer));
    run_until(env, &done);
    assert_string_equal(log, "ebdca");
    assert_true(env_now_ns(env) - start_ns >= 30 * ENV_MS_NS);
    uv_env_free(env);
}

/* Hooks and tasks of one turn, by turns, until neither has work. */
struct chain {
    struct env *env;
    struct env_task task;
    struct env_hook hook;
    int tasks, hooks, to_defer;
    bool done;
};

static void chain_task(struct env_task *task)
{
    struct chain *c = container_of(task, struct chain, task);
    c->tasks++;
}

static void chain_hook(struct env_hook *hook)
{
    struct chain *c = container_of(hook, struct chain, hook);
    c->hooks++;
    if (c->tasks > 0 && c->to_defer > 0) {
        c->to_defer--;
        env_defer(c->env, &c->task);
        env_defer(c->env, &c->task);
    }
    c->done = c->to_defer == 0;
}

static void hooks_and_tasks_alternate_within_a_turn(void **state)
{
    (void)state;
    struct env *env = new_env();
    struct chain c = {
        .env = env, .task = {.run = chain_task}, .hook = {.run = chain_hook}, .to_defer = 3};
    env_hook_add(env, &c.hook);
    env_defer(env, &c.task);
    assert_int_equal(c.tasks, 0);
    uv_env_run_once(env);
    assert_true(c.done);
    assert_int_equal(c.tasks, 4);
    assert_true(c.hooks >= 4);
    env_hook_remove(env, &c.hook);
    int hooks = c.hooks;
    env_defer(env, &c.task);
    uv_env_run_once(env);
    assert_int_equal(c.hooks, hooks);
    uv_env_free(env);
}

static void restless_on_fire(struct env_timer *timer)
{
    env_timer_start_ms(timer, 0);
}

/* One that is due again at once leaves the loop its turns. */
static void a_restless_timer_starves_nobody(void **state)
{
    (void)state;
    struct env *env = new_env();
    struct env_timer restless;
    char log[4] = "";
    bool done = false;
    struct alarm a = {.log = log, .done = &done};
    env_timer_init(env, &restless, restless_on_fire);
    env_timer_start_ms(&restless, 0);
    env_timer_init(env, &a.timer, alarm_on_fire);
    env_timer_start_ms(&a.timer, 2);
    run_until(env, &done);
    env_timer_stop(&restless);
    uv_env_free(env);
}

static void random_numbers_keep_below_their_limit(void **state)
{
    (void)state;
    struct env *env = new_env();
    uint64_t seen = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t draw = env_random_below(env, 10);
        assert_true(draw < 10);
        seen |= 1ull << draw;
    }
    assert_int_equal(seen, (1 << 10) - 1);
    assert_int_not_equal(env_random(env), env_random(env));
    assert_true(env_wall_ns(env) > 1600000000 * ENV_SECOND_NS);
    uv_env_free(env);
}

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
    *p = (struct pair){.env = new_env()};
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
        run_until(p.env, &p.client.done);
        assert_true(p.client.opened);
        assert_int_equal(env_conn_queued_bytes(p.client.conn), 0);
        assert_memory_equal(p.client.got.p, "hello world", 11);
        env_conn_close(p.client.conn);
        p.client.conn = NULL;
        run_until(p.env, &p.server.closed);
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
    run_until(p.env, &p.server.done);
    assert_int_equal(p.server.got.n, p.server.want);
    for (size_t i = 0; i < p.server.got.n; i++) {
        if (p.server.got.p[i] != (uint8_t)(i / BYTES * 7 + i % BYTES))
            fail_msg("byte %zu differs", i);
    }
    assert_int_equal(env_conn_queued_bytes(p.client.conn), 0);
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
    run_until(p.env, &p.server.opened);
    env_conn_read_enable(p.server.conn, false);
    env_conn_send(p.client.conn, sf_calloc(1, BYTES), BYTES);
    bool idle = false;
    char log[4] = "";
    struct alarm a = {.log = log, .done = &idle};
    env_timer_init(p.env, &a.timer, alarm_on_fire);
    env_timer_start_ms(&a.timer, 20);
    run_until(p.env, &idle);
    assert_int_equal(p.server.got.n, 0);
    assert_true(env_conn_queued_bytes(p.client.conn) > 0);
    env_conn_read_enable(p.server.conn, true);
    run_until(p.env, &p.server.done);
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
    run_until(p.env, &p.client.closed);
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
    run_until(p.env, &p.server.done);
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
    run_until(p.env, &p.server.opened);
    env_conn_read_enable(p.server.conn, false);
    run_until(p.env, &p.client.opened);
    env_conn_send(p.client.conn, sf_calloc(1, BYTES), BYTES);
    env_conn_send(p.client.conn, sf_calloc(1, BYTES), BYTES);
    uv_env_run_once(p.env);
    env_conn_close(p.server.conn);
    p.server.conn = NULL;
    run_until(p.env, &p.client.closed);
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
    run_until(p.env, &p.server.done);
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
    run_until(p.env, &p.client.closed);
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
    run_until(p.env, &p.client.closed);
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
    run_until(p.env, &p.client.closed);
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

/* -- files --------------------------------------------------------------------------------- */

static char *temporary_dir(void)
{
    char path[] = "/tmp/shardfs-env-test.XXXXXX";
    assert_non_null(mkdtemp(path));
    return sf_strdup(path);
}

static void count_name(void *ctx, const char *name)
{
    int *count = ctx;
    assert_string_equal(name, "two");
    (*count)++;
}

struct sync_wait {
    struct env_sync sync;
    int status;
    bool done;
};

static void sync_on_done(struct env_sync *sync, int status)
{
    struct sync_wait *w = container_of(sync, struct sync_wait, sync);
    w->status = status;
    w->done = true;
}

static void check_file(struct env *env, const char *path)
{
    struct env_file *file;
    struct sync_wait wait = {.sync = {.on_done = sync_on_done}}, second = wait;
    char bytes[8] = "";
    uint64_t size;
    size_t got;
    assert_int_equal(env_file_open(env, path, 0, &file), SF_NOT_FOUND);
    assert_int_equal(env_file_open(env, path, ENV_FILE_CREATE, &file), SF_OK);
    assert_int_equal(env_file_write(file, 4, "abcd", 4), SF_OK);
    env_file_sync(file, &wait.sync);
    env_file_sync(file, &second.sync);
    assert_false(wait.done || second.done);
    run_until(env, &wait.done);
    assert_true(second.done);
    assert_int_equal(wait.status, SF_OK);
    assert_int_equal(env_file_size(file, &size), SF_OK);
    assert_int_equal(size, 8);
    assert_int_equal(env_file_read(file, 2, bytes, sizeof bytes, &got), SF_OK);
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "\0\0abcd", 6);
    assert_int_equal(env_file_truncate(file, 3), SF_OK);
    assert_int_equal(env_file_size(file, &size), SF_OK);
    assert_int_equal(size, 3);
    /* Closed before the completion ran: it never does. */
    wait.done = false;
    env_file_sync(file, &wait.sync);
    env_file_close(file);
    uv_env_run_once(env);
    assert_false(wait.done);
    assert_int_equal(env_file_open(env, path, ENV_FILE_CREATE | ENV_FILE_EXCLUSIVE, &file),
                     SF_EXISTS);
    assert_int_equal(env_file_open(env, path, ENV_FILE_READ_ONLY, &file), SF_OK);
    assert_int_equal(env_file_write(file, 0, "x", 1), SF_PERMISSION);
    env_file_close(file);
}

static void files_do_what_env_says(void **state)
{
    (void)state;
    struct env *env = new_env();
    char *dir = temporary_dir();
    char deep[128], one[160], two[160];
    uint64_t free_bytes, total_bytes;
    int count = 0;
    snprintf(deep, sizeof deep, "%s/a/b", dir);
    snprintf(one, sizeof one, "%s/one", deep);
    snprintf(two, sizeof two, "%s/two", deep);
    assert_int_equal(env_dir_create(env, deep), SF_OK);
    assert_int_equal(env_dir_create(env, deep), SF_OK);
    check_file(env, one);
    assert_int_equal(env_dir_create(env, one), SF_EXISTS);
    assert_int_equal(env_rename(env, one, two), SF_OK);
    assert_int_equal(env_dir_sync(env, deep), SF_OK);
    assert_int_equal(env_dir_list(env, deep, count_name, &count), SF_OK);
    assert_int_equal(count, 1);
    assert_int_equal(env_remove(env, deep), SF_NOT_EMPTY);
    assert_int_equal(env_remove(env, two), SF_OK);
    assert_int_equal(env_remove(env, two), SF_NOT_FOUND);
    assert_int_equal(env_remove(env, deep), SF_OK);
    assert_int_equal(env_dir_list(env, deep, count_name, &count), SF_NOT_FOUND);
    assert_int_equal(env_space(env, dir, &free_bytes, &total_bytes), SF_OK);
    assert_true(free_bytes <= total_bytes && total_bytes > 0);
    snprintf(deep, sizeof deep, "%s/a", dir);
    assert_int_equal(env_remove(env, deep), SF_OK);
    assert_int_equal(env_remove(env, dir), SF_OK);
    free(dir);
    uv_env_free(env);
}

static void a_locked_directory_is_in_use(void **state)
{
    (void)state;
    struct env *env = new_env();
    char *dir = temporary_dir();
    struct env_lock *lock, *second;
    assert_int_equal(env_dir_lock(env, dir, &lock), SF_OK);
    assert_int_equal(env_dir_lock(env, dir, &second), SF_IN_USE);
    env_dir_unlock(lock);
    assert_int_equal(env_dir_lock(env, dir, &second), SF_OK);
    env_dir_unlock(second);
    assert_int_equal(env_remove(env, dir), SF_OK);
    free(dir);
    uv_env_free(env);
}

/* -- work ---------------------------------------------------------------------------------- */

struct job {
    struct env_work work;
    bool worked, done;
};

static void job_work(struct env_work *work)
{
    container_of(work, struct job, work)->worked = true;
}

static void job_done(struct env_work *work)
{
    struct job *job = container_of(work, struct job, work);
    assert_true(job->worked);
    job->done = true;
}

static void work_is_done_elsewhere_and_told_here(void **state)
{
    (void)state;
    struct env *env = new_env();
    struct job a = {.work = {.work = job_work, .done = job_done}}, b = a;
    env_work(env, &a.work);
    assert_false(a.done);
    run_until(env, &a.done);
    assert_null(a.work.private_state);
    /* Freeing waits for what runs. */
    env_work(env, &b.work);
    uv_env_free(env);
    assert_true(b.done);
}

static void stop_on_fire(struct env_timer *timer)
{
    uv_env_stop(timer->env);
}

static void run_ends_by_stop(void **state)
{
    (void)state;
    struct env *env = new_env();
    struct env_timer timer;
    env_timer_init(env, &timer, stop_on_fire);
    env_timer_start_ms(&timer, 1);
    uv_env_run(env);
    assert_false(env_timer_is_armed(&timer));
    uv_env_free(env);
}

static void fatal_ends_the_process(void **state)
{
    (void)state;
    struct env *env = new_env();
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        log_level_min = LOG_LEVEL_ERROR + 1;
        env_fatal(env, "told to");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
    uv_env_free(env);
}

static void note_signal(void *ctx, int number)
{
    *(int *)ctx = number;
}

static void signals_are_heard_on_the_loop(void **state)
{
    (void)state;
    struct env *env = new_env();
    int number = 0;
    assert_int_equal(uv_env_on_signals(env, note_signal, &number), SF_OK);
    kill(getpid(), SIGHUP);
    for (int i = 0; i < 10 && number == 0; i++)
        uv_env_run_once(env);
    assert_int_equal(number, SIGHUP);
    uv_env_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_not_when_stopped),
        cmocka_unit_test(hooks_and_tasks_alternate_within_a_turn),
        cmocka_unit_test(a_restless_timer_starves_nobody),
        cmocka_unit_test(random_numbers_keep_below_their_limit),
        cmocka_unit_test(loopback_carries_both_ways),
        cmocka_unit_test(large_transfers_arrive_whole),
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
        cmocka_unit_test(files_do_what_env_says),
        cmocka_unit_test(a_locked_directory_is_in_use),
        cmocka_unit_test(work_is_done_elsewhere_and_told_here),
        cmocka_unit_test(run_ends_by_stop),
        cmocka_unit_test(fatal_ends_the_process),
        cmocka_unit_test(signals_are_heard_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
