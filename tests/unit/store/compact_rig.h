/* compact_rig.h: a log of keyed records with producers and transactions, and a model that knows what a reader of it
 * must find, however often it was compacted, stopped and opened again. On store_rig's machine. */
#ifndef MILLRACE_TESTS_COMPACT_RIG_H
#define MILLRACE_TESTS_COMPACT_RIG_H

#include "tests/unit/store/store_rig.h"

#include "core/store/store_compact.h"

#define KEYED_RECORDS_MAX   20000
#define KEYED_PRODUCERS_MAX 8
#define KEYED_KEYS_MAX      400
#define KEYED_TEXT_BYTES    64
#define KEYED_TOMBSTONE     (-1)
#define KEYED_CONTROL       (-2)

/* One offset of the log. */
struct keyed_record {
    int32_t key;   /* KEYED_CONTROL: a marker */
    int32_t value; /* or KEYED_TOMBSTONE */
    int64_t batch; /* base offset of its batch */
    int64_t timestamp_ms;
    int32_t sequence;
    int8_t  producer; /* -1 none */
    bool    txn;
    bool    aborted;
};

struct keyed_producer {
    int64_t id;
    int32_t next_sequence;
    int64_t last_data; /* last offset of its newest batch of data; -1 none */
    int64_t txn_first; /* -1: no transaction is open */
};

/* A transaction whose marker is not durable yet holds back as an open one does. */
struct keyed_closing {
    int64_t first_offset, marker_offset;
};

struct keyed_append {
    struct store_append append;
    struct keyed_log   *keyed;
};

struct keyed_log {
    struct store_log             *log;
    const char                   *topic;
    struct store_policy           policy;
    struct prng                   prng;
    struct keyed_record          *records; /* by offset */
    int64_t                       end;     /* what was appended */
    int64_t                       acked;   /* and is durable */
    struct keyed_producer         producers[KEYED_PRODUCERS_MAX];
    struct store_aborted          aborted[KEYED_RECORDS_MAX / 8];
    size_t                        aborted_count;
    struct keyed_closing          closing[256];
    size_t                        closing_count;
    struct keyed_append           appends[KEYED_RECORDS_MAX];
    size_t                        append_count;
    uint32_t                      keys; /* number of different ones */
    enum rec_codec                codec;
    int64_t                       state_end;
    uint64_t                      replayed;
    int64_t                       forgotten; /* aborted transactions */
    int                           open_result;
    bool                          opened, offline, hooked;
    struct store_compact_settings settings;
    /* what the last keyed_verify() saw */
    int64_t seen_records, seen_tombstones, seen_markers, seen_empty, seen_aborted;
};

void keyed_init(struct keyed_log *keyed, const char *topic, uint64_t seed);
void keyed_free(struct keyed_log *keyed);
int  keyed_open(struct keyed_log *keyed);
/* Forgets in the model what the log lost that was not acknowledged; after opening. */
void keyed_cut(struct keyed_log *keyed);
/* The machine is down, or the log offline: nothing is appended any more. */
bool keyed_dead(const struct keyed_log *keyed);
/* One batch. producer -1: none; txn: as part of a transaction. values: NULL is random, tombstones included. */
void keyed_append(struct keyed_log *keyed, int producer, bool txn, int32_t records, const int32_t *keys,
                  const int32_t *values);
void keyed_marker(struct keyed_log *keyed, int producer, bool commit);
/* Batches of all sorts, by the seed. */
void keyed_load(struct keyed_log *keyed, int batches);
/* Until everything is durable or the log went offline. */
void keyed_settle(struct keyed_log *keyed);
/* Settings as below, and lets it work until nothing is left to do. */
void keyed_compact(struct keyed_log *keyed);
/* Reads all of the log and holds it against the model. */
void keyed_verify(struct keyed_log *keyed);
/* Below the first dirty offset no key stands twice. */
void keyed_verify_clean(struct keyed_log *keyed);

/* What key and value of these numbers look like. */
struct view keyed_key_text(int32_t key, char text[KEYED_TEXT_BYTES]);
struct view keyed_value_text(int32_t value, char text[KEYED_TEXT_BYTES]);

#endif
