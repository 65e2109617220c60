/* cli_show.c: sizes, times and progress as people read them. */
#include "tools/cli/cli_out.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_EVERY_MS 100

void cli_format_bytes(int64_t bytes, char out_text[CLI_VALUE_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double                   value = (double)bytes;
    size_t                   unit = 0;

    if (bytes < 0) {
        (void)snprintf(out_text, CLI_VALUE_BYTES, "%s", bytes == -1 ? "-" : "?");
        return;
    }
    while (value >= 1023.95 && unit + 1 < COUNT_OF(units)) {
        value /= (double)KIB;
        unit++;
    }
    if (unit == 0) {
        (void)snprintf(out_text, CLI_VALUE_BYTES, "%lld B", (long long)bytes);
    } else {
        (void)snprintf(out_text, CLI_VALUE_BYTES, "%.*f %s", value < 99.95 ? 1 : 0, value, units[unit]);
    }
}

void cli_format_time(int64_t ms, char out_text[CLI_VALUE_BYTES])
{
    time_t    seconds = (time_t)(ms / MS_PER_S);
    struct tm parts;

    if (ms < 0 || localtime_r(&seconds, &parts) == NULL) {
        (void)snprintf(out_text, CLI_VALUE_BYTES, "-");
        return;
    }
    if (strftime(out_text, CLI_VALUE_BYTES, "%Y-%m-%d %H:%M:%S", &parts) > 0) {
        size_t used = strlen(out_text);

        (void)snprintf(out_text + used, CLI_VALUE_BYTES - used, ".%03d", (int)(ms % MS_PER_S));
    } else {
        (void)snprintf(out_text, CLI_VALUE_BYTES, "%lld ms", (long long)ms);
    }
}

void cli_format_duration(int64_t ms, char out_text[CLI_VALUE_BYTES])
{
    static const struct {
        int64_t     ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};

    if (ms < 0) {
        (void)snprintf(out_text, CLI_VALUE_BYTES, "-");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (ms >= units[i].ms) {
            (void)snprintf(out_text, CLI_VALUE_BYTES, ms % units[i].ms == 0 ? "%.0f%s" : "%.1f%s",
                           (double)ms / (double)units[i].ms, units[i].unit);
            return;
        }
    }
    (void)snprintf(out_text, CLI_VALUE_BYTES, "%lldms", (long long)ms);
}

void cli_print_safe(FILE *to, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.base[i];

        if (byte < 0x20 || byte == 0x7f) {
            (void)fprintf(to, "\\x%02x", byte);
        } else {
            (void)fputc(byte, to);
        }
    }
}

void cli_progress_init(struct cli_progress *progress, bool wanted)
{
    *progress = (struct cli_progress){.shown_ms = cli_clock_ms(), .on = wanted && isatty(STDERR_FILENO)};
}

bool cli_progress_due(struct cli_progress *progress)
{
    int64_t now_ms;

    if (!progress->on) {
        return false;
    }
    now_ms = cli_clock_ms();
    if (now_ms - progress->shown_ms < PROGRESS_EVERY_MS) {
        return false;
    }
    progress->shown_ms = now_ms;
    return true;
}

void cli_progress_show(struct cli_progress *progress, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fputs("\r\033[K", stderr);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    progress->visible = true;
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->visible) {
        (void)fputs("\r\033[K", stderr);
        progress->visible = false;
    }
}
