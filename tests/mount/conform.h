/* conform: system calls and the errno that each must give, as section 2 of the manual says. */
#ifndef TESTS_MOUNT_CONFORM_H
#define TESTS_MOUNT_CONFORM_H

#include <stddef.h>

/* One row. The words of `made` are made first, in an empty directory, and `call` is done in there:
 *   d:NAME  f:NAME  l:NAME=TARGET  p:NAME  s:NAME   directory, file "x", symlink, fifo, socket
 *   '@' before a word: it belongs to root, else to whoever does the call; ",MODE" behind it: octal
 *   %L %M %P in a word: a name of 255 bytes, one of 256, a path of more than 4,096
 * A call is an operation of probe_call.c, conform_calls.c or conform_odd.c with its arguments. */
struct row {
    char who; /* 'a' anybody, 'r' root alone, 'u' an ordinary user alone */
    int error;
    const char *made, *call;
};

extern const struct row rows[];
extern const size_t row_count;

/* As probe_operation, for what only rows need. */
int conform_operation(int argc, char **argv);

/* It gets the arguments behind its name, and returns as a system call does. */
struct conform_call {
    const char *name;
    int arguments;
    int (*run)(char **argv);
};
const struct conform_call *conform_odd(size_t *count); /* those of conform_odd.c */
/* NAME FLAGS: opens it. Each letter is a flag: see conform_calls.c. */
int conform_open(char **argv);

#endif
