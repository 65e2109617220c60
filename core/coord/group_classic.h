/* group_classic.h: what the files of the classic protocol share: group_classic.c (states), group_join.c, group_sync.c.
 * Private to core/coord; struct group and its members are in group.h. */
#ifndef MILLRACE_GROUP_CLASSIC_H
#define MILLRACE_GROUP_CLASSIC_H

#include "core/coord/group.h"

/* Every member has asked to join and nobody who was given an id is missing. */
bool group__all_joined(const struct group *group);
/* The join phase is over: absent members go, the next generation begins. */
void group__complete_join(struct group *group);
/* The same when everybody is there, and it is not the first rebalance, which waits for its delay. */
void group__maybe_complete_join(struct group *group);
void group__rebalance_or_complete(struct group *group, const char *reason);
/* The member goes, and the group moves on without it. */
void group__classic_lost(struct group_member *member, int16_t error, const char *reason);
/* Fills the answer to a member of the present generation; the call ends when what it shows is durable. */
void group__answer_join(struct group_member *member, struct coord_call *call, bool skip_assignment);
/* All SyncGroups that wait end with the error; assignments are forgotten. */
void group__end_syncs(struct group *group, int16_t error);
/* The member has asked for its assignment. */
void group__sync_seen(struct group_member *member);

#endif
