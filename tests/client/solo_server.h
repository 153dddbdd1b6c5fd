/* solo_server: one process's worth of cluster on a real socket, in a thread of its own: master,
 * group and replica at once, over a fake_store. For programs that bring their own loop.
 */
#ifndef TESTS_CLIENT_SOLO_SERVER_H
#define TESTS_CLIENT_SOLO_SERVER_H

#include <stddef.h>

struct solo_server;

struct solo_server *solo_server_start(void);
void solo_server_stop(struct solo_server *server); /* waits for the thread, frees */
const char *solo_server_address(const struct solo_server *server);
size_t solo_server_session_count(struct solo_server *server); /* waits for its thread to look */
/* From now on nothing is answered. */
void solo_server_fall_silent(struct solo_server *server);

#endif
