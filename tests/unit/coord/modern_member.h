/* modern_member.h: members of the consumer protocol that speak to a whole simulated broker (group_rig.h). */
#ifndef MILLRACE_MODERN_MEMBER_H
#define MILLRACE_MODERN_MEMBER_H

#include "tests/unit/coord/group_rig.h"

struct member {
    const char *id;
    const char *regex; /* NULL: subscribes to TOPIC */
    int32_t     epoch;
    uint32_t    told, owned; /* partitions of TOPIC, as bits */
    int16_t     error;
    bool        with_message;
    bool        unsure; /* its last answer never came: it says everything again */
};

int32_t bits_to_list(uint32_t bits, int32_t *out_list);
/* A heartbeat that is sent and not waited for; the caller ends the call. */
void beat_start(struct rig_call *call, const struct member *member);
/* Takes what it says. */
void beat_take(struct member *member, const struct kp_consumer_group_heartbeat_response *response);
/* One heartbeat; its error in member->error, -1 when the connection closed. */
void beat(struct member *member);
/* One that must succeed; then it has what it was told. */
void    follow(struct member *member);
int16_t depart(struct member *member);
/* "Stable/2" as ConsumerGroupDescribe says it, or "-69" for an error. */
const char *look(void);

#endif
