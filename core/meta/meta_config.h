/* meta_config.h: the one table of settings (config_*.def): every broker, topic and group setting Kafka users type, with
 * type, default, source and meaning.
 *
 * Pure: no I/O. The properties file is read by net/broker, the topic overrides come from the metadata log; both are
 * checked here. Names and defaults are Kafka 4.3's (TopicConfig, ServerConfigs, SocketServerConfigs, ...); our own
 * begin with "millrace.". */
#ifndef MILLRACE_META_CONFIG_H
#define MILLRACE_META_CONFIG_H

#include "core/base/map.h"

/* DescribeConfigs' type codes (ConfigDef). */
enum meta_config_type {
    META_TYPE_BOOLEAN = 1,
    META_TYPE_STRING = 2,
    META_TYPE_INT = 3,
    META_TYPE_SHORT = 4,
    META_TYPE_LONG = 5,
    META_TYPE_DOUBLE = 6,
    META_TYPE_LIST = 7,
    META_TYPE_CLASS = 8,
    META_TYPE_PASSWORD = 9,
};

/* DescribeConfigs' source codes. */
enum meta_config_source {
    META_SOURCE_UNKNOWN = 0,
    META_SOURCE_TOPIC = 1,
    META_SOURCE_DYNAMIC_BROKER = 2,
    META_SOURCE_DYNAMIC_DEFAULT = 3,
    META_SOURCE_STATIC = 4,
    META_SOURCE_DEFAULT = 5,
    META_SOURCE_LOGGER = 6, /* DYNAMIC_BROKER_LOGGER_CONFIG */
    META_SOURCE_GROUP = 8,  /* 7 are client metrics, which are not kept here */
};

/* What has the setting; the same name may exist in several kinds. */
enum meta_config_kind { META_KIND_BROKER = 0, META_KIND_TOPIC = 1, META_KIND_GROUP = 2 };

enum meta_config_effect {
    META_EFFECT_USED,     /* does here what it does in Kafka */
    META_EFFECT_RECORDED, /* kept and shown, has no effect on one host; accepted silently */
    META_EFFECT_IGNORED,  /* means nothing here: accepted with one line of notice */
};

enum meta_config_update {
    META_READ_ONLY,
    META_PER_BROKER,
    META_CLUSTER_WIDE
}; /* dynamic update mode of a broker setting */

struct meta_config_key {
    const char             *name;
    enum meta_config_kind   kind;
    enum meta_config_type   type;
    const char             *default_text; /* NULL: none */
    int64_t                 min, max;     /* for numbers */
    const char             *choices;      /* "a,b,c" for STRING and LIST, or NULL: free */
    enum meta_config_effect effect;
    enum meta_config_update update;
    /* For a topic or group setting: the broker settings it defaults to, strongest first, with the factor to its own
     * unit
     * ("log.retention.ms,log.retention.minutes:60000,log.retention.hours:3600000"); NULL: none. */
    const char *synonyms;
    const char *documentation; /* one sentence of ours */
};

/* All keys of the table in table order: topic settings, broker settings, group settings. */
size_t                        meta_config_count(void);
const struct meta_config_key *meta_config_at(size_t index);
const struct meta_config_key *meta_config_find(enum meta_config_kind kind, struct view name);
/* The nearest known name by edit distance, for "did you mean"; NULL when nothing is near. */
const char *meta_config_nearest(enum meta_config_kind kind, struct view name);
/* ERR_OK, or ERR_INVALID with a sentence in `out_reason`. */
MUST_USE int meta_config_check(const struct meta_config_key *key, struct view value, struct span out_reason);
/* Checked texts to numbers; CHECK on a value that meta_config_check() refuses. */
int64_t meta_config_to_int(const struct meta_config_key *key, const char *text);
bool    meta_config_to_bool(const char *text);

/* Whether a LIST has `item` for an entry; blanks around entries do not count. */
bool meta_config_list_has(const char *list, struct view item);

/* A set of name = value overrides. */
struct meta_config_set {
    struct map values; /* name -> char * */
};
void        meta_config_set_init(struct meta_config_set *set);
void        meta_config_set_deinit(struct meta_config_set *set);
void        meta_config_set_put(struct meta_config_set *set, struct view name, struct view value);
void        meta_config_set_remove(struct meta_config_set *set, struct view name);
const char *meta_config_set_get(const struct meta_config_set *set, struct view name); /* NULL: not there */

/* What the broker was started with. */
struct meta_static {
    struct meta_config_set file;    /* properties file */
    struct meta_config_set command; /* --set, and what the environment gave; stronger */
};
const char *meta_static_get(const struct meta_static *statics, const char *name); /* NULL: not set */
const char *meta_static_find(const struct meta_static *statics, struct view name);

/* Every setting with type, default and meaning, as Markdown: docs/CONFIGURATION.md is made from it. */
void meta_config_reference(void (*write)(void *context, struct view text), void *context);

#endif
