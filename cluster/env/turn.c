#include "env/turn.h"

/* Hooks that defer in every round never end a turn: a bug, caught here rather than by a hung test.
 */
#define ROUNDS_MAX 1000000

void turn_defer(struct turn *turn, struct env_task *task)
{
    if (task->queued || turn->stopped)
        return;
    task->queued = true;
    task->next = NULL;
    if (turn->last == NULL)
        turn->first = task;
    else
        turn->last->next = task;
    turn->last = task;
}

void turn_hook_add(struct turn *turn, struct env_hook *hook)
{
    struct env_hook **slot = &turn->hooks;
    while (*slot != NULL)
        slot = &(*slot)->next;
    hook->next = NULL;
    *slot = hook;
}

void turn_hook_remove(struct turn *turn, struct env_hook *hook)
{
    if (turn->next_hook == hook)
        turn->next_hook = hook->next;
    for (struct env_hook **slot = &turn->hooks; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == hook) {
            *slot = hook->next;
            return;
        }
    }
}

bool turn_has_tasks(const struct turn *turn)
{
    return turn->first != NULL;
}

static struct env_task *pop(struct turn *turn)
{
    struct env_task *task = turn->first;
    turn->first = task->next;
    if (turn->first == NULL)
        turn->last = NULL;
    task->next = NULL;
    task->queued = false;
    return task;
}

static void run_tasks(struct turn *turn)
{
    for (int rounds = 0; turn_has_tasks(turn); rounds++) {
        sf_assert(rounds < ROUNDS_MAX);
        struct env_task *task = pop(turn);
        task->run(task);
    }
}

static void run_hooks(struct turn *turn)
{
    turn->next_hook = turn->hooks;
    while (turn->next_hook != NULL) {
        struct env_hook *hook = turn->next_hook;
        turn->next_hook = hook->next;
        hook->run(hook);
    }
}

void turn_run(struct turn *turn)
{
    int rounds = 0;
    do {
        sf_assert(rounds++ < ROUNDS_MAX);
        run_tasks(turn);
        run_hooks(turn);
    } while (turn_has_tasks(turn));
}

void turn_stop(struct turn *turn)
{
    turn->stopped = true;
    turn->hooks = turn->next_hook = NULL;
    while (turn_has_tasks(turn))
        (void)pop(turn);
}
