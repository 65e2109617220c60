/* cli_sql_read.h: a file as a partition: bytes in large reads, cut into records at line ends.
 *
 * Files may be larger than memory: two buffers take turns, so that a call's records stand whole in one or the other. A
 * record is a line without its LF or CR LF; in CSV, quoted fields may hold line ends. Files that begin as gzip does are
 * inflated; "-" is standard input. One thread per reader; several files may be read at once. */
#ifndef MILLRACE_CLI_SQL_READ_H
#define MILLRACE_CLI_SQL_READ_H

#include "core/base/base.h"

#include <stdio.h>

#define SQL_RECORD_BYTES_MAX  (512 * MIB)
#define SQL_READ_MESSAGE      320
#define SQL_READ_SLACK_BYTES  64 /* readable behind the last record of a buffer */
#define SQL_READ_BUFFER_BYTES (256 * KIB)
#define SQL_READ_WAIT_MS      100

struct sql_framing {
    char end; /* behind each record: LF (a CR before it goes, too) or another byte, which then is all that counts */
    bool is_csv;
    char delimiter, quote, escape; /* quote, escape: 0 = none */
};

struct sql_reader;

/* NULL with a message. *out_missing: there is no such file. */
struct sql_reader *sql_reader_open(const char *path, struct sql_framing framing, char out_message[SQL_READ_MESSAGE],
                                   bool *out_missing);
void               sql_reader_close(struct sql_reader *reader);
/* Up to `max` records into records[], valid until the next call. From a pipe: what is there, none after
 * SQL_READ_WAIT_MS without any. False with a message: the file cannot be read, is damaged, or a record is too long. */
MUST_USE bool sql_reader_next(struct sql_reader *reader, struct view *records, size_t max, size_t *out_count,
                              char out_message[SQL_READ_MESSAGE]);
/* Nothing follows. */
bool sql_reader_ended(const struct sql_reader *reader);
/* The line on which record `index` of the last call begins, from 1. */
uint64_t sql_reader_line(const struct sql_reader *reader, size_t index);
/* Records handed out before the last call. */
uint64_t sql_reader_offset(const struct sql_reader *reader);
/* Bytes taken and there in all (of the file as it lies on disk; 0: not known). Any thread. */
uint64_t sql_reader_bytes(const struct sql_reader *reader);
uint64_t sql_reader_size(const struct sql_reader *reader);

#endif
