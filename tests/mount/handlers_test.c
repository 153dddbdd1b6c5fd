/* What a handler leaves behind where the kernel does not take its reply: an entry that was not
 * delivered will never be forgotten (M2), nor a file closed that was not opened. And what it answers
 * while a removal that was given up may yet come (M11). Real handlers and a real libfuse, between a
 * kernel and a tree that are this test's own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <cmocka.h>

#include "mount/locks.h"
#include "mount/mount.h"

#define LISTING_BYTES 4096u

/* -- the tree ------------------------------------------------------------------------------- */

static struct tree_call *asked; /* what waits for an answer */
static uint64_t closed;         /* the inode that was closed last; 0: none */

void __wrap_tree_submit(struct tree *tree, struct tree_call *call);
void __wrap_tree_submit(struct tree *tree, struct tree_call *call)
{
    (void)tree;
    asked = call;
}

void __wrap_tree_closed(struct tree *tree, uint64_t ino);
void __wrap_tree_closed(struct tree *tree, uint64_t ino)
{
    (void)tree;
    closed = ino;
}

void __wrap_tree_root_inode(struct tree *tree, struct tree_inode *out);
void __wrap_tree_root_inode(struct tree *tree, struct tree_inode *out)
{
    (void)tree;
    *out = (struct tree_inode){.ino = TREE_ROOT, .mode = S_IFDIR | 0755, .links = 1};
}

static uint64_t unsettled; /* given up so far, and not settled; 0: none */
static void (*on_settled)(void *ctx);

uint64_t __wrap_tree_unsettled(const struct tree *tree);
uint64_t __wrap_tree_unsettled(const struct tree *tree)
{
    (void)tree;
    return unsettled;
}

bool __wrap_tree_is_settled(const struct tree *tree, uint64_t number);
bool __wrap_tree_is_settled(const struct tree *tree, uint64_t number)
{
    (void)tree;
    return unsettled == 0 || unsettled > number;
}

void __wrap_tree_watch_settled(struct tree *tree, void (*then)(void *ctx), void *ctx);
void __wrap_tree_watch_settled(struct tree *tree, void (*then)(void *ctx), void *ctx)
{
    (void)tree;
    (void)ctx;
    on_settled = then;
}

void __wrap_tree_watch_locks(struct tree *tree, void (*on_lost)(void *ctx), void *ctx);
void __wrap_tree_watch_locks(struct tree *tree, void (*on_lost)(void *ctx), void *ctx)
{
    (void)tree;
    (void)on_lost;
    (void)ctx;
}

static void answer_status(int status)
{
    struct tree_call *call = asked;
    asked = NULL;
    call->on_done(call, status);
}

static struct tree_inode file_of(uint64_t ino)
{
    return (struct tree_inode){.ino = ino, .mode = S_IFREG | 0644, .links = 1, .version = ino};
}

static void answer_listing(uint64_t first, uint64_t count)
{
    char name[2] = "a";
    for (uint64_t ino = first; ino < first + count; ino++, name[0]++) {
        struct tree_inode inode = file_of(ino);
        assert_true(asked->on_entry(asked, slice_str(name), &inode));
    }
    asked->end = true;
    asked->on_done(asked, SF_OK);
}

static void answer_file(uint64_t ino)
{
    asked->inode = file_of(ino);
    asked->created = asked->kind == TREE_CREATE;
    asked->on_done(asked, SF_OK);
}

/* -- the clock ------------------------------------------------------------------------------ */

static uint64_t now_ms;

uint64_t __wrap_env_now_ns(struct env *env);
uint64_t __wrap_env_now_ns(struct env *env)
{
    (void)env;
    return now_ms * ENV_MS_NS;
}

uint64_t __wrap_env_now_ms(struct env *env);
uint64_t __wrap_env_now_ms(struct env *env)
{
    (void)env;
    return now_ms;
}

void __wrap_env_timer_start_ms(struct env_timer *timer, uint64_t delay_ms);
void __wrap_env_timer_start_ms(struct env_timer *timer, uint64_t delay_ms)
{
    (void)timer;
    (void)delay_ms;
}

/* -- the kernel ----------------------------------------------------------------------------- */

static struct mount_options options = {.attr_timeout_s = 1, .entry_timeout_s = 1, .timeo_s = 30};
static struct mount mount;
static bool takes; /* replies; else it knows nothing of their requests */
static uint8_t reply[2 * LISTING_BYTES];
static size_t reply_bytes;

static ssize_t take_reply(int fd, struct iovec *iov, int count, void *userdata)
{
    (void)fd;
    (void)userdata;
    if (!takes) {
        errno = ENOENT;
        return -1;
    }
    reply_bytes = 0;
    for (int i = 0; i < count; i++) {
        assert_true(iov[i].iov_len <= sizeof reply - reply_bytes);
        memcpy(reply + reply_bytes, iov[i].iov_base, iov[i].iov_len);
        reply_bytes += iov[i].iov_len;
    }
    return (ssize_t)reply_bytes;
}

static ssize_t no_request(int fd, void *bytes, size_t n, void *userdata)
{
    (void)fd;
    (void)bytes;
    (void)n;
    (void)userdata;
    errno = EAGAIN;
    return -1;
}

/* Of the node with this id. `name`: behind the body, with its 0; NULL: none. */
static void request_at(uint64_t node_id, uint32_t opcode, const void *body, size_t n,
                       const char *name)
{
    static uint64_t unique;
    uint8_t bytes[1024];
    size_t name_bytes = name ? strlen(name) + 1 : 0;
    struct fuse_in_header head = {.len = (uint32_t)(sizeof head + n + name_bytes),
                                  .opcode = opcode,
                                  .unique = unique += 2,
                                  .nodeid = node_id};
    assert_true(head.len <= sizeof bytes);
    memcpy(bytes, &head, sizeof head);
    if (n > 0)
        memcpy(bytes + sizeof head, body, n);
    if (name)
        memcpy(bytes + sizeof head + n, name, name_bytes);
    struct fuse_buf buf = {.size = head.len, .mem = bytes};
    fuse_session_process_buf(mount.session, &buf);
}

static void request(uint32_t opcode, const void *body, size_t n, const char *name)
{
    request_at(FUSE_ROOT_ID, opcode, body, n, name);
}

static int reply_error(void)
{
    struct fuse_out_header head;
    assert_true(reply_bytes >= sizeof head);
    memcpy(&head, reply, sizeof head);
    return -head.error;
}

static uint64_t open_root(void)
{
    struct fuse_open_in in = {.flags = O_RDONLY};
    struct fuse_open_out out;
    request(FUSE_OPENDIR, &in, sizeof in, NULL);
    assert_int_equal(reply_bytes, sizeof(struct fuse_out_header) + sizeof out);
    memcpy(&out, reply + sizeof(struct fuse_out_header), sizeof out);
    return out.fh;
}

static void list(uint64_t handle)
{
    struct fuse_read_in in = {.fh = handle, .size = LISTING_BYTES};
    request(FUSE_READDIRPLUS, &in, sizeof in, NULL);
}

static void look_up(const char *name, uint64_t ino)
{
    request(FUSE_LOOKUP, NULL, 0, name);
    answer_file(ino);
}

/* Sent, and nobody will hear whether it was executed. */
static void unlink_unheard(const char *name, uint64_t ino)
{
    request(FUSE_UNLINK, NULL, 0, name);
    assert_false(asked->is_open(asked, ino));
    unsettled = 1;
    answer_status(SF_UNKNOWN);
    assert_int_equal(reply_error(), ETIMEDOUT);
}

static void settle(void)
{
    unsettled = 0;
    on_settled(&mount);
}

static void open_file(uint64_t ino)
{
    struct fuse_open_in in = {.flags = O_RDONLY};
    uint64_t node_id = nodes_id(&mount.nodes, nodes_find(&mount.nodes, ino));
    reply_bytes = 0;
    request_at(node_id, FUSE_OPEN, &in, sizeof in, NULL);
}

static void create(const char *name)
{
    struct fuse_create_in in = {.flags = O_RDWR | O_CREAT, .mode = S_IFREG | 0644};
    request(FUSE_CREATE, &in, sizeof in, name);
}

static int set_up(void **state)
{
    struct fuse_init_in in = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
    const struct fuse_custom_io io = {.writev = take_reply, .read = no_request};
    char program[] = "test";
    char *argv[] = {program, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);
    struct fuse_lowlevel_ops ops = {0};
    (void)state;
    memset(&mount, 0, sizeof mount);
    mount.options = &options;
    nodes_init(&mount.nodes);
    requests_init(&mount);
    locks_start(&mount);
    handlers_names(&ops);
    handlers_data(&ops);
    handlers_dir(&ops);
    mount.session = fuse_session_new(&args, &ops, sizeof ops, &mount);
    fuse_opt_free_args(&args);
    assert_non_null(mount.session);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* the session's from here on */
    assert_int_equal(fuse_session_custom_io(mount.session, &io, fd), 0);
    takes = true;
    request(FUSE_INIT, &in, sizeof in, NULL);
    asked = NULL;
    closed = 0;
    unsettled = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_null(mount.requests);
    fuse_session_destroy(mount.session);
    locks_stop(&mount);
    dirs_free(&mount);
    nodes_deinit(&mount.nodes);
    return 0;
}

/* -- the tests ------------------------------------------------------------------------------ */

static void entries_of_a_listing_that_was_taken_are_counted(void **state)
{
    (void)state;
    uint64_t handle = open_root();
    list(handle);
    answer_listing(70, 2);
    assert_int_equal(nodes_find(&mount.nodes, 70)->lookups, 1);
    assert_int_equal(nodes_find(&mount.nodes, 71)->lookups, 1);
}

static void entries_of_a_listing_that_was_not_taken_are_not_counted(void **state)
{
    (void)state;
    uint64_t handle = open_root();
    list(handle);
    answer_listing(70, 1);
    list(handle);
    takes = false;
    answer_listing(70, 2);
    assert_int_equal(nodes_find(&mount.nodes, 70)->lookups, 1);
    assert_null(nodes_find(&mount.nodes, 71));
}

static void an_entry_that_was_not_taken_is_not_counted(void **state)
{
    (void)state;
    request(FUSE_LOOKUP, NULL, 0, "a");
    takes = false;
    answer_file(70);
    assert_null(nodes_find(&mount.nodes, 70));
}

static void a_file_that_was_made_and_not_taken_is_closed(void **state)
{
    (void)state;
    create("a");
    takes = false;
    answer_file(70);
    assert_int_equal(closed, 70);
    assert_null(nodes_find(&mount.nodes, 70));
}

static void an_open_waits_until_a_removal_that_was_given_up_is_settled(void **state)
{
    (void)state;
    look_up("a", 70);
    unlink_unheard("a", 70);
    open_file(70);
    assert_null(asked);
    assert_int_equal(reply_bytes, 0);
    settle();
    assert_int_equal(asked->kind, TREE_GETATTR);
    answer_status(SF_OK);
    assert_int_equal(reply_error(), 0);
    assert_int_equal(nodes_find(&mount.nodes, 70)->opens, 1);
}

static void what_was_removed_after_all_is_not_opened(void **state)
{
    (void)state;
    look_up("a", 70);
    unlink_unheard("a", 70);
    open_file(70);
    settle();
    answer_status(SF_STALE_FILE);
    assert_int_equal(reply_error(), ESTALE);
    assert_int_equal(nodes_find(&mount.nodes, 70)->opens, 0);
}

static void an_open_waits_for_a_removal_no_longer_than_the_time_limit(void **state)
{
    (void)state;
    look_up("a", 70);
    unlink_unheard("a", 70);
    open_file(70);
    now_ms += 1000u * options.timeo_s - 1;
    mount.dying_check.on_fire(&mount.dying_check);
    assert_int_equal(reply_bytes, 0);
    now_ms++;
    mount.dying_check.on_fire(&mount.dying_check);
    assert_int_equal(reply_error(), ETIMEDOUT);
    assert_int_equal(nodes_find(&mount.nodes, 70)->opens, 0);
}

/* The kernel has forgotten it in between. */
static void a_create_looks_again_at_what_may_be_removed(void **state)
{
    (void)state;
    look_up("a", 70);
    unlink_unheard("a", 70);
    nodes_forget(&mount.nodes, nodes_find(&mount.nodes, 70), 1);
    look_up("a", 70);
    reply_bytes = 0;
    create("a");
    answer_file(70);
    assert_int_equal(reply_bytes, 0);
    settle();
    assert_int_equal(asked->kind, TREE_GETATTR);
    answer_status(SF_OK);
    assert_int_equal(reply_error(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(entries_of_a_listing_that_was_taken_are_counted),
        TEST(entries_of_a_listing_that_was_not_taken_are_not_counted),
        TEST(an_entry_that_was_not_taken_is_not_counted),
        TEST(a_file_that_was_made_and_not_taken_is_closed),
        TEST(an_open_waits_until_a_removal_that_was_given_up_is_settled),
        TEST(what_was_removed_after_all_is_not_opened),
        TEST(an_open_waits_for_a_removal_no_longer_than_the_time_limit),
        TEST(a_create_looks_again_at_what_may_be_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
