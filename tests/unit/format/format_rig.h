/* format_rig.h: tables in tests: a schema from text, records in, what was decoded as JSON lines out. */
#ifndef MILLRACE_TESTS_FORMAT_RIG_H
#define MILLRACE_TESTS_FORMAT_RIG_H

#include "compute/format/format.h"
#include "tests/support/unit.h"

struct rig {
    struct arena          arena;
    struct format_options options;
    struct vec_type       row; /* the table */
    struct format_schema  schema;
    struct format_options output; /* json, unless rig_write() says otherwise */
    /* Of the last rig_decode(): its rows, each followed by a line feed (lines) or not (rig_write). */
    char                 *out;
    size_t                out_len, out_capacity;
    uint32_t             *ends;
    uint32_t              row_count, row_capacity;
    bool                  as_lines;
    uint64_t              skipped;
    struct format_failure failure;
};

/* "i INT, r ROW<x INT, y STRING>, a ARRAY<BIGINT>" */
struct vec_type rig_row_type(struct arena *arena, const char *text);
/* options: "ignore-parse-errors=true timestamp-format.standard=ISO-8601" or "". */
struct rig *rig_open(const char *format, const char *options, const char *columns);
void        rig_close(struct rig *rig);
/* The query reads these columns only. */
void rig_read(struct rig *rig, const char *columns);
/* Rows are written in this format, without line feeds. */
void rig_write(struct rig *rig, const char *format, const char *options);
/* All records; rows as JSON lines in rig->out. False: rig->failure. */
bool rig_decode(struct rig *rig, const struct view *records, size_t count);
/* One record, which must give these lines (without the last newline). */
void rig_expect(struct rig *rig, const char *record, const char *lines);
/* One record, which must fail with a message that has this in it. */
void rig_expect_failure(struct rig *rig, const char *record, const char *part);

#endif
