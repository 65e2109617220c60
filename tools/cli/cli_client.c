/* cli_client.c: connections, versions, metadata, coordinators, repeats. */
#include "tools/cli/cli_client.h"

#include "core/base/check.h"
#include "core/proto/kp_error.h"
#include "core/proto/kp_header.h"
#include "tools/cli/cli_args.h"
#include "tools/cli/cli_net.h"

#include <stdlib.h>

#define TIMEOUT_MS_DEFAULT 30000
#define CONNECT_MS_MAX     5000 /* one broker of a list must not use up the time of the others */
#define PAUSE_MS_FIRST     100
#define PAUSE_MS_MAX       1000
#define NODES_MAX          256
#define PORT_DEFAULT       9092
#define PORT_MAX           65535
#define CLIENT_NAME        "millrace-cli"

struct cli_range {
    int16_t min, max; /* max -1: not spoken */
};

struct cli_link {
    struct cli_socket socket;
    int32_t           node; /* CLI_NODE_ANY: by the bootstrap list */
    const char       *host;
    int32_t           port;
    struct cli_range  ranges[KP_API_KEY_COUNT];
};

struct cli_client {
    int64_t                            deadline_ms;
    int64_t                            pause_ms;
    int32_t                            correlation_id;
    struct cli_link                   *links[NODES_MAX];
    int32_t                            link_count;
    const struct kp_metadata_response *cluster; /* brokers and controller; NULL: ask */
    struct cli_node                   *nodes;
    int16_t                            limits[KP_API_KEY_COUNT];
};

/* --- settings ---------------------------------------------------------------------------------------------------- */

const char *cli_brokers(const struct cli *cli)
{
    const char *given = cli_option(cli, "brokers");

    if (given == NULL) {
        given = cli_option(cli, "bootstrap-server");
    }
    if (given == NULL) {
        given = getenv("MILLRACE_BROKERS");
    }
    return given == NULL || given[0] == '\0' ? CLI_BROKERS_DEFAULT : given;
}

int64_t cli_timeout_ms(const struct cli *cli)
{
    return MAX(cli_duration_ms(cli, "timeout", TIMEOUT_MS_DEFAULT), 1);
}

static struct cli_client *cli_client(struct cli *cli)
{
    if (cli->client == NULL) {
        cli->client = cli_alloc(cli, sizeof(*cli->client));
        cli->client->deadline_ms = cli_clock_ms() + cli_timeout_ms(cli);
        cli->client->pause_ms = PAUSE_MS_FIRST;
        for (size_t i = 0; i < COUNT_OF(cli->client->limits); i++) {
            cli->client->limits[i] = INT16_MAX;
        }
    }
    return cli->client;
}

int32_t cli_time_left_ms(struct cli *cli)
{
    int64_t left_ms = cli_client(cli)->deadline_ms - cli_clock_ms();

    return (int32_t)MIN(MAX(left_ms, 1), INT32_MAX);
}

void cli_deadline_begin(struct cli *cli)
{
    cli_client(cli)->deadline_ms = cli_clock_ms() + cli_timeout_ms(cli);
}

/* --- one exchange ------------------------------------------------------------------------------------------------ */

static void NORETURN cli_lost(struct cli *cli, const struct cli_link *link, int error)
{
    enum cli_exit code = error == ERR_TIMEOUT ? CLI_TIMEOUT : error == ERR_CANCELED ? CLI_FAILED : CLI_UNREACHABLE;

    switch (error) {
    case ERR_TIMEOUT:
        cli_die(cli, code, "no answer from %s:%d within %lld s (--timeout)", link->host, link->port,
                (long long)(cli_timeout_ms(cli) / MS_PER_S));
    case ERR_CLOSED:
        cli_die(cli, code, "%s:%d closed the connection; is it a Kafka listener without TLS?", link->host, link->port);
    case ERR_CANCELED:
        cli_die(cli, code, "interrupted");
    default:
        cli_die(cli, code, "%s:%d does not speak Kafka's protocol (%s)", link->host, link->port, err_text(error));
    }
}

static int cli_send_request(struct cli *cli, struct cli_link *link, const struct kp_api *api, int16_t version,
                            const void *request)
{
    struct kp_request_header header = {.api_key = api->key,
                                       .api_version = version,
                                       .correlation_id = ++cli->client->correlation_id,
                                       .client_id = view_text(CLIENT_NAME)};
    struct kp_writer         writer;
    const struct view       *parts;
    uint8_t                 *length;
    int32_t                  count = 0;

    kp_writer_init_arena(&writer, &cli->arena, 0);
    length = kp_writer_reserve(&writer, 4);
    kp_request_header_encode(&writer, &header);
    api->request.encode(&writer, version, request);
    parts = kp_writer_segments(&writer, &count);
    if (writer.error != ERR_OK || length == NULL) {
        cli_die(cli, CLI_FAILED, "cannot encode a request of %s %d: %s", api->name, version, err_text(writer.error));
    }
    store_be32(length, (uint32_t)(writer.bytes_total - 4));
    return cli_net_send(&link->socket, parts, count, cli->client->deadline_ms);
}

static int cli_exchange(struct cli *cli, struct cli_link *link, const struct kp_api *api, int16_t version,
                        const void *request, void *out_response)
{
    struct span      frame = {0};
    struct kp_reader reader;
    int32_t          correlation_id = 0;
    int              result = cli_send_request(cli, link, api, version, request);

    if (result == ERR_OK) {
        result = cli_net_receive(&link->socket, &cli->arena, cli->client->deadline_ms, &frame);
    }
    if (result != ERR_OK) {
        return result;
    }
    kp_reader_init(&reader, view_span(frame), &cli->arena);
    result = kp_response_header_decode(&reader, api->key, version, &correlation_id);
    if (result == ERR_OK && correlation_id != cli->client->correlation_id) {
        result = ERR_INVALID;
    }
    if (result == ERR_OK) {
        result = api->response.decode(&reader, version, out_response);
    }
    return result;
}

/* --- connections ------------------------------------------------------------------------------------------------- */

/* Version 0 is understood by every broker there is. */
static int cli_ask_versions(struct cli *cli, struct cli_link *link)
{
    struct kp_api_versions_request  request;
    struct kp_api_versions_response response;
    int                             result;

    kp_api_versions_request_init(&request);
    result = cli_exchange(cli, link, kp_api_known(KP_API_VERSIONS_KEY), 0, &request, &response);
    if (result != ERR_OK) {
        return result;
    }
    for (size_t i = 0; i < COUNT_OF(link->ranges); i++) {
        link->ranges[i] = (struct cli_range){.min = 0, .max = -1};
    }
    for (int32_t i = 0; i < response.api_keys_count; i++) {
        int16_t key = response.api_keys[i].api_key;

        if (key >= 0 && key < KP_API_KEY_COUNT) {
            link->ranges[key] =
                (struct cli_range){.min = response.api_keys[i].min_version, .max = response.api_keys[i].max_version};
        }
    }
    return response.error_code == KP_ERR_NONE ? ERR_OK : ERR_UNSUPPORTED;
}

static int cli_connect(struct cli *cli, struct cli_link *link, const char **out_why)
{
    int64_t deadline_ms = MIN(cli->client->deadline_ms, cli_clock_ms() + CONNECT_MS_MAX);
    int     result = cli_net_connect(&link->socket, link->host, link->port, deadline_ms, out_why);

    if (result == ERR_OK) {
        result = cli_ask_versions(cli, link);
        if (result != ERR_OK) {
            *out_why = result == ERR_TIMEOUT  ? "no answer in time"
                       : result == ERR_CLOSED ? "it closes the connection; is it a Kafka listener without TLS?"
                                              : "it does not speak Kafka's protocol";
            cli_net_close(&link->socket);
        }
    }
    return result;
}

static struct cli_link *cli_link_keep(struct cli *cli, struct cli_link *link)
{
    struct cli_client *client = cli->client;

    if (client->link_count == NODES_MAX) {
        cli_die(cli, CLI_FAILED, "more than %d brokers", NODES_MAX);
    }
    client->links[client->link_count++] = link;
    return link;
}

/* "host:port", "[::1]:9092", "host"; ends the process when malformed. */
static void cli_parse_broker(struct cli *cli, const char *text, struct cli_link *out_link)
{
    char       *host = cli_text_copy(cli, view_text(text));
    char       *colon = strrchr(host, ':');
    const char *scheme = strstr(host, "://");
    int64_t     port = PORT_DEFAULT;
    size_t      len;

    if (scheme != NULL) {
        host += scheme + 3 - host;
    }
    if (colon != NULL && colon > host && strchr(colon, ']') == NULL) {
        if (!cli_parse_number(colon + 1, 1, PORT_MAX, &port)) {
            cli_die(cli, CLI_USAGE, "'%s' is no broker: host:port is wanted", text);
        }
        *colon = '\0';
    }
    len = strlen(host);
    if (host[0] == '[' && len > 2 && host[len - 1] == ']') {
        host[len - 1] = '\0';
        host++;
    }
    if (host[0] == '\0') {
        cli_die(cli, CLI_USAGE, "'%s' is no broker: host:port is wanted", text);
    }
    out_link->host = host;
    out_link->port = (int32_t)port;
}

static struct cli_link *cli_bootstrap(struct cli *cli)
{
    char            *list = cli_text_copy(cli, view_text(cli_brokers(cli)));
    char            *state = NULL;
    const char      *why = "the list of brokers is empty";
    struct cli_link *link = cli_alloc(cli, sizeof(*link));
    int              result = ERR_NOT_FOUND;

    link->node = CLI_NODE_ANY;
    for (char *word = strtok_r(list, ", ", &state); word != NULL; word = strtok_r(NULL, ", ", &state)) {
        cli_parse_broker(cli, word, link);
        result = cli_connect(cli, link, &why);
        if (result == ERR_OK) {
            return cli_link_keep(cli, link);
        }
    }
    if (link->host == NULL) {
        cli_die(cli, CLI_USAGE, "'%s' is no list of brokers: HOST:PORT,... is wanted", cli_brokers(cli));
    }
    cli_die(cli, CLI_UNREACHABLE,
            "cannot reach a broker at %s: %s; say where it is with -b HOST:PORT or "
            "MILLRACE_BROKERS",
            cli_brokers(cli), why);
}

static struct cli_link *cli_link(struct cli *cli, int32_t node)
{
    struct cli_client *client = cli_client(cli);
    struct cli_link   *link;
    const char        *why = "";
    int32_t            count = 0;

    for (int32_t i = 0; i < client->link_count; i++) {
        if (client->links[i]->node == node || node == CLI_NODE_ANY) {
            return client->links[i];
        }
    }
    if (node == CLI_NODE_ANY) {
        return cli_bootstrap(cli);
    }
    link = cli_alloc(cli, sizeof(*link));
    link->node = node;
    for (const struct cli_node *at = cli_nodes(cli, &count); count > 0; at++, count--) {
        if (at->id == node) {
            link->host = at->host;
            link->port = at->port;
        }
    }
    if (link->host == NULL) {
        cli_die(cli, CLI_UNREACHABLE, "broker %d is not there", node);
    }
    if (cli_connect(cli, link, &why) != ERR_OK) {
        cli_die(cli, CLI_UNREACHABLE,
                "cannot reach broker %d at %s:%d, the address it advertises: %s; is its "
                "advertised.listeners right?",
                node, link->host, link->port, why);
    }
    return cli_link_keep(cli, link);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

void cli_version_limit(struct cli *cli, int16_t api_key, int16_t version_max)
{
    cli_client(cli)->limits[api_key] = version_max;
}

static int16_t cli_link_version(const struct cli_client *client, const struct cli_link *link, int16_t api_key)
{
    const struct kp_api *api = kp_api_known(api_key);
    int16_t              version;

    if (api == NULL || link->ranges[api_key].max < 0) {
        return -1;
    }
    version = MIN(MIN(api->version_max, link->ranges[api_key].max), client->limits[api_key]);
    return version < api->version_min || version < link->ranges[api_key].min ? (int16_t)-1 : version;
}

int16_t cli_version(struct cli *cli, int32_t node, int16_t api_key)
{
    struct cli_link *link = cli_link(cli, node);

    return cli_link_version(cli->client, link, api_key);
}

void *cli_call(struct cli *cli, int32_t node, int16_t api_key, const void *request)
{
    struct cli_link     *link = cli_link(cli, node);
    const struct kp_api *api = kp_api_known(api_key);
    int16_t              version = cli_link_version(cli->client, link, api_key);
    void                *response;
    int                  result;

    CHECK(api != NULL);
    if (version < 0) {
        cli_die(cli, CLI_REFUSED, "%s:%d does not speak %s in a version we know", link->host, link->port, api->name);
    }
    response = cli_alloc(cli, api->response.bytes);
    result = cli_exchange(cli, link, api, version, request, response);
    if (result != ERR_OK) {
        cli_lost(cli, link, result);
    }
    return response;
}

bool cli_again(struct cli *cli, int16_t kafka_code)
{
    struct cli_client *client = cli_client(cli);

    if (kafka_code == KP_ERR_NONE || !kp_error_is_retriable(kafka_code) ||
        kafka_code == KP_ERR_UNKNOWN_TOPIC_OR_PARTITION || cli_stop_asked != 0 ||
        cli_clock_ms() + client->pause_ms >= client->deadline_ms) {
        return false;
    }
    cli_sleep_ms(client->pause_ms);
    client->pause_ms = MIN(2 * client->pause_ms, PAUSE_MS_MAX);
    client->cluster = NULL;
    return true;
}

/* --- metadata ---------------------------------------------------------------------------------------------------- */

const struct kp_metadata_response *cli_topics(struct cli *cli, const char *const *names, int32_t count)
{
    struct kp_metadata_request  *request = CLI_NEW(cli, kp_metadata_request, kp_metadata_request_init);
    struct kp_metadata_response *response;

    request->allow_auto_topic_creation = false;
    request->topics_count = count;
    request->topics = cli_alloc_array(cli, (size_t)MAX(count, 0) + 1, sizeof(*request->topics));
    for (int32_t i = 0; i < count; i++) {
        kp_metadata_request_topics_init(&request->topics[i]);
        request->topics[i].name = view_text(names[i]);
    }
    response = cli_call(cli, CLI_NODE_ANY, KP_METADATA_KEY, request);
    if (response->error_code != KP_ERR_NONE) {
        cli_die_kafka(cli, response->error_code, (struct view){0}, "cannot ask for metadata");
    }
    return response;
}

static const struct kp_metadata_response *cli_cluster(struct cli *cli)
{
    struct cli_client *client = cli_client(cli);

    if (client->cluster == NULL) {
        const struct kp_metadata_response *cluster = cli_topics(cli, NULL, 0);

        client->nodes = cli_alloc_array(cli, (size_t)MAX(cluster->brokers_count, 0) + 1, sizeof(*client->nodes));
        for (int32_t i = 0; i < cluster->brokers_count; i++) {
            client->nodes[i] = (struct cli_node){.id = cluster->brokers[i].node_id,
                                                 .host = cli_text_copy(cli, cluster->brokers[i].host),
                                                 .port = cluster->brokers[i].port,
                                                 .rack = cli_text_copy(cli, cluster->brokers[i].rack)};
        }
        client->cluster = cluster;
    }
    return client->cluster;
}

const struct cli_node *cli_nodes(struct cli *cli, int32_t *out_count)
{
    *out_count = MAX(cli_cluster(cli)->brokers_count, 0);
    return cli->client->nodes;
}

int32_t cli_controller(struct cli *cli)
{
    int32_t id = cli_cluster(cli)->controller_id;

    return id < 0 ? CLI_NODE_ANY : id;
}

const char *cli_cluster_id(struct cli *cli)
{
    return cli_text_copy(cli, cli_cluster(cli)->cluster_id);
}

int32_t cli_coordinator(struct cli *cli, enum cli_coordinated kind, const char *key)
{
    struct kp_find_coordinator_request *request =
        CLI_NEW(cli, kp_find_coordinator_request, kp_find_coordinator_request_init);
    struct view *keys = cli_alloc(cli, sizeof(*keys));
    const char  *noun = kind == CLI_GROUP ? "group" : "transactional id";
    int16_t      code;
    int32_t      node;

    *keys = view_text(key);
    request->key = *keys;
    request->key_type = (int8_t)kind;
    request->coordinator_keys = keys;
    request->coordinator_keys_count = 1;
    do {
        struct kp_find_coordinator_response *response = cli_call(cli, CLI_NODE_ANY, KP_FIND_COORDINATOR_KEY, request);
        struct view                          message = response->error_message;

        code = response->error_code;
        node = response->node_id;
        if (response->coordinators_count > 0) {
            code = response->coordinators[0].error_code;
            node = response->coordinators[0].node_id;
            message = response->coordinators[0].error_message;
        }
        if (code != KP_ERR_NONE && !kp_error_is_retriable(code)) {
            cli_die_kafka(cli, code, message, cli_format(cli, "cannot find the coordinator of %s '%s'", noun, key));
        }
    } while (cli_again(cli, code));
    if (code != KP_ERR_NONE) {
        cli_die(cli, CLI_TIMEOUT, "no broker coordinates %s '%s' (%s)", noun, key, kp_error_name(code));
    }
    (void)cli_cluster(cli);
    return node;
}
