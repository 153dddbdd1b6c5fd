/* What is written: "W.N", filler, a newline: token N of writer W. An append adds one token to its
 * key's value, a put makes its token the whole value. */
#include "process/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"
#include "process/load_inside.h"
#include "process/stage.h"

#define NO_SPACE_PAUSE_MS 20u
#define END_MS 90000u /* for what is in flight, when the cluster is well */
#define TOKENS_MAX 1000u
#define LONG_TOKENS_MAX 30u
#define LONG_FILLER 90000u

static void next(struct writer *writer);

/* -- tokens ---------------------------------------------------------------------------------- */

static bool is_put(size_t key)
{
    return key % 2 == 1;
}

static bool is_long(const struct load *load, size_t key)
{
    return load->options.long_values && key % 64 == 0;
}

size_t load_filler(const struct load *load, size_t key, unsigned writer, size_t number)
{
    size_t mix = (size_t)writer * 7919 + number * 104729;
    if (is_long(load, key))
        return LONG_FILLER + mix % 1000;
    return is_put(key) ? mix % 2000 : mix % 8;
}

static void make_token(struct writer *writer, size_t key)
{
    size_t number = writer->token_count++;
    if (writer->token_count > writer->token_room) {
        writer->token_room = 2 * writer->token_room + 1024;
        writer->tokens = sf_realloc(writer->tokens, writer->token_room * sizeof *writer->tokens);
    }
    writer->tokens[number] = (struct token){(uint32_t)key, TOKEN_OPEN, false};
    char head[32];
    int n = snprintf(head, sizeof head, "%u.%zu", writer->number, number);
    size_t filler = load_filler(writer->load, key, writer->number, number);
    buffer_clear(&writer->data);
    buffer_append(&writer->data, head, (size_t)n);
    memset(buffer_grow(&writer->data, filler), '.', filler);
    buffer_append(&writer->data, "\n", 1);
}

/* -- what came back -------------------------------------------------------------------------- */

static void fail_op(const struct writer *writer, const char *what, int status)
{
    stage_fail("%s of %s by writer %u: %s", what, writer->key_text, writer->number,
               sf_error_text(status));
}

static void settle_change(struct writer *writer, int status)
{
    struct load *load = writer->load;
    struct key_state *key = &load->keys[writer->key];
    struct token *token = &writer->tokens[writer->token_count - 1];
    key->has_failed |= status != SF_OK;
    if (status == SF_OK) {
        token->outcome = TOKEN_ACKNOWLEDGED;
        key->acked = is_put(writer->key) ? writer->token_count : key->acked + 1;
        load->acknowledged++;
    } else if (status == SF_UNKNOWN) {
        token->outcome = TOKEN_UNKNOWN;
        load->unknown++;
    } else if (status == SF_TIMEOUT || (status == SF_NO_SPACE && load->options.may_be_full)) {
        token->outcome = TOKEN_REFUSED;
        load->refused += status == SF_NO_SPACE;
    } else {
        fail_op(writer, writer->call.kind == VALUE_PUT ? "put" : "append", status);
    }
}

/* How much the value shows: of a put key its token's number + 1, else how many tokens. */
static size_t level_of(const struct writer *writer, struct slice data)
{
    size_t level = 0;
    unsigned by;
    if (is_put(writer->key)) {
        char head[32] = "";
        memcpy(head, data.p, data.n < sizeof head ? data.n : sizeof head - 1);
        if (sscanf(head, "%u.%zu", &by, &level) != 2)
            stage_fail("%s holds no token: %s", writer->key_text, head);
        return level + 1;
    }
    for (size_t i = 0; i < data.n; i++)
        level += data.p[i] == '\n';
    return level;
}

/* L4. */
static void settle_read(struct writer *writer, int status, struct slice data)
{
    struct key_state *key = &writer->load->keys[writer->key];
    if (status == SF_TIMEOUT)
        return;
    if (status != SF_OK && status != SF_NOT_FOUND)
        fail_op(writer, "read", status);
    size_t level = status == SF_OK ? level_of(writer, data) : 0;
    if (level < writer->floor)
        stage_fail("a read of %s shows %zu, though %zu was there when it began", writer->key_text,
                   level, writer->floor);
    key->seen = level > key->seen ? level : key->seen;
    writer->load->reads++;
}

static void on_paused(struct env_timer *timer)
{
    next(container_of(timer, struct writer, timer));
}

static void on_done(struct value_call *call, int status, const struct kv_stat *stat,
                    struct slice data)
{
    struct writer *writer = container_of(call, struct writer, call);
    (void)stat;
    writer->load->open--;
    if (call->kind == VALUE_GET)
        settle_read(writer, status, data);
    else
        settle_change(writer, status);
    if (status == SF_NO_SPACE && !writer->load->stopping)
        env_timer_start_ms(&writer->timer, NO_SPACE_PAUSE_MS);
    else
        next(writer);
}

/* -- what goes out --------------------------------------------------------------------------- */

static void name_key(struct writer *writer, size_t key)
{
    writer->key = key;
    snprintf(writer->key_text, sizeof writer->key_text, LOAD_KEY, key);
    writer->call = (struct value_call){.on_done = on_done,
                                       .space = KV_PLAIN,
                                       .key = slice_str(writer->key_text),
                                       .timeout_ms = writer->load->options.timeout_ms};
}

static size_t random_append_key(struct load *load)
{
    return 2 * (size_t)env_random_below(load->env, load->options.keys / 2);
}

static bool has_room(const struct load *load, size_t key)
{
    return load->keys[key].issued < (is_long(load, key) ? LONG_TOKENS_MAX : TOKENS_MAX);
}

static size_t random_key(struct load *load)
{
    return (size_t)env_random_below(load->env, load->options.keys);
}

/* One of its own. */
static size_t random_put_key(struct writer *writer)
{
    const struct load_options *o = &writer->load->options;
    size_t each = o->keys / 2 / o->writers;
    size_t pick = (size_t)env_random_below(writer->load->env, each);
    return 2 * (pick * o->writers + writer->number) + 1;
}

static void begin_change(struct writer *writer, size_t key)
{
    name_key(writer, key);
    make_token(writer, key);
    writer->load->keys[key].issued++;
    writer->call.kind = is_put(key) ? VALUE_PUT : VALUE_APPEND;
    writer->call.data = buffer_slice(&writer->data);
}

static void begin_read(struct writer *writer, size_t key)
{
    const struct key_state *state = &writer->load->keys[key];
    name_key(writer, key);
    writer->call.kind = VALUE_GET;
    writer->floor = state->acked > state->seen ? state->acked : state->seen;
}

static void next(struct writer *writer)
{
    struct load *load = writer->load;
    if (load->stopping)
        return;
    size_t read = random_key(load), append = random_append_key(load);
    uint64_t dice = env_random_below(load->env, 10);
    if (dice < 2 && !is_long(load, read))
        begin_read(writer, read);
    else if (dice < 7 && has_room(load, append))
        begin_change(writer, append);
    else
        begin_change(writer, random_put_key(writer));
    load->open++;
    value_submit(writer->client, &writer->call);
}

/* -- life ------------------------------------------------------------------------------------ */

static void nothing(struct env_timer *timer)
{
    (void)timer;
}

static void set_defaults(struct load_options *o)
{
    o->clients = o->clients ? o->clients : 4;
    o->writers = o->writers ? o->writers : 64;
    o->keys = o->keys ? o->keys : 512;
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : 3000;
    sf_assert(o->keys >= 2 * o->writers && o->keys % 2 == 0);
}

static void connect_to(struct load *load, const char *masters)
{
    char **addresses;
    size_t count;
    struct rpc_options rpc_options = {.role = "client"};
    log_level_min = LOG_LEVEL_ERROR;
    if (router_parse_addresses(masters, &addresses, &count, NULL) != SF_OK ||
        uv_env_new(&load->env) != SF_OK)
        stage_fail("no client of %s", masters);
    load->rpc = rpc_new(load->env, &rpc_options);
    load->router = router_new(load->env, load->rpc, (const char *const *)addresses, count);
    for (size_t i = 0; i < count; i++)
        free(addresses[i]);
    free(addresses);
}

struct load *load_new(const char *masters, const struct load_options *options)
{
    struct load *load = sf_calloc(1, sizeof *load);
    if (options)
        load->options = *options;
    set_defaults(&load->options);
    connect_to(load, masters);
    load->clients = sf_calloc(load->options.clients, sizeof(struct client *));
    load->writers = sf_calloc(load->options.writers, sizeof *load->writers);
    load->keys = sf_calloc(load->options.keys, sizeof *load->keys);
    env_timer_init(load->env, &load->wake, nothing);
    for (size_t i = 0; i < load->options.clients; i++)
        load->clients[i] = client_new(load->env, load->router);
    for (unsigned i = 0; i < load->options.writers; i++) {
        struct writer *writer = &load->writers[i];
        writer->load = load;
        writer->number = i;
        writer->client = load->clients[i % load->options.clients];
        env_timer_init(load->env, &writer->timer, on_paused);
        next(writer);
    }
    return load;
}

void load_free(struct load *load)
{
    for (size_t i = 0; i < load->options.clients; i++)
        client_free(load->clients[i]);
    for (size_t i = 0; i < load->options.writers; i++) {
        env_timer_stop(&load->writers[i].timer);
        buffer_deinit(&load->writers[i].data);
        free(load->writers[i].tokens);
    }
    env_timer_stop(&load->wake);
    router_free(load->router);
    rpc_free(load->rpc);
    uv_env_free(load->env);
    free(load->clients);
    free(load->writers);
    free(load->keys);
    free(load);
}

/* -- running --------------------------------------------------------------------------------- */

void load_turn(struct load *load)
{
    env_timer_start_ms(&load->wake, 10);
    uv_env_run_once(load->env);
}

void load_run(struct load *load, uint64_t ms)
{
    uint64_t until = env_now_ms(load->env) + ms;
    while (env_now_ms(load->env) < until)
        load_turn(load);
}

int load_run_beside(struct load *load, const struct stage *stage, char **text,
                    const char *const *words)
{
    char output[STAGE_PATH_MAX];
    int exit_status;
    stage_output_path(output);
    pid_t pid = stage_spawn(stage, output, words);
    while (!stage_has_ended(pid, &exit_status))
        load_turn(load);
    stage_take_output(output, text);
    return exit_status;
}

void load_must_run(struct load *load, const struct stage *stage, const char *const *words)
{
    char *text;
    int exit_status = load_run_beside(load, stage, &text, words);
    if (exit_status != 0)
        stage_fail_program(words, exit_status, text);
    free(text);
}

bool load_makes_progress(struct load *load, uint64_t count, uint64_t ms_max)
{
    uint64_t wanted = load->acknowledged + count;
    load_turn(load); /* the clock stood still while the test did something else */
    for (uint64_t until = env_now_ms(load->env) + ms_max; load->acknowledged < wanted;) {
        if (env_now_ms(load->env) > until)
            return false;
        load_turn(load);
    }
    return true;
}

void load_must_make_progress(struct load *load, uint64_t count, uint64_t ms_max)
{
    uint64_t before = load->acknowledged;
    if (!load_makes_progress(load, count, ms_max))
        stage_fail("only %" PRIu64 " changes were acknowledged in %" PRIu64 " ms",
                   load->acknowledged - before, ms_max);
}

void load_stop(struct load *load)
{
    load->stopping = true;
    load_turn(load);
    for (uint64_t until = env_now_ms(load->env) + END_MS; load->open > 0;) {
        if (env_now_ms(load->env) > until)
            stage_fail("%zu operations never ended", load->open);
        load_turn(load);
    }
}

uint64_t load_acknowledged(const struct load *load)
{
    return load->acknowledged;
}

uint64_t load_unknown(const struct load *load)
{
    return load->unknown;
}

uint64_t load_refused(const struct load *load)
{
    return load->refused;
}
