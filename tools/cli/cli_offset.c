/* cli_offset.c: parses positions. */
#include "tools/cli/cli_offset.h"

#include "tools/cli/cli_args.h"

bool cli_parse_position(const char *text, int64_t now_ms, struct cli_position *out_position)
{
    static const struct {
        const char            *word;
        enum cli_position_kind kind;
    } words[] = {{"beginning", CLI_AT_BEGINNING},
                 {"start", CLI_AT_BEGINNING},
                 {"earliest", CLI_AT_BEGINNING},
                 {"oldest", CLI_AT_BEGINNING},
                 {"begin", CLI_AT_BEGINNING},
                 {"smallest", CLI_AT_BEGINNING},
                 {"end", CLI_AT_END},
                 {"latest", CLI_AT_END},
                 {"newest", CLI_AT_END},
                 {"largest", CLI_AT_END}};
    struct cli_position position = {0};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out_position = (struct cli_position){.kind = words[i].kind};
            return true;
        }
    }
    if (text[0] == '@') {
        position.kind = CLI_AT_TIME;
        if (!cli_parse_time(text + 1, now_ms, &position.value)) {
            return false;
        }
    } else if (text[0] == '-' || text[0] == '+') {
        position.kind = text[0] == '-' ? CLI_AT_BEFORE_END : CLI_AT_AFTER_BEGINNING;
        if (text[1] == '+' || text[1] == '-' || !cli_parse_number(text + 1, 0, INT64_MAX, &position.value)) {
            return false;
        }
    } else {
        position.kind = CLI_AT_OFFSET;
        if (!cli_parse_number(text, 0, INT64_MAX, &position.value)) {
            return false;
        }
    }
    *out_position = position;
    return true;
}

/* The colon that parts A from B: times have colons of their own, so halves are tried from the left until both parse. */
static bool cli_parse_halves(const char *text, int64_t now_ms, struct cli_interval *interval)
{
    char half[128];

    for (const char *colon = strchr(text, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        size_t              len = (size_t)(colon - text);
        struct cli_position from = interval->from, to = interval->to;

        if (len >= sizeof(half)) {
            return false;
        }
        memcpy(half, text, len);
        half[len] = '\0';
        if ((len == 0 || cli_parse_position(half, now_ms, &from)) &&
            (colon[1] == '\0' || cli_parse_position(colon + 1, now_ms, &to))) {
            interval->from = from;
            interval->to = to;
            return true;
        }
    }
    return false;
}

bool cli_parse_interval(const char *text, int64_t now_ms, struct cli_interval *interval)
{
    if (strncmp(text, "s@", 2) == 0) {
        return cli_parse_position(text + 1, now_ms, &interval->from);
    }
    if (strncmp(text, "e@", 2) == 0) {
        return cli_parse_position(text + 1, now_ms, &interval->to);
    }
    return cli_parse_position(text, now_ms, &interval->from) || cli_parse_halves(text, now_ms, interval);
}
