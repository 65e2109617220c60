/* Fetch sessions (KIP-227). A session remembers, per shard, which partitions a client fetches and what it was last
 * shown of each.
 *
 * Invariants: 1. a session is in `by_id` until it is closed or evicted; calls that use it hold references, so it is
 * freed with the last of them; 2. partitions stand in serving order: what was shown with records goes to the end, so
 * that no partition starves another; 3. a session is used either with topic names or with topic ids, as it was opened.
 *
 * A session that was not used for SESSION_IDLE_NS may be evicted for a new one; when there is none, the new fetch goes
 * without. */
#include "net/api/api_fetch_session.h"

#define SESSION_IDLE_NS       (120 * NS_PER_S) /* Kafka: min.incremental.fetch.session.eviction.ms */
#define SESSION_EPOCH_INITIAL 0
#define SESSION_EPOCH_FINAL   (-1)

struct session_partition {
    struct list_node link;
    char            *topic;
    struct uuid      topic_id;
    int32_t          partition;
    int32_t          current_leader_epoch;
    int64_t          offset;
    int32_t          bytes_max;
    int64_t          shown_high_watermark; /* -1: show it next time */
    int64_t          shown_log_start;
};

struct api_fetch_session {
    struct list_node link; /* least recently used first */
    struct list_node partitions;
    struct map       by_key;
    int32_t          id;
    int32_t          epoch; /* the next request's */
    uint32_t         refs;
    bool             by_ids;
    bool             closed;
    int64_t          used_ns;
};

struct api_sessions {
    struct map       by_id;
    struct list_node by_use;
};

struct session_key {
    uint8_t bytes[256 + 4];
    size_t  len;
};

static struct session_key session_key_of(bool by_ids, struct view topic, struct uuid topic_id, int32_t partition)
{
    struct session_key key = {.len = 0};
    struct view        name = by_ids ? view_of(topic_id.bytes, sizeof(topic_id.bytes)) : topic;

    store_be32(key.bytes, (uint32_t)partition);
    key.len = MIN(name.len, sizeof(key.bytes) - 4);
    memcpy(key.bytes + 4, name.base, key.len);
    key.len += 4;
    return key;
}

struct api_sessions *api__sessions_create(void)
{
    struct api_sessions *sessions = mem_alloc(MEM_API, sizeof(*sessions));

    map_init(&sessions->by_id, MEM_API);
    list_init(&sessions->by_use);
    return sessions;
}

static void session_forget(struct api_fetch_session *session, struct session_partition *partition)
{
    struct session_key key =
        session_key_of(session->by_ids, partition->topic == NULL ? (struct view){0} : view_text(partition->topic),
                       partition->topic_id, partition->partition);

    (void)map_remove(&session->by_key, view_of(key.bytes, key.len));
    list_remove(&partition->link);
    mem_free(MEM_API, partition->topic);
    mem_free(MEM_API, partition);
}

static void session_unref(struct api_fetch_session *session)
{
    if (--session->refs > 0) {
        return;
    }
    LIST_EACH(&session->partitions, node) {
        session_forget(session, LIST_ENTRY(node, struct session_partition, link));
    }
    map_deinit(&session->by_key);
    mem_free(MEM_API, session);
}

static void session_close(struct api_sessions *sessions, struct api_fetch_session *session)
{
    session->closed = true;
    (void)map_remove(&sessions->by_id, view_of(&session->id, sizeof(session->id)));
    list_remove(&session->link);
    session_unref(session);
}

void api__sessions_destroy(struct api_sessions *sessions)
{
    struct list_node *node;

    while ((node = list_first(&sessions->by_use)) != NULL) {
        session_close(sessions, LIST_ENTRY(node, struct api_fetch_session, link));
    }
    map_deinit(&sessions->by_id);
    mem_free(MEM_API, sessions);
}

static struct api_fetch_session *session_find(struct api_sessions *sessions, int32_t id)
{
    return map_get(&sessions->by_id, view_of(&id, sizeof(id)));
}

/* A new session, or NULL when all slots are taken by sessions in use. */
static struct api_fetch_session *session_new(struct api_call *call)
{
    struct api_sessions      *sessions = call->shard->sessions;
    struct io                *io = call->shard->shard->io;
    int64_t                   slots = meta_broker_int(call->shard->meta, "max.incremental.fetch.session.cache.slots");
    struct api_fetch_session *session;

    if ((int64_t)map_count(&sessions->by_id) >= slots) {
        struct list_node *oldest = list_first(&sessions->by_use);

        session = oldest == NULL ? NULL : LIST_ENTRY(oldest, struct api_fetch_session, link);
        if (session == NULL || session->refs > 1 || io_now_ns(io) - session->used_ns < SESSION_IDLE_NS) {
            return NULL;
        }
        session_close(sessions, session);
    }
    session = mem_alloc(MEM_API, sizeof(*session));
    do {
        session->id = (int32_t)(io_random_u64(io) & INT32_MAX);
    } while (session->id == 0 || session_find(sessions, session->id) != NULL);
    session->refs = 1;
    session->epoch = 1;
    session->by_ids = call->version >= 13;
    list_init(&session->partitions);
    list_init(&session->link);
    map_init(&session->by_key, MEM_API);
    (void)map_put(&sessions->by_id, view_of(&session->id, sizeof(session->id)), session);
    list_push_back(&sessions->by_use, &session->link);
    return session;
}

static void session_update(struct api_fetch_session *session, const struct kp_fetch_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_fetch_request_topics *topic = &request->topics[i];

        for (int32_t k = 0; k < topic->partitions_count; k++) {
            const struct kp_fetch_request_topics_partitions *asked = &topic->partitions[k];
            struct session_key key = session_key_of(session->by_ids, topic->topic, topic->topic_id, asked->partition);
            struct session_partition *partition = map_get(&session->by_key, view_of(key.bytes, key.len));

            if (partition == NULL) {
                partition = mem_alloc(MEM_API, sizeof(*partition));
                list_init(&partition->link);
                partition->topic = session->by_ids ? NULL : mem_copy_text(MEM_API, topic->topic);
                partition->topic_id = topic->topic_id;
                partition->partition = asked->partition;
                partition->shown_high_watermark = -1;
                partition->shown_log_start = -1;
                (void)map_put(&session->by_key, view_of(key.bytes, key.len), partition);
                list_push_back(&session->partitions, &partition->link);
            }
            partition->current_leader_epoch = asked->current_leader_epoch;
            partition->offset = asked->fetch_offset;
            partition->bytes_max = asked->partition_max_bytes;
        }
    }
    for (int32_t i = 0; i < request->forgotten_topics_data_count; i++) {
        const struct kp_fetch_request_forgotten_topics_data *topic = &request->forgotten_topics_data[i];

        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct session_key key =
                session_key_of(session->by_ids, topic->topic, topic->topic_id, topic->partitions[k]);
            struct session_partition *partition = map_get(&session->by_key, view_of(key.bytes, key.len));

            if (partition != NULL) {
                session_forget(session, partition);
            }
        }
    }
}

static void session_refuse(struct api_call *call, int16_t error)
{
    struct kp_fetch_response *response = api_alloc(call, 1, sizeof(*response));

    if (response == NULL) {
        api_close(call, "no memory for the answer");
        return;
    }
    kp_fetch_response_init(response);
    response->error_code = error;
    api_reply(call, response);
}

/* The partitions of the request itself. */
static bool session_view_full(struct api_call *call, struct api_fetch_session_view *out)
{
    const struct kp_fetch_request *request = call->request;
    size_t                         total = 0;

    for (int32_t i = 0; i < request->topics_count; i++) {
        total += (size_t)request->topics[i].partitions_count;
    }
    out->partitions = api_alloc(call, total, sizeof(*out->partitions));
    if (out->partitions == NULL) {
        return false;
    }
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kp_fetch_request_topics *topic = &request->topics[i];

        for (int32_t k = 0; k < topic->partitions_count; k++) {
            out->partitions[out->count++] = (struct api_fetch_partition){
                .topic = topic->topic,
                .topic_id = topic->topic_id,
                .partition = topic->partitions[k].partition,
                .current_leader_epoch = topic->partitions[k].current_leader_epoch,
                .offset = topic->partitions[k].fetch_offset,
                .bytes_max = topic->partitions[k].partition_max_bytes,
            };
        }
    }
    return true;
}

/* The partitions of the session. */
static bool session_view_incremental(struct api_call *call, struct api_fetch_session *session,
                                     struct api_fetch_session_view *out)
{
    out->partitions = api_alloc(call, map_count(&session->by_key), sizeof(*out->partitions));
    if (out->partitions == NULL) {
        return false;
    }
    LIST_EACH(&session->partitions, node) {
        struct session_partition *partition = LIST_ENTRY(node, struct session_partition, link);

        out->partitions[out->count++] = (struct api_fetch_partition){
            .topic = api__text(call, partition->topic),
            .topic_id = partition->topic_id,
            .partition = partition->partition,
            .current_leader_epoch = partition->current_leader_epoch,
            .offset = partition->offset,
            .bytes_max = partition->bytes_max,
        };
    }
    return true;
}

/* The session that an incremental fetch names, or NULL after the error has been answered. */
static struct api_fetch_session *session_resume(struct api_call *call)
{
    const struct kp_fetch_request *request = call->request;
    struct api_fetch_session      *session = session_find(call->shard->sessions, request->session_id);

    if (session == NULL) {
        session_refuse(call, KP_ERR_FETCH_SESSION_ID_NOT_FOUND);
        return NULL;
    }
    if (session->epoch != request->session_epoch) {
        session_refuse(call, KP_ERR_INVALID_FETCH_SESSION_EPOCH);
        return NULL;
    }
    if (session->by_ids != (call->version >= 13)) {
        session_refuse(call, KP_ERR_FETCH_SESSION_TOPIC_ID_ERROR);
        return NULL;
    }
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    session_update(session, request);
    return session;
}

static void session_use(struct api_call *call, struct api_fetch_session *session, struct api_fetch_session_view *view)
{
    session->used_ns = io_now_ns(call->shard->shard->io);
    session->refs++;
    list_remove(&session->link);
    list_push_back(&call->shard->sessions->by_use, &session->link);
    view->session = session;
}

bool api__fetch_session_open(struct api_call *call, struct api_fetch_session_view *out_view)
{
    const struct kp_fetch_request *request = call->request;
    struct api_fetch_session      *session = NULL;
    bool full = request->session_epoch == SESSION_EPOCH_INITIAL || request->session_epoch == SESSION_EPOCH_FINAL;

    *out_view = (struct api_fetch_session_view){.full = full};
    if (full) {
        session = request->session_id == 0 ? NULL : session_find(call->shard->sessions, request->session_id);
        if (session != NULL) {
            session_close(call->shard->sessions, session);
        }
        session = NULL;
        if (request->session_epoch == SESSION_EPOCH_INITIAL && call->version >= 7) {
            session = session_new(call);
        }
        if (session != NULL) {
            session_update(session, request);
        }
    } else {
        session = session_resume(call);
        if (session == NULL) {
            return false;
        }
    }
    if (!(full ? session_view_full(call, out_view) : session_view_incremental(call, session, out_view))) {
        api_close(call, "no memory for the request");
        return false;
    }
    if (session != NULL) {
        session_use(call, session, out_view);
    }
    return true;
}

void api__fetch_session_end(struct api_fetch_session_view *view)
{
    if (view->session != NULL) {
        session_unref(view->session);
        view->session = NULL;
    }
}

/* --- the answer -------------------------------------------------------------------------------------------------- */

static bool session_same_topic(const struct api_call *call, const struct api_fetch_partition *a,
                               const struct api_fetch_partition *b)
{
    return call->version >= 13 ? uuid_equal(a->topic_id, b->topic_id) : view_equal(a->topic, b->topic);
}

/* Whether there is news of a partition; remembers what is shown now. */
static bool session_has_news(struct api_fetch_session *session, const struct api_fetch_partition *asked)
{
    const struct api_fetch_result *result = &asked->result;
    struct session_key        key = session_key_of(session->by_ids, asked->topic, asked->topic_id, asked->partition);
    struct session_partition *partition = map_get(&session->by_key, view_of(key.bytes, key.len));
    bool                      news;

    if (partition == NULL) { /* forgotten by a later request of the same session */
        return false;
    }
    news = result->parts_count > 0 || result->error != 0 || partition->shown_high_watermark != result->high_watermark ||
           partition->shown_log_start != result->log_start_offset;
    partition->shown_high_watermark = result->error != 0 ? -1 : result->high_watermark;
    partition->shown_log_start = result->log_start_offset;
    if (result->parts_count > 0) {
        list_remove(&partition->link);
        list_push_back(&session->partitions, &partition->link);
    }
    return news;
}

/* False: no memory. */
static bool session_fill_aborted(struct api_call *call, const struct api_fetch_result *result,
                                 struct kp_fetch_response_responses_partitions *out)
{
    out->aborted_transactions_count = -1;
    if (result->aborted_count < 0) {
        return true;
    }
    out->aborted_transactions = api_alloc(call, (size_t)result->aborted_count, sizeof(*out->aborted_transactions));
    if (out->aborted_transactions == NULL) {
        return false;
    }
    out->aborted_transactions_count = result->aborted_count;
    for (int32_t i = 0; i < result->aborted_count; i++) {
        kp_fetch_response_responses_partitions_aborted_transactions_init(&out->aborted_transactions[i]);
        out->aborted_transactions[i].producer_id = result->aborted[i].producer_id;
        out->aborted_transactions[i].first_offset = result->aborted[i].first_offset;
    }
    return true;
}

/* False: no memory. */
static bool session_fill(struct api_call *call, const struct api_fetch_partition *asked,
                         struct kp_fetch_response_responses_partitions *out)
{
    kp_fetch_response_responses_partitions_init(out);
    out->partition_index = asked->partition;
    out->error_code = asked->result.error;
    out->high_watermark = asked->result.high_watermark;
    out->last_stable_offset = asked->result.last_stable_offset;
    out->log_start_offset = asked->result.log_start_offset;
    out->records = view_of("", 0);
    out->records_parts = asked->result.parts;
    out->records_parts_count = asked->result.parts_count;
    out->current_leader.leader_id = asked->result.leader_id;
    out->current_leader.leader_epoch = asked->result.leader_epoch;
    return session_fill_aborted(call, &asked->result, out);
}

bool api__fetch_session_answer(struct api_call *call, struct api_fetch_session_view *view,
                               struct kp_fetch_response *response)
{
    struct kp_fetch_response_responses            *topic = NULL;
    struct kp_fetch_response_responses_partitions *partitions;
    const struct api_fetch_partition              *previous = NULL;

    response->responses = api_alloc(call, (size_t)view->count, sizeof(*response->responses));
    partitions = api_alloc(call, (size_t)view->count, sizeof(*partitions));
    if (response->responses == NULL || partitions == NULL) {
        return false;
    }
    response->session_id = view->session == NULL || view->session->closed ? 0 : view->session->id;
    for (int32_t i = 0; i < view->count; i++) {
        const struct api_fetch_partition *asked = &view->partitions[i];
        bool                              news = view->session == NULL || session_has_news(view->session, asked);

        if (!news && !view->full) {
            continue;
        }
        if (previous == NULL || !session_same_topic(call, asked, previous)) {
            topic = &response->responses[response->responses_count++];
            kp_fetch_response_responses_init(topic);
            topic->topic = asked->topic;
            topic->topic_id = asked->topic_id;
            topic->partitions = partitions;
        }
        if (!session_fill(call, asked, partitions++)) {
            return false;
        }
        topic->partitions_count++;
        previous = asked;
    }
    return true;
}
