/* Planted bugs: what comes between the callers and the real functions. See job_plant.h. */
#include "tests/sim/job_plant.h"
#include "compute/job/job_controller.h"
#include "compute/job/job_sink.h"
#include "compute/job/job_source.h"
#include "compute/job/job_state_internal.h"
#include "compute/job/job_worker.h"

#define SNAPSHOT_BYTES 256 /* of increments; the product waits for 64 MiB */
#define FRESH_MAX      64

/* The linker's names: calls of x come to __wrap_x, and __real_x is x. */
#define PLANTED(function) __wrap_##function
#define REAL(function)    __real_##function

struct fresh_sinks {
    const struct job_sinks *sinks;
    bool                    is_fresh; /* nothing of the epoch has been written */
};

static struct {
    enum job_plant     plant;
    bool               adds_commit;  /* the newest record added is a commit */
    bool               holds_commit; /* one has been added and not been written */
    struct fresh_sinks fresh[FRESH_MAX];
    job_state_done_fn *save_done;
} garden;

void job_plant_begin(enum job_plant plant)
{
    memset(&garden, 0, sizeof(garden));
    garden.plant = plant;
}

/* --- markers before the record -------------------------------------------------------------------------------------
 */

bool REAL(job__controller_add)(struct job_controller *controller, const struct job_record *record);
bool PLANTED(job__controller_add)(struct job_controller *controller, const struct job_record *record);
void REAL(job__controller_commit)(struct job_controller *controller, void (*done)(void *context, int16_t error),
                                  void                  *context);
void PLANTED(job__controller_commit)(struct job_controller *controller, void (*done)(void *context, int16_t error),
                                     void                  *context);

bool PLANTED(job__controller_add)(struct job_controller *controller, const struct job_record *record)
{
    garden.adds_commit = record->kind == JOB_RECORD_COMMIT && !record->tombstone;
    return REAL(job__controller_add)(controller, record);
}

/* Every other record waits for the next one. */
void PLANTED(job__controller_commit)(struct job_controller *controller, void (*done)(void *context, int16_t error),
                                     void                  *context)
{
    if (garden.plant == JOB_PLANT_EARLY && garden.adds_commit && !garden.holds_commit) {
        garden.holds_commit = true;
        garden.adds_commit = false;
        done(context, 0);
        return;
    }
    garden.holds_commit = false;
    REAL(job__controller_commit)(controller, done, context);
}

/* --- positions -----------------------------------------------------------------------------------------------------
 */

void REAL(job__sources_positions)(struct job_sources *sources, struct job_share *share);
void PLANTED(job__sources_positions)(struct job_sources *sources, struct job_share *share);
bool REAL(job__sources_flush)(struct job_sources *sources, void (*done)(void *context, bool good), void *context);
bool PLANTED(job__sources_flush)(struct job_sources *sources, void (*done)(void *context, bool good), void *context);

void PLANTED(job__sources_positions)(struct job_sources *sources, struct job_share *share)
{
    REAL(job__sources_positions)(sources, share);
    for (size_t i = 0; garden.plant == JOB_PLANT_AHEAD && i < share->source_count; i++) {
        share->sources[i].next_offset++;
    }
}

bool PLANTED(job__sources_flush)(struct job_sources *sources, void (*done)(void *context, bool good), void *context)
{
    return garden.plant != JOB_PLANT_WEAK && REAL(job__sources_flush)(sources, done, context);
}

/* --- producer ids --------------------------------------------------------------------------------------------------
 */

void REAL(job__sinks_begin)(struct job_sinks *sinks, int64_t epoch);
void PLANTED(job__sinks_begin)(struct job_sinks *sinks, int64_t epoch);
bool REAL(job__sinks_write)(struct job_sinks *sinks, uint32_t sink, const struct vec_chunk *chunk, char *message,
                            size_t message_capacity);
bool PLANTED(job__sinks_write)(struct job_sinks *sinks, uint32_t sink, const struct vec_chunk *chunk, char *message,
                               size_t message_capacity);

static struct fresh_sinks *fresh_find(const struct job_sinks *sinks)
{
    for (size_t i = 0; i < FRESH_MAX; i++) {
        if (garden.fresh[i].sinks == sinks || garden.fresh[i].sinks == NULL) {
            garden.fresh[i].sinks = sinks;
            return &garden.fresh[i];
        }
    }
    return &garden.fresh[0]; /* of sinks that are long gone */
}

void PLANTED(job__sinks_begin)(struct job_sinks *sinks, int64_t epoch)
{
    REAL(job__sinks_begin)(sinks, epoch);
    if (garden.plant == JOB_PLANT_OLD_ID) {
        fresh_find(sinks)->is_fresh = true;
    }
}

bool PLANTED(job__sinks_write)(struct job_sinks *sinks, uint32_t sink, const struct vec_chunk *chunk, char *message,
                               size_t message_capacity)
{
    const uint32_t parity = sinks->parity, old = (parity + 1) % JOB_PRODUCERS;
    bool           good;

    if (garden.plant != JOB_PLANT_OLD_ID || !fresh_find(sinks)->is_fresh || !sinks->epochs[old].used) {
        return REAL(job__sinks_write)(sinks, sink, chunk, message, message_capacity);
    }
    fresh_find(sinks)->is_fresh = false;
    sinks->parity = old;
    good = REAL(job__sinks_write)(sinks, sink, chunk, message, message_capacity);
    job__sinks_flush(sinks);
    sinks->parity = parity;
    return good;
}

/* --- state ---------------------------------------------------------------------------------------------------------
 */

struct job_state *REAL(job__state_create)(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                          void (*ready)(void *context), void *context);
struct job_state *PLANTED(job__state_create)(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                             void (*ready)(void *context), void *context);
void              REAL(job__state_save)(struct job_state *state, struct job_share *share, job_state_done_fn *done);
void              PLANTED(job__state_save)(struct job_state *state, struct job_share *share, job_state_done_fn *done);

struct job_state *PLANTED(job__state_create)(struct job_shard *jobs, struct job_run *run, uint32_t worker,
                                             void (*ready)(void *context), void *context)
{
    run->snapshot_bytes = SNAPSHOT_BYTES;
    return REAL(job__state_create)(jobs, run, worker, ready, context);
}

static void save_done(void *context, bool good)
{
    struct job_worker *worker = context;

    if (good && garden.plant == JOB_PLANT_FORGETFUL && worker->share->state_count > 0) {
        worker->share->is_snapshot = true;
    }
    if (good && garden.plant == JOB_PLANT_SHORT_LOG) {
        job__state_committed(worker->keeper);
    }
    garden.save_done(context, good);
}

void PLANTED(job__state_save)(struct job_state *state, struct job_share *share, job_state_done_fn *done)
{
    garden.save_done = done; /* always the same */
    REAL(job__state_save)(state, share, save_done);
}

/* --- at a start ----------------------------------------------------------------------------------------------------
 */

void REAL(job__resolve)(struct job_shard *jobs, struct job_verdict *verdicts, size_t count,
                        void (*done)(void *context, int16_t error), void *context);
void PLANTED(job__resolve)(struct job_shard *jobs, struct job_verdict *verdicts, size_t count,
                           void (*done)(void *context, int16_t error), void *context);

void PLANTED(job__resolve)(struct job_shard *jobs, struct job_verdict *verdicts, size_t count,
                           void (*done)(void *context, int16_t error), void *context)
{
    for (size_t i = 0; garden.plant == JOB_PLANT_ABORTS && i < count; i++) {
        verdicts[i].committed_count = 0;
    }
    REAL(job__resolve)(jobs, verdicts, count, done, context);
}
