/* http_internal.h: a call on its way between the HTTP thread and a shard, and the pure halves: routes, bodies, JSON. */
#ifndef MILLRACE_HTTP_INTERNAL_H
#define MILLRACE_HTTP_INTERNAL_H

#include "net/http/http.h"

#include <jansson.h>

#define HTTP_ID_BYTES_MAX 64
#define HTTP_NDJSON       "application/x-ndjson"
#define HTTP_JSON         "application/json; charset=UTF-8"

/* --- text that grows (http_text.c) ---------------------------------------------------------------------------------
 */

/* Zeroed is empty. */
struct http_text {
    char  *base;
    size_t len, capacity;
};

void        http__text_deinit(struct http_text *text);
void        http__text_put(struct http_text *text, const void *base, size_t len);
void        http__text_print(struct http_text *text, const char *format, ...) PRINTF_LIKE(2, 3);
struct view http__text_view(const struct http_text *text);
/* A JSON string; bytes that are not UTF-8 become U+FFFD. */
json_t *http__json_text(struct view text);
/* The document in one line; the reference is given up. */
void http__text_put_json(struct http_text *text, json_t *document);
/* {"errors":[message]}, as Flink answers. */
json_t *http__json_errors(struct view message);

/* --- requests: pure (http_request.c) -------------------------------------------------------------------------------
 */

enum http_route_kind {
    HTTP_ROUTE_NONE,
    HTTP_ROUTE_SQL,
    HTTP_ROUTE_SESSION, /* DELETE: what runs in it ends; id: its name */
    HTTP_ROUTE_OVERVIEW,
    HTTP_ROUTE_CONFIG,
    HTTP_ROUTE_HEALTH,
    HTTP_ROUTE_METRICS,
    HTTP_ROUTE_JOBS,
    HTTP_ROUTE_JOBS_OVERVIEW,
    HTTP_ROUTE_JOB,
    HTTP_ROUTE_JOB_METRICS,
    HTTP_ROUTE_JOB_CHECKPOINTS,
    HTTP_ROUTE_JOB_EXCEPTIONS,
    HTTP_ROUTE_JOB_PLAN,
    HTTP_ROUTE_JOB_STATUS,
    HTTP_ROUTE_JOB_CANCEL,
    HTTP_ROUTE_JOB_STOP,
    HTTP_ROUTE_JOB_SAVEPOINT,
    HTTP_ROUTE_JOB_TRIGGER, /* how a stop or a savepoint went */
    HTTP_ROUTE_JOB_PAUSE,
    HTTP_ROUTE_JOB_RESUME,
    HTTP_ROUTE_JOB_DELETE,
    HTTP_ROUTE_DISPOSAL,         /* of a savepoint */
    HTTP_ROUTE_DISPOSAL_TRIGGER, /* how it went; id: of the request */
};

struct http_route {
    enum http_route_kind kind;
    char                 id[HTTP_ID_BYTES_MAX];      /* of the job, or a session's name */
    char                 trigger[HTTP_ID_BYTES_MAX]; /* of a stop or a savepoint */
};

/* An HTTP status: 200, 404 or 405 (the path exists, *out_allow names its methods). A leading /v1 may stand or not. */
MUST_USE int http__route(const char *method, const char *path, struct http_route *out_route, const char **out_allow);

/* What says where a request comes from; NULL: no such header. */
struct http_guard {
    bool        is_loopback; /* the listener */
    const char *listener_host;
    bool        changes; /* not GET or HEAD */
    const char *host, *origin, *site, *content_type;
};

/* 200, 403 or 415 with the reason. */
MUST_USE int http__guard(const struct http_guard *guard, const char **out_why);

/* The body of a request, copied. */
struct http_body {
    struct http_text script, session, savepoint;
    bool             progress; /* the client wants to see how far a statement is */
};

void http__body_deinit(struct http_body *body);
/* is_json: as its content type says. False with a sentence in out_why. */
MUST_USE bool http__body_decode(enum http_route_kind kind, struct view bytes, bool is_json, struct http_body *out_body,
                                struct span out_why);

/* --- what jobs look like (http_jobs.c) -----------------------------------------------------------------------------
 */

/* One job as an element of the document of `kind`, or the document itself. shards: how many workers a job has. */
json_t *http__job_json(enum http_route_kind kind, const struct job_facts *facts, int64_t now_ms, uint32_t shards);
/* [{"id":..,"value":..}]; wanted (may be NULL): names, comma-separated. */
json_t *http__job_metrics_json(const struct job_facts *facts, int64_t now_ms, const char *wanted);
json_t *http__config_json(const char *version);

/* GET /overview counts jobs by how they are. */
struct http_job_counts {
    uint32_t running, finished, cancelled, failed;
};
void    http__job_count(struct http_job_counts *counts, enum job_status status);
json_t *http__overview_json(const struct http_job_counts *counts, uint32_t shards, const char *version);

/* --- Prometheus (http_metrics.c) -----------------------------------------------------------------------------------
 */

/* values: figure by figure, shard by shard. */
void http__metrics_broker(struct http_text *text, const struct http_options *options, const uint64_t *values,
                          uint32_t shards);
/* The format wants all samples of a metric together: a text per metric, put together at the end. */
struct http_job_metrics;
struct http_job_metrics *http__metrics_jobs_create(void);
void                     http__metrics_jobs_add(struct http_job_metrics *metrics, const struct job_facts *facts);
void                     http__metrics_jobs_finish(struct http_job_metrics *metrics, struct http_text *text);
void                     http__metrics_jobs_destroy(struct http_job_metrics *metrics);

/* --- calls (http_call.c) -------------------------------------------------------------------------------------------
 */

/* One request from its first byte to the last of its answer. Three hold it: the connection, the shard until done, a
 * cancel mail under way. Fields without a remark are written by the HTTP thread before the call is submitted and only
 * read afterwards. */
struct http_call;

struct http_call *http__call_create(struct http_listener *listener, void *connection);
void              http__call_unref(struct http_call *call);

/* On the HTTP thread: hands the call to shard 0. False: the listener is stopping. */
MUST_USE bool http__call_submit(struct http_call *call);
/* On the HTTP thread: the status to answer with; 0: the connection was suspended until there is something to send.
 * *out_whole: the answer is complete and all of it is in *out_body, which lives as long as the call. */
int http__call_ready(struct http_call *call, const char **out_content_type, bool *out_whole, struct view *out_body);
/* The next bytes: how many; 0: suspended until there are some; -1: the end; -2: the answer broke off. */
#define HTTP_TAKEN_END    (-1)
#define HTTP_TAKEN_BROKEN (-2)
int64_t http__call_take(struct http_call *call, char *to, size_t bytes_max);
/* The connection is closed; the query behind it ends. */
void http__call_gone(struct http_call *call);
/* Any thread: the call shall end soon. */
void http__call_cancel(struct http_call *call);
/* The broker is about to go and does not answer: the connection ends here. */
void http__call_abandon(struct http_call *call);

/* From here on the shard. Status and type of what is put; may stand behind the first put; once. */
void http__call_begin(struct http_call *call, int status, const char *content_type);
bool http__call_has_begun(const struct http_call *call);
/* False: nobody takes it any more. */
bool   http__call_put(struct http_call *call, struct view bytes);
size_t http__call_backlog(struct http_call *call); /* put and not sent */
/* The answer is complete. broken: the client sees that it is not. */
void http__call_end(struct http_call *call, bool broken);

/* --- what a call does on the shard (http_sql.c, http_job_call.c): both end with http__call_done() -------------------
 */

void http__sql_start(struct http_call *call);
void http__job_start(struct http_call *call);
/* The shard lets go of the call. */
void http__call_done(struct http_call *call);
int  http__status_of(int error); /* ERR_ to HTTP */

/* --- stops and savepoints that were asked for: Flink's clients ask how they went ------------------------------------
 */

#define HTTP_TRIGGERS_MAX 64

struct http_trigger {
    char id[HTTP_ID_BYTES_MAX];
    char job[HTTP_ID_BYTES_MAX];
    char location[256];
};

/* --- the call's inside, for the files above -------------------------------------------------------------------------
 */

struct http_call {
    struct http_listener *listener;
    struct http_route     route;
    struct http_body      body;
    char                  wanted[1024]; /* GET .../metrics?get= */
    /* the shard's */
    struct job_request       request;
    struct timer             tick;
    uint32_t                 quiet_ticks; /* since something was put */
    bool                     done, shows_rows;
    json_t                  *document;
    bool                     found; /* the job */
    struct http_job_counts   counts;
    struct http_job_metrics *job_metrics;
    uint64_t                *figures;
    struct io_mail           round; /* over all shards, for their figures */
    /* between the two: http_call.c's */
    struct http_wire *wire_;
};

const struct http_options *http__options(const struct http_listener *listener);
struct io_shard           *http__shard(const struct http_listener *listener);
uint32_t                   http__shard_count(const struct http_listener *listener);
/* Any thread. */
void http__trigger_add(struct http_listener *listener, const struct http_trigger *trigger);
bool http__trigger_find(struct http_listener *listener, const char *job, const char *id,
                        struct http_trigger *out_trigger);
/* A call that the shard holds, from submit to done. Adds and injects, or false: too late. */
MUST_USE bool http__live_add(struct http_listener *listener, struct http_call *call, struct io_mail *mail,
                             io_mail_fn *deliver);
void          http__live_remove(struct http_listener *listener, struct http_call *call);

#endif
