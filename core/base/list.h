/* list.h: intrusive doubly linked list. A node belongs to one list at a time; an initialised node is linked to itself.
 * All operations are O(1). Single-threaded, as everything in a shard. */
#ifndef MILLRACE_LIST_H
#define MILLRACE_LIST_H

#include "core/base/check.h"

struct list_node {
    struct list_node *prev;
    struct list_node *next;
};

/* The head has the shape of a node; list_empty(&head) is "linked to itself". */
static inline void list_init(struct list_node *node)
{
    node->prev = node;
    node->next = node;
}

static inline bool list_empty(const struct list_node *head)
{
    return head->next == head;
}

/* True while the node stands in some list (an initialised, unlinked node does not). */
static inline bool list_linked(const struct list_node *node)
{
    return node->next != NULL && node->next != node;
}

static inline void list_insert_between(struct list_node *node, struct list_node *prev, struct list_node *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void list_push_back(struct list_node *head, struct list_node *node)
{
    DCHECK(!list_linked(node));
    list_insert_between(node, head->prev, head);
}

static inline void list_push_front(struct list_node *head, struct list_node *node)
{
    DCHECK(!list_linked(node));
    list_insert_between(node, head, head->next);
}

/* Unlinks; the node is initialised again afterwards. Removing an unlinked initialised node is harmless. */
static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list_node *list_first(const struct list_node *head)
{
    return list_empty(head) ? NULL : head->next;
}

static inline struct list_node *list_last(const struct list_node *head)
{
    return list_empty(head) ? NULL : head->prev;
}

static inline struct list_node *list_pop_front(struct list_node *head)
{
    struct list_node *node = list_first(head);

    if (node != NULL) {
        list_remove(node);
    }
    return node;
}

/* Moves everything of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice_back(struct list_node *to, struct list_node *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

/* The body may remove `node` (not the next one). */
#define LIST_EACH(head, node)                                                              \
    for (struct list_node *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

#endif
