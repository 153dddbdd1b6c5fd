/* The scheduler is the context that called fiber_run; a fiber runs from one park to the next.
 *
 *   READY -> RUNNING -> PARKED -> READY ...  -> ENDED
 *
 * A wake-up that comes before the park it is meant for is kept (`woken`).
 */
#include "suites/fiber.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <utlist.h>

#include "env/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES (1u << 20) /* of address space: pages are used when they are touched */

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_PARKED, FIBER_ENDED };

struct fiber {
    enum fiber_state state;
    bool woken;
    void (*run)(void *ctx);
    void *ctx;
    struct fiber *joiner; /* waits for its end, or NULL */
    void *stack;
    ucontext_t context;
    struct fiber *prev, *next; /* in scheduler.all */
    struct fiber *next_ready;
};

static struct {
    ucontext_t context;
    struct fiber *all, *now;
    struct fiber *ready, **ready_end;
    struct sim *sim;
    uint64_t end_ns;
#ifdef FIBER_ASAN
    const void *stack;
    size_t stack_bytes;
#endif
} scheduler;

/* -- switching ----------------------------------------------------------------------------- */

#ifdef FIBER_ASAN
static void enter(const struct fiber *fiber)
{
    void *fake = NULL;
    __sanitizer_start_switch_fiber(&fake, fiber->stack, STACK_BYTES);
    swapcontext(&scheduler.context, &fiber->context);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void leave(struct fiber *fiber)
{
    void *fake = NULL;
    __sanitizer_start_switch_fiber(fiber->state == FIBER_ENDED ? NULL : &fake, scheduler.stack,
                                   scheduler.stack_bytes);
    swapcontext(&fiber->context, &scheduler.context);
    __sanitizer_finish_switch_fiber(fake, &scheduler.stack, &scheduler.stack_bytes);
}

static void arrived(void)
{
    __sanitizer_finish_switch_fiber(NULL, &scheduler.stack, &scheduler.stack_bytes);
}
#else
static void enter(const struct fiber *fiber)
{
    swapcontext(&scheduler.context, &fiber->context);
}

static void leave(struct fiber *fiber)
{
    swapcontext(&fiber->context, &scheduler.context);
}

static void arrived(void)
{
}
#endif

static void make_ready(struct fiber *fiber)
{
    fiber->state = FIBER_READY;
    fiber->next_ready = NULL;
    *scheduler.ready_end = fiber;
    scheduler.ready_end = &fiber->next_ready;
}

static void fiber_main(void)
{
    struct fiber *self = scheduler.now;
    arrived();
    self->run(self->ctx);
    self->state = FIBER_ENDED;
    if (self->joiner != NULL)
        fiber_wake(self->joiner);
    leave(self); /* for good */
}

/* -- life ---------------------------------------------------------------------------------- */

struct fiber *fiber_start(void (*run)(void *ctx), void *ctx)
{
    struct fiber *fiber = sf_calloc(1, sizeof *fiber);
    fiber->run = run;
    fiber->ctx = ctx;
    fiber->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    sf_assert(fiber->stack != MAP_FAILED);
    int failed = getcontext(&fiber->context);
    sf_assert(!failed);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber->context, fiber_main, 0);
    DL_APPEND(scheduler.all, fiber);
    make_ready(fiber);
    return fiber;
}

static void fiber_free(struct fiber *fiber)
{
    DL_DELETE(scheduler.all, fiber);
    munmap(fiber->stack, STACK_BYTES);
    free(fiber);
}

bool fiber_has_ended(const struct fiber *fiber)
{
    return fiber->state == FIBER_ENDED;
}

void fiber_join(struct fiber *fiber)
{
    sf_assert(fiber->joiner == NULL);
    fiber->joiner = fiber_self();
    while (fiber->state != FIBER_ENDED)
        fiber_park();
    fiber_free(fiber);
}

/* -- waiting ------------------------------------------------------------------------------- */

struct fiber *fiber_self(void)
{
    sf_assert(scheduler.now != NULL);
    return scheduler.now;
}

void fiber_park(void)
{
    struct fiber *self = fiber_self();
    if (!self->woken) {
        self->state = FIBER_PARKED;
        leave(self);
    }
    self->woken = false;
}

void fiber_wake(struct fiber *fiber)
{
    if (fiber->woken || fiber->state == FIBER_ENDED)
        return;
    fiber->woken = true;
    if (fiber->state == FIBER_PARKED)
        make_ready(fiber);
}

struct sleep {
    struct fiber *fiber;
    bool over;
};

static void sleep_is_over(void *ctx)
{
    struct sleep *sleep = ctx;
    sleep->over = true;
    fiber_wake(sleep->fiber);
}

void fiber_sleep_ns(uint64_t ns)
{
    struct sleep sleep = {.fiber = fiber_self()};
    sim_after_ns(scheduler.sim, ns, sleep_is_over, &sleep);
    while (!sleep.over)
        fiber_park();
}

void fiber_sleep_ms(uint64_t ms)
{
    fiber_sleep_ns(ms * ENV_MS_NS);
}

/* -- running ------------------------------------------------------------------------------- */

void fiber_use_sim(struct sim *sim, uint64_t limit_ms)
{
    scheduler.sim = sim;
    scheduler.end_ns = sim_now_ns(sim) + limit_ms * ENV_MS_NS;
}

static void run_ready(void)
{
    struct fiber *fiber = scheduler.ready;
    scheduler.ready = fiber->next_ready;
    if (scheduler.ready == NULL)
        scheduler.ready_end = &scheduler.ready;
    fiber->state = FIBER_RUNNING;
    scheduler.now = fiber;
    enter(fiber);
    scheduler.now = NULL;
}

static bool somebody_is_ready(void *ctx)
{
    (void)ctx;
    return scheduler.ready != NULL;
}

static bool run_sim(void)
{
    uint64_t now_ns = sim_now_ns(scheduler.sim);
    return now_ns < scheduler.end_ns &&
           sim_run_until(scheduler.sim, somebody_is_ready, NULL, scheduler.end_ns - now_ns);
}

bool fiber_run(void (*run)(void *ctx), void *ctx)
{
    bool in_time = true;
    sf_assert(scheduler.all == NULL);
    scheduler.ready_end = &scheduler.ready;
    const struct fiber *first = fiber_start(run, ctx);
    while (in_time && first->state != FIBER_ENDED) {
        if (scheduler.ready != NULL)
            run_ready();
        else
            in_time = run_sim();
    }
    scheduler.ready = NULL;
    while (scheduler.all != NULL)
        fiber_free(scheduler.all);
    return in_time;
}
