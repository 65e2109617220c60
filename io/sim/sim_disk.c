/* Contents of files: a visible image, a durable image, and the unsynced changes between them.
 *
 * Invariants
 *  1. visible == durable + changes, applied in order. A change leaves the list when it is applied to the durable image.
 *  2. A durable change is applied as soon as no earlier unsynced change overlaps it; until then it waits in the list,
 * because the earlier one, were it to survive a crash, must not end up on top.
 *  3. A page is written only while one reference to it exists; everyone else holds a copy of the past.
 *  4. What lies beyond the durable size is not there after a crash.
 *
 * Sizes are tracked to the byte, data and space in pages of 4 KiB, survival in sectors of 512 bytes and physical
 * blocks. */
#include "io/sim/sim_internal.h"

/* --- life ------------------------------------------------------------------------------------- */

void sim__disk_init(struct sim_disk *disk, struct sim *sim)
{
    disk->sim = sim;
    disk->capacity_bytes = sim->options.capacity_bytes;
    list_init(&disk->inodes);
    disk->root = sim__inode_create(disk, true);
    sim__inode_ref(disk->root);
    disk->root->visible_links = 1;
}

void sim__changes_clear(struct sim_inode *inode)
{
    while (!list_empty(&inode->changes)) {
        struct sim_change *change = LIST_ENTRY(list_pop_front(&inode->changes), struct sim_change, link);

        for (size_t i = 0; i < change->page_count; i++) {
            sim__page_unref(change->pages[i]);
        }
        mem_free(MEM_TEST, change);
    }
}

static void slots_clear(struct sim_inode *inode, bool durable_too)
{
    for (size_t i = 0; i < inode->slot_count; i++) {
        sim__page_unref(inode->slots[i].visible);
        inode->slots[i].visible = NULL;
        if (durable_too) {
            sim__page_unref(inode->slots[i].durable);
            inode->slots[i].durable = NULL;
        }
    }
}

static void space_take_back(struct sim_inode *inode)
{
    if (!inode->space_given_back) {
        inode->disk->used_pages -= inode->allocated_pages;
        inode->space_given_back = true;
    }
}

struct sim_inode *sim__inode_create(struct sim_disk *disk, bool is_directory)
{
    struct sim_inode *inode = mem_alloc(MEM_TEST, sizeof(*inode));

    inode->disk = disk;
    inode->is_directory = is_directory;
    inode->modified_ms = sim__wall_ms(disk->sim);
    list_init(&inode->changes);
    list_init(&inode->name_changes);
    map_init(&inode->visible, MEM_TEST);
    map_init(&inode->durable, MEM_TEST);
    list_push_back(&disk->inodes, &inode->link);
    return inode;
}

struct sim_inode *sim__inode_ref(struct sim_inode *inode)
{
    inode->refs++;
    return inode;
}

void sim__inode_unref(struct sim_inode *inode)
{
    CHECK(inode->refs > 0);
    if (--inode->refs > 0) {
        return;
    }
    sim__fs_deinit(inode);
    sim__changes_clear(inode);
    slots_clear(inode, true);
    space_take_back(inode);
    list_remove(&inode->link);
    mem_free(MEM_TEST, inode->slots);
    mem_free(MEM_TEST, inode->unreadable);
    mem_free(MEM_TEST, inode);
}

/* A file without a name and without a user gives its space back, as a file system does. */
void sim__inode_settle_space(struct sim_inode *inode)
{
    if (inode->visible_links == 0 && inode->handles == 0) {
        space_take_back(inode);
    }
}

struct sim_inode **sim__inodes_hold(struct sim_disk *disk, size_t *out_count)
{
    struct sim_inode **inodes;
    size_t             count = 0;
    size_t             at = 0;

    LIST_EACH(&disk->inodes, node) {
        MAYBE(node);
        count++;
    }
    inodes = mem_alloc(MEM_TEST, count * sizeof(struct sim_inode *));
    LIST_EACH(&disk->inodes, other) {
        inodes[at++] = sim__inode_ref(LIST_ENTRY(other, struct sim_inode, link));
    }
    *out_count = count;
    return inodes;
}

void sim__inodes_release(struct sim_inode **inodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sim__inode_unref(inodes[i]);
    }
    mem_free(MEM_TEST, inodes);
}

void sim__disk_deinit(struct sim_disk *disk)
{
    size_t             count;
    struct sim_inode **inodes = sim__inodes_hold(disk, &count);

    for (size_t i = 0; i < count; i++) {
        sim__fs_clear(inodes[i]); /* unsynced renames may refer to directories in a circle */
    }
    sim__inodes_release(inodes, count);
    sim__inode_unref(disk->root);
    CHECK(list_empty(&disk->inodes));
}

/* --- space ------------------------------------------------------------------------------------ */

void sim__slots_reach(struct sim_inode *inode, size_t count)
{
    if (count > inode->slot_count) {
        size_t capacity = MAX(count, inode->slot_count * 2);

        inode->slots = mem_realloc(MEM_TEST, inode->slots, capacity * sizeof(*inode->slots));
        memset(inode->slots + inode->slot_count, 0, (capacity - inode->slot_count) * sizeof(*inode->slots));
        inode->slot_count = capacity;
    }
}

static bool slot_allocate(struct sim_inode *inode, size_t index)
{
    struct sim_disk *disk = inode->disk;

    if (inode->slots[index].allocated) {
        return true;
    }
    if ((disk->used_pages + 1) * SIM_PAGE_BYTES > disk->capacity_bytes) {
        return false;
    }
    inode->slots[index].allocated = true;
    inode->allocated_pages++;
    disk->used_pages++;
    return true;
}

void sim__slot_deallocate(struct sim_inode *inode, size_t index)
{
    if (inode->slots[index].allocated) {
        inode->slots[index].allocated = false;
        inode->allocated_pages--;
        inode->disk->used_pages--;
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

static struct sim_change *change_create(struct sim_inode *inode, enum sim_change_kind kind, uint64_t offset,
                                        uint64_t length)
{
    size_t first = sim__page_first(offset);
    size_t count = kind == SIM_CHANGE_WRITE ? sim__page_end(offset, length) - first : 0;

    struct sim_change *change = mem_alloc(MEM_TEST, sizeof(*change) + count * sizeof(struct sim_page *));

    change->kind = kind;
    change->sequence = ++inode->disk->sequence;
    change->offset = offset;
    change->length = length;
    change->page_count = count;
    for (size_t i = 0; i < count; i++) {
        change->pages[i] = sim__page_ref(inode->slots[first + i].visible);
    }
    inode->modified_ms = sim__wall_ms(inode->disk->sim);
    list_push_back(&inode->changes, &change->link);
    return change;
}

static void change_remove(struct sim_change *change)
{
    for (size_t i = 0; i < change->page_count; i++) {
        sim__page_unref(change->pages[i]);
    }
    list_remove(&change->link);
    mem_free(MEM_TEST, change);
}

static bool change_overlap(const struct sim_change *a, const struct sim_change *b)
{
    if (a->kind == SIM_CHANGE_TRUNCATE || b->kind == SIM_CHANGE_TRUNCATE) {
        return true;
    }
    if (a->kind == SIM_CHANGE_SIZE || b->kind == SIM_CHANGE_SIZE) {
        return false; /* sizes only grow by a maximum */
    }
    return a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

void sim__durable_write(struct sim_inode *inode, const struct sim_change *change, uint64_t offset, uint64_t length)
{
    size_t first = sim__page_first(change->offset);

    for (size_t i = sim__page_first(offset); i < sim__page_end(offset, length); i++) {
        struct sim_page **slot = &inode->slots[i].durable;
        struct sim_page  *page = change->pages[i - first];
        size_t            at;
        size_t            part = sim__page_part(offset, length, i, &at);

        if (part == SIM_PAGE_BYTES) {
            sim__page_unref(*slot);
            *slot = sim__page_ref(page);
        } else {
            sim__page_write(inode->disk->sim, slot, at, page->bytes + at, part);
        }
    }
}

void sim__durable_apply(struct sim_inode *inode, const struct sim_change *change)
{
    switch (change->kind) {
    case SIM_CHANGE_WRITE:
        sim__durable_write(inode, change, change->offset, change->length);
        inode->durable_size = MAX(inode->durable_size, change->offset + change->length);
        break;
    case SIM_CHANGE_PUNCH:
        for (size_t i = sim__page_first(change->offset); i < sim__page_end(change->offset, change->length); i++) {
            size_t at;
            size_t part = sim__page_part(change->offset, change->length, i, &at);

            if (i < inode->slot_count) {
                sim__page_zero(&inode->slots[i].durable, at, part);
            }
        }
        break;
    case SIM_CHANGE_TRUNCATE:
        for (size_t i = 0; i < inode->slot_count; i++) {
            sim__page_zero(&inode->slots[i].durable, 0, SIM_PAGE_BYTES);
        }
        inode->durable_size = 0;
        break;
    case SIM_CHANGE_SIZE:
        inode->durable_size = MAX(inode->durable_size, change->length);
        break;
    }
}

/* Applies every durable change that no earlier unsynced one overlaps. */
static void changes_settle(struct sim_inode *inode)
{
    LIST_EACH(&inode->changes, node) {
        struct sim_change *change = LIST_ENTRY(node, struct sim_change, link);
        bool               blocked = false;

        if (!change->durable) {
            continue;
        }
        for (struct list_node *at = inode->changes.next; at != node && !blocked; at = at->next) {
            blocked = change_overlap(LIST_ENTRY(at, struct sim_change, link), change);
        }
        if (!blocked) {
            sim__durable_apply(inode, change);
            change_remove(change);
        }
    }
}

/* --- what operations do ----------------------------------------------------------------------- */

static void unreadable_heal(struct sim_inode *inode, uint64_t offset, uint64_t length)
{
    size_t kept = 0;

    for (size_t i = 0; i < inode->unreadable_count; i++) {
        struct sim_range_bytes bad = inode->unreadable[i];

        if (bad.offset >= offset + length || offset >= bad.offset + bad.length) {
            inode->unreadable[kept++] = bad;
        }
    }
    inode->unreadable_count = kept;
}

int64_t sim__inode_write(struct sim_inode *inode, uint64_t offset, struct view bytes, bool buffered, bool in_flight)
{
    struct sim_change *change;
    uint64_t           done = 0;

    sim__slots_reach(inode, sim__page_end(offset, bytes.len));
    for (size_t i = sim__page_first(offset); i < sim__page_end(offset, bytes.len); i++) {
        size_t at;
        size_t part = sim__page_part(offset, bytes.len, i, &at);

        if (!slot_allocate(inode, i)) {
            break;
        }
        sim__page_write(inode->disk->sim, &inode->slots[i].visible, at, bytes.base + done, part);
        done += part;
    }
    if (done == 0) {
        return ERR_NO_SPACE;
    }
    inode->visible_size = MAX(inode->visible_size, offset + done);
    change = change_create(inode, SIM_CHANGE_WRITE, offset, done);
    change->buffered = buffered;
    change->in_flight = in_flight;
    unreadable_heal(inode, offset, done);
    return (int64_t)done;
}

static size_t image_read(const struct sim_inode *inode, uint64_t offset, struct span into)
{
    size_t done = 0;
    size_t want;

    if (offset >= inode->visible_size) {
        return 0;
    }
    want = (size_t)MIN((uint64_t)into.len, inode->visible_size - offset);
    for (size_t i = sim__page_first(offset); done < want; i++) {
        size_t                 at;
        size_t                 part = sim__page_part(offset, want, i, &at);
        const struct sim_page *page = i < inode->slot_count ? inode->slots[i].visible : NULL;

        if (page != NULL) {
            memcpy(into.base + done, page->bytes + at, part);
        } else {
            memset(into.base + done, 0, part);
        }
        done += part;
    }
    return done;
}

size_t sim__inode_read(const struct sim_inode *inode, uint64_t offset, struct span into)
{
    return image_read(inode, offset, into);
}

bool sim__inode_unreadable(const struct sim_inode *inode, uint64_t offset, uint64_t length)
{
    for (size_t i = 0; i < inode->unreadable_count; i++) {
        const struct sim_range_bytes *bad = &inode->unreadable[i];

        if (bad->offset < offset + length && offset < bad->offset + bad->length) {
            return true;
        }
    }
    return false;
}

int sim__inode_allocate(struct sim_inode *inode, uint64_t offset, uint64_t length)
{
    uint64_t need = 0;

    sim__slots_reach(inode, sim__page_end(offset, length));
    for (size_t i = sim__page_first(offset); i < sim__page_end(offset, length); i++) {
        need += !inode->slots[i].allocated;
    }
    if ((inode->disk->used_pages + need) * SIM_PAGE_BYTES > inode->disk->capacity_bytes) {
        return ERR_NO_SPACE;
    }
    for (size_t i = sim__page_first(offset); i < sim__page_end(offset, length); i++) {
        CHECK(slot_allocate(inode, i));
    }
    inode->visible_size = MAX(inode->visible_size, offset + length);
    (void)change_create(inode, SIM_CHANGE_SIZE, 0, offset + length);
    return 0;
}

void sim__inode_punch(struct sim_inode *inode, uint64_t offset, uint64_t length)
{
    for (size_t i = sim__page_first(offset); i < MIN(sim__page_end(offset, length), inode->slot_count); i++) {
        size_t at;
        size_t part = sim__page_part(offset, length, i, &at);

        sim__page_zero(&inode->slots[i].visible, at, part);
        if (part == SIM_PAGE_BYTES) {
            sim__slot_deallocate(inode, i);
        }
    }
    (void)change_create(inode, SIM_CHANGE_PUNCH, offset, length);
    unreadable_heal(inode, offset, length);
}

void sim__inode_truncate(struct sim_inode *inode)
{
    if (inode->visible_size == 0) {
        return;
    }
    for (size_t i = 0; i < inode->slot_count; i++) {
        sim__page_zero(&inode->slots[i].visible, 0, SIM_PAGE_BYTES);
        sim__slot_deallocate(inode, i);
    }
    inode->visible_size = 0;
    inode->unreadable_count = 0;
    (void)change_create(inode, SIM_CHANGE_TRUNCATE, 0, 0);
}

void sim__inode_sync(struct sim_inode *inode, uint64_t snapshot, bool failed)
{
    LIST_EACH(&inode->changes, node) {
        struct sim_change *change = LIST_ENTRY(node, struct sim_change, link);

        if (change->sequence > snapshot) {
            continue;
        }
        if (failed) {
            change->lost = !change->durable;
        } else if (!change->lost) {
            change->durable = true;
        }
    }
    changes_settle(inode);
}

/* A flush of the device's cache covers a direct write when nothing but its data was missing. */
static bool change_in_device_cache(const struct sim_inode *inode, const struct sim_change *change)
{
    if (change->kind != SIM_CHANGE_WRITE || change->buffered || change->lost ||
        change->offset + change->length > inode->durable_size) {
        return false;
    }
    for (size_t i = 0; i < change->page_count; i++) {
        if (inode->slots[sim__page_first(change->offset) + i].durable == NULL) {
            return false; /* the extent is still marked unwritten */
        }
    }
    return true;
}

static void device_flush(struct sim_disk *disk, uint64_t snapshot)
{
    LIST_EACH(&disk->inodes, node) {
        struct sim_inode *inode = LIST_ENTRY(node, struct sim_inode, link);

        LIST_EACH(&inode->changes, at) {
            struct sim_change *change = LIST_ENTRY(at, struct sim_change, link);

            if (change->sequence <= snapshot && change_in_device_cache(inode, change)) {
                change->durable = true;
            }
        }
        changes_settle(inode);
    }
}

/* What lies wholly under a durable write can no longer come back. */
static void changes_bury(struct sim_inode *inode, const struct sim_change *durable)
{
    LIST_EACH(&inode->changes, node) {
        struct sim_change *change = LIST_ENTRY(node, struct sim_change, link);

        if (change == durable) {
            return;
        }
        if (change->kind == SIM_CHANGE_TRUNCATE) {
            change->durable = true; /* the metadata that makes the write readable goes with it */
        } else if ((change->kind == SIM_CHANGE_WRITE || change->kind == SIM_CHANGE_PUNCH) &&
                   change->offset >= durable->offset &&
                   change->offset + change->length <= durable->offset + durable->length) {
            change_remove(change);
        }
    }
}

void sim__inode_make_durable(struct sim_inode *inode, uint64_t sequence, uint64_t snapshot)
{
    LIST_EACH(&inode->changes, node) {
        struct sim_change *change = LIST_ENTRY(node, struct sim_change, link);

        if (change->sequence == sequence) {
            change->durable = true;
            changes_bury(inode, change);
            break;
        }
    }
    if (inode->disk->sim->options.fua) {
        changes_settle(inode);
    } else {
        changes_settle(inode);
        device_flush(inode->disk, snapshot);
    }
}
