/* query: a configuration, as text or as JSON. */
#include <stdio.h>

#include "ctl/json.h"
#include "ctl/session.h"

static void print_json(const struct config *config)
{
    struct json j = {0, false};
    json_open(&j, NULL, '{');
    json_u64(&j, "num", config->num);
    json_text(&j, "routing", routing_name(config->routing));
    json_open(&j, "shards", '[');
    for (uint32_t s = 0; s < config->shard_count; s++)
        json_u64(&j, NULL, config->shards[s]);
    json_close(&j, ']');
    json_open(&j, "groups", '[');
    for (size_t g = 0; g < config->group_count; g++) {
        const struct group *group = &config->groups[g];
        json_open(&j, NULL, '{');
        json_u64(&j, "gid", group->gid);
        json_open(&j, "addresses", '[');
        for (size_t i = 0; i < group->address_count; i++)
            json_text(&j, NULL, group->addresses[i]);
        json_close(&j, ']');
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

/* "0-3,7": the shards of a group. */
static void print_shards(const struct config *config, group_id gid)
{
    const char *comma = "";
    for (uint32_t s = 0; s < config->shard_count; s++) {
        uint32_t from = s;
        if (config->shards[s] != gid)
            continue;
        while (s + 1 < config->shard_count && config->shards[s + 1] == gid)
            s++;
        printf(from == s ? "%s%u" : "%s%u-%u", comma, from, s);
        comma = ",";
    }
    puts(comma[0] ? "" : "none");
}

static void print_text(const struct config *config)
{
    printf("configuration %llu: %u shards by %s, %zu groups\n", (unsigned long long)config->num,
           config->shard_count, routing_name(config->routing), config->group_count);
    for (size_t g = 0; g < config->group_count; g++) {
        const struct group *group = &config->groups[g];
        printf("group %llu at", (unsigned long long)group->gid);
        for (size_t i = 0; i < group->address_count; i++)
            printf(" %s", group->addresses[i]);
        printf("\n  shards ");
        print_shards(config, group->gid);
    }
}

int command_query(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct config *config = NULL;
    uint64_t num = 0;
    if (argc > 0 && !take_number("NUM", argv[0], 0, INT64_MAX, &num))
        return EXIT_USAGE;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    int status = session_query(&s, argc > 0 ? (int64_t)num : -1, &config);
    if (status != SF_OK)
        exit_status = fail("query: %s", sf_error_text(status));
    else if (options->given & CTL_JSON)
        print_json(config);
    else
        print_text(config);
    config_free(config);
    session_close(&s);
    return exit_status;
}
