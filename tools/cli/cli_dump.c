/* cli_dump.c: items, and bytes from files. */
#include "tools/cli/cli_dump.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#define WINDOW_BYTES_MIN ((size_t)(1 * MIB))

/* --- items ------------------------------------------------------------------------------------------------------- */

void dump_begin(struct dump *dump, int level, const char *kind)
{
    if (dump->json) {
        dump->writer = (struct cli_json){.to = dump->to};
        cli_json_open(&dump->writer, '{');
        cli_json_key(&dump->writer, "kind");
        cli_json_text(&dump->writer, kind);
    } else {
        (void)fprintf(dump->to, "%*s%s", 2 * level, "", kind);
    }
}

void dump_end(struct dump *dump)
{
    if (dump->json) {
        cli_json_close(&dump->writer, '}');
    }
    (void)fputc('\n', dump->to);
}

static void dump_name(struct dump *dump, const char *name)
{
    if (dump->json) {
        cli_json_key(&dump->writer, name);
    } else {
        (void)fprintf(dump->to, " %s=", name);
    }
}

void dump_number(struct dump *dump, const char *name, int64_t value)
{
    dump_name(dump, name);
    if (dump->json) {
        cli_json_number(&dump->writer, value);
    } else {
        (void)fprintf(dump->to, "%" PRId64, value);
    }
}

void dump_view(struct dump *dump, const char *name, struct view text)
{
    dump_name(dump, name);
    if (dump->json) {
        cli_json_view(&dump->writer, text);
    } else if (text.base == NULL) {
        (void)fputs("null", dump->to);
    } else {
        cli_print_safe(dump->to, text);
    }
}

void dump_text(struct dump *dump, const char *name, const char *text)
{
    dump_view(dump, name, text == NULL ? (struct view){0} : view_text(text));
}

void dump_bytes(struct dump *dump, const char *name, struct view bytes)
{
    struct cli_json json = {.to = dump->to};

    if (dump->json) {
        cli_json_bytes(&dump->writer, name, bytes);
        return;
    }
    dump_name(dump, name);
    if (bytes.base != NULL && !cli_is_utf8(bytes)) {
        (void)fputs("base64:", dump->to);
        cli_print_base64(dump->to, bytes);
    } else {
        cli_json_view(&json, bytes);
    }
}

void dump_uuid(struct dump *dump, const char *name, struct uuid id)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    dump_text(dump, name, text);
}

void dump_time(struct dump *dump, const char *name, int64_t ms)
{
    char text[CLI_VALUE_BYTES];

    if (dump->json) {
        dump_number(dump, name, ms);
        return;
    }
    cli_format_time(ms, text);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == ' ' ? 'T' : *at;
    }
    dump_text(dump, name, text);
}

void dump_bool(struct dump *dump, const char *name, bool value)
{
    if (dump->json) {
        cli_json_key(&dump->writer, name);
        cli_json_bool(&dump->writer, value);
    } else {
        dump_text(dump, name, value ? "yes" : "no");
    }
}

struct cli_json *dump_inside(struct dump *dump, const char *name)
{
    dump_name(dump, name);
    if (!dump->json) {
        dump->writer = (struct cli_json){.to = dump->to};
    }
    return &dump->writer;
}

void dump_damage(struct dump *dump, uint64_t position, const char *format, ...)
{
    char    text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dump->counts.damaged++;
    dump_begin(dump, 1, "damage");
    dump_text(dump, "file", dump->file);
    dump_number(dump, "position", (int64_t)position);
    dump_text(dump, "reason", text);
    dump_end(dump);
}

bool dump_stopped(const struct dump *dump)
{
    return ferror(dump->to) != 0 || cli_stop_asked != 0;
}

/* --- bytes ------------------------------------------------------------------------------------------------------- */

/* Fills the window from `at`; what can be read of it. */
static void dump_fill(struct dump_source *source, uint64_t at, size_t len, const char **out_why)
{
    size_t wanted = MAX(len, WINDOW_BYTES_MIN);

    if (wanted > source->window_capacity) {
        mem_free(MEM_CLI, source->window);
        source->window = mem_alloc(MEM_CLI, wanted);
        source->window_capacity = wanted;
    }
    source->window_at = at;
    source->window_len = 0;
    while (source->window_len < wanted) {
        ssize_t got = pread(source->fd, source->window + source->window_len, wanted - source->window_len,
                            (off_t)(at + source->window_len));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && out_why != NULL) {
            *out_why = strerror(errno);
        }
        if (got <= 0) {
            return;
        }
        source->window_len += (size_t)got;
    }
}

struct view dump_read(struct dump_source *source, uint64_t at, size_t len, const char **out_why)
{
    if (at >= source->size) {
        return view_of("", 0);
    }
    len = (size_t)MIN((uint64_t)len, source->size - at);
    if (source->fd < 0) {
        return view_of(source->memory.base + at, len);
    }
    if (at < source->window_at || at + len > source->window_at + source->window_len) {
        dump_fill(source, at, len, out_why);
    }
    return view_of(source->window + (at - source->window_at),
                   (size_t)MIN((uint64_t)len, source->window_at + source->window_len - at));
}

void dump_source_close(struct dump_source *source)
{
    mem_free(MEM_CLI, source->window);
    source->window = NULL;
    if (source->fd >= 0) {
        (void)close(source->fd);
        source->fd = -1;
    }
}
