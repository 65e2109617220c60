/* group_assign_uniform.c: even and sticky.
 *
 * All partitions of all topics stand in one row; `owner` says who has each. First everyone keeps what was theirs, then
 * what nobody has is handed out, then (only when subscriptions differ) single partitions move from the fullest to the
 * emptiest subscriber of their topic until no move makes the loads more even. Each such move lowers the sum of the
 * squared loads, so it ends. */
#include "core/base/check.h"
#include "core/coord/group_assign.h"

#define NOBODY UINT32_MAX

struct uniform {
    struct assign_spec *spec;
    uint32_t           *first; /* by topic: place of its partition 0 in the row; one more for the end */
    uint32_t           *owner; /* by place in the row: member, or NOBODY */
    uint32_t           *load;  /* by member */
    uint32_t            total;
    uint32_t           *sub_from; /* by topic: where its subscribers begin in `subs`; one more for the end */
    uint32_t           *subs;     /* members */
    uint32_t           *held;     /* beside `subs`: partitions of that topic the member has */
};

static bool same_subscriptions(const struct assign_spec *spec)
{
    const struct assign_member *first = &spec->members[0];

    for (uint32_t m = 1; m < spec->member_count; m++) {
        const struct assign_member *member = &spec->members[m];

        if (member->topic_count != first->topic_count) {
            return false;
        }
        if (member->topics != first->topics && member->topic_count != 0 &&
            memcmp(member->topics, first->topics, first->topic_count * sizeof(first->topics[0])) != 0) {
            return false;
        }
    }
    return true;
}

static bool subscribed(const struct assign_member *member, uint32_t topic)
{
    uint32_t low = 0;
    uint32_t high = member->topic_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (member->topics[middle] < topic) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < member->topic_count && member->topics[low] == topic;
}

/* Gives member m what it had, in order, as long as it may still have it and `limit` is not reached. */
static void keep(struct uniform *work, uint32_t m, uint32_t limit)
{
    const struct assign_member *member = &work->spec->members[m];
    uint32_t                    at = 0;
    struct modern_run           run;

    while (modern_parts_next_run(member->current, &at, &run)) {
        uint32_t topic = assign__topic_at(work->spec, run.topic_id);

        if (topic == UINT32_MAX || !subscribed(member, topic)) {
            continue;
        }
        for (uint32_t i = 0; i < run.count && work->load[m] < limit; i++) {
            int32_t partition = run.items[i].partition;

            if (partition < 0 || partition >= work->spec->topics[topic].partition_count) {
                continue;
            }
            uint32_t place = work->first[topic] + (uint32_t)partition;
            if (work->owner[place] == NOBODY) {
                work->owner[place] = m;
                work->load[m]++;
            }
        }
    }
}

/* --- one subscription for all -------------------------------------------------------------------------------- */

static void assign_even(struct uniform *work)
{
    struct assign_spec *spec = work->spec;
    uint32_t            row = 0; /* partitions of the topics they subscribe to */

    for (uint32_t i = 0; i < spec->members[0].topic_count; i++) {
        row += (uint32_t)spec->topics[spec->members[0].topics[i]].partition_count;
    }
    uint32_t quota = row / spec->member_count;
    uint32_t extra = row % spec->member_count;

    for (uint32_t m = 0; m < spec->member_count; m++) {
        keep(work, m, extra > 0 ? quota + 1 : quota);
        if (work->load[m] > quota) {
            extra--;
        }
    }

    /* Round robin, so that each topic is spread: first up to the quota, then one more for as many as there are extras
     * left. */
    uint32_t next = 0;
    uint32_t level = quota;
    uint32_t full = 0; /* members passed over in a row */
    for (uint32_t i = 0; i < spec->members[0].topic_count; i++) {
        uint32_t topic = spec->members[0].topics[i];

        for (uint32_t place = work->first[topic]; place < work->first[topic + 1]; place++) {
            if (work->owner[place] != NOBODY) {
                continue;
            }
            while (work->load[next] >= level) {
                next = (next + 1) % spec->member_count;
                if (++full >= spec->member_count) {
                    CHECK(level == quota && extra > 0);
                    level = quota + 1;
                    full = 0;
                }
            }
            full = 0;
            work->owner[place] = next;
            work->load[next]++;
            next = (next + 1) % spec->member_count;
        }
    }
}

/* --- different subscriptions --------------------------------------------------------------------------------- */

static void index_subscribers(struct uniform *work)
{
    struct assign_spec *spec = work->spec;
    uint32_t           *fill = mem_alloc(MEM_COORD, (spec->topic_count + 1) * sizeof(fill[0]));
    uint32_t            all = 0;

    work->sub_from = mem_alloc(MEM_COORD, (spec->topic_count + 1) * sizeof(work->sub_from[0]));
    for (uint32_t m = 0; m < spec->member_count; m++) {
        for (uint32_t i = 0; i < spec->members[m].topic_count; i++) {
            work->sub_from[spec->members[m].topics[i] + 1]++;
            all++;
        }
    }
    for (uint32_t t = 0; t < spec->topic_count; t++) {
        work->sub_from[t + 1] += work->sub_from[t];
        fill[t] = work->sub_from[t];
    }
    work->subs = mem_alloc(MEM_COORD, all * sizeof(work->subs[0]));
    work->held = mem_alloc(MEM_COORD, all * sizeof(work->held[0]));
    for (uint32_t m = 0; m < spec->member_count; m++) {
        for (uint32_t i = 0; i < spec->members[m].topic_count; i++) {
            work->subs[fill[spec->members[m].topics[i]]++] = m;
        }
    }
    mem_free(MEM_COORD, fill);
}

/* Where member m stands among the topic's subscribers (they ascend). */
static uint32_t subscriber_at(const struct uniform *work, uint32_t topic, uint32_t m)
{
    uint32_t low = work->sub_from[topic];
    uint32_t high = work->sub_from[topic + 1];

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (work->subs[middle] < m) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    CHECK(low < work->sub_from[topic + 1] && work->subs[low] == m);
    return low;
}

static uint32_t emptiest(const struct uniform *work, uint32_t topic)
{
    uint32_t best = work->sub_from[topic];

    for (uint32_t s = best + 1; s < work->sub_from[topic + 1]; s++) {
        if (work->load[work->subs[s]] < work->load[work->subs[best]]) {
            best = s;
        }
    }
    return best;
}

/* The fullest that has something of the topic, or UINT32_MAX. */
static uint32_t fullest(const struct uniform *work, uint32_t topic)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t s = work->sub_from[topic]; s < work->sub_from[topic + 1]; s++) {
        if (work->held[s] != 0 && (best == UINT32_MAX || work->load[work->subs[s]] > work->load[work->subs[best]])) {
            best = s;
        }
    }
    return best;
}

static void hand_out(struct uniform *work, uint32_t topic)
{
    for (uint32_t place = work->first[topic]; place < work->first[topic + 1]; place++) {
        uint32_t at;

        if (work->owner[place] == NOBODY) {
            at = emptiest(work, topic);
            work->owner[place] = work->subs[at];
            work->load[work->subs[at]]++;
        } else {
            at = subscriber_at(work, topic, work->owner[place]);
        }
        work->held[at]++;
    }
}

static bool balance_topic(struct uniform *work, uint32_t topic)
{
    bool     moved = false;
    uint32_t place = work->first[topic + 1]; /* the last ones move first, so that ranges stay runs */

    for (;;) {
        uint32_t from = fullest(work, topic);
        uint32_t to = emptiest(work, topic);

        if (from == UINT32_MAX || work->load[work->subs[from]] < work->load[work->subs[to]] + 2) {
            return moved;
        }
        do {
            place = place == work->first[topic] ? work->first[topic + 1] - 1 : place - 1;
        } while (work->owner[place] != work->subs[from]);
        work->owner[place] = work->subs[to];
        work->load[work->subs[from]]--;
        work->load[work->subs[to]]++;
        work->held[from]--;
        work->held[to]++;
        moved = true;
    }
}

static void assign_uneven(struct uniform *work)
{
    struct assign_spec *spec = work->spec;

    index_subscribers(work);
    for (uint32_t m = 0; m < spec->member_count; m++) {
        keep(work, m, UINT32_MAX);
    }
    /* Topics that few can take go first. */
    for (uint32_t taken = 0, few = 1; taken < spec->topic_count;) {
        uint32_t next_few = UINT32_MAX;

        for (uint32_t t = 0; t < spec->topic_count; t++) {
            uint32_t count = work->sub_from[t + 1] - work->sub_from[t];

            if (count == few || (few == 1 && count == 0)) {
                taken++;
                if (count != 0) {
                    hand_out(work, t);
                }
            } else if (count > few) {
                next_few = MIN(next_few, count);
            }
        }
        few = next_few;
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t t = 0; t < spec->topic_count; t++) {
            if (work->sub_from[t + 1] > work->sub_from[t] && spec->topics[t].partition_count > 0) {
                moved = balance_topic(work, t) || moved;
            }
        }
    }
}

void assign__uniform(struct assign_spec *spec)
{
    struct uniform work = {.spec = spec};

    work.first = mem_alloc(MEM_COORD, (spec->topic_count + 1) * sizeof(work.first[0]));
    for (uint32_t t = 0; t < spec->topic_count; t++) {
        work.first[t + 1] = work.first[t] + (uint32_t)spec->topics[t].partition_count;
    }
    work.total = work.first[spec->topic_count];
    work.owner = mem_alloc(MEM_COORD, work.total * sizeof(work.owner[0]));
    memset(work.owner, 0xff, work.total * sizeof(work.owner[0]));
    work.load = mem_alloc(MEM_COORD, spec->member_count * sizeof(work.load[0]));

    if (same_subscriptions(spec)) {
        assign_even(&work);
    } else {
        assign_uneven(&work);
    }
    for (uint32_t t = 0; t < spec->topic_count; t++) {
        for (uint32_t place = work.first[t]; place < work.first[t + 1]; place++) {
            if (work.owner[place] != NOBODY) {
                modern_parts_push(&spec->members[work.owner[place]].target, spec->topics[t].id,
                                  (int32_t)(place - work.first[t]), 0);
            }
        }
    }
    mem_free(MEM_COORD, work.first);
    mem_free(MEM_COORD, work.owner);
    mem_free(MEM_COORD, work.load);
    mem_free(MEM_COORD, work.sub_from);
    mem_free(MEM_COORD, work.subs);
    mem_free(MEM_COORD, work.held);
}
