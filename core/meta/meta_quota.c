/* Client quotas: whom they are for and what they say. They are kept in the log and shown as Kafka shows them; nothing
 * is throttled by them yet, which docs/ADMINISTRATION.md and a line in the broker's log say. */
#include "core/base/bytes.h"
#include "core/meta/meta_internal.h"

#define QUOTA_DEFAULT_LEN    UINT16_MAX /* in a map key: the default, not a name */
#define QUOTA_NAME_BYTES_MAX INT16_MAX
#define QUOTA_SHOWN_MAX      40
#define QUOTA_FRACTION_MAX   1e-6 /* Kafka's: what is a whole number but for rounding */

static const char *const quota_types[META_QUOTA_TYPE_COUNT] = {
    [META_QUOTA_USER] = "user", [META_QUOTA_CLIENT_ID] = "client-id", [META_QUOTA_IP] = "ip"};

/* for_ip: of addresses; the others are of users and client ids. Whole: a whole number is wanted, as Kafka's LONG. */
static const struct {
    const char *name;
    bool        for_ip, whole;
} quota_keys[] = {
    {.name = "producer_byte_rate", .whole = true},
    {.name = "consumer_byte_rate", .whole = true},
    {.name = "request_percentage"},
    {.name = "controller_mutation_rate"},
    {.name = "connection_creation_rate", .for_ip = true, .whole = true},
};
STATIC_CHECK(COUNT_OF(quota_keys) <= META_QUOTA_KEYS_MAX);

const char *meta_quota_type_name(enum meta_quota_type type)
{
    CHECK(type < META_QUOTA_TYPE_COUNT);
    return quota_types[type];
}

bool meta_quota_type_find(struct view name, enum meta_quota_type *out_type)
{
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        if (view_equal(view_text(quota_types[i]), name)) {
            *out_type = (enum meta_quota_type)i;
            return true;
        }
    }
    return false;
}

const char *meta_quota_key(size_t index)
{
    return index < COUNT_OF(quota_keys) ? quota_keys[index].name : NULL;
}

static size_t quota_key_find(struct view name)
{
    size_t index = 0;

    while (index < COUNT_OF(quota_keys) && !view_equal(view_text(quota_keys[index].name), name)) {
        index++;
    }
    return index;
}

/* --- image ------------------------------------------------------------------------------------------------------- */

/* One byte per type that says whether it is there, then its name with its length. Freed with mem_free. */
static struct view quota_map_key(const struct meta_quota_entity *entity)
{
    size_t   len = META_QUOTA_TYPE_COUNT;
    uint8_t *key;

    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        len += entity->has[i] ? 2 + entity->names[i].len : 0;
    }
    key = mem_alloc(MEM_META, len);
    len = META_QUOTA_TYPE_COUNT;
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        key[i] = entity->has[i];
        if (entity->has[i]) {
            store_be16(key + len, entity->names[i].base == NULL ? QUOTA_DEFAULT_LEN : (uint16_t)entity->names[i].len);
            if (entity->names[i].len > 0) {
                memcpy(key + len + 2, entity->names[i].base, entity->names[i].len);
            }
            len += 2 + entity->names[i].len;
        }
    }
    return view_of(key, len);
}

static void quota_key_free(struct view key)
{
    mem_free(MEM_META, (void *)(uintptr_t)key.base);
}

static void quota_free(struct meta_quota *quota)
{
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        mem_free(MEM_META, (void *)(uintptr_t)quota->entity.names[i].base);
    }
    mem_free(MEM_META, quota);
}

void meta__quotas_deinit(struct meta_image *image)
{
    MAP_EACH(&image->quotas, entry) {
        quota_free(entry->value);
    }
    map_deinit(&image->quotas);
}

static bool quota_entity_of(const struct kp_client_quota_record *record, struct meta_quota_entity *out)
{
    *out = (struct meta_quota_entity){0};
    for (int32_t i = 0; i < record->entity_count; i++) {
        enum meta_quota_type type;

        if (!meta_quota_type_find(record->entity[i].entity_type, &type) || out->has[type] ||
            record->entity[i].entity_name.len > QUOTA_NAME_BYTES_MAX) {
            return false;
        }
        out->has[type] = true;
        out->names[type] = record->entity[i].entity_name;
    }
    return record->entity_count > 0;
}

static struct meta_quota *quota_add(struct meta_image *image, struct view key, const struct meta_quota_entity *entity)
{
    struct meta_quota *quota = mem_alloc(MEM_META, sizeof(*quota));

    *quota = (struct meta_quota){.entity = *entity};
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        struct view name = entity->names[i];

        quota->entity.names[i] = name.base == NULL ? name : view_of(mem_copy_text(MEM_META, name), name.len);
    }
    (void)map_put(&image->quotas, key, quota);
    return quota;
}

int meta__quota_apply(struct meta_image *image, const struct kp_client_quota_record *record)
{
    struct meta_quota_entity entity;
    struct meta_quota       *quota;
    struct view              key;
    size_t                   at = quota_key_find(record->key);
    bool                     any = false;

    if (!quota_entity_of(record, &entity) || at == COUNT_OF(quota_keys)) {
        return ERR_UNSUPPORTED;
    }
    key = quota_map_key(&entity);
    quota = map_get(&image->quotas, key);
    if (quota == NULL && !record->remove) {
        quota = quota_add(image, key, &entity);
    }
    if (quota != NULL) {
        quota->set[at] = !record->remove;
        quota->values[at] = record->remove ? 0 : record->value;
        for (size_t i = 0; i < COUNT_OF(quota_keys); i++) {
            any |= quota->set[i];
        }
        if (!any) {
            quota_free(map_remove(&image->quotas, key));
        }
    }
    quota_key_free(key);
    return ERR_OK;
}

/* --- changes ----------------------------------------------------------------------------------------------------- */

static int16_t quota_refuse(struct meta_alter_quota *alter, const char *before, struct view what, const char *after)
{
    return meta__refuse(alter->message, sizeof(alter->message), KP_ERR_INVALID_REQUEST, "%s%.*s%s", before,
                        (int)MIN(what.len, (size_t)QUOTA_SHOWN_MAX), what.base == NULL ? "" : (const char *)what.base,
                        after);
}

/* An IPv4 or IPv6 address, near enough: names are not resolved here. */
static bool quota_is_address(struct view text)
{
    size_t digits = 0;
    size_t marks = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.base[i];

        if (c == '.' || c == ':') {
            marks++;
        } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
            digits++;
        } else {
            return false;
        }
    }
    return marks >= 2 && (digits > 0 || marks == 2) && text.len < 46;
}

static int16_t quota_check_entity(struct meta_alter_quota *alter)
{
    const struct meta_quota_entity *entity = &alter->entity;

    if (entity->has[META_QUOTA_IP] && (entity->has[META_QUOTA_USER] || entity->has[META_QUOTA_CLIENT_ID])) {
        return quota_refuse(alter,
                            "Invalid quota entity combination, IP entity should not be combined with User or "
                            "ClientId",
                            (struct view){0}, "");
    }
    if (!entity->has[META_QUOTA_IP] && !entity->has[META_QUOTA_USER] && !entity->has[META_QUOTA_CLIENT_ID]) {
        return quota_refuse(alter, "Invalid empty client quota entity", (struct view){0}, "");
    }
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        if (entity->names[i].base != NULL &&
            (entity->names[i].len == 0 || entity->names[i].len > QUOTA_NAME_BYTES_MAX)) {
            return quota_refuse(alter, "Empty ", view_text(quota_types[i]), " not supported");
        }
    }
    if (entity->names[META_QUOTA_IP].base != NULL && !quota_is_address(entity->names[META_QUOTA_IP])) {
        return quota_refuse(alter, "", entity->names[META_QUOTA_IP], " is not a valid IP address.");
    }
    return KP_ERR_NONE;
}

static int16_t quota_check_op(struct meta_alter_quota *alter, const struct meta_quota_op *op)
{
    size_t at = quota_key_find(op->key);
    double fraction;

    if (op->remove) {
        return KP_ERR_NONE; /* what is not there, whatever its name, is gone already */
    }
    if (at == COUNT_OF(quota_keys) || quota_keys[at].for_ip != alter->entity.has[META_QUOTA_IP]) {
        return quota_refuse(alter, "Invalid configuration key ", op->key, "");
    }
    if (!(op->value > 0)) {
        return quota_refuse(alter, "Quota ", op->key, " must be greater than 0");
    }
    if (!quota_keys[at].whole) {
        return KP_ERR_NONE;
    }
    if (op->value > (double)INT64_MAX / 2) {
        return quota_refuse(alter, "Proposed value for ", op->key, " is too large for a LONG.");
    }
    fraction = op->value - (double)(int64_t)op->value;
    if (fraction > QUOTA_FRACTION_MAX) {
        return quota_refuse(alter, "", op->key, " cannot be a fractional value.");
    }
    return KP_ERR_NONE;
}

static bool quota_is_set(const struct meta_image *image, const struct meta_quota_entity *entity, struct view name)
{
    struct view              key = quota_map_key(entity);
    const struct meta_quota *quota = map_get(&image->quotas, key);
    size_t                   at = quota_key_find(name);

    quota_key_free(key);
    return quota != NULL && at < COUNT_OF(quota_keys) && quota->set[at];
}

static void quota_record(const struct meta_quota_entity *entity, const struct meta_quota_op *op, meta_emit_fn *emit,
                         void *context)
{
    struct kp_client_quota_record_entity names[META_QUOTA_TYPE_COUNT];
    struct meta_record                   record = {.key = KP_CLIENT_QUOTA_RECORD_KEY};

    kp_client_quota_record_init(&record.client_quota);
    record.client_quota.entity = names;
    for (int i = 0; i < META_QUOTA_TYPE_COUNT; i++) {
        if (entity->has[i]) {
            names[record.client_quota.entity_count++] = (struct kp_client_quota_record_entity){
                .entity_type = view_text(quota_types[i]), .entity_name = entity->names[i]};
        }
    }
    record.client_quota.key = op->key;
    record.client_quota.value = op->remove ? 0 : op->value;
    record.client_quota.remove = op->remove;
    emit(context, &record);
}

static void quota_draft_add(void *context, const struct meta_record *record)
{
    meta__draft_add(context, record);
}

void meta__quotas_each(const struct meta_image *image, meta_emit_fn *emit, void *context)
{
    MAP_EACH(&image->quotas, entry) {
        const struct meta_quota *quota = entry->value;

        for (size_t i = 0; i < COUNT_OF(quota_keys); i++) {
            if (quota->set[i]) {
                quota_record(&quota->entity,
                             &(struct meta_quota_op){.key = view_text(quota_keys[i].name), .value = quota->values[i]},
                             emit, context);
            }
        }
    }
}

static int16_t quota_check(struct meta_alter_quota *alter)
{
    int16_t error = quota_check_entity(alter);

    for (int32_t i = 0; error == KP_ERR_NONE && i < alter->op_count; i++) {
        error = quota_check_op(alter, &alter->ops[i]);
    }
    return error;
}

void meta__draft_alter_quotas(struct meta_draft *draft, struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        struct meta_alter_quota *alter = &change->alter_quotas[i];

        if (alter->error == KP_ERR_NONE) {
            alter->message[0] = '\0';
            alter->error = quota_check(alter);
        }
        for (int32_t k = 0; alter->error == KP_ERR_NONE && k < alter->op_count; k++) {
            if (!alter->ops[k].remove || quota_is_set(&draft->meta->image, &alter->entity, alter->ops[k].key)) {
                quota_record(&alter->entity, &alter->ops[k], quota_draft_add, draft);
            }
        }
    }
    if (!change->validate_only && draft->builder.record_count > 0) {
        slog_warn("meta", "client quotas are kept and shown, but nothing is throttled by them");
    }
}
