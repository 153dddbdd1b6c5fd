/* wal_tend: what the log does when there is time, a step each turn of a timer. */
#ifndef STORAGE_WAL_TEND_H
#define STORAGE_WAL_TEND_H

#include "storage/wal_state.h"

/* Something may have to be done: arms the timer if so. */
void wal_tend_arm(struct wal *wal);
void wal_tend_fire(struct env_timer *timer); /* on_fire of wal.tend */

#endif
