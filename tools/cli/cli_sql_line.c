/* cli_sql_line.c: lines from a terminal: libedit (history, editing, completion), opened when wanted; without it lines
 * as the terminal gives them. */
#include "tools/cli/cli_sql_server.h"

#include <dlfcn.h>
#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>

#define HISTORY_LINES  1000
#define OFFERS_MAX     64
#define WORD_BYTES_MAX 128

#define EDIT_FUNCTIONS(ROW) \
    ROW(el_init)            \
    ROW(el_end)             \
    ROW(el_gets)            \
    ROW(el_set)             \
    ROW(el_get)             \
    ROW(el_line)            \
    ROW(el_insertstr)       \
    ROW(history_init)       \
    ROW(history_end)        \
    ROW(history)

#define MEMBER(name) __typeof__(&name) name;
struct sql_line {
    void *library; /* NULL: none */
    EDIT_FUNCTIONS(MEMBER)
    EditLine             *editor;
    History              *past;
    char                  history_path[512];
    char                  prompt[32];
    sql_line_complete_fn *complete;
    void                 *context;
    char                 *plain; /* without the library */
    size_t                plain_capacity;
    size_t                offer_count;
    char                  offers[OFFERS_MAX][WORD_BYTES_MAX];
};
#undef MEMBER

/* A process has one terminal, and the editor calls back without saying for whom. */
static struct sql_line terminal_line;

static bool line_find(const struct sql_line *line, const char *name, void *out_function)
{
    void *symbol = dlsym(line->library, name);

    if (symbol != NULL) {
        memcpy(out_function, &symbol, sizeof(symbol)); /* a function's address in a void pointer, as POSIX has it */
    }
    return symbol != NULL;
}

static bool line_load(struct sql_line *line)
{
    bool good = true;

    line->library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    if (line->library == NULL) {
        return false;
    }
#define FIND(name) good = good && line_find(line, #name, &line->name);
    EDIT_FUNCTIONS(FIND)
#undef FIND
    if (!good) {
        (void)dlclose(line->library);
        line->library = NULL;
    }
    return good;
}

/* --- completion -------------------------------------------------------------------------------------------------- */

void sql_line_offer(struct sql_line *line, const char *word)
{
    for (size_t i = 0; i < line->offer_count; i++) {
        if (strcmp(line->offers[i], word) == 0) {
            return;
        }
    }
    if (line->offer_count < OFFERS_MAX) {
        (void)snprintf(line->offers[line->offer_count++], WORD_BYTES_MAX, "%s", word);
    }
}

static bool is_word_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '.' || byte == '-';
}

/* What all offers have in common beyond the word; a single one is finished with a blank. */
static unsigned char line_insert(const struct sql_line *line, size_t word_len)
{
    size_t common = strlen(line->offers[0]);
    char   rest[WORD_BYTES_MAX + 1];

    for (size_t i = 1; i < line->offer_count; i++) {
        size_t same = 0;

        while (same < common && line->offers[i][same] == line->offers[0][same]) {
            same++;
        }
        common = same;
    }
    if (common <= word_len && line->offer_count > 1) {
        (void)putchar('\n');
        for (size_t i = 0; i < line->offer_count; i++) {
            (void)printf("%s%s", line->offers[i], i + 1 < line->offer_count ? "  " : "\n");
        }
        (void)fflush(stdout);
        return CC_REDISPLAY;
    }
    (void)snprintf(rest, sizeof(rest), "%.*s%s", (int)(common - MIN(common, word_len)),
                   line->offers[0] + MIN(common, word_len), line->offer_count == 1 ? " " : "");
    return line->el_insertstr(line->editor, rest) == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char line_complete(EditLine *editor UNUSED, int character UNUSED)
{
    struct sql_line *line = &terminal_line;
    const LineInfo  *info = line->el_line(line->editor);
    const char      *begin = info->cursor;

    while (begin > info->buffer && is_word_byte(begin[-1])) {
        begin--;
    }
    line->offer_count = 0;
    line->complete(line->context, line, view_of(begin, (size_t)(info->cursor - begin)));
    return line->offer_count == 0 ? CC_REFRESH_BEEP : line_insert(line, (size_t)(info->cursor - begin));
}

static char *line_prompt(EditLine *editor UNUSED)
{
    return terminal_line.prompt;
}

/* --- the terminal ------------------------------------------------------------------------------------------------ */

struct sql_line *sql_line_open(const char *history_path, sql_line_complete_fn *complete, void *context)
{
    struct sql_line *line = &terminal_line;
    HistEvent        event;

    *line = (struct sql_line){.complete = complete, .context = context};
    (void)snprintf(line->history_path, sizeof(line->history_path), "%s", history_path);
    if (!line_load(line)) {
        return line;
    }
    line->editor = line->el_init("millrace", stdin, stdout, stderr);
    line->past = line->history_init();
    if (line->editor == NULL || line->past == NULL) {
        sql_line_close(line);
        return line;
    }
    (void)line->history(line->past, &event, H_SETSIZE, HISTORY_LINES);
    (void)line->history(line->past, &event, H_SETUNIQUE, 1);
    if (history_path[0] != '\0') {
        (void)line->history(line->past, &event, H_LOAD, history_path);
    }
    (void)line->el_set(line->editor, EL_PROMPT, line_prompt);
    (void)line->el_set(line->editor, EL_EDITOR, "emacs");
    (void)line->el_set(line->editor, EL_HIST, line->history, line->past);
    (void)line->el_set(line->editor, EL_ADDFN, "millrace-complete", "complete a word", line_complete);
    (void)line->el_set(line->editor, EL_BIND, "^I", "millrace-complete", NULL);
    (void)line->el_set(line->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    return line;
}

void sql_line_close(struct sql_line *line)
{
    if (line->past != NULL) {
        HistEvent event;

        if (line->history_path[0] != '\0') {
            (void)line->history(line->past, &event, H_SAVE, line->history_path);
        }
        line->history_end(line->past);
        line->past = NULL;
    }
    if (line->editor != NULL) {
        line->el_end(line->editor);
        line->editor = NULL;
    }
    if (line->library != NULL) {
        (void)dlclose(line->library);
        line->library = NULL;
    }
    free(line->plain);
    line->plain = NULL;
    line->plain_capacity = 0;
}

const char *sql_line_read(struct sql_line *line, const char *prompt, bool *out_interrupted)
{
    const char *text = NULL;
    int         count = 0;

    *out_interrupted = false;
    errno = 0;
    if (line->editor != NULL) {
        (void)snprintf(line->prompt, sizeof(line->prompt), "%s", prompt);
        text = line->el_gets(line->editor, &count);
    } else {
        (void)fputs(prompt, stdout);
        (void)fflush(stdout);
        text = getline(&line->plain, &line->plain_capacity, stdin) > 0 ? line->plain : NULL;
    }
    if (text == NULL || count < 0) {
        *out_interrupted = errno == EINTR;
        clearerr(stdin);
        return NULL;
    }
    return text;
}

void sql_line_remember(struct sql_line *line, const char *statement)
{
    HistEvent event;

    if (line->past != NULL) {
        (void)line->history(line->past, &event, H_ENTER, statement);
    }
}
