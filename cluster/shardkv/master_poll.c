/* The leader polls the masters: for the Config after the newest one of its group, and for earlier
 * ones that a walk back needs.
 *
 * The happy path is: ask for number n + 1 -> there is none yet (the newest comes: rest) -> it comes
 * -> what the group gains and loses is made of it -> the entry is logged -> ask for the next. It
 * can fail by: no master answers (ask again), an earlier Config is needed first (asked for at
 * once), losing the lead.
 *
 * A group that has not begun looks at every Config from number 1 on, to find the first that names
 * it: for a shard that had no owner before, that is where it is made.
 */
#include "env/mark.h"
#include "shardkv/handoff_inside.h"

#include <inttypes.h>

#include "env/log.h"

#define QUERY_MS 5000u

static struct handoff *handoff_of(struct poll *poll)
{
    return container_of(poll, struct handoff, poll);
}

static void rest(struct handoff *handoff)
{
    env_timer_start_ms(&handoff->poll.timer, handoff->options.poll_ms);
}

static void go_on(struct handoff *handoff)
{
    env_timer_start_ms(&handoff->poll.timer, 0);
}

static uint64_t next_num(const struct handoff *handoff)
{
    uint64_t num = shards_config_num(handoff->shards);
    return (num > 0 ? num : handoff->poll.scanned) + 1;
}

/* -- proposing ----------------------------------------------------------------------------- */

static void on_applied(struct replica_proposal *proposal, int status, struct slice reply)
{
    struct handoff *handoff = handoff_of(container_of(proposal, struct poll, proposal));
    if (status == SF_OK)
        status = entry_status(reply);
    if (status == SF_INVALID || status == SF_PROTOCOL)
        log_error("shardkv", "group %" PRIu64 " cannot apply Config %" PRIu64,
                  handoff->shards->options.gid, next_num(handoff));
    if (status == SF_OK)
        go_on(handoff);
    else
        rest(handoff);
}

static void propose(struct handoff *handoff, const struct config_change *change)
{
    struct buffer body = {0};
    entry_put_config(&body, change);
    handoff->poll.proposal.on_done = on_applied;
    int status = replica_propose(handoff->replica, buffer_slice(&body), &handoff->poll.proposal);
    buffer_deinit(&body);
    if (status != SF_OK)
        rest(handoff);
}

/* The next Config is known. */
static void change_to(struct handoff *handoff, const struct config *config)
{
    struct poll *poll = &handoff->poll;
    const struct shards_options *self = &handoff->shards->options;
    if (config->shard_count != self->shard_count || config->routing != self->routing) {
        log_error("shardkv",
                  "the masters' Configs have %" PRIu32 " shards, this replica %" PRIu32
                  ", or another routing",
                  config->shard_count, self->shard_count);
        rest(handoff);
        return;
    }
    if (handoff->shards->num == 0 && !config_names(config, self->gid, self->group_identity)) {
        SF_MARK("hand-off: Config skipped, it does not name the group");
        poll->scanned = config->num;
        go_on(handoff);
        return;
    }
    struct config_change change;
    if (config_change_make(&change, handoff->shards, config, handoff->history, &poll->wanted) !=
        SF_OK) {
        go_on(handoff);
        return;
    }
    propose(handoff, &change);
    config_change_deinit(&change);
}

/* -- asking -------------------------------------------------------------------------------- */

static void on_config(struct router_master *call, int status, const struct config *config,
                      const struct master_reply *reply)
{
    struct handoff *handoff = handoff_of(container_of(call, struct poll, call));
    (void)reply;
    if (status != SF_OK || config->num != handoff->poll.asked) {
        rest(handoff);
        return;
    }
    history_add(handoff->history, config);
    go_on(handoff);
}

static void ask(struct handoff *handoff, uint64_t num)
{
    struct poll *poll = &handoff->poll;
    poll->asked = num;
    poll->call.on_done = on_config;
    poll->call.op = NULL;
    poll->call.num = (int64_t)num;
    poll->call.deadline_ms = handoff_now_ms(handoff) + QUERY_MS;
    router_master_send(handoff->options.router, &poll->call);
}

static void use_fixed(struct handoff *handoff)
{
    if (handoff->shards->num == 0 && handoff->poll.scanned < handoff->fixed->num)
        change_to(handoff, handoff->fixed);
}

static void on_timer(struct env_timer *timer)
{
    struct poll *poll = container_of(timer, struct poll, timer);
    struct handoff *handoff = handoff_of(poll);
    if (handoff->fixed) {
        use_fixed(handoff);
        return;
    }
    if (poll->wanted != 0 && history_find(handoff->history, poll->wanted))
        poll->wanted = 0;
    uint64_t num = poll->wanted != 0 ? poll->wanted : next_num(handoff);
    const struct config *config = history_find(handoff->history, num);
    if (config)
        change_to(handoff, config);
    else
        ask(handoff, num);
}

void poll_want(struct handoff *handoff, uint64_t num)
{
    struct poll *poll = &handoff->poll;
    if (history_find(handoff->history, num))
        return;
    poll->wanted = num;
    if (env_timer_is_armed(&poll->timer))
        go_on(handoff);
}

/* -- life ---------------------------------------------------------------------------------- */

void poll_init(struct handoff *handoff)
{
    env_timer_init(replica_env(handoff->replica), &handoff->poll.timer, on_timer);
}

void poll_start(struct handoff *handoff)
{
    go_on(handoff);
}

void poll_stop(struct handoff *handoff)
{
    struct poll *poll = &handoff->poll;
    env_timer_stop(&poll->timer);
    replica_proposal_forget(&poll->proposal);
    if (handoff->options.router)
        router_master_cancel(&poll->call);
    poll->wanted = 0;
}
