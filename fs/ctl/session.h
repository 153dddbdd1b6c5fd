/* session: a command's connection to the cluster, used one step at a time: start something
 * asynchronous, then wait for its flag. */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "ctl/command.h"
#include "tree/tree.h"

struct session {
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    struct tree *tree;
    char **masters;
    size_t master_count;
    uint64_t timeout_ms;   /* of each request; 0: none */
    struct config *config; /* the newest when the session was opened; NULL after session_connect */
};

/* Connects to the masters and fetches the newest Config. Returns 0, or the exit status after the
 * line is printed (no masters named, an address that is none, none that answers). */
SF_MUST_CHECK int session_open(struct session *s, const struct ctl_options *options);
/* The same without asking anybody anything. */
SF_MUST_CHECK int session_connect(struct session *s, const struct ctl_options *options);
/* What a query's status means. Returns the exit status after the line is printed. */
int session_fail_masters(const char *masters, int status);
void session_close(struct session *s); /* also where opening failed */
/* Runs the loop until *done. */
void session_wait(struct session *s, const bool *done);
void session_pause(struct session *s, uint64_t ms);

/* Blocking forms. Status as of the asynchronous ones. */
SF_MUST_CHECK int session_query(struct session *s, int64_t num, struct config **out);
SF_MUST_CHECK int session_master(struct session *s, const struct master_op *op,
                                 struct master_reply *reply);
/* params are taken; what the answer says is dropped. */
SF_MUST_CHECK int session_rpc(struct session *s, const char *address, const char *method,
                              struct buffer *params);
SF_MUST_CHECK int session_walk(struct session *s, struct tree_walk *walk);
SF_MUST_CHECK int session_tree(struct session *s, struct tree_call *call);
/* Where the call answers with data. *data: a copy, to be freed with buffer_deinit. */
SF_MUST_CHECK int session_tree_data(struct session *s, struct tree_call *call, struct buffer *data);
/* The root's mode, owner and times, for a walk to it that follows. */
SF_MUST_CHECK int session_learn_root(struct session *s);
/* A second more of time for each MiB. *data (may be NULL): a copy, to be freed by the caller with
 * buffer_deinit. */
SF_MUST_CHECK int session_value(struct session *s, struct value_call *call, struct buffer *data);
/* *stat, *data (may be NULL): the reply's; stat without its attr, data a copy as above. */
SF_MUST_CHECK int session_kv(struct session *s, const struct kv_op *op, struct kv_stat *stat,
                             struct buffer *data);

/* A random client id for master operations. */
void session_new_master_op(struct session *s, struct master_op *op, enum master_kind kind);

#endif
