/* Fails, or kills the process in, the n-th call of one kind that changes something below a folder.
 *
 * Loaded with LD_PRELOAD it stands between every library of the process and the C library, so that
 * it meets Python's writes, Arrow's and DuckDB's alike, whichever thread they come from.
 * See failing_calls.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, FSYNC, RENAME, MKDIR, UNLINK, TRUNCATE, CREATE, N_KINDS };
enum { KILL = -1 };

static char folder[PATH_MAX];
static atomic_long n_calls[N_KINDS];
static int fault_kind = -1, fault_action, is_lasting;
static long fault_n;

/* action: an error's number, or KILL; lasting: all later calls of the kind fail as well. */
void arm(const char *below, int kind, long n, int action, int lasting)
{
    for (int each = 0; each < N_KINDS; each++)
        atomic_store(&n_calls[each], 0);
    fault_n = n;
    fault_action = action;
    is_lasting = lasting;
    fault_kind = kind;
    strncpy(folder, below, sizeof folder - 1);
}

long count(int kind) { return atomic_load(&n_calls[kind]); }

static int is_below(const char *path)
{
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int is_fd_below(int fd)
{
    char link[64], path[PATH_MAX];
    if (!folder[0])
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static int is_path_below(int directory_fd, const char *path)
{
    if (!folder[0])
        return 0;
    return path[0] == '/' || directory_fd == AT_FDCWD ? is_below(path) : is_fd_below(directory_fd);
}

/* 0: go on. Otherwise the error's number; a write that is to be killed in is told so as KILL. */
static int fault(int kind)
{
    long n = atomic_fetch_add(&n_calls[kind], 1) + 1;
    if (kind != fault_kind || !(n == fault_n || (is_lasting && n > fault_n)))
        return 0;
    if (fault_action == KILL && kind != WRITE)
        kill(getpid(), SIGKILL);
    return fault_action;
}

static int refuse(int error)
{
    errno = error;
    return -1;
}

#define NEXT(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

/* Half of it arrives, as on a disk that is full, or in a process that is killed. */
#define WRITING(fd, call, half)                     \
    int error = is_fd_below(fd) ? fault(WRITE) : 0; \
    if (!error)                                     \
        return call;                                \
    if (half < 0)                                   \
        return -1;                                  \
    if (error == KILL)                              \
        kill(getpid(), SIGKILL);                    \
    return refuse(error)

ssize_t write(int fd, const void *content, size_t n)
{
    WRITING(fd, NEXT(write)(fd, content, n), NEXT(write)(fd, content, n / 2));
}

ssize_t pwrite(int fd, const void *content, size_t n, off_t at)
{
    WRITING(fd, NEXT(pwrite)(fd, content, n, at), NEXT(pwrite)(fd, content, n / 2, at));
}

ssize_t pwrite64(int fd, const void *content, size_t n, off64_t at)
{
    WRITING(fd, NEXT(pwrite64)(fd, content, n, at), NEXT(pwrite64)(fd, content, n / 2, at));
}

ssize_t writev(int fd, const struct iovec *pieces, int n)
{
    WRITING(fd, NEXT(writev)(fd, pieces, n), NEXT(writev)(fd, pieces, n / 2));
}

#define CALL(kind, is_ours, call)         \
    int error = is_ours ? fault(kind) : 0; \
    return error ? refuse(error) : call

int fsync(int fd) { CALL(FSYNC, is_fd_below(fd), NEXT(fsync)(fd)); }
int fdatasync(int fd) { CALL(FSYNC, is_fd_below(fd), NEXT(fdatasync)(fd)); }

int ftruncate(int fd, off_t n) { CALL(TRUNCATE, is_fd_below(fd), NEXT(ftruncate)(fd, n)); }
int ftruncate64(int fd, off64_t n) { CALL(TRUNCATE, is_fd_below(fd), NEXT(ftruncate64)(fd, n)); }
int fallocate(int fd, int mode, off_t from, off_t n)
{
    CALL(TRUNCATE, is_fd_below(fd), NEXT(fallocate)(fd, mode, from, n));
}

int rename(const char *from, const char *to)
{
    CALL(RENAME, is_path_below(AT_FDCWD, to), NEXT(rename)(from, to));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    CALL(RENAME, is_path_below(to_fd, to), NEXT(renameat)(from_fd, from, to_fd, to));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    CALL(RENAME, is_path_below(to_fd, to), NEXT(linkat)(from_fd, from, to_fd, to, flags));
}

int mkdir(const char *path, mode_t mode)
{
    CALL(MKDIR, is_path_below(AT_FDCWD, path), NEXT(mkdir)(path, mode));
}

int mkdirat(int fd, const char *path, mode_t mode)
{
    CALL(MKDIR, is_path_below(fd, path), NEXT(mkdirat)(fd, path, mode));
}

int unlink(const char *path)
{
    CALL(UNLINK, is_path_below(AT_FDCWD, path), NEXT(unlink)(path));
}

int remove(const char *path)
{
    CALL(UNLINK, is_path_below(AT_FDCWD, path), NEXT(remove)(path));
}

int rmdir(const char *path) { CALL(UNLINK, is_path_below(AT_FDCWD, path), NEXT(rmdir)(path)); }

int unlinkat(int fd, const char *path, int flags)
{
    CALL(UNLINK, is_path_below(fd, path), NEXT(unlinkat)(fd, path, flags));
}

#define OPENING(directory_fd, call)                                                \
    mode_t mode = 0;                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                           \
        va_list rest;                                                              \
        va_start(rest, flags);                                                     \
        mode = va_arg(rest, mode_t);                                               \
        va_end(rest);                                                              \
    }                                                                              \
    int error = flags & O_CREAT && is_path_below(directory_fd, path) ? fault(CREATE) : 0; \
    return error ? refuse(error) : call

int open(const char *path, int flags, ...) { OPENING(AT_FDCWD, NEXT(open)(path, flags, mode)); }
int open64(const char *path, int flags, ...) { OPENING(AT_FDCWD, NEXT(open64)(path, flags, mode)); }
int openat(int fd, const char *path, int flags, ...)
{
    OPENING(fd, NEXT(openat)(fd, path, flags, mode));
}
int openat64(int fd, const char *path, int flags, ...)
{
    OPENING(fd, NEXT(openat64)(fd, path, flags, mode));
}
