/* Reads and writes blocks of 4 KiB at random places of a disk, half and half, and says how many it did in a second.
 * It runs in a guest, which has neither a compiler nor libraries; what it works on lies behind its own first MiB. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, FIRST = 1 << 20, LENGTH = 64 << 20, WORKERS = 4, SECONDS = 8 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void *room(size_t length)
{
    void *got = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (got == MAP_FAILED) {
        perror("guest-io: memory");
        exit(1);
    }
    return got;
}

int main(int count, char **words)
{
    int disk = open(count > 1 ? words[1] : "/dev/vdb", O_RDWR | O_DIRECT);
    char *block = room(FIRST);
    memset(block, 42, FIRST);
    /* All of it is there before anything is counted. */
    for (off_t at = FIRST; at < FIRST + LENGTH; at += FIRST)
        if (pwrite(disk, block, FIRST, at) != FIRST) {
            perror("guest-io: write");
            return 1;
        }
    fsync(disk);
    volatile uint64_t *done = room(BLOCK);
    double began = now();
    for (int worker = 0; worker < WORKERS; worker++) {
        if (fork())
            continue;
        char *own = room(BLOCK);
        uint64_t state = 88172645463325252ull + worker;
        for (uint64_t n = 0; now() - began < SECONDS; n++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            off_t at = FIRST + (off_t)(state % (LENGTH / BLOCK)) * BLOCK;
            ssize_t moved = n % 2 ? pwrite(disk, own, BLOCK, at) : pread(disk, own, BLOCK, at);
            if (moved != BLOCK)
                _exit(1);
            done[worker * 8] = n + 1;
        }
        _exit(0);
    }
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status;
    double took = now() - began;
    uint64_t all = 0;
    for (int worker = 0; worker < WORKERS; worker++)
        all += done[worker * 8];
    if (failed)
        printf("guest-io: failed\n");
    else
        printf("guest-io: %.1f per second\n", all / took);
    return failed != 0;
}
