/* The partitions of one transaction: a sorted array of topics, each with a sorted array of partitions.
 *
 * Most transactions have a handful; those with thousands are added to one by one, so lookups are binary and an
 * insertion moves a short tail. */
#include "core/coord/txn.h"

#define TOPICS_FIRST     4
#define PARTITIONS_FIRST 4

/* Where the topic stands, or would stand. */
static uint32_t topic_place(const struct txn_partitions *set, struct view topic, bool *out_found)
{
    uint32_t low = 0, high = set->topic_count;

    *out_found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int      order = view_compare(view_of(set->topics[middle].name, set->topics[middle].name_len), topic);

        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t partition_place(const struct txn_topic *topic, int32_t partition, bool *out_found)
{
    uint32_t low = 0, high = topic->partition_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (topic->partitions[middle] < partition) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *out_found = low < topic->partition_count && topic->partitions[low] == partition;
    return low;
}

bool txn__partitions_have(const struct txn_partitions *set, struct view topic, int32_t partition)
{
    bool     found;
    uint32_t place = topic_place(set, topic, &found);

    if (found) {
        (void)partition_place(&set->topics[place], partition, &found);
    }
    return found;
}

static struct txn_topic *topic_insert(struct txn_partitions *set, uint32_t place, struct view name)
{
    struct txn_topic *topic;

    if (set->topic_count == set->topic_capacity) {
        set->topic_capacity = MAX(TOPICS_FIRST, set->topic_capacity * 2);
        set->topics = mem_realloc(MEM_COORD, set->topics, set->topic_capacity * sizeof(*set->topics));
    }
    topic = &set->topics[place];
    memmove(topic + 1, topic, (set->topic_count - place) * sizeof(*topic));
    set->topic_count++;
    set->name_bytes += name.len;
    *topic = (struct txn_topic){.name = mem_copy_text(MEM_COORD, name), .name_len = (uint32_t)name.len};
    return topic;
}

void txn__partitions_add(struct txn_partitions *set, struct view topic, int32_t partition)
{
    bool              found;
    uint32_t          place = topic_place(set, topic, &found);
    struct txn_topic *row = found ? &set->topics[place] : topic_insert(set, place, topic);

    place = partition_place(row, partition, &found);
    if (found) {
        return;
    }
    if (row->partition_count == row->partition_capacity) {
        row->partition_capacity = MAX(PARTITIONS_FIRST, row->partition_capacity * 2);
        row->partitions = mem_realloc(MEM_COORD, row->partitions, row->partition_capacity * sizeof(*row->partitions));
    }
    memmove(row->partitions + place + 1, row->partitions + place,
            (row->partition_count - place) * sizeof(*row->partitions));
    row->partitions[place] = partition;
    row->partition_count++;
    set->total++;
}

static void topic_free(struct txn_partitions *set, struct txn_topic *topic)
{
    set->name_bytes -= topic->name_len;
    mem_free(MEM_COORD, topic->name);
    mem_free(MEM_COORD, topic->partitions);
}

void txn__partitions_remove(struct txn_partitions *set, struct view topic, int32_t partition)
{
    bool              found;
    uint32_t          topic_at = topic_place(set, topic, &found), place;
    struct txn_topic *row;

    if (!found) {
        return;
    }
    row = &set->topics[topic_at];
    place = partition_place(row, partition, &found);
    if (!found) {
        return;
    }
    row->partition_count--;
    set->total--;
    memmove(row->partitions + place, row->partitions + place + 1,
            (row->partition_count - place) * sizeof(*row->partitions));
    if (row->partition_count == 0) {
        topic_free(set, row);
        set->topic_count--;
        memmove(row, row + 1, (set->topic_count - topic_at) * sizeof(*row));
    }
}

void txn__partitions_clear(struct txn_partitions *set)
{
    for (uint32_t i = 0; i < set->topic_count; i++) {
        topic_free(set, &set->topics[i]);
    }
    mem_free(MEM_COORD, set->topics);
    *set = (struct txn_partitions){0};
}
