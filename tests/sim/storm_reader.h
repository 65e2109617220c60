/* storm_reader.h: what a client takes from answers to Fetch when it wants committed records only: records of a producer
 * are skipped from the first offset of its aborted transaction on, until its abort marker. */
#ifndef MILLRACE_TESTS_SIM_STORM_READER_H
#define MILLRACE_TESTS_SIM_STORM_READER_H

#include "core/proto/kp_messages.h"
#include "core/record/rec.h"
#include "tests/sim/storm_voice.h"

#define STORM_READER_SKIPPED_MAX 64

/* One partition, from its beginning. The first six members are the storm's to set. */
struct storm_reader {
    struct storm_voice *voice;
    const char         *topic;
    int32_t             partition;
    bool                is_blind; /* takes aborted records as well: a planted fault */
    void (*take)(void *context, int32_t partition, const struct rec_record *record);
    void    *context;
    uint64_t aborted_batches;                   /* that came, blind or not */
    int64_t  skipped[STORM_READER_SKIPPED_MAX]; /* producers */
    uint32_t skipped_count;
};

/* Takes the records at `*offset` and behind; it ends behind the last. What is damaged is a failure of the storm. */
void storm_reader_read(struct storm_reader *reader, const struct kp_fetch_response_responses_partitions *answer,
                       int64_t *offset);

#endif
