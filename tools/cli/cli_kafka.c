/* cli_kafka.c: librdkafka, opened when wanted. */
#include "tools/cli/cli_kafka.h"

#include "tools/cli/cli_client.h"

#include <dlfcn.h>
#include <librdkafka/rdkafka.h>

#define HEADERS_MAX   256
#define QUEUE_WAIT_MS 100
#define CLOSE_MS      10000

/* Every function of the library that is used. */
#define KAFKA_FUNCTIONS(ROW)                   \
    ROW(rd_kafka_conf_new)                     \
    ROW(rd_kafka_conf_set)                     \
    ROW(rd_kafka_conf_set_dr_msg_cb)           \
    ROW(rd_kafka_conf_set_opaque)              \
    ROW(rd_kafka_conf_set_error_cb)            \
    ROW(rd_kafka_conf_set_log_cb)              \
    ROW(rd_kafka_new)                          \
    ROW(rd_kafka_destroy)                      \
    ROW(rd_kafka_err2str)                      \
    ROW(rd_kafka_last_error)                   \
    ROW(rd_kafka_poll)                         \
    ROW(rd_kafka_poll_set_consumer)            \
    ROW(rd_kafka_topic_new)                    \
    ROW(rd_kafka_topic_destroy)                \
    ROW(rd_kafka_topic_name)                   \
    ROW(rd_kafka_queue_new)                    \
    ROW(rd_kafka_queue_destroy)                \
    ROW(rd_kafka_consume_start_queue)          \
    ROW(rd_kafka_consume_queue)                \
    ROW(rd_kafka_consume_stop)                 \
    ROW(rd_kafka_subscribe)                    \
    ROW(rd_kafka_assignment)                   \
    ROW(rd_kafka_consumer_poll)                \
    ROW(rd_kafka_consumer_close)               \
    ROW(rd_kafka_offset_store)                 \
    ROW(rd_kafka_message_destroy)              \
    ROW(rd_kafka_message_timestamp)            \
    ROW(rd_kafka_message_headers)              \
    ROW(rd_kafka_header_get_all)               \
    ROW(rd_kafka_headers_new)                  \
    ROW(rd_kafka_headers_destroy)              \
    ROW(rd_kafka_header_add)                   \
    ROW(rd_kafka_topic_partition_list_new)     \
    ROW(rd_kafka_topic_partition_list_add)     \
    ROW(rd_kafka_topic_partition_list_destroy) \
    ROW(rd_kafka_produceva)                    \
    ROW(rd_kafka_error_code)                   \
    ROW(rd_kafka_error_string)                 \
    ROW(rd_kafka_error_destroy)                \
    ROW(rd_kafka_flush)                        \
    ROW(rd_kafka_purge)                        \
    ROW(rd_kafka_init_transactions)            \
    ROW(rd_kafka_begin_transaction)            \
    ROW(rd_kafka_commit_transaction)           \
    ROW(rd_kafka_abort_transaction)

#define MEMBER(name) __typeof__(&name) name;
static struct {
    void *library;
    KAFKA_FUNCTIONS(MEMBER)
} kafka;
#undef MEMBER

static void kafka_find(struct cli *cli, const char *name, void *out_function)
{
    void *symbol = dlsym(kafka.library, name);

    if (symbol == NULL) {
        cli_die(cli, CLI_FAILED, "this librdkafka is too old: it has no %s; 2.0 or later is wanted", name);
    }
    memcpy(out_function, &symbol, sizeof(symbol)); /* a function's address in a void pointer, as POSIX has it */
}

static void kafka_open(struct cli *cli)
{
    if (kafka.library != NULL) {
        return;
    }
    kafka.library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
    if (kafka.library == NULL) {
        cli_die(cli, CLI_FAILED, "produce and consume need librdkafka; on Debian: apt install librdkafka1 (%s)",
                dlerror());
    }
#define FIND(name) kafka_find(cli, #name, (void *)&kafka.name);
    KAFKA_FUNCTIONS(FIND)
#undef FIND
}

/* --- settings ---------------------------------------------------------------------------------------------------- */

/* librdkafka's log lines are for its debug settings; what matters comes as errors. */
static void kafka_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    if (level >= 7) {
        (void)fprintf(stderr, "librdkafka %s: %s\n", facility, text);
    }
}

static rd_kafka_conf_t *kafka_conf(struct cli *cli, const struct cli_setting *settings, size_t count)
{
    rd_kafka_conf_t *conf = kafka.rd_kafka_conf_new();
    char             why[256];

    for (size_t i = 0; i < count; i++) {
        if (kafka.rd_kafka_conf_set(conf, settings[i].name, settings[i].value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
            cli_die(cli, CLI_USAGE, "-X %s=%s: %s", settings[i].name, settings[i].value, why);
        }
    }
    if (kafka.rd_kafka_conf_set(conf, "bootstrap.servers", cli_brokers(cli), why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        cli_die(cli, CLI_USAGE, "-b %s: %s", cli_brokers(cli), why);
    }
    kafka.rd_kafka_conf_set_log_cb(conf, kafka_log);
    return conf;
}

static rd_kafka_t *kafka_new(struct cli *cli, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char        why[256];
    rd_kafka_t *handle = kafka.rd_kafka_new(type, conf, why, sizeof(why));

    if (handle == NULL) {
        cli_die(cli, CLI_USAGE, "%s", why);
    }
    return handle;
}

/* --- consuming --------------------------------------------------------------------------------------------------- */

struct consumer_topic {
    struct consumer_topic *next;
    rd_kafka_topic_t      *topic;
};

struct consumer_part {
    struct consumer_part *next;
    rd_kafka_topic_t     *topic;
    int32_t               partition;
};

struct cli_consumer {
    rd_kafka_t              *handle;
    rd_kafka_queue_t        *queue; /* without a group */
    rd_kafka_message_t      *message;
    struct consumer_topic   *topics;
    struct consumer_part    *parts;
    struct cli_record_header headers[HEADERS_MAX];
    char                     why[256];
    bool                     unreachable;
};

static void consumer_error(rd_kafka_t *handle, int error, const char *reason, void *opaque)
{
    struct cli_consumer *consumer = opaque;

    (void)handle;
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        consumer->unreachable = true;
        (void)snprintf(consumer->why, sizeof(consumer->why), "%s", reason);
    }
}

struct cli_consumer *cli_consumer_open(struct cli *cli, const char *group, const struct cli_setting *settings,
                                       size_t setting_count)
{
    struct cli_consumer *consumer = cli_alloc(cli, sizeof(*consumer));
    rd_kafka_conf_t     *conf;
    char                 why[256];

    kafka_open(cli);
    conf = kafka_conf(cli, settings, setting_count);
    kafka.rd_kafka_conf_set_opaque(conf, consumer);
    kafka.rd_kafka_conf_set_error_cb(conf, consumer_error);
    (void)kafka.rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
    if (group != NULL) {
        (void)kafka.rd_kafka_conf_set(conf, "group.id", group, why, sizeof(why));
        (void)kafka.rd_kafka_conf_set(conf, "enable.auto.offset.store", "false", why, sizeof(why));
    }
    consumer->handle = kafka_new(cli, RD_KAFKA_CONSUMER, conf);
    if (group == NULL) {
        consumer->queue = kafka.rd_kafka_queue_new(consumer->handle);
    } else {
        (void)kafka.rd_kafka_poll_set_consumer(consumer->handle);
    }
    return consumer;
}

static rd_kafka_topic_t *consumer_topic(struct cli *cli, struct cli_consumer *consumer, const char *name)
{
    struct consumer_topic *topic;

    for (topic = consumer->topics; topic != NULL; topic = topic->next) {
        if (strcmp(kafka.rd_kafka_topic_name(topic->topic), name) == 0) {
            return topic->topic;
        }
    }
    topic = cli_alloc(cli, sizeof(*topic));
    topic->topic = kafka.rd_kafka_topic_new(consumer->handle, name, NULL);
    topic->next = consumer->topics;
    consumer->topics = topic;
    return topic->topic;
}

void cli_consumer_add(struct cli *cli, struct cli_consumer *consumer, const char *topic, int32_t partition,
                      int64_t offset)
{
    rd_kafka_topic_t     *handle = consumer_topic(cli, consumer, topic);
    struct consumer_part *part = cli_alloc(cli, sizeof(*part));

    if (handle == NULL || kafka.rd_kafka_consume_start_queue(handle, partition, offset, consumer->queue) != 0) {
        cli_die(cli, CLI_FAILED, "cannot read %s [%d]: %s", topic, partition,
                kafka.rd_kafka_err2str(kafka.rd_kafka_last_error()));
    }
    *part = (struct consumer_part){.next = consumer->parts, .topic = handle, .partition = partition};
    consumer->parts = part;
}

void cli_consumer_subscribe(struct cli *cli, struct cli_consumer *consumer, const char *const *topics, int count)
{
    rd_kafka_topic_partition_list_t *list = kafka.rd_kafka_topic_partition_list_new(count);
    rd_kafka_resp_err_t              error;

    for (int i = 0; i < count; i++) {
        (void)kafka.rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    }
    error = kafka.rd_kafka_subscribe(consumer->handle, list);
    kafka.rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        cli_die(cli, CLI_REFUSED, "cannot subscribe: %s", kafka.rd_kafka_err2str(error));
    }
}

int cli_consumer_assigned(struct cli_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    int                              count = 0;

    if (kafka.rd_kafka_assignment(consumer->handle, &list) == RD_KAFKA_RESP_ERR_NO_ERROR && list != NULL) {
        count = list->cnt;
        kafka.rd_kafka_topic_partition_list_destroy(list);
    }
    return count;
}

static void consumer_headers(struct cli_consumer *consumer, struct cli_record_view *out_record)
{
    rd_kafka_headers_t *headers = NULL;
    const char         *name;
    const void         *value;
    size_t              len;

    out_record->headers = consumer->headers;
    out_record->header_count = 0;
    if (kafka.rd_kafka_message_headers(consumer->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    while (out_record->header_count < HEADERS_MAX &&
           kafka.rd_kafka_header_get_all(headers, out_record->header_count, &name, &value, &len) ==
               RD_KAFKA_RESP_ERR_NO_ERROR) {
        consumer->headers[out_record->header_count].name = view_text(name);
        consumer->headers[out_record->header_count].value = view_of(value, value == NULL ? 0 : len);
        out_record->header_count++;
    }
}

static enum cli_polled consumer_message(struct cli_consumer *consumer, struct cli_record_view *out_record,
                                        const char **out_why, bool *out_fatal)
{
    rd_kafka_message_t       *message = consumer->message;
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;

    if (message->rkt != NULL) {
        out_record->topic = view_text(kafka.rd_kafka_topic_name(message->rkt));
    }
    out_record->partition = message->partition;
    out_record->offset = message->offset;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return CLI_POLLED_END;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(consumer->why, sizeof(consumer->why), "%s",
                       message->payload != NULL ? (const char *)message->payload
                                                : kafka.rd_kafka_err2str(message->err));
        *out_why = consumer->why;
        *out_fatal = message->err > 0 || message->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                     message->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || message->err == RD_KAFKA_RESP_ERR__FATAL;
        return CLI_POLLED_ERROR;
    }
    out_record->key = view_of(message->key, message->key == NULL ? 0 : message->key_len);
    out_record->value = view_of(message->payload, message->payload == NULL ? 0 : message->len);
    out_record->timestamp_ms = kafka.rd_kafka_message_timestamp(message, &type);
    consumer_headers(consumer, out_record);
    return CLI_POLLED_RECORD;
}

enum cli_polled cli_consumer_poll(struct cli_consumer *consumer, int timeout_ms, struct cli_record_view *out_record,
                                  const char **out_why, bool *out_fatal)
{
    *out_record = (struct cli_record_view){0};
    *out_fatal = false;
    if (consumer->message != NULL) {
        kafka.rd_kafka_message_destroy(consumer->message);
    }
    if (consumer->queue != NULL) {
        consumer->message = kafka.rd_kafka_consume_queue(consumer->queue, timeout_ms);
        if (consumer->message == NULL) {
            (void)kafka.rd_kafka_poll(consumer->handle, 0);
        }
    } else {
        consumer->message = kafka.rd_kafka_consumer_poll(consumer->handle, timeout_ms);
    }
    if (consumer->message != NULL) {
        return consumer_message(consumer, out_record, out_why, out_fatal);
    }
    if (consumer->unreachable) {
        consumer->unreachable = false;
        *out_why = consumer->why;
        return CLI_POLLED_DOWN;
    }
    return CLI_POLLED_NOTHING;
}

void cli_consumer_done(struct cli_consumer *consumer)
{
    if (consumer->queue == NULL && consumer->message != NULL) {
        (void)kafka.rd_kafka_offset_store(consumer->message->rkt, consumer->message->partition,
                                          consumer->message->offset);
    }
}

void cli_consumer_close(struct cli_consumer *consumer)
{
    if (consumer->message != NULL) {
        kafka.rd_kafka_message_destroy(consumer->message);
        consumer->message = NULL;
    }
    if (consumer->queue == NULL) {
        (void)kafka.rd_kafka_consumer_close(consumer->handle);
    }
    for (struct consumer_part *part = consumer->parts; part != NULL; part = part->next) {
        (void)kafka.rd_kafka_consume_stop(part->topic, part->partition);
    }
    for (struct consumer_topic *topic = consumer->topics; topic != NULL; topic = topic->next) {
        kafka.rd_kafka_topic_destroy(topic->topic);
    }
    if (consumer->queue != NULL) {
        kafka.rd_kafka_queue_destroy(consumer->queue);
    }
    kafka.rd_kafka_destroy(consumer->handle);
}

/* --- producing --------------------------------------------------------------------------------------------------- */

struct cli_producer {
    rd_kafka_t       *handle;
    struct cli_counts counts;
    char              why[256];
    void (*shown)(const char *topic, int32_t partition, int64_t offset);
};

static void producer_count_failure(struct cli_producer *producer, rd_kafka_resp_err_t error)
{
    if (producer->counts.failed == 0) {
        producer->counts.error = (int16_t)error;
        (void)snprintf(producer->counts.why, sizeof(producer->counts.why), "%s", kafka.rd_kafka_err2str(error));
    }
    producer->counts.failed++;
}

static void producer_delivered(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct cli_producer *producer = opaque;

    (void)handle;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        producer_count_failure(producer, message->err);
        return;
    }
    producer->counts.delivered++;
    if (producer->shown != NULL) {
        producer->shown(kafka.rd_kafka_topic_name(message->rkt), message->partition, message->offset);
    }
}

struct cli_producer *cli_producer_open(struct cli *cli, const struct cli_setting *settings, size_t setting_count)
{
    struct cli_producer *producer = cli_alloc(cli, sizeof(*producer));
    rd_kafka_conf_t     *conf;

    kafka_open(cli);
    conf = kafka_conf(cli, settings, setting_count);
    kafka.rd_kafka_conf_set_opaque(conf, producer);
    kafka.rd_kafka_conf_set_dr_msg_cb(conf, producer_delivered);
    producer->handle = kafka_new(cli, RD_KAFKA_PRODUCER, conf);
    return producer;
}

static rd_kafka_headers_t *producer_headers(const struct cli_record_header *headers, size_t count)
{
    rd_kafka_headers_t *list = kafka.rd_kafka_headers_new(count);

    for (size_t i = 0; i < count; i++) {
        (void)kafka.rd_kafka_header_add(list, (const char *)headers[i].name.base, (ssize_t)headers[i].name.len,
                                        headers[i].value.base, (ssize_t)headers[i].value.len);
    }
    return list;
}

bool cli_producer_send(struct cli_producer *producer, const char *topic, int32_t partition,
                       const struct cli_record_view *record)
{
    /* The library copies but does not say const. */
    union {
        const uint8_t *given;
        void          *wanted;
    } key = {.given = record->key.base}, value = {.given = record->value.base};
    size_t        header_count = record->header_count;
    rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = key.wanted, .size = record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = value.wanted, .size = record->value.len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = MAX(record->timestamp_ms, 0)}, /* 0: now */
        {.vtype = RD_KAFKA_VTYPE_HEADERS},
    };
    size_t              field_count = COUNT_OF(fields) - (header_count == 0 ? 1 : 0);
    rd_kafka_resp_err_t error;

    for (;;) {
        rd_kafka_error_t *failure;

        if (header_count > 0) {
            fields[COUNT_OF(fields) - 1].u.headers = producer_headers(record->headers, header_count);
        }
        failure = kafka.rd_kafka_produceva(producer->handle, fields, field_count);
        if (failure == NULL) {
            producer->counts.sent++;
            return true;
        }
        error = kafka.rd_kafka_error_code(failure);
        kafka.rd_kafka_error_destroy(failure);
        if (header_count > 0) {
            kafka.rd_kafka_headers_destroy(fields[COUNT_OF(fields) - 1].u.headers); /* ours again after a failure */
        }
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL || cli_stop_asked != 0) {
            break;
        }
        (void)kafka.rd_kafka_poll(producer->handle, QUEUE_WAIT_MS);
    }
    producer->counts.sent++;
    producer_count_failure(producer, error);
    return false;
}

void cli_producer_poll(struct cli_producer *producer)
{
    (void)kafka.rd_kafka_poll(producer->handle, 0);
}

void cli_producer_flush(struct cli_producer *producer, int timeout_ms)
{
    struct cli_counts *counts = &producer->counts;

    (void)kafka.rd_kafka_flush(producer->handle, timeout_ms);
    if (counts->delivered + counts->failed < counts->sent) {
        (void)kafka.rd_kafka_purge(producer->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)kafka.rd_kafka_flush(producer->handle, CLOSE_MS);
    }
}

const struct cli_counts *cli_producer_counts(const struct cli_producer *producer)
{
    return &producer->counts;
}

void cli_producer_tell(struct cli_producer *producer,
                       void (*shown)(const char *topic, int32_t partition, int64_t offset))
{
    producer->shown = shown;
}

static const char *producer_why(struct cli_producer *producer, rd_kafka_error_t *error)
{
    if (error == NULL) {
        return NULL;
    }
    (void)snprintf(producer->why, sizeof(producer->why), "%s", kafka.rd_kafka_error_string(error));
    kafka.rd_kafka_error_destroy(error);
    return producer->why;
}

const char *cli_producer_begin(struct cli_producer *producer, int timeout_ms)
{
    const char *why = producer_why(producer, kafka.rd_kafka_init_transactions(producer->handle, timeout_ms));

    return why != NULL ? why : producer_why(producer, kafka.rd_kafka_begin_transaction(producer->handle));
}

const char *cli_producer_commit(struct cli_producer *producer, int timeout_ms)
{
    return producer_why(producer, kafka.rd_kafka_commit_transaction(producer->handle, timeout_ms));
}

const char *cli_producer_abort(struct cli_producer *producer, int timeout_ms)
{
    return producer_why(producer, kafka.rd_kafka_abort_transaction(producer->handle, timeout_ms));
}

void cli_producer_close(struct cli_producer *producer)
{
    kafka.rd_kafka_destroy(producer->handle);
}
