/* load: many clients that put, append and read many keys at once, and know what must be there.
 *
 * Writers have one operation in flight each. A key is either appended to, by any writer, or put, by
 * its one writer. What was answered is kept in memory:
 *
 *   L1  A token whose append was acknowledged is in its key exactly once; one whose outcome is
 *       unknown at most once; one that was refused, or timed out with nothing changed, never.
 *   L2  The tokens of one writer stand in its order, unknown ones too.
 *   L3  A put key holds the last value that was acknowledged, or a later one of unknown outcome.
 *   L4  A read sees all that was acknowledged before it began, and never less than an earlier read
 *       saw.
 *
 * L4 is checked with every read, L1 to L3 by load_verify.
 */
#ifndef TESTS_PROCESS_LOAD_H
#define TESTS_PROCESS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "process/stage.h"

struct load;

struct load_options {
    unsigned clients;    /* default 4: sessions of their own */
    unsigned writers;    /* default 64: operations in flight */
    unsigned keys;       /* default 512 */
    uint64_t timeout_ms; /* of an operation; default 3000 */
    bool long_values;    /* some keys grow beyond a head record */
    bool may_be_full;    /* NO_SPACE is an answer */
};

/* masters: "A:1,B:2". options: NULL or borrowed. */
struct load *load_new(const char *masters, const struct load_options *options);
void load_free(struct load *load);

/* The loop runs; operations go on. A broken promise (L4) or an answer that must not come ends the
 * test. */
void load_run(struct load *load, uint64_t ms);
/* While a program runs to its end. Its exit status; what it said goes to *text (may be NULL), to be
 * freed. */
int load_run_beside(struct load *load, const struct stage *stage, char **text,
                    const char *const *words);
/* The same, and it must succeed. */
void load_must_run(struct load *load, const struct stage *stage, const char *const *words);
/* Until `count` further operations were acknowledged; false where that takes longer. */
bool load_makes_progress(struct load *load, uint64_t count, uint64_t ms_max);
/* The same, but a failure ends the test. */
void load_must_make_progress(struct load *load, uint64_t count, uint64_t ms_max);

uint64_t load_acknowledged(const struct load *load); /* changes, so far */
uint64_t load_unknown(const struct load *load);      /* outcomes */
uint64_t load_refused(const struct load *load);      /* NO_SPACE */

/* Starts nothing more, waits for what is in flight, and compares every key (by a client of its
 * own). A difference ends the test. Prints one line of what was done. */
void load_verify(struct load *load);

#endif
