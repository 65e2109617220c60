/* Answers on standard output what becomes of the records on standard input: by hand, and beside Flink.
 *
 * A line: format of the input, its options, format of the output, its options, columns, the record in hexadecimal;
 * separated by tabs. The answer: the rows in hexadecimal, separated by commas, or ! and a message. */
#include "tests/unit/format/format_rig.h"

#include <stdio.h>
#include <stdlib.h>

static size_t unhex(char *text)
{
    size_t len = strlen(text) / 2;

    for (size_t i = 0; i < len; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

        text[i] = (char)strtoul(pair, NULL, 16);
    }
    return len;
}

static void answer(struct rig *rig)
{
    for (uint32_t i = 0, start = 0; i < rig->row_count; i++) {
        (void)printf("%s", i == 0 ? "" : ",");
        for (; start < rig->ends[i]; start++) {
            (void)printf("%02x", (uint8_t)rig->out[start]);
        }
    }
    (void)printf("\n");
}

int main(void)
{
    char  *line = NULL;
    size_t capacity = 0;

    while (getline(&line, &capacity, stdin) > 0) {
        char       *fields[6] = {NULL};
        char       *rest = line;
        struct rig *rig;
        struct view record;

        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < COUNT_OF(fields); i++) {
            fields[i] = strsep(&rest, "\t");
            if (fields[i] == NULL) {
                return EXIT_FAILURE;
            }
        }
        rig = rig_open(fields[0], fields[1], fields[4]);
        rig_write(rig, fields[2], fields[3]);
        record = view_of(fields[5], unhex(fields[5]));
        if (rig_decode(rig, &record, 1)) {
            answer(rig);
        } else {
            (void)printf("!%s\n", rig->failure.message);
        }
        rig_close(rig);
    }
    free(line);
    return EXIT_SUCCESS;
}
