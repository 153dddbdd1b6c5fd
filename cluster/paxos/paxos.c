/* The public peer: a member with a loop of its own. */
#include "shardfs/paxos.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"
#include "paxos/member.h"

#define POLL_MS_MAX 10 /* what a turn began to listen to shows at the fd only after the next one */

struct paxos_peer {
    struct env *env;
    struct member *member;
    struct env_timer wake; /* lets a turn end without waiting, or not wait too long */
    bool is_fresh;         /* something was begun since the last turn */
};

/* -- opening ------------------------------------------------------------------------------- */

/* The addresses point into a copy of the list, which `first` is and owns. */
struct list {
    char *first;
    const char *addresses[PAXOS_PEERS_MAX];
    size_t count;
};

static int parse_list(const char *text, struct list *out)
{
    char *rest = out->first = sf_strdup(text);
    while (rest != NULL) {
        if (out->count == PAXOS_PEERS_MAX)
            return SF_INVALID;
        out->addresses[out->count++] = strsep(&rest, ",");
    }
    for (size_t i = 0; i < out->count; i++) {
        const char *port = strrchr(out->addresses[i], ':');
        if (port == NULL || strspn(port + 1, "0") == strlen(port + 1))
            return SF_ADDRESS; /* with port 0 the others would not find it */
    }
    return SF_OK;
}

static int check_own_address(const struct list *list, unsigned me, bool insecure)
{
    if (me >= list->count)
        return SF_INVALID;
    if (!insecure && env_address_is_valid(list->addresses[me]) &&
        !env_address_is_loopback(list->addresses[me]))
        return SF_PERMISSION;
    return SF_OK;
}

static void nothing(struct env_timer *timer)
{
    (void)timer;
}

static int open_member(struct paxos_peer *peer, const struct list *list, unsigned me,
                       const struct paxos_options *o)
{
    const struct member_options options = {.addresses = list->addresses,
                                           .count = list->count,
                                           .self = me,
                                           .dir = o->dir,
                                           .create = o->create};
    char *why = NULL;
    int error = uv_env_new(&peer->env);
    if (error != SF_OK)
        return error;
    env_timer_init(peer->env, &peer->wake, nothing);
    error = member_new(peer->env, &options, &peer->member, &why);
    if (why != NULL)
        log_error("paxos", "%s", why);
    free(why);
    return error;
}

int paxos_open(const char *peers, unsigned me, const struct paxos_options *options,
               struct paxos_peer **out)
{
    static const struct paxos_options defaults = {.dir = NULL};
    const struct paxos_options *o = options != NULL ? options : &defaults;
    struct paxos_peer *peer = sf_calloc(1, sizeof *peer);
    struct list list = {.count = 0};
    int error = parse_list(peers, &list);
    if (error == SF_OK)
        error = check_own_address(&list, me, o->insecure);
    if (error == SF_OK)
        error = open_member(peer, &list, me, o);
    free(list.first);
    if (error != SF_OK) {
        paxos_close(peer);
        return error;
    }
    peer->is_fresh = true;
    *out = peer;
    return SF_OK;
}

void paxos_close(struct paxos_peer *peer)
{
    if (peer == NULL)
        return;
    member_free(peer->member);
    if (peer->env != NULL)
        uv_env_free(peer->env);
    free(peer);
}

const char *paxos_error_text(int error)
{
    return sf_error_text(error);
}

/* -- agreement ----------------------------------------------------------------------------- */

int paxos_start(struct paxos_peer *peer, int64_t seq, const void *p, size_t n)
{
    peer->is_fresh = true;
    return member_start(peer->member, seq, slice_of(p, n));
}

enum paxos_fate paxos_status(const struct paxos_peer *peer, int64_t seq, struct paxos_value *value)
{
    const struct payload *decided = member_decided(peer->member, seq);
    struct paxos_value found = {0};
    if (decided != NULL)
        found = (struct paxos_value){decided->data, decided->bytes};
    if (value != NULL)
        *value = found;
    if (decided != NULL)
        return PAXOS_DECIDED;
    return seq < member_min(peer->member) ? PAXOS_FORGOTTEN : PAXOS_PENDING;
}

bool paxos_decided(const struct paxos_peer *peer, int64_t seq, struct paxos_value *value)
{
    return paxos_status(peer, seq, value) == PAXOS_DECIDED;
}

void paxos_done(struct paxos_peer *peer, int64_t seq)
{
    peer->is_fresh = true;
    member_done(peer->member, seq);
}

int64_t paxos_max(const struct paxos_peer *peer)
{
    return member_max(peer->member);
}

int64_t paxos_min(const struct paxos_peer *peer)
{
    return member_min(peer->member);
}

/* -- letting it work ----------------------------------------------------------------------- */

int paxos_fd(const struct paxos_peer *peer)
{
    return uv_backend_fd(uv_env_loop(peer->env));
}

int paxos_timeout_ms(struct paxos_peer *peer)
{
    struct uv_loop_s *loop = uv_env_loop(peer->env);
    if (peer->is_fresh)
        return 0;
    uv_update_time(loop);
    int wait = uv_backend_timeout(loop);
    return wait < 0 || wait > POLL_MS_MAX ? POLL_MS_MAX : wait;
}

void paxos_turn(struct paxos_peer *peer)
{
    paxos_wait_ms(peer, 0);
}

void paxos_wait(struct paxos_peer *peer)
{
    peer->is_fresh = false;
    uv_env_run_once(peer->env);
}

void paxos_wait_ms(struct paxos_peer *peer, unsigned ms)
{
    env_timer_start_ms(&peer->wake, ms);
    paxos_wait(peer);
    env_timer_stop(&peer->wake);
}
