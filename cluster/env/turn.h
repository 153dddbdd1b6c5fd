/* turn: the second half of a turn of the loop: hooks and deferred tasks (E3 of env.h); shared by
 * both implementations of env. */
#ifndef ENV_TURN_H
#define ENV_TURN_H

#include "env/env.h"

struct turn {
    struct env_hook *hooks;     /* in order of registration */
    struct env_hook *next_hook; /* the one to run after that which runs now */
    struct env_task *first, *last;
    bool stopped; /* the process has ended: nothing runs any more */
};

void turn_defer(struct turn *turn, struct env_task *task);
void turn_hook_add(struct turn *turn, struct env_hook *hook);
void turn_hook_remove(struct turn *turn, struct env_hook *hook); /* also from within a hook */
bool turn_has_tasks(const struct turn *turn);
/* Runs tasks and hooks in alternation until neither has work. Not to be nested. */
void turn_run(struct turn *turn);
/* Forgets tasks and hooks; nothing runs from now on, not even the rest of a turn that is under way.
 */
void turn_stop(struct turn *turn);

#endif
