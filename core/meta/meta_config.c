#include "core/meta/meta_config.h"

#include "core/base/check.h"
#include "core/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NAME_BYTES_MAX 128 /* longer names are not looked for among the near ones */
#define CONFIG_IGNORED "Known to Kafka, without meaning here."

static const struct meta_config_key config_keys[] = {
#define TOPIC_ROW(name_, type_, default_, min_, max_, choices_, effect_, synonyms_, documentation_) \
    {.name = (name_),                                                                               \
     .kind = META_KIND_TOPIC,                                                                       \
     .type = META_TYPE_##type_,                                                                     \
     .default_text = (default_),                                                                    \
     .min = (min_),                                                                                 \
     .max = (max_),                                                                                 \
     .choices = (choices_),                                                                         \
     .effect = META_EFFECT_##effect_,                                                               \
     .update = META_CLUSTER_WIDE,                                                                   \
     .synonyms = (synonyms_),                                                                       \
     .documentation = (documentation_)},
#define BROKER_ROW(name_, type_, default_, min_, max_, choices_, effect_, update_, documentation_) \
    {.name = (name_),                                                                              \
     .type = META_TYPE_##type_,                                                                    \
     .default_text = (default_),                                                                   \
     .min = (min_),                                                                                \
     .max = (max_),                                                                                \
     .choices = (choices_),                                                                        \
     .effect = META_EFFECT_##effect_,                                                              \
     .update = META_##update_,                                                                     \
     .documentation = (documentation_)},
#define GROUP_ROW(name_, type_, default_, min_, max_, choices_, effect_, synonyms_, documentation_) \
    {.name = (name_),                                                                               \
     .kind = META_KIND_GROUP,                                                                       \
     .type = META_TYPE_##type_,                                                                     \
     .default_text = (default_),                                                                    \
     .min = (min_),                                                                                 \
     .max = (max_),                                                                                 \
     .choices = (choices_),                                                                         \
     .effect = META_EFFECT_##effect_,                                                               \
     .update = META_CLUSTER_WIDE,                                                                   \
     .synonyms = (synonyms_),                                                                       \
     .documentation = (documentation_)},
#define IGNORED_ROW(name_) BROKER_ROW(name_, STRING, NULL, 0, 0, NULL, IGNORED, READ_ONLY, CONFIG_IGNORED)
#define SECRET_ROW(name_)  BROKER_ROW(name_, PASSWORD, NULL, 0, 0, NULL, IGNORED, READ_ONLY, CONFIG_IGNORED)
#include "core/meta/config_topic.def"
/* after the topic settings: meta_config_count() promises this order */
#include "core/meta/config_broker.def"
#include "core/meta/config_ignored.def"
#include "core/meta/config_kept.def"
/* and the group settings last */
#include "core/meta/config_group.def"
#undef TOPIC_ROW
#undef BROKER_ROW
#undef GROUP_ROW
#undef IGNORED_ROW
#undef SECRET_ROW
};

size_t meta_config_count(void)
{
    return COUNT_OF(config_keys);
}

const struct meta_config_key *meta_config_at(size_t index)
{
    CHECK(index < COUNT_OF(config_keys));
    return &config_keys[index];
}

/* A few hundred rows, looked through on administrative requests and at start only. */
const struct meta_config_key *meta_config_find(enum meta_config_kind kind, struct view name)
{
    for (size_t i = 0; i < COUNT_OF(config_keys); i++) {
        if (config_keys[i].kind == kind && view_equal(view_text(config_keys[i].name), name)) {
            return &config_keys[i];
        }
    }
    return NULL;
}

/* Edits that turn one text into the other, by the usual table of two rows. */
static size_t config_distance(struct view a, struct view b)
{
    size_t rows[2][NAME_BYTES_MAX + 1];

    for (size_t k = 0; k <= b.len; k++) {
        rows[0][k] = k;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *above = rows[(i - 1) & 1];
        size_t *row = rows[i & 1];

        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t change = above[k - 1] + (a.base[i - 1] != b.base[k - 1]);

            row[k] = MIN(change, MIN(above[k], row[k - 1]) + 1);
        }
    }
    return rows[a.len & 1][b.len];
}

const char *meta_config_nearest(enum meta_config_kind kind, struct view name)
{
    const char *nearest = NULL;
    size_t      best = MAX(name.len / 3, (size_t)2) + 1; /* a third of the letters may be wrong */

    if (name.len > NAME_BYTES_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(config_keys); i++) {
        if (config_keys[i].kind == kind && strlen(config_keys[i].name) <= NAME_BYTES_MAX) {
            size_t distance = config_distance(name, view_text(config_keys[i].name));

            if (distance < best) {
                best = distance;
                nearest = config_keys[i].name;
            }
        }
    }
    return nearest;
}

/* --- checks ------------------------------------------------------------------------------------------------------ */

static int config_refuse(struct span out_reason, const char *format, const char *a, const char *b)
{
    (void)snprintf((char *)out_reason.base, out_reason.len, format, a, b);
    return ERR_INVALID;
}

bool meta_config_list_has(const char *list, struct view item)
{
    for (const char *at = list; *at != '\0';) {
        size_t len;

        at += strspn(at, ", ");
        len = strcspn(at, ",");
        while (len > 0 && at[len - 1] == ' ') {
            len--;
        }
        if (len > 0 && view_equal(view_of(at, len), item)) {
            return true;
        }
        at += strcspn(at, ",");
    }
    return false;
}

static int config_check_number(const struct meta_config_key *key, const char *text, struct span out_reason)
{
    char   *end = NULL;
    int64_t number = strtoll(text, &end, 10);
    char    low[32];
    char    high[32];

    /* strtoll saturates; Kafka's own limits (INT64_MAX) are then still legal values, longer ones are not */
    if (end == text || *end != '\0' || strlen(text) > 20 || text[0] == ' ' || text[0] == '+') {
        return config_refuse(out_reason, "'%s' is not a whole number%s", text, "");
    }
    (void)snprintf(low, sizeof(low), "%" PRId64, key->min);
    (void)snprintf(high, sizeof(high), "%" PRId64, key->max);
    if (number < key->min) {
        return config_refuse(out_reason, "%s is too small; at least %s", text, low);
    }
    if (number > key->max || (number == INT64_MAX && strcmp(text, "9223372036854775807") != 0)) {
        return config_refuse(out_reason, "%s is too large; at most %s", text, high);
    }
    return ERR_OK;
}

static int config_check_double(const struct meta_config_key *key, const char *text, struct span out_reason)
{
    char  *end = NULL;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || number != number) {
        return config_refuse(out_reason, "'%s' is not a number%s", text, "");
    }
    if (number < (double)key->min || (key->max != INT64_MAX && number > (double)key->max)) {
        return config_refuse(out_reason, "%s is outside the allowed range%s", text, "");
    }
    return ERR_OK;
}

static int config_check_list(const struct meta_config_key *key, const char *text, struct span out_reason)
{
    const char *at = text;

    while (key->choices != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");
        size_t blank = strspn(at, " ");
        size_t end = len;

        while (end > blank && at[end - 1] == ' ') {
            end--;
        }
        if (!meta_config_list_has(key->choices, view_of(at + MIN(blank, end), end - MIN(blank, end)))) {
            return config_refuse(out_reason, "'%s' has an entry that is not one of %s", text, key->choices);
        }
        at += len + (at[len] == ',');
    }
    return ERR_OK;
}

static int config_check_text(const struct meta_config_key *key, const char *text, struct span out_reason)
{
    switch (key->type) {
    case META_TYPE_BOOLEAN:
        return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0
                   ? ERR_OK
                   : config_refuse(out_reason, "'%s' is neither true nor false%s", text, "");
    case META_TYPE_INT:
    case META_TYPE_SHORT:
    case META_TYPE_LONG:
        return config_check_number(key, text, out_reason);
    case META_TYPE_DOUBLE:
        return config_check_double(key, text, out_reason);
    case META_TYPE_LIST:
        return config_check_list(key, text, out_reason);
    case META_TYPE_STRING:
    case META_TYPE_CLASS:
    case META_TYPE_PASSWORD:
        break;
    }
    if (key->choices != NULL && !meta_config_list_has(key->choices, view_text(text))) {
        return config_refuse(out_reason, "'%s' is not one of %s", text, key->choices);
    }
    return ERR_OK;
}

int meta_config_check(const struct meta_config_key *key, struct view value, struct span out_reason)
{
    char *text;
    int   result;

    if (value.base == NULL || memchr(value.base, 0, value.len) != NULL) {
        return config_refuse(out_reason, "a value is needed%s%s", "", "");
    }
    text = mem_copy_text(MEM_META, value);
    result = config_check_text(key, text, out_reason);
    mem_free(MEM_META, text);
    return result;
}

int64_t meta_config_to_int(const struct meta_config_key *key, const char *text)
{
    char   *end = NULL;
    int64_t number;

    if (text == NULL) {
        return -1; /* a number without default: not set */
    }
    number = strtoll(text, &end, 10);
    CHECK(end != text && *end == '\0' && number >= key->min && number <= key->max);
    return number;
}

bool meta_config_to_bool(const char *text)
{
    return text != NULL && strcasecmp(text, "true") == 0;
}

/* --- sets -------------------------------------------------------------------------------------------------------- */

void meta_config_set_init(struct meta_config_set *set)
{
    map_init(&set->values, MEM_META);
}

void meta_config_set_deinit(struct meta_config_set *set)
{
    MAP_EACH(&set->values, entry) {
        mem_free(MEM_META, entry->value);
    }
    map_deinit(&set->values);
}

void meta_config_set_put(struct meta_config_set *set, struct view name, struct view value)
{
    mem_free(MEM_META, map_put(&set->values, name, mem_copy_text(MEM_META, value)));
}

void meta_config_set_remove(struct meta_config_set *set, struct view name)
{
    mem_free(MEM_META, map_remove(&set->values, name));
}

const char *meta_config_set_get(const struct meta_config_set *set, struct view name)
{
    return map_get(&set->values, name);
}

const char *meta_static_find(const struct meta_static *statics, struct view name)
{
    const char *text = meta_config_set_get(&statics->command, name);

    return text != NULL ? text : meta_config_set_get(&statics->file, name);
}

const char *meta_static_get(const struct meta_static *statics, const char *name)
{
    return meta_static_find(statics, view_text(name));
}

/* --- reference --------------------------------------------------------------------------------------------------- */

static const char *config_type_name(enum meta_config_type type)
{
    static const char *const names[] = {
        [META_TYPE_BOOLEAN] = "boolean", [META_TYPE_STRING] = "string", [META_TYPE_INT] = "int",
        [META_TYPE_SHORT] = "short",     [META_TYPE_LONG] = "long",     [META_TYPE_DOUBLE] = "double",
        [META_TYPE_LIST] = "list",       [META_TYPE_CLASS] = "class",   [META_TYPE_PASSWORD] = "password",
    };

    return names[type];
}

static void config_reference_rows(enum meta_config_kind kind, enum meta_config_effect   effect,
                                  void (*write)(void *context, struct view text), void *context)
{
    char line[1024];

    for (size_t i = 0; i < COUNT_OF(config_keys); i++) {
        const struct meta_config_key *key = &config_keys[i];

        if (key->kind == kind && key->effect == effect) {
            (void)snprintf(line, sizeof(line), "| `%s` | %s | %s%s%s | %s |\n", key->name, config_type_name(key->type),
                           key->default_text == NULL ? "" : "`", key->default_text == NULL ? "none" : key->default_text,
                           key->default_text == NULL ? "" : "`", key->documentation);
            write(context, view_text(line));
        }
    }
}

void meta_config_reference(void (*write)(void *context, struct view text), void *context)
{
    static const char head[] = "\n| setting | type | default | meaning |\n| --- | --- | --- | --- |\n";
    static const struct {
        const char             *title;
        enum meta_config_kind   kind;
        enum meta_config_effect effect;
    } parts[] = {
        {"\n## Broker settings\n", META_KIND_BROKER, META_EFFECT_USED},
        {"\n## Topic settings\n", META_KIND_TOPIC, META_EFFECT_USED},
        {"\n## Group settings\n", META_KIND_GROUP, META_EFFECT_USED},
        {"\n## Kept and shown, without effect on one host\n\n### Topics\n", META_KIND_TOPIC, META_EFFECT_RECORDED},
        {"\n### Brokers\n", META_KIND_BROKER, META_EFFECT_RECORDED},
        {"\n### Groups\n", META_KIND_GROUP, META_EFFECT_RECORDED},
        {"\n## Accepted with a notice and ignored\n\n### Topics\n", META_KIND_TOPIC, META_EFFECT_IGNORED},
        {"\n### Brokers\n", META_KIND_BROKER, META_EFFECT_IGNORED},
    };

    write(context, view_text("# Settings\n\nMade by `millrace config --reference` from the one table of settings, "
                             "`core/meta/config_*.def`.\n"));
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        write(context, view_text(parts[i].title));
        write(context, view_text(head));
        config_reference_rows(parts[i].kind, parts[i].effect, write, context);
    }
}
