/* cli_kafka.h: the only door to librdkafka, for produce and consume.
 *
 * The library is opened when the first of these is called: the broker and the other commands never load it. When it is
 * missing the process ends with the package to install.
 *
 * Consumers: either partitions with offsets (no group, nothing is committed), or topics of a group. A message is valid
 * until the next poll. Producers: records are copied; answers are counted while cli_producer_*() runs.
 * One thread of ours; the library has its own. Settings are librdkafka's names. */
#ifndef MILLRACE_CLI_KAFKA_H
#define MILLRACE_CLI_KAFKA_H

#include "tools/cli/cli_template.h"

struct cli_setting {
    const char *name, *value;
};

/* --- consuming --------------------------------------------------------------------------------------------------- */

struct cli_consumer;

enum cli_polled {
    CLI_POLLED_NOTHING, /* time is up */
    CLI_POLLED_RECORD,
    CLI_POLLED_END, /* record->topic, partition and offset: nothing is behind it now */
    CLI_POLLED_ERROR,
    CLI_POLLED_DOWN, /* no broker can be reached at the moment */
};

/* group NULL: partitions are added one by one. Ends the process when a setting is wrong. */
struct cli_consumer *cli_consumer_open(struct cli *cli, const char *group, const struct cli_setting *settings,
                                       size_t setting_count);
void cli_consumer_add(struct cli *cli, struct cli_consumer *consumer, const char *topic, int32_t partition,
                      int64_t offset);
void cli_consumer_subscribe(struct cli *cli, struct cli_consumer *consumer, const char *const *topics,
                            int count); /* With a group: how many partitions we have now. */
int  cli_consumer_assigned(struct cli_consumer *consumer);

/* out_why: for CLI_POLLED_ERROR; *out_fatal: it will not get better. */
enum cli_polled cli_consumer_poll(struct cli_consumer *consumer, int timeout_ms, struct cli_record_view *out_record,
                                  const char **out_why, bool *out_fatal);
/* This record has been dealt with: its group's position is behind it. */
void cli_consumer_done(struct cli_consumer *consumer);
/* Commits (with a group) and leaves. */
void cli_consumer_close(struct cli_consumer *consumer);

/* --- producing --------------------------------------------------------------------------------------------------- */

struct cli_producer;

struct cli_counts {
    uint64_t sent, delivered, failed;
    int16_t  error; /* Kafka's code of the first failure; librdkafka's own are negative */
    char     why[256];
};

struct cli_producer *cli_producer_open(struct cli *cli, const struct cli_setting *settings, size_t setting_count);
/* Key, value, headers and timestamp (-1: now) of the record; partition -1: by key. Waits while the queue is full.
 * False: the record was refused at once (counted). */
bool cli_producer_send(struct cli_producer *producer, const char *topic, int32_t partition,
                       const struct cli_record_view *record);
/* Looks for answers. */
void cli_producer_poll(struct cli_producer *producer);
/* Waits until all have an answer, at most so long; then counts the rest as failed. */
void                     cli_producer_flush(struct cli_producer *producer, int timeout_ms);
const struct cli_counts *cli_producer_counts(const struct cli_producer *producer);
/* shown is called for each delivered record, when set. */
void cli_producer_tell(struct cli_producer *producer,
                       void (*shown)(const char *topic, int32_t partition, int64_t offset));
/* NULL: done; else why not. */
const char *cli_producer_begin(struct cli_producer *producer, int timeout_ms);
const char *cli_producer_commit(struct cli_producer *producer, int timeout_ms);
const char *cli_producer_abort(struct cli_producer *producer, int timeout_ms);
void        cli_producer_close(struct cli_producer *producer);

#endif
