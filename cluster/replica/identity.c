#include "replica/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "replica/inside.h"

#define FILE_NAME "identity"
#define FILE_NAME_NEW "identity.new"
#define FILE_HEAD "shardfs-directory 1"
#define FILE_BYTES_MAX (256u << 10)

const char *identity_address(const struct identity_replica *replica)
{
    return replica->group.addresses[replica->self - 1];
}

void identity_copy_group(struct group *to, const struct group *from)
{
    *to = *from;
    to->addresses = sf_memdup(from->addresses, from->address_count * sizeof *from->addresses);
}

void identity_deinit(struct identity *identity)
{
    for (size_t i = 0; i < identity->replica_count; i++)
        free(identity->replicas[i].group.addresses);
    free(identity->replicas);
    *identity = (struct identity){0};
}

uint64_t identity_likeness(const struct identity_replica *replica)
{
    struct buffer b = {0};
    buffer_put_u64(&b, replica->group.gid);
    for (size_t i = 0; i < replica->group.address_count; i++)
        buffer_put_slice(&b, slice_str(replica->group.addresses[i]));
    buffer_put_u8(&b, (uint8_t)replica->engine);
    buffer_put_u32(&b, replica->shard_count);
    buffer_put_u8(&b, (uint8_t)replica->routing);
    uint64_t hash = bytes_hash(buffer_slice(&b));
    buffer_deinit(&b);
    return hash;
}

/* -- writing ------------------------------------------------------------------------------- */

static void put_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

static void put_replica(struct buffer *b, const struct identity_replica *r)
{
    char *head =
        host_text("replica %" PRIu64 " gid %" PRIu64 " id %u engine %s shards %u routing %s"
                  " group ",
                  r->key, r->group.gid, r->self, consensus_engine_name(r->engine), r->shard_count,
                  routing_name(r->routing));
    put_text(b, head);
    free(head);
    for (size_t i = 0; i < r->group.address_count; i++) {
        put_text(b, i == 0 ? "" : ",");
        put_text(b, r->group.addresses[i]);
    }
    put_text(b, "\n");
}

static void format(const struct identity *identity, struct buffer *b)
{
    char *head = host_text(FILE_HEAD "\ncluster %016" PRIx64 "\nrole %s\n", identity->cluster_id,
                           identity->role);
    put_text(b, head);
    free(head);
    for (size_t i = 0; i < identity->replica_count; i++)
        put_replica(b, &identity->replicas[i]);
}

int identity_write(struct env *env, const char *dir, const struct identity *identity)
{
    struct buffer b = {0};
    char *path = host_text("%s/" FILE_NAME, dir);
    char *new_path = host_text("%s/" FILE_NAME_NEW, dir);
    format(identity, &b);
    int status = env_file_fill(env, new_path, buffer_slice(&b));
    if (status == SF_OK)
        status = env_rename(env, new_path, path);
    if (status == SF_OK)
        status = env_dir_sync(env, dir);
    buffer_deinit(&b);
    free(path);
    free(new_path);
    return status;
}

/* -- reading ------------------------------------------------------------------------------- */

/* The next word of a line, or NULL; cuts *rest. */
static char *next_word(char **rest)
{
    return strtok_r(NULL, " ", rest);
}

static bool word_is(char **rest, const char *word)
{
    const char *got = next_word(rest);
    return got != NULL && strcmp(got, word) == 0;
}

static bool word_number(char **rest, int base, uint64_t max, uint64_t *out)
{
    const char *got = next_word(rest);
    char *end = NULL;
    if (got == NULL || *got == 0 || *got == '-' || *got == '+')
        return false;
    unsigned long long v = strtoull(got, &end, base);
    if (*end != 0 || v > max)
        return false;
    *out = v;
    return true;
}

static bool word_engine(char **rest, enum consensus_engine *out)
{
    const char *got = next_word(rest);
    return got != NULL && consensus_engine_parse(got, out);
}

static bool word_addresses(char **rest, struct group *group)
{
    char *list = next_word(rest), *cursor = NULL;
    if (list == NULL)
        return false;
    group->addresses = sf_calloc(SF_REPLICAS_MAX, sizeof *group->addresses);
    for (char *one = strtok_r(list, ",", &cursor); one != NULL;
         one = strtok_r(NULL, ",", &cursor)) {
        if (group->address_count == SF_REPLICAS_MAX || strlen(one) >= SF_ADDRESS_BYTES_MAX)
            return false;
        memcpy(group->addresses[group->address_count++], one, strlen(one) + 1);
    }
    return group->address_count > 0;
}

/* "replica" was read already. */
static bool parse_replica(char **rest, struct identity_replica *r)
{
    uint64_t self = 0, shards = 0;
    if (!word_number(rest, 10, IDENTITY_REPLICAS_MAX, &r->key) || !word_is(rest, "gid") ||
        !word_number(rest, 10, UINT64_MAX, &r->group.gid) || !word_is(rest, "id") ||
        !word_number(rest, 10, SF_REPLICAS_MAX, &self) || !word_is(rest, "engine") ||
        !word_engine(rest, &r->engine) || !word_is(rest, "shards") ||
        !word_number(rest, 10, SF_SHARDS_MAX, &shards) || !word_is(rest, "routing"))
        return false;
    const char *routing = next_word(rest);
    if (routing == NULL || !routing_parse(routing, &r->routing) || !word_is(rest, "group") ||
        !word_addresses(rest, &r->group))
        return false;
    r->self = (replica_id)self;
    r->shard_count = (uint32_t)shards;
    return r->key > 0 && r->self > 0 && r->self <= r->group.address_count && r->shard_count > 0;
}

static bool parse_role(char **rest, char role[IDENTITY_ROLE_BYTES])
{
    const char *got = next_word(rest);
    if (got == NULL || strlen(got) >= IDENTITY_ROLE_BYTES)
        return false;
    memcpy(role, got, strlen(got) + 1);
    return true;
}

static bool parse_line(char *line, struct identity *out)
{
    char *rest = NULL;
    const char *word = strtok_r(line, " ", &rest);
    if (word == NULL)
        return false;
    if (strcmp(word, "cluster") == 0)
        return word_number(&rest, 16, UINT64_MAX, &out->cluster_id) && next_word(&rest) == NULL;
    if (strcmp(word, "role") == 0)
        return parse_role(&rest, out->role) && next_word(&rest) == NULL;
    if (strcmp(word, "replica") != 0 || out->replica_count == IDENTITY_REPLICAS_MAX)
        return false;
    out->replicas = sf_realloc(out->replicas, (out->replica_count + 1) * sizeof *out->replicas);
    out->replicas[out->replica_count] = (struct identity_replica){0};
    return parse_replica(&rest, &out->replicas[out->replica_count++]) && next_word(&rest) == NULL;
}

static bool parse(char *text, struct identity *out)
{
    char *rest = NULL;
    const char *line = strtok_r(text, "\n", &rest);
    if (line == NULL || strcmp(line, FILE_HEAD) != 0)
        return false;
    for (char *next = strtok_r(NULL, "\n", &rest); next != NULL; next = strtok_r(NULL, "\n", &rest))
        if (!parse_line(next, out))
            return false;
    return out->cluster_id != 0 && out->role[0] != 0;
}

/* The whole file with a 0 behind it, to be freed. */
static int read_text(struct env_file *file, char **out)
{
    uint64_t bytes = 0;
    size_t got = 0;
    int status = env_file_size(file, &bytes);
    if (status != SF_OK)
        return status;
    if (bytes > FILE_BYTES_MAX)
        return SF_CORRUPT;
    char *text = sf_calloc(1, (size_t)bytes + 1);
    status = env_file_read(file, 0, text, (size_t)bytes, &got);
    if (status == SF_OK && got == bytes && memchr(text, 0, got) == NULL) {
        *out = text;
        return SF_OK;
    }
    free(text);
    return status != SF_OK ? status : SF_CORRUPT;
}

int identity_read(struct env *env, const char *dir, struct identity *out, char **why)
{
    struct env_file *file = NULL;
    char *text = NULL, *path = host_text("%s/" FILE_NAME, dir);
    *out = (struct identity){0};
    int status = env_file_open(env, path, ENV_FILE_READ_ONLY, &file);
    if (status == SF_OK)
        status = read_text(file, &text);
    env_file_close(file);
    if (status == SF_OK && !parse(text, out))
        status = SF_CORRUPT;
    out->exists = status == SF_OK;
    free(text);
    if (status == SF_NOT_FOUND)
        status = SF_OK;
    if (status != SF_OK) {
        identity_deinit(out);
        *why = host_text("%s cannot be read: %s", path, sf_error_text(status));
    }
    free(path);
    return status;
}

/* -- is it ours ---------------------------------------------------------------------------- */

/* What a creation that never came to its end may have left. */
static bool is_of_creation(const char *name)
{
    return strcmp(name, "store") == 0 || strcmp(name, "wal") == 0 ||
           strcmp(name, FILE_NAME_NEW) == 0;
}

static void note_stranger(void *ctx, const char *name)
{
    bool *strange = ctx;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !is_of_creation(name))
        *strange = true;
}

static int claim_empty(struct env *env, const char *dir, bool create, char **why)
{
    bool strange = false;
    int status = env_dir_list(env, dir, note_stranger, &strange);
    if (status != SF_OK && status != SF_NOT_FOUND) {
        *why = host_text("%s cannot be read: %s", dir, sf_error_text(status));
        return status;
    }
    if (strange) {
        *why = host_text("%s holds other files and no identity: give an empty directory", dir);
        return SF_MISMATCH;
    }
    if (create)
        return SF_OK;
    *why = host_text("%s holds no server's data: say --create to begin a new one there", dir);
    return SF_NOT_FOUND;
}

int identity_claim(struct env *env, const char *dir, const struct identity *wanted, bool create,
                   struct identity *out, char **why)
{
    int status = identity_read(env, dir, out, why);
    if (status != SF_OK)
        return status;
    if (!out->exists) {
        out->cluster_id = wanted->cluster_id;
        memcpy(out->role, wanted->role, sizeof out->role);
        return claim_empty(env, dir, create, why);
    }
    if (strcmp(out->role, wanted->role) != 0)
        *why = host_text("%s belongs to a %s, not to a %s", dir, out->role, wanted->role);
    else if (out->cluster_id != wanted->cluster_id)
        *why = host_text("%s belongs to cluster %016" PRIx64 ", not %016" PRIx64, dir,
                         out->cluster_id, wanted->cluster_id);
    else
        return SF_OK;
    identity_deinit(out);
    return SF_MISMATCH;
}

static bool same_group(const struct group *a, const struct group *b)
{
    if (a->gid != b->gid || a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->address_count; i++)
        if (strcmp(a->addresses[i], b->addresses[i]) != 0)
            return false;
    return true;
}

static char *group_text(const struct group *group)
{
    struct buffer b = {0};
    size_t n;
    for (size_t i = 0; i < group->address_count; i++) {
        put_text(&b, i == 0 ? "" : ",");
        put_text(&b, group->addresses[i]);
    }
    buffer_put_u8(&b, 0);
    return (char *)buffer_take(&b, &n);
}

static int refuse_group(const char *dir, const struct identity_replica *has,
                        const struct identity_replica *wanted, char **why)
{
    char *has_text = group_text(&has->group), *wanted_text = group_text(&wanted->group);
    *why = host_text("%s belongs to a replica of group %" PRIu64 " at %s, not at %s", dir,
                     has->group.gid, has_text, wanted_text);
    free(has_text);
    free(wanted_text);
    return SF_MISMATCH;
}

/* The directory has a line of the wanted group: is it this very replica? */
static int match_line(const char *dir, const struct identity_replica *has,
                      const struct identity_replica *wanted, char **why)
{
    if (!same_group(&has->group, &wanted->group))
        return refuse_group(dir, has, wanted, why);
    if (has->self != wanted->self)
        *why = host_text("%s belongs to replica %u of group %" PRIu64
                         " (%s), not to replica %u: start it with %s, or give another directory",
                         dir, has->self, has->group.gid, identity_address(has), wanted->self,
                         identity_address(has));
    else if (wanted->engine != 0 && has->engine != wanted->engine)
        *why = host_text("%s was created with engine %s, not %s", dir,
                         consensus_engine_name(has->engine), consensus_engine_name(wanted->engine));
    else if (wanted->shard_count != 0 && has->shard_count != wanted->shard_count)
        *why = host_text("%s was created with %u shards, not %u", dir, has->shard_count,
                         wanted->shard_count);
    else if (wanted->routing != 0 && has->routing != wanted->routing)
        *why = host_text("%s was created with routing %s, not %s", dir, routing_name(has->routing),
                         routing_name(wanted->routing));
    else
        return SF_OK;
    return SF_MISMATCH;
}

int identity_match(const struct identity *identity, const char *dir,
                   const struct identity_replica *wanted, bool may_add,
                   const struct identity_replica **found, char **why)
{
    for (size_t i = 0; i < identity->replica_count; i++) {
        const struct identity_replica *has = &identity->replicas[i];
        if (has->group.gid != wanted->group.gid)
            continue;
        int status = match_line(dir, has, wanted, why);
        if (status == SF_OK)
            *found = has;
        return status;
    }
    *found = NULL;
    if (identity->replica_count == 0 || may_add)
        return SF_OK;
    const struct identity_replica *has = &identity->replicas[0];
    *why = host_text("%s belongs to replica %u of group %" PRIu64
                     " (%s), not to one of group %" PRIu64 ": give another directory",
                     dir, has->self, has->group.gid, identity_address(has), wanted->group.gid);
    return SF_MISMATCH;
}

const struct identity_replica *identity_add(struct identity *identity,
                                            const struct identity_replica *wanted)
{
    sf_assert(identity->replica_count < IDENTITY_REPLICAS_MAX);
    identity->replicas =
        sf_realloc(identity->replicas, (identity->replica_count + 1) * sizeof *identity->replicas);
    struct identity_replica *added = &identity->replicas[identity->replica_count];
    *added = *wanted;
    identity_copy_group(&added->group, &wanted->group);
    added->key = ++identity->replica_count;
    if (added->engine == 0)
        added->engine = CONSENSUS_RAFT;
    if (added->shard_count == 0)
        added->shard_count = SF_SHARDS_DEFAULT;
    if (added->routing == 0)
        added->routing = ROUTING_HASH;
    return added;
}
