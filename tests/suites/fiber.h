/* fiber: the threads of a test's script, in virtual time.
 *
 * A script reads like a program that uses the system: it calls, sleeps, waits and starts threads.
 * Each thread is a coroutine with a stack of its own. They run one at a time, between two events of
 * the simulation, in the order in which they became able to go on; while none can, the simulation
 * runs.
 *
 * Nothing here but fiber_wake may be called from the code of a simulated process.
 */
#ifndef TESTS_SUITES_FIBER_H
#define TESTS_SUITES_FIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/sim.h"

struct fiber;

/* Runs `run` as the first thread until it returns; threads that have not ended by then never go on,
 * and what they own is not freed. False: virtual time passed its limit first, or nothing was left
 * to happen. */
SF_MUST_CHECK bool fiber_run(void (*run)(void *ctx), void *ctx);
/* The simulation that runs while no thread can, and for how long at most. The first thread says it
 * before anybody waits. */
void fiber_use_sim(struct sim *sim, uint64_t limit_ms);

struct fiber *fiber_start(void (*run)(void *ctx), void *ctx);
bool fiber_has_ended(const struct fiber *fiber);
void fiber_join(struct fiber *fiber); /* waits for its end and frees it */

struct fiber *fiber_self(void);
void fiber_park(void);                /* until another calls fiber_wake; not before */
void fiber_wake(struct fiber *fiber); /* parked, or about to be: then it will not park */
void fiber_sleep_ns(uint64_t ns);
void fiber_sleep_ms(uint64_t ms);

#endif
