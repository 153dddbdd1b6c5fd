/* hold: clients' requests are counted, and one can be kept back: a minitransaction, between what was
 * read for it and its being sent, or a call's first read. A test that uses it is linked with --wrap=client_submit.
 */
#ifndef TESTS_TREE_HOLD_H
#define TESTS_TREE_HOLD_H

#include "tree/stage.h"

unsigned hold_submitted(void); /* requests of all clients so far, in this process */
/* Submits what ends in a minitransaction, and returns when that is kept back. One at a time. */
void hold_submit(struct user *user, struct waiting *waiting);
void hold_submit_read(struct user *user, struct waiting *waiting); /* the same of its first STAT */
/* It goes on, and fails; the next one that the call makes of it is kept back. */
void hold_go_on(struct user *user);
/* It goes on; the status, when the call has ended. */
int hold_let_go(struct user *user, struct waiting *waiting);

#endif
