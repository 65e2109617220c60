/* storm.h: one store on a simulated machine, driven by a seeded load, cut, brought back and compared with a model.
 *
 * A storm is a world with one host, one core, one shard, one store and a few logs of different policies. storm_boot()
 * starts the "process", storm_load() makes it work, storm_verify() reads everything back, storm_halt() stops it
 * cleanly, storm_abandon() buries it after a power cut. The first thing found wrong is kept as text; everything after
 * that is a no-op. */
#ifndef MILLRACE_TESTS_SIM_STORM_H
#define MILLRACE_TESTS_SIM_STORM_H

#include "io/io_file.h"
#include "io/sim/sim.h"
#include "tests/sim/sim_model.h"

#define STORM_LOGS         4
#define STORM_SAMPLES      512
#define STORM_FLUSH_MS     200 /* flush.ms of the weak logs */
#define STORM_FAILURE_TEXT 512
#define STORM_DIRECTORY    "data/shard-0"

struct storm;

/* When the acknowledged end of a log with a weaker policy moved. */
struct storm_sample {
    int64_t at_ns;
    int64_t acked_end;
};

struct storm_log {
    struct storm       *storm;
    uint32_t            index;
    struct store_log   *log; /* NULL: not open */
    struct model_log    model;
    struct model_fold   fold; /* what the hooks tell */
    bool                weak; /* flush.messages / flush.ms instead of durable before acknowledged */
    bool                opening;
    bool                trimming;
    bool                closing;
    int                 open_result;
    int64_t             trim_offset;
    int64_t             shown_end; /* the durable end since it was opened */
    int64_t             mark; /* run_rot: acknowledged before some later append was submitted; -1: no such append */
    struct storm_sample samples[STORM_SAMPLES]; /* weak: the latest, as a ring */
    uint64_t            sample_count;
};

extern bool storm_plant; /* options.plant of the storm that runs */

struct storm_options {
    uint64_t seed;
    bool     weak_logs;      /* some logs have a weaker policy */
    bool     retention;      /* small segments are deleted by size */
    bool     reuse;          /* the same, often, and their files become those of new segments */
    bool     start_doubtful; /* a start whose write failed may be read back, believed, and be gone after a power cut */
    bool     swarm;          /* odd settings of the world */
    bool     by_point;       /* one seed of the case is hundreds of runs */
    bool     damage_known;   /* the case damages files itself: reports of damage are no failure */
    bool     verbose;
    bool     trace;
    bool     early_acks;     /* self-test: every append counts as acknowledged at once */
    bool     writes_lie;     /* self-test: the device does not honour durable writes */
    bool     syncs_lie;      /* self-test: nor flushes */
    bool     flush_never;    /* self-test: weak logs are not flushed by time or count */
    bool     plant;          /* self-test: spare files do not say so (storm_plant.c) */
    bool     weak_is_strong; /* self-test: the oracle takes a weaker policy for a promise */
    uint32_t in_flight_min;  /* appends waiting at a time, once the load has begun */
    uint32_t in_flight_max;
};

struct storm {
    struct storm_options options;
    struct sim_options   world;
    struct sim          *sim;
    struct prng          prng;
    struct arena         arena;
    struct io           *io; /* NULL: the machine is off */
    struct io_host      *host;
    struct io_core      *core;
    struct io_shard     *shard;
    struct store        *store;
    struct storm_log     logs[STORM_LOGS];
    bool                 store_opening;
    bool                 trouble; /* the case injects errors: what does not open now may open later */
    int                  store_result;
    int64_t              off_ns;                      /* when the power went off */
    struct list_node     appends;                     /* not answered yet */
    uint64_t             in_flight;                   /* appends not answered yet */
    uint64_t             acked_count;                 /* over the whole storm */
    int                  refusal;                     /* the last reason */
    uint64_t             refused_count;               /* reserve said no */
    uint64_t             failed_count;                /* answered with an error */
    uint64_t             report_count;                /* lines of warning or error since the last boot */
    uint64_t             recycled_count;              /* segments made of files that were used before */
    uint64_t             lost_reported;               /* batches that are gone and were reported */
    uint64_t             hash;                        /* over everything observed */
    char                 failure[STORM_FAILURE_TEXT]; /* "" = fine */
};

void storm_create(struct storm *storm, const struct storm_options *options);
void storm_destroy(struct storm *storm);
bool storm_ok(const struct storm *storm);
/* Keeps the first one. */
void storm_fail(struct storm *storm, const char *format, ...) PRINTF_LIKE(2, 3);

/* --- storm_world.c ------------------------------------------------------------------------------ */

/* Starts the process: store and logs. True: up. False: the power went off meanwhile (then it is buried already), or a
 * failure. */
bool storm_boot(struct storm *storm);
/* Runs the loop until condition or the power goes off. False in the latter case; a long wait for nothing is a failure.
 */
bool storm_wait(struct storm *storm, bool (*condition)(struct storm *storm));
/* Clean stop. False: the power went off meanwhile. */
bool storm_halt(struct storm *storm);
/* The power went off: frees what the dead process held. */
void storm_abandon(struct storm *storm);
/* A power cut now, then storm_abandon(). */
void storm_crash(struct storm *storm, enum sim_crash_style style);
bool storm_open_log(struct storm *storm, struct storm_log *slog);
/* Closes an offline log and opens it again, as the broker does. */
bool storm_reopen_log(struct storm *storm, struct storm_log *slog);
bool storm_power_off(const struct storm *storm);

/* --- storm_load.c ------------------------------------------------------------------------------- */

/* `steps` random actions: appends of all sizes, reads, trims, pauses. Stops early when the power goes off. */
void storm_load(struct storm *storm, uint32_t steps);
/* Waits until every append is answered. False: the power went off. */
bool storm_settle(struct storm *storm);
/* Turns until virtual time has moved by this much. */
void storm_pass(struct storm *storm, int64_t duration_ns);
/* The process is gone: appends it never answered. */
void storm_forget_appends(struct storm *storm);
/* Appends one commit; false when it was refused. */
bool storm_append(struct storm *storm, struct storm_log *slog, size_t payload_bytes, uint32_t batches);

/* --- storm_verify.c ----------------------------------------------------------------------------- */

/* Reads the log from `offset` and compares; the next offset, or < 0: an error of the store's (not recorded as a
 * failure). */
int64_t storm_read(struct storm *storm, struct storm_log *slog, int64_t offset, size_t bytes_max);
/* After a boot: every promise holds in every log; the model goes on from what is there. */
void storm_verify(struct storm *storm);

/* --- storm_cases.c ------------------------------------------------------------------------------ */

struct storm_case {
    const char *name;
    const char *what;
    /* Runs one seed; `point` selects the cut or fault (0: count them). Returns the number of points there are. */
    uint64_t (*run)(struct storm *storm, uint64_t point);
    struct storm_options options;
};

extern const struct storm_case storm_cases[];
extern const size_t            storm_case_count;
/* Runs that found a fault of the store, or of the oracle, once. */
struct storm_found {
    const char *name; /* of the case */
    uint64_t    seed, point;
};
extern const struct storm_found storm_found[];
extern const size_t             storm_found_count;

extern const struct storm_case storm_self_tests[];
extern const size_t            storm_self_test_count;

#endif
