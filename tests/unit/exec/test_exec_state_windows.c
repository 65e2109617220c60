/* State of windows, joins and sessions in whole plans: queries in the manner of Nexmark's, planned from SQL, give the
 * same rows whether the job crashes at random barriers or never. */
#include "tests/unit/exec/state_support.h"

#include "compute/sql/sql.h"
#include "compute/sql/sql_parse.h"

#define PARTITIONS 3
#define ROWS       1200

/* Columns of the table. Bids: id = the auction, owner = the bidder. Auctions: owner = the seller, place = the category.
 */
enum { KIND, ID, OWNER, PRICE, PLACE, NAME, TIME, COLUMNS };
enum { PERSON, AUCTION, BID };

static const char tables[] =
    "CREATE TABLE nexmark (kind BIGINT, id BIGINT, owner BIGINT, price BIGINT, place BIGINT, name VARCHAR,"
    " `dateTime` TIMESTAMP(3), WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND) WITH ('connector' ="
    " 'kafka', 'topic' = 'nexmark', 'format' = 'json');"
    "CREATE VIEW person AS SELECT id, name, place AS state, `dateTime` FROM nexmark WHERE kind = 0;"
    "CREATE VIEW auction AS SELECT id, name, owner AS seller, place AS category, `dateTime` FROM nexmark WHERE kind = "
    "1;"
    "CREATE VIEW bid AS SELECT id AS auction, owner AS bidder, price, name AS url, `dateTime` FROM nexmark WHERE kind ="
    " 2;"
    "CREATE VIEW timed AS SELECT *, PROCTIME() AS p_time FROM bid;"
    "CREATE TABLE out3 (a VARCHAR, b BIGINT, c BIGINT) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');"
    "CREATE TABLE out2 (a BIGINT, b BIGINT) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');"
    "CREATE TABLE outw (a BIGINT, b BIGINT, c TIMESTAMP(3), d TIMESTAMP(3)) WITH ('connector' = 'kafka', 'topic' ="
    " 'o', 'format' = 'json');"
    "CREATE TABLE outj (a BIGINT, b BIGINT, c VARCHAR, d TIMESTAMP(3), e VARCHAR, f BIGINT, g TIMESTAMP(3)) WITH"
    " ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');"
    "CREATE TABLE outd (a BIGINT, b BIGINT, c BIGINT, d BIGINT, e VARCHAR, f TIMESTAMP(3)) WITH ('connector' ="
    " 'kafka', 'topic' = 'o', 'format' = 'json');";

struct query {
    const char *name, *text;
};

static const struct query queries[] = {
    {"q3", "INSERT INTO out3 SELECT P.name, P.state, A.id FROM auction AS A INNER JOIN person AS P ON A.seller = P.id "
           "WHERE A.category = 2 AND (P.state = 1 OR P.state = 2 OR P.state = 3);"},
    {"q5", "INSERT INTO out2 SELECT AuctionBids.auction, AuctionBids.num FROM (SELECT auction, COUNT(*) AS num, "
           "window_start AS starttime, window_end AS endtime FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), "
           "INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) AS AuctionBids "
           "JOIN (SELECT MAX(CountBids.num) AS maxn, CountBids.starttime, CountBids.endtime FROM (SELECT COUNT(*) AS "
           "num, window_start AS starttime, window_end AS endtime FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), "
           "INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) AS CountBids "
           "GROUP BY CountBids.starttime, CountBids.endtime) AS MaxBids ON AuctionBids.starttime = MaxBids.starttime "
           "AND AuctionBids.endtime = MaxBids.endtime AND AuctionBids.num >= MaxBids.maxn;"},
    {"q7", "INSERT INTO outw SELECT B.auction, B.price, B.`dateTime`, B1.`dateTime` FROM bid B JOIN (SELECT "
           "MAX(price) AS maxprice, window_end AS `dateTime` FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), "
           "INTERVAL '10' SECOND)) GROUP BY window_start, window_end) B1 ON B.price = B1.maxprice WHERE B.`dateTime` "
           "BETWEEN B1.`dateTime` - INTERVAL '10' SECOND AND B1.`dateTime`;"},
    {"q8", "INSERT INTO out3 SELECT P.name, P.id, A.seller FROM (SELECT id, name, window_start AS starttime, "
           "window_end AS endtime FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) "
           "GROUP BY id, name, window_start, window_end) P JOIN (SELECT seller, window_start AS starttime, window_end "
           "AS endtime FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY "
           "seller, window_start, window_end) A ON P.id = A.seller AND P.starttime = A.starttime AND P.endtime = "
           "A.endtime;"},
    {"q11", "INSERT INTO outw SELECT B.bidder, COUNT(*), SESSION_START(B.`dateTime`, INTERVAL '10' SECOND), "
            "SESSION_END(B.`dateTime`, INTERVAL '10' SECOND) FROM bid B GROUP BY B.bidder, SESSION(B.`dateTime`, "
            "INTERVAL '10' SECOND);"},
    {"q20", "INSERT INTO outj SELECT auction, bidder, url, B.`dateTime`, A.name, A.seller, A.`dateTime` FROM bid AS B "
            "INNER JOIN auction AS A ON B.auction = A.id WHERE A.category = 2;"},
    {"interval join", "INSERT INTO outj SELECT auction, bidder, url, B.`dateTime`, A.name, A.seller, A.`dateTime` FROM "
                      "bid AS B, auction AS A WHERE B.auction = A.id AND B.`dateTime` BETWEEN A.`dateTime` - INTERVAL "
                      "'3' SECOND AND A.`dateTime` + INTERVAL '10' SECOND;"},
    {"cumulate", "INSERT INTO outd SELECT auction, COUNT(*), COUNT(DISTINCT bidder), MAX(price), MIN(url), window_end "
                 "FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) "
                 "GROUP BY auction, window_start, window_end;"},
    {"hop", "INSERT INTO outd SELECT auction, AVG(price), COUNT(DISTINCT url), SUM(DISTINCT bidder), MAX(url), "
            "window_end FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '4' SECOND, INTERVAL '12' SECOND)) "
            "GROUP BY auction, window_start, window_end;"},
    {"sessions", "INSERT INTO outd SELECT auction, COUNT(*), COUNT(DISTINCT url), SUM(price), MIN(url), "
                 "SESSION_END(`dateTime`, INTERVAL '3' SECOND) FROM bid GROUP BY auction, SESSION(`dateTime`, INTERVAL "
                 "'3' SECOND);"},
};

static const struct query processing_time = {
    "q12", "INSERT INTO outw SELECT bidder, COUNT(*), window_start, window_end FROM TABLE(TUMBLE(TABLE timed, "
           "DESCRIPTOR(p_time), INTERVAL '10' SECOND)) GROUP BY bidder, window_start, window_end;"};

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

static struct rig_row input[PARTITIONS][ROWS];

/* Time goes on by 250 ms a row, in a disorder that the watermark's delay covers: nothing is late, whatever the order in
 * which partitions are read. */
static void make_rows(uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            uint64_t        dice = prng_below(&prng, 20);
            struct rig_row *row = &input[p][i];
            int64_t         time_ms = (int64_t)i * 250 - (int64_t)prng_below(&prng, 3900);

            *row = (struct rig_row){.cells = {dice == 0 ? PERSON : dice < 3 ? AUCTION : BID}};
            row->cells[ID] = (int64_t)(i / 40 + prng_below(&prng, 12));
            row->cells[OWNER] = (int64_t)(i / 30 + prng_below(&prng, 15));
            row->cells[PRICE] = (int64_t)prng_below(&prng, 100000);
            row->cells[PLACE] = (int64_t)prng_below(&prng, 5);
            row->cells[NAME] = (int64_t)prng_below(&prng, 50);
            row->cells[TIME] = time_ms * 1000;
        }
    }
}

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

struct planned {
    struct sql_catalog *catalog;
    struct arena        arena, plans;
    struct sql_plan    *plan;
};

static void plan_run(struct planned *planned, const char *text)
{
    struct view           script = view_text(text);
    struct sql_error      error;
    struct sql_statement *statement = sql_parse(script, &planned->arena, &error);

    for (; statement != NULL; statement = statement->next) {
        struct sql_answer answer;

        if (!sql_execute(planned->catalog, statement, script, &planned->plans, &answer, &error)) {
            break;
        }
        planned->plan = answer.plan;
    }
    if (error.kind != SQL_OK) {
        char message[1024];

        (void)sql_error_format(&error, script, message, sizeof(message));
        fail_msg("%s", message);
    }
}

static void plan_make(struct planned *planned, const struct query *query)
{
    *planned = (struct planned){.catalog = sql_catalog_create()};
    arena_init(&planned->arena, MEM_TEST, 16 * KIB, SIZE_MAX);
    arena_init(&planned->plans, MEM_TEST, 64 * KIB, SIZE_MAX);
    plan_run(planned, tables);
    plan_run(planned, query->text);
    assert_non_null(planned->plan);
}

static void plan_free(struct planned *planned)
{
    sql_plan_release(planned->plan);
    sql_catalog_destroy(planned->catalog);
    arena_deinit(&planned->plans);
    arena_deinit(&planned->arena);
}

/* A partition's rows as the scan has them: only the columns that the plan reads. */
static const struct rig_row *rows_of(struct graph *graph, const struct sql_source_plan *source, uint32_t partition)
{
    struct rig_row *rows = arena_alloc_array(&graph->arena, ROWS, sizeof(*rows));

    for (uint32_t i = 0; i < ROWS; i++) {
        for (uint32_t c = 0; c < source->column_count; c++) {
            rows[i].cells[c] = input[partition][i].cells[source->columns[c].table_column];
        }
    }
    return rows;
}

static void rig_make(struct state_rig *rig, const struct sql_plan *plan, uint32_t workers, uint64_t seed)
{
    char message[256];

    memset(rig, 0, sizeof(*rig));
    graph_init(&rig->graph);
    assert_true(plan->exec.node_count <= GRAPH_NODES_MAX);
    rig->graph.plan = plan->exec;
    memcpy(rig->graph.nodes, plan->exec.nodes, plan->exec.node_count * sizeof(struct exec_node *));
    assert_true(exec_plan_has_state(&plan->exec));
    if (!exec_plan_can_save(&plan->exec, message, sizeof(message))) {
        fail_msg("%s", message);
    }
    for (uint32_t s = 0; s < plan->exec.source_count; s++) {
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            state_input(rig, plan->sources[s].scan, p, rows_of(&rig->graph, &plan->sources[s], p), ROWS);
        }
    }
    state_init(rig, seed,
               (struct exec_options){.worker_count = workers,
                                     .verify_seed = seed % 2,
                                     .piece_rows = seed % 4 == 0 ? 0 : 1 + (uint32_t)seed % 20,
                                     .rows_max = seed % 3 == 0 ? 7 : 0});
    rig->epochs.push_max = 40;
    rig->epochs.chance = 5;
}

/* --- cases ---------------------------------------------------------------------------------------------------------
 */

/* Returns how many records were loaded. */
static uint32_t run_query(const struct query *query, uint32_t workers, uint32_t crashes, uint64_t seed,
                          struct rig_rows *out_table)
{
    struct state_rig *rig = test_calloc(1, sizeof(*rig));
    struct planned    planned;
    uint32_t          loaded;

    plan_make(&planned, query);
    rig_make(rig, planned.plan, workers, seed);
    rig->snapshot_chance = seed % 3 == 1 ? 0 : 12;
    state_run(rig, crashes, 80 * workers);
    graph_table(&rig->graph, out_table);
    loaded = rig->load_count;
    state_free(rig);
    plan_free(&planned);
    test_free(rig);
    return loaded;
}

static void check_query(const struct query *query, uint64_t seed)
{
    struct rig_rows wanted;

    make_rows(seed);
    assert_int_equal(run_query(query, 1, 0, seed, &wanted), 0);
    assert_true(wanted.count > 20);
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct rig_rows table;

        assert_true(run_query(query, workers, 6, seed + workers, &table) > 50);
        rows_assert_same(&table, &wanted);
        rows_free(&table);
    }
    rows_free(&wanted);
}

static void crashes_do_not_show(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        check_query(&queries[i], 1 + i);
    }
}

/* By the clock rows fall into windows as they may, but each into one: no window is shown twice, and no bid counted
 * twice. */
static void windows_of_the_clock_fire_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct state_rig *rig = test_calloc(1, sizeof(*rig));
        struct planned    planned;
        struct rig_rows   table;
        int64_t           bids = 0;
        int64_t           counted = 0;

        make_rows(seed);
        for (uint32_t i = 0; i < PARTITIONS * ROWS; i++) {
            bids += input[i / ROWS][i % ROWS].cells[KIND] == BID;
        }
        plan_make(&planned, &processing_time);
        rig_make(rig, planned.plan, 1 + (uint32_t)seed % 2, seed);
        rig->clock_step_ms = 2000;
        state_run(rig, 8, 150);
        graph_table(&rig->graph, &table);
        assert_true(table.count > 20);
        qsort(table.items, table.count, sizeof(*table.items), rows_compare);
        for (size_t i = 0; i < table.count; i++) {
            const struct rig_row *row = &table.items[i];

            counted += row->cells[1];
            assert_int_equal(row->cells[3] - row->cells[2], 10000000);
            for (size_t j = i + 1; j < table.count && table.items[j].cells[0] == row->cells[0]; j++) {
                assert_true(table.items[j].cells[2] != row->cells[2]);
            }
        }
        assert_true(counted > bids / 2 && counted <= bids);
        rows_free(&table);
        state_free(rig);
        plan_free(&planned);
        test_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_do_not_show),
        cmocka_unit_test(windows_of_the_clock_fire_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
