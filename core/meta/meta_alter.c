/* Settings changed at run time, of topics, of one broker and of all; and blocks of producer ids. */
#include "core/meta/meta_internal.h"

#include <stdio.h>

#define ALTER_SHOWN_MAX 40 /* bytes of a name or value in a message */

static int alter_shown(struct view text)
{
    return (int)MIN(text.len, (size_t)ALTER_SHOWN_MAX);
}

int16_t meta__config_value_check(const struct meta_config_key *key, struct view name, struct view value,
                                 enum meta_config_kind kind, char *message, size_t message_bytes)
{
    static const char *const kinds[] = {
        [META_KIND_BROKER] = "broker", [META_KIND_TOPIC] = "topic", [META_KIND_GROUP] = "group"};
    /* Kafka calls a bad value of a broker setting a bad request, that of a topic or a group a bad setting */
    int16_t error = kind == META_KIND_BROKER ? KP_ERR_INVALID_REQUEST : KP_ERR_INVALID_CONFIG;
    char    reason[120];

    if (key == NULL) {
        const char *nearest = meta_config_nearest(kind, name);

        return meta__refuse(message, message_bytes, KP_ERR_INVALID_CONFIG, "Unknown %s config name: %.*s%s%s%s",
                            kinds[kind], alter_shown(name), (const char *)name.base,
                            nearest == NULL ? "" : ". Did you mean ", nearest == NULL ? "" : nearest,
                            nearest == NULL ? "" : "?");
    }
    if (value.base == NULL) {
        return meta__refuse(message, message_bytes, KP_ERR_INVALID_CONFIG,
                            "Null value not supported for %s configs: %s", kinds[kind], key->name);
    }
    if (value.len > META_VALUE_BYTES_MAX) {
        return meta__refuse(message, message_bytes, error, "The value for configuration %s is longer than %d bytes.",
                            key->name, META_VALUE_BYTES_MAX);
    }
    if (meta_config_check(key, value, span_of(reason, sizeof(reason))) < 0) {
        return meta__refuse(message, message_bytes, error, "Invalid value %.*s for configuration %s: %s",
                            alter_shown(value), (const char *)value.base, key->name, reason);
    }
    return KP_ERR_NONE;
}

/* --- lists --------------------------------------------------------------------------------------------------- */

static void list_add(char *list, struct view item)
{
    size_t len = strlen(list);

    if (len > 0) {
        list[len++] = ',';
    }
    memcpy(list + len, item.base, item.len);
    list[len + item.len] = '\0';
}

/* `list` with the items of `items` added where they are missing, or taken out. In the arena; NULL over its budget. */
static const char *list_combine(struct meta_draft *draft, const char *list, struct view items, bool subtract)
{
    struct arena *arena = draft->builder.arena;
    struct view   given = arena_copy(arena, items);
    char         *out = arena_alloc(arena, strlen(list) + items.len + 2);
    const char   *keep = subtract ? list : (const char *)given.base;

    if (given.base == NULL || out == NULL) {
        draft->builder.failed = true;
        return NULL;
    }
    if (!subtract) {
        memcpy(out, list, strlen(list));
    }
    for (const char *at = keep; *at != '\0';) {
        size_t      len = strcspn(at, ",");
        struct view item = view_of(at, len);

        if (len > 0 && !meta_config_list_has(subtract ? (const char *)given.base : out, item)) {
            list_add(out, item);
        }
        at += len + (at[len] == ',');
    }
    return out;
}

/* --- one resource -------------------------------------------------------------------------------------------- */

/* The resource being changed, and what its set holds before. */
struct alter_target {
    enum meta_config_kind         kind;
    bool                          is_default; /* broker "" */
    const struct meta_config_set *set;        /* NULL: a group without overrides */
};

static const char *alter_now(const struct alter_target *target, struct view name)
{
    return target->set == NULL ? NULL : meta_config_set_get(target->set, name);
}

static int16_t alter_check_update(const struct alter_target *target, const struct meta_config_key *key,
                                  struct meta_alter_config *alter)
{
    if (target->kind != META_KIND_BROKER || key == NULL) {
        return KP_ERR_NONE;
    }
    if (key->update == META_READ_ONLY) {
        return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_REQUEST,
                            "Cannot update these configs dynamically: %s. Set it in the properties file and restart.",
                            key->name);
    }
    if (target->is_default && key->update == META_PER_BROKER) {
        return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_REQUEST,
                            "Cannot update security configs dynamically as cluster default: %s.", key->name);
    }
    return KP_ERR_NONE;
}

/* The entry's new value into *out_value: base NULL when the override goes. */
static int16_t alter_value(struct meta_draft *draft, const struct alter_target *target, struct meta_alter_config *alter,
                           const struct meta_alter_entry *entry, struct view *out_value)
{
    const struct meta_config_key *key = meta_config_find(target->kind, entry->name);
    const char                   *now = alter_now(target, entry->name);
    const char                   *combined;
    int16_t                       error = alter_check_update(target, key, alter);

    if (error != KP_ERR_NONE) {
        return error;
    }
    if (entry->op == META_CONFIG_DELETE) {
        *out_value = (struct view){0}; /* what is not set, or not known, is gone already, as in Kafka */
        return KP_ERR_NONE;
    }
    if (entry->value.base == NULL) {
        return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_REQUEST,
                            "Null value not supported for : %.*s", alter_shown(entry->name),
                            (const char *)entry->name.base);
    }
    *out_value = entry->value;
    if (key != NULL && entry->op != META_CONFIG_SET) {
        if (key->type != META_TYPE_LIST) {
            return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_CONFIG,
                                "Can't %s to key %s because its type is not LIST.",
                                entry->op == META_CONFIG_APPEND ? "APPEND" : "SUBTRACT", key->name);
        }
        now = now != NULL ? now : key->default_text != NULL ? key->default_text : "";
        combined = list_combine(draft, now, entry->value, entry->op == META_CONFIG_SUBTRACT);
        if (combined == NULL) {
            return KP_ERR_POLICY_VIOLATION;
        }
        *out_value = view_text(combined);
    }
    return meta__config_value_check(key, entry->name, *out_value, target->kind, alter->message, sizeof(alter->message));
}

static void alter_add(struct meta_draft *draft, const struct meta_alter_config *alter,
                      const struct alter_target *target, struct view name, struct view value)
{
    struct meta_record record = {.key = KP_CONFIG_RECORD_KEY};
    const char        *now = alter_now(target, name);

    if (value.base == NULL ? now == NULL : now != NULL && view_equal(view_text(now), value)) {
        return; /* as it is already */
    }
    kp_config_record_init(&record.config);
    record.config.resource_type = alter->resource_type;
    record.config.resource_name = alter->resource_name;
    record.config.name = name;
    record.config.value = value;
    meta__draft_add(draft, &record);
}

static bool alter_names(const struct meta_alter_config *alter, struct view name, int32_t before)
{
    for (int32_t i = 0; i < before; i++) {
        if (view_equal(alter->entries[i].name, name)) {
            return true;
        }
    }
    return false;
}

static int16_t alter_no_resource(struct meta_alter_config *alter)
{
    int         shown = alter_shown(alter->resource_name);
    const char *name = (const char *)alter->resource_name.base;

    if (alter->resource_type == META_RESOURCE_TOPIC) {
        return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                            "The topic '%.*s' does not exist.", shown, name);
    }
    if (alter->resource_type == META_RESOURCE_GROUP) {
        return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_REQUEST,
                            "Default group resources are not allowed.");
    }
    return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_REQUEST,
                        "No such resource to configure: type %d, name '%.*s'.", alter->resource_type, shown, name);
}

static int16_t alter_check_resource(struct meta_draft *draft, struct meta_alter_config *alter,
                                    struct alter_target *out_target)
{
    struct meta_image *image = (struct meta_image *)(uintptr_t)&draft->meta->image; /* looked up, not changed */
    bool               is_topic = alter->resource_type == META_RESOURCE_TOPIC;
    bool               is_group = alter->resource_type == META_RESOURCE_GROUP && alter->resource_name.len > 0;

    *out_target = (struct alter_target){
        .kind = is_topic   ? META_KIND_TOPIC
                : is_group ? META_KIND_GROUP
                           : META_KIND_BROKER,
        .is_default = !is_topic && alter->resource_name.len == 0,
        .set = meta__image_configs(image, alter->resource_type, alter->resource_name),
    };
    if (out_target->set == NULL && !is_group) {
        return alter_no_resource(alter);
    }
    return KP_ERR_NONE;
}

/* --- limits of group settings -------------------------------------------------------------------------------- */

/* The value a group's setting would have after this change. */
static int64_t alter_group_int(const struct meta_draft *draft, const struct meta_alter_config *alter,
                               const struct view *values, const char *name)
{
    const struct meta_config_key *key = meta_config_find(META_KIND_GROUP, view_text(name));

    for (int32_t i = 0; i < alter->entry_count; i++) {
        if (view_equal(alter->entries[i].name, view_text(name)) && values[i].base != NULL) {
            char text[24];

            (void)snprintf(text, sizeof(text), "%.*s", (int)values[i].len, (const char *)values[i].base);
            return meta_config_to_int(key, text);
        }
    }
    return meta_group_int(draft->meta, alter->resource_name, name);
}

/* Kafka holds a group's timeouts between limits of the broker, and a session longer than a heartbeat. */
static int16_t alter_check_group(struct meta_draft *draft, struct meta_alter_config *alter, const struct view *values)
{
    static const struct {
        const char *name, *min, *max;
    } limits[] = {
        {"consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms",
         "group.consumer.max.heartbeat.interval.ms"},
        {"consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms",
         "group.consumer.max.session.timeout.ms"},
    };
    int64_t now[COUNT_OF(limits)];

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        now[i] = alter_group_int(draft, alter, values, limits[i].name);
        if (now[i] < meta_broker_int(draft->meta, limits[i].min)) {
            return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_CONFIG,
                                "%s must be greater than or equal to %s", limits[i].name, limits[i].min);
        }
        if (now[i] > meta_broker_int(draft->meta, limits[i].max)) {
            return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_CONFIG,
                                "%s must be less than or equal to %s", limits[i].name, limits[i].max);
        }
    }
    if (now[1] <= now[0]) {
        return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_CONFIG, "%s must be greater than %s",
                            limits[1].name, limits[0].name);
    }
    return KP_ERR_NONE;
}

/* --- the change ---------------------------------------------------------------------------------------------- */

/* All values first, so that a resource changes as a whole or not at all. */
static int16_t alter_resource(struct meta_draft *draft, struct meta_alter_config *alter)
{
    struct alter_target target;
    size_t              count = (size_t)MAX(alter->entry_count, 0);
    struct view        *values = arena_alloc_array(draft->builder.arena, count, sizeof(*values));
    int16_t             error = alter_check_resource(draft, alter, &target);

    if (values == NULL) {
        return KP_ERR_POLICY_VIOLATION;
    }
    for (int32_t i = 0; error == KP_ERR_NONE && i < alter->entry_count; i++) {
        if (alter_names(alter, alter->entries[i].name, i)) {
            error = meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_REQUEST,
                                 "Error due to duplicate config keys.");
        } else {
            error = alter_value(draft, &target, alter, &alter->entries[i], &values[i]);
        }
    }
    if (error == KP_ERR_NONE && target.kind == META_KIND_GROUP) {
        error = alter_check_group(draft, alter, values);
    }
    if (error != KP_ERR_NONE) {
        return error;
    }
    for (int32_t i = 0; i < alter->entry_count; i++) {
        alter_add(draft, alter, &target, alter->entries[i].name, values[i]);
    }
    if (alter->replace_all && target.set != NULL) {
        MAP_EACH(&target.set->values, entry) {
            struct view name = view_of(entry->key, entry->key_len);

            if (!alter_names(alter, name, alter->entry_count)) {
                alter_add(draft, alter, &target, name, (struct view){0});
            }
        }
    }
    return KP_ERR_NONE;
}

/* A resource that is named twice is refused wherever it stands. */
static void alter_refuse_doubles(struct meta_draft *draft, struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        struct meta_alter_config *pair[] = {NULL, &change->alter_configs[i]};

        if (pair[1]->error != KP_ERR_NONE) {
            continue; /* the handler has dealt with it */
        }
        pair[0] = meta__draft_seen(draft, (char)pair[1]->resource_type, pair[1]->resource_name, pair[1]);
        for (size_t k = 0; pair[0] != NULL && k < COUNT_OF(pair); k++) {
            pair[k]->error = meta__refuse(pair[k]->message, sizeof(pair[k]->message), KP_ERR_INVALID_REQUEST,
                                          "Each resource must appear at most once.");
        }
    }
}

void meta__draft_alter_configs(struct meta_draft *draft, struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        if (change->alter_configs[i].error == KP_ERR_NONE) {
            change->alter_configs[i].message[0] = '\0';
        }
    }
    alter_refuse_doubles(draft, change);
    for (int32_t i = 0; i < change->count; i++) {
        if (change->alter_configs[i].error == KP_ERR_NONE) {
            change->alter_configs[i].error = alter_resource(draft, &change->alter_configs[i]);
        }
    }
}

/* --- producer ids -------------------------------------------------------------------------------------------- */

void meta__draft_producer_ids(struct meta_draft *draft, struct meta_change *change)
{
    int64_t            next = draft->meta->image.next_producer_id;
    struct meta_record record = {.key = KP_PRODUCER_IDS_RECORD_KEY};

    if (next > INT64_MAX - META_PRODUCER_ID_BLOCK) {
        change->error = KP_ERR_UNKNOWN_SERVER_ERROR;
        return;
    }
    kp_producer_ids_record_init(&record.producer_ids);
    record.producer_ids.broker_id = draft->meta->image.brokers[change->from_shard_].node_id;
    record.producer_ids.next_producer_id = next + META_PRODUCER_ID_BLOCK;
    meta__draft_add(draft, &record);
    change->producer_ids.first_id = next;
    change->producer_ids.id_count = META_PRODUCER_ID_BLOCK;
}
