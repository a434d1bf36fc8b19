// Owns the record of what a process asks of its disk: preloaded, it notes each write, truncation, sync, removal and renaming below
// RECORD_DIR, and what goes to standard output, in their order, in RECORD_FILE. It must not change what the process does.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int out = -1;
static const char *below;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("RECORD_FILE");
  below = getenv("RECORD_DIR");
  if (file != NULL && below != NULL) out = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_below(const char *path) { return below != NULL && strncmp(path, below, strlen(below)) == 0; }

static void put(const void *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    long more = syscall(SYS_write, out, (const char *)bytes + done, length - done);
    if (more <= 0) abort();
    done += (size_t)more;
  }
}

/* One line, "kind offset length path", and so many bytes. */
static void note(char kind, long long offset, const char *path, const void *bytes, size_t length) {
  if (out < 0) return;
  char line[8300];
  int head = snprintf(line, sizeof line, "%c %lld %zu %s\n", kind, offset, length, path);
  pthread_mutex_lock(&lock);
  put(line, (size_t)head);
  put(bytes, length);
  pthread_mutex_unlock(&lock);
}

/* The path of an open file of ours. */
static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void wrote(int fd, const void *bytes, ssize_t length, long long offset) {
  char path[4100];
  if (out >= 0 && length > 0 && path_of(fd, path, sizeof path)) note('W', offset, path, bytes, (size_t)length);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  ssize_t done = REAL(pwrite64)(fd, bytes, length, offset);
  wrote(fd, bytes, done, offset);
  return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  ssize_t done = REAL(pwrite)(fd, bytes, length, offset);
  wrote(fd, bytes, done, offset);
  return done;
}
ssize_t write(int fd, const void *bytes, size_t length) {
  if (fd == 1) note('A', 0, "-", bytes, length);
  ssize_t done = REAL(write)(fd, bytes, length);
  if (fd > 2) wrote(fd, bytes, done, lseek(fd, 0, SEEK_CUR) - done);
  return done;
}

static int synced(int fd, int result) {
  char path[4100];
  if (result == 0 && path_of(fd, path, sizeof path)) note('S', 0, path, "", 0);
  return result;
}
int fsync(int fd) { return synced(fd, REAL(fsync)(fd)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)(fd)); }

static int cut(int fd, long long size, int result) {
  char path[4100];
  if (result == 0 && path_of(fd, path, sizeof path)) note('T', size, path, "", 0);
  return result;
}
int ftruncate(int fd, off_t size) { return cut(fd, size, REAL(ftruncate)(fd, size)); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size, REAL(ftruncate64)(fd, size)); }

int unlink(const char *path) {
  int result = REAL(unlink)(path);
  if (result == 0 && is_below(path)) note('U', 0, path, "", 0);
  return result;
}
int rename(const char *from, const char *to) {
  int result = REAL(rename)(from, to);
  if (result == 0 && is_below(from)) note('R', 0, from, to, strlen(to));
  return result;
}
