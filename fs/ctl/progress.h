/* progress: a line on standard error that says how far long work is, if that is a terminal. */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <stdbool.h>

#include "env/assert.h"

/* Replaces the line; nothing where standard error is no terminal. */
void progress_show(const char *format, ...) SF_PRINTF(1, 2);
void progress_end(void); /* clears the line */

#endif
