#include "bench/groups/groups_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX ((size_t)(128 * MIB))

int groups_connect(const char *host, uint16_t port)
{
    struct addrinfo  hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char             port_text[8];
    int              one = 1;
    int              result = -1;

    (void)snprintf(port_text, sizeof(port_text), "%u", port);
    if (getaddrinfo(host, port_text, &hints, &found) != 0) {
        (void)fprintf(stderr, "load: cannot resolve %s\n", host);
        return -1;
    }
    for (struct addrinfo *at = found; at != NULL && result < 0; at = at->ai_next) {
        result = socket(at->ai_family, SOCK_STREAM, 0);
        if (result >= 0 && connect(result, at->ai_addr, at->ai_addrlen) != 0) {
            (void)close(result);
            result = -1;
        }
    }
    freeaddrinfo(found);
    if (result < 0) {
        (void)fprintf(stderr, "load: cannot connect to %s:%u\n", host, port);
        return -1;
    }
    (void)setsockopt(result, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return result;
}

static bool groups_send_all(int socket, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(socket, bytes, len, MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool groups_receive_all(int socket, uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t got = recv(socket, bytes, len, 0);

        if (got <= 0) {
            return false;
        }
        bytes += got;
        len -= (size_t)got;
    }
    return true;
}

bool groups_call(int socket, int16_t key, int16_t version, const void *request, void *response, struct arena *arena)
{
    const struct kp_api     *api = kp_api_find(key);
    struct kp_request_header header = {
        .api_key = key, .api_version = version, .correlation_id = 1, .client_id = view_text("millrace-load")};
    struct kp_writer   writer;
    struct kp_reader   reader;
    const struct view *segments;
    int32_t            count = 0;
    int32_t            correlation_id = 0;
    uint8_t            prefix[4];
    uint8_t           *slot;
    uint8_t           *answer;

    kp_writer_init_arena(&writer, arena, 0);
    slot = kp_writer_reserve(&writer, 4);
    kp_request_header_encode(&writer, &header);
    api->request.encode(&writer, version, request);
    if (writer.error != ERR_OK || slot == NULL) {
        return false;
    }
    store_be32(slot, (uint32_t)(writer.bytes_total - 4));
    segments = kp_writer_segments(&writer, &count);
    for (int32_t i = 0; i < count; i++) {
        if (!groups_send_all(socket, segments[i].base, segments[i].len)) {
            return false;
        }
    }
    if (!groups_receive_all(socket, prefix, sizeof(prefix)) || load_be32(prefix) > ANSWER_BYTES_MAX) {
        return false;
    }
    answer = arena_alloc(arena, load_be32(prefix));
    if (answer == NULL || !groups_receive_all(socket, answer, load_be32(prefix))) {
        return false;
    }
    kp_reader_init(&reader, view_of(answer, load_be32(prefix)), arena);
    if (kp_response_header_decode(&reader, key, version, &correlation_id) != ERR_OK) {
        return false;
    }
    api->response.init(response);
    return api->response.decode(&reader, version, response) == ERR_OK;
}

static bool groups_create(int socket, const char *topic, int32_t partitions, struct arena *arena)
{
    struct kp_create_topics_request_topics item;
    struct kp_create_topics_request        request;
    struct kp_create_topics_response       response;

    kp_create_topics_request_init(&request);
    kp_create_topics_request_topics_init(&item);
    item.name = view_text(topic);
    item.num_partitions = partitions;
    item.replication_factor = 1;
    request.topics = &item;
    request.topics_count = 1;
    request.timeout_ms = 30000;
    if (!groups_call(socket, KP_CREATE_TOPICS_KEY, 5, &request, &response, arena) || response.topics_count != 1) {
        return false;
    }
    return response.topics[0].error_code == 0 || response.topics[0].error_code == 36; /* TOPIC_ALREADY_EXISTS */
}

static bool groups_metadata(int socket, const char *topic, struct arena *arena, struct groups_cluster *out)
{
    struct kp_metadata_request_topics asked;
    struct kp_metadata_request        request;
    struct kp_metadata_response       response;

    kp_metadata_request_init(&request);
    kp_metadata_request_topics_init(&asked);
    asked.name = view_text(topic);
    request.topics = &asked;
    request.topics_count = 1;
    if (!groups_call(socket, KP_METADATA_KEY, 12, &request, &response, arena) || response.topics_count != 1 ||
        response.topics[0].error_code != 0) {
        return false;
    }
    out->brokers = arena_alloc_array(arena, (size_t)response.brokers_count, sizeof(*out->brokers));
    out->broker_count = response.brokers_count;
    for (int32_t i = 0; i < response.brokers_count; i++) {
        out->brokers[i].node_id = response.brokers[i].node_id;
        out->brokers[i].port = (uint16_t)response.brokers[i].port;
        (void)snprintf(out->brokers[i].host, sizeof(out->brokers[i].host), "%.*s", (int)response.brokers[i].host.len,
                       (const char *)response.brokers[i].host.base);
    }
    out->topic_id = response.topics[0].topic_id;
    out->partition_count = response.topics[0].partitions_count;
    out->leaders = arena_alloc_array(arena, (size_t)out->partition_count, sizeof(*out->leaders));
    for (int32_t i = 0; i < out->partition_count; i++) {
        out->leaders[response.topics[0].partitions[i].partition_index] = response.topics[0].partitions[i].leader_id;
        if (response.topics[0].partitions[i].leader_id < 0) {
            return false;
        }
    }
    return true;
}

bool groups_cluster_open(const char *host, uint16_t port, const char *topic, int32_t partitions, struct arena *arena,
                         struct groups_cluster *out_cluster)
{
    int  socket = groups_connect(host, port);
    bool good = socket >= 0 && groups_create(socket, topic, partitions, arena);

    for (int attempt = 0; good && attempt < 100; attempt++) {
        if (groups_metadata(socket, topic, arena, out_cluster)) {
            (void)close(socket);
            return true;
        }
        (void)usleep(100000);
    }
    if (socket >= 0) {
        (void)close(socket);
    }
    (void)fprintf(stderr, "load: topic %s cannot be created or has no leaders\n", topic);
    return false;
}

const struct groups_broker *groups_leader(const struct groups_cluster *cluster, int32_t partition)
{
    for (int32_t i = 0; i < cluster->broker_count; i++) {
        if (cluster->brokers[i].node_id == cluster->leaders[partition]) {
            return &cluster->brokers[i];
        }
    }
    return NULL;
}
