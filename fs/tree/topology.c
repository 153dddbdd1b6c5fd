/* topology: which directory is under which, as a whole.
 *
 * Every minitransaction that puts a directory under another one checks and changes the one topology
 * record. So between its reading, before the ancestors are walked, and the change there was no other
 * such move: what was walked is still so, and two moves that would make a loop together are never
 * both done. Making and removing directories changes no ancestors of others. */
#include "tree/rename.h"

#define CLIMB_STEPS_MAX 65536u /* more are a loop, which is damage */

static void climb(struct op *op);

static void end(struct op *op, int status)
{
    op->rename->then(op, status, NULL);
}

static void on_ancestor(struct op *op, int status, const struct kv_reply *reply)
{
    struct rename *r = op->rename;
    struct attr attr;
    if (status == SF_NOT_FOUND && r->at != r->climbs[r->climb_at].start)
        status = op_dangles(op, r->at) ? SF_CORRUPT : SF_BUSY; /* it went when nothing was in it */
    if (status == SF_OK)
        status = attr_decode(reply->stat.attr, &attr);
    if (status == SF_OK && ++r->steps > CLIMB_STEPS_MAX)
        status = SF_CORRUPT;
    if (status != SF_OK) {
        end(op, status);
        return;
    }
    r->at = attr.parent;
    climb(op);
}

static void next_climb(struct op *op)
{
    struct rename *r = op->rename;
    if (r->climb_at == r->climb_count) {
        end(op, SF_OK);
        return;
    }
    r->at = r->climbs[r->climb_at].start;
    r->steps = 0;
    climb(op);
}

static void climb(struct op *op)
{
    struct rename *r = op->rename;
    if (r->at == r->climbs[r->climb_at].above) {
        end(op, SF_INVALID);
    } else if (r->at == TREE_ROOT) {
        r->climb_at++;
        next_climb(op);
    } else {
        key_of_directory(r->at, &op->directory);
        op_stat(op, &op->directory, on_ancestor);
    }
}

static void on_topology(struct op *op, int status, const struct kv_reply *reply)
{
    struct rename *r = op->rename;
    if (status != SF_OK && status != SF_NOT_FOUND) {
        end(op, status);
        return;
    }
    r->has_topology = true;
    r->topology_version = status == SF_OK ? reply->stat.version : 0;
    next_climb(op);
}

static void add_climb(struct rename *r, const struct rename_side *what, uint64_t into)
{
    if (rename_is_directory(what))
        r->climbs[r->climb_count++] = (struct rename_climb){.start = into, .above = what->ino};
}

void topology_begin(struct op *op, op_step *then)
{
    struct rename *r = op->rename;
    r->then = then;
    r->climb_at = r->climb_count = 0;
    add_climb(r, &r->from, r->to.directory);
    if (op->call->exchange)
        add_climb(r, &r->to, r->from.directory);
    key_of_topology(&op->rename->topology);
    op_stat_held(op, &op->rename->topology, on_topology);
}

void topology_change(struct op *op)
{
    uint64_t version = op->rename->topology_version;
    struct kv_op *put = op_mini_add(op, KV_PUT, &op->rename->topology);
    put->pre =
        version != 0 ? (struct kv_pre){KV_PRE_VERSION, version} : (struct kv_pre){KV_PRE_ABSENT, 0};
}
