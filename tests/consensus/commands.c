#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"

#define WORDS_MAX 32u

/* The words of a command: plain ones, and key=value ones. */
struct words {
    char *word[WORDS_MAX];
    size_t count;
};

static struct words split(char *line)
{
    struct words words = {.count = 0};
    char *rest = NULL;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL;
         word = strtok_r(NULL, " \n", &rest)) {
        sf_assert(words.count < WORDS_MAX);
        words.word[words.count++] = word;
    }
    return words;
}

static uint64_t number_at(const struct words *words, size_t position, uint64_t otherwise)
{
    if (position >= words->count || strchr(words->word[position], '=') != NULL)
        return otherwise;
    return strtoull(words->word[position], NULL, 10);
}

static uint64_t number_of(const struct words *words, const char *key, uint64_t otherwise)
{
    size_t length = strlen(key);
    for (size_t i = 1; i < words->count; i++) {
        const char *word = words->word[i];
        if (strncmp(word, key, length) == 0 && word[length] == '=')
            return strtoull(word + length + 1, NULL, 10);
    }
    return otherwise;
}

static bool has_word(const struct words *words, const char *word)
{
    size_t i = 0;
    while (i < words->count && strcmp(words->word[i], word) != 0)
        i++;
    return i < words->count;
}

static struct node *node_at(struct stage *stage, const struct words *words, size_t position)
{
    return group_node(&stage->group, (replica_id)number_at(words, position, 0));
}

/* -- what is shown --------------------------------------------------------------------------- */

static void on_update(void *ctx, struct node *node, const struct consensus_update *update)
{
    struct stage *stage = ctx;
    describe_update(&stage->out, node->id, update);
}

static void on_send(void *ctx, struct node *node, const struct consensus_msg *msg)
{
    struct stage *stage = ctx;
    bool lost = node->group->cut[msg->from][msg->to];
    describe_msg(&stage->out, msg);
    describe(&stage->out, lost ? " (lost)\n" : "\n");
}

static void show_error(struct stage *stage, int status)
{
    if (status != SF_OK)
        describe(&stage->out, "%s\n", sf_error_name(status));
}

/* -- commands -------------------------------------------------------------------------------- */

static void run_new(struct stage *stage, const struct words *words)
{
    struct group_options options = {
        .engine = has_word(words, "paxos") ? CONSENSUS_PAXOS : CONSENSUS_RAFT,
        .size = (size_t)number_at(words, 1, 3),
        .seed = 1,
        .election_ticks = (uint32_t)number_of(words, "election", 10),
        .heartbeat_ticks = (uint32_t)number_of(words, "heartbeat", 2),
        .inflight_max = (size_t)number_of(words, "inflight", 0),
        .inflight_bytes_max = (size_t)number_of(words, "bytes", 0),
        .leader_proposes = number_of(words, "noop", 1) != 0,
    };
    if (stage->set)
        group_deinit(&stage->group);
    group_init(&stage->group, &options);
    stage->set = true;
    stage->group.ctx = stage;
    stage->group.events = (struct group_events){.on_update = on_update, .on_send = on_send};
    for (size_t i = 0; i < options.size; i++)
        node_start(&stage->group.nodes[i]);
}

static void run_tick(struct stage *stage, const struct words *words)
{
    struct node *node = node_at(stage, words, 1);
    for (uint64_t i = number_at(words, 2, 1); i > 0; i--)
        consensus_tick(node->engine);
}

static void run_campaign(struct stage *stage, const struct words *words)
{
    struct node *node = node_at(stage, words, 1);
    node_settle(node);
    for (uint32_t i = 0; i < 2 * stage->group.options.election_ticks; i++) {
        if (consensus_has_update(node->engine))
            return;
        consensus_tick(node->engine);
    }
}

static void run_propose(struct stage *stage, const struct words *words)
{
    uint64_t index;
    for (size_t i = 2; i < words->count; i++)
        show_error(stage, node_propose(node_at(stage, words, 1), words->word[i], &index));
}

static void run_read(struct stage *stage, const struct words *words)
{
    for (size_t i = 2; i < words->count; i++)
        consensus_read(node_at(stage, words, 1)->engine, number_at(words, i, 0));
}

static void run_take(struct stage *stage, const struct words *words)
{
    node_settle(node_at(stage, words, 1));
}

static void run_sync(struct stage *stage, const struct words *words)
{
    while (node_sync(node_at(stage, words, 1))) {
    }
}

/* Does something to every message that is under way now and that the words select. */
static void for_flights(struct stage *stage, const struct words *words,
                        void (*act)(struct group *group, size_t position), bool stays)
{
    struct group *group = &stage->group;
    replica_id to = (replica_id)number_at(words, 1, 0);
    replica_id from = (replica_id)number_of(words, "from", 0);
    size_t position = 0;
    for (size_t left = group->flight_count; left > 0; left--) {
        const struct consensus_msg *msg = &group->flights[position];
        bool chosen = (to == 0 || msg->to == to) && (from == 0 || msg->from == from);
        if (chosen)
            act(group, position);
        position += !chosen || stays;
    }
}

static void run_deliver(struct stage *stage, const struct words *words)
{
    for_flights(stage, words, group_deliver, false);
}

static void run_drop(struct stage *stage, const struct words *words)
{
    for_flights(stage, words, group_drop, false);
}

static void run_duplicate(struct stage *stage, const struct words *words)
{
    for_flights(stage, words, group_duplicate, true);
}

static bool takes_part(const struct words *words, replica_id id)
{
    for (size_t i = 1; i < words->count; i++) {
        if (number_at(words, i, 0) == id)
            return true;
    }
    return words->count == 1;
}

static bool stabilize_node(struct node *node)
{
    bool worked = false;
    while (node_take(node))
        worked = true;
    while (node_sync(node))
        worked = true;
    return worked;
}

static bool deliver_first(struct stage *stage, const struct words *words)
{
    for (size_t i = 0; i < stage->group.flight_count; i++) {
        if (takes_part(words, stage->group.flights[i].to)) {
            group_deliver(&stage->group, i);
            return true;
        }
    }
    return false;
}

static void run_stabilize(struct stage *stage, const struct words *words)
{
    bool works = true;
    while (works) {
        works = false;
        for (replica_id id = 1; id <= stage->group.options.size; id++) {
            if (takes_part(words, id))
                works = stabilize_node(group_node(&stage->group, id)) || works;
        }
        while (deliver_first(stage, words))
            works = true;
    }
}

static void run_cut(struct stage *stage, const struct words *words)
{
    stage->group.cut[number_at(words, 1, 0)][number_at(words, 2, 0)] = true;
}

static void run_isolate(struct stage *stage, const struct words *words)
{
    uint64_t id = number_at(words, 1, 0);
    for (size_t i = 1; i <= stage->group.options.size; i++) {
        stage->group.cut[id][i] = true;
        stage->group.cut[i][id] = true;
    }
}

static void run_heal(struct stage *stage, const struct words *words)
{
    (void)words;
    memset(stage->group.cut, 0, sizeof(stage->group.cut));
}

static void run_crash(struct stage *stage, const struct words *words)
{
    struct node *node = node_at(stage, words, 1);
    node_crash(node, node->flushed);
}

static void run_start(struct stage *stage, const struct words *words)
{
    node_start(node_at(stage, words, 1));
}

static void run_compact(struct stage *stage, const struct words *words)
{
    struct node *node = node_at(stage, words, 1);
    node_flush(node);
    node_compact(node, number_at(words, 2, 0));
}

static void run_send_snapshot(struct stage *stage, const struct words *words)
{
    if (!node_send_snapshot(node_at(stage, words, 1), (replica_id)number_at(words, 2, 0)))
        describe(&stage->out, "none was wanted\n");
}

static void run_give_up(struct stage *stage, const struct words *words)
{
    node_end_snapshot(node_at(stage, words, 1), (replica_id)number_at(words, 2, 0), false);
}

static void run_begin_install(struct stage *stage, const struct words *words)
{
    if (!node_install_begin(node_at(stage, words, 1)))
        describe(&stage->out, "not wanted\n");
}

static void run_install(struct stage *stage, const struct words *words)
{
    struct node *node = node_at(stage, words, 1);
    node_install_begin(node);
    node_install_store(node);
    if (!node_install_finish(node))
        describe(&stage->out, "not wanted\n");
}

static void run_transfer(struct stage *stage, const struct words *words)
{
    replica_id peer = (replica_id)number_at(words, 2, 0);
    show_error(stage, consensus_transfer(node_at(stage, words, 1)->engine, peer));
}

static void run_lost(struct stage *stage, const struct words *words)
{
    consensus_connection_lost(node_at(stage, words, 1)->engine, (replica_id)number_at(words, 2, 0));
}

static void run_inject(struct stage *stage, const struct words *words)
{
    struct consensus_msg msg = {
        .from = (replica_id)number_of(words, "from", 0),
        .to = (replica_id)number_of(words, "to", 0),
        .term = number_of(words, "term", 0),
        .index = number_of(words, "index", 0),
        .log_term = number_of(words, "log_term", 0),
        .commit = number_of(words, "commit", 0),
        .context = number_of(words, "context", 0),
        .reject = number_of(words, "reject", 0) != 0,
        .transfer = number_of(words, "transfer", 0) != 0,
    };
    msg.type = describe_type(words->word[1]);
    consensus_step(group_node(&stage->group, msg.to)->engine, &msg);
}

static void run_status(struct stage *stage, const struct words *words)
{
    for (size_t i = 1; i < words->count; i++) {
        struct consensus_status status;
        struct node *node = node_at(stage, words, i);
        consensus_status(node->engine, &status);
        describe_status(&stage->out, node->id, &status);
    }
}

static const struct {
    const char *name;
    void (*run)(struct stage *stage, const struct words *words);
} commands[] = {
    {"new", run_new},
    {"tick", run_tick},
    {"campaign", run_campaign},
    {"propose", run_propose},
    {"read", run_read},
    {"take", run_take},
    {"sync", run_sync},
    {"deliver", run_deliver},
    {"drop", run_drop},
    {"duplicate", run_duplicate},
    {"stabilize", run_stabilize},
    {"cut", run_cut},
    {"isolate", run_isolate},
    {"heal", run_heal},
    {"crash", run_crash},
    {"start", run_start},
    {"compact", run_compact},
    {"send-snapshot", run_send_snapshot},
    {"give-up", run_give_up},
    {"begin-install", run_begin_install},
    {"install", run_install},
    {"transfer", run_transfer},
    {"lost", run_lost},
    {"inject", run_inject},
    {"status", run_status},
};

static bool run_words(struct stage *stage, const struct words *words)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(words->word[0], commands[i].name) == 0) {
            commands[i].run(stage, words);
            return true;
        }
    }
    describe(&stage->out, "unknown command: %s\n", words->word[0]);
    return false;
}

bool stage_run(struct stage *stage, char *line)
{
    size_t before = stage->out.n;
    bool quiet = strncmp(line, "quiet ", 6) == 0;
    struct words words = split(quiet ? line + 6 : line);
    if (words.count == 0)
        return true;
    bool known = run_words(stage, &words);
    if (known && quiet)
        stage->out.n = before;
    return known;
}

void stage_deinit(struct stage *stage)
{
    if (stage->set)
        group_deinit(&stage->group);
    buffer_deinit(&stage->out);
}
