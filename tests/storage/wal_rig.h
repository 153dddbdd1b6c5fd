/* wal_rig: one WAL on a simulated disk, driven step by step, with a model of what it must hold.
 *
 * The disk is the simulator's (sim/volume.h); the env around it does files and timers alone, counts
 * every operation that changes the disk, and can cut the power just before any one of them.
 */
#ifndef TESTS_STORAGE_WAL_RIG_H
#define TESTS_STORAGE_WAL_RIG_H

#include "env/env.h"
#include "env/timer_heap.h"
#include "sim/volume.h"
#include "storage/wal.h"

#define RIG_DIR "/wal"
#define RIG_CLUSTER 0xc1u
#define RIG_NEVER UINT64_MAX

struct rig_sync;

struct rig {
    struct env env;
    struct volume volume;
    struct random random; /* of power cuts and of the test */
    uint64_t now_ns;
    struct timer_heap timers;
    uint64_t sequence;
    struct rig_sync *syncs; /* asked for, in order */
    uint64_t changes_left;  /* before the power goes; RIG_NEVER */
    uint64_t changes;       /* of the disk, so far */
    uint64_t syncs_left;    /* until one fails: the nth from now on; 0: none does */
    uint32_t rot_ppm;       /* of sectors that are read */
    bool dead;              /* the power is gone, or env_fatal was called */
    char *fatal;            /* what env_fatal was told; NULL */
    struct wal_options options;
    struct wal *wal; /* NULL: closed */
    char *why;       /* of the last opening that failed */
    uint64_t acked;  /* newest position that on_synced told */
};

struct rig *rig_new(uint64_t seed);
void rig_free(struct rig *rig);
/* Opens the log, expecting SF_OK unless the power goes meanwhile: then false. */
bool rig_open(struct rig *rig);
int rig_try_open(struct rig *rig); /* what wal_open says; rig->why */
void rig_close(struct rig *rig);   /* as after the end of the process; the disk keeps everything */
void rig_power_cut(
    struct rig *rig); /* closes; the disk loses what it may lose; the power is back */

void rig_fail_sync(struct rig *rig, uint64_t nth); /* 0: none */

/* Runs timers and syncs (each takes up to 8 ms) for so long. */
void rig_run_ms(struct rig *rig, uint64_t ms);
/* Commits and waits until all that was appended is synced. False: the process died first. */
bool rig_commit(struct rig *rig);

void rig_append(struct rig *rig, uint64_t key, uint64_t index, uint64_t term, const char *text);
void rig_append_bytes(struct rig *rig, uint64_t key, uint64_t index, uint64_t term, size_t bytes);
/* What was restored of a replica as "term/vote base:term [index:term=text ...]"; until the next. */
const char *rig_restored(struct rig *rig, uint64_t key);

/* Names in the log's directory, sorted, between spaces; until the next call. */
const char *rig_files(struct rig *rig);
size_t rig_count(struct rig *rig, const char *prefix); /* of files so named */
void rig_read(struct rig *rig, const char *name, struct buffer *to);
void rig_write(struct rig *rig, const char *name, struct slice bytes); /* durably */

#endif
