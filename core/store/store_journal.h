/* store_journal.h: the shard's journal: one pre-written ring file into which the small appends of all logs leave
 * together (D6).
 *
 * Private to core/store. docs/formats/journal.md has the bytes and the recovery rule.
 *
 * Positions are LSNs: bytes of ring space handed out since the ring's generation began; they never repeat within a
 * generation. An entry's lsn is that of the frame that carries it, so entries of one write share it; lsns never fall
 * from one append to the next.
 *
 * Life: create, open (creates the file, or reads it back and replays), reset (starts a new, empty generation; the store
 * calls it once everything replayed is durable in segments), then append/release for as long as it runs, close,
 * destroy.
 *
 * Order: entries gather in memory; each turn of the loop with a free place (STORE_JOURNAL_IN_FLIGHT_MAX writes; the
 * second only for much at once) sends what has gathered as one durable write; done callbacks come in LSN order. Space
 * is used again only below an LSN that a durable frame (or both copies of the ring's header) names as no longer needed:
 * recovery starts at the largest such name, so it never looks for what was overwritten.
 *
 * Failure: a write that fails takes the journal offline: every entry that waits gets ERR_OFFLINE, later appends are
 * refused. Threading: the shard's core. Memory: write buffers from the shard's buf_pool, only while there is something
 * to write. */
#ifndef MILLRACE_STORE_JOURNAL_H
#define MILLRACE_STORE_JOURNAL_H

#include "core/store/store.h"

#define STORE_JOURNAL_BYTES_DEFAULT   ((uint64_t)(64 * MIB))
#define STORE_JOURNAL_BYTES_MIN       ((uint64_t)(128 * KIB))
#define STORE_JOURNAL_FRAME_BYTES_MAX ((size_t)(1 * MIB)) /* one write; smaller in rings below 8 MiB */
#define STORE_JOURNAL_IN_FLIGHT_MAX   2                   /* more would only cut the same bytes into smaller writes */
#define STORE_JOURNAL_FILE_NAME       "journal.ring"

struct store_journal;

/* One append. The struct is the caller's until done; the bytes are copied inside store_journal_append(). */
struct store_journal_entry {
    struct list_node link; /* the journal's until done */
    struct uuid      topic_id;
    int32_t          partition;
    int64_t          first_offset;
    int64_t          last_offset;
    struct view      bytes;                                      /* whole batches, stamped */
    uint64_t         lsn;                                        /* out, set by append */
    void (*done)(struct store_journal_entry *entry, int result); /* ERR_OK: durable; ERR_OFFLINE: unknown */
};

/* What recovery found, in LSN order. */
struct store_journal_record {
    struct uuid topic_id;
    int32_t     partition;
    int64_t     first_offset;
    int64_t     last_offset;
    uint32_t    batch_count;
    uint64_t    lsn;
    struct view bytes; /* whole batches, each CRC checked; valid during the call only */
};

/* Bytes that were acknowledged and cannot be read back. */
struct store_journal_damage {
    uint64_t    lsn;
    uint64_t    file_offset;
    uint64_t    bytes;
    bool        entry_known; /* false: which logs had entries there cannot be told; the next three are unset */
    struct uuid topic_id;
    int32_t     partition;
    int64_t     first_offset;
    int64_t     last_offset;
};

struct store_journal_hooks {
    void *context;
    void (*replay)(void *context, const struct store_journal_record *record);
    /* Already reported to the operator. May be NULL. */
    void (*damage)(void *context, const struct store_journal_damage *damage);
    /* After an append was refused with ERR_NO_SPACE: there is space again. May be NULL. */
    void (*space)(void *context);
};

struct store_journal_stats {
    uint64_t writes, write_bytes, entries; /* completed */
    uint64_t header_writes;
    uint64_t frames_replayed, frames_cut, damaged_ranges; /* by the last open */
};

/* `directory` (copied) exists and is durable. bytes 0: default. Nothing is touched on disk. */
struct store_journal *store_journal_create(struct io_shard *shard, const char *directory,
                                           const struct io_volume *volume, uint64_t bytes);
/* The caller has closed it, or its io is gone (simulated power cut): nothing is written any more. NULL is allowed. */
void store_journal_destroy(struct store_journal *journal);

/* done: ERR_OK; ERR_CORRUPT when damage was reported (what is intact was replayed, reset is allowed); other ERR_:
 * unusable (close, destroy). */
void store_journal_open(struct store_journal *journal, const struct store_journal_hooks *hooks, store_done_fn *done,
                        void *context);
/* Everything replayed is durable elsewhere, and so is every acknowledged append: starts a new generation, empty.
 * Appends are accepted from `done` on. */
void store_journal_reset(struct store_journal *journal, store_done_fn *done, void *context);
/* Writes what has gathered and waits for it. If everything is released the file is marked clean and the next open reads
 * only its header. */
void store_journal_close(struct store_journal *journal, store_done_fn *done, void *context);

/* ERR_OK: entry->lsn is set, done will be called. ERR_NO_SPACE: the ring is full until release (hooks.space tells).
 * ERR_AGAIN: no memory now, or not reset yet. ERR_LIMIT: larger than a frame. ERR_OFFLINE. */
MUST_USE int store_journal_append(struct store_journal *journal, struct store_journal_entry *entry);
/* Sends what has gathered now if a place is free. Not needed for progress: the journal posts itself to the next turn of
 * the loop. */
void store_journal_submit(struct store_journal *journal);
/* Nothing with an lsn below this is needed any more; lsn <= head. */
void store_journal_release(struct store_journal *journal, uint64_t lsn);

/* No later append gets an lsn below this. With no entry in need, release(head) is right. */
uint64_t store_journal_head(const struct store_journal *journal);
/* The oldest lsn still needed, as last released. */
uint64_t store_journal_tail(const struct store_journal *journal);
/* Everything below is durable. */
uint64_t store_journal_durable(const struct store_journal *journal);
uint64_t store_journal_capacity(const struct store_journal *journal);
/* Share of the ring between tail and head in percent: the store drains above a half or so. */
uint32_t store_journal_pressure_percent(const struct store_journal *journal);
/* Opened, and no write has failed. */
/* While it was opened something could not be read (an I/O error, not damage): it must not be reset, since what stands
 * there may be read at the next start. */
bool   store_journal_unreadable(const struct store_journal *journal);
bool   store_journal_online(const struct store_journal *journal);
size_t store_journal_entry_bytes_max(const struct store_journal *journal);
void   store_journal_stats(const struct store_journal *journal, struct store_journal_stats *out_stats);

#endif
