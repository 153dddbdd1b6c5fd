/* probe: what mount tests need and no command does. Each check ends the process with 1 and a line
 * that says what was wrong. */
#ifndef TESTS_MOUNT_PROBE_H
#define TESTS_MOUNT_PROBE_H

#include <stddef.h>

void probe_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Ends with "WHAT: errno's text" unless ok. */
void probe_must(int ok, const char *what);
/* "A/B" in storage that the next four calls reuse. */
const char *probe_path(const char *directory, const char *name);
unsigned probe_number(const char *text);

/* -- probe_call.c: one system call, its errno on standard output ---------------------------- */

int probe_call(int argc, char **argv);
/* The same without printing: 0 or the errno; -1: there is no such operation. */
int probe_operation(int argc, char **argv);

/* -- probe_files.c -------------------------------------------------------------------------- */

int probe_append(int argc, char **argv);    /* FILE TAG COUNT: lines "TAG number", one a write */
int probe_ping_pong(int argc, char **argv); /* DIR-A DIR-B ROUNDS: each sees the other's write */
int probe_excl_race(int argc, char **argv); /* DIR-A DIR-B ROUNDS: exactly one creates */
int probe_link_race(int argc, char **argv); /* FILE ROUNDS: linked, unlinked, counted at once */
int probe_map(int argc, char **argv);       /* FILE: two processes share a mapping */
int probe_replaced(int argc, char **argv);  /* DIR: a descriptor of a file that was replaced */
int probe_times(int argc, char **argv);     /* FILE: utimensat in all its forms */
int probe_find(int argc, char **argv);      /* FILE data|hole OFFSET: prints where it is */
int probe_copy(int argc, char **argv);      /* FROM TO: by copy_file_range */
int probe_direct(int argc, char **argv);    /* FILE: O_DIRECT, whatever the alignment */
int probe_limit(int argc, char **argv);     /* FILE LIMIT: writes across it are cut there */
int probe_many(int argc, char **argv);      /* DIR COUNT: so many requests at once */

/* -- probe_xattr.c -------------------------------------------------------------------------- */

int probe_xattr(int argc, char **argv);      /* FILE NAME: prints its value */
int probe_xattrs(int argc, char **argv);     /* FILE: prints the names, sorted, one a line */
int probe_set_xattr(int argc, char **argv);  /* FILE NAME VALUE */
int probe_capability(int argc, char **argv); /* FILE: gives it CAP_NET_RAW */

/* -- probe_interrupted.c -------------------------------------------------------------------- */

/* read|append|stat|list PATH GO: opens PATH, waits for a file GO, and then does it under a rain of
 * signals; its errno, or OK, on standard output. */
int probe_interrupted(int argc, char **argv);
int probe_alarmed(int argc, char **argv); /* DIR ROUNDS: all sorts of calls under such a rain */

/* -- probe_locks.c -------------------------------------------------------------------------- */

/* FILE: opens it for reading and writing, and does what lines of standard input say; each one's
 * errno, or OK, on standard output. */
int probe_locks(int argc, char **argv);

/* -- probe_dirs.c --------------------------------------------------------------------------- */

int probe_fill(int argc, char **argv);   /* DIR COUNT: makes so many empty files */
int probe_drain(int argc, char **argv);  /* DIR: removes each name as readdir gives it */
int probe_dots(int argc, char **argv);   /* DIR: prints the inode number that it lists for ".." */
int probe_seek(int argc, char **argv);   /* DIR: telldir, seekdir, rewinddir */
int probe_listed(int argc, char **argv); /* DIR: a listing cuts no file that grows meanwhile */
int probe_stable(int argc, char **argv); /* DIR SECONDS: a listing never loses what stays there */

#endif
