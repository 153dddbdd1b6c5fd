#include "storm/weather.h"

static void strike(void *ctx)
{
    struct weather *weather = ctx;
    struct cluster *cluster = weather->cluster;
    bool ends = sim_now_ns(cluster->sim) >= weather->end_ns;
    bool without_groups = !cluster->config || cluster->config->group_count == 0;
    if (ends)
        cluster_calm(cluster);
    if (ends && !without_groups && !cluster_operating(cluster)) {
        weather->blows = false;
        return;
    }
    if (ends || sim_random_below(cluster->sim, 3) == 0)
        cluster_reconfigure(cluster); /* after the end: until some group has the shards */
    else
        cluster_fault(cluster);
    uint64_t ms = 10 + sim_random_below(cluster->sim, weather->gap_ms);
    sim_after_ns(cluster->sim, ms * ENV_MS_NS, strike, weather);
}

void weather_blow(struct weather *weather, uint64_t ms_max)
{
    struct sim *sim = weather->cluster->sim;
    if (weather->blows)
        return;
    weather->blows = true;
    weather->end_ns = sim_now_ns(sim) + sim_random_below(sim, ms_max) * ENV_MS_NS;
    sim_after_ns(sim, ENV_MS_NS, strike, weather);
}
