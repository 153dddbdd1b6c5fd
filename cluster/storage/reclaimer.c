#include "storage/reclaimer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <utlist.h>

#include "env/memory.h"
#include "shardfs/error.h"

/* A range [from, to) of full keys. */
struct reclaim {
    struct reclaim *prev, *next;
    struct buffer from, to;
};

struct reclaimer {
    rocksdb_t *db;
    rocksdb_compactoptions_t *options;
    pthread_mutex_t mutex; /* for all that follows */
    pthread_cond_t wake;
    struct reclaim *asked; /* their tombstones may not be flushed */
    struct reclaim *ready;
    bool runs; /* there is a thread */
    bool ends;
    pthread_t thread;
};

static void reclaim_free(struct reclaim *reclaim)
{
    buffer_deinit(&reclaim->from);
    buffer_deinit(&reclaim->to);
    free(reclaim);
}

static void list_free(struct reclaim *list)
{
    struct reclaim *reclaim, *next;
    DL_FOREACH_SAFE(list, reclaim, next)
    {
        reclaim_free(reclaim);
    }
}

struct reclaimer *reclaimer_new(rocksdb_t *db)
{
    struct reclaimer *reclaimer = sf_calloc(1, sizeof *reclaimer);
    reclaimer->db = db;
    reclaimer->options = rocksdb_compactoptions_create();
    /* Other compactions go on meanwhile, or writes would have to wait. */
    rocksdb_compactoptions_set_exclusive_manual_compaction(reclaimer->options, 0);
    pthread_mutex_init(&reclaimer->mutex, NULL);
    pthread_cond_init(&reclaimer->wake, NULL);
    return reclaimer;
}

void reclaimer_free(struct reclaimer *reclaimer)
{
    pthread_mutex_lock(&reclaimer->mutex);
    reclaimer->ends = true;
    pthread_cond_signal(&reclaimer->wake);
    pthread_mutex_unlock(&reclaimer->mutex);
    if (reclaimer->runs) {
        rocksdb_disable_manual_compaction(reclaimer->db);
        pthread_join(reclaimer->thread, NULL);
    }
    list_free(reclaimer->asked);
    list_free(reclaimer->ready);
    rocksdb_compactoptions_destroy(reclaimer->options);
    pthread_cond_destroy(&reclaimer->wake);
    pthread_mutex_destroy(&reclaimer->mutex);
    free(reclaimer);
}

/* The next range, once there is one; NULL: the end. */
static struct reclaim *wait_for_range(struct reclaimer *reclaimer)
{
    pthread_mutex_lock(&reclaimer->mutex);
    while (reclaimer->ready == NULL && !reclaimer->ends)
        pthread_cond_wait(&reclaimer->wake, &reclaimer->mutex);
    struct reclaim *range = reclaimer->ends ? NULL : reclaimer->ready;
    if (range != NULL)
        DL_DELETE(reclaimer->ready, range);
    pthread_mutex_unlock(&reclaimer->mutex);
    return range;
}

static void *run(void *argument)
{
    struct reclaimer *reclaimer = argument;
    struct reclaim *range;
    while ((range = wait_for_range(reclaimer)) != NULL) {
        rocksdb_compact_range_opt(reclaimer->db, reclaimer->options, (const char *)range->from.p,
                                  range->from.n, (const char *)range->to.p, range->to.n);
        reclaim_free(range);
    }
    return NULL;
}

void reclaimer_ask(struct reclaimer *reclaimer, struct slice from, struct slice to)
{
    struct reclaim *range = sf_calloc(1, sizeof *range);
    buffer_set(&range->from, from);
    buffer_set(&range->to, to);
    pthread_mutex_lock(&reclaimer->mutex);
    DL_APPEND(reclaimer->asked, range);
    pthread_mutex_unlock(&reclaimer->mutex);
}

struct reclaim *reclaimer_take(struct reclaimer *reclaimer)
{
    pthread_mutex_lock(&reclaimer->mutex);
    struct reclaim *list = reclaimer->asked;
    reclaimer->asked = NULL;
    pthread_mutex_unlock(&reclaimer->mutex);
    return list;
}

void reclaimer_begin(struct reclaimer *reclaimer, struct reclaim *list, int flushed)
{
    if (list == NULL)
        return;
    pthread_mutex_lock(&reclaimer->mutex);
    if (flushed != SF_OK) {
        DL_CONCAT(reclaimer->asked, list);
    } else {
        DL_CONCAT(reclaimer->ready, list);
        if (!reclaimer->runs)
            reclaimer->runs = pthread_create(&reclaimer->thread, NULL, run, reclaimer) == 0;
        pthread_cond_signal(&reclaimer->wake);
    }
    pthread_mutex_unlock(&reclaimer->mutex);
}
