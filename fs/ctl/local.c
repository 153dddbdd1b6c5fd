/* up and down: a local cluster as a whole. */
#include "ctl/local.h"

#include <string.h>

#include "ctl/progress.h"

/* What has lost its data is left out, for the others can do without it. */
static int start_missing(struct local *local, size_t *started)
{
    int exit_status = 0, lost = 0;
    for (size_t i = 0; i < local->server_count && exit_status == 0; i++) {
        struct local_server *server = &local->servers[i];
        if (local_pid(local, server) != 0)
            continue;
        if (local_is_lost(local, server)) {
            lost = fail("%s has lost its data: %s/%s/identity is gone. Begun anew it could undo "
                        "what the others rely on; bring its files back (the others run)",
                        server->name, local->dir, server->name);
            continue;
        }
        progress_show("starting %s", server->name);
        exit_status = local_start(local, server);
        ++*started;
    }
    return exit_status != 0 ? exit_status : lost;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* As a shell reads it. */
static const char *quote(const char *path)
{
    return strpbrk(path, " \t\"$&;()<>|*?[]#~`\\!{}") ? "'" : "";
}

static int up(struct local *local, const struct ctl_options *options)
{
    size_t started = 0;
    int exit_status = local_has_cluster(local) ? local_load(local) : local_create(local, options);
    if (exit_status == 0)
        exit_status = local_compare(local, options);
    if (exit_status == 0)
        exit_status = local_save_env(local);
    if (exit_status == 0)
        exit_status = start_missing(local, &started);
    if (exit_status == 0)
        exit_status = local_make_ready(local);
    progress_end();
    if (exit_status != 0)
        return exit_status;
    size_t masters = local->is_static ? 0 : local->groups[0].address_count;
    size_t groups = local->group_count - local_first_group(local);
    printf("%zu server%s, %zu of them started now: %zu shardmaster%s, %zu group%s\n",
           local->server_count, local->server_count == 1 ? " runs" : "s run", started, masters,
           plural(masters), groups, plural(groups));
    printf("use them with: . %s%s/env%s\n", quote(local->dir), local->dir, quote(local->dir));
    return 0;
}

int command_up(const struct ctl_options *options, size_t argc, char **argv)
{
    struct local local;
    (void)argc;
    (void)argv;
    if (!options->dir || !options->dir[0])
        return fail_usage("say where the cluster lives: shardctl up --dir DIR");
    int exit_status = local_check_new(options);
    if (exit_status != 0)
        return exit_status;
    exit_status = local_open_new(&local, options->dir);
    if (exit_status == 0)
        exit_status = up(&local, options);
    local_deinit(&local);
    return exit_status;
}

int command_down(const struct ctl_options *options, size_t argc, char **argv)
{
    struct local local;
    (void)argc;
    (void)argv;
    if (!options->dir || !options->dir[0])
        return fail_usage("say where the cluster lives: shardctl down --dir DIR");
    int exit_status = local_open_old(&local, options->dir);
    if (exit_status == 0)
        exit_status = local_load(&local);
    if (exit_status == 0) {
        progress_show("stopping %zu servers", local.server_count);
        size_t stopped = local_stop_all(&local);
        progress_end();
        printf("%zu server%s stopped; the data stays in %s\n", stopped, plural(stopped), local.dir);
    }
    local_deinit(&local);
    return exit_status;
}
