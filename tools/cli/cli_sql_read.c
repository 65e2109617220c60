/* cli_sql_read.c: files and standard input as runs of records.
 *
 * buffers[current] is filled from its beginning; what is left of it when it ends without a line end is copied to the
 * front of the other one, and reading goes on there. A call stops rather than need a third buffer. */
#include "tools/cli/cli_sql_read.h"

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/record/rec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct read_buffer {
    uint8_t *base;
    size_t   capacity; /* SQL_READ_SLACK_BYTES more are there */
    size_t   filled;
};

struct sql_reader {
    int                  fd;
    const char          *path;
    struct sql_framing   framing;
    struct read_buffer   buffers[2];
    unsigned             current;
    size_t               at; /* in the current buffer: where the next record begins */
    bool                 at_end;
    bool                 is_pipe; /* or a terminal, a socket: reading may wait */
    uint64_t             size;
    atomic_uint_fast64_t bytes;
    struct view          mapped; /* gzip: the file */
    struct rec_gunzip   *gunzip;
    struct view         *records; /* of the last call */
    size_t               record_count;
    uint64_t             offset, line;           /* of the last call's first record; line from 1 */
    uint64_t             next_offset, next_line; /* of the next call's */
};

static bool read_fail(const struct sql_reader *reader, char out_message[SQL_READ_MESSAGE], const char *format, ...)
    PRINTF_LIKE(3, 4);

static bool read_fail(const struct sql_reader *reader, char out_message[SQL_READ_MESSAGE], const char *format, ...)
{
    va_list arguments;
    int     used = snprintf(out_message, SQL_READ_MESSAGE, "%s: ", reader->path);

    va_start(arguments, format);
    if (used >= 0 && used < SQL_READ_MESSAGE) {
        (void)vsnprintf(out_message + used, SQL_READ_MESSAGE - (size_t)used, format, arguments);
    }
    va_end(arguments);
    return false;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static bool read_is_gzip(int fd)
{
    uint8_t head[2] = {0};

    return pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) && head[0] == 0x1f && head[1] == 0x8b;
}

static bool read_open_gzip(struct sql_reader *reader, char out_message[SQL_READ_MESSAGE])
{
    void *base = mmap(NULL, reader->size, PROT_READ, MAP_PRIVATE, reader->fd, 0);

    if (base == MAP_FAILED) {
        return read_fail(reader, out_message, "cannot be mapped: %s", strerror(errno));
    }
    reader->mapped = view_of(base, reader->size);
    reader->gunzip = rec_gunzip_create(reader->mapped);
    if (reader->gunzip == NULL) {
        return read_fail(reader, out_message, "gzip files of up to 4 GiB can be read; zcat it into --input TOPIC=-");
    }
    return true;
}

static bool read_open_file(struct sql_reader *reader, char out_message[SQL_READ_MESSAGE], bool *out_missing)
{
    struct stat facts;

    reader->fd = strcmp(reader->path, "-") == 0 ? STDIN_FILENO : open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0 || fstat(reader->fd, &facts) < 0) {
        *out_missing = errno == ENOENT;
        return read_fail(reader, out_message, "cannot be opened: %s", strerror(errno));
    }
    if (S_ISDIR(facts.st_mode)) {
        return read_fail(reader, out_message, "is a directory; name its files, each is a partition");
    }
    if (!S_ISREG(facts.st_mode)) {
        reader->is_pipe = true;
        return true;
    }
    reader->size = (uint64_t)facts.st_size;
    (void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return !read_is_gzip(reader->fd) || read_open_gzip(reader, out_message);
}

struct sql_reader *sql_reader_open(const char *path, struct sql_framing framing, char out_message[SQL_READ_MESSAGE],
                                   bool *out_missing)
{
    struct sql_reader *reader = mem_alloc(MEM_CLI, sizeof(*reader));

    *out_missing = false;
    *reader = (struct sql_reader){.fd = -1, .path = path, .framing = framing, .line = 1, .next_line = 1};
    if (!read_open_file(reader, out_message, out_missing)) {
        sql_reader_close(reader);
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(reader->buffers); i++) {
        reader->buffers[i].capacity = SQL_READ_BUFFER_BYTES;
        reader->buffers[i].base = mem_alloc(MEM_CLI, SQL_READ_BUFFER_BYTES + SQL_READ_SLACK_BYTES);
    }
    return reader;
}

void sql_reader_close(struct sql_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    rec_gunzip_destroy(reader->gunzip);
    if (reader->mapped.base != NULL) {
        (void)munmap((void *)(uintptr_t)reader->mapped.base, reader->mapped.len);
    }
    if (reader->fd > STDIN_FILENO) {
        (void)close(reader->fd);
    }
    for (size_t i = 0; i < COUNT_OF(reader->buffers); i++) {
        mem_free(MEM_CLI, reader->buffers[i].base);
    }
    mem_free(MEM_CLI, reader);
}

/* --- bytes ------------------------------------------------------------------------------------------------------- */

static bool read_bytes(struct sql_reader *reader, struct span out, size_t *out_len, char out_message[SQL_READ_MESSAGE])
{
    ssize_t got;

    if (reader->gunzip != NULL) {
        int rc = rec_gunzip_pull(reader->gunzip, out, out_len);

        atomic_store_explicit(&reader->bytes, reader->mapped.len - rec_gunzip_left(reader->gunzip),
                              memory_order_relaxed);
        return rc == ERR_OK || read_fail(reader, out_message, "the gzip stream is damaged or cut short");
    }
    do {
        got = read(reader->fd, out.base, out.len);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return read_fail(reader, out_message, "cannot be read: %s", strerror(errno));
    }
    *out_len = (size_t)got;
    atomic_fetch_add_explicit(&reader->bytes, (uint64_t)got, memory_order_relaxed);
    return true;
}

/* Is there something to read, or the end? Waits for it only when the call has nothing to show yet. */
static bool read_is_ready(const struct sql_reader *reader)
{
    struct pollfd wanted = {.fd = reader->fd, .events = POLLIN};

    return !reader->is_pipe || poll(&wanted, 1, reader->record_count > 0 ? 0 : SQL_READ_WAIT_MS) > 0;
}

/* Makes room for more of a record that fills the whole buffer. */
static bool read_grow(struct sql_reader *reader, struct read_buffer *buffer, char out_message[SQL_READ_MESSAGE])
{
    if (buffer->capacity >= SQL_RECORD_BYTES_MAX) {
        return read_fail(reader, out_message, "line %llu: a record of more than %llu MiB",
                         (unsigned long long)reader->next_line, (unsigned long long)(SQL_RECORD_BYTES_MAX / MIB));
    }
    buffer->capacity *= 2;
    buffer->base = mem_realloc(MEM_CLI, buffer->base, buffer->capacity + SQL_READ_SLACK_BYTES);
    return true;
}

/* More bytes behind what there is; true also at the end, which is then noted. */
static bool read_fill(struct sql_reader *reader, char out_message[SQL_READ_MESSAGE])
{
    struct read_buffer *buffer = &reader->buffers[reader->current];
    size_t              got = 0;

    if (!read_bytes(reader, span_of(buffer->base + buffer->filled, buffer->capacity - buffer->filled), &got,
                    out_message)) {
        return false;
    }
    buffer->filled += got;
    memset(buffer->base + buffer->filled, 0, SQL_READ_SLACK_BYTES);
    reader->at_end = got == 0;
    return true;
}

/* The unfinished record moves to the other buffer's front. */
static void read_switch(struct sql_reader *reader)
{
    struct read_buffer *from = &reader->buffers[reader->current], *to = &reader->buffers[1 - reader->current];
    size_t              rest = from->filled - reader->at;

    if (to->capacity < from->capacity) {
        to->capacity = from->capacity;
        to->base = mem_realloc(MEM_CLI, to->base, to->capacity + SQL_READ_SLACK_BYTES);
    }
    memcpy(to->base, from->base + reader->at, rest);
    to->filled = rest;
    reader->current = 1 - reader->current;
    reader->at = 0;
}

/* --- records ----------------------------------------------------------------------------------------------------- */

/* The LF that ends the CSV record at `from`, or NULL. A quote opens a field only where the field begins. */
static const uint8_t *read_csv_end(const struct sql_framing *framing, const uint8_t *from, const uint8_t *end)
{
    bool quoted = false, field_begins = true;

    for (const uint8_t *at = from; at < end; at++) {
        char byte = (char)*at;

        if (framing->escape != 0 && byte == framing->escape && at + 1 < end) {
            at++;
            field_begins = false;
        } else if (quoted) {
            quoted = byte != framing->quote; /* a doubled quote opens again at once */
            field_begins = !quoted;
        } else if (byte == '\n') {
            return at;
        } else if (field_begins && framing->quote != 0 && byte == framing->quote) {
            quoted = true;
        } else {
            field_begins = byte == framing->delimiter || (field_begins && byte == ' ');
        }
    }
    return NULL;
}

static const uint8_t *read_record_end(const struct sql_reader *reader, const uint8_t *from, const uint8_t *end)
{
    const uint8_t *line_end = memchr(from, reader->framing.end, (size_t)(end - from));

    if (!reader->framing.is_csv || reader->framing.end != '\n' || line_end == NULL || reader->framing.quote == 0 ||
        memchr(from, reader->framing.quote, (size_t)(line_end - from)) == NULL) {
        return line_end;
    }
    return read_csv_end(&reader->framing, from, end);
}

static void read_take(struct sql_reader *reader, const uint8_t *from, const uint8_t *end)
{
    size_t len = (size_t)(end - from);

    if (len > 0 && from[len - 1] == '\r' && reader->framing.end == '\n') {
        len--;
    }
    reader->records[reader->record_count++] = view_of(from, len);
}

/* All whole records of the current buffer, up to `max` in all. */
static void read_cut(struct sql_reader *reader, size_t max)
{
    const struct read_buffer *buffer = &reader->buffers[reader->current];
    const uint8_t            *at = buffer->base + reader->at, *end = buffer->base + buffer->filled;

    while (reader->record_count < max && at < end) {
        const uint8_t *record_end = read_record_end(reader, at, end);

        if (record_end == NULL) {
            break;
        }
        read_take(reader, at, record_end);
        at = record_end + 1;
    }
    reader->at = (size_t)(at - buffer->base);
}

/* The last record may lack its line end. */
static void read_cut_last(struct sql_reader *reader, size_t max)
{
    const struct read_buffer *buffer = &reader->buffers[reader->current];

    if (reader->record_count < max && reader->at < buffer->filled) {
        read_take(reader, buffer->base + reader->at, buffer->base + buffer->filled);
        reader->at = buffer->filled;
    }
}

bool sql_reader_next(struct sql_reader *reader, struct view *records, size_t max, size_t *out_count,
                     char out_message[SQL_READ_MESSAGE])
{
    bool switched = false;

    reader->line = sql_reader_line(reader, reader->record_count);
    reader->offset = reader->next_offset;
    reader->next_line = reader->line;
    reader->records = records;
    reader->record_count = 0;
    for (;;) {
        struct read_buffer *buffer = &reader->buffers[reader->current];

        read_cut(reader, max);
        if (reader->record_count == max) {
            break;
        }
        if (reader->at_end) {
            read_cut_last(reader, max);
            break;
        }
        if (buffer->filled == buffer->capacity) {
            if (reader->at == 0 && reader->record_count == 0) {
                if (!read_grow(reader, buffer, out_message)) {
                    return false;
                }
            } else if (switched) {
                break;
            } else {
                read_switch(reader);
                switched = true;
                continue;
            }
        }
        if (!read_is_ready(reader)) {
            break;
        }
        if (!read_fill(reader, out_message)) {
            return false;
        }
    }
    reader->next_offset = reader->offset + reader->record_count;
    *out_count = reader->record_count;
    return true;
}

bool sql_reader_ended(const struct sql_reader *reader)
{
    return reader->at_end && reader->at == reader->buffers[reader->current].filled;
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

static uint64_t read_count_lines(struct view bytes)
{
    uint64_t       lines = 0;
    const uint8_t *at = bytes.base, *end = bytes.base + bytes.len;

    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        lines++;
        at++;
    }
    return lines;
}

uint64_t sql_reader_line(const struct sql_reader *reader, size_t index)
{
    uint64_t line = reader->line + index;

    if (!reader->framing.is_csv) {
        return line;
    }
    for (size_t i = 0; i < index && i < reader->record_count; i++) {
        line += read_count_lines(reader->records[i]);
    }
    return line;
}

uint64_t sql_reader_offset(const struct sql_reader *reader)
{
    return reader->offset;
}

uint64_t sql_reader_bytes(const struct sql_reader *reader)
{
    return atomic_load_explicit(&reader->bytes, memory_order_relaxed);
}

uint64_t sql_reader_size(const struct sql_reader *reader)
{
    return reader->size;
}
