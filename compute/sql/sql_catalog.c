/* Tables, views, settings. */
#include "compute/sql/sql_internal.h"
#include "compute/sql/sql_parse.h"
#include "core/base/check.h"

#define OBJECT_BLOCK_BYTES ((size_t)(16 * KIB))
#define OBJECT_BYTES_MAX   ((size_t)(64 * MIB))
#define CANDIDATES_MAX     256

struct sql_catalog *sql_catalog_create(void)
{
    struct sql_catalog *catalog = mem_alloc(MEM_COMPUTE, sizeof(*catalog));

    list_init(&catalog->objects);
    map_init(&catalog->settings, MEM_COMPUTE);
    return catalog;
}

static void free_object(struct sql_object *object)
{
    arena_deinit(&object->arena);
    mem_free(MEM_COMPUTE, object);
}

void sql_catalog_destroy(struct sql_catalog *catalog)
{
    if (catalog == NULL) {
        return;
    }
    while (!list_empty(&catalog->objects)) {
        struct sql_object *object = LIST_ENTRY(list_pop_front(&catalog->objects), struct sql_object, link);

        free_object(object);
    }
    MAP_EACH(&catalog->settings, entry) {
        mem_free(MEM_COMPUTE, entry->value);
    }
    map_deinit(&catalog->settings);
    mem_free(MEM_COMPUTE, catalog);
}

struct view sql_catalog_setting(const struct sql_catalog *catalog, const char *key)
{
    const char *value = map_get(&catalog->settings, view_text(key));
    int         index = sql__find_setting(view_text(key));

    if (value != NULL) {
        return view_text(value);
    }
    return index < 0 ? (struct view){0} : view_text(sql__setting_default((size_t)index));
}

int64_t sql_catalog_duration_ms(const struct sql_catalog *catalog, const char *key, int64_t otherwise)
{
    const char *value = map_get(&catalog->settings, view_text(key));
    int64_t     ms;

    return value != NULL && sql__duration_ms(view_text(value), &ms) ? ms : otherwise;
}

/* --- scripts that stand for themselves ------------------------------------------------------------------------------
 */

struct needed {
    const struct sql_object *object;
    bool                     is_needed;
};

/* A name cannot be used without being written, except with a quote doubled inside; too many objects do no harm. */
static bool may_name(struct view text, struct view name)
{
    if (memchr(name.base, '`', name.len) != NULL) {
        return true;
    }
    for (size_t i = 0; i + name.len <= text.len; i++) {
        if (view_equal(view_of(text.base + i, name.len), name)) {
            return true;
        }
    }
    return false;
}

static bool find_needed(struct needed *all, size_t count, struct view text)
{
    bool found = false;

    for (size_t i = 0; i < count; i++) {
        if (!all[i].is_needed && may_name(text, all[i].object->name)) {
            all[i].is_needed = true;
            found = true;
        }
    }
    return found;
}

static void append(uint8_t **at, size_t *len, struct view text)
{
    if (*at != NULL) {
        memcpy(*at, text.base, text.len);
        *at += text.len;
    }
    *len += text.len;
}

static void append_quoted(uint8_t **at, size_t *len, struct view text)
{
    append(at, len, view_text("'"));
    for (size_t i = 0; i < text.len; i++) {
        append(at, len, text.base[i] == '\'' ? view_text("''") : view_of(text.base + i, 1));
    }
    append(at, len, view_text("'"));
}

static size_t write_script(const struct sql_catalog *catalog, const struct needed *all, size_t count,
                           struct view statement, uint8_t *at)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        if (all[i].is_needed) {
            append(&at, &len, all[i].object->text);
            append(&at, &len, view_text("\n;\n"));
        }
    }
    MAP_EACH(&catalog->settings, entry) {
        append(&at, &len, view_text("SET "));
        append_quoted(&at, &len, view_of(entry->key, entry->key_len));
        append(&at, &len, view_text(" = "));
        append_quoted(&at, &len, view_text(entry->value));
        append(&at, &len, view_text(";\n"));
    }
    append(&at, &len, statement);
    append(&at, &len, view_text("\n;\n"));
    return len;
}

struct view sql_catalog_script(const struct sql_catalog *catalog, struct view statement, struct arena *arena)
{
    size_t         count = 0, len;
    struct needed *all;
    uint8_t       *base;
    bool           more;

    LIST_EACH(&catalog->objects, node) {
        (void)node;
        count++;
    }
    all = arena_alloc_array(arena, count, sizeof(*all));
    if (all == NULL) {
        return (struct view){0};
    }
    count = 0;
    LIST_EACH(&catalog->objects, node) {
        all[count++].object = LIST_ENTRY(node, struct sql_object, link);
    }
    more = find_needed(all, count, statement);
    while (more) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            more = (all[i].is_needed && find_needed(all, count, all[i].object->text)) || more;
        }
    }
    len = write_script(catalog, all, count, statement, NULL);
    base = arena_alloc(arena, len);
    return base == NULL ? (struct view){0} : view_of(base, write_script(catalog, all, count, statement, base));
}

/* --- names -------------------------------------------------------------------------------------------------------- */

struct sql_object *sql__find_object(const struct sql_catalog *catalog, struct view name)
{
    LIST_EACH(&catalog->objects, node) {
        struct sql_object *object = LIST_ENTRY(node, struct sql_object, link);

        if (view_equal(object->name, name)) {
            return object;
        }
    }
    return NULL;
}

bool sql__object_name(struct sql_error *error, const struct sql_name *path, struct view *out_name)
{
    const struct sql_name *first = path;
    uint32_t               parts = 1;

    for (; path->next != NULL; path = path->next) {
        parts++;
    }
    *out_name = path->text;
    if (parts == 1 || (parts == 2 && view_equal(first->text, view_text("default_database"))) ||
        (parts == 3 && view_equal(first->text, view_text("default_catalog")) &&
         view_equal(first->next->text, view_text("default_database")))) {
        return true;
    }
    return sql_fail(error, SQL_ERROR_NAME, sql__name_place(first),
                    "there is one catalog, default_catalog, and one database in it, default_database");
}

bool sql__no_object(const struct sql_catalog *catalog, const struct sql_name *path, const char *what,
                    struct sql_error *error)
{
    struct view candidates[CANDIDATES_MAX];
    size_t      count = 0;
    struct view name = {0};
    struct view near;

    if (!sql__object_name(error, path, &name)) {
        return false;
    }
    LIST_EACH(&catalog->objects, node) {
        if (count < CANDIDATES_MAX) {
            candidates[count++] = LIST_ENTRY(node, struct sql_object, link)->name;
        }
    }
    near = sql_nearest(name, candidates, count);
    return sql_fail(error, SQL_ERROR_NAME, sql__name_place(path), "there is no %s '%.*s'%s%.*s%s", what,
                    (int)MIN(name.len, 64), (const char *)name.base, near.base == NULL ? "" : "; did you mean '",
                    near.base == NULL ? 0 : (int)near.len, near.base == NULL ? "" : (const char *)near.base,
                    near.base == NULL ? "" : "'?");
}

/* --- CREATE and DROP ---------------------------------------------------------------------------------------------- */

/* Parses the kept text again: what it gives refers to the object's memory only. */
static bool fill_object(struct sql_catalog *catalog, struct sql_object *object, struct sql_error *error)
{
    struct sql_statement *statement = sql_parse(object->text, &object->arena, error);
    struct expr_maker     maker = {.arena = &object->arena};
    struct sql_binder     binder = {.catalog = catalog, .arena = &object->arena, .maker = &maker, .error = error};

    if (statement == NULL) {
        return false;
    }
    if (statement->kind == SQL_STATEMENT_CREATE_TABLE) {
        object->table = sql__bind_table(&binder, statement->create_table);
        expr_maker_release(&maker);
        return object->table != NULL && sql__object_name(error, statement->create_table->name, &object->name);
    }
    object->view = statement->create_view;
    return sql__object_name(error, object->view->name, &object->name) && sql__check_view(&binder, object->view);
}

bool sql__create(struct sql_catalog *catalog, const struct sql_statement *statement, struct view script,
                 struct sql_error *error)
{
    bool                   is_table = statement->kind == SQL_STATEMENT_CREATE_TABLE;
    const struct sql_name *path = is_table ? statement->create_table->name : statement->create_view->name;
    struct sql_object     *object;
    struct view            name;

    if (!sql__object_name(error, path, &name)) {
        return false;
    }
    if (sql__find_object(catalog, name) != NULL) {
        if (is_table ? statement->create_table->if_not_exists : statement->create_view->if_not_exists) {
            return true;
        }
        return sql_fail(error, SQL_ERROR_NAME, sql__name_place(path), "there is a table or view '%.*s' already",
                        (int)MIN(name.len, 64), (const char *)name.base);
    }
    object = mem_alloc(MEM_COMPUTE, sizeof(*object));
    arena_init(&object->arena, MEM_COMPUTE, OBJECT_BLOCK_BYTES, OBJECT_BYTES_MAX);
    object->text = arena_copy(&object->arena, view_of(script.base + statement->place.offset, statement->place.len));
    object->temporary = statement->temporary;
    if (object->text.base == NULL || !fill_object(catalog, object, error)) {
        free_object(object);
        (void)sql_fail(error, SQL_ERROR_LIMIT, (struct sql_place){0}, "the statement is too long");
        error->place.offset += statement->place.offset;
        return false;
    }
    list_push_back(&catalog->objects, &object->link);
    return true;
}

bool sql__drop(struct sql_catalog *catalog, const struct sql_statement *statement, struct sql_error *error)
{
    bool               is_table = statement->kind == SQL_STATEMENT_DROP_TABLE;
    struct sql_object *object;
    struct view        name;

    if (!sql__object_name(error, statement->name, &name)) {
        return false;
    }
    object = sql__find_object(catalog, name);
    if (object != NULL && (object->table != NULL) != is_table) {
        return sql_fail(error, SQL_ERROR_NAME, sql__name_place(statement->name), "'%.*s' is a %s: write DROP %s",
                        (int)name.len, (const char *)name.base, is_table ? "view" : "table",
                        is_table ? "VIEW" : "TABLE");
    }
    if (object == NULL) {
        return statement->if_exists || sql__no_object(catalog, statement->name, is_table ? "table" : "view", error);
    }
    list_remove(&object->link);
    free_object(object);
    return true;
}
