/* cli_dump.h: `millrace log dump`: reads the files of a data directory without a broker, decodes and checks them.
 *
 * What is found is a sequence of items of a kind ("segment", "frame", "batch", "record", ...) with fields: a line of
 * text with name=value, or a line of JSON. Nothing in a file is believed: what does not check out is an item "damage"
 * with file, position and reason, and reading goes on behind it where it can. Files are only read; a broker may run
 * meanwhile, then the newest frames may look torn.
 *
 * Bytes come from a file or, in tests, from memory. The formats: docs/formats. One thread. */
#ifndef MILLRACE_CLI_DUMP_H
#define MILLRACE_CLI_DUMP_H

#include "core/base/map.h"
#include "core/proto/kp_show.h"
#include "core/record/rec.h"
#include "core/store/store_segment.h"
#include "tools/cli/cli_out.h"

enum dump_depth { DUMP_FILES, DUMP_FRAMES, DUMP_BATCHES, DUMP_RECORDS };

/* What the records of a log are. */
enum dump_log { DUMP_PLAIN, DUMP_METADATA, DUMP_OFFSETS, DUMP_TRANSACTIONS, DUMP_JOBS };

struct dump_counts {
    uint64_t files, frames, batches, records, damaged;
};

struct dump {
    struct cli         *cli;
    FILE               *to;
    bool                json;
    enum dump_depth     depth;
    enum dump_log       log;
    int64_t             from, end;   /* offsets to show; end exclusive */
    uint32_t            replaced_by; /* the segment that compaction made in place of this one; 0: none */
    const char         *file;        /* its name, for items */
    struct cli_json     writer;
    struct dump_counts  counts;
    struct map          topics;  /* topic id -> name, as far as directories tell */
    struct arena        scratch; /* one batch's records */
    struct cli_progress progress;
};

/* --- items ------------------------------------------------------------------------------------------------------- */

void dump_begin(struct dump *dump, int level, const char *kind);
void dump_number(struct dump *dump, const char *name, int64_t value);
void dump_text(struct dump *dump, const char *name, const char *text);
void dump_view(struct dump *dump, const char *name, struct view text); /* null view: null */
void dump_bytes(struct dump *dump, const char *name, struct view bytes);
void dump_uuid(struct dump *dump, const char *name, struct uuid id);
void dump_time(struct dump *dump, const char *name, int64_t ms);
void dump_bool(struct dump *dump, const char *name, bool value);
/* For what has an inside of its own: one JSON value is to be written. */
struct cli_json *dump_inside(struct dump *dump, const char *name);
void             dump_end(struct dump *dump);
/* An item of its own; counted. */
void dump_damage(struct dump *dump, uint64_t position, const char *format, ...) PRINTF_LIKE(3, 4);
/* The reader of the output is gone, or the user: stop. */
bool dump_stopped(const struct dump *dump);

/* --- bytes ------------------------------------------------------------------------------------------------------- */

struct dump_source {
    int         fd;     /* -1: memory */
    struct view memory; /* all of it */
    uint64_t    size;
    uint8_t    *window; /* of a file: what was read last */
    size_t      window_capacity;
    uint64_t    window_at;
    size_t      window_len;
};

/* `len` bytes from `at`, valid until the next call; shorter at the end of the file or where it cannot be read (then
 * *out_why, if not NULL, says so). */
struct view dump_read(struct dump_source *source, uint64_t at, size_t len, const char **out_why);
void        dump_source_close(struct dump_source *source);

/* --- kinds of files ---------------------------------------------------------------------------------------------- */

/* limit: where a later segment begins, INT64_MAX: nowhere. What lies from there on is said to be replaced. */
void dump_segment(struct dump *dump, struct dump_source *source, int64_t limit);
/* The header that counts; false: none is valid. */
bool dump_segment_header(struct dump_source *source, struct store_segment_header *out_header, int *out_copies);
/* segment: that of the file beside it, NULL: not known. */
void dump_index(struct dump *dump, struct dump_source *source, const struct store_segment_header *segment);
void dump_snapshot(struct dump *dump, struct dump_source *source, const struct store_segment_header *segment);
void dump_checkpoint(struct dump *dump, struct dump_source *source);
/* image.snapshot beside the metadata log. */
void dump_image(struct dump *dump, struct dump_source *source);
void dump_journal(struct dump *dump, struct dump_source *source);
/* Whole batches, one after the other, as far as they parse. */
void dump_batches(struct dump *dump, int level, struct view batches, uint64_t position);
/* Key and value as the log's kind of records; false: they are no such record (shown as bytes by the caller). */
bool dump_entry(struct dump *dump, const struct rec_record *record);

#endif
