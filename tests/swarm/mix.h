/* mix: what one run of the swarm is made of, drawn from its seed: the cluster, its limits, the load,
 * and how often each thing goes wrong that concerns a whole cluster. What goes wrong with machines,
 * disks and the network is sim/mix.h's. */
#ifndef TESTS_SWARM_MIX_H
#define TESTS_SWARM_MIX_H

#include <stdint.h>

#include "consensus/consensus.h"
#include "placement/placement.h"
#include "storm/load.h"

/* 0: off, or what a server has by itself. */
struct mix {
    /* The cluster. */
    uint32_t groups, gids, shards;
    uint32_t masters, replicas[CLUSTER_GROUPS_MAX];
    uint32_t master_engine, engines[CLUSTER_GROUPS_MAX];
    uint32_t routing;
    uint32_t absent; /* position of a group that never comes up, and 1 */
    /* Limits of servers. */
    uint32_t chunk_bytes, flush_ms, slack_bytes, snapshot_bytes, spares;
    uint32_t apply_bytes, inflight_max, inflight_bytes, proposals_max, log_bytes_max;
    uint32_t session_idle_ms, sessions_max, pending_max;
    /* The load. */
    uint32_t clients, window, registers, wide, large, log, lock, pause_ms_max, timeouts;
    uint32_t lease_ms;
    /* Strokes: shares of all acts. */
    uint32_t machines; /* acts of sim/mix.h */
    uint32_t power_cut, blackout, transfer, crash_moving, fill_store, lose_store;
    uint32_t cut_groups, part_groups, kill_client, freeze_client, calm;
    uint32_t reconfigure, all_leave, rejoin, bounce;
    uint32_t calm_ms_max; /* a calm lasts so long */
    uint32_t revive;      /* per mille, of each node that is down, with each act */
    uint32_t busy;        /* per mille of writes to stores */
    /* The run. */
    uint32_t storm_ms;
    uint32_t left_out; /* per mille of those that may be missing after the storm: they are */
};

/* engine: 0, or the one that all groups run on. */
struct mix mix_draw(uint64_t seed, enum consensus_engine engine);
#define MIX_TEXT_BYTES 1024u
void mix_text(const struct mix *mix, char text[MIX_TEXT_BYTES]);
void mix_cluster(const struct mix *mix, struct cluster_options *options);
void mix_load(const struct mix *mix, struct load_options *options);

#endif
