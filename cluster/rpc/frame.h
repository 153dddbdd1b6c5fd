/* frame: what MessagePack-RPC puts around params and results, put there without copying them where
 * the buffer was begun with room for it. */
#ifndef RPC_FRAME_H
#define RPC_FRAME_H

#include "env/bytes.h"

enum frame_type { FRAME_REQUEST = 0, FRAME_REPLY = 1, FRAME_NOTIFICATION = 2 };

#define FRAME_METHOD_BYTES_MAX 64u

/* An empty buffer gets room for the head. What is packed after it is the body. method: NULL for a
 * reply. */
void frame_begin(struct buffer *b, enum frame_type type, const char *method);

/* body: the params or the result, one object; becomes the whole message. */
void frame_request(struct buffer *body, uint32_t id, const char *method);
void frame_notification(struct buffer *body, const char *method);
void frame_reply(struct buffer *body, uint32_t id);

/* A whole error reply, [1, id, [error, text], nil], into an empty buffer. */
void frame_error(struct buffer *b, uint32_t id, int error, const char *text);

#endif
