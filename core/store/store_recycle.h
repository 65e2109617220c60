/* store_recycle.h: files that left a log, kept for segments to come. Private to core/store.
 *
 * A durable write into space that was written before takes half the time of one into space that is only reserved,
 * because the file system's map does not change (docs/perf/path.md). So what retention, trims, deletions and compaction
 * leave goes into a directory of spare files, up to options.recycle_bytes, and a log that fills its segments takes its
 * next file from there. Old bytes stay in the file until they are written over; frames are salted with the segment's
 * id, so none of them is ever taken for a new one.
 *
 *   in:  header read, says SEALED -> renamed into the directory, the name durable -> all copies of the header become
 *        FREE, durably -> spare. Until the name is durable the old header stays, and the file is what it was.
 *   out: renamed into the log's directory, the name durable -> two copies become the new header, durably, the third
 * stays FREE and is the next to be written: torn, the file still says that it holds nothing. start: what stands in the
 * directory is taken in anew, since a header that can be read need not be durable, or removed.
 *
 * Nobody reads, writes or holds a file that is offered. Space is the logs': the spare files are removed when the disk
 * gets low, long before anything is refused. */
#ifndef MILLRACE_STORE_RECYCLE_H
#define MILLRACE_STORE_RECYCLE_H

#include "core/store/store_internal.h"

#define STORE_RECYCLE_NAME \
    "~recycled" /* with the mark of what may go: a release that knows no spare files removes it */
#define STORE_RECYCLE_FILES_MAX  1024
#define STORE_RECYCLE_FILE_BYTES ((uint64_t)(64 * KIB)) /* smaller ones are not worth a flush */
#define STORE_RECYCLE_CHECK_NS   (2 * NS_PER_S) /* between looks at the free space, while there are spare files */
#define STORE_RECYCLE_MARGIN     ((uint64_t)(8 * GIB))
#define STORE_RECYCLE_DISK_PART  16 /* of the disk, above free_bytes_min, is free, or there are no spare files */

/* One spare file. */
struct store_spare {
    struct list_node link;
    char            *path;
    uint64_t         bytes;      /* written, headers included; a multiple of the block */
    uint64_t         segment_id; /* of its next life */
    uint64_t         sequence;   /* of its headers, a multiple of their number: the next life's are larger */
};

void store__recycle_create(struct store *store);
void store__recycle_destroy(struct store *store);
/* At opening, before any log: takes in what an earlier run left. */
void store__recycle_adopt(struct store *store);
/* The file at job->path, which nobody uses, has left its log: it becomes a spare file, or is removed. Then the job is
 * resumed. */
void store__recycle_offer(struct store *store, struct store_job *job);
/* A spare file for a segment that is about to be made, or NULL: then an ordinary one is. The caller's. */
struct store_spare *store__recycle_take(const struct store_segment *segment);
void                store__spare_free(struct store_spare *spare);
/* Removes all spare files. False: there were none, and none is on its way out. */
bool store__recycle_empty(struct store *store);
/* Space of spare files, which the disk has back as soon as it is wanted. */
uint64_t store__recycle_held_bytes(const struct store *store);
/* The disk has room for spare files. */
bool store__recycle_fits(const struct store *store, uint64_t free_bytes, uint64_t total_bytes);

#endif
