/* cli_txn.c: millrace txn: list, describe, producers, abort.
 *
 * Two ways to abort. By transactional id: InitProducerId in its name, which fences the producer that has it and ends
 * what it had open, as a new instance of the application would. By partition: WriteTxnMarkers for a transaction that
 * hangs in one partition although its coordinator knows nothing of it any more (KIP-664). */
#include "core/proto/kp_error.h"
#include "tools/cli/cli_topic.h"

#define INIT_TIMEOUT_MS 60000

/* --- list -------------------------------------------------------------------------------------------------------- */

static bool txn_matches(const struct cli *cli, const char *name)
{
    for (int i = 0; i < cli_operand_count(cli); i++) {
        if (cli_glob(cli_operand(cli, i), name)) {
            return true;
        }
    }
    return cli_operand_count(cli) == 0;
}

static int txn_list_run(struct cli *cli)
{
    struct kp_list_transactions_request *request =
        CLI_NEW(cli, kp_list_transactions_request, kp_list_transactions_request_init);
    struct cli_section    *table = cli_table(cli, NULL, "no transactional ids");
    const char            *state = cli_option(cli, "state");
    struct view            wanted = state == NULL ? (struct view){0} : view_text(state);
    int32_t                count = 0;
    const struct cli_node *nodes = cli_nodes(cli, &count);

    request->state_filters = &wanted;
    request->state_filters_count = state == NULL ? 0 : 1;
    request->duration_filter = cli_duration_ms(cli, "longer", -1);
    for (int32_t i = 0; i < count; i++) {
        const struct kp_list_transactions_response *response;

        if (request->duration_filter >= 0 && cli_version(cli, nodes[i].id, KP_LIST_TRANSACTIONS_KEY) == 0) {
            cli_die(cli, CLI_REFUSED, "broker %d cannot select by duration", nodes[i].id);
        }
        do {
            response = cli_call(cli, nodes[i].id, KP_LIST_TRANSACTIONS_KEY, request);
        } while (cli_again(cli, response->error_code));
        if (response->error_code != KP_ERR_NONE) {
            cli_fail_kafka(cli, response->error_code, (struct view){0},
                           cli_format(cli, "broker %d does not list its transactions", nodes[i].id));
            continue;
        }
        if (response->unknown_state_filters_count > 0) {
            cli_die(cli, CLI_USAGE,
                    "'%s' is no state; Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, "
                    "CompleteAbort",
                    state);
        }
        cli->good++;
        for (int32_t t = 0; t < response->transaction_states_count; t++) {
            const struct kp_list_transactions_response_transaction_states *row = &response->transaction_states[t];
            const char *name = cli_text_copy(cli, row->transactional_id);

            if (txn_matches(cli, name)) {
                cli_row(table);
                cli_put_text(table, "transactional_id", name);
                cli_put_view(table, "state", row->transaction_state);
                cli_put_number(table, "producer_id", row->producer_id);
                cli_put_number(table, "coordinator", nodes[i].id);
            }
        }
    }
    cli_sort(table);
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- describe ---------------------------------------------------------------------------------------------------- */

static void txn_fail(struct cli *cli, const char *verb, const char *id, int16_t code)
{
    if (code == KP_ERR_TRANSACTIONAL_ID_NOT_FOUND) {
        cli_fail(cli, CLI_NOT_FOUND, "there is no transactional id '%s'; millrace txn list shows those there are", id);
    } else {
        cli_fail_kafka(cli, code, (struct view){0}, cli_format(cli, "cannot %s '%s'", verb, id));
    }
}

/* NULL when the failure has been said. */
static const struct kp_describe_transactions_response_transaction_states *txn_ask(struct cli *cli, const char *verb,
                                                                                  const char *id, int32_t *out_node)
{
    struct kp_describe_transactions_request *request =
        CLI_NEW(cli, kp_describe_transactions_request, kp_describe_transactions_request_init);
    const struct kp_describe_transactions_response *response;
    struct view                                    *name = cli_alloc(cli, sizeof(*name));
    int16_t                                         code;

    *name = view_text(id);
    request->transactional_ids = name;
    request->transactional_ids_count = 1;
    do {
        *out_node = cli_coordinator(cli, CLI_TXN, id);
        response = cli_call(cli, *out_node, KP_DESCRIBE_TRANSACTIONS_KEY, request);
        code = response->transaction_states_count > 0 ? response->transaction_states->error_code
                                                      : (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR;
    } while (cli_again(cli, code));
    if (code != KP_ERR_NONE) {
        txn_fail(cli, verb, id, code);
        return NULL;
    }
    return response->transaction_states;
}

static int txn_describe_run(struct cli *cli)
{
    struct cli_section *table = cli_table(cli, "transactions", NULL);
    struct cli_section *partitions = cli_table(cli, "partitions", NULL);

    for (int i = 0; i < cli_operand_count(cli); i++) {
        const char                                                        *id = cli_operand(cli, i);
        int32_t                                                            node = 0;
        const struct kp_describe_transactions_response_transaction_states *row = txn_ask(cli, "describe", id, &node);

        if (row == NULL) {
            continue;
        }
        cli->good++;
        cli_row(table);
        cli_put_text(table, "transactional_id", id);
        cli_put_view(table, "state", row->transaction_state);
        cli_put_number(table, "producer_id", row->producer_id);
        cli_put_number(table, "epoch", row->producer_epoch);
        cli_put_duration(table, "timeout", row->transaction_timeout_ms);
        if (row->transaction_start_time_ms < 0) {
            cli_put_none(table, "started");
        } else {
            cli_put_time(table, "started", row->transaction_start_time_ms);
        }
        cli_put_number(table, "coordinator", node);
        for (int32_t t = 0; t < row->topics_count; t++) {
            for (int32_t p = 0; p < row->topics[t].partitions_count; p++) {
                cli_row(partitions);
                cli_put_text(partitions, "transactional_id", id);
                cli_put_view(partitions, "topic", row->topics[t].topic);
                cli_put_number(partitions, "partition", row->topics[t].partitions[p]);
            }
        }
    }
    cli_sort(partitions);
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- producers --------------------------------------------------------------------------------------------------- */

static const struct kp_describe_producers_response_topics_partitions *producers_ask(struct cli             *cli,
                                                                                    const struct cli_place *place)
{
    struct kp_describe_producers_request *request =
        CLI_NEW(cli, kp_describe_producers_request, kp_describe_producers_request_init);
    const struct kp_describe_producers_response *response;
    int32_t                                     *partition = cli_alloc(cli, sizeof(*partition));
    int16_t                                      code;

    *partition = place->partition;
    request->topics = cli_alloc(cli, sizeof(*request->topics));
    request->topics_count = 1;
    request->topics->name = view_text(place->topic);
    request->topics->partition_indexes = partition;
    request->topics->partition_indexes_count = 1;
    do {
        response = cli_call(cli, place->leader, KP_DESCRIBE_PRODUCERS_KEY, request);
        code = response->topics_count < 1 || response->topics->partitions_count < 1
                   ? (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR
                   : response->topics->partitions->error_code;
    } while (cli_again(cli, code));
    if (code != KP_ERR_NONE) {
        cli_fail_kafka(cli, code, (struct view){0},
                       cli_format(cli, "cannot ask for the producers of %s [%d]", place->topic, place->partition));
        return NULL;
    }
    return response->topics->partitions;
}

static int txn_producers_run(struct cli *cli)
{
    struct cli_section *table = cli_table(cli, NULL, "no producers with an id");
    const char         *topic = cli_operand(cli, 0);
    size_t              count = 0;
    struct cli_place   *places = cli_places(cli, &topic, 1, cli_option(cli, "partitions"), &count);

    for (size_t i = 0; i < count; i++) {
        const struct kp_describe_producers_response_topics_partitions *row = producers_ask(cli, &places[i]);

        for (int32_t p = 0; row != NULL && p < row->active_producers_count; p++) {
            const struct kp_describe_producers_response_topics_partitions_active_producers *producer =
                &row->active_producers[p];

            if (cli_flag(cli, "open") && producer->current_txn_start_offset < 0) {
                continue;
            }
            cli_row(table);
            cli_put_text(table, "topic", places[i].topic);
            cli_put_number(table, "partition", places[i].partition);
            cli_put_number(table, "producer_id", producer->producer_id);
            cli_put_number(table, "epoch", producer->producer_epoch);
            cli_put_number(table, "coordinator_epoch", producer->coordinator_epoch);
            cli_put_number(table, "sequence", producer->last_sequence);
            cli_put_time(table, "last_write", producer->last_timestamp);
            if (producer->current_txn_start_offset < 0) {
                cli_put_none(table, "open_from");
            } else {
                cli_put_number(table, "open_from", producer->current_txn_start_offset);
            }
        }
        cli->good += row != NULL;
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

/* --- abort ------------------------------------------------------------------------------------------------------- */

static void abort_row(struct cli_section *table, const char *what, int64_t producer_id, int32_t epoch, int16_t code,
                      const char *fine)
{
    cli_row(table);
    cli_put_text(table, "transaction", what);
    cli_put_number(table, "producer_id", producer_id);
    cli_put_number(table, "epoch", epoch);
    cli_put_error(table, "error", code == KP_ERR_NONE ? NULL : kp_error_name(code), fine);
}

static void abort_by_id(struct cli *cli, const char *id, struct cli_section *table)
{
    int32_t                                                            node = 0;
    const struct kp_describe_transactions_response_transaction_states *row = txn_ask(cli, "abort", id, &node);
    struct kp_init_producer_id_request                                *request =
        CLI_NEW(cli, kp_init_producer_id_request, kp_init_producer_id_request_init);
    const struct kp_init_producer_id_response *response;
    bool                                       open;

    if (row == NULL) {
        return;
    }
    open = view_equal(row->transaction_state, view_text("Ongoing"));
    if (!open && !cli_flag(cli, "fence")) {
        abort_row(table, id, row->producer_id, row->producer_epoch, KP_ERR_NONE, "nothing is open");
        cli->good++;
        return;
    }
    if (cli_flag(cli, "dry-run")) {
        abort_row(table, id, row->producer_id, row->producer_epoch, KP_ERR_NONE,
                  open ? "would be aborted" : "would be fenced");
        cli->good++;
        return;
    }
    request->transactional_id = view_text(id);
    request->transaction_timeout_ms =
        row->transaction_timeout_ms > 0 ? row->transaction_timeout_ms : (int32_t)INIT_TIMEOUT_MS;
    do { /* CONCURRENT_TRANSACTIONS until the abort is done */
        response = cli_call(cli, cli_coordinator(cli, CLI_TXN, id), KP_INIT_PRODUCER_ID_KEY, request);
    } while (cli_again(cli, response->error_code));
    abort_row(table, id, response->producer_id, response->producer_epoch, response->error_code,
              open ? "aborted" : "fenced");
    if (response->error_code != KP_ERR_NONE) {
        txn_fail(cli, "abort", id, response->error_code);
    } else {
        cli->good++;
    }
}

static int16_t abort_marker(struct cli *cli, const struct cli_place *place,
                            const struct kp_describe_producers_response_topics_partitions_active_producers *producer)
{
    struct kp_write_txn_markers_request *request =
        CLI_NEW(cli, kp_write_txn_markers_request, kp_write_txn_markers_request_init);
    const struct kp_write_txn_markers_response *response;
    int32_t                                    *partition = cli_alloc(cli, sizeof(*partition));
    int16_t                                     code;

    *partition = place->partition;
    request->markers = cli_alloc(cli, sizeof(*request->markers));
    request->markers_count = 1;
    kp_write_txn_markers_request_markers_init(request->markers);
    request->markers->producer_id = producer->producer_id;
    request->markers->producer_epoch = (int16_t)producer->producer_epoch;
    request->markers->transaction_result = false;
    request->markers->coordinator_epoch = MAX(producer->coordinator_epoch, 0);
    request->markers->topics = cli_alloc(cli, sizeof(*request->markers->topics));
    request->markers->topics_count = 1;
    request->markers->topics->name = view_text(place->topic);
    request->markers->topics->partition_indexes = partition;
    request->markers->topics->partition_indexes_count = 1;
    do {
        response = cli_call(cli, place->leader, KP_WRITE_TXN_MARKERS_KEY, request);
        code = response->markers_count < 1 || response->markers->topics_count < 1 ||
                       response->markers->topics->partitions_count < 1
                   ? (int16_t)KP_ERR_UNKNOWN_SERVER_ERROR
                   : response->markers->topics->partitions->error_code;
    } while (cli_again(cli, code));
    return code;
}

/* Every open transaction of one partition, or that of one producer. */
static void abort_in_partition(struct cli *cli, const char *topic, struct cli_section *table)
{
    size_t            count = 0;
    struct cli_place *places = cli_places(cli, &topic, 1, cli_option(cli, "partitions"), &count);
    int64_t           wanted = cli_number(cli, "producer-id", -1);
    bool              dry = cli_flag(cli, "dry-run");
    uint32_t          found = 0;

    for (size_t i = 0; i < count; i++) {
        const struct kp_describe_producers_response_topics_partitions *row = producers_ask(cli, &places[i]);

        for (int32_t p = 0; row != NULL && p < row->active_producers_count; p++) {
            const struct kp_describe_producers_response_topics_partitions_active_producers *producer =
                &row->active_producers[p];
            const char *what = cli_format(cli, "%s [%d] from %" PRId64, topic, places[i].partition,
                                          producer->current_txn_start_offset);
            int16_t     code;

            if (producer->current_txn_start_offset < 0 || (wanted >= 0 && producer->producer_id != wanted)) {
                continue;
            }
            found++;
            code = dry ? (int16_t)KP_ERR_NONE : abort_marker(cli, &places[i], producer);
            abort_row(table, what, producer->producer_id, producer->producer_epoch, code,
                      dry ? "would be aborted" : "aborted");
            if (code != KP_ERR_NONE) {
                cli_fail_kafka(cli, code, (struct view){0}, cli_format(cli, "cannot abort %s", what));
            } else {
                cli->good++;
            }
        }
    }
    if (found == 0 && cli->failed == 0) {
        cli_fail(cli, CLI_NOT_FOUND,
                 "no transaction is open there; millrace txn producers %s --open shows those that are", topic);
    }
}

static int txn_abort_run(struct cli *cli)
{
    struct cli_section *table = cli_table(cli, NULL, NULL);
    const char         *topic = cli_option(cli, "topic");

    if ((topic == NULL) == (cli_operand_count(cli) == 0)) {
        cli_die(cli, CLI_USAGE, "which? a transactional id, or -t TOPIC -p PARTITION for one that hangs");
    }
    if (topic != NULL && cli_option(cli, "partitions") == NULL) {
        cli_die(cli, CLI_USAGE, "which partition of %s? -p N", topic);
    }
    if (topic != NULL) {
        abort_in_partition(cli, topic, table);
    }
    for (int i = 0; i < cli_operand_count(cli); i++) {
        abort_by_id(cli, cli_operand(cli, i), table);
    }
    cli_out_print(cli);
    return (int)cli_result(cli);
}

static const struct cli_option list_options[] = {
    {.letter = 's', .kind = CLI_TEXT, .name = "state", .value = "STATE", .help = "only these, as Ongoing"},
    {.letter = 'l', .kind = CLI_DURATION, .name = "longer", .value = "TIME", .help = "open for longer than this"},
    CLI_OPTIONS_END,
};
static const struct cli_option producers_options[] = {
    {.letter = 'p', .kind = CLI_TEXT, .name = "partitions", .value = "LIST", .help = "as 0,2,5-7; default: all"},
    {.name = "open", .help = "with an open transaction only"},
    CLI_OPTIONS_END,
};
static const struct cli_option abort_options[] = {
    {.letter = 't',
     .kind = CLI_TEXT,
     .name = "topic",
     .value = "TOPIC",
     .complete = "topic",
     .help = "what hangs in this topic, by markers"},
    {.letter = 'p', .kind = CLI_TEXT, .name = "partitions", .value = "LIST", .help = "with -t: as 0,2,5-7"},
    {.kind = CLI_NUMBER, .name = "producer-id", .value = "ID", .help = "with -t: this producer's only"},
    {.name = "fence", .help = "fence the producer, also when nothing is open"},
    CLI_OPTIONS_END,
};

const struct cli_command cli_txn_commands[] = {
    {.name = "list",
     .alias = "ls",
     .summary = "transactional ids and their states",
     .operands = "[PATTERN...]",
     .examples = "millrace txn list\nmillrace txn list -s Ongoing -l 10m\n",
     .options = list_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_max = -1,
     .run = txn_list_run},
    {.name = "describe",
     .alias = "d",
     .summary = "state, producer, partitions",
     .operands = "TRANSACTIONAL-ID...",
     .examples = "millrace txn describe billing-1\n",
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = -1,
     .run = txn_describe_run},
    {.name = "producers",
     .summary = "producers whose state a topic's partitions hold",
     .operands = "TOPIC",
     .complete = "topic",
     .examples = "millrace txn producers orders\nmillrace txn producers orders -p 3 --open\n",
     .options = producers_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT,
     .operands_min = 1,
     .operands_max = 1,
     .run = txn_producers_run},
    {.name = "abort",
     .summary = "abort an open transaction",
     .operands = "TRANSACTIONAL-ID...",
     .details = "By id: its producer is fenced and what it had open is aborted. With -t: markers for transactions that "
                "hang in a\npartition although no coordinator knows them any more.\n",
     .examples = "millrace txn abort billing-1\nmillrace txn abort -t orders -p 3 -n\n",
     .options = abort_options,
     .needs = CLI_NEEDS_BROKERS | CLI_NEEDS_OUTPUT | CLI_NEEDS_DRY_RUN,
     .operands_max = -1,
     .run = txn_abort_run},
    CLI_COMMANDS_END,
};
