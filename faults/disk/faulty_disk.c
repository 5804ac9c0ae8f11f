/* A disk and a clock that fail on schedule, for one process: preloaded between the program and the C library.
 *
 * The environment says what goes wrong, and only under one folder:
 *
 *   FAULTY_ROOT    the folder; files elsewhere are left alone
 *   FAULTY_RULES   rules separated by ';', each OP,PART,SKIP,TIMES,KIND,ARG
 *                  OP     write, read, sync, rename, open, or any
 *                  PART   a piece of the path, or * for every path
 *                  SKIP   how many such calls pass first
 *                  TIMES  how many are hit; -1 for all from then on
 *                  KIND   errno (ARG is the number), short (ARG is the most bytes), lose (a sync that fails, and what
 *                         was not synced is gone), sector (reads that touch byte ARG fail with EIO), full (writes
 *                         fail with ENOSPC once ARG bytes were written), kill (SIGKILL before the call)
 *   FAULTY_SPEED   how many times as fast the monotonic clock goes; waits are as much shorter
 *   FAULTY_CLOCK   jumps of the wall clock separated by ',', each MILLISECONDS@SECONDS since the start
 *   FAULTY_BOOT    a file that is read in the place of the kernel's boot id
 *   FAULTY_TRACE   a file to which every change under the folder is appended, in order (see trace.py)
 *   FAULTY_HITS    a file to which a line is appended for each rule that hits
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST_FDS 4096
#define MOST_RULES 32
#define MOST_EXTENTS 8192
#define REAL(name) ((__typeof__(&name))real(#name))

typedef struct { char op[8], part[128], kind[8]; long skip, times; long long arg, used; } rule_t;
typedef struct { char path[PATH_MAX]; off_t at; size_t size; } extent_t;

static pthread_mutex_t guard = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char root[PATH_MAX], *tracked[MOST_FDS];
static rule_t rules[MOST_RULES];
static extent_t unsynced[MOST_EXTENTS];
static int rule_count, extent_count, trace_fd = -1, hits_fd = -1, ready;
static double speed = 1, started, jump_at[16], jump_by[16];
static int jump_count;
static const char *boot_file;
static pid_t owner;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static double seconds(const struct timespec *t) { return (double)t->tv_sec + (double)t->tv_nsec / 1e9; }

static struct timespec spec(double s) {
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    return t;
}

static double true_monotonic(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return seconds(&now);
}

static void read_rules(const char *text) {
    char *copy = strdup(text), *outer = NULL;
    for (char *one = strtok_r(copy, ";", &outer); one && rule_count < MOST_RULES; one = strtok_r(NULL, ";", &outer)) {
        rule_t *rule = &rules[rule_count];
        if (sscanf(one, "%7[^,],%127[^,],%ld,%ld,%7[^,],%lld", rule->op, rule->part, &rule->skip, &rule->times,
                   rule->kind, &rule->arg) == 6)
            rule_count++;
    }
    free(copy);
}

__attribute__((constructor)) static void begin(void) {
    started = true_monotonic();
    owner = getpid();
    const char *text = getenv("FAULTY_ROOT");
    if (text && !realpath(text, root)) root[0] = 0;
    if ((text = getenv("FAULTY_RULES"))) read_rules(text);
    if ((text = getenv("FAULTY_SPEED"))) speed = atof(text) > 0 ? atof(text) : 1;
    for (text = getenv("FAULTY_CLOCK"); text && jump_count < 16; text = strchr(text, ',') ? strchr(text, ',') + 1 : NULL)
        if (sscanf(text, "%lf@%lf", &jump_at[jump_count], &jump_by[jump_count]) == 2) jump_count++;
    boot_file = getenv("FAULTY_BOOT");
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    if ((text = getenv("FAULTY_TRACE"))) trace_fd = (int)syscall(SYS_openat, AT_FDCWD, text, flags, 0644);
    if ((text = getenv("FAULTY_HITS"))) hits_fd = (int)syscall(SYS_openat, AT_FDCWD, text, flags, 0644);
    ready = 1;
}

/* --- Which files are ours ---------------------------------------------------------------------------------------- */

static int is_inside(const char *path) {
    size_t length = strlen(root);
    return ready && length && !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

/* The path with its folder resolved; the last part need not be there. */
static int full_path(int folder, const char *path, char *full) {
    char joined[2 * PATH_MAX + 2], at[PATH_MAX], link[64];
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(at, sizeof at)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t n = readlink(link, at, sizeof at - 1);
            if (n < 0) return 0;
            at[n] = 0;
        }
        snprintf(joined, sizeof joined, "%s/%s", at, path);
    } else {
        snprintf(joined, sizeof joined, "%s", path);
    }
    char *slash = strrchr(joined, '/');
    char name[NAME_MAX + 2];
    snprintf(name, sizeof name, "%s", slash);
    *slash = 0;
    if (!realpath(joined[0] ? joined : "/", full)) return 0;
    if (strcmp(name, "/") && strcmp(name, "/.")) strncat(full, name, PATH_MAX - strlen(full) - 1);
    return is_inside(full);
}

static const char *path_of(int fd) { return fd >= 0 && fd < MOST_FDS ? tracked[fd] : NULL; }

/* --- The trace --------------------------------------------------------------------------------------------------- */

static void trace(char op, const char *path, const char *other, long long offset, const void *data, size_t size) {
    if (trace_fd < 0) return;
    uint32_t lengths[2] = {(uint32_t)strlen(path), other ? (uint32_t)strlen(other) : 0};
    uint64_t numbers[2] = {(uint64_t)offset, size};
    struct iovec pieces[] = {{&op, 1}, {lengths, sizeof lengths}, {numbers, sizeof numbers}, {(void *)path, lengths[0]},
                             {(void *)other, lengths[1]}, {(void *)data, data ? size : 0}};
    syscall(SYS_writev, trace_fd, pieces, 6);
}

/* --- The rules --------------------------------------------------------------------------------------------------- */

static void remember_write(const char *path, off_t at, size_t size) {
    if (extent_count == MOST_EXTENTS) return;
    extent_t *extent = &unsynced[extent_count++];
    snprintf(extent->path, sizeof extent->path, "%s", path);
    extent->at = at;
    extent->size = size;
}

/* What was not synced is synced now, or lost: then its bytes are zeros, as when a kernel drops what it could not write. */
static void settle(const char *path, int lost) {
    int fd = lost ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY) : -1, kept = 0;
    for (int i = 0; i < extent_count; i++) {
        if (strcmp(unsynced[i].path, path)) {
            unsynced[kept++] = unsynced[i];
        } else if (fd >= 0) {
            char *zeros = calloc(1, unsynced[i].size);
            if (zeros) syscall(SYS_pwrite64, fd, zeros, unsynced[i].size, unsynced[i].at);
            free(zeros);
        }
    }
    extent_count = kept;
    if (fd >= 0) syscall(SYS_close, fd);
}

static void note(const rule_t *rule, const char *path) {
    if (hits_fd < 0) return;
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s %s\n", rule->op, rule->kind, path);
    syscall(SYS_write, hits_fd, line, length);
}

/* Whether a call is to fail: its errno, or 0. It may be made shorter instead, or be the process's last. */
static int decide(const char *op, const char *path, off_t at, size_t *size) {
    for (int i = 0; i < rule_count; i++) {
        rule_t *rule = &rules[i];
        if ((strcmp(rule->op, op) && strcmp(rule->op, "any")) || (strcmp(rule->part, "*") && !strstr(path, rule->part)))
            continue;
        if (!strcmp(rule->kind, "sector") && !(size && at <= rule->arg && rule->arg < at + (off_t)*size)) continue;
        if (!strcmp(rule->kind, "full")) {
            long long room = rule->arg - rule->used;
            if (!size) continue;
            if ((long long)*size > room) {
                note(rule, path);
                if (room <= 0) return ENOSPC;
                *size = (size_t)room;
            }
            rule->used += (long long)*size;
            continue;
        }
        if (rule->skip > 0 && rule->skip--) continue;
        if (!rule->times) continue;
        if (!strcmp(rule->kind, "short")) {
            if (!size || *size <= (size_t)rule->arg) continue;
            *size = (size_t)rule->arg;
        }
        if (rule->times > 0) rule->times--;
        note(rule, path);
        if (!strcmp(rule->kind, "kill")) kill(getpid(), SIGKILL), pause();
        if (!strcmp(rule->kind, "lose")) return settle(path, 1), EIO;
        if (!strcmp(rule->kind, "sector")) return EIO;
        if (!strcmp(rule->kind, "errno")) return (int)rule->arg;
    }
    return 0;
}

/* --- Files ------------------------------------------------------------------------------------------------------- */

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    int fd, inside, is_new;
    if (ready && boot_file && !strcmp(path, "/proc/sys/kernel/random/boot_id")) path = boot_file;
    pthread_mutex_lock(&guard);
    inside = ready && full_path(folder, path, full);
    is_new = inside && (flags & O_CREAT) && access(full, F_OK);
    int failure = inside ? decide("open", full, 0, NULL) : 0;
    if (!failure && is_new) failure = decide("create", full, 0, NULL);
    fd = failure ? -1 : (int)syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode);
    if (failure) errno = failure;
    if (inside && fd >= 0 && fd < MOST_FDS) {
        free(tracked[fd]);
        tracked[fd] = strdup(full);
        if (is_new) trace('c', full, NULL, 0, NULL, 0);
        if (flags & O_TRUNC && !is_new) trace('t', full, NULL, 0, NULL, 0);
    }
    pthread_mutex_unlock(&guard);
    return fd;
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list list; \
        va_start(list, last); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

int open64(const char *path, int flags, ...) { MODE(flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int open(const char *path, int flags, ...) { MODE(flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags, flags) return opened(folder, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags, flags) return opened(folder, path, flags, mode); }

int close(int fd) {
    /* A child before its exec shares the parent's memory, but not its files. */
    if (getpid() != owner) return (int)syscall(SYS_close, fd);
    pthread_mutex_lock(&guard);
    if (path_of(fd)) {
        free(tracked[fd]);
        tracked[fd] = NULL;
    }
    int result = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&guard);
    return result;
}

/* A write of one piece at an offset, or with -1 at the file's own position. */
static ssize_t written(int fd, const void *data, size_t size, off_t at) {
    if (!path_of(fd)) return at < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, at);
    pthread_mutex_lock(&guard);
    const char *path = path_of(fd);
    off_t from = at;
    if (at < 0) {
        struct stat status;
        int appends = fcntl(fd, F_GETFL) & O_APPEND;
        from = appends && !fstat(fd, &status) ? status.st_size : lseek(fd, 0, SEEK_CUR);
    }
    int failure = decide("write", path, from, &size);
    ssize_t count = -1;
    if (!failure) count = at < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, at);
    int code = failure ? failure : errno;
    if (count > 0) {
        trace('w', path, NULL, from, data, (size_t)count);
        remember_write(path, from, (size_t)count);
    }
    pthread_mutex_unlock(&guard);
    errno = code;
    return count;
}

ssize_t write(int fd, const void *data, size_t size) { return written(fd, data, size, -1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return written(fd, data, size, at); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return written(fd, data, size, at); }

/* Gathered writes of ours are rare; their first piece alone is written, which any caller must be ready for. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    if (!path_of(fd)) return syscall(SYS_writev, fd, pieces, count);
    return count ? written(fd, pieces[0].iov_base, pieces[0].iov_len, -1) : 0;
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags) {
    if (path_of(to)) return errno = EXDEV, -1; /* callers fall back to reading and writing */
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, size, flags);
}

static int read_fails(int fd, off_t at, size_t *size) {
    pthread_mutex_lock(&guard);
    const char *path = path_of(fd);
    int failure = path ? decide("read", path, at < 0 ? lseek(fd, 0, SEEK_CUR) : at, size) : 0;
    pthread_mutex_unlock(&guard);
    if (failure) errno = failure;
    return failure;
}

ssize_t read(int fd, void *data, size_t size) {
    if (path_of(fd) && read_fails(fd, -1, &size)) return -1;
    return syscall(SYS_read, fd, data, size);
}

ssize_t pread64(int fd, void *data, size_t size, off_t at) {
    if (path_of(fd) && read_fails(fd, at, &size)) return -1;
    return syscall(SYS_pread64, fd, data, size, at);
}

ssize_t pread(int fd, void *data, size_t size, off_t at) { return pread64(fd, data, size, at); }

ssize_t preadv64v2(int fd, const struct iovec *pieces, int count, off_t at, int flags) {
    if (!path_of(fd) || count != 1)
        return syscall(SYS_preadv2, fd, pieces, count, (unsigned long)at, (unsigned long)((uint64_t)at >> 32), flags);
    struct iovec piece = pieces[0];
    if (flags & RWF_NOWAIT) return errno = EAGAIN, -1; /* never cached, so that the read which counts is the real one */
    if (read_fails(fd, at, &piece.iov_len)) return -1;
    return syscall(SYS_pread64, fd, piece.iov_base, piece.iov_len, at);
}

ssize_t preadv64(int fd, const struct iovec *pieces, int count, off_t at) {
    return preadv64v2(fd, pieces, count, at, 0);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    if (path_of(from) && read_fails(from, at ? *at : -1, &size)) return -1;
    return syscall(SYS_sendfile, to, from, at, size);
}

static int synced(int fd, int number) {
    pthread_mutex_lock(&guard);
    const char *path = path_of(fd);
    int failure = path ? decide("sync", path, 0, NULL) : 0;
    int result = failure ? -1 : (int)syscall(number, fd);
    int code = failure ? failure : errno;
    if (path && !result) {
        trace('s', path, NULL, 0, NULL, 0);
        settle(path, 0);
    }
    pthread_mutex_unlock(&guard);
    errno = code;
    return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int ftruncate64(int fd, off_t size) {
    pthread_mutex_lock(&guard);
    const char *path = path_of(fd);
    int failure = path ? decide("truncate", path, 0, NULL) : 0;
    int result = failure ? -1 : (int)syscall(SYS_ftruncate, fd, size);
    int code = failure ? failure : errno;
    if (path && !result) trace('t', path, NULL, size, NULL, 0);
    pthread_mutex_unlock(&guard);
    errno = code;
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    char source[PATH_MAX], target[PATH_MAX];
    pthread_mutex_lock(&guard);
    int inside = ready && full_path(from_folder, from, source) && full_path(to_folder, to, target);
    int failure = inside ? decide("rename", target, 0, NULL) : 0;
    int result = failure ? -1 : (int)syscall(SYS_renameat, from_folder, from, to_folder, to);
    int code = failure ? failure : errno;
    if (inside && !result) {
        trace('r', source, target, 0, NULL, 0);
        for (int fd = 0; fd < MOST_FDS; fd++)
            if (tracked[fd] && !strcmp(tracked[fd], source)) free(tracked[fd]), tracked[fd] = strdup(target);
        for (int i = 0; i < extent_count; i++)
            if (!strcmp(unsynced[i].path, source)) snprintf(unsynced[i].path, sizeof unsynced[i].path, "%s", target);
    }
    pthread_mutex_unlock(&guard);
    errno = code;
    return result;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

static int changed_name(int folder, const char *path, int flags, int is_new) {
    char full[PATH_MAX];
    pthread_mutex_lock(&guard);
    int inside = ready && full_path(folder, path, full);
    int failure = inside ? decide(is_new ? "mkdir" : "unlink", full, 0, NULL) : 0;
    int result = -1;
    if (!failure && is_new) result = (int)syscall(SYS_mkdirat, folder, path, flags);
    if (!failure && !is_new) result = (int)syscall(SYS_unlinkat, folder, path, flags);
    int code = failure ? failure : errno;
    if (inside && !result) trace(is_new ? 'd' : 'u', full, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&guard);
    errno = code;
    return result;
}

int mkdir(const char *path, mode_t mode) { return changed_name(AT_FDCWD, path, (int)mode, 1); }
int unlink(const char *path) { return changed_name(AT_FDCWD, path, 0, 0); }
int unlinkat(int folder, const char *path, int flags) { return changed_name(folder, path, flags, 0); }

/* --- Clocks ------------------------------------------------------------------------------------------------------ */

static double jumped(void) {
    double by = 0, elapsed = (true_monotonic() - started) * 1000;
    for (int i = 0; i < jump_count; i++)
        if (elapsed >= jump_at[i]) by = jump_by[i];
    return by;
}

static double faster(double real_time) { return started + (real_time - started) * speed; }
static double slower(double our_time) { return started + (our_time - started) / speed; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result || !ready) return result;
    if (clock == CLOCK_MONOTONIC && speed != 1) *now = spec(faster(seconds(now)));
    if (clock == CLOCK_REALTIME && jump_count) now->tv_sec += (time_t)jumped();
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    struct timespec shorter = *wanted;
    if (speed != 1 && clock == CLOCK_MONOTONIC)
        shorter = flags & TIMER_ABSTIME ? spec(slower(seconds(wanted))) : spec(seconds(wanted) / speed);
    int result = (int)syscall(SYS_clock_nanosleep, clock, flags, &shorter, left);
    return result ? errno : 0;
}

int poll(struct pollfd *fds, nfds_t count, int milliseconds) {
    if (milliseconds > 0 && speed != 1) milliseconds = (int)(milliseconds / speed) + 1;
    return (int)syscall(SYS_poll, fds, count, milliseconds);
}

int select(int count, fd_set *reads, fd_set *writes, fd_set *others, struct timeval *wait) {
    struct timeval shorter;
    if (wait && speed != 1) {
        double s = ((double)wait->tv_sec + (double)wait->tv_usec / 1e6) / speed;
        shorter = (struct timeval){(time_t)s, (suseconds_t)((s - (double)(time_t)s) * 1e6)};
        wait = &shorter;
    }
    return (int)syscall(SYS_select, count, reads, writes, others, wait);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int milliseconds) {
    if (milliseconds > 0 && speed != 1) milliseconds = (int)(milliseconds / speed) + 1;
    return (int)syscall(SYS_epoll_wait, fd, events, count, milliseconds);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
    struct timespec sooner = speed != 1 && clock == CLOCK_MONOTONIC ? spec(slower(seconds(until))) : *until;
    return REAL(sem_clockwait)(semaphore, clock, &sooner);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static __typeof__(&pthread_cond_timedwait) wait;
    if (!wait) wait = (__typeof__(wait))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!wait) wait = (__typeof__(wait))real("pthread_cond_timedwait");
    /* Which clock a condition goes by can't be asked; seconds since 1970 are many more than since the start. */
    struct timespec sooner = *until;
    if (speed != 1 && until->tv_sec < 1000000000) sooner = spec(slower(seconds(until)));
    return wait(condition, mutex, &sooner);
}
