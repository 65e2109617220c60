/* broker_config.h: the settings a broker is started with: defaults, a properties file, the environment's and the
 * command line's --set, checked against the one table (core/meta/config_*.def). */
#ifndef MILLRACE_BROKER_CONFIG_H
#define MILLRACE_BROKER_CONFIG_H

#include "core/meta/meta_config.h"

#include <stdio.h>

struct broker_config {
    struct meta_static statics;
    uint32_t           errors;
    uint32_t           notices;
};

void broker_config_init(struct broker_config *config);
void broker_config_deinit(struct broker_config *config);
/* Each problem is a line on `errors`: place, cause, the nearest known name. A known setting without meaning here gives
 * one line of notice. False when there was an error. */
bool broker_config_load(struct broker_config *config, const char *path, FILE *errors);
bool broker_config_set(struct broker_config *config, const char *assignment, FILE *errors);
/* The value in force (default included); NULL when it has none. */
const char *broker_config_get(const struct broker_config *config, const char *name);
int64_t     broker_config_int(const struct broker_config *config, const char *name);
/* Effective settings with their sources; only those that differ from the default unless `all`. */
void broker_config_print(const struct broker_config *config, bool all, bool json, FILE *out);

#endif
