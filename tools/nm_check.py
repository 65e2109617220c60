"""Proves by the symbol table that only the doors touch the kernel, the clock, chance, threads and the allocator.

    nm_check.py --build build/release

Reads every static library under the build directory with `nm -u`. An object outside the doors that wants open, write,
clock_gettime, malloc, pthread_create or their like cannot run the same way twice in the simulator, so it is refused.

And no name of ours may be one that a library of the program exports: the linker takes one of the two for both.
"""
import argparse
import os
import re
import subprocess
import sys

# Objects that may: io/uring is the production back end, core/base/mem.c the allocator; of net/broker the files around
# main(), which read the command line, the settings and the machine before anything starts; of net/http the thread that
# is no core and what it shares with one.
DOORS = (
    ("io/uring", None),
    ("core/base", "mem.c.o"),
    ("net/broker", "broker_banner.c.o"),
    ("net/broker", "broker_config.c.o"),
    ("net/broker", "broker_machine.c.o"),
    ("net/broker", "broker_main.c.o"),
    ("net/http", "http_call.c.o"),
    ("net/http", "http_listener.c.o"),
    ("tests", None),
    ("tools", None),
    ("bench", None),
)

FORBIDDEN_WORDS = """
open openat creat close read write pread pwrite readv writev preadv pwritev preadv2 pwritev2 lseek dup dup2 dup3 pipe
pipe2 fsync fdatasync sync syncfs sync_file_range fallocate posix_fallocate ftruncate truncate sendfile splice tee
copy_file_range unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir opendir fdopendir readdir closedir stat
lstat fstat fstatat statx statfs fstatfs access chdir getcwd chmod chown flock lockf fcntl ioctl link symlink readlink
fopen fdopen freopen fread fwrite fgets fclose tmpfile mkstemp mkdtemp mmap munmap mremap mprotect madvise mlock munlock
socket socketpair bind listen accept accept4 connect send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
shutdown setsockopt getsockopt getsockname getpeername getaddrinfo poll ppoll select pselect epoll_create epoll_create1
epoll_ctl epoll_wait epoll_pwait eventfd timerfd_create signalfd inotify_init syscall
clock_gettime clock_getres clock_nanosleep gettimeofday time ftime times clock nanosleep usleep sleep alarm setitimer
timer_create localtime localtime_r mktime
rand rand_r srand random srandom drand48 lrand48 getrandom getentropy arc4random
malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign valloc strdup strndup asprintf vasprintf
getline getdelim open_memstream
fork vfork execve execv execvp system popen waitpid kill raise signal sigaction sigprocmask
getenv secure_getenv setenv putenv sched_yield sched_setaffinity getpid gettid
"""
FORBIDDEN = set(FORBIDDEN_WORDS.split())
FORBIDDEN_PREFIXES = ("pthread_", "thrd_", "mtx_", "cnd_", "sem_", "io_uring_", "mi_")


def plain(symbol):
    """The name a programmer wrote: without version, fortify and large-file decoration."""
    symbol = symbol.split("@")[0]
    match = re.fullmatch(r"__(\w+)_chk", symbol)
    if match:
        symbol = match.group(1)
    symbol = re.sub(r"^__(isoc99_)?", "", symbol)
    return re.sub(r"(64)?(_2)?$", "", symbol) if not symbol.startswith("pthread") else symbol


def is_forbidden(symbol):
    name = plain(symbol)
    return name in FORBIDDEN or name.startswith(FORBIDDEN_PREFIXES)


def is_door(folder, member):
    return any(folder.startswith(door) and (name is None or member.endswith(name)) for door, name in DOORS)


def libraries(build):
    for folder, _, names in os.walk(build):
        for name in names:
            if name.endswith(".a"):
                yield os.path.join(folder, name)


def check_library(build, path):
    """What the objects of one library want from outside their doors."""
    found = []
    listing = subprocess.run(["nm", "-u", "-A", path], capture_output=True, text=True, check=True).stdout
    folder = os.path.relpath(os.path.dirname(path), build) + "/"
    for line in listing.splitlines():
        member = os.path.basename(line.split(":")[1])
        symbol = line.split()[-1]
        # An object of io/uring that is linked into io/libio.a is called uring_<file>.
        home = folder + "uring/" if folder == "io/" and member.startswith("uring_") else folder
        if is_forbidden(symbol) and not is_door(home, member):
            found.append(f"{os.path.relpath(path, build)}: {member} wants {symbol}")
    return found


def defined(*words):
    """Functions that a file has for others to link."""
    listing = subprocess.run(["nm", *words], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in listing.splitlines()
            if len(line.split()) == 3 and line.split()[1] in "TWi"}


def check_names(build, paths):
    """Our names that the program's shared libraries have, too."""
    program = os.path.join(build, "millrace")
    if not os.path.exists(program):
        return []
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    found = []
    ours = set().union(*(defined("-g", "--defined-only", path) for path in paths))
    for name, path in re.findall(r"(\S+) => (/\S+)", listing):
        if re.match(r"lib(asan|ubsan|tsan|lsan)\.", name):
            continue
        taken = ours & defined("-D", "--defined-only", path)
        found += [f"{symbol} is also a name of {name}" for symbol in sorted(taken) if not symbol.startswith("_")]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    build = parser.parse_args().build
    paths = sorted(libraries(build))
    if not paths:
        sys.exit(f"nm_check: no static library under {build}")
    found = [line for path in paths for line in check_library(build, path)]
    found += check_names(build, paths)
    for line in found:
        print(line)
    if found:
        sys.exit(f"nm_check: {len(found)} symbols outside their door, or taken")
    print(f"nm_check: {len(paths)} libraries, only the doors touch the system")


if __name__ == "__main__":
    main()
