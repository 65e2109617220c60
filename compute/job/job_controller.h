/* job_controller.h: the machine over `__millrace_jobs`: what its files share; private to compute/job.
 *
 * The controller lives on the shard that leads the topic's only partition. It knows the catalogue and all jobs by
 * replaying the partition, and writes a record before anything happens that a restart must know of. When the log fails
 * all that is forgotten and read again; runs that go on at that moment are stopped without a verdict on what they have
 * open (the newest record may or may not stand), which job__resolve() gives before the job runs again. */
#ifndef MILLRACE_JOB_CONTROLLER_H
#define MILLRACE_JOB_CONTROLLER_H

#include "compute/job/job_call.h"
#include "compute/job/job_record.h"

#define JOB_PROGRESS_NS       (500 * NS_PER_MS) /* between two words to the client of a statement that runs */
#define JOB_SCRATCH_BYTES_MAX ((size_t)(64 * MIB))

struct job;
struct job_session;

/* --- a job ---------------------------------------------------------------------------------------------------------
 */

enum job_step {
    JOB_STEP_NONE,    /* no run */
    JOB_STEP_WAIT,    /* a restart at its time */
    JOB_STEP_PREPARE, /* records, producer ids, open transactions, topics */
    JOB_STEP_START,   /* workers read their state */
    JOB_STEP_RUN,
    JOB_STEP_BARRIER, /* an epoch ends: waits for the workers */
    JOB_STEP_COMMIT,  /* .. its record is on its way */
    JOB_STEP_MARK,    /* .. markers are */
    JOB_STEP_STOP,    /* waits until every worker is gone */
};

/* What is to become of a run that ends. */
enum job_after {
    JOB_AFTER_NOTHING,
    JOB_AFTER_FINISH,
    JOB_AFTER_RESTART, /* it failed */
    JOB_AFTER_FAIL,    /* .. and would fail again */
    JOB_AFTER_PAUSE,
    JOB_AFTER_STOP,
    JOB_AFTER_CANCEL,
    JOB_AFTER_FORGET, /* the log has gone, or the broker stops: nothing is written */
};

/* Somebody waits until a job has come to rest: paused, ended, or (epoch_only) its next epoch is committed. */
struct job_waiter {
    struct list_node link;
    bool             any_end; /* dml-sync: told when it ends, in whatever way */
    void (*done)(struct job_waiter *waiter, struct job *job, const char *failure); /* failure NULL: as was asked */
};

struct job_plan {
    struct arena        arena;
    struct sql_catalog *catalog;
    struct sql_plan    *plan;
};

struct job {
    struct job_controller *controller;
    struct list_node       link;
    char                   id[JOB_ID_TEXT_BYTES];
    struct job_definition  definition; /* texts are the job's own */
    bool                   has_commit;
    struct job_commit      commit; /* newest durable; arrays are the job's own */
    enum job_status        status; /* as it is at the moment */
    /* a run */
    enum job_step            step;
    enum job_after           after;
    bool                     last_epoch; /* the one under way, or the next, is the last: then `after` */
    enum job_after           last_after;
    bool                     stop_wanted; /* as soon as the record on its way is durable or failed */
    bool                     stray;       /* its log has gone: what is open gets no verdict, nothing is written */
    uint32_t                 away;        /* asked of others and not come back: the job must stay */
    bool                     is_query;    /* a SELECT: not in the log, no epochs */
    struct job_call         *query_call;  /* its client */
    bool                     has_columns; /* .. knows them */
    struct job_plan          planned;
    struct job_run          *run;
    bool                     workers_started;
    uint32_t                 missing;     /* reports awaited */
    uint32_t                 ended;       /* workers whose sources are through */
    struct job_share       **shares;      /* of the epoch under way, by worker */
    struct job_commit        next;        /* the record on its way */
    char                    *savepoint;   /* to be left when it stops; NULL: none */
    uint32_t                 offsets_out; /* commits under groups that are on their way */
    bool                     offsets_due; /* newer ones wait for them */
    bool                     offsets_new; /* of the newest commit: told to the groups when its output can be read */
    bool                     offsets_warned;
    int64_t                  epoch_interval_ns, barrier_ns, started_ns;
    int64_t                  backoff_ms;
    struct job_times         times;  /* of the run */
    struct timer             timer;  /* the next epoch, or the restart */
    struct meta_change       change; /* topics, producer ids */
    struct meta_create_topic create;
    struct meta_delete_topic remove;
    int32_t                 *assignment;
    char                     log_topic[sizeof(JOB_LOG_TOPIC_PREFIX) + JOB_ID_TEXT_BYTES];
    struct meta_config_entry configs[3];
    struct job_verdict       verdict;
    struct job_producer (*producers)[JOB_PRODUCERS];
    struct job_producer_name *names;
    struct coord_write        write;                          /* the commit record's */
    struct list_node          waiters;                        /* struct job_waiter.link */
    void (*query_over)(struct job *job, const char *failure); /* of a query: the last call */
    void *query_context;
};

/* --- the controller -------------------------------------------------------------------------------------------------
 */

struct job_object {
    struct list_node link;
    struct view      name, statement; /* own */
    int64_t          position;
};

/* A change of the catalogue that sessions have to follow. */
struct job_ddl {
    struct list_node link;
    uint64_t         number;
    struct view      statement;
};

/* What STOP WITH SAVEPOINT leaves; the state itself stays in the log of the job. One job may go on from it. */
struct job_savepoint {
    struct view name, definition, commit; /* own; the latter two as in their records */
    char        job_id[JOB_ID_TEXT_BYTES];
    int64_t     created_ms;
};

struct job_controller {
    struct job_shard        *jobs;
    struct coord_machine     machine;
    struct coord_log        *log; /* NULL: the topic does not exist yet, or its partition is not open */
    struct uuid              topic_id;
    bool                     opened;   /* serving has begun: jobs run */
    bool                     resolved; /* since the last load */
    bool                     resolving;
    bool                     closing;
    bool                     making; /* the topic */
    struct list_node         calls;  /* struct job_call.link: not begun */
    struct io_op             post;
    struct timer             retry;
    struct arena             scratch;
    uint64_t                 damaged;
    struct map               by_id;       /* -> struct job */
    struct list_node         list;        /* of jobs, in order of creation */
    struct list_node         queries;     /* jobs that are in no log */
    struct list_node         strays;      /* jobs whose log has gone: until their workers are */
    struct map               savepoints;  /* by name -> struct job_savepoint */
    struct map               objects;     /* by name -> struct job_object */
    struct list_node         object_list; /* by position */
    int64_t                  object_position;
    struct list_node         ddl;
    uint64_t                 ddl_number, ddl_count;
    struct list_node         sessions;
    struct list_node         scripts; /* under way */
    struct meta_change       topic_change;
    struct meta_create_topic topic_create;
    struct meta_config_entry topic_configs[3];
    int32_t                  topic_leader;
    struct job_verdict      *verdicts;
    size_t                   verdict_count;
    uint32_t                 writes_out; /* and whatever else must come back before the end */
    int64_t                  hold_ns;    /* after a failed write jobs begin again so much later; 0: writes succeed */
    int64_t                  held_until_ns;
    void (*resolve_done)(void *context, int result);
    void *resolve_context;
    void (*closed)(void *context, int result);
    void *closed_context;
};

static inline int64_t job__now_ns(const struct job_controller *controller)
{
    return io_now_ns(job__io(controller->jobs));
}

static inline int64_t job__wall_ms(const struct job_controller *controller)
{
    return io_wall_ms(job__io(controller->jobs));
}

static inline struct timer_heap *job__timers(const struct job_controller *controller)
{
    return controller->jobs->options.shard->timers;
}

/* --- job_controller.c ----------------------------------------------------------------------------------------------
 */

/* The shard that leads `__millrace_jobs`, or will. */
uint32_t job__leader(const struct job_shard *jobs);

struct job_controller *job__controller_create(struct job_shard *jobs);
void                   job__controller_destroy(struct job_controller *controller); /* NULL is allowed */
void job__controller_resolve(struct job_controller *controller, void (*done)(void *context, int result), void *context);
void job__controller_open(struct job_controller *controller);
void job__controller_close(struct job_controller *controller, void (*done)(void *context, int result), void *context);
/* A request has come. */
void job__controller_take(struct job_shard *jobs, struct job_call *call);
/* Looks again at what waits, on the next turn. */
void job__controller_post(struct job_controller *controller);
/* Adds the record to the log's event; false: it is too long for it (nothing was added). */
MUST_USE bool job__controller_add(struct job_controller *controller, const struct job_record *record);

/* A commit of what was added, for those that need no place of their own. done: 0 or an error. Called in the order of
 * the log, also when it fails; what is given lives until then. */
void job__controller_commit(struct job_controller *controller, void (*done)(void *context, int16_t error),
                            void                  *context);

/* --- job_controller_call.c ---------------------------------------------------------------------------------------- */

void job__call_begin(struct job_controller *controller, struct job_call *call);
/* There has never been a statement: nothing is made for those that only ask. */
void job__call_begin_empty(struct job_call *call);

/* --- job_controller_job.c: one job's records and verbs --------------------------------------------------------------
 */

struct job *job__new(struct job_controller *controller, struct view id);
/* Nothing of it is out any more. */
void        job__free(struct job *job);
struct job *job__find(const struct job_controller *controller, struct view id);
/* Takes texts of its own. */
void job__set_definition(struct job *job, const struct job_definition *definition);
void job__set_failure(struct job *job, const char *message);
void job__set_commit(struct job *job, const struct job_commit *commit);
/* Room for worker_count * JOB_PRODUCERS; returns how many. */
size_t job__producer_names(const struct job *job, struct job_producer_name *out_names);
/* producers of it are the caller's to free (MEM_JOB). */
void job__verdict(const struct job *job, struct job_verdict *out_verdict);
bool job__ended(const struct job *job); /* FINISHED, FAILED, CANCELED: it runs no more by itself */
/* The definition as it is now, to the log. */
void job__write(struct job *job, void (*done)(void *context, int16_t error), void *context);
/* .. when it has been added already. */
void job__write_added(struct job *job, void (*done)(void *context, int16_t error), void *context);
/* A request about one job; also STOP JOB of a script. */
void job__verb(struct job_controller *controller, enum job_request_kind kind, struct view id, struct view savepoint,
               struct job_waiter *waiter);
/* How busy the workers of its run were since the last look. */
void job__times_take(struct job *job);
void job__facts(struct job *job, struct job_facts *out_facts);
/* As Flink names it: "insert-into_default_catalog.default_database.sink". */
struct view job__default_name(const struct sql_plan *plan, struct arena *arena);
/* The plan of its run with what each operator has done. */
size_t job__explain(const struct job *job, char *out_text, size_t capacity);
/* ended: also those that wait for the end, whatever it is; else those alone that wished something. */
void job__tell_waiters(struct job *job, bool ended, const char *failure);

/* --- job_controller_run.c: a run's beginning and end -----------------------------------------------------------------
 */

/* From PREPARE on; fresh: its definition was just written, nothing can be open. */
void job__start(struct job *job, bool fresh);
/* Ends the run (or what waits to become one); `after` when every worker is gone. A second call may only make it worse:
 * the greater `after` stays. */
void job__stop(struct job *job, enum job_after after);
/* It cannot go on: restart, or fail for good. */
void job__fail(struct job *job, const char *message, bool for_good);
void job__gone(struct job *job);
/* Something that was away has come back: a job whose run is over and that waited for it goes on. */
void job__back(struct job *job);
/* Plans a script that stands for itself. False: message. */
MUST_USE bool job__plan(struct view script, struct job_plan *out_planned, char *message, size_t message_capacity);
void          job__plan_free(struct job_plan *planned);
/* What must hold before a job or a query is taken. */
MUST_USE bool job__plan_check(const struct sql_plan *plan, bool is_query, char *message, size_t message_capacity);

/* --- job_controller_epoch.c -----------------------------------------------------------------------------------------
 */

void job__epochs_begin(struct job *job); /* the workers have started */
/* The next epoch is the last, begins now, and `after` follows. */
void job__last_epoch(struct job *job, enum job_after after);
void job__commit_free(struct job_commit *commit);

/* --- job_controller_savepoint.c ----------------------------------------------------------------------------------- */

struct job_savepoint *job__savepoint_find(const struct job_controller *controller, struct view name);
void                  job__savepoint_put(struct job_controller *controller, const struct job_record *record);
void                  job__savepoint_remove(struct job_controller *controller, struct view name);
void                  job__savepoints_clear(struct job_controller *controller);
/* The job has stopped: what it left goes to the log with the next commit. Takes job->savepoint. */
void job__savepoint_leave(struct job *job);
/* Tombstones of those that a job has left, which is being deleted. */
void job__savepoints_drop(struct job *job);
/* One that nobody wants any more. */
void job__savepoint_dispose(struct job_controller *controller, struct view name, struct job_waiter *waiter);
/* May a job with this plan go on from it? False: message. */
MUST_USE bool job__savepoint_check(struct job_controller *controller, struct view name, const struct sql_plan *plan,
                                   char *message, size_t message_capacity);
/* A new job takes it: its first commit, whose log it is from now on; the savepoint is gone. With the job's definition
 * these are one write. */
MUST_USE bool job__savepoint_claim(struct job *job, struct view name);

/* --- job_statement.c: scripts ----------------------------------------------------------------------------------------
 */

void job__script_begin(struct job_controller *controller, struct job_call *call);
/* The controller forgets or stops: every script ends with this message. */
void job__scripts_end(struct job_controller *controller, const char *message);

/* --- job_statement_catalog.c: sessions and the catalogue ---------------------------------------------------------- */

/* A session's catalogue, which has all objects there are. name empty: one of its own, gone with release. NULL: too many
 * sessions, or somebody works in it. */
struct job_session *job__session_take(struct job_controller *controller, struct view name);
void                job__session_release(struct job_controller *controller, struct job_session *session);
void                job__sessions_end(struct job_controller *controller, bool all); /* all, or those idle for long */
struct sql_catalog *job__session_catalog(struct job_session *session);
struct job_object  *job__object_find(const struct job_controller *controller, struct view name);
void job__object_put(struct job_controller *controller, struct view name, struct view statement, int64_t position);
void job__object_remove(struct job_controller *controller, struct view name);
/* Other sessions follow; the one that made the change has it already. */
void job__ddl_add(struct job_controller *controller, struct job_session *session, struct view statement);
void job__objects_clear(struct job_controller *controller);
/* But for blanks outside of quotes. */
MUST_USE bool job__same_statement(struct view a, struct view b);

/* --- job_controller_query.c: SELECT ------------------------------------------------------------------------------- */

/* over: when the run has ended, before the job is freed; failure NULL: all rows are with the client, or it has gone. */
void job__query_begin(struct job_controller *controller, struct job_call *call, struct view script,
                      void (*over)(struct job *job, const char *failure), void *context);
void job__query_end(struct job *job, enum job_after after);
void job__query_started(struct job *job); /* the client is told the columns */
void job__query_progress(struct job *job);

/* --- offsets of committed epochs under the sources' groups (job_controller_offset.c) ------------------------------ */

void job__offsets_commit(struct job *job);

#endif
