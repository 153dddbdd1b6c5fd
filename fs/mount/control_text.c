#include "mount/control.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "mount/request.h"

static void add(struct buffer *to, const char *format, ...) SF_PRINTF(2, 3);
static void add(struct buffer *to, const char *format, ...)
{
    char line[SF_ADDRESS_BYTES_MAX + 128];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buffer_append(to, line, strlen(line));
}

void control_config(const struct mount *mount, struct buffer *to)
{
    const struct config *config = tree_config(mount->tree);
    if (!config)
        return;
    add(to, "number %" PRIu64 "\nrouting %s\nshards %" PRIu32 "\n", (uint64_t)config->num,
        routing_name(config->routing), config->shard_count);
    for (size_t g = 0; g < config->group_count; g++) {
        add(to, "group %" PRIu64, config->groups[g].gid);
        for (size_t i = 0; i < config->groups[g].address_count; i++)
            add(to, " %s", config->groups[g].addresses[i]);
        add(to, "\n");
    }
    for (uint32_t s = 0; s < config->shard_count; s++)
        add(to, "shard %" PRIu32 " %" PRIu64 "\n", s, config->shards[s]);
}

void control_members(const struct mount *mount, struct buffer *to)
{
    size_t count;
    const struct tree_member *members = tree_members(mount->tree, &count);
    for (size_t i = 0; i < count; i++) {
        const struct tree_member *m = &members[i];
        add(to, "group %" PRIu64 " %s %s", m->gid, m->address,
            !m->answered ? "silent" : (m->leads ? "leads" : "follows"));
        if (m->answered)
            add(to, " free %" PRIu64 " of %" PRIu64, m->free_bytes, m->total_bytes);
        add(to, "\n");
    }
}

static size_t waiting_count(const struct mount *mount)
{
    const struct request *r;
    size_t count;
    DL_COUNT(mount->requests, r, count);
    return count;
}

void control_stats(const struct mount *mount, struct buffer *to)
{
    static const char *const names[TREE_KIND_LIMIT] = {
        [TREE_LOOKUP] = "lookup",     [TREE_GETATTR] = "getattr",   [TREE_SETATTR] = "setattr",
        [TREE_GETXATTR] = "getxattr", [TREE_CREATE] = "create",     [TREE_MKDIR] = "mkdir",
        [TREE_UNLINK] = "unlink",     [TREE_LINK] = "link",         [TREE_RMDIR] = "rmdir",
        [TREE_RENAME] = "rename",     [TREE_READLINK] = "readlink", [TREE_READ] = "read",
        [TREE_WRITE] = "write",       [TREE_APPEND] = "append",     [TREE_ALLOCATE] = "allocate",
        [TREE_SEEK] = "seek",         [TREE_FSYNC] = "fsync",       [TREE_READDIR] = "readdir",
        [TREE_STATFS] = "statfs",
    };
    const struct mount_stats *stats = &mount->stats;
    add(to, "waiting %zu\ninodes %u\norphans %zu\n", waiting_count(mount),
        HASH_COUNT(mount->nodes.by_ino), tree_orphan_count(mount->tree));
    add(to, "read_bytes %" PRIu64 "\nwritten_bytes %" PRIu64 "\n", stats->read_bytes,
        stats->written_bytes);
    for (size_t kind = 0; kind < TREE_KIND_LIMIT; kind++) {
        if (names[kind])
            add(to, "%s %" PRIu64 " errors %" PRIu64 "\n", names[kind], stats->calls[kind],
                stats->errors[kind]);
    }
}
