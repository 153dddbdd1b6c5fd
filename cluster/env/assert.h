/* Assertions, always compiled in.
 *
 * sf_assert(cond)       a bug if false: prints where and aborts, unless a test set a handler
 * sf_assert_slow(cond)  the same for checks that cost O(n): on in simulation, in every test, and where
 *                       SHARDFS_SLOW_CHECKS is in the environment
 *
 * Never assert on bytes that came from a network, a disk or the kernel: validate and refuse those.
 */
#ifndef ENV_ASSERT_H
#define ENV_ASSERT_H

#include <stdbool.h>
#include <stddef.h>

/* Called with the text of the failed condition; the default prints and aborts. A test may replace
 * it (it must not return: longjmp or exit). */
extern void (*sf_assert_handler)(const char *condition, const char *file, int line);
extern bool sf_assert_slow_enabled;

_Noreturn void sf_assert_failed(const char *condition, const char *file, int line);

#define sf_assert(condition)                                                                       \
    ((condition) ? (void)0 : sf_assert_failed(#condition, __FILE__, __LINE__))
#define sf_assert_slow(condition)                                                                  \
    ((!sf_assert_slow_enabled || (condition)) ? (void)0                                            \
                                              : sf_assert_failed(#condition, __FILE__, __LINE__))

#define SF_MUST_CHECK __attribute__((warn_unused_result))
#define SF_PRINTF(text, first) __attribute__((format(printf, text, first)))

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
