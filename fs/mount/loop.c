/* loop: the session's descriptor on libuv.
 *
 * The happy path: readable -> receive one request -> libfuse calls its handler -> the handler
 * replies, or keeps a struct request -> the next one, up to a bound a wake-up -> the loop's turn
 * ends. It ends by ENODEV (unmounted) or by fuse_session_exited. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "env/log.h"
#include "env/memory.h"
#include "mount/mount.h"

#define REQUESTS_A_TURN 64

struct receiver {
    struct mount *mount;
    uv_poll_t poll;
    struct env_task ended; /* tells the owner, outside of libfuse's frames */
};

static void tell_end(struct env_task *task)
{
    struct mount *mount = container_of(task, struct receiver, ended)->mount;
    if (mount->on_ended)
        mount->on_ended(mount->ctx);
}

static void end(struct receiver *receiver)
{
    uv_poll_stop(&receiver->poll);
    env_defer(receiver->mount->env, &receiver->ended);
}

/* Receives and handles one request. False: there is none just now, or no more. */
static bool take_one(struct receiver *receiver)
{
    struct mount *mount = receiver->mount;
    int n = fuse_session_receive_buf(mount->session, &mount->receive);
    if (n == -EAGAIN || n == -EINTR)
        return false;
    if (n <= 0) { /* 0: unmounted */
        if (n != -ENODEV && n != 0)
            log_error("mount", "/dev/fuse: %s", strerror(-n));
        end(receiver);
        return false;
    }
    fuse_session_process_buf(mount->session, &mount->receive);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct receiver *receiver = poll->data;
    (void)status; /* the end of the mount shows as an error of the poll; read(2) says which */
    (void)events;
    for (int i = 0; i < REQUESTS_A_TURN; i++) {
        if (fuse_session_exited(receiver->mount->session)) {
            end(receiver);
            return;
        }
        if (!take_one(receiver))
            return;
    }
}

int loop_start(struct mount *mount)
{
    int fd = fuse_session_fd(mount->session);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return SF_IO;
    struct receiver *receiver = sf_calloc(1, sizeof *receiver);
    receiver->mount = mount;
    receiver->ended.run = tell_end;
    receiver->poll.data = receiver;
    if (uv_poll_init(mount->loop, &receiver->poll, fd) != 0) {
        free(receiver);
        return SF_IO;
    }
    mount->receiver = receiver;
    return uv_poll_start(&receiver->poll, UV_READABLE, on_readable) == 0 ? SF_OK : SF_IO;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_stop(struct mount *mount)
{
    struct receiver *receiver = mount->receiver;
    if (!receiver)
        return;
    mount->receiver = NULL;
    uv_poll_stop(&receiver->poll);
    uv_close((uv_handle_t *)&receiver->poll, on_closed);
    free(mount->receive.mem);
    mount->receive.mem = NULL;
}
