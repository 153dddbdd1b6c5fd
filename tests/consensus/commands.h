/* commands: the little language of the transcripts.
 *
 *   new N [paxos] [key=value...]   a group of N replicas on Raft (on Paxos), all up. election,
 *       heartbeat (ticks), inflight (messages), bytes, noop=0 (a new leader proposes nothing)
 *   tick I [N]              N ticks of replica I (1)
 *   campaign I              takes the updates of I, then ticks it until it does something
 *   propose I TEXT...       one entry for each TEXT
 *   read I ID...            read barriers
 *   take I                  takes the updates of I and carries them out, but for the sync
 *   sync I                  syncs what I has written
 *   deliver [I] [from=J]    delivers what is under way (to I) (from J); not what that gives rise to
 *   drop [I] [from=J]       loses it
 *   duplicate [I] [from=J]  doubles it
 *   stabilize [I...]        take, sync and deliver until nothing is left (of I...; all)
 *   cut I J                 the network loses what I sends to J
 *   isolate I, heal         it loses all from and to I; nothing
 *   crash I, start I
 *   compact I INDEX         flushes the store of I and cuts its log
 *   send-snapshot I J, give-up I J, begin-install I, install I
 *   transfer I J, lost I J  consensus_transfer, consensus_connection_lost
 *   inject TYPE from=.. to=.. term=.. [index=..] [log_term=..] [commit=..] [context=..] [reject=1]
 *          [transfer=1]
 *   status I...
 *
 * A line that begins with "quiet" shows nothing. */
#ifndef TESTS_CONSENSUS_COMMANDS_H
#define TESTS_CONSENSUS_COMMANDS_H

#include "group.h"

struct stage {
    struct group group;
    bool set; /* a group is there */
    struct buffer out;
};

void stage_deinit(struct stage *stage);
/* Runs one line (changed in place); what it shows is added to stage->out. False: the line is wrong,
 * and the reason is there. */
bool stage_run(struct stage *stage, char *line);

#endif
