#include "net/broker/broker_config.h"

#include "net/broker/broker_properties.h"

#define CONFIG_FILE_BYTES_MAX ((size_t)(1 * MIB))

struct config_load {
    struct broker_config   *config;
    struct meta_config_set *into;
    const char             *path; /* NULL: command line */
    FILE                   *errors;
};

void broker_config_init(struct broker_config *config)
{
    *config = (struct broker_config){0};
    meta_config_set_init(&config->statics.file);
    meta_config_set_init(&config->statics.command);
}

void broker_config_deinit(struct broker_config *config)
{
    meta_config_set_deinit(&config->statics.file);
    meta_config_set_deinit(&config->statics.command);
}

static void config_where(const struct config_load *load, uint32_t line)
{
    if (load->path != NULL) {
        (void)fprintf(load->errors, "millrace: %s:%u: ", load->path, line);
    } else {
        (void)fprintf(load->errors, "millrace: --set: ");
    }
}

/* listener.name.<name>.<key> settings configure a named listener; only their existence is checked. */
static bool config_is_listener_scoped(struct view key)
{
    struct view prefix = view_text("listener.name.");

    return key.len > prefix.len && memcmp(key.base, prefix.base, prefix.len) == 0;
}

static bool config_property(void *context, uint32_t line, struct view key, struct view value)
{
    struct config_load           *load = context;
    const struct meta_config_key *known = meta_config_find(META_KIND_BROKER, key);
    char                          reason[256];

    if (known == NULL && !config_is_listener_scoped(key)) {
        const char *nearest = meta_config_nearest(false, key);

        config_where(load, line);
        (void)fprintf(load->errors, "unknown setting '%.*s'%s%s%s\n", (int)key.len, (const char *)key.base,
                      nearest == NULL ? "" : "; did you mean '", nearest == NULL ? "" : nearest,
                      nearest == NULL ? "" : "'?");
        load->config->errors++;
        return true;
    }
    if (known == NULL || known->effect == META_EFFECT_IGNORED) {
        config_where(load, line);
        (void)fprintf(load->errors, "notice: '%.*s' has no meaning here and is ignored\n", (int)key.len,
                      (const char *)key.base);
        load->config->notices++;
        return true;
    }
    if (meta_config_check(known, value, span_of(reason, sizeof(reason))) != ERR_OK) {
        config_where(load, line);
        (void)fprintf(load->errors, "%.*s: %s\n", (int)key.len, (const char *)key.base, reason);
        load->config->errors++;
        return true;
    }
    meta_config_set_put(load->into, key, value);
    return true;
}

static bool config_parse(struct config_load *load, struct view text)
{
    struct arena arena;
    uint32_t     line = 0;
    uint32_t     errors = load->config->errors;
    int          result;

    arena_init(&arena, MEM_BROKER, 64 * KIB, 16 * CONFIG_FILE_BYTES_MAX);
    result = broker_properties_parse(text, &arena, config_property, load, &line);
    arena_deinit(&arena);
    if (result != ERR_OK) {
        config_where(load, line);
        (void)fprintf(load->errors, "%s\n", result == ERR_INVALID ? "malformed \\uXXXX escape" : err_text(result));
        load->config->errors++;
    }
    return load->config->errors == errors;
}

bool broker_config_load(struct broker_config *config, const char *path, FILE *errors)
{
    struct config_load load = {.config = config, .into = &config->statics.file, .path = path, .errors = errors};
    FILE              *file = fopen(path, "rb");
    char              *text;
    size_t             len;
    bool               good;

    if (file == NULL) {
        (void)fprintf(errors, "millrace: cannot open %s\n", path);
        config->errors++;
        return false;
    }
    text = mem_alloc(MEM_BROKER, CONFIG_FILE_BYTES_MAX + 1);
    len = fread(text, 1, CONFIG_FILE_BYTES_MAX + 1, file);
    if (ferror(file) != 0 || len > CONFIG_FILE_BYTES_MAX) {
        (void)fprintf(errors, "millrace: cannot read %s: %s\n", path,
                      len > CONFIG_FILE_BYTES_MAX ? "it is larger than 1 MiB" : "read error");
        config->errors++;
        good = false;
    } else {
        good = config_parse(&load, view_of(text, len));
    }
    (void)fclose(file);
    mem_free(MEM_BROKER, text);
    return good;
}

bool broker_config_set(struct broker_config *config, const char *assignment, FILE *errors)
{
    struct config_load load = {.config = config, .into = &config->statics.command, .errors = errors};
    const char        *equals = strchr(assignment, '=');

    if (equals == NULL || equals == assignment) {
        (void)fprintf(errors, "millrace: --set wants KEY=VALUE, not '%s'\n", assignment);
        config->errors++;
        return false;
    }
    uint32_t before = config->errors;

    (void)config_property(&load, 1, view_of(assignment, (size_t)(equals - assignment)), view_text(equals + 1));
    return config->errors == before;
}

const char *broker_config_get(const struct broker_config *config, const char *name)
{
    const struct meta_config_key *key = meta_config_find(META_KIND_BROKER, view_text(name));
    const char                   *text = meta_static_get(&config->statics, name);

    return text != NULL ? text : key == NULL ? NULL : key->default_text;
}

int64_t broker_config_int(const struct broker_config *config, const char *name)
{
    return meta_config_to_int(meta_config_find(META_KIND_BROKER, view_text(name)), broker_config_get(config, name));
}

static const char *config_source(const struct broker_config *config, const struct meta_config_key *key)
{
    if (meta_config_set_get(&config->statics.command, view_text(key->name)) != NULL) {
        return "command line";
    }
    return meta_config_set_get(&config->statics.file, view_text(key->name)) != NULL ? "file" : "default";
}

static void config_json_text(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void)fputc('\\', out);
        }
        if ((unsigned char)*text < 0x20) {
            (void)fprintf(out, "\\u%04x", (unsigned)*text);
        } else {
            (void)fputc(*text, out);
        }
    }
    (void)fputc('"', out);
}

void broker_config_print(const struct broker_config *config, bool all, bool json, FILE *out)
{
    bool first = true;

    (void)fputs(json ? "{" : "", out);
    for (size_t i = 0; i < meta_config_count(); i++) {
        const struct meta_config_key *key = meta_config_at(i);
        const char                   *value;
        const char                   *source;

        if (key->kind != META_KIND_BROKER || key->effect == META_EFFECT_IGNORED) {
            continue;
        }
        value = broker_config_get(config, key->name);
        source = config_source(config, key);
        if (!all && strcmp(source, "default") == 0) {
            continue;
        }
        if (key->type == META_TYPE_PASSWORD && value != NULL) {
            value = "[hidden]";
        }
        if (json) {
            (void)fprintf(out, "%s\n  \"%s\": {\"value\": ", first ? "" : ",", key->name);
            config_json_text(out, value == NULL ? "" : value);
            (void)fprintf(out, ", \"source\": \"%s\"}", source);
        } else {
            (void)fprintf(out, "%-46s %-28s %s\n", key->name, value == NULL ? "" : value, source);
        }
        first = false;
    }
    (void)fputs(json ? "\n}\n" : "", out);
}
