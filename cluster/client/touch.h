/* touch: values whose head does not know yet that their extents were changed. Each head's time of
 * change is brought up to date within a second, or when asked. */
#ifndef CLIENT_TOUCH_H
#define CLIENT_TOUCH_H

#include "client/client.h"

#define TOUCH_LAZY_MS 1000u
#define TOUCH_TRY_MS 10000u    /* then those who wait are told, and it is tried again */
#define TOUCH_LOST_MS 3600000u /* so long it is known of what was not there any more */

/* The extents of this very value (`created`) were changed, and nothing in its head. */
void touch_mark(struct client *client, enum kv_space space, struct slice key, uint64_t created);
/* A change of the head came after it: nothing is behind any more. */
void touch_clear(struct client *client, enum kv_space space, struct slice key);
/* Is its head behind? Then *created tells of which value. */
bool touch_is_behind(struct client *client, enum kv_space space, struct slice key,
                     uint64_t *created);
/* Was it found, when its head was to be told, that this value is not there any more? Then it is where
 * its file went: who knows marks it there. It is said once. */
bool touch_take_lost(struct client *client, uint64_t created);
void touch_free_all(struct client *client);

#endif
