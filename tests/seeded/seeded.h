/* seeded: bugs put in on purpose, to see that the tests find them.
 *
 * Each bug is a program: a suite or a simulation linked once more, with one function of one room
 * replaced by the one in NAME.c. The linker does it (--wrap): every call of `f` from another file
 * goes to __wrap_f, which may call the true one as __real_f. So the rooms carry no trace of it, no
 * switch has to be kept out of what is released, and nothing is compiled twice. If `f` is renamed,
 * the link fails; if it is called from its own file alone, the bug is not there, and caught.sh says
 * that nothing was caught. A macro in the rooms would also reach functions called from their own
 * file, at the price of test code in them; no bug here needs that.
 */
#ifndef TESTS_SEEDED_H
#define TESTS_SEEDED_H

/* Declares both names with the type of the function's own header. */
#define SEEDED_WRAP(f)                                                                             \
    __typeof__(f) __wrap_##f;                                                                      \
    __typeof__(f) __real_##f

#endif
