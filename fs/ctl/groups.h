/* groups: what the commands on groups and shards share. */
#ifndef CTL_GROUPS_H
#define CTL_GROUPS_H

#include "ctl/probe.h"

/* False: the line is printed. */
SF_MUST_CHECK bool take_gid(const char *text, group_id *out);
/* NULL: the group is not in the newest Config; the line is printed. */
const struct group *find_group(const struct session *s, group_id gid);
/* session_open for a command that changes the placement, which a static cluster refuses. */
SF_MUST_CHECK int groups_open(struct session *s, const struct ctl_options *options,
                              const char *what);
/* Sends the operation. 0; or the exit status, after the line that begins with `what`. */
SF_MUST_CHECK int change_config(struct session *s, const struct master_op *op, const char *what,
                                struct master_reply *reply);

#endif
