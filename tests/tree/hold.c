#include "tree/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static unsigned submitted;
static struct client *holds; /* its next request of this kind stays behind ... */
static enum kv_kind holds_kind;
static struct client_call *is_held; /* ... as this one, until it is let go */

void __real_client_submit(struct client *client, struct client_call *call);
void __wrap_client_submit(struct client *client, struct client_call *call);

void __wrap_client_submit(struct client *client, struct client_call *call)
{
    submitted++;
    if (client == holds && call->op->kind == holds_kind && !is_held)
        is_held = call;
    else
        __real_client_submit(client, call);
}

unsigned hold_submitted(void)
{
    return submitted;
}

static void submit(struct user *user, struct waiting *waiting, enum kv_kind kind)
{
    holds = user->client;
    holds_kind = kind;
    user_submit(user, waiting);
    while (!is_held)
        assert_true(sim_step(user->cluster->sim));
}

void hold_submit(struct user *user, struct waiting *waiting)
{
    submit(user, waiting, KV_MINI);
}

void hold_submit_read(struct user *user, struct waiting *waiting)
{
    submit(user, waiting, KV_STAT);
}

void hold_go_on(struct user *user)
{
    struct client_call *call = is_held;
    is_held = NULL;
    __real_client_submit(user->client, call);
    while (!is_held)
        assert_true(sim_step(user->cluster->sim));
}

int hold_let_go(struct user *user, struct waiting *waiting)
{
    struct client_call *call = is_held;
    holds = NULL;
    is_held = NULL;
    __real_client_submit(user->client, call);
    while (!waiting->done)
        assert_true(sim_step(user->cluster->sim));
    return waiting->status;
}
