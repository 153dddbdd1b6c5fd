/* marks: the table of all marks (env/mark.h) that stand in a program, and how often they were
 * reached, by this process and by others that ran the same program. */
#ifndef TESTS_SWARM_MARKS_H
#define TESTS_SWARM_MARKS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

size_t marks_count(void);
/* Adds what this process counted; counts has a place for each mark. */
void marks_add(uint64_t *counts);
/* A line for each mark, by name. to NULL: none. Returns how many were never reached. */
size_t marks_print(FILE *to, const uint64_t *counts);

#endif
