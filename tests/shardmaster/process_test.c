/* The program shardmaster as real processes: killed and started again, and what it refuses.
 *
 *   shardmaster_process_test PATH-OF-SHARDMASTER
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "env/memory.h"
#include "env/uv_env.h"
#include "proto/codec.h"
#include "rpc/rpc.h"

#define MASTERS 3u
#define READY_MS 20000
#define CALL_MS 1000u
#define ANSWER_MS_MAX 30000u

static const char *program_path;

/* -- processes ----------------------------------------------------------------------------- */

struct master {
    pid_t pid; /* 0: down */
    char dir[64];
    char address[64];
};

struct scene {
    char root[32];
    char peers[256];
    struct master masters[MASTERS];
    struct env *env;
    struct rpc *rpc;
};

static void name_addresses(struct scene *s)
{
    int sockets[MASTERS];
    for (size_t i = 0; i < MASTERS; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t n = sizeof at;
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(sockets[i], (struct sockaddr *)&at, n), 0);
        assert_int_equal(getsockname(sockets[i], (struct sockaddr *)&at, &n), 0);
        snprintf(s->masters[i].address, sizeof s->masters[i].address, "127.0.0.1:%d",
                 ntohs(at.sin_port));
        snprintf(s->masters[i].dir, sizeof s->masters[i].dir, "%s/m%zu", s->root, i + 1);
        size_t used = strlen(s->peers);
        snprintf(s->peers + used, sizeof s->peers - used, "%s%s", i == 0 ? "" : ",",
                 s->masters[i].address);
    }
    for (size_t i = 0; i < MASTERS; i++)
        close(sockets[i]);
}

/* Starts the program; *out reads what it says on both of its outputs. */
static pid_t spawn(const char *const *arguments, int *out)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execv(program_path, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(ends[1]);
    *out = ends[0];
    return pid;
}

/* Reads until `text` was said, or the other side closed. Returns all of it. */
static char *read_until(int from, const char *text)
{
    char *said = sf_calloc(1, 4096);
    size_t used = 0;
    struct pollfd waiting = {.fd = from, .events = POLLIN};
    while (used < 4095 && (text == NULL || strstr(said, text) == NULL)) {
        assert_int_equal(poll(&waiting, 1, READY_MS), 1);
        ssize_t n = read(from, said + used, 4095 - used);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    return said;
}

static void master_start(struct scene *s, struct master *m, bool create)
{
    int out;
    const char *arguments[] = {
        "shardmaster", "--dir",  m->dir,      "--listen", m->address,
        "--peers",     s->peers, "--cluster", "77",       create ? "--create" : NULL,
        NULL};
    m->pid = spawn(arguments, &out);
    char *said = read_until(out, "serves group 0");
    assert_non_null(strstr(said, m->address));
    free(said);
    close(out); /* SIGPIPE is ignored there; what it logs later is not needed */
}

static int master_end(struct master *m, int signal_number)
{
    int status = 0;
    assert_int_equal(kill(m->pid, signal_number), 0);
    assert_int_equal(waitpid(m->pid, &status, 0), m->pid);
    m->pid = 0;
    return status;
}

/* -- a client ------------------------------------------------------------------------------ */

struct ask {
    struct scene *scene;
    struct rpc_call call;
    struct env_timer pause;
    const char *method;
    struct buffer params; /* as sent */
    size_t target;
    uint64_t deadline_ms;
    void (*take)(void *ctx, struct cursor *payload);
    void *ctx;
    bool answered;
};

static void ask_send(struct ask *ask);

static void ask_again(struct env_timer *timer)
{
    ask_send(container_of(timer, struct ask, pause));
}

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct ask *ask = container_of(call, struct ask, call);
    if (status == SF_OK) {
        struct cursor c = unpack_object(result);
        status = (int)unpack_i64(&c);
        unpack_skip(&c);
        if (status == SF_OK)
            ask->take(ask->ctx, &c);
    }
    ask->answered = status == SF_OK;
    if (ask->answered || env_now_ms(ask->scene->env) > ask->deadline_ms) {
        uv_env_stop(ask->scene->env);
        return;
    }
    ask->target = (ask->target + 1) % MASTERS;
    env_timer_start_ms(&ask->pause, 50);
}

static void ask_send(struct ask *ask)
{
    struct buffer params = {0};
    buffer_set(&params, buffer_slice(&ask->params));
    rpc_call_start(ask->scene->rpc, &ask->call, ask->scene->masters[ask->target].address,
                   ask->method, &params, CALL_MS, on_answer);
}

/* Asks the masters, from `target` on, until one answers. Takes params. */
static void ask_masters(struct scene *s, size_t target, const char *method, struct buffer *params,
                        void (*take)(void *ctx, struct cursor *payload), void *ctx)
{
    struct ask ask = {.scene = s,
                      .method = method,
                      .params = *params,
                      .target = target,
                      .deadline_ms = env_now_ms(s->env) + ANSWER_MS_MAX,
                      .take = take,
                      .ctx = ctx};
    env_timer_init(s->env, &ask.pause, ask_again);
    ask_send(&ask);
    uv_env_run(s->env);
    assert_true(ask.answered);
    buffer_deinit(&ask.params);
}

static void take_reply(void *ctx, struct cursor *payload)
{
    assert_int_equal(codec_unpack_master_reply(payload, ctx), SF_OK);
}

static void take_config(void *ctx, struct cursor *payload)
{
    assert_int_equal(codec_unpack_config(payload, ctx), SF_OK);
}

static void join(struct scene *s, group_id gid)
{
    char address[1][SF_ADDRESS_BYTES_MAX];
    struct group group = {.gid = gid, .address_count = 1, .addresses = address};
    const struct master_op op = {
        .kind = MASTER_JOIN, .client_lo = 5, .sequence = gid, .groups = &group, .group_count = 1};
    struct buffer params = {0};
    struct master_reply reply = {0};
    snprintf(address[0], sizeof address[0], "g%d:1", (int)gid);
    pack_array(&params, 1);
    codec_pack_master_op(&params, &op);
    ask_masters(s, 0, "master.join", &params, take_reply, &reply);
    assert_int_equal(reply.status, SF_OK);
    assert_int_equal(reply.config_num, gid);
}

static struct config *query(struct scene *s, size_t target, int64_t num)
{
    struct buffer params = {0};
    struct config *config = NULL;
    pack_array(&params, 1);
    pack_i64(&params, num);
    ask_masters(s, target, "master.query", &params, take_config, &config);
    return config;
}

/* -- scenes -------------------------------------------------------------------------------- */

static int scene_up(void **state)
{
    const struct rpc_options options = {.role = "client"};
    struct scene *s = sf_calloc(1, sizeof *s);
    *state = s;
    snprintf(s->root, sizeof s->root, "/tmp/shardmaster.XXXXXX");
    if (mkdtemp(s->root) == NULL || uv_env_new(&s->env) != SF_OK)
        return -1;
    s->rpc = rpc_new(s->env, &options);
    name_addresses(s);
    for (size_t i = 0; i < MASTERS; i++)
        master_start(s, &s->masters[i], true);
    return 0;
}

static int scene_down(void **state)
{
    struct scene *s = *state;
    char *remove = NULL;
    for (size_t i = 0; i < MASTERS; i++)
        if (s->masters[i].pid != 0)
            master_end(&s->masters[i], SIGKILL);
    rpc_free(s->rpc);
    uv_env_free(s->env);
    int n = asprintf(&remove, "rm -rf '%s'", s->root);
    int status = n > 0 ? system(remove) : -1;
    free(remove);
    free(s);
    return status;
}

/* Starts one that is expected to say no; returns what it said. */
static char *refusal(const char *const *arguments, int exit_status)
{
    int out, status = 0;
    pid_t pid = spawn(arguments, &out);
    char *said = read_until(out, NULL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), exit_status);
    close(out);
    return said;
}

static void check_refusal(const char *const *arguments, int exit_status, const char *text)
{
    char *said = refusal(arguments, exit_status);
    assert_non_null(strstr(said, text));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
    free(said);
}

/* -- tests --------------------------------------------------------------------------------- */

static void what_was_acknowledged_survives_kill_9(void **state)
{
    struct scene *s = *state;
    group_id gid = 0;
    for (size_t round = 0; round < 2 * MASTERS; round++) {
        struct master *victim = &s->masters[round % MASTERS];
        join(s, ++gid);
        master_end(victim, SIGKILL);
        join(s, ++gid);
        master_start(s, victim, false);
    }
    for (size_t i = 0; i < MASTERS; i++)
        master_end(&s->masters[i], SIGKILL);
    for (size_t i = 0; i < MASTERS; i++)
        master_start(s, &s->masters[i], false);
    struct config *config = query(s, 0, -1);
    assert_int_equal(config->num, gid);
    assert_int_equal(config->group_count, gid);
    config_free(config);
}

static void sigterm_ends_it_in_good_order(void **state)
{
    struct scene *s = *state;
    join(s, 1);
    for (size_t i = 0; i < MASTERS; i++)
        assert_int_equal(master_end(&s->masters[i], SIGTERM), 0);
    for (size_t i = 0; i < MASTERS; i++)
        master_start(s, &s->masters[i], false);
    struct config *config = query(s, 1, -1);
    assert_int_equal(config->num, 1);
    config_free(config);
}

static void what_is_not_its_own_is_refused(void **state)
{
    struct scene *s = *state;
    const struct master *m = &s->masters[0];
    char empty[64];
    snprintf(empty, sizeof empty, "%s/empty", s->root);
    check_refusal((const char *const[]){"shardmaster", "--dir", m->dir, "--listen", m->address,
                                        "--peers", s->peers, "--cluster", "77", NULL},
                  1, "is in use by another process");
    master_end(&s->masters[0], SIGTERM);
    check_refusal((const char *const[]){"shardmaster", "--dir", s->masters[1].dir, "--listen",
                                        m->address, "--peers", s->peers, "--cluster", "77", NULL},
                  1, "is in use by another process");
    master_end(&s->masters[1], SIGTERM);
    check_refusal((const char *const[]){"shardmaster", "--dir", s->masters[1].dir, "--listen",
                                        m->address, "--peers", s->peers, "--cluster", "77", NULL},
                  1, "belongs to replica 2 of group 0");
    check_refusal((const char *const[]){"shardmaster", "--dir", m->dir, "--listen", m->address,
                                        "--peers", s->peers, "--cluster", "78", NULL},
                  1, "belongs to cluster 0000000000000077, not 0000000000000078");
    check_refusal((const char *const[]){"shardmaster", "--dir", empty, "--listen", m->address,
                                        "--peers", s->peers, "--cluster", "77", NULL},
                  1, "say --create");
    assert_int_equal(access(empty, F_OK), -1);
}

static void wrong_options_are_named(void **state)
{
    struct scene *s = *state;
    const char *dir = s->root;
    check_refusal((const char *const[]){"shardmaster", NULL}, 2, "--dir DIR is missing");
    check_refusal((const char *const[]){"shardmaster", "--dir", dir, NULL}, 2,
                  "--listen HOST:PORT is missing");
    check_refusal((const char *const[]){"shardmaster", "--dir", dir, "--listen", "nowhere", NULL},
                  2, "\"nowhere\" is not an address HOST:PORT");
    check_refusal((const char *const[]){"shardmaster", "--cluster", "0", NULL}, 2,
                  "\"0\" is not 1 to 16 hexadecimal digits");
    check_refusal((const char *const[]){"shardmaster", "--shards", "4097", NULL}, 2,
                  "\"4097\" is not a number from 1 to 4096");
    check_refusal((const char *const[]){"shardmaster", "--routing", "random", NULL}, 2,
                  "\"random\" is none of hash, first-byte, number");
    check_refusal((const char *const[]){"shardmaster", "--dir", dir, "--listen", "10.0.0.1:7001",
                                        "--cluster", "7", NULL},
                  2, "say --insecure");
    check_refusal((const char *const[]){"shardmaster", "--dir", dir, "--listen",
                                        "127.example.net:7001", "--cluster", "7", NULL},
                  2, "say --insecure");
    check_refusal((const char *const[]){"shardmaster", "--dir", dir, "--listen", "127.0.0.1:7001",
                                        "--cluster", "7", "--peers",
                                        "127.0.0.1:7002,127.0.0.1:7003", NULL},
                  2, "is none of the group's addresses");
    check_refusal((const char *const[]){"shardmaster", "--bogus", NULL}, 2, "bogus");
    check_refusal((const char *const[]){"shardmaster", "extra", NULL}, 2, "\"extra\"");
}

#define WITH_MASTERS(test) cmocka_unit_test_setup_teardown(test, scene_up, scene_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_MASTERS(what_was_acknowledged_survives_kill_9),
        WITH_MASTERS(sigterm_ends_it_in_good_order),
        WITH_MASTERS(what_is_not_its_own_is_refused),
        WITH_MASTERS(wrong_options_are_named),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH-OF-SHARDMASTER\n", argv[0]);
        return 2;
    }
    program_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
