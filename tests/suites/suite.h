/* suite: cases by name, each run over a number of seeds; what a case is told and how it fails.
 *
 *   PROGRAM [--engine raft|paxos] [--seeds N] [--seed FIRST] [--case NAME]
 *           [--few] [--twice] [--list | --engines]
 *
 * Seeds: --seeds, else SHARDFS_SIM_SEEDS of the environment, else 20 (with --few: 3); --seed alone
 * runs that one. --twice: each seed two times; the runs must not differ in any event. Each case runs
 * in a process of its own and prints one line:
 *   SUITE ENGINE: NAME ... Passed (20 seeds, V s virtual, R s real)
 * A failed check ends the case, and prints its seed and the command that runs it again. --list runs
 * nothing: it prints "SUITE ENGINE...: NAME" for each case. --engines neither: it prints the engines
 * that the other options leave something to run on, one a line.
 */
#ifndef TESTS_SUITES_SUITE_H
#define TESTS_SUITES_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consensus/consensus.h"
#include "sim/sim.h"

struct suite_case {
    const char *name;     /* as the handouts print it */
    void (*script)(void); /* runs as a fiber */
};

struct suite {
    const char *name;
    unsigned engines;  /* that each case runs on: bits 1 << engine */
    uint64_t limit_ms; /* of virtual time for one case with one seed */
    const struct suite_case *cases;
    size_t case_count;
};

#define SUITE_RAFT (1u << CONSENSUS_RAFT)
#define SUITE_PAXOS (1u << CONSENSUS_PAXOS)
#define SUITE_BOTH (SUITE_RAFT | SUITE_PAXOS)

/* Returns the program's exit status. */
int suite_main(const struct suite *suite, int argc, char **argv);

/* -- for scripts --------------------------------------------------------------------------- */

uint64_t suite_seed(void);
enum consensus_engine suite_engine(void);
/* The simulation of this seed, made on first use; freed after the script. */
struct sim *suite_sim(void);
/* Called after the script, before the simulation is freed; in reverse order. */
void suite_at_end(void (*run)(void *ctx), void *ctx);

uint64_t suite_random_below(uint64_t limit);               /* 0 .. limit - 1 */
uint64_t suite_random_between(uint64_t min, uint64_t max); /* both included */
bool suite_chance(unsigned percent);
uint64_t suite_now_ms(void);

/* The case failed: says why, prints the seed, does not return. */
_Noreturn void suite_fail(const char *file, int line, const char *format, ...) SF_PRINTF(3, 4);
/* check(condition, "what is wrong, with numbers: %d", ...) */
#define check(condition, ...) ((condition) ? (void)0 : suite_fail(__FILE__, __LINE__, __VA_ARGS__))

#endif
