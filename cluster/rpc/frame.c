#include "rpc/frame.h"

#include <msgpack.h>
#include <string.h>

#include "proto/pack.h"

/* Stands first in a buffer that was begun: no MessagePack object begins with this byte. */
#define ROOM_MARK 0xc1

/* What stands before the params or the result. Its length depends on type and method only. */
struct head {
    uint8_t bytes[FRAME_METHOD_BYTES_MAX + 16];
    size_t n;
    size_t after_id; /* what stands from here on is known before the id is */
};

static int head_on_write(void *data, const char *bytes, size_t n)
{
    struct head *head = data;
    sf_assert(n <= sizeof head->bytes - head->n);
    memcpy(head->bytes + head->n, bytes, n);
    head->n += n;
    return 0;
}

static struct head head_of(enum frame_type type, uint32_t id, const char *method)
{
    struct head head = {.n = 0};
    msgpack_packer packer = {.data = &head, .callback = head_on_write};
    msgpack_pack_array(&packer, type == FRAME_NOTIFICATION ? 3 : 4);
    msgpack_pack_uint8(&packer, (uint8_t)type);
    if (type != FRAME_NOTIFICATION)
        msgpack_pack_fix_uint32(&packer, id);
    head.after_id = head.n;
    if (type == FRAME_REPLY) {
        msgpack_pack_nil(&packer);
    } else {
        sf_assert(strlen(method) <= FRAME_METHOD_BYTES_MAX);
        msgpack_pack_str_with_body(&packer, method, strlen(method));
    }
    return head;
}

void frame_begin(struct buffer *b, enum frame_type type, const char *method)
{
    struct head head = head_of(type, 0, method);
    sf_assert(b->n == 0);
    buffer_append(b, head.bytes, head.n);
    b->p[0] = ROOM_MARK;
}

/* The buffer was begun for this head, and something was packed after it. */
static bool was_begun_for(const struct buffer *body, const struct head *head)
{
    return body->n > head->n && memcmp(body->p + head->after_id, head->bytes + head->after_id,
                                       head->n - head->after_id) == 0;
}

static void put_head(struct buffer *body, const struct head *head)
{
    sf_assert(body->n > 0);
    if (body->p[0] == ROOM_MARK) {
        sf_assert(was_begun_for(body, head));
    } else {
        size_t n = body->n;
        buffer_grow(body, head->n);
        memmove(body->p + head->n, body->p, n);
    }
    memcpy(body->p, head->bytes, head->n);
}

void frame_request(struct buffer *body, uint32_t id, const char *method)
{
    struct head head = head_of(FRAME_REQUEST, id, method);
    put_head(body, &head);
}

void frame_notification(struct buffer *body, const char *method)
{
    struct head head = head_of(FRAME_NOTIFICATION, 0, method);
    put_head(body, &head);
}

void frame_reply(struct buffer *body, uint32_t id)
{
    struct head head = head_of(FRAME_REPLY, id, NULL);
    put_head(body, &head);
}

void frame_error(struct buffer *b, uint32_t id, int error, const char *text)
{
    pack_array(b, 4);
    pack_u64(b, FRAME_REPLY);
    pack_u64(b, id);
    pack_array(b, 2);
    pack_i64(b, error);
    pack_str(b, text);
    pack_nil(b);
}
