/* Expressions beside Flink's answers: tests/data/sql/expr-flink.tsv has, one a line, an expression, its type and its
 * value as ExprProbe (tests/suites/flink) wrote them. Each is parsed, bound and evaluated here.
 *
 * What we refuse counts as refused and is counted by reason; a different type or value is a failure, unless
 * expr-known.tsv names the expression: Flink's accidents that we do not share, and ours. */
#include "tests/unit/expr/expr_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 8192
#define KNOWN_MAX      2000

static const char *data_folder; /* of the rows */
static bool        show_all;    /* print every refusal */

struct known {
    char  *lines[KNOWN_MAX];
    bool   used[KNOWN_MAX];
    size_t count;
};

struct tally {
    size_t rows, equal, refused, different, known;
};

/* --- the rows ----------------------------------------------------------------------------------------------------- */

static size_t known_index(const struct known *known, const char *expression)
{
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(known->lines[i], expression) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Splits at tabs; false: no row. */
static bool split_line(char *line, char *fields[3])
{
    line[strcspn(line, "\n")] = '\0';
    fields[0] = line;
    for (int i = 1; i < 3; i++) {
        char *tab = strchr(fields[i - 1], '\t');

        if (tab == NULL) {
            return false;
        }
        *tab = '\0';
        fields[i] = tab + 1;
    }
    return true;
}

/* `@(x)` is `(x)`: the mark kept Flink's planner from folding. */
static void without_marks(const char *text, char out[LINE_BYTES_MAX])
{
    size_t len = 0;

    for (; *text != '\0' && len + 1 < LINE_BYTES_MAX; text++) {
        if (text[0] != '@' || text[1] != '(') {
            out[len++] = *text;
        }
    }
    out[len] = '\0';
}

/* Flink's type without its NOT NULL, which the planner knows better of constants. */
static void without_not_null(char *type)
{
    for (char *found = strstr(type, " NOT NULL"); found != NULL; found = strstr(type, " NOT NULL")) {
        memmove(found, found + 9, strlen(found + 9) + 1);
    }
}

/* Where Flink refuses or fails, so must we; which way does not matter. */
static bool agrees(const struct rig_result *ours, char *const fields[3])
{
    bool flink_fails = strcmp(fields[1], "error") == 0 || fields[2][0] == '!';

    if (flink_fails) {
        return ours->answer != RIG_VALUE;
    }
    return ours->answer == RIG_VALUE && strcmp(ours->type, fields[1]) == 0 && strcmp(ours->value, fields[2]) == 0;
}

static void check_row(char *const fields[3], struct known *known, struct tally *tally)
{
    static struct rig_result ours;
    char                     expression[LINE_BYTES_MAX];
    size_t                   index = known_index(known, fields[0]);

    without_marks(fields[0], expression);
    without_not_null(fields[1]);
    rig_ask(expression, 0, &ours);
    tally->rows++;
    if (agrees(&ours, fields)) {
        tally->equal++;
    } else if (ours.answer == RIG_REFUSED) {
        tally->refused++;
        if (show_all) {
            print_message("refused\t%s\t%s\t%s\t%s\n", fields[0], fields[1], fields[2], ours.value + 1);
        }
    } else if (index != SIZE_MAX) {
        tally->known++;
    } else {
        tally->different++;
        print_message("different\t%s\tflink: %s\t%s\tours: %s\t%s\n", fields[0], fields[1], fields[2], ours.type,
                      ours.value);
    }
}

static FILE *open_data(const char *name)
{
    char  path[4096];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", data_folder, name);
    file = fopen(path, "r");
    if (file == NULL) {
        fail_msg("%s is missing", path);
    }
    return file;
}

static void load_known(struct known *known)
{
    FILE *file = open_data("expr-known.tsv");
    char  line[LINE_BYTES_MAX];

    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        line[strcspn(line, "\t\n")] = '\0';
        assert_true(known->count < KNOWN_MAX);
        known->lines[known->count++] = strdup(line);
    }
    fclose(file);
}

static void test_rows(void **state)
{
    struct known *known = calloc(1, sizeof(*known));
    struct tally  tally = {.rows = 0};
    FILE         *file = open_data("expr-flink.tsv");
    char          line[LINE_BYTES_MAX];
    char         *fields[3];

    (void)state;
    assert_non_null(known);
    load_known(known);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] != '#' && split_line(line, fields)) {
            check_row(fields, known, &tally);
        }
    }
    fclose(file);
    print_message("%zu rows: %zu as Flink, %zu refused, %zu known to differ, %zu different\n", tally.rows, tally.equal,
                  tally.refused, tally.known, tally.different);
    for (size_t i = 0; i < known->count; i++) {
        free(known->lines[i]);
    }
    free(known);
    assert_int_equal(tally.different, 0);
    assert_true(tally.rows > 1000 && tally.equal > tally.rows / 2);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    if (count < 2) {
        (void)fprintf(stderr, "usage: test_expr_flink FOLDER [all]\n");
        return 2;
    }
    data_folder = arguments[1];
    show_all = count > 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
