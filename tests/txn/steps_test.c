/* One transaction over three groups, again and again, and each time something happens at another
 * message of its client: before the first, before the second, and so on until there is none left.
 *
 *   the client loses power            all of it happens or nothing, and no lock is left
 *   a participant's leader does       it happens, once
 *   a participant's shard moves       the same
 *   the client stands still for 9 s   the same; leaders finish it meanwhile, or begin to
 *   one group is 9 s away from it     the same
 *   the client's deadline passes      it is answered what is true
 *   all messages are doubled, late    it happens, once
 *
 *   txn_steps_test [--seeds N] [--seed S] [--engine raft|paxos]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/inner.h"
#include "env/memory.h"
#include "shardkv/machine.h"
#include "shardkv/ops.h"
#include "sim/seeds.h"
#include "txn/bank.h"

#define KEYS 3u
#define SETTLE_MS 60000u
#define STEPS_MAX 400u
#define STILL_MS 9000u
#define ROUNDS 30u /* where it is not messages that are counted */

enum harm {
    HARM_CLIENT,
    HARM_LEADER,
    HARM_MOVE,
    HARM_STILL,
    HARM_FAR,
    HARM_DEADLINE,
    HARM_DOUBLES,
    HARM_LIMIT
};
static const char *const harm_names[HARM_LIMIT] = {
    "client crashes", "leader crashes", "shard moves", "client stands still",
    "a group is far", "deadline",       "doubles"};

struct stage {
    struct cluster *cluster;
    struct sim_node *node;
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    struct client_call call;
    struct kv_op op, parts[KEYS];
    char keys[KEYS][4]; /* in shards of three groups */
    char text[16];
    char values[KEYS][4096];
    bool answered;
    int status;
    /* What the judge does from message number `at` on. */
    enum harm harm;
    unsigned messages, at;
    bool lost;         /* the client's messages go nowhere */
    uint64_t still_ns; /* they wait until then */
};

static uint64_t seed_now;
static struct stage *stage_now;

static _Noreturn void failed(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "seed %" PRIu64 ", %s at step %s %s:%d: %s\n"
            "again: txn_steps_test --engine %s --seed %" PRIu64 "\n",
            seed_now, harm_names[stage_now->harm], stage_now->text, file, line, condition,
            seeds_engine_name(), seed_now);
    abort();
}

/* -- what is stored ------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static struct cluster_group *owner_of(const struct stage *s, const char *key)
{
    uint32_t shard = (uint32_t)(strtoul(key, NULL, 10) % CLUSTER_SHARDS);
    for (size_t i = 0; i < CLUSTER_GROUPS; i++)
        if (s->cluster->groups[i].serving[shard])
            return &s->cluster->groups[i];
    return NULL;
}

static const struct cluster_node *most_advanced(const struct cluster_group *group)
{
    const struct cluster_node *best = NULL;
    for (size_t i = 0; i < CLUSTER_REPLICAS; i++) {
        const struct cluster_node *n = &group->nodes[i];
        if (n->replica && (!best || replica_applied(n->replica) > replica_applied(best->replica)))
            best = n;
    }
    return best;
}

/* Is the text at the key's end, where the group that serves it has got to? */
static bool is_applied(const struct stage *s, const char *key)
{
    struct cluster_group *group = owner_of(s, key);
    const struct cluster_node *n = group ? most_advanced(group) : NULL;
    struct shard_copy copy;
    if (!n || !machine_serves(container_of(n->machine, struct kv_machine, base),
                              (uint32_t)strtoul(key, NULL, 10), &copy))
        return true; /* it is on its way, and nobody's */
    struct access access;
    struct kv_reply reply;
    struct kv_op get = {.kind = KV_GET, .key = slice_str(key)};
    size_t bytes = strlen(s->text);
    access_open_read(&access, replica_space(n->replica), replica_pending(n->replica), copy);
    ops_execute(&access, &get, &reply);
    bool applied =
        reply.data.n >= bytes && memcmp(reply.data.p + reply.data.n - bytes, s->text, bytes) == 0;
    sf_assert(access_close(&access) == SF_OK);
    return applied;
}

/* -- the client ---------------------------------------------------------------------------- */

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct stage *s = ctx;
    const struct rpc_options options = {.role = "client"};
    const char *const *masters = (const char *const *)s->cluster->master_addresses;
    (void)node;
    s->env = env;
    s->rpc = rpc_new(env, &options);
    s->router = router_new(env, s->rpc, masters, CLUSTER_MASTERS);
    s->client = client_new(env, s->router);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct stage *s = ctx;
    (void)node;
    client_free(s->client);
    router_free(s->router);
    rpc_free(s->rpc);
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct stage *s = container_of(call, struct stage, call);
    sf_assert(status != SF_OK || s->op.kind != KV_MINI || reply->reply_count == KEYS);
    /* The caller is answered when all have applied it; where a leader crashed, it may have been the
     * one that had. */
    bool looks = status == SF_OK && s->op.kind == KV_MINI && s->harm != HARM_LEADER;
    for (size_t i = 0; i < KEYS && looks; i++)
        sf_assert(is_applied(s, s->keys[i]));
    if (status == SF_OK && s->op.kind == KV_GET)
        snprintf(s->values[0], sizeof s->values[0], "%.*s", (int)reply->data.n,
                 (const char *)reply->data.p);
    s->answered = true;
    s->status = status;
}

static void submit(struct stage *s, uint64_t timeout_ms)
{
    s->answered = false;
    s->call = (struct client_call){.on_done = on_done, .op = &s->op, .timeout_ms = timeout_ms};
    client_submit(s->client, &s->call);
}

static bool is_answered(void *ctx)
{
    const struct stage *s = ctx;
    return s->answered;
}

static void wait_answer(struct stage *s)
{
    sf_assert(sim_run_until(s->cluster->sim, is_answered, s, SETTLE_MS * ENV_MS_NS));
}

/* -- what happens -------------------------------------------------------------------------- */

static bool is_far(const struct stage *s, const struct sim_node *node)
{
    for (size_t i = 0; i < CLUSTER_REPLICAS; i++)
        if (s->cluster->groups[s->at % KEYS].nodes[i].sim_node == node)
            return true;
    return false;
}

static struct sim_verdict judge(void *ctx, const struct sim_message *message)
{
    struct stage *s = ctx;
    struct sim_verdict verdict = {.fate = SIM_DELIVER};
    uint64_t now_ns = sim_now_ns(s->cluster->sim);
    struct sim_node *other = message->from == s->node ? message->to : message->from;
    if (message->from != s->node && message->to != s->node)
        return verdict;
    if (message->bytes.n > 0)
        s->messages++;
    if (s->messages <= s->at)
        return verdict;
    s->lost = s->lost || s->harm == HARM_CLIENT;
    bool delays = s->harm == HARM_STILL || s->harm == HARM_FAR;
    if (delays && s->still_ns == 0)
        s->still_ns = now_ns + STILL_MS * ENV_MS_NS;
    if (s->lost)
        verdict.fate = SIM_LOSE;
    if (now_ns < s->still_ns && (s->harm == HARM_STILL || is_far(s, other)))
        verdict.delay_ns = s->still_ns - now_ns;
    return verdict;
}

static bool is_due(void *ctx)
{
    const struct stage *s = ctx;
    return s->answered || s->messages > s->at;
}

static void crash_leader(struct stage *s)
{
    struct cluster_group *group = owner_of(s, s->keys[s->at % KEYS]);
    struct cluster_node *leader = group ? cluster_leader(group) : NULL;
    if (leader)
        sim_node_crash(leader->sim_node);
    cluster_run_ms(s->cluster, 200);
    cluster_calm(s->cluster);
}

static void move_shard(struct stage *s)
{
    const char *key = s->keys[s->at % KEYS];
    const struct cluster_group *owner = owner_of(s, key);
    unsigned from = owner ? (unsigned)(owner - s->cluster->groups) : 0;
    uint32_t shard = (uint32_t)(strtoul(key, NULL, 10) % CLUSTER_SHARDS);
    (void)cluster_move(s->cluster, shard, (from + 1) % 3);
}

/* At message `at`; false: the transaction had no so many. */
static bool harm(struct stage *s)
{
    sf_assert(sim_run_until(s->cluster->sim, is_due, s, SETTLE_MS * ENV_MS_NS));
    if (s->messages <= s->at)
        return false;
    if (s->harm == HARM_CLIENT)
        sim_node_crash(s->node);
    if (s->harm == HARM_LEADER)
        crash_leader(s);
    if (s->harm == HARM_MOVE)
        move_shard(s);
    return true;
}

/* -- what must be ----------------------------------------------------------------------------- */

/* All of it happened, once, or nothing of it: which? */
static bool look(struct stage *s)
{
    char before[KEYS][sizeof s->values[0]];
    unsigned changed = 0;
    for (size_t i = 0; i < KEYS; i++)
        memcpy(before[i], s->values[i], sizeof before[i]);
    for (size_t i = KEYS; i-- > 0;) { /* the first last: it stands where an answer is put */
        s->op = (struct kv_op){.kind = KV_GET, .key = slice_str(s->keys[i])};
        s->values[0][0] = 0;
        submit(s, 0);
        wait_answer(s);
        sf_assert(s->status == SF_OK || s->status == SF_NOT_FOUND);
        memmove(s->values[i], s->values[0], sizeof s->values[0]);
        size_t was = strlen(before[i]);
        sf_assert(strncmp(s->values[i], before[i], was) == 0);
        const char *more = s->values[i] + was;
        sf_assert(more[0] == 0 || strcmp(more, s->text) == 0);
        changed += ends_with(s->values[i], s->text) && more[0] != 0;
    }
    sf_assert(changed == 0 || changed == KEYS);
    return changed > 0;
}

static void begin(struct stage *s, unsigned round, uint64_t timeout_ms)
{
    snprintf(s->text, sizeof s->text, "%u;", round);
    for (size_t i = 0; i < KEYS; i++)
        s->parts[i] = (struct kv_op){
            .kind = KV_APPEND, .key = slice_str(s->keys[i]), .data = slice_str(s->text)};
    s->op = (struct kv_op){.kind = KV_MINI, .ops = s->parts, .op_count = KEYS};
    s->messages = 0;
    s->lost = false;
    s->still_ns = 0;
    submit(s, timeout_ms);
}

/* Nothing of it is under way, in the background neither. */
static bool is_over(void *ctx)
{
    const struct stage *s = ctx;
    return s->client->ops == NULL && bank_is_clean(s->cluster);
}

static void judge_answer(struct stage *s, bool was_harmed)
{
    bool knew = s->answered;
    int status = s->status;
    s->at = UINT32_MAX; /* from here on all is quiet */
    s->lost = false;
    if (s->harm == HARM_CLIENT && was_harmed) {
        cluster_run_ms(s->cluster, 500);
        sim_node_start(s->node);
        knew = false;
    }
    sf_assert(sim_run_until(s->cluster->sim, is_over, s, SETTLE_MS * ENV_MS_NS));
    bool happened = look(s);
    if (knew)
        sf_assert(status == SF_UNKNOWN || happened == (status == SF_OK));
    if (knew && s->harm != HARM_DEADLINE)
        sf_assert(status == SF_OK);
}

/* False: it was over before message `at`. */
static bool step(struct stage *s, unsigned round, unsigned at)
{
    s->at = at;
    begin(s, round, s->harm == HARM_DEADLINE ? 1 + at : 0);
    bool is_counted = s->harm == HARM_DEADLINE || s->harm == HARM_DOUBLES;
    bool was_harmed = is_counted ? at < ROUNDS : harm(s);
    if (s->harm != HARM_CLIENT || !was_harmed)
        wait_answer(s);
    judge_answer(s, was_harmed);
    if (s->harm == HARM_MOVE)
        sf_assert(cluster_run_until(s->cluster, cluster_is_settled, SETTLE_MS));
    return was_harmed;
}

/* -- the stage ----------------------------------------------------------------------------- */

static void choose_keys(struct stage *s)
{
    size_t found = 0;
    for (; found < KEYS; found++) {
        uint32_t shard = 0;
        while (!s->cluster->groups[found].serving[shard])
            shard++;
        snprintf(s->keys[found], sizeof s->keys[0], "%u", (unsigned)shard % CLUSTER_SHARDS);
    }
    sf_assert(found == KEYS);
}

static void run(uint64_t seed, enum harm what)
{
    const struct cluster_options options = {.chunk_bytes = 256,
                                            .flush_ms = 50 + seed * 37 % 400,
                                            .slack_bytes = 1000,
                                            .snapshot_bytes = 2000};
    struct stage *s = sf_calloc(1, sizeof *s);
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = s};
    unsigned at = 0;
    seed_now = seed;
    stage_now = s;
    s->harm = what;
    s->at = UINT32_MAX;
    s->cluster = cluster_new(seed, &options);
    cluster_start(s->cluster, 7);
    sf_assert(cluster_join(s->cluster, 7));
    sf_assert(cluster_run_until(s->cluster, cluster_is_settled, SETTLE_MS));
    choose_keys(s);
    s->node = sim_node_new(s->cluster->sim, "client", &program);
    sim_node_start(s->node);
    cluster_run_ms(s->cluster, 10);
    if (what == HARM_DOUBLES)
        sim_faults(s->cluster->sim)->duplicate = sim_faults(s->cluster->sim)->reorder = 500;
    sim_faults(s->cluster->sim)->slow_us_max = 20000;
    sim_on_message(s->cluster->sim, judge, s);
    while (step(s, at + 1, at)) {
        at++;
        sf_assert(at < STEPS_MAX);
    }
    sf_assert(at > 5);
    printf("seed %" PRIu64 ": %s: %u steps, %" PRIu64 " events\n", seed, harm_names[what], at,
           sim_event_count(s->cluster->sim));
    sim_on_message(s->cluster->sim, NULL, NULL);
    cluster_free(s->cluster);
    free(s);
}

int main(int argc, char **argv)
{
    const struct seeds seeds = seeds_parse(argc, argv, 4);
    sf_assert_handler = failed;
    sf_assert_slow_enabled = true;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++)
        for (unsigned what = 0; what < HARM_LIMIT; what++)
            run(seed, (enum harm)what);
    return 0;
}
