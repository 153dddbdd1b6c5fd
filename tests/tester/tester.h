/* tester: what the programs that test a file system at random share (dirx, fsx): draws, numbers on
 * the command line, and the command that does it again.
 */
#ifndef TESTS_TESTER_H
#define TESTS_TESTER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The next draw from *state: splitmix64. */
static inline uint64_t tester_draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The number that `text` is, of decimal digits alone. False: it is none, or above max. */
static inline bool tester_number(const char *text, uint64_t max, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && *number <= max;
}

/* Ends a run that failed: prints the command, which draws the same again. */
_Noreturn static inline void tester_fail(char *const *argv)
{
    printf("again:");
    for (; *argv != NULL; argv++)
        printf(" %s", *argv);
    putchar('\n');
    exit(1);
}

#endif
