/* mend: asks the kernel for what libfuse 3.14 has no name for, by adding bits to two replies on
 * their way out:
 *
 *   INIT         flags  |= PARALLEL_DIROPS (18), INIT_EXT (30)
 *                flags2 |= DIRECT_IO_ALLOW_MMAP (4), so that direct_io files can be mapped shared
 *   OPEN, CREATE open_flags |= PARALLEL_DIRECT_WRITES (6): writes inside a file's size run together
 *
 * Only bits that the kernel offered in its INIT. PARALLEL_DIROPS is set in conn->want by libfuse,
 * but this version never sends it. Public API only: fuse_session_custom_io. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uthash.h>

#include "env/log.h"
#include "env/memory.h"
#include "mount/mount.h"

#define BIT(n) (1u << (n))
#define FLAGS_WANTED (BIT(18) | BIT(30))
#define FLAGS2_WANTED BIT(4)
#define OPEN_FLAGS_WANTED BIT(6)

/* An OPEN or CREATE that waits for its reply. */
struct opening {
    uint64_t unique;
    uint32_t opcode;
    UT_hash_handle hh;
};

struct mend {
    uint64_t init_unique; /* 0: not seen yet, or answered */
    uint32_t offered, offered2;
    struct opening *openings;
};

static void note_request(struct mend *mend, const char *bytes, size_t n)
{
    struct fuse_in_header in;
    if (n < sizeof in)
        return;
    memcpy(&in, bytes, sizeof in);
    if (in.opcode == FUSE_INIT && n >= sizeof in + sizeof(struct fuse_init_in)) {
        struct fuse_init_in init;
        memcpy(&init, bytes + sizeof in, sizeof init);
        mend->init_unique = in.unique;
        mend->offered = init.flags;
        mend->offered2 = init.flags & BIT(30) ? init.flags2 : 0;
        if (!(mend->offered2 & FLAGS2_WANTED))
            log_warn("mount", "this kernel does not offer shared mappings of files here: "
                              "mmap with MAP_SHARED will fail with ENODEV");
    }
    if (in.opcode == FUSE_OPEN || in.opcode == FUSE_CREATE) {
        struct opening *opening = sf_calloc(1, sizeof *opening);
        opening->unique = in.unique;
        opening->opcode = in.opcode;
        HASH_ADD(hh, mend->openings, unique, sizeof opening->unique, opening);
    }
}

static ssize_t io_read(int fd, void *buffer, size_t size, void *userdata)
{
    struct mount *mount = userdata;
    ssize_t n = read(fd, buffer, size);
    if (n > 0)
        note_request(mount->mend, buffer, (size_t)n);
    return n;
}

/* A copy of the reply in one piece, so that nothing of libfuse's own is written to. */
static bool gather(const struct iovec *iov, int count, uint8_t *to, size_t room, size_t *n)
{
    *n = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > room - *n)
            return false;
        memcpy(to + *n, iov[i].iov_base, iov[i].iov_len);
        *n += iov[i].iov_len;
    }
    return true;
}

static void mend_init(struct mend *mend, uint8_t *reply, size_t n)
{
    struct fuse_init_out out;
    uint8_t *body = reply + sizeof(struct fuse_out_header);
    mend->init_unique = 0;
    if (n < sizeof(struct fuse_out_header) + sizeof out)
        return;
    memcpy(&out, body, sizeof out);
    out.flags |= FLAGS_WANTED & mend->offered;
    if (mend->offered & BIT(30))
        out.flags2 |= FLAGS2_WANTED & mend->offered2;
    memcpy(body, &out, sizeof out);
}

static void mend_open(uint32_t opcode, uint8_t *reply, size_t n)
{
    struct fuse_open_out out;
    size_t at = sizeof(struct fuse_out_header);
    if (opcode == FUSE_CREATE)
        at += sizeof(struct fuse_entry_out);
    if (n < at + sizeof out)
        return;
    memcpy(&out, reply + at, sizeof out);
    out.open_flags |= OPEN_FLAGS_WANTED;
    memcpy(reply + at, &out, sizeof out);
}

/* The opcode of the OPEN or CREATE that this reply is for, which is forgotten; 0: it is for none.
 */
static uint32_t take_opening(struct mend *mend, uint64_t unique)
{
    struct opening *opening = NULL;
    HASH_FIND(hh, mend->openings, &unique, sizeof unique, opening);
    if (!opening)
        return 0;
    uint32_t opcode = opening->opcode;
    HASH_DEL(mend->openings, opening);
    free(opening);
    return opcode;
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
    struct mend *mend = ((struct mount *)userdata)->mend;
    struct fuse_out_header head;
    uint8_t reply[512];
    size_t n;
    if (count < 1 || iov[0].iov_len < sizeof head)
        return writev(fd, iov, count);
    memcpy(&head, iov[0].iov_base, sizeof head);
    uint32_t opening = take_opening(mend, head.unique);
    bool init = head.unique != 0 && head.unique == mend->init_unique;
    if ((!opening && !init) || head.error != 0 || !gather(iov, count, reply, sizeof reply, &n))
        return writev(fd, iov, count);
    if (init)
        mend_init(mend, reply, n);
    else
        mend_open(opening, reply, n);
    return write(fd, reply, n);
}

int mend_start(struct mount *mount)
{
    struct fuse_custom_io io = {.writev = io_writev, .read = io_read};
    mount->mend = sf_calloc(1, sizeof *mount->mend);
    int fd = fuse_session_fd(mount->session);
    return fuse_session_custom_io(mount->session, &io, fd) == 0 ? SF_OK : SF_IO;
}

void mend_stop(struct mount *mount)
{
    struct opening *opening, *next;
    if (!mount->mend)
        return;
    HASH_ITER(hh, mount->mend->openings, opening, next)
    {
        HASH_DEL(mount->mend->openings, opening);
        free(opening);
    }
    free(mount->mend);
    mount->mend = NULL;
}
