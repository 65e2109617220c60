/* The synchronous calls: listeners, addresses, directory listings, the lock file. Start-up and rare. */
#define _GNU_SOURCE 1

#include "io/uring/uring_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t uring_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

uint32_t uring__sockaddr(const struct io_address *address, void *out_storage)
{
    struct sockaddr_in  v4 = {.sin_family = AF_INET, .sin_port = __builtin_bswap16(address->port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = __builtin_bswap16(address->port), .sin6_scope_id = address->scope_id};

    if (memcmp(address->ip, uring_mapped_prefix, sizeof(uring_mapped_prefix)) == 0) {
        memcpy(&v4.sin_addr, address->ip + sizeof(uring_mapped_prefix), sizeof(v4.sin_addr));
        memcpy(out_storage, &v4, sizeof(v4));
        return sizeof(v4);
    }
    memcpy(&v6.sin6_addr, address->ip, sizeof(v6.sin6_addr));
    memcpy(out_storage, &v6, sizeof(v6));
    return sizeof(v6);
}

static int uring_address_of(const struct sockaddr_storage *storage, struct io_address *out_address)
{
    struct io_address address = {0};

    if (storage->ss_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, storage, sizeof(v4));
        memcpy(address.ip, uring_mapped_prefix, sizeof(uring_mapped_prefix));
        memcpy(address.ip + sizeof(uring_mapped_prefix), &v4.sin_addr, sizeof(v4.sin_addr));
        address.port = __builtin_bswap16(v4.sin_port);
    } else if (storage->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, storage, sizeof(v6));
        memcpy(address.ip, &v6.sin6_addr, sizeof(address.ip));
        address.port = __builtin_bswap16(v6.sin6_port);
        address.scope_id = v6.sin6_scope_id;
    } else {
        return ERR_INVALID;
    }
    *out_address = address;
    return 0;
}

static int uring_bind_and_listen(int fd, const struct io_address *address, uint32_t backlog)
{
    struct sockaddr_in6 storage = {0};
    uint32_t            length = uring__sockaddr(address, &storage);
    int                 one = 1;
    int                 zero = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0) {
        return err_from_errno(errno);
    }
    if (storage.sin6_family == AF_INET6) {
        /* "::" also takes IPv4 connections; where the system forbids that, IPv6 alone is what was asked for. */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    }
    if (bind(fd, (const struct sockaddr *)(const void *)&storage, length) != 0 || listen(fd, (int)backlog) != 0) {
        return errno == EADDRNOTAVAIL ? ERR_NOT_FOUND : err_from_errno(errno);
    }
    return 0;
}

int uring__listen(struct io *io, const struct io_address *address, uint32_t backlog, struct io_handle *out_listener)
{
    struct uring       *uring = uring__of(io);
    struct sockaddr_in6 storage = {0};
    int                 result;
    int                 fd;

    (void)uring__sockaddr(address, &storage);
    fd = socket(storage.sin6_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0) {
        return errno == EAFNOSUPPORT ? ERR_UNSUPPORTED : err_from_errno(errno);
    }
    result = uring_bind_and_listen(fd, address, backlog);
    if (result < 0) {
        (void)close(fd);
        return result;
    }
    result = uring__handle_add(uring, fd, true, false);
    if (result < 0) {
        return result;
    }
    *out_listener = (struct io_handle){result};
    return 0;
}

int uring__local_address(struct io *io, struct io_handle socket, struct io_address *out_address)
{
    struct sockaddr_storage storage = {0};
    socklen_t               length = sizeof(storage);

    if (getsockname(uring__handle(uring__of(io), socket)->fd, (struct sockaddr *)(void *)&storage, &length) != 0) {
        return err_from_errno(errno);
    }
    return uring_address_of(&storage, out_address);
}

int uring__peer_address(struct io *io, struct io_handle socket, struct io_address *out_address)
{
    struct sockaddr_storage storage = {0};
    socklen_t               length = sizeof(storage);

    if (getpeername(uring__handle(uring__of(io), socket)->fd, (struct sockaddr *)(void *)&storage, &length) != 0) {
        return err_from_errno(errno);
    }
    return uring_address_of(&storage, out_address);
}

/* Some file systems do not say what a name is; then ask. */
static bool uring_is_directory(DIR *directory, const struct dirent *entry)
{
    struct stat found;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dirfd(directory), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode);
}

int uring__list(struct io *io UNUSED, const char *path, io_list_fn *each, void *context)
{
    DIR                 *directory = opendir(path);
    const struct dirent *entry;
    int                  result = 0;

    if (directory == NULL) {
        return err_from_errno(errno);
    }
    for (;;) {
        errno = 0;
        entry = readdir(directory);
        if (entry == NULL) {
            result = errno == 0 ? 0 : err_from_errno(errno);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (!each(context, entry->d_name, uring_is_directory(directory, entry))) {
            break;
        }
    }
    (void)closedir(directory);
    return result;
}

int uring__lock(struct io *io, const char *path)
{
    struct uring *uring = uring__of(io);
    int           fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    int           number;

    if (fd < 0) {
        return err_from_errno(errno);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        number = errno;
        (void)close(fd);
        return number == EWOULDBLOCK ? ERR_BUSY : err_from_errno(number);
    }
    uring->lock_fds = mem_realloc(MEM_IO, uring->lock_fds, (uring->lock_count + 1) * sizeof(*uring->lock_fds));
    uring->lock_fds[uring->lock_count++] = fd;
    return 0;
}
