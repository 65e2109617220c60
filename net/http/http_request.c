/* What a request asks for: its route, whether a web page may have sent it, its body. Pure. */
#include "net/http/http_internal.h"

#include <stdio.h>
#include <strings.h>

#define VERSION_PREFIX "/v1"

/* --- routes ------------------------------------------------------------------------------------------------------ */

/* Every path in the order the documentation shows; ":" stands for one part. */
static const struct route_row {
    const char          *method, *path;
    enum http_route_kind kind;
} route_rows[] = {
    {"POST", "/sql", HTTP_ROUTE_SQL},
    {"DELETE", "/sessions/:", HTTP_ROUTE_SESSION},
    {"GET", "/jobs", HTTP_ROUTE_JOBS},
    {"GET", "/jobs/overview", HTTP_ROUTE_JOBS_OVERVIEW},
    {"GET", "/jobs/:", HTTP_ROUTE_JOB},
    {"PATCH", "/jobs/:", HTTP_ROUTE_JOB_CANCEL},
    {"DELETE", "/jobs/:", HTTP_ROUTE_JOB_DELETE},
    {"GET", "/jobs/:/metrics", HTTP_ROUTE_JOB_METRICS},
    {"GET", "/jobs/:/checkpoints", HTTP_ROUTE_JOB_CHECKPOINTS},
    {"GET", "/jobs/:/exceptions", HTTP_ROUTE_JOB_EXCEPTIONS},
    {"GET", "/jobs/:/plan", HTTP_ROUTE_JOB_PLAN},
    {"GET", "/jobs/:/status", HTTP_ROUTE_JOB_STATUS},
    {"POST", "/jobs/:/stop", HTTP_ROUTE_JOB_STOP},
    {"POST", "/jobs/:/savepoints", HTTP_ROUTE_JOB_SAVEPOINT},
    {"GET", "/jobs/:/savepoints/:", HTTP_ROUTE_JOB_TRIGGER},
    {"POST", "/jobs/:/pause", HTTP_ROUTE_JOB_PAUSE},
    {"POST", "/jobs/:/resume", HTTP_ROUTE_JOB_RESUME},
    {"POST", "/savepoint-disposal", HTTP_ROUTE_DISPOSAL},
    {"GET", "/savepoint-disposal/:", HTTP_ROUTE_DISPOSAL_TRIGGER},
    {"GET", "/overview", HTTP_ROUTE_OVERVIEW},
    {"GET", "/config", HTTP_ROUTE_CONFIG},
    {"GET", "/health", HTTP_ROUTE_HEALTH},
    {"GET", "/metrics", HTTP_ROUTE_METRICS},
};

/* Takes the parts for ":" in their order. */
static bool route_matches(const char *pattern, const char *path, struct http_route *route)
{
    char *places[] = {route->id, route->trigger};
    int   place = 0;

    while (*pattern != '\0') {
        if (*pattern == ':') {
            size_t len = strcspn(path, "/");

            if (len == 0 || len >= HTTP_ID_BYTES_MAX) {
                return false;
            }
            memcpy(places[place], path, len);
            places[place++][len] = '\0';
            path += len;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0' || (path[0] == '/' && path[1] == '\0');
}

int http__route(const char *method, const char *path, struct http_route *out_route, const char **out_allow)
{
    const char *allow = NULL;

    if (strncmp(path, VERSION_PREFIX "/", strlen(VERSION_PREFIX "/")) == 0) {
        path += strlen(VERSION_PREFIX);
    }
    if (strcmp(method, "HEAD") == 0) {
        method = "GET";
    }
    for (size_t i = 0; i < COUNT_OF(route_rows); i++) {
        struct http_route route = {.kind = route_rows[i].kind};

        if (route_matches(route_rows[i].path, path, &route)) {
            if (strcmp(route_rows[i].method, method) == 0) {
                *out_route = route;
                return 200;
            }
            allow = allow == NULL ? route_rows[i].method : "GET, PATCH, DELETE"; /* one path only has several */
        }
    }
    if (allow == NULL) {
        return 404;
    }
    *out_allow = allow;
    return 405;
}

/* --- web pages --------------------------------------------------------------------------------------------------- */

/* The name in "name:port", "[address]:port" or without a port. */
static struct view host_name(const char *host)
{
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

    return view_of(host, MIN(len, strlen(host)));
}

static bool host_is_address(struct view name)
{
    if (name.len > 0 && name.base[0] == '[') {
        return true;
    }
    for (size_t i = 0; i < name.len; i++) {
        if ((name.base[i] < '0' || name.base[i] > '9') && name.base[i] != '.') {
            return false;
        }
    }
    return name.len > 0;
}

static bool host_is(struct view name, const char *text)
{
    return name.len == strlen(text) && strncasecmp((const char *)name.base, text, name.len) == 0;
}

/* A name that a stranger's DNS cannot have brought here. */
static bool host_is_ours(const struct http_guard *guard, struct view name)
{
    static const char suffix[] = ".localhost";
    size_t            suffix_len = sizeof(suffix) - 1;

    return host_is_address(name) || host_is(name, "localhost") ||
           (guard->listener_host != NULL && host_is(name, guard->listener_host)) ||
           (name.len > suffix_len && host_is(view_of(name.base + name.len - suffix_len, suffix_len), suffix));
}

static bool origin_is_same(const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");

    return at != NULL && host != NULL && strcasecmp(at + 3, host) == 0;
}

static bool type_is(const char *content_type, const char *name)
{
    size_t len = strlen(name);

    return strncasecmp(content_type, name, len) == 0 && strchr("; \t", content_type[len]) != NULL;
}

int http__guard(const struct http_guard *guard, const char **out_why)
{
    static const char *const types[] = {"application/json", "text/plain", "application/sql", "text/sql",
                                        "application/x-www-form-urlencoded" /* what curl -d says */};

    if (guard->is_loopback && guard->host != NULL && !host_is_ours(guard, host_name(guard->host))) {
        *out_why = "the Host header names no host of this listener, which is for this machine only";
        return 403;
    }
    if ((guard->origin != NULL && !origin_is_same(guard->origin, guard->host)) ||
        (guard->site != NULL && strcasecmp(guard->site, "cross-site") == 0)) {
        *out_why = "requests from other origins are refused";
        return 403;
    }
    if (!guard->changes || guard->content_type == NULL) {
        return 200;
    }
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (type_is(guard->content_type, types[i])) {
            return 200;
        }
    }
    *out_why = "the body is to be text/plain (a script) or application/json";
    return 415;
}

/* --- bodies ------------------------------------------------------------------------------------------------------ */

void http__body_deinit(struct http_body *body)
{
    http__text_deinit(&body->script);
    http__text_deinit(&body->session);
    http__text_deinit(&body->savepoint);
}

static bool body_fail(struct span out_why, const char *format, const char *name)
{
    (void)snprintf((char *)out_why.base, out_why.len, format, name);
    return false;
}

static bool body_take_text(const json_t *value, const char *name, struct http_text *out_text, struct span out_why)
{
    if (!json_is_string(value)) {
        return body_fail(out_why, "'%s' is to be a string", name);
    }
    http__text_put(out_text, json_string_value(value), json_string_length(value));
    return true;
}

/* A script, or a list of statements: each on lines of its own, so that places in messages can be told. */
static bool body_take_statements(const json_t *value, struct http_text *out_script, struct span out_why)
{
    if (!json_is_array(value)) {
        return body_take_text(value, "statements", out_script, out_why);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!body_take_text(json_array_get(value, i), "statements", out_script, out_why)) {
            return false;
        }
        http__text_put(out_script, ";\n", 2);
    }
    return true;
}

static bool body_take_sql(json_t *document, struct http_body *body, struct span out_why)
{
    const char *name;
    json_t     *value;
    bool        good = true;

    json_object_foreach(document, name, value)
    {
        if (strcmp(name, "statements") == 0) {
            good = body_take_statements(value, &body->script, out_why);
        } else if (strcmp(name, "session") == 0) {
            good = body_take_text(value, name, &body->session, out_why);
        } else if (strcmp(name, "progress") == 0) {
            good = json_is_boolean(value) || body_fail(out_why, "'%s' is to be true or false", name);
            body->progress = json_is_true(value);
        } else {
            good = body_fail(out_why, "'%s' is not known here: statements, session and progress are", name);
        }
        if (!good) {
            return false;
        }
    }
    return json_object_get(document, "statements") != NULL || body_fail(out_why, "'%s' is missing", "statements");
}

/* Flink's names; what makes no difference here (drain, formatType) is checked and has no effect only where that is the
 * truth: draining is refused. */
static bool body_take_savepoint(json_t *document, struct http_body *body, struct span out_why)
{
    const char *name;
    json_t     *value;

    json_object_foreach(document, name, value)
    {
        if (strcmp(name, "savepoint") == 0 || strcmp(name, "targetDirectory") == 0 ||
            strcmp(name, "target-directory") == 0) {
            body->savepoint.len = 0;
            if (!json_is_null(value) && !body_take_text(value, name, &body->savepoint, out_why)) {
                return false;
            }
        } else if (strcmp(name, "drain") == 0 || strcmp(name, "cancel-job") == 0) {
            if (!json_is_false(value) && !json_is_null(value)) {
                return body_fail(out_why, "'%s' is not done here", name);
            }
        } else if (strcmp(name, "formatType") != 0 && strcmp(name, "triggerId") != 0) {
            return body_fail(out_why, "'%s' is not known here", name);
        }
    }
    return true;
}

static bool body_take_disposal(json_t *document, struct http_body *body, struct span out_why)
{
    const char *name;
    json_t     *value;

    json_object_foreach(document, name, value)
    {
        if (strcmp(name, "savepoint-path") != 0) {
            return body_fail(out_why, "'%s' is not known here", name);
        }
        if (!body_take_text(value, name, &body->savepoint, out_why)) {
            return false;
        }
    }
    return body->savepoint.len > 0 || body_fail(out_why, "'%s' is missing", "savepoint-path");
}

static bool body_is_wanted(enum http_route_kind kind, bool is_empty)
{
    return kind == HTTP_ROUTE_SQL || kind == HTTP_ROUTE_DISPOSAL ||
           (!is_empty && (kind == HTTP_ROUTE_JOB_STOP || kind == HTTP_ROUTE_JOB_SAVEPOINT));
}

bool http__body_decode(enum http_route_kind kind, struct view bytes, bool is_json, struct http_body *out_body,
                       struct span out_why)
{
    json_error_t error;
    json_t      *document;
    bool         good;

    if (kind == HTTP_ROUTE_SQL && !is_json) {
        http__text_put(&out_body->script, bytes.base, bytes.len);
        return true;
    }
    if (!body_is_wanted(kind, bytes.len == 0)) {
        return true;
    }
    document = json_loadb((const char *)bytes.base, bytes.len, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) {
        (void)snprintf((char *)out_why.base, out_why.len, "the body is no JSON: line %d, column %d: %s", error.line,
                       error.column, error.text);
        return false;
    }
    if (!json_is_object(document)) {
        good = body_fail(out_why, "the body is to be a JSON object%s", "");
    } else {
        good = kind == HTTP_ROUTE_SQL        ? body_take_sql(document, out_body, out_why)
               : kind == HTTP_ROUTE_DISPOSAL ? body_take_disposal(document, out_body, out_why)
                                             : body_take_savepoint(document, out_body, out_why);
    }
    json_decref(document);
    return good;
}
