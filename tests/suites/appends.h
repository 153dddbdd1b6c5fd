/* appends: the texts that clients append, each recognisable, and what a value made of them shows.
 */
#ifndef TESTS_SUITES_APPENDS_H
#define TESTS_SUITES_APPENDS_H

#include "env/bytes.h"

/* Element j of client c: "x <c> <j> y", in one of the places of text(). */
const char *append_element(size_t client, size_t j);
/* Each of the elements 0 .. count - 1 of the client stands in the value exactly once, in order. */
void appends_check(struct slice value, size_t client, size_t count);
bool slice_contains(struct slice whole, struct slice part);
void random_letters(struct buffer *to, size_t letters); /* replaces its content */

#endif
