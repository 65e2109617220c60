/* cli_client.h: a small blocking Kafka client for administration, over our own codecs (core/proto).
 *
 * One request at a time per connection; connections are made when first needed and kept. The version is the highest
 * that both sides know. Every wait ends at the command's deadline (--timeout, 30 s by default). No broker of the
 * bootstrap list answering ends the process with CLI_UNREACHABLE, a deadline with CLI_TIMEOUT: what comes back from
 * cli_call() is a decoded response, and commands look at the error codes in it only.
 *
 * A code that Kafka calls retriable is answered by cli_again(): it forgets what metadata it has, waits (100 ms doubling
 * to 1 s) and says true until the deadline. Responses live in the command's arena. */
#ifndef MILLRACE_CLI_CLIENT_H
#define MILLRACE_CLI_CLIENT_H

#include "core/proto/kp_table.h"
#include "tools/cli/cli.h"

#define CLI_BROKERS_DEFAULT "127.0.0.1:9092"
#define CLI_NODE_ANY        (-1)

struct cli_node {
    int32_t     id;
    const char *host;
    int32_t     port;
    const char *rack; /* may be NULL */
};

/* "host:port,..." by --brokers, $MILLRACE_BROKERS or the default. */
const char *cli_brokers(const struct cli *cli);
int64_t     cli_timeout_ms(const struct cli *cli);
/* What is left until the deadline, at least 1, for timeout_ms in requests. */
int32_t cli_time_left_ms(struct cli *cli);
/* The time of --timeout begins anew: after something that took as long as it was told to. */
void cli_deadline_begin(struct cli *cli);

/* Sends to `node` (CLI_NODE_ANY: any) and waits for the answer: the response's struct, kp_<name>_response. */
MUST_USE void *cli_call(struct cli *cli, int32_t node, int16_t api_key, const void *request);
/* The version that cli_call would use, -1 when that broker does not speak the API. */
int16_t cli_version(struct cli *cli, int32_t node, int16_t api_key);
/* At most this version of an API from here on. */
void cli_version_limit(struct cli *cli, int16_t api_key, int16_t version_max);

/* Brokers, controller; asked once, and again after cli_again(). */
int32_t                cli_controller(struct cli *cli);
const struct cli_node *cli_nodes(struct cli *cli, int32_t *out_count);
const char            *cli_cluster_id(struct cli *cli);
/* Metadata of these topics (count -1: all). Never creates a topic. Lives in the arena. */
MUST_USE const struct kp_metadata_response *cli_topics(struct cli *cli, const char *const *names, int32_t count);

enum cli_coordinated { CLI_GROUP = 0, CLI_TXN = 1 };
/* The node that coordinates a group or transactional id; waits while there is none yet. Ends the process when it cannot
 * be found. */
int32_t cli_coordinator(struct cli *cli, enum cli_coordinated kind, const char *key);

/* True: retriable, and there is time: the pause has been made, call again. */
MUST_USE bool cli_again(struct cli *cli, int16_t kafka_code);

/* Allocates and initialises a request, with its fields at Kafka's defaults. */
#define CLI_NEW(cli, type, init)                           \
    ({                                                     \
        struct type *new_ = cli_alloc(cli, sizeof(*new_)); \
        init(new_);                                        \
        new_;                                              \
    })

#endif
