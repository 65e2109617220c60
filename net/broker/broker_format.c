#include "net/broker/broker_format.h"

#include "core/base/check.h"
#include "net/broker/broker_properties.h"

#include <stdio.h>

#define FORMAT_FILE_BYTES_MAX ((size_t)(64 * KIB))

struct format_parse {
    struct broker_format *format;
    uint32_t              directories;
    bool                  has_cluster, has_node, has_shards, bad;
};

/* io_file_wait() runs the loop until the operation is over; there is nothing to do in its callback. */
static void format_step_done(struct io_file_op *op)
{
    MAYBE(op->result < 0);
}

static int format_fail(struct span out_why, int result, const char *format, const char *path, const char *more)
{
    (void)snprintf((char *)out_why.base, out_why.len, format, path, more);
    return result;
}

static bool format_number(struct view value, int64_t *out_number)
{
    int64_t number = 0;

    if (value.len == 0 || value.len > 9) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] < '0' || value.base[i] > '9') {
            return false;
        }
        number = number * 10 + (value.base[i] - '0');
    }
    *out_number = number;
    return true;
}

static bool format_property(void *context, uint32_t line, struct view key, struct view value)
{
    struct format_parse *parse = context;
    struct view          directory = view_text("directory.id.");
    int64_t              number = 0;

    MAYBE(line > 0);
    if (view_equal(key, view_text("cluster.id"))) {
        parse->has_cluster = uuid_parse(value, &parse->format->cluster_id);
    } else if (view_equal(key, view_text("node.id")) && format_number(value, &number)) {
        parse->format->node_id = (int32_t)number;
        parse->has_node = true;
    } else if (view_equal(key, view_text("millrace.shards")) && format_number(value, &number)) {
        parse->format->shard_count = (uint32_t)number;
        parse->has_shards = number > 0 && number <= BROKER_SHARDS_MAX;
    } else if (key.len > directory.len && view_equal(view_of(key.base, directory.len), directory) &&
               format_number(view_of(key.base + directory.len, key.len - directory.len), &number) &&
               number < BROKER_SHARDS_MAX) {
        parse->bad = parse->bad || !uuid_parse(value, &parse->format->directory_ids[number]);
        parse->directories++;
    }
    return true;
}

/* ERR_OK, ERR_NOT_FOUND (not formatted), or an error with its reason. */
static int format_read(struct io *io, struct buf_pool *bufs, const char *path, struct broker_format *out_format,
                       struct span out_why)
{
    struct io_file_op   op = {0};
    struct format_parse parse = {.format = out_format};
    struct arena        arena;
    struct buf         *content;
    uint32_t            line = 0;
    int                 result;

    memset(out_format, 0, sizeof(*out_format));
    io_file_load(io, &op, bufs, path, FORMAT_FILE_BYTES_MAX, format_step_done);
    result = io_file_wait(io, &op);
    if (result < 0) {
        return result == ERR_NOT_FOUND ? result
                                       : format_fail(out_why, result, "cannot read %s: %s", path, err_text(result));
    }
    content = io_file_take(&op);
    arena_init(&arena, MEM_BROKER, 4096, 16 * MIB);
    result = broker_properties_parse(view_of(content->data, (size_t)result), &arena, format_property, &parse, &line);
    arena_deinit(&arena);
    buf_unref(content);
    if (result != ERR_OK || parse.bad || !parse.has_cluster || !parse.has_node || !parse.has_shards ||
        parse.directories != out_format->shard_count) {
        return format_fail(out_why, ERR_CORRUPT,
                           "%s is damaged: it must hold cluster.id, node.id, millrace.shards and one directory.id per "
                           "shard. Restore it from a "
                           "backup or from another directory of log.dirs%s",
                           path, "");
    }
    return ERR_OK;
}

static int format_write(struct io *io, const char *path, const struct broker_format *format, struct span out_why)
{
    size_t            capacity = 512 + (size_t)format->shard_count * 64;
    char             *text = mem_alloc(MEM_BROKER, capacity);
    char              id[UUID_TEXT_BYTES];
    struct io_file_op op = {0};
    int               len;
    int               result;

    uuid_format(format->cluster_id, id);
    len = snprintf(text, capacity,
                   "# Written when this directory was formatted. millrace.shards cannot be changed afterwards.\n"
                   "version=1\ncluster.id=%s\nnode.id=%d\nmillrace.shards=%u\n",
                   id, format->node_id, format->shard_count);
    for (uint32_t i = 0; i < format->shard_count; i++) {
        uuid_format(format->directory_ids[i], id);
        len += snprintf(text + len, capacity - (size_t)len, "directory.id.%u=%s\n", i, id);
    }
    io_file_replace(io, &op, path, view_of(text, (size_t)len), format_step_done);
    result = io_file_wait(io, &op);
    mem_free(MEM_BROKER, text);
    return result < 0 ? format_fail(out_why, result, "cannot write %s: %s", path, err_text(result)) : ERR_OK;
}

static int format_lock(struct io *io, const char *directory, struct span out_why)
{
    struct io_file_op op = {0};
    char              path[IO_PATH_BYTES_MAX];
    int               result;

    io_file_make_directories(io, &op, directory, format_step_done);
    result = io_file_wait(io, &op);
    if (result < 0) {
        return format_fail(out_why, result, "cannot create the data directory %s: %s. Name another with log.dirs",
                           directory, err_text(result));
    }
    (void)snprintf(path, sizeof(path), "%s/.lock", directory);
    result = io_lock(io, path);
    if (result == ERR_BUSY) {
        return format_fail(
            out_why, result,
            "the data directory %s is in use by another broker process. Stop that one, or name another directory with "
            "log.dirs%s",
            directory, "");
    }
    return result < 0 ? format_fail(out_why, result, "cannot lock %s: %s", path, err_text(result)) : ERR_OK;
}

/* A version 4 UUID that is not one of Kafka's reserved ones and does not begin with '-' in text (KIP: Uuid.randomUuid).
 */
static struct uuid format_uuid(struct io *io)
{
    struct uuid id;
    char        text[UUID_TEXT_BYTES];

    do {
        io_random(io, span_of(id.bytes, sizeof(id.bytes)));
        id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
        id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
        uuid_format(id, text);
    } while (text[0] == '-');
    return id;
}

static bool format_same(const struct broker_format *a, const struct broker_format *b)
{
    return uuid_equal(a->cluster_id, b->cluster_id) && a->node_id == b->node_id && a->shard_count == b->shard_count &&
           memcmp(a->directory_ids, b->directory_ids, a->shard_count * sizeof(a->directory_ids[0])) == 0;
}

/* All directories must tell the same; those that tell nothing are new. */
static int format_collect(struct io *io, struct buf_pool *bufs, const char *const *log_dirs, uint32_t count,
                          struct broker_format *out, bool *out_missing, bool *out_found, struct span out_why)
{
    struct broker_format *one = mem_alloc(MEM_BROKER, sizeof(*one));
    char                  path[IO_PATH_BYTES_MAX];
    int                   result = ERR_OK;

    for (uint32_t i = 0; result == ERR_OK && i < count; i++) {
        (void)snprintf(path, sizeof(path), "%s/meta.properties", log_dirs[i]);
        result = format_read(io, bufs, path, one, out_why);
        if (result == ERR_NOT_FOUND) {
            out_missing[i] = true;
            result = ERR_OK;
        } else if (result == ERR_OK && *out_found && !format_same(out, one)) {
            result = format_fail(out_why, ERR_INVALID,
                                 "%s belongs to another broker than the other directories of log.dirs%s", path, "");
        } else if (result == ERR_OK) {
            *out = *one;
            *out_found = true;
        }
    }
    mem_free(MEM_BROKER, one);
    return result;
}

static int format_check(const struct broker_format *format, int32_t node_id, uint32_t shard_count_wanted,
                        struct span out_why)
{
    if (shard_count_wanted != 0 && shard_count_wanted != format->shard_count) {
        (void)snprintf((char *)out_why.base, out_why.len,
                       "millrace.shards=%u, but the data directory was formatted with %u shards and that number is "
                       "fixed. Leave the setting out, "
                       "or start with a new directory (log.dirs)",
                       shard_count_wanted, format->shard_count);
        return ERR_INVALID;
    }
    if (node_id >= 0 && node_id != format->node_id) {
        (void)snprintf((char *)out_why.base, out_why.len,
                       "node.id=%d, but the data directory belongs to node %d. Leave the setting out, or name another "
                       "directory (log.dirs)",
                       node_id, format->node_id);
        return ERR_INVALID;
    }
    return ERR_OK;
}

int broker_format_open(struct io *io, struct buf_pool *bufs, const char *const *log_dirs, uint32_t log_dir_count,
                       int32_t node_id, uint32_t shard_count_wanted, uint32_t shard_count_default,
                       struct broker_format *out_format, struct span out_why)
{
    bool missing[BROKER_LOG_DIRS_MAX] = {false};
    bool found = false;
    char path[IO_PATH_BYTES_MAX];
    int  result = ERR_OK;

    CHECK(log_dir_count > 0 && log_dir_count <= BROKER_LOG_DIRS_MAX);
    memset(out_format, 0, sizeof(*out_format));
    for (uint32_t i = 0; result == ERR_OK && i < log_dir_count; i++) {
        result = format_lock(io, log_dirs[i], out_why);
    }
    if (result == ERR_OK) {
        result = format_collect(io, bufs, log_dirs, log_dir_count, out_format, missing, &found, out_why);
    }
    if (result == ERR_OK && found) {
        result = format_check(out_format, node_id, shard_count_wanted, out_why);
    } else if (result == ERR_OK) {
        out_format->created = true;
        out_format->cluster_id = format_uuid(io);
        out_format->node_id = MAX(node_id, 0);
        out_format->shard_count = shard_count_wanted != 0 ? shard_count_wanted : shard_count_default;
        for (uint32_t i = 0; i < out_format->shard_count; i++) {
            out_format->directory_ids[i] = format_uuid(io);
        }
    }
    for (uint32_t i = 0; result == ERR_OK && i < log_dir_count; i++) {
        if (missing[i]) {
            (void)snprintf(path, sizeof(path), "%s/meta.properties", log_dirs[i]);
            result = format_write(io, path, out_format, out_why);
        }
    }
    return result;
}
