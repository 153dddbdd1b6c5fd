/* appends: the texts that clients append, each recognisable, and what a value made of them shows;
 * random texts; and what PutHash stores. */
#ifndef TESTS_SUITES_APPENDS_H
#define TESTS_SUITES_APPENDS_H

#include "env/bytes.h"

/* Element j of client c: "x <c> <j> y", in one of the places of text(). */
const char *append_element(size_t client, size_t j);
/* Each of the elements 0 .. count - 1 of the client stands in the value exactly once, in order. */
void appends_check(struct slice value, size_t client, size_t count);
bool slice_contains(struct slice whole, struct slice part);
void random_letters(struct buffer *to, size_t letters); /* replaces its content */

const char *random_decimal(void); /* in one of the places of text() */
/* The decimal text of the 32-bit FNV-1a hash of the old value followed by the new one; `old` is
 * replaced by it. */
void put_hash_on(struct buffer *old, struct slice value);

#endif
