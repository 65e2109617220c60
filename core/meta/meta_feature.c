/* Features: levels that brokers and clients agree on, as Kafka's feature records say. A cluster is born with the
 * initial levels of its release, written into the log at its first start; they only change when someone asks. */
#include "core/meta/meta_internal.h"

#include <stdio.h>

/* Levels and their limits are Kafka 4.3's (MetadataVersion, GroupVersion, TransactionVersion, KRaftVersion). */
#define METADATA_VERSION_MIN 7
#define METADATA_VERSION_MAX 30
#define KRAFT_VERSION        1
/* 2: producers may use transactions v2 (KIP-890): Produce 12, TxnOffsetCommit 5 and EndTxn 5 must be served. */
#define TRANSACTION_VERSION_INITIAL 2

static const struct meta_feature_info feature_infos[META_FEATURE_COUNT] = {
    [META_FEATURE_METADATA_VERSION] = {.name = "metadata.version",
                                       .min = METADATA_VERSION_MIN,
                                       .max = METADATA_VERSION_MAX,
                                       .initial = METADATA_VERSION_MAX},
    [META_FEATURE_GROUP_VERSION] = {.name = "group.version", .min = 0, .max = 1, .initial = 1},
    [META_FEATURE_TRANSACTION_VERSION] = {.name = "transaction.version",
                                          .min = 0,
                                          .max = 2,
                                          .initial = TRANSACTION_VERSION_INITIAL},
    [META_FEATURE_KRAFT_VERSION] = {.name = "kraft.version", .min = 0, .max = KRAFT_VERSION, .initial = KRAFT_VERSION},
};

const struct meta_feature_info *meta_feature_info(enum meta_feature feature)
{
    CHECK(feature < META_FEATURE_COUNT);
    return &feature_infos[feature];
}

enum meta_feature meta__feature_find(struct view name)
{
    int feature = 0;

    while (feature < META_FEATURE_COUNT && !view_equal(view_text(feature_infos[feature].name), name)) {
        feature++;
    }
    return (enum meta_feature)feature;
}

/* --- image ------------------------------------------------------------------------------------------------------- */

int meta__feature_apply(struct meta_image *image, const struct kp_feature_level_record *record)
{
    enum meta_feature feature = meta__feature_find(record->name);

    if (feature < META_FEATURE_COUNT &&
        (record->feature_level < feature_infos[feature].min || record->feature_level > feature_infos[feature].max)) {
        slog_error("meta", "%s is finalized at %d; this release supports %d to %d", feature_infos[feature].name,
                   record->feature_level, feature_infos[feature].min, feature_infos[feature].max);
        return ERR_UNSUPPORTED;
    }
    image->features_known = true;
    if (feature < META_FEATURE_COUNT && feature != META_FEATURE_KRAFT_VERSION) { /* others: nothing depends on them */
        image->feature_levels[feature] = record->feature_level;
    }
    return ERR_OK;
}

static struct meta_record feature_record(enum meta_feature feature, int16_t level)
{
    struct meta_record record = {.key = KP_FEATURE_LEVEL_RECORD_KEY};

    kp_feature_level_record_init(&record.feature_level);
    record.feature_level.name = view_text(feature_infos[feature].name);
    record.feature_level.feature_level = level;
    return record;
}

void meta__feature_bootstrap(const struct meta_image *image, struct rec_builder *builder, int64_t now_ms)
{
    for (int i = 0; !image->features_known && i < META_FEATURE_COUNT; i++) {
        if (i != META_FEATURE_KRAFT_VERSION && feature_infos[i].initial > 0) {
            struct meta_record record = feature_record((enum meta_feature)i, feature_infos[i].initial);

            meta__record_add(builder, now_ms, &record);
        }
    }
}

void meta__features_each(const struct meta_image *image, meta_emit_fn *emit, void *context)
{
    for (int i = 0; image->features_known && i < META_FEATURE_COUNT; i++) {
        struct meta_record record = feature_record((enum meta_feature)i, image->feature_levels[i]);

        if (i != META_FEATURE_KRAFT_VERSION && image->feature_levels[i] >= feature_infos[i].min) {
            emit(context, &record);
        }
    }
}

/* --- changes ----------------------------------------------------------------------------------------------------- */

static int16_t feature_refuse(struct meta_update_feature *update, const char *why)
{
    return meta__refuse(update->message, sizeof(update->message), KP_ERR_INVALID_UPDATE_VERSION,
                        "Invalid update version %d for feature %.*s. %s", update->level,
                        (int)MIN(update->name.len, (size_t)40), (const char *)update->name.base, why);
}

static int16_t feature_check_downgrade(struct meta_update_feature *update, enum meta_feature feature, int16_t now)
{
    if (feature == META_FEATURE_KRAFT_VERSION) {
        return feature_refuse(update, "Can't downgrade the version of this feature.");
    }
    if (update->upgrade_type == META_FEATURE_UPGRADE) {
        return feature_refuse(update, "Can't downgrade the version of this feature without setting the upgrade type to "
                                      "either safe or unsafe downgrade.");
    }
    if (feature == META_FEATURE_METADATA_VERSION) { /* the newest level changed what records hold */
        return meta__refuse(update->message, sizeof(update->message), KP_ERR_INVALID_UPDATE_VERSION,
                            "Unsupported metadata.version downgrade from %d to %d. Refusing to perform the requested "
                            "downgrade because it might delete metadata information.",
                            now, update->level);
    }
    return KP_ERR_NONE;
}

static int16_t feature_check_supported(const struct meta_draft *draft, struct meta_update_feature *update,
                                       enum meta_feature feature)
{
    int  node = draft->meta->host->first_node_id + META_CONTROLLER_SHARD;
    char why[80];

    if (feature == META_FEATURE_COUNT) {
        (void)snprintf(why, sizeof(why), "Local controller %d does not support this feature.", node);
        return feature_refuse(update, why);
    }
    if (update->level < feature_infos[feature].min || update->level > feature_infos[feature].max) {
        (void)snprintf(why, sizeof(why), "Local controller %d only supports versions %d-%d", node,
                       feature_infos[feature].min, feature_infos[feature].max);
        return feature_refuse(update, why);
    }
    return KP_ERR_NONE;
}

static int16_t feature_check(const struct meta_draft *draft, struct meta_update_feature *update)
{
    enum meta_feature feature = meta__feature_find(update->name);
    int16_t           error;
    int16_t           now;

    if (update->upgrade_type < META_FEATURE_UPGRADE || update->upgrade_type > META_FEATURE_UNSAFE_DOWNGRADE) {
        return feature_refuse(update, "The controller does not support the given upgrade type.");
    }
    if (update->level < 0) {
        return feature_refuse(update, "A feature version cannot be less than 0.");
    }
    error = feature_check_supported(draft, update, feature);
    if (error != KP_ERR_NONE) {
        return error;
    }
    now = draft->meta->image.feature_levels[feature];
    if (update->level < now) {
        return feature_check_downgrade(update, feature, now);
    }
    if (update->level > now && update->upgrade_type != META_FEATURE_UPGRADE) {
        return feature_refuse(update, "Can't downgrade to a newer version.");
    }
    return KP_ERR_NONE;
}

/* All or none, as in Kafka. */
void meta__draft_update_features(struct meta_draft *draft, struct meta_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        struct meta_update_feature *update = &change->update_features[i];

        update->message[0] = '\0';
        if (update->error == KP_ERR_NONE && !meta__draft_first(draft, 'f', update->name)) {
            update->error = meta__refuse(update->message, sizeof(update->message), KP_ERR_INVALID_REQUEST,
                                         "Each feature must appear at most once.");
        }
        if (update->error == KP_ERR_NONE) {
            update->error = feature_check(draft, update);
        }
        if (update->error != KP_ERR_NONE) {
            return;
        }
    }
    for (int32_t i = 0; i < change->count; i++) {
        const struct meta_update_feature *update = &change->update_features[i];
        enum meta_feature                 feature = meta__feature_find(update->name);

        if (update->level != draft->meta->image.feature_levels[feature]) {
            struct meta_record record = feature_record(feature, update->level);

            meta__draft_add(draft, &record);
        }
    }
}
