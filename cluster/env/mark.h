/* mark: places of the code that a long run of the tests has to reach.
 *
 *   SF_MARK("raft: vote refused for an old log");
 *
 * counts how often control came by, and stays in what is shipped: it is one addition to a variable of
 * its own. A mark stands where something rare or interesting happens: its text begins with the part
 * that it belongs to and says what happened. The linker collects a pointer to each, so that those
 * never reached are known too (tests/swarm/marks.h). Only on the loop's thread; where a process has
 * several loops, counts are about right.
 */
#ifndef ENV_MARK_H
#define ENV_MARK_H

#include <stdatomic.h>
#include <stdint.h>

struct sf_mark {
    const char *text; /* static, unlike that of any other mark */
    _Atomic uint64_t count;
};

#define SF_MARK(what)                                                                              \
    do {                                                                                           \
        static struct sf_mark mark_here = {.text = (what)};                                        \
        static struct sf_mark *mark_listed __attribute__((section("sf_marks"), used)) =            \
            &mark_here;                                                                            \
        uint64_t mark_count = atomic_load_explicit(&mark_here.count, memory_order_relaxed);        \
        atomic_store_explicit(&mark_here.count, mark_count + 1, memory_order_relaxed);             \
    } while (0)

#endif
