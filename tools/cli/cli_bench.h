/* cli_bench.h: what the files of `millrace bench` share. One thread, one poll(), any number of connections.
 *
 * cli_bench.c        the commands, and what each does in which order
 * cli_bench_plan.c   options and presets
 * cli_bench_topic.c  the topic that is made or used, and its partitions
 * cli_bench_run.c    the course of a run: who sends when, what is counted, the live line
 * cli_bench_read.c   consumers: what they take out of answers, and their runs
 * cli_bench_keys.c   which keys there are, how often, and what that does to partitions
 * cli_bench_conn.c   a connection: requests out of pieces, answers in order
 * cli_bench_make.c   batches and requests
 * cli_bench_check.c  reading back what was acknowledged
 * cli_bench_report.c what is printed at the end
 * cli_bench_plot.c   the course of a run as a picture
 * cli_bench_sweep.c  the same load with more and more partitions, or connections that do nothing
 * cli_bench_group.c  consumer groups: members that join, heartbeats, committed offsets
 * cli_bench_kill.c   a broker that is killed under load, and what it takes to come back
 * cli_bench_self.c   a broker of its own
 *
 * Open loop: requests have times at which they are due, whatever became of the ones before; latency counts from there,
 * so a broker that stalls is not spared the requests it kept waiting. Closed loop (no rate): a connection sends as soon
 * as fewer than --in-flight are unanswered; latency counts from the send.
 *
 * Memory that grows is of MEM_CLI and is given back by bench_conns_close() and bench_slots_free(); the rest is the
 * command's arena. A partition belongs to one connection, so its batches
 * arrive in the order they were sent. */
#ifndef MILLRACE_CLI_BENCH_H
#define MILLRACE_CLI_BENCH_H

#include "core/base/prng.h"
#include "core/proto/kp_header.h"
#include "core/record/rec.h"
#include "tools/cli/cli_histogram.h"
#include "tools/cli/cli_net.h"
#include "tools/cli/cli_topic.h"

#include <sys/types.h>

#define BENCH_SLOTS         16 /* batches that are made ahead and sent in turn */
#define BENCH_IN_FLIGHT_MAX 256
#define BENCH_STAMP_BYTES   16               /* of a record whose way is timed: the run's id, when it was due */
#define BENCH_TOPIC         "millrace-bench" /* made when no other is named */

enum bench_mode {
    BENCH_PRODUCE,
    BENCH_CONSUME,
    BENCH_LATENCY,
    BENCH_MIXED,
    BENCH_PARTITIONS,
    BENCH_CONNECTIONS,
    BENCH_RECOVERY,
    BENCH_GROUPS,
};

struct bench;
struct bench_conn;

struct bench_plan {
    const char    *topic;
    int32_t        partitions; /* of a topic that is made */
    int32_t        connections, in_flight;
    size_t         batch_bytes, record_bytes;
    int64_t        keys;      /* how many there are; 0: records have none */
    double         skew;      /* exponent of Zipf's law; 0: all keys are as frequent */
    int32_t        consumers; /* mixed: connections that read along */
    int32_t        rereaders; /* mixed: connections that read everything again and again */
    enum rec_codec codec;
    int16_t        acks;
    double         requests_per_s; /* 0: closed loop */
    bool           poisson;        /* else at even distances */
    bool           fresh;          /* every batch is made and compressed anew */
    bool           stamped;        /* one record a batch, with the time it was due */
    bool           idempotent;     /* each connection is a producer with an id, batches have sequences */
    double         records_per_s;  /* asked for by a preset, and no other rate; else 0 */
    bool           verify, progress;
    int64_t        warm_ms, duration_ms;
    size_t         fetch_bytes;
    int32_t        passes; /* consume: how often everything is read */
};

/* A partition of the topic. */
struct bench_place {
    int32_t  partition, leader;
    int64_t  from_offset; /* where it ended when the run began; or where reading begins */
    int64_t  next_offset; /* to read */
    int64_t  end_offset;  /* not to read; INT64_MAX: as far as there is something */
    int64_t  high;        /* high watermark of the newest answer; -1: none */
    uint32_t first_slot;
    uint64_t sent, acked; /* batches */
    uint64_t acked_records;
    uint64_t checked_batches, checked_records;
    int64_t  producer_id; /* of its connection; -1: not idempotent */
    int16_t  producer_epoch;
    uint64_t sent_records; /* the next sequence, without its limit of 31 bits */
    int32_t  producer;     /* place of its connection in bench->conns */
    bool     cut;      /* the broker was killed: where it ends is not known, but what stands there is what was sent */
    bool     in_doubt; /* a batch of it was refused or never answered: what stands there cannot be foretold */
};

/* One request on its way. */
struct bench_flight {
    int64_t due_ns;
    size_t  batch_bytes;
    int32_t records;
    int32_t place; /* of Produce */
};

typedef void bench_answer_fn(struct bench_conn *conn, const struct bench_flight *flight, struct view frame);

struct bench_conn {
    struct bench        *bench;
    struct cli_socket    socket;
    int32_t              node;
    int16_t              version; /* of the one API it speaks */
    struct bench_place **places;
    int32_t              place_count, place_at;
    int32_t              passes; /* consume: through its places */
    bench_answer_fn     *answered;
    struct arena         arena; /* of the request that is being sent */
    struct arena         answer_arena;
    /* out */
    const struct view *parts; /* in the arena */
    int32_t            part_count, part_at;
    size_t             part_sent;
    /* in */
    struct bench_flight flights[BENCH_IN_FLIGHT_MAX];
    uint32_t            flight_first, flight_count;
    uint8_t            *in;
    size_t              in_capacity, in_got;
};

struct bench_counts {
    uint64_t requests, batches, records, bytes, errors;
};

/* A second or so of a run. */
struct bench_sample {
    double at_s; /* its end, since the run began */
    double mb_per_s;
    double p50_ms, p99_ms, p999_ms; /* 0: nothing was answered */
};

struct bench {
    struct cli           *cli;
    struct bench_plan     plan;
    enum bench_mode       mode;
    struct bench_place   *places;
    int32_t               place_count;
    uint64_t             *weights; /* of places, each with those before it; NULL: they are served in turn */
    struct bench_place   *picked;  /* by weight: its connection was busy */
    struct bench_conn    *conns;   /* the producers, then the consumers */
    int32_t               producer_count, conn_count, conn_at;
    struct prng           prng;
    struct arena          slot_arenas[BENCH_SLOTS];
    struct view           slots[BENCH_SLOTS];
    int32_t               slot_records[BENCH_SLOTS];
    uint64_t              run_id;
    int64_t               start_ns, measure_ns, end_ns; /* measured from, and to */
    int64_t               next_ns;                      /* the next request is due */
    int64_t               last_ns;                      /* the latest answer that counts */
    struct bench_counts   counts, read;                 /* measured; `read` is what consumers got */
    struct bench_counts   read_measured, reread;        /* mixed: within the measured time */
    struct bench_counts   live_counts;                  /* since the last line */
    int64_t               last_read_ns;
    struct cli_histogram *latency, *way, *live; /* answers; from due to read (stamped); since the last line */
    uint64_t              late;                 /* requests that were sent 1 ms or more after they were due */
    int16_t               first_error;
    bool                  cut;     /* the loop ends at end_ns, whatever is on its way */
    struct bench_sample  *samples; /* for --plot; NULL: none is asked for */
    int32_t               sample_count;
    double                own_cpu_s, broker_cpu_s;
    pid_t                 broker;  /* started by us; 0: none */
    pid_t                 watched; /* whose CPU is reported; 0: none */
    char                 *broker_folder;
    int                   broker_port;
};

/* --- cli_bench.c ------------------------------------------------------------------------------------------------- */

struct bench *bench_new(struct cli *cli, enum bench_mode mode);
/* Options, a broker with --self, batches. */
void bench_start(struct bench *bench);
/* The topic and its places; it is made first but by `consume`. */
void bench_start_topic(struct bench *bench);
/* After the brokers have changed: connections for administration are made anew. */
void bench_client_anew(struct bench *bench);
/* Prints; the exit code. */
int bench_end(struct bench *bench);

int64_t bench_now_ns(void);
int64_t bench_rss_bytes(pid_t pid); /* memory of a process; 0 when it is gone */
double  bench_cpu_s(pid_t pid);     /* of a process, 0 when it is gone; 0: of this one */

/* --- cli_bench_plan.c -------------------------------------------------------------------------------------------- */

void bench_plan_fill(struct bench *bench);
/* Requests a second, when a rate was asked for; the batches are made. */
void bench_plan_rate(struct bench *bench);

/* --- cli_bench_topic.c ------------------------------------------------------------------------------------------- */

void bench_topic_make(struct bench *bench);
/* Waits until every partition has a leader. */
void bench_topic_look(struct bench *bench);
/* bench->places: where each partition begins (`reads`) and ends. */
void bench_topic_places(struct bench *bench, bool reads);
void bench_topic_delete(struct bench *bench);

/* --- cli_bench_keys.c -------------------------------------------------------------------------------------------- */

/* A key's number, from 0; small ones are the frequent ones. */
uint64_t bench_key(struct bench *bench);
/* Its text; the length. */
size_t bench_key_text(uint64_t key, char *out_text, size_t text_bytes);
/* bench->weights: how often Kafka's partitioner would choose each partition for these keys. */
void bench_keys_weigh(struct bench *bench);
/* One of the places, by weight. */
struct bench_place *bench_keys_place(struct bench *bench);

/* --- cli_bench_conn.c -------------------------------------------------------------------------------------------- */

/* One to the broker of the places' leader; ends the process when it cannot be made. */
void bench_conn_open(struct bench_conn *conn, struct bench *bench, int32_t node, int16_t api_key,
                     bench_answer_fn *answered);
/* Connects and asks for versions, as every client does first; blocking. */
MUST_USE bool bench_hello(struct cli *cli, struct cli_socket *socket, const char *host, int32_t port,
                          struct arena *arena, const char **out_why);
/* All of them; nothing may be in flight that somebody waits for. */
void bench_conns_close(struct bench *bench);
bool bench_conn_sending(const struct bench_conn *conn);
/* Begins to send conn->parts, which stay as they are until that is over. */
void bench_conn_send(struct bench_conn *conn, const struct bench_flight *flight);
/* Sends and receives what can be, on all connections; waits until due_ns at most (0: not at all). */
void bench_turn(struct bench *bench, int64_t due_ns);
/* Requests without answer. */
uint32_t bench_waiting(const struct bench *bench);
/* The head of an answer; ends the process when it is none. The reader stands at the body. */
void bench_answer_open(struct bench_conn *conn, int16_t api_key, struct view frame, struct kp_reader *out_reader);

/* --- cli_bench_make.c -------------------------------------------------------------------------------------------- */

/* Writes producer id, epoch and sequence into a copy of a batch's first REC_HEADER_BYTES and corrects the CRC there. */
void bench_stamp_producer(uint8_t *header, size_t batch_bytes, const struct bench_place *place, uint64_t sequence);
void bench_make_slots(struct bench *bench);
void bench_slots_free(struct bench *bench);
/* A request into conn->parts; of the connection's version. Its arena is reset by the caller, before. */
void bench_make_request(struct bench_conn *conn, int16_t api_key, const void *request);
/* A Produce request with the place's next batch into conn->parts. */
void bench_make_produce(struct bench_conn *conn, struct bench_place *place, int64_t due_ns,
                        struct bench_flight *out_flight);
/* A Fetch of all the connection's places. wait_ms: how long the broker may wait for a byte. */
void bench_make_fetch(struct bench_conn *conn, int32_t wait_ms);

/* --- cli_bench_run.c --------------------------------------------------------------------------------------------- */

void bench_run_produce(struct bench *bench);

/* Gives each of the places to one of `count` connections to its leader, from bench->conns[first] on; returns how many
 * were opened. */
int32_t bench_connect(struct bench *bench, struct bench_place *places, int32_t first, int32_t count, int16_t api_key,
                      bench_answer_fn *answered);
void    bench_begin(struct bench *bench);
/* Until everything that was due is sent and answered; `until_read` (may be NULL): and consumers have all of it. */
void bench_loop(struct bench *bench, const char *doing, bool (*until_read)(const struct bench *bench));
/* Opens the producers' connections, all of them from bench->conns[0] on; `more`: room for so many others behind. */
void bench_producers_open(struct bench *bench, int32_t more);
bool bench_sends_more(const struct bench *bench);
/* Counts what is due then? */
bool bench_measures(const struct bench *bench, int64_t due_ns);
void bench_count(struct bench_counts *counts, const struct bench_flight *flight);

/* --- cli_bench_read.c -------------------------------------------------------------------------------------------- */

void bench_run_consume(struct bench *bench);
void bench_run_latency(struct bench *bench);
void bench_run_mixed(struct bench *bench);

/* Walks the answer to a Fetch: moves each place's next_offset behind what came and calls `each` (may be NULL) for the
 * batches. */
typedef void bench_batch_fn(struct bench_conn *conn, struct bench_place *place, const struct rec_batch *batch);
void         bench_take_fetch(struct bench_conn *conn, struct view frame, bench_batch_fn *each);
/* Asks for what is left of the connection's places; nothing when nothing is. */
void bench_fetch(struct bench_conn *conn, int32_t wait_ms);

/* --- cli_bench_check.c ------------------------------------------------------------------------------------------- */

struct bench_check {
    uint64_t batches, records, bytes;
    uint64_t damaged;  /* CRC */
    uint64_t gaps;     /* offsets that do not follow */
    uint64_t strange;  /* not the batch that was sent there */
    uint64_t missing;  /* acknowledged and not there */
    bool     compared; /* content and order were compared, not only counted */
    bool     good;
};
/* Reads everything from from_offset to the end of each partition and holds it against what was sent. */
void bench_check(struct bench *bench, struct bench_check *out_check);

/* --- cli_bench_report.c ------------------------------------------------------------------------------------------ */

double      bench_seconds(const struct bench *bench); /* measured */
const char *bench_limited_by(const struct bench *bench);
int64_t     bench_cpu_ms_per_gib(const struct bench *bench);
/* check: NULL when nothing was read back. */
void bench_report(struct bench *bench, int32_t conn_count, const struct bench_check *check);

/* --- cli_bench_self.c -------------------------------------------------------------------------------------------- */

/* A broker on a free port with its data in a new folder; its address for --brokers. It ends with this process. */
const char *bench_self_start(struct bench *bench);
void        bench_self_stop(struct bench *bench);
/* kill -9. */
void bench_self_kill(struct bench *bench);
/* The same again; returns when it answers. */
void bench_self_again(struct bench *bench);

/* --- cli_bench_plot.c -------------------------------------------------------------------------------------------- */

void bench_plot_begin(struct bench *bench);
/* From the counts since the last line, which took so long. */
void bench_plot_add(struct bench *bench, int64_t now_ns, double seconds);
void bench_plot_write(struct bench *bench);

/* --- cli_bench_sweep.c, cli_bench_kill.c, cli_bench_group.c ------------------------------------------------------ */

int bench_partitions_run(struct cli *cli);
int bench_connections_run(struct cli *cli);
int bench_recovery_run(struct cli *cli);
int bench_groups_run(struct cli *cli);

#endif
