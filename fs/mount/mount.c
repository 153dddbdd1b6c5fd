#include "mount/locks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/log.h"
#include "env/memory.h"

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
    struct mount *mount = userdata;
    conn->max_background = mount->options->max_background;
    conn->congestion_threshold = mount->options->max_background * 3 / 4;
    conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    conn->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_HANDLE_KILLPRIV);
    /* What may not be kept beyond the call is not worth sending with a listing. */
    if (mount->options->attr_timeout_s <= 0 || mount->options->entry_timeout_s <= 0)
        conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
    if (conn->capable & FUSE_CAP_ATOMIC_O_TRUNC)
        conn->want |= FUSE_CAP_ATOMIC_O_TRUNC;
    if (mount->on_live)
        mount->on_live(mount->ctx);
}

/* What libfuse says, in our log; with -d every request, as it comes. */
static void on_fuse_log(enum fuse_log_level level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void on_fuse_log(enum fuse_log_level level, const char *format, va_list args)
{
    char text[512];
    if (level == FUSE_LOG_DEBUG) {
        vfprintf(stderr, format, args);
        return;
    }
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    log_line(level <= FUSE_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "fuse", "%s", text);
}

static void fill_handlers(struct fuse_lowlevel_ops *ops)
{
    memset(ops, 0, sizeof *ops);
    ops->init = on_init;
    handlers_names(ops);
    handlers_attr(ops);
    handlers_data(ops);
    handlers_dir(ops);
    handlers_xattr(ops);
    handlers_locks(ops);
    control_wrap(ops);
}

static void add_text(struct buffer *to, const char *text)
{
    buffer_append(to, text, strlen(text));
}

/* A comma or backslash in a name would end the option. */
static void add_escaped(struct buffer *to, const char *text)
{
    for (; *text; text++) {
        if (*text == ',' || *text == '\\')
            buffer_put_u8(to, '\\');
        buffer_append(to, text, 1);
    }
}

/* "-o" of libfuse, with a 0 at its end. */
static void kernel_options(const struct mount_options *o, struct buffer *to)
{
    add_text(to, "subtype=shardfs,fsname=");
    add_escaped(to, o->fsname);
    if (o->read_only)
        add_text(to, ",ro");
    if (o->allow_other)
        add_text(to, ",allow_other");
    if (o->default_permissions)
        add_text(to, ",default_permissions");
    if (o->pass_on) {
        add_text(to, ",");
        add_text(to, o->pass_on);
    }
    buffer_put_u8(to, 0);
}

static struct fuse_session *make_session(struct mount *mount)
{
    char program[] = "shardfs", dash_o[] = "-o", dash_d[] = "-d";
    struct buffer options = {0};
    struct fuse_lowlevel_ops ops;
    kernel_options(mount->options, &options);
    char *argv[] = {program, dash_o, (char *)options.p, dash_d, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(mount->options->debug ? 4 : 3, argv);
    fill_handlers(&ops);
    fuse_set_log_func(on_fuse_log);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, mount);
    fuse_opt_free_args(&args);
    buffer_deinit(&options);
    return session;
}

static void on_forgotten(struct nodes *nodes, uint64_t ino)
{
    tree_closed(container_of(nodes, struct mount, nodes)->tree, ino);
}

int mount_start(struct mount *mount, struct env *env, struct uv_loop_s *loop, struct tree *tree,
                const struct mount_options *options)
{
    mount->env = env;
    mount->loop = loop;
    mount->tree = tree;
    mount->options = options;
    nodes_init(&mount->nodes);
    mount->nodes.on_forgotten = on_forgotten;
    control_start(mount);
    requests_init(mount);
    locks_start(mount);
    mount->session = make_session(mount);
    if (!mount->session)
        return SF_IO;
    int status = SF_IO;
    if (fuse_session_mount(mount->session, options->mountpoint) == 0) {
        status = options->no_mend ? SF_OK : mend_start(mount);
        if (status == SF_OK)
            status = loop_start(mount);
        if (status != SF_OK)
            log_error("mount", "/dev/fuse cannot be served");
    }
    if (status != SF_OK)
        mount_stop(mount);
    return status;
}

void mount_stop(struct mount *mount)
{
    if (!mount->session)
        return;
    requests_abort(mount);
    locks_stop(mount);
    fuse_session_exit(mount->session);
    loop_stop(mount);
    fuse_session_unmount(mount->session);
    fuse_session_destroy(mount->session);
    mount->session = NULL;
    mend_stop(mount);
    dirs_free(mount);
    control_stop(mount);
    nodes_deinit(&mount->nodes);
}
