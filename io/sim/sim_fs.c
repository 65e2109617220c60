/* Names: directories with a visible and a durable map, and the unsynced changes between them.
 *
 * Invariants
 *  1. A name change is atomic: after a crash a rename has happened or has not, never half.
 *  2. Changes of one directory survive independently of each other, whatever their order: only io_sync() on the
 * directory orders them.
 *  3. A rename between directories belongs to the directory it leads to. */
#include "io/sim/sim_internal.h"

#include <stdio.h>

#define SIM_LIST_NAMES_MAX 100000

/* The next component of *at, or false at the end. Empty components and "." are skipped. */
static bool path_next(const char **at, struct view *out_name)
{
    const char *from = *at;

    for (;;) {
        size_t len;

        while (*from == '/') {
            from++;
        }
        len = strcspn(from, "/");
        if (len == 0) {
            return false;
        }
        if (len == 1 && from[0] == '.') {
            from++;
            continue;
        }
        *out_name = view_of(from, len);
        *at = from + len;
        return true;
    }
}

static bool path_more(const char *at)
{
    struct view name;

    return path_next(&at, &name);
}

/* The directory a path's last component lies in, and that component. ERR_NOT_FOUND; ERR_INVALID for the root. */
static int fs_parent(struct sim_disk *disk, const char *path, struct sim_inode **out_parent, struct view *out_name)
{
    struct sim_inode *directory = disk->root;
    struct view       name;

    while (path_next(&path, &name)) {
        if (name.len >= SIM_NAME_BYTES) {
            return ERR_INVALID;
        }
        if (!path_more(path)) {
            *out_parent = directory;
            *out_name = name;
            return 0;
        }
        directory = map_get(&directory->visible, name);
        if (directory == NULL || !directory->is_directory) {
            return ERR_NOT_FOUND;
        }
    }
    return ERR_INVALID;
}

int sim__fs_find(struct sim_disk *disk, const char *path, struct sim_inode **out_inode)
{
    struct sim_inode *parent;
    struct sim_inode *inode;
    struct view       name;
    int               result = fs_parent(disk, path, &parent, &name);

    if (result == ERR_INVALID && !path_more(path)) {
        *out_inode = disk->root;
        return 0;
    }
    if (result < 0) {
        return result;
    }
    inode = map_get(&parent->visible, name);
    if (inode == NULL) {
        return ERR_NOT_FOUND;
    }
    *out_inode = inode;
    return 0;
}

static struct sim_name_change *name_change(struct sim_inode *directory, enum sim_name_kind kind, struct view name,
                                           struct sim_inode *inode)
{
    struct sim_name_change *change = mem_alloc(MEM_TEST, sizeof(*change));

    change->kind = kind;
    change->sequence = ++directory->disk->sequence;
    change->inode = sim__inode_ref(inode);
    memcpy(change->name, name.base, name.len);
    directory->modified_ms = sim__wall_ms(directory->disk->sim);
    list_push_back(&directory->name_changes, &change->link);
    return change;
}

static void name_change_free(struct sim_inode *directory, struct sim_name_change *change)
{
    list_remove(&change->link);
    sim__inode_unref(change->inode);
    if (change->from_directory != NULL && change->from_directory != directory) {
        sim__inode_unref(change->from_directory);
    }
    mem_free(MEM_TEST, change);
}

static void visible_put(struct sim_inode *directory, struct view name, struct sim_inode *inode)
{
    CHECK(map_put(&directory->visible, name, sim__inode_ref(inode)) == NULL);
    inode->visible_links++;
}

static void visible_remove(struct sim_inode *directory, struct view name)
{
    struct sim_inode *inode = map_remove(&directory->visible, name);

    CHECK(inode != NULL);
    inode->visible_links--;
    sim__inode_settle_space(inode);
    sim__inode_unref(inode);
}

int sim__fs_create(struct sim_disk *disk, const char *path, bool is_directory, struct sim_inode **out_inode)
{
    struct sim_inode *parent;
    struct sim_inode *inode;
    struct view       name;
    int               result = fs_parent(disk, path, &parent, &name);

    if (result < 0) {
        return path_more(path) ? result : ERR_EXISTS;
    }
    if (map_get(&parent->visible, name) != NULL) {
        return ERR_EXISTS;
    }
    inode = sim__inode_create(disk, is_directory);
    (void)snprintf(inode->label, sizeof(inode->label), "%.*s", SIM_NAME_BYTES - 1, path);
    visible_put(parent, name, inode);
    (void)name_change(parent, SIM_NAME_CREATE, name, inode);
    *out_inode = inode;
    return 0;
}

int sim__fs_unlink(struct sim_disk *disk, const char *path, bool is_directory)
{
    struct sim_inode *parent;
    struct sim_inode *inode;
    struct view       name;
    int               result = fs_parent(disk, path, &parent, &name);

    if (result < 0) {
        return result;
    }
    inode = map_get(&parent->visible, name);
    if (inode == NULL) {
        return ERR_NOT_FOUND;
    }
    if (inode->is_directory != is_directory) {
        return ERR_INVALID;
    }
    if (is_directory && map_count(&inode->visible) != 0) {
        return ERR_NOT_EMPTY;
    }
    (void)name_change(parent, SIM_NAME_UNLINK, name, inode);
    visible_remove(parent, name);
    return 0;
}

/* What rename(2) refuses: 0 or ERR_. `target` may be NULL. */
static int rename_check(const struct sim_inode *inode, const struct sim_inode *target)
{
    if (target == NULL) {
        return 0;
    }
    if (target->is_directory != inode->is_directory) {
        return ERR_INVALID;
    }
    return target->is_directory && map_count(&target->visible) != 0 ? ERR_NOT_EMPTY : 0;
}

int sim__fs_rename(struct sim_disk *disk, const char *from, const char *to)
{
    struct sim_inode       *from_parent;
    struct sim_inode       *to_parent;
    struct sim_inode       *inode;
    struct sim_inode       *target;
    struct sim_name_change *change;
    struct view             from_name;
    struct view             to_name;
    int                     result = fs_parent(disk, from, &from_parent, &from_name);

    result = result < 0 ? result : fs_parent(disk, to, &to_parent, &to_name);
    if (result < 0) {
        return result;
    }
    inode = map_get(&from_parent->visible, from_name);
    if (inode == NULL) {
        return ERR_NOT_FOUND;
    }
    target = map_get(&to_parent->visible, to_name);
    result = rename_check(inode, target);
    if (result < 0 || target == inode) {
        return result;
    }
    change = name_change(to_parent, SIM_NAME_RENAME, to_name, inode);
    change->from_directory = from_parent;
    if (from_parent != to_parent) {
        sim__inode_ref(from_parent);
    }
    memcpy(change->from, from_name.base, from_name.len);
    if (target != NULL) {
        visible_remove(to_parent, to_name);
    }
    visible_put(to_parent, to_name, inode);
    visible_remove(from_parent, from_name); /* last: without any name its space would be given back */
    return 0;
}

struct fs_name {
    const char *name;
    bool        is_directory;
};

int sim__fs_list(struct sim_disk *disk, struct prng *prng, const char *path, io_list_fn *each, void *context)
{
    struct sim_inode *directory;
    struct fs_name   *names;
    char             *text;
    size_t            count = 0;
    size_t            position = 0;
    int               result = sim__fs_find(disk, path, &directory);

    if (result < 0) {
        return result;
    }
    if (!directory->is_directory) {
        return ERR_NOT_FOUND;
    }
    CHECK(map_count(&directory->visible) <= SIM_LIST_NAMES_MAX);
    names = mem_alloc(MEM_TEST, (map_count(&directory->visible) + 1) * sizeof(*names));
    for (struct map_entry *entry; (entry = map_next(&directory->visible, &position)) != NULL; count++) {
        size_t other = (size_t)prng_below(prng, count + 1); /* a shuffle: no order is promised */

        text = mem_copy_text(MEM_TEST, view_of(entry->key, entry->key_len));
        names[count] = names[other];
        names[other] = (struct fs_name){text, ((struct sim_inode *)entry->value)->is_directory};
    }
    for (size_t i = 0; i < count && each(context, names[i].name, names[i].is_directory); i++) {
    }
    for (size_t i = 0; i < count; i++) {
        mem_free(MEM_TEST, (void *)(uintptr_t)names[i].name);
    }
    mem_free(MEM_TEST, names);
    return 0;
}

/* --- durability ------------------------------------------------------------------------------- */

static void durable_remove(struct sim_inode *directory, struct view name, const struct sim_inode *only)
{
    struct sim_inode *inode = map_get(&directory->durable, name);

    if (inode != NULL && (only == NULL || inode == only)) {
        (void)map_remove(&directory->durable, name);
        sim__inode_unref(inode);
    }
}

static void durable_put(struct sim_inode *directory, struct view name, struct sim_inode *inode)
{
    durable_remove(directory, name, NULL);
    (void)map_put(&directory->durable, name, sim__inode_ref(inode));
}

/* A creation that is not durable yet has been overtaken by a durable rename to another directory. */
static void forget_creation(struct sim_inode *directory, const struct sim_name_change *rename)
{
    LIST_EACH(&directory->name_changes, node) {
        struct sim_name_change *change = LIST_ENTRY(node, struct sim_name_change, link);

        if (change != rename && change->kind != SIM_NAME_UNLINK && change->inode == rename->inode &&
            change->sequence < rename->sequence) {
            name_change_free(directory, change);
        }
    }
}

static void name_change_apply(struct sim_inode *directory, struct sim_name_change *change)
{
    struct view name = view_text(change->name);

    switch (change->kind) {
    case SIM_NAME_CREATE:
        durable_put(directory, name, change->inode);
        break;
    case SIM_NAME_UNLINK:
        durable_remove(directory, name, change->inode);
        break;
    case SIM_NAME_RENAME:
        durable_remove(change->from_directory, view_text(change->from), change->inode);
        durable_put(directory, name, change->inode);
        if (change->from_directory != directory) {
            forget_creation(change->from_directory, change);
        }
        break;
    }
}

void sim__fs_sync(struct sim_inode *directory, uint64_t snapshot, bool failed)
{
    if (failed) {
        return;
    }
    LIST_EACH(&directory->name_changes, node) {
        struct sim_name_change *change = LIST_ENTRY(node, struct sim_name_change, link);

        if (change->sequence <= snapshot) {
            name_change_apply(directory, change);
            name_change_free(directory, change);
        }
    }
}

void sim__fs_crash(struct sim_inode *directory, struct prng *prng, enum sim_crash_style style)
{
    LIST_EACH(&directory->name_changes, node) {
        struct sim_name_change *change = LIST_ENTRY(node, struct sim_name_change, link);
        bool                    kept = prng_chance(prng, 1, 2);

        if (style == SIM_CRASH_KEEP || (style != SIM_CRASH_DROP && kept)) {
            name_change_apply(directory, change);
        }
        name_change_free(directory, change);
    }
}

static void names_clear(struct map *map, bool visible)
{
    size_t position = 0;

    for (struct map_entry *entry; (entry = map_next(map, &position)) != NULL;) {
        struct sim_inode *inode = entry->value;

        (void)map_remove(map, view_of(entry->key, entry->key_len));
        if (visible) {
            inode->visible_links--;
        }
        sim__inode_unref(inode);
    }
}

void sim__fs_adopt(struct sim_inode *directory)
{
    size_t position = 0;

    names_clear(&directory->visible, true);
    for (struct map_entry *entry; (entry = map_next(&directory->durable, &position)) != NULL;) {
        visible_put(directory, view_of(entry->key, entry->key_len), entry->value);
    }
}

void sim__fs_clear(struct sim_inode *directory)
{
    while (!list_empty(&directory->name_changes)) {
        name_change_free(directory, LIST_ENTRY(list_first(&directory->name_changes), struct sim_name_change, link));
    }
    names_clear(&directory->visible, true);
    names_clear(&directory->durable, false);
}

void sim__fs_deinit(struct sim_inode *directory)
{
    sim__fs_clear(directory);
    map_deinit(&directory->visible);
    map_deinit(&directory->durable);
}
