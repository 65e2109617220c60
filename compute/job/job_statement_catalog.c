/* The catalogue: objects that stand in the log, and sessions that each have them in a catalogue of their own, beside
 * their settings and temporary objects.
 *
 * A session follows the others' changes when it is taken: it executes the statements that came since. One that has been
 * idle for so long that they are not kept any more is ended, as is any that rests for an hour. */
#include "compute/job/job_controller.h"

#include "compute/sql/sql_parse.h"

#define SESSIONS_MAX    256
#define SESSION_IDLE_NS (3600 * NS_PER_S)
#define DDL_KEPT_MAX    1000
#define STATEMENT_BYTES ((size_t)(16 * KIB))
#define STATEMENT_MAX   ((size_t)(64 * MIB))

struct job_session {
    struct list_node    link;
    char               *name; /* "": of one script */
    struct sql_catalog *catalog;
    uint64_t            ddl_number; /* the newest change it has */
    int64_t             used_ns;
    bool                busy;
};

static struct view text_own(struct view text)
{
    return view_of(mem_copy_text(MEM_JOB, text), text.len);
}

static void text_free(struct view text)
{
    mem_free(MEM_JOB, (void *)(uintptr_t)text.base);
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

struct job_object *job__object_find(const struct job_controller *controller, struct view name)
{
    return map_get(&controller->objects, name);
}

static void object_free(struct job_object *object)
{
    list_remove(&object->link);
    text_free(object->name);
    text_free(object->statement);
    mem_free(MEM_JOB, object);
}

void job__object_remove(struct job_controller *controller, struct view name)
{
    struct job_object *object = map_remove(&controller->objects, name);

    if (object != NULL) {
        object_free(object);
    }
}

void job__object_put(struct job_controller *controller, struct view name, struct view statement, int64_t position)
{
    struct job_object *object = mem_alloc(MEM_JOB, sizeof(*object));
    struct list_node  *after = &controller->object_list;

    job__object_remove(controller, name);
    object->name = text_own(name);
    object->statement = text_own(statement);
    object->position = position;
    controller->object_position = MAX(controller->object_position, position);
    list_init(&object->link);
    LIST_EACH(&controller->object_list, node) { /* compaction may have left records in another order */
        if (LIST_ENTRY(node, struct job_object, link)->position < position) {
            after = node;
        }
    }
    list_insert_between(&object->link, after, after->next);
    (void)map_put(&controller->objects, object->name, object);
}

void job__objects_clear(struct job_controller *controller)
{
    LIST_EACH(&controller->object_list, node) {
        struct job_object *object = LIST_ENTRY(node, struct job_object, link);

        job__object_remove(controller, object->name);
    }
    LIST_EACH(&controller->ddl, node) {
        struct job_ddl *ddl = LIST_ENTRY(node, struct job_ddl, link);

        list_remove(node);
        text_free(ddl->statement);
        mem_free(MEM_JOB, ddl);
    }
    controller->ddl_count = 0;
    controller->object_position = 0;
}

/* --- the same statement again --------------------------------------------------------------------------------------
 */

struct reading {
    struct view text;
    size_t      at;
    uint8_t     quote; /* inside of this; 0: of none */
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next byte; outside of quotes blanks count as one. -1: the end. */
static int read_next(struct reading *reading)
{
    struct view text = reading->text;
    uint8_t     c;

    if (reading->at == text.len) {
        return -1;
    }
    c = text.base[reading->at++];
    if (reading->quote == 0 && is_blank(c)) {
        while (reading->at < text.len && is_blank(text.base[reading->at])) {
            reading->at++;
        }
        return reading->at == text.len ? -1 : ' ';
    }
    if (c == reading->quote) {
        reading->quote = 0;
    } else if (reading->quote == 0 && (c == '\'' || c == '`')) {
        reading->quote = c;
    }
    return c;
}

bool job__same_statement(struct view a, struct view b)
{
    struct reading x = {.text = a}, y = {.text = b};
    int            c;

    do {
        c = read_next(&x);
        if (c != read_next(&y)) {
            return false;
        }
    } while (c >= 0);
    return true;
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

/* What fails here failed for a reason that the session knows: it has an object of that name of its own. */
static void session_execute(struct job_session *session, struct view text)
{
    struct sql_error            error = {0};
    struct arena                arena;
    const struct sql_statement *statement;

    arena_init(&arena, MEM_JOB, STATEMENT_BYTES, STATEMENT_MAX);
    statement = sql_parse(text, &arena, &error);
    for (; statement != NULL; statement = statement->next) {
        struct sql_answer answer;

        if (!sql_execute(session->catalog, statement, text, &arena, &answer, &error)) {
            break;
        }
    }
    arena_deinit(&arena);
}

static void session_free(struct job_session *session)
{
    list_remove(&session->link);
    sql_catalog_destroy(session->catalog);
    mem_free(MEM_JOB, session->name);
    mem_free(MEM_JOB, session);
}

static struct job_session *session_new(struct job_controller *controller, struct view name)
{
    struct job_session *session = mem_alloc(MEM_JOB, sizeof(*session));

    session->name = mem_copy_text(MEM_JOB, name);
    session->catalog = sql_catalog_create();
    LIST_EACH(&controller->object_list, node) {
        session_execute(session, LIST_ENTRY(node, struct job_object, link)->statement);
    }
    session->ddl_number = controller->ddl_number;
    list_init(&session->link);
    list_push_back(&controller->sessions, &session->link);
    return session;
}

static void session_follow(struct job_controller *controller, struct job_session *session)
{
    LIST_EACH(&controller->ddl, node) {
        const struct job_ddl *ddl = LIST_ENTRY(node, struct job_ddl, link);

        if (ddl->number > session->ddl_number) {
            session_execute(session, ddl->statement);
        }
    }
    session->ddl_number = controller->ddl_number;
}

struct job_session *job__session_take(struct job_controller *controller, struct view name)
{
    struct job_session *found = NULL, *oldest = NULL;
    size_t              count = 0;

    job__sessions_end(controller, false);
    LIST_EACH(&controller->sessions, node) {
        struct job_session *session = LIST_ENTRY(node, struct job_session, link);

        count++;
        if (name.len > 0 && view_equal(view_text(session->name), name)) {
            found = session;
        }
        if (!session->busy && (oldest == NULL || session->used_ns < oldest->used_ns)) {
            oldest = session;
        }
    }
    if (found == NULL && count == SESSIONS_MAX && oldest != NULL) { /* the one that nobody has used for longest goes */
        session_free(oldest);
        count--;
    }
    if (found == NULL && count < SESSIONS_MAX) {
        found = session_new(controller, name);
    }
    if (found == NULL || found->busy) {
        return NULL;
    }
    session_follow(controller, found);
    found->busy = true;
    return found;
}

void job__session_release(struct job_controller *controller, struct job_session *session)
{
    session->busy = false;
    session->used_ns = job__now_ns(controller);
    if (session->name[0] == '\0') {
        session_free(session);
    }
}

void job__sessions_end(struct job_controller *controller, bool all)
{
    uint64_t kept_from = controller->ddl_number - controller->ddl_count;

    LIST_EACH(&controller->sessions, node) {
        struct job_session *session = LIST_ENTRY(node, struct job_session, link);

        if (!session->busy &&
            (all || session->ddl_number < kept_from || job__now_ns(controller) - session->used_ns > SESSION_IDLE_NS)) {
            session_free(session);
        }
    }
}

struct sql_catalog *job__session_catalog(struct job_session *session)
{
    return session->catalog;
}

void job__ddl_add(struct job_controller *controller, struct job_session *session, struct view statement)
{
    struct job_ddl *ddl = mem_alloc(MEM_JOB, sizeof(*ddl));

    ddl->number = ++controller->ddl_number;
    ddl->statement = text_own(statement);
    list_init(&ddl->link);
    list_push_back(&controller->ddl, &ddl->link);
    controller->ddl_count++;
    if (session->ddl_number + 1 == ddl->number) { /* else another session came between: all is executed, again or not */
        session->ddl_number = ddl->number;
    }
    if (controller->ddl_count > DDL_KEPT_MAX) {
        struct job_ddl *oldest = LIST_ENTRY(list_pop_front(&controller->ddl), struct job_ddl, link);

        text_free(oldest->statement);
        mem_free(MEM_JOB, oldest);
        controller->ddl_count--;
    }
}
