#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

static void drop_from(struct disk *disk, uint64_t index)
{
    while (disk->entry_count > 0 && disk_last(disk) >= index)
        payload_unref(disk->entries[--disk->entry_count].payload);
}

/* A new entry takes the place of one that is there; what follows stays. */
static void replace(struct disk *disk, const struct entry *entry)
{
    struct entry *held = &disk->entries[entry->index - disk->base_index - 1];
    payload_unref(held->payload);
    *held = *entry;
    payload_ref(held->payload);
}

static void append(struct disk *disk, const struct entry *entry)
{
    sf_assert(entry->index > disk->base_index && entry->index <= disk_last(disk) + 1);
    if (entry->index <= disk_last(disk)) {
        replace(disk, entry);
        return;
    }
    if (disk->entry_count == disk->entry_cap) {
        disk->entry_cap = disk->entry_cap == 0 ? 16 : disk->entry_cap * 2;
        disk->entries = sf_realloc(disk->entries, disk->entry_cap * sizeof(*disk->entries));
    }
    disk->entries[disk->entry_count] = *entry;
    payload_ref(entry->payload);
    disk->entry_count++;
}

void disk_record_deinit(struct disk_record *record)
{
    for (size_t i = 0; i < record->entry_count; i++)
        payload_unref(record->entries[i].payload);
    for (size_t i = 0; i < record->message_count; i++)
        consensus_msg_deinit(&record->messages[i]);
    free(record->entries);
    free(record->messages);
    *record = (struct disk_record){0};
}

void disk_deinit(struct disk *disk)
{
    disk_crash(disk);
    drop_from(disk, 0);
    free(disk->entries);
    free(disk->records);
    *disk = (struct disk){0};
}

void disk_write(struct disk *disk, const struct disk_record *record)
{
    if (disk->record_count == disk->record_cap) {
        disk->record_cap = disk->record_cap == 0 ? 8 : disk->record_cap * 2;
        disk->records = sf_realloc(disk->records, disk->record_cap * sizeof(*disk->records));
    }
    disk->records[disk->record_count++] = *record;
}

bool disk_sync(struct disk *disk, struct disk_record *out)
{
    if (disk->record_count == 0)
        return false;
    *out = disk->records[0];
    disk->record_count--;
    memmove(disk->records, disk->records + 1, disk->record_count * sizeof(*disk->records));
    if (out->hard_state_changed)
        disk->hard_state = out->hard_state;
    if (out->truncate_from != 0)
        drop_from(disk, out->truncate_from);
    for (size_t i = 0; i < out->entry_count; i++)
        append(disk, &out->entries[i]);
    return true;
}

void disk_crash(struct disk *disk)
{
    for (size_t i = 0; i < disk->record_count; i++)
        disk_record_deinit(&disk->records[i]);
    disk->record_count = 0;
}

void disk_cut(struct disk *disk, uint64_t index, uint64_t term)
{
    if (index <= disk->base_index)
        return;
    size_t dropped = (size_t)(index - disk->base_index);
    sf_assert(dropped <= disk->entry_count);
    disk->base_term = term;
    disk->base_index = index;
    for (size_t i = 0; i < dropped; i++)
        payload_unref(disk->entries[i].payload);
    disk->entry_count -= dropped;
    memmove(disk->entries, disk->entries + dropped, disk->entry_count * sizeof(*disk->entries));
}

void disk_reset(struct disk *disk, uint64_t index, uint64_t term)
{
    drop_from(disk, 0);
    disk->base_index = index;
    disk->base_term = term;
}

uint64_t disk_last(const struct disk *disk)
{
    return disk->base_index + disk->entry_count;
}

const struct entry *disk_find(const struct disk *disk, uint64_t index)
{
    if (index <= disk->base_index || index > disk_last(disk))
        return NULL;
    return &disk->entries[index - disk->base_index - 1];
}

bool disk_term_at(const struct disk *disk, uint64_t index, uint64_t *term)
{
    if (index < disk->base_index || index > disk_last(disk))
        return false;
    *term = index == disk->base_index ? disk->base_term
                                      : disk->entries[index - disk->base_index - 1].term;
    return true;
}
