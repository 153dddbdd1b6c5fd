/* mix: the faults of one run. Each kind is off in every other run, so that a failure needs few of
 * them, and pairs of them meet undisturbed by the others; else its rate is drawn from a range, low
 * ones as often as high ones. */
#ifndef SIM_MIX_H
#define SIM_MIX_H

#include "sim/sim.h"

/* Which faults sim_mix_act does, one to the other; 0: it never does this one. */
struct sim_mix_shares {
    uint32_t crash; /* with sim_node_crash_soon, sooner where something is unsynced; and starts,
                       at times to crash again as soon */
    uint32_t partition, cut; /* of any shape; of two nodes; and heals all that is cut */
    uint32_t clog, pause;
    uint32_t drift, step;      /* of clocks */
    uint32_t fill, disk_stall; /* a disk is full, or syncs nothing, for a while */
};

struct sim_mix {
    struct sim_faults faults; /* for sim_faults; the times of what is off are as at first */
    struct sim_mix_shares shares;
    uint32_t rot_ppm; /* for sim_disk_rot, of the disks that the test can do without */
    uint32_t gap_ms;  /* between two acts, in the mean */
    /* Of acts, drawn up to these: */
    uint32_t while_ms_max; /* clogs, pauses, full disks, stalls */
    uint32_t drift_ppm_max, step_ms_max;
};

/* Draws the mix of a run; nothing happens yet. */
struct sim_mix sim_mix_draw(struct sim *sim);
/* What of it is on, in one line without its end, to follow a seed: "loss 12 pause 3 ...". */
#define SIM_MIX_TEXT_BYTES 512u
void sim_mix_text(const struct sim_mix *mix, char text[SIM_MIX_TEXT_BYTES]);
/* Does one of its acts to some of these nodes, if any share is on. */
void sim_mix_act(struct sim *sim, const struct sim_mix *mix, struct sim_node *const *nodes,
                 size_t count);
/* A draw of the time until the next act. */
uint64_t sim_mix_gap_ns(struct sim *sim, const struct sim_mix *mix);

#endif
