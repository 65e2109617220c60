/* Records that Flink 2.2.0 has answered (flink_answers.tsv, given as the argument): the same rows, or a failure where
 * it fails. */
#include "tests/unit/format/format_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELDS 7
#define ROWS   1500 /* that the file has, at least */

static const char *path;

/* \xNN and \\ in place; returns the length. */
static size_t unescape(char *text)
{
    size_t len = 0;

    for (const char *at = text; *at != '\0'; at++) {
        char pair[3] = {0};

        if (*at != '\\') {
            text[len++] = *at;
        } else if (at[1] == '\\') {
            text[len++] = *++at;
        } else {
            memcpy(pair, at + 2, 2);
            text[len++] = (char)strtoul(pair, NULL, 16);
            at += 3;
        }
    }
    return len;
}

static char *nothing(char *text)
{
    return strcmp(text, "-") == 0 ? text + 1 : text;
}

static bool same_rows(const struct rig *rig, char *answer)
{
    uint32_t row = 0, start = 0;

    if (strcmp(answer, "-") == 0) {
        return rig->row_count == 0;
    }
    for (char *rest = strcmp(answer, "=") == 0 ? answer + 1 : answer; rest != NULL; row++) {
        char  *piece = strsep(&rest, "|");
        size_t len = unescape(piece);

        if (row >= rig->row_count || rig->ends[row] - start != len || memcmp(rig->out + start, piece, len) != 0) {
            return false;
        }
        start = rig->ends[row];
    }
    return row == rig->row_count;
}

static bool check_line(char *line)
{
    char       *fields[FIELDS];
    char       *rest = line;
    struct rig *rig;
    struct view record;
    char       *copy;
    bool        ok;

    for (size_t i = 0; i < FIELDS; i++) {
        fields[i] = strsep(&rest, "\t");
        assert_non_null(fields[i]);
    }
    rig = rig_open(fields[0], nothing(fields[1]), fields[4]);
    rig_write(rig, fields[2], nothing(fields[3]));
    fields[5] = nothing(fields[5]);
    record.len = unescape(fields[5]);
    copy = malloc(record.len + (record.len == 0));
    memcpy(copy, fields[5], record.len);
    record.base = (const uint8_t *)copy;
    ok = rig_decode(rig, &record, 1) ? same_rows(rig, fields[6]) : strcmp(fields[6], "!") == 0;
    free(copy);
    rig_close(rig);
    return ok;
}

static void test_answers(void **state)
{
    FILE  *file = fopen(path, "r");
    char  *line = NULL;
    size_t capacity = 0, lines = 0;

    (void)state;
    assert_non_null(file);
    while (getline(&line, &capacity, file) > 0) {
        char *shown;

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            continue;
        }
        shown = strdup(line);
        if (!check_line(line)) {
            fail_msg("not as Flink: %s", shown);
        }
        free(shown);
        lines++;
    }
    free(line);
    (void)fclose(file);
    assert_true(lines >= ROWS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers)};

    path = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
