/* Every key compared with what was answered: L1 to L3 of load.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "env/uv_env.h"
#include "process/load_inside.h"
#include "process/stage.h"

#define GET_MS 60000u

struct check {
    struct load *load;
    struct value_call call;
    size_t key;
    char key_text[32];
    bool done;
    size_t tokens;
};

/* -- one value ------------------------------------------------------------------------------- */

/* Digits at *at, which go on to there. */
static bool take_number(struct slice data, size_t *at, size_t *out)
{
    size_t from = *at, number = 0;
    while (*at < data.n && data.p[*at] >= '0' && data.p[*at] <= '9' && *at - from < 18)
        number = 10 * number + (size_t)(data.p[(*at)++] - '0');
    *out = number;
    return *at > from;
}

/* The token at *at. False: what stands there is none. */
static bool take_token(const struct check *check, struct slice data, size_t *at, size_t *writer,
                       size_t *number)
{
    const struct load *load = check->load;
    *writer = *number = 0;
    if (!take_number(data, at, writer) || *at == data.n || data.p[(*at)++] != '.' ||
        !take_number(data, at, number) || *writer >= load->options.writers ||
        *number >= load->writers[*writer].token_count)
        return false;
    size_t filler = load_filler(load, check->key, (unsigned)*writer, *number);
    for (; filler > 0 && *at < data.n && data.p[*at] == '.'; filler--)
        ++*at;
    return filler == 0 && *at < data.n && data.p[(*at)++] == '\n';
}

static void find_token(const struct check *check, size_t writer, size_t number)
{
    struct token *token = &check->load->writers[writer].tokens[number];
    if (token->key != check->key)
        stage_fail("%s has token %zu.%zu of another key", check->key_text, writer, number);
    if (token->found)
        stage_fail("%s has token %zu.%zu twice", check->key_text, writer, number);
    if (token->outcome == TOKEN_REFUSED)
        stage_fail("%s has token %zu.%zu, which was answered as not done", check->key_text, writer,
                   number);
    token->found = true;
}

/* Where an append to a long value failed after it had reserved its place, zeros stand for all of
 * its bytes or some (clerk.h). Goes on behind what there is at *at of such a one; false: it is
 * none. */
static bool skip_hole(const struct check *check, struct slice data, size_t *at)
{
    size_t writer, number, end = *at;
    if (!check->load->keys[check->key].has_failed)
        return false;
    if (data.p[*at] == 0 || data.p[*at] == '.' || data.p[*at] == '\n') {
        ++*at;
        return true;
    }
    if (take_token(check, data, &end, &writer, &number) || end == data.n || data.p[end] != 0)
        return false;
    *at = end;
    return check->load->writers[writer].tokens[number].outcome != TOKEN_ACKNOWLEDGED;
}

/* L1 (but for what is missing) and L2. */
static void check_appended(struct check *check, struct slice data)
{
    size_t *last = sf_calloc(check->load->options.writers, sizeof *last);
    for (size_t at = 0; at < data.n;) {
        size_t writer, number, end = at;
        if (skip_hole(check, data, &at))
            continue;
        if (!take_token(check, data, &end, &writer, &number))
            stage_fail("%s holds no token at %zu of %zu: %.24s", check->key_text, at, data.n,
                       (const char *)data.p + at);
        at = end;
        find_token(check, writer, number);
        if (number + 1 <= last[writer])
            stage_fail("%s has token %zu.%zu behind a later one", check->key_text, writer, number);
        last[writer] = number + 1;
        check->tokens++;
    }
    free(last);
}

/* L3. */
static void check_put(struct check *check, struct slice data)
{
    const struct key_state *key = &check->load->keys[check->key];
    size_t writer, number, at = 0;
    if (data.n == 0 && key->acked == 0)
        return;
    if (!take_token(check, data, &at, &writer, &number) || at != data.n)
        stage_fail("%s holds no token of its writer (%zu bytes)", check->key_text, data.n);
    find_token(check, writer, number);
    if (number + 1 < key->acked)
        stage_fail("%s holds token %zu.%zu, though %zu was acknowledged", check->key_text, writer,
                   number, key->acked - 1);
    check->tokens++;
}

static void on_got(struct value_call *call, int status, const struct kv_stat *stat,
                   struct slice data)
{
    struct check *check = container_of(call, struct check, call);
    (void)stat;
    if (status != SF_OK && status != SF_NOT_FOUND)
        stage_fail("get %s: %s", check->key_text, sf_error_text(status));
    if (check->key % 2 == 1)
        check_put(check, data);
    else
        check_appended(check, data);
    check->done = true;
}

/* -- all of them ----------------------------------------------------------------------------- */

static size_t check_keys(struct load *load, struct client *client)
{
    size_t tokens = 0;
    for (size_t key = 0; key < load->options.keys; key++) {
        struct check check = {.load = load, .key = key};
        snprintf(check.key_text, sizeof check.key_text, LOAD_KEY, key);
        check.call = (struct value_call){.on_done = on_got,
                                         .kind = VALUE_GET,
                                         .space = KV_PLAIN,
                                         .key = slice_str(check.key_text),
                                         .timeout_ms = GET_MS};
        value_submit(client, &check.call);
        while (!check.done)
            load_turn(load);
        tokens += check.tokens;
    }
    return tokens;
}

/* L1: what was acknowledged and is not there. */
static void check_missing(const struct load *load)
{
    for (size_t w = 0; w < load->options.writers; w++) {
        const struct writer *writer = &load->writers[w];
        for (size_t n = 0; n < writer->token_count; n++) {
            const struct token *token = &writer->tokens[n];
            if (token->key % 2 == 0 && token->outcome == TOKEN_ACKNOWLEDGED && !token->found)
                stage_fail(LOAD_KEY " lost token %zu.%zu", (size_t)token->key, w, n);
        }
    }
}

void load_verify(struct load *load)
{
    load_stop(load);
    struct client *client = client_new(load->env, load->router);
    size_t tokens = check_keys(load, client);
    check_missing(load);
    client_free(client);
    printf("   %" PRIu64 " changes acknowledged, %" PRIu64 " unknown, %" PRIu64 " refused, %" PRIu64
           " reads; %zu tokens found\n",
           load->acknowledged, load->unknown, load->refused, load->reads, tokens);
}
