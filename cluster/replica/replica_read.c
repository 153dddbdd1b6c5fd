/* replica_read: linearizable reads. Those of one turn share one barrier of the engine.
 *
 * The happy path is: kept -> asked with the others of the turn -> the barrier passes at an index ->
 * that index is applied -> on_done. It can fail by: the lead is lost before the barrier passes.
 *
 * Two lists: `reads` (those not yet asked, id 0, stand behind all others, whose ids never decrease)
 * and `passed`.
 */
#include <utlist.h>

#include "env/mark.h"
#include "replica/inside.h"

int replica_read(struct replica *replica, struct replica_read *read)
{
    if (!replica->leads)
        return SF_NOT_LEADER;
    sf_assert(!read->open);
    read->id = 0;
    read->index = 0;
    read->passed = false;
    read->open = true;
    read->replica = replica;
    DL_APPEND(replica->reads, read);
    return SF_OK;
}

void replica_read_forget(struct replica_read *read)
{
    if (!read->open)
        return;
    if (read->passed)
        DL_DELETE(read->replica->passed, read);
    else
        DL_DELETE(read->replica->reads, read);
    read->open = false;
}

static void end(struct replica_read *read, int status)
{
    replica_read_forget(read);
    read->on_done(read, status);
}

void reads_ask(struct replica *r)
{
    if (r->reads == NULL || r->reads->prev->id != 0 || r->noop_wanted)
        return;
    r->read_id++;
    for (struct replica_read *read = r->reads->prev; read->id == 0; read = read->prev)
        read->id = r->read_id;
    consensus_read(r->consensus, r->read_id);
}

static void pass(struct replica *r, const struct consensus_read *passed)
{
    struct replica_read *read, *next;
    DL_FOREACH_SAFE(r->reads, read, next)
    {
        if (read->id != passed->id)
            continue;
        DL_DELETE(r->reads, read);
        read->index = passed->index;
        read->passed = true;
        DL_APPEND(r->passed, read);
    }
}

/* One at a time: on_done may forget others. */
static void fail(struct replica *r, uint64_t id)
{
    for (;;) {
        struct replica_read *read = r->reads;
        while (read != NULL && read->id != id)
            read = read->next;
        if (read == NULL)
            return;
        SF_MARK("replica: read refused, the lead was lost before its barrier");
        end(read, SF_NOT_LEADER);
    }
}

void reads_note(struct replica *r, const struct consensus_read *reads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (reads[i].status == SF_OK)
            pass(r, &reads[i]);
        else
            fail(r, reads[i].id);
    }
}

void reads_fail(struct replica *r)
{
    struct replica_read *read;
    DL_FOREACH(r->reads, read)
    {
        read->id = UINT64_MAX;
    }
    fail(r, UINT64_MAX);
}

void reads_serve(struct replica *r)
{
    while (!r->host->dead && r->passed != NULL && r->passed->index <= r->applied.index)
        end(r->passed, SF_OK);
}
