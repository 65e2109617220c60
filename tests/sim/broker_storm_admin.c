/* The admin: topics and settings, asked on any shard, checked on every one. */
#include "tests/sim/broker_storm.h"

#include <stdio.h>
#include <stdlib.h>

#define ADMIN_METADATA_VERSION 9
#define ADMIN_ALTER_VERSION    1
#define ADMIN_DESCRIBE_VERSION 4
#define ADMIN_LOST_NS          (2 * NS_PER_S) /* longer than anything asked on a lost connection stays under way */
#define ADMIN_SETTING          "max.message.bytes"
#define ADMIN_SETTING_MIN      1000000
#define ADMIN_TRIES            200

static struct rig_client *admin_client(struct broker_storm *storm, uint32_t shard)
{
    if (storm->admin != NULL && (storm->admin->closed || storm->admin_shard != shard)) {
        rig_client_free(storm->admin);
        storm->admin = NULL;
    }
    if (storm->admin == NULL && !storm_life_is_down(&storm->life)) {
        storm->admin = rig_connect(&storm->life.rig, shard);
        storm->admin_shard = shard;
    }
    if (storm->admin != NULL) {
        rig_client_reset(storm->admin);
    }
    return storm->admin;
}

static uint32_t admin_any_shard(struct broker_storm *storm)
{
    return (uint32_t)prng_below(&storm->life.prng, storm->life.rig.shard_count);
}

static const char *temp_name(uint32_t temp)
{
    static const char *const names[STORM_TEMPS] = {"temp-0", "temp-1", "temp-2", "temp-3"};

    return names[temp];
}

/* All topics as one shard shows them; NULL: no answer. */
static const struct kp_metadata_response *admin_metadata(struct broker_storm *storm, uint32_t shard)
{
    struct kp_metadata_request request;
    struct rig_client         *client = admin_client(storm, shard);

    kp_metadata_request_init(&request);
    request.topics_count = -1;
    return client == NULL ? NULL : rig_ask(client, KP_METADATA_KEY, ADMIN_METADATA_VERSION, &request);
}

static const struct kp_metadata_response_topics *metadata_topic(const struct kp_metadata_response *response,
                                                                const char                        *name)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        if (view_equal(response->topics[i].name, view_text(name))) {
            return &response->topics[i];
        }
    }
    return NULL;
}

/* What a shard shows against what is known; what is not known is learnt. False: no answer. */
static bool admin_check_shard(struct broker_storm *storm, uint32_t shard)
{
    const struct kp_metadata_response *response = admin_metadata(storm, shard);

    if (response == NULL) {
        return false;
    }
    if (response->brokers_count != (int32_t)storm->life.rig.shard_count) {
        voice_fail(&storm->life.voice, "shard %u shows %d brokers", shard, response->brokers_count);
    }
    for (uint32_t i = 0; i < STORM_TEMPS; i++) {
        bool shown = metadata_topic(response, temp_name(i)) != NULL;

        if (storm->temps[i] == FATE_UNKNOWN) {
            storm->temps[i] = shown ? FATE_PRESENT : FATE_ABSENT;
        } else if (shown != (storm->temps[i] == FATE_PRESENT)) {
            voice_fail(&storm->life.voice, "shard %u %s topic %s, which was %s", shard,
                       shown ? "shows" : "does not show", temp_name(i), shown ? "deleted" : "created");
        }
    }
    if (storm->topic_made && metadata_topic(response, STORM_TOPIC) == NULL) {
        voice_fail(&storm->life.voice, "shard %u has lost topic " STORM_TOPIC, shard);
    }
    return true;
}

static bool admin_check_setting(struct broker_storm *storm, uint32_t shard)
{
    struct view                                  key = view_text(ADMIN_SETTING);
    struct kp_describe_configs_request           request;
    struct kp_describe_configs_request_resources resource;
    const struct kp_describe_configs_response   *response;
    struct rig_client                           *client = admin_client(storm, shard);
    char                                         text[24] = "";
    int64_t                                      value;

    kp_describe_configs_request_init(&request);
    kp_describe_configs_request_resources_init(&resource);
    resource.resource_type = 2;
    resource.resource_name = view_text(STORM_TOPIC);
    resource.configuration_keys = &key;
    resource.configuration_keys_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    response = client == NULL ? NULL : rig_ask(client, KP_DESCRIBE_CONFIGS_KEY, ADMIN_DESCRIBE_VERSION, &request);
    if (response == NULL) {
        return false;
    }
    if (response->results[0].error_code != 0 || response->results[0].configs_count != 1) {
        voice_fail(&storm->life.voice, "shard %u cannot describe " STORM_TOPIC ": %s", shard,
                   kp_error_name(response->results[0].error_code));
        return true;
    }
    memcpy(text, response->results[0].configs[0].value.base,
           MIN(response->results[0].configs[0].value.len, sizeof(text) - 1));
    value = strtoll(text, NULL, 10);
    if (storm->setting_known != 0 && value != storm->setting_known && value != storm->setting_maybe) {
        voice_fail(&storm->life.voice, "shard %u: " ADMIN_SETTING " is %" PRId64 ", %" PRId64 " was acknowledged",
                   shard, value, storm->setting_known);
    }
    return true;
}

static void admin_lost(struct broker_storm *storm)
{
    rig_run(&storm->life.rig, ADMIN_LOST_NS);
}

static void admin_change_topic(struct broker_storm *storm, struct rig_client *client)
{
    uint32_t temp = (uint32_t)prng_below(&storm->life.prng, STORM_TEMPS);
    bool     create = storm->temps[temp] == FATE_ABSENT;
    int16_t  error;

    if (storm->temps[temp] == FATE_UNKNOWN) {
        return;
    }
    storm->temps[temp] = FATE_UNKNOWN;
    error = create ? rig_create_topic(client, temp_name(temp), 1 + (int32_t)prng_below(&storm->life.prng, 5), NULL)
                   : rig_delete_topic(client, temp_name(temp));
    if (error == 0) {
        storm->temps[temp] = create ? FATE_PRESENT : FATE_ABSENT;
        storm->admin_changes++;
    } else if (error == -1 || storm_life_is_down(&storm->life)) {
        admin_lost(storm);
    } else if (error != KP_ERR_KAFKA_STORAGE_ERROR) {
        voice_fail(&storm->life.voice, "topic %s cannot be %s: %s", temp_name(temp), create ? "created" : "deleted",
                   kp_error_name(error));
    }
}

static void admin_change_setting(struct broker_storm *storm, struct rig_client *client)
{
    struct kp_incremental_alter_configs_request                   request;
    struct kp_incremental_alter_configs_request_resources         resource;
    struct kp_incremental_alter_configs_request_resources_configs config;
    const struct kp_incremental_alter_configs_response           *response;
    int64_t value = ADMIN_SETTING_MIN + (int64_t)prng_below(&storm->life.prng, 1000000);
    char    text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    kp_incremental_alter_configs_request_init(&request);
    kp_incremental_alter_configs_request_resources_init(&resource);
    kp_incremental_alter_configs_request_resources_configs_init(&config);
    config.name = view_text(ADMIN_SETTING);
    config.value = view_text(text);
    resource.resource_type = 2;
    resource.resource_name = view_text(STORM_TOPIC);
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    storm->setting_maybe = value;
    response = rig_ask(client, KP_INCREMENTAL_ALTER_CONFIGS_KEY, ADMIN_ALTER_VERSION, &request);
    if (response == NULL) {
        if (storm->setting_known == 0) { /* neither old nor new value is known */
            storm->setting_maybe = 0;
        }
        admin_lost(storm);
    } else if (response->responses[0].error_code == 0) {
        storm->setting_known = value;
        storm->setting_maybe = 0;
        storm->admin_changes++;
    } else if (response->responses[0].error_code != KP_ERR_KAFKA_STORAGE_ERROR) {
        voice_fail(&storm->life.voice, ADMIN_SETTING " cannot be set: %s",
                   kp_error_name(response->responses[0].error_code));
    }
}

void storm_admin_step(struct broker_storm *storm)
{
    struct rig_client *client = admin_client(storm, admin_any_shard(storm));

    if (client == NULL) {
        return;
    }
    if (prng_chance(&storm->life.prng, 2, 3)) {
        admin_change_topic(storm, client);
    } else {
        admin_change_setting(storm, client);
    }
    for (uint32_t i = 0;
         i < storm->life.rig.shard_count && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life); i++) {
        if (!admin_check_shard(storm, i) || !admin_check_setting(storm, i)) {
            return;
        }
    }
}

void storm_admin_prepare(struct broker_storm *storm)
{
    for (uint32_t tries = 0; tries < ADMIN_TRIES && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life);
         tries++) {
        struct rig_client                        *client = admin_client(storm, admin_any_shard(storm));
        const struct kp_metadata_response        *response;
        const struct kp_metadata_response_topics *topic;
        int16_t                                   error;

        if (client == NULL) {
            continue;
        }
        error = rig_create_topic(client, STORM_TOPIC, STORM_PARTITIONS, NULL);
        if (error == 0 || error == KP_ERR_TOPIC_ALREADY_EXISTS) {
            storm->topic_made = true;
        } else if (error != -1) {
            voice_fail(&storm->life.voice, "topic " STORM_TOPIC " cannot be created: %s", kp_error_name(error));
        }
        response = storm->topic_made ? admin_metadata(storm, admin_any_shard(storm)) : NULL;
        topic = response == NULL ? NULL : metadata_topic(response, STORM_TOPIC);
        if (topic != NULL && topic->partitions_count == STORM_PARTITIONS) {
            for (int32_t i = 0; i < STORM_PARTITIONS; i++) {
                storm->partitions[topic->partitions[i].partition_index].shard =
                    (uint32_t)topic->partitions[i].leader_id;
            }
            return;
        }
    }
    if (!storm_life_is_down(&storm->life)) {
        voice_fail(&storm->life.voice, "topic " STORM_TOPIC " cannot be made");
    }
}

void storm_admin_verify(struct broker_storm *storm)
{
    for (uint32_t i = 0;
         i < storm->life.rig.shard_count && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life); i++) {
        bool told = false;

        for (uint32_t tries = 0;
             tries < ADMIN_TRIES && !told && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life);
             tries++) {
            told = admin_check_shard(storm, i) && (!storm->topic_made || admin_check_setting(storm, i));
        }
        if (!told && voice_ok(&storm->life.voice) && !storm_life_is_down(&storm->life)) {
            voice_fail(&storm->life.voice, "shard %u does not answer", i);
        }
    }
}
