/* A log that several processes share: each line of standard input is proposed for the next free
 * place, and all processes print the same lines in the same order.
 *
 *     cc paxos_example.c $(pkg-config --cflags --libs shardfs-paxos) -o paxos_example
 *     ./paxos_example 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003 0
 *
 * and with 1 and 2 in two other terminals. Given a directory of its own as the third argument (and
 * "create" as the fourth, the first time), a process may end and come back. It ends with its input.
 */
#include <poll.h>
#include <shardfs/paxos.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct shared_log {
    struct paxos_peer *peer;
    int64_t next;       /* the first place whose line is not printed yet */
    const char *me;     /* who we are, in front of our lines */
    char input[4096];   /* read, and not proposed yet */
    size_t input_bytes; /* of it */
    int input_ended;
    char own[4200];   /* our line; "": none. Proposed for one place after the other until chosen */
    int64_t proposed; /* the place that it is proposed for; -1: none */
};

/* A line that nobody wrote and that is not printed. Proposed first: in this way whoever was away
 * learns what the others have chosen meanwhile, place by place, until its own is chosen. */
static void say_hello(struct shared_log *log)
{
    snprintf(log->own, sizeof log->own, "#%s %ld", log->me, (long)getpid());
}

/* The next line of the input becomes ours. */
static void take_line(struct shared_log *log)
{
    char *end = memchr(log->input, '\n', log->input_bytes);
    size_t n = end != NULL ? (size_t)(end - log->input) : log->input_bytes;
    int is_line = end != NULL || n == sizeof log->input || (log->input_ended && n > 0);
    if (log->own[0] != 0 || !is_line)
        return;
    snprintf(log->own, sizeof log->own, "%s: %.*s", log->me, (int)n, log->input);
    n += end != NULL;
    log->input_bytes -= n;
    memmove(log->input, log->input + n, log->input_bytes);
}

static int propose(struct shared_log *log)
{
    if (log->own[0] == 0 || log->proposed == log->next)
        return SF_OK;
    log->proposed = log->next;
    return paxos_start(log->peer, log->next, log->own, strlen(log->own));
}

static int is_own(const struct shared_log *log, const struct paxos_value *value)
{
    return value->n == strlen(log->own) && memcmp(value->p, log->own, value->n) == 0;
}

static void print_chosen(struct shared_log *log)
{
    struct paxos_value value;
    while (paxos_decided(log->peer, log->next, &value)) {
        const char *line = value.p;
        if (line[0] != '#')
            printf("%.*s\n", (int)value.n, line);
        if (is_own(log, &value))
            log->own[0] = 0;
        paxos_done(log->peer, log->next++); /* we shall not ask for it again */
    }
    fflush(stdout);
}

static void read_input(struct shared_log *log)
{
    size_t room = sizeof log->input - log->input_bytes;
    ssize_t n = read(STDIN_FILENO, log->input + log->input_bytes, room);
    if (n > 0)
        log->input_bytes += (size_t)n;
    else
        log->input_ended = 1;
}

/* Until there is something to do. */
static void wait_a_turn(struct shared_log *log)
{
    int wants_input = !log->input_ended && log->input_bytes < sizeof log->input;
    struct pollfd fds[] = {{.fd = paxos_fd(log->peer), .events = POLLIN},
                           {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN}};
    poll(fds, 2, paxos_timeout_ms(log->peer));
    if (fds[1].revents != 0)
        read_input(log);
    paxos_turn(log->peer);
}

static int run(struct shared_log *log)
{
    int error = SF_OK;
    log->next = paxos_min(log->peer); /* what is below was printed by all */
    log->proposed = -1;
    say_hello(log);
    while (error == SF_OK && (log->own[0] != 0 || !log->input_ended || log->input_bytes > 0)) {
        take_line(log);
        error = propose(log);
        wait_a_turn(log);
        print_chosen(log);
    }
    return error;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: paxos_example HOST:PORT,HOST:PORT,... ME [DIR [create]]\n");
        return 2;
    }
    static struct shared_log log;
    struct paxos_options options = {.dir = argc > 3 ? argv[3] : NULL, .create = argc > 4};
    log.me = argv[2];
    int error = paxos_open(argv[1], (unsigned)strtoul(argv[2], NULL, 10), &options, &log.peer);
    if (error == SF_OK)
        error = run(&log);
    paxos_close(log.peer);
    if (error != SF_OK)
        fprintf(stderr, "paxos_example: %s\n", paxos_error_text(error));
    return error == SF_OK ? 0 : 1;
}
