/* group_modern_serve.h: consumer groups in their partition: how decisions of group_modern.h become records of the log
 * and answers of calls. Private to core/coord. */
#ifndef MILLRACE_GROUP_MODERN_SERVE_H
#define MILLRACE_GROUP_MODERN_SERVE_H

#include "core/coord/group.h"
#include "core/coord/group_modern.h"

/* What the groups of one partition share. */
struct group_modern_host {
    struct modern_host     host;
    struct groups         *groups;
    struct modern_settings settings;         /* of a group without settings of its own */
    int64_t                settings_version; /* the image they were read from; -1: not yet */
};

struct group_modern {
    struct modern_group *state;
};

struct modern_host *group_modern__host(struct groups *groups);
/* What stands in the batch goes to the log's event, behind what is there. False, and the event is dropped: it does not
 * fit. */
MUST_USE bool group_modern__write(struct group *group);
/* After group_modern__write(): the same records make the group what they say. A group that ends loses its state. */
void group_modern__apply(struct group *group);
/* The group becomes one of the consumer protocol with this state. */
void group_modern__attach(struct group *group, struct modern_group *state);
/* Nothing is left of it that the log knows: it goes. */
void group_modern__drop_if_void(struct group *group);
/* Members leave or are fenced: records written and applied, the group turned to the classic protocol when only members
 * of that are left. False: it did not fit a batch. */
MUST_USE bool group_modern__remove(struct group *group, const struct modern_member *const *leavers, uint32_t count,
                                   const char *reason);

/* --- the embedded protocol of classic consumers (group_modern_protocol.c) --- */

struct modern_subscription_bytes {
    const struct view  *topics;
    int32_t             topic_count;
    struct view         rack_id; /* base NULL: none */
    struct modern_parts owned;   /* of topics that exist; the caller's to deinit */
};

/* False: it cannot be read. */
MUST_USE bool modern_subscription_read(struct modern_host *host, struct view bytes, struct arena *arena,
                                       struct modern_subscription_bytes *out_subscription);
MUST_USE bool modern_assignment_read(struct modern_host *host, struct view bytes, struct arena *arena,
                                     struct modern_parts *out_parts);
/* In the version of the subscription bytes. base NULL: out of memory. */
struct view modern_assignment_write(struct modern_host *host, const struct modern_parts *parts,
                                    struct view subscription, struct arena *arena);

/* --- migration (group_modern_migrate.c) --- */

/* A classic group with members may become a consumer group: its state, with the records of the change in the log's
 * event; NULL: it may not, or its members do not speak the consumer protocol. */
struct modern_group *group_modern__upgrade(struct group *group);
/* Without the leavers all are members of the classic protocol, and the policy lets the group go back. */
bool group_modern__can_downgrade(const struct group *group, const struct modern_member *const *leavers, uint32_t count);
/* The group is a classic one afterwards, its records written, its members asked to join again. False: it did not fit,
 * and nothing has changed. */
MUST_USE bool group_modern__downgrade(struct group *group, const struct modern_member *const *leavers, uint32_t count);

#endif
