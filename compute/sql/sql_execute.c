/* Statements: what the catalog does itself, and plans for the rest. */
#include <stdarg.h>
#include <stdio.h>

#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

#define LISTING_BYTES_MAX ((size_t)(4 * MIB))

struct executing {
    struct sql_catalog         *catalog;
    const struct sql_statement *statement;
    struct view                 script;
    struct arena               *arena;
    struct sql_answer          *answer;
    struct sql_error           *error;
};

/* --- text --------------------------------------------------------------------------------------------------------- */

struct listing {
    char  *text;
    size_t len, capacity;
};

static void PRINTF_LIKE(2, 3) put(struct listing *listing, const char *format, ...)
{
    va_list arguments;
    int     wrote;

    for (;;) {
        size_t room = listing->capacity - listing->len;

        va_start(arguments, format);
        wrote = vsnprintf(listing->text == NULL ? NULL : listing->text + listing->len, room, format, arguments);
        va_end(arguments);
        CHECK(wrote >= 0);
        if ((size_t)wrote < room) {
            listing->len += (size_t)wrote;
            return;
        }
        listing->capacity = MAX(listing->capacity * 2, listing->len + (size_t)wrote + 256);
        if (listing->capacity > LISTING_BYTES_MAX) {
            return;
        }
        listing->text = mem_realloc(MEM_COMPUTE, listing->text, listing->capacity);
    }
}

static bool answer_text(struct executing *executing, struct listing *listing, enum sql_outcome outcome)
{
    executing->answer->outcome = outcome;
    executing->answer->text =
        arena_copy(executing->arena, view_of(listing->text == NULL ? "" : listing->text, listing->len));
    mem_free(MEM_COMPUTE, listing->text);
    return executing->answer->text.base != NULL ||
           sql_fail(executing->error, SQL_ERROR_LIMIT, executing->statement->place, "the answer is too long");
}

/* --- SHOW, DESCRIBE ----------------------------------------------------------------------------------------------- */

static bool show_objects(struct executing *executing, bool tables)
{
    struct listing listing = {0};

    put(&listing, "%s\n", tables ? "table name" : "view name");
    LIST_EACH(&executing->catalog->objects, node) {
        const struct sql_object *object = LIST_ENTRY(node, struct sql_object, link);

        if (tables || object->view != NULL) { /* Flink's SHOW TABLES has views, too */
            put(&listing, "%.*s\n", (int)object->name.len, (const char *)object->name.base);
        }
    }
    return answer_text(executing, &listing, SQL_TABLE);
}

static struct sql_object *named_object(struct executing *executing, const char *what)
{
    struct view        name;
    struct sql_object *object;

    if (!sql__object_name(executing->error, executing->statement->name, &name)) {
        return NULL;
    }
    object = sql__find_object(executing->catalog, name);
    if (object == NULL) {
        (void)sql__no_object(executing->catalog, executing->statement->name, what, executing->error);
    }
    return object;
}

static bool show_create(struct executing *executing)
{
    struct sql_object *object = named_object(executing, executing->statement->is_view ? "view" : "table");
    struct listing     listing = {0};

    if (object == NULL) {
        return false;
    }
    if ((object->view != NULL) != executing->statement->is_view) {
        return sql_fail(executing->error, SQL_ERROR_NAME, executing->statement->place, "'%.*s' is a %s",
                        (int)object->name.len, (const char *)object->name.base,
                        object->view != NULL ? "view" : "table");
    }
    put(&listing, "%.*s\n", (int)object->text.len, (const char *)object->text.base);
    return answer_text(executing, &listing, SQL_DONE);
}

static bool is_key(const struct sql_table *table, uint32_t column)
{
    for (uint32_t i = 0; i < table->primary_key_count; i++) {
        if (table->primary_key[i] == column) {
            return true;
        }
    }
    return false;
}

static bool is_processing_time(const struct sql_table_column *column)
{
    return column->kind == SQL_COLUMN_COMPUTED && column->expr->kind == SQL_CALL &&
           sql__view_is(column->expr->name->text, "PROCTIME");
}

static void describe_table(struct listing *listing, const struct sql_table *table, struct view text)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct sql_table_column *column = &table->columns[i];
        struct vec_type                type = column->type;
        char                           name[512];

        type.nullable = true;
        (void)vec_type_format(type, name, sizeof(name));
        put(listing, "%.*s\t%s%s\t%s\t%s\t", (int)column->name.len, (const char *)column->name.base, name,
            i == table->watermark_column ? " *ROWTIME*"
            : is_processing_time(column) ? " *PROCTIME*"
                                         : "",
            column->type.nullable ? "TRUE" : "FALSE", is_key(table, i) ? "PRI" : "");
        if (column->kind == SQL_COLUMN_METADATA) {
            put(listing, "METADATA FROM '%s'%s", sql__metadata_name(column->metadata),
                column->is_virtual ? " VIRTUAL" : "");
        } else if (column->kind == SQL_COLUMN_COMPUTED) {
            put(listing, "AS %.*s", (int)column->expr->place.len, (const char *)text.base + column->expr->place.offset);
        }
        put(listing, "\t%.*s\n", i == table->watermark_column ? (int)table->watermark->place.len : 0,
            i == table->watermark_column ? (const char *)text.base + table->watermark->place.offset : "");
    }
}

static bool describe_view(struct executing *executing, struct listing *listing)
{
    struct expr_maker maker = {.arena = executing->arena};
    struct sql_binder binder = {
        .catalog = executing->catalog, .arena = executing->arena, .maker = &maker, .error = executing->error};
    struct sql_source source = {.kind = SQL_SOURCE_TABLE, .name = executing->statement->name};
    struct sql_from   from;

    source.place = executing->statement->place;
    if (sql__bind_from(&binder, &source, &from)) {
        for (uint32_t i = 0; i < from.rel->node.column_count; i++) {
            static const char *const marks[] = {"", " *ROWTIME*", " *PROCTIME*"};
            struct vec_field         field = from.rel->node.columns[i];
            bool                     nullable = field.type.nullable;
            char                     name[512];

            field.type.nullable = true;
            (void)vec_type_format(field.type, name, sizeof(name));
            put(listing, "%.*s\t%s%s\t%s\t\t\t\n", (int)field.name.len, (const char *)field.name.base, name,
                marks[from.rel->times[i]], nullable ? "TRUE" : "FALSE");
        }
    }
    expr_maker_release(&maker);
    return executing->error->kind == SQL_OK;
}

static bool describe(struct executing *executing)
{
    struct sql_object *object = named_object(executing, "table or view");
    struct listing     listing = {0};

    if (object == NULL) {
        return false;
    }
    put(&listing, "name\ttype\tnull\tkey\textras\twatermark\n");
    if (object->table != NULL) {
        describe_table(&listing, object->table, object->text);
    } else if (!describe_view(executing, &listing)) {
        mem_free(MEM_COMPUTE, listing.text);
        return false;
    }
    return answer_text(executing, &listing, SQL_TABLE);
}

/* --- SET, RESET --------------------------------------------------------------------------------------------------- */

static bool list_settings(struct executing *executing)
{
    struct listing listing = {0};

    put(&listing, "key\tvalue\n");
    for (size_t i = 0; sql_setting_name(i) != NULL; i++) {
        struct view value = sql_catalog_setting(executing->catalog, sql_setting_name(i));

        put(&listing, "%s\t%.*s\n", sql_setting_name(i), (int)value.len, (const char *)value.base);
    }
    return answer_text(executing, &listing, SQL_TABLE);
}

static bool set(struct executing *executing)
{
    const struct sql_statement *statement = executing->statement;
    struct map                 *settings = &executing->catalog->settings;

    if (statement->key.base == NULL) {
        if (statement->kind == SQL_STATEMENT_SET) {
            return list_settings(executing);
        }
        MAP_EACH(settings, entry) {
            mem_free(MEM_COMPUTE, entry->value);
            (void)map_remove(settings, view_of(entry->key, entry->key_len));
        }
        return true;
    }
    if (!sql__check_setting(statement, executing->error)) {
        return false;
    }
    mem_free(MEM_COMPUTE, statement->kind == SQL_STATEMENT_SET
                              ? map_put(settings, statement->key, mem_copy_text(MEM_COMPUTE, statement->value))
                              : map_remove(settings, statement->key));
    return true;
}

/* --- plans -------------------------------------------------------------------------------------------------------- */

/* The result of a query, to be shown. */
static struct sql_rel *shown(struct sql_binder *binder, const struct sql_query *query)
{
    struct sql_rel *input = sql__bind_query(binder, query);

    return input == NULL ? NULL : sql__new_over(binder, EXEC_SINK, query->place, input);
}

static bool bind_roots(struct sql_binder *binder, const struct sql_statement *statement, struct sql_roots *roots)
{
    uint32_t count = 1;

    for (const struct sql_insert *insert = statement->inserts; insert != NULL; insert = insert->next) {
        count++;
    }
    roots->rels = sql__alloc_array(binder, count, sizeof(struct sql_rel *));
    if (roots->rels == NULL) {
        return false;
    }
    if (statement->query != NULL) {
        roots->rels[roots->count++] = shown(binder, statement->query);
        return roots->rels[0] != NULL;
    }
    for (const struct sql_insert *insert = statement->inserts; insert != NULL; insert = insert->next) {
        roots->rels[roots->count] = sql__bind_insert(binder, insert);
        if (roots->rels[roots->count++] == NULL) {
            return false;
        }
    }
    return true;
}

static struct sql_plan *make_plan(struct executing *executing)
{
    struct expr_maker *maker = arena_alloc(executing->arena, sizeof(*maker));
    struct sql_binder  binder = {
         .catalog = executing->catalog, .arena = executing->arena, .maker = maker, .error = executing->error};
    struct sql_roots roots = {0};
    struct sql_plan *plan;

    if (maker == NULL) {
        (void)sql_fail(executing->error, SQL_ERROR_LIMIT, executing->statement->place,
                       "the statement needs more memory than it may");
        return NULL;
    }
    maker->arena = executing->arena;
    plan = bind_roots(&binder, executing->statement, &roots) ? sql__plan(&binder, &roots) : NULL;
    if (plan == NULL) {
        expr_maker_release(maker);
        (void)sql_fail(executing->error, SQL_ERROR_LIMIT, executing->statement->place,
                       "the statement needs more memory than it may");
    }
    return plan;
}

static bool contains(struct view text, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= text.len; i++) {
        if (sql__view_is(view_of(text.base + i, len), word)) {
            return true;
        }
    }
    return false;
}

static bool explain(struct executing *executing)
{
    struct sql_plan *plan;
    struct listing   listing = {0};
    struct view      details = executing->statement->explain_details;

    if (contains(details, "JSON_EXECUTION_PLAN") || contains(details, "PLAN_ADVICE")) {
        return sql_fail(executing->error, SQL_ERROR_UNSUPPORTED, executing->statement->place,
                        "Flink has EXPLAIN JSON_EXECUTION_PLAN and PLAN_ADVICE, Millrace not yet: EXPLAIN is there");
    }
    plan = make_plan(executing);
    if (plan == NULL) {
        return false;
    }
    listing.capacity = sql_explain(plan, NULL, 0) + 1;
    listing.text = mem_alloc(MEM_COMPUTE, listing.capacity);
    listing.len = sql_explain(plan, listing.text, listing.capacity);
    sql_plan_release(plan);
    return answer_text(executing, &listing, SQL_DONE);
}

static bool run(struct executing *executing)
{
    executing->answer->plan = make_plan(executing);
    executing->answer->outcome = SQL_RUN;
    executing->answer->is_query = executing->statement->query != NULL;
    return executing->answer->plan != NULL;
}

bool sql_execute(struct sql_catalog *catalog, const struct sql_statement *statement, struct view script,
                 struct arena *arena, struct sql_answer *out_answer, struct sql_error *out_error)
{
    struct executing executing = {catalog, statement, script, arena, out_answer, out_error};

    *out_error = (struct sql_error){.kind = SQL_OK};
    *out_answer = (struct sql_answer){.outcome = SQL_DONE};
    switch (statement->kind) {
    case SQL_STATEMENT_CREATE_TABLE:
    case SQL_STATEMENT_CREATE_VIEW:
        return sql__create(catalog, statement, script, out_error);
    case SQL_STATEMENT_DROP_TABLE:
    case SQL_STATEMENT_DROP_VIEW:
        return sql__drop(catalog, statement, out_error);
    case SQL_STATEMENT_INSERT:
    case SQL_STATEMENT_SET_OF_INSERTS:
    case SQL_STATEMENT_QUERY:
        return run(&executing);
    case SQL_STATEMENT_EXPLAIN:
        return explain(&executing);
    case SQL_STATEMENT_DESCRIBE:
        return describe(&executing);
    case SQL_STATEMENT_SHOW_TABLES:
    case SQL_STATEMENT_SHOW_VIEWS:
        return show_objects(&executing, statement->kind == SQL_STATEMENT_SHOW_TABLES);
    case SQL_STATEMENT_SHOW_CREATE:
        return show_create(&executing);
    case SQL_STATEMENT_SET:
    case SQL_STATEMENT_RESET:
        return set(&executing);
    case SQL_STATEMENT_SHOW_JOBS:
        out_answer->outcome = SQL_SHOW_JOBS;
        return true;
    case SQL_STATEMENT_EXPLAIN_JOB:
        out_answer->outcome = SQL_EXPLAIN_JOB;
        out_answer->text = statement->key;
        return true;
    case SQL_STATEMENT_STOP_JOB:
        out_answer->outcome = SQL_STOP_JOB;
        out_answer->text = statement->key;
        return true;
    }
    return false;
}
