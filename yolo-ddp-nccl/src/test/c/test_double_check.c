/*
 * Checks the yolo-ddp test doubles themselves, without a JVM: that they compute, that a missing wait is seen, and that
 * faults look as the double's comments say. Ranks are threads, or, where one must die, processes. Ends with 0 if all
 * held. Also the program to run with -fsanitize=thread or address.
 */
#define _GNU_SOURCE
#include "test_double.h"

#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    char internal[128];
} ncclUniqueId;

typedef struct {
    size_t size;
    unsigned magic;
    unsigned version;
    int blocking;
    int others[16];
} ncclConfig_t;

int cudaSetDevice(int);
int cudaMalloc(void **, size_t);
int cudaFree(void *);
int cudaMemcpyAsync(void *, const void *, size_t, int, void *);
int cudaMemcpy(void *, const void *, size_t, int);
int cudaStreamCreateWithFlags(void **, unsigned);
int cudaStreamDestroy(void *);
int cudaStreamSynchronize(void *);
int cudaStreamQuery(void *);
int cudaStreamWaitEvent(void *, void *, unsigned);
int cudaEventCreateWithFlags(void **, unsigned);
int cudaEventRecord(void *, void *);
int cudaEventDestroy(void *);
int cudaGetLastError(void);

int ncclGetUniqueId(ncclUniqueId *);
const char *ncclGetLastError(void *);
int ncclCommInitRank(void **, int, ncclUniqueId, int);
int ncclCommInitRankConfig(void **, int, ncclUniqueId, int, ncclConfig_t *);
int ncclCommSplit(void *, int, int, void **, ncclConfig_t *);
int ncclCommGetAsyncError(void *, int *);
int ncclCommAbort(void *);
int ncclCommDestroy(void *);
int ncclGroupStart(void);
int ncclGroupEnd(void);
int ncclAllReduce(const void *, void *, size_t, int, int, void *, void *);
int ncclBroadcast(const void *, void *, size_t, int, int, void *, void *);
int ncclAllGather(const void *, void *, size_t, int, void *, void *);
int ncclReduceScatter(const void *, void *, size_t, int, int, void *, void *);
int ncclSend(const void *, size_t, int, int, void *, void *);
int ncclRecv(void *, size_t, int, int, void *, void *);
int ncclRedOpCreatePreMulSum(int *, void *, int, int, void *);
int ncclRedOpDestroy(int, void *);

enum { INT64 = 4, FLOAT32 = 7, SUM = 0, AVG = 4, IN_PROGRESS = 7, REMOTE_ERROR = 6, RANKS = 4, COUNT = 1003 };

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, ncclGetLastError(NULL)); \
            _exit(1); \
        } \
    } while (0)

static void nap(void) {
    struct timespec rest = {0, 100000};
    nanosleep(&rest, NULL);
}

/* The state of a communicator once it is not in progress. */
static int settled(void *comm) {
    int state = IN_PROGRESS;
    while (!ncclCommGetAsyncError(comm, &state) && state == IN_PROGRESS) {
        nap();
    }
    return state;
}

static void *begin(const ncclUniqueId *id, int size, int rank) {
    ncclConfig_t config = {.size = sizeof config, .magic = 0xcafebeef, .version = 22703, .blocking = 0};
    void *comm;
    for (size_t i = 0; i < 16; i++) {
        config.others[i] = INT_MIN;
    }
    REQUIRE(ncclCommInitRankConfig(&comm, size, *id, rank, &config) == IN_PROGRESS);
    return comm;
}

static void *connected(const ncclUniqueId *id, int size, int rank) {
    REQUIRE(!cudaSetDevice(rank));
    void *comm = begin(id, size, rank);
    REQUIRE(settled(comm) == 0);
    return comm;
}

static void *stream(void) {
    void *s;
    REQUIRE(!cudaStreamCreateWithFlags(&s, 1));
    return s;
}

static float *floats(size_t count, float first, float step) {
    float *memory;
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i] = first + step * (float) i;
    }
    REQUIRE(!cudaMalloc((void **) &memory, count * sizeof *values));
    REQUIRE(!cudaMemcpy(memory, values, count * sizeof *values, 1));
    free(values);
    return memory;
}

struct rank {
    ncclUniqueId id;
    int rank;
};

static void collectives(void *comm, int rank) {
    void *s = stream();
    float *a = floats(COUNT, (float) rank, 1);
    REQUIRE(ncclAllReduce(a, a, COUNT, FLOAT32, AVG, comm, s) == IN_PROGRESS);
    REQUIRE(ncclAllReduce(a, a, COUNT, FLOAT32, AVG, comm, s) == 4);
    REQUIRE(settled(comm) == 0 && !cudaStreamSynchronize(s));
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(a[i] == (float) i + 1.5f);
    }
    int op;
    float weight = (float) rank;
    REQUIRE(!ncclRedOpCreatePreMulSum(&op, &weight, FLOAT32, 1, comm));
    REQUIRE(ncclAllReduce(a, a, COUNT, FLOAT32, op, comm, s) == IN_PROGRESS && settled(comm) == 0);
    REQUIRE(!cudaStreamSynchronize(s) && a[10] == 11.5f * 6);
    REQUIRE(!ncclRedOpDestroy(op, comm));

    float *all = floats(RANKS * 5, -1, 0);
    float *mine = floats(5, 100 * (float) rank, 1);
    REQUIRE(ncclAllGather(mine, all, 5, FLOAT32, comm, s) == IN_PROGRESS && settled(comm) == 0);
    REQUIRE(!cudaStreamSynchronize(s));
    for (int i = 0; i < RANKS * 5; i++) {
        REQUIRE(all[i] == (float) (100 * (i / 5) + i % 5));
    }
    REQUIRE(ncclReduceScatter(all, all + 5 * rank, 5, FLOAT32, SUM, comm, s) == IN_PROGRESS && settled(comm) == 0);
    REQUIRE(!cudaStreamSynchronize(s) && all[5 * rank + 3] == (float) (RANKS * (100 * rank + 3)));
    REQUIRE(ncclBroadcast(mine, mine, 5, FLOAT32, 2, comm, s) == IN_PROGRESS && settled(comm) == 0);
    REQUIRE(!cudaStreamSynchronize(s) && mine[4] == 204);

    /* Around a ring, and to oneself, in one group. */
    float *to = floats(6, 0, 0);
    float *from = floats(6, (float) rank, 0);
    REQUIRE(!ncclGroupStart());
    REQUIRE(!ncclSend(from, 3, FLOAT32, (rank + 1) % RANKS, comm, s));
    REQUIRE(!ncclRecv(to, 3, FLOAT32, (rank + RANKS - 1) % RANKS, comm, s));
    REQUIRE(!ncclSend(from, 3, FLOAT32, rank, comm, s));
    REQUIRE(!ncclRecv(to + 3, 3, FLOAT32, rank, comm, s));
    REQUIRE(ncclGroupEnd() == IN_PROGRESS && settled(comm) == 0 && !cudaStreamSynchronize(s));
    REQUIRE(to[2] == (float) ((rank + RANKS - 1) % RANKS) && to[5] == (float) rank);

    void *pair = NULL;
    REQUIRE(ncclCommSplit(comm, rank % 2, -rank, &pair, NULL) == IN_PROGRESS && settled(comm) == 0 && pair);
    float *b = floats(1, (float) rank, 0);
    REQUIRE(ncclAllReduce(b, b, 1, FLOAT32, SUM, pair, s) == IN_PROGRESS && settled(pair) == 0);
    REQUIRE(!cudaStreamSynchronize(s) && b[0] == (float) (rank % 2 ? 4 : 2));
    REQUIRE(!ncclCommDestroy(pair) && ncclCommDestroy(pair) == 4);
    float *memory[] = {a, all, mine, to, from, b};
    for (size_t i = 0; i < 6; i++) {
        REQUIRE(!cudaFree(memory[i]));
    }
    REQUIRE(!cudaStreamDestroy(s));
}

/* What a producer writes late, a collective sums and a consumer copies; without a wait the numbers are wrong. */
static float ordered(void *comm, int before, int after) {
    float one = 1;
    float *a = floats(1, 0, 0);
    float *copy = floats(1, -1, 0);
    void *producer = stream();
    void *own = stream();
    void *consumer = stream();
    void *written;
    void *reduced;
    REQUIRE(!cudaEventCreateWithFlags(&written, 2) && !cudaEventCreateWithFlags(&reduced, 2));
    REQUIRE(!yoloddp_test_double_late_write(producer, a, &one, sizeof one, 20000));
    REQUIRE(!cudaEventRecord(written, producer));
    REQUIRE(!before || !cudaStreamWaitEvent(own, written, 0));
    REQUIRE(ncclAllReduce(a, a, 1, FLOAT32, SUM, comm, own) == IN_PROGRESS && settled(comm) == 0);
    REQUIRE(!cudaEventRecord(reduced, own));
    REQUIRE(!after || !cudaStreamWaitEvent(consumer, reduced, 0));
    REQUIRE(!cudaMemcpyAsync(copy, a, sizeof one, 3, consumer));
    void *streams[] = {producer, own, consumer};
    for (int i = 0; i < 3; i++) {
        REQUIRE(!cudaStreamSynchronize(streams[i]) && !cudaStreamDestroy(streams[i]));
    }
    float result = copy[0];
    REQUIRE(!cudaEventDestroy(written) && !cudaEventDestroy(reduced) && !cudaFree(a) && !cudaFree(copy));
    return result;
}

static void *thread_rank(void *argument) {
    struct rank *r = argument;
    void *comm = connected(&r->id, RANKS, r->rank);
    collectives(comm, r->rank);
    REQUIRE(ordered(comm, 1, 1) == RANKS);
    REQUIRE(ordered(comm, 0, 1) != RANKS);
    REQUIRE(ordered(comm, 1, 0) != RANKS);
    REQUIRE(!ncclCommDestroy(comm));
    return NULL;
}

static void threads(void) {
    struct rank ranks[RANKS];
    pthread_t ids[RANKS];
    /* Long enough for a call in between to be refused. */
    yoloddp_test_double_set("LAUNCH_US", "5000");
    REQUIRE(!ncclGetUniqueId(&ranks[0].id));
    for (int r = 0; r < RANKS; r++) {
        ranks[r] = (struct rank) {ranks[0].id, r};
        REQUIRE(!pthread_create(ids + r, NULL, thread_rank, ranks + r));
    }
    for (int r = 0; r < RANKS; r++) {
        REQUIRE(!pthread_join(ids[r], NULL));
    }
}

/* One thread drives several devices: their communicators and collectives begin in groups. */
static void one_thread(void) {
    ncclUniqueId id;
    void *comms[2];
    void *streams[2];
    float *memory[2];
    REQUIRE(!ncclGetUniqueId(&id) && !ncclGroupStart());
    for (int r = 0; r < 2; r++) {
        REQUIRE(!cudaSetDevice(r) && !ncclCommInitRank(comms + r, 2, id, r));
    }
    REQUIRE(!ncclGroupEnd() && !ncclGroupStart());
    for (int r = 0; r < 2; r++) {
        REQUIRE(!cudaSetDevice(r));
        streams[r] = stream();
        memory[r] = floats(3, (float) r, 1);
        REQUIRE(!ncclAllReduce(memory[r], memory[r], 3, FLOAT32, SUM, comms[r], streams[r]));
    }
    REQUIRE(!ncclGroupEnd());
    for (int r = 0; r < 2; r++) {
        REQUIRE(!cudaStreamSynchronize(streams[r]) && memory[r][2] == 5);
        REQUIRE(!ncclCommDestroy(comms[r]) && !cudaStreamDestroy(streams[r]) && !cudaFree(memory[r]));
    }
}

/* A rank of two processes; what it ends with is the sum, or 100 + the async error that it saw. */
static int process_rank(const ncclUniqueId *id, int rank) {
    REQUIRE(!cudaSetDevice(rank));
    void *comm = begin(id, 2, rank);
    int state = IN_PROGRESS;
    for (int i = 0; i < 3000 && state == IN_PROGRESS; i++) {
        nap();
        REQUIRE(!ncclCommGetAsyncError(comm, &state));
    }
    if (state) {
        REQUIRE(!ncclCommAbort(comm));
        return 100 + state;
    }
    void *s = stream();
    float *a = floats(1, 1, 0);
    for (int i = 0; i < 3; i++) {
        int result = ncclAllReduce(a, a, 1, FLOAT32, SUM, comm, s);
        /* A peer that is dead already may be known of. */
        REQUIRE(result == IN_PROGRESS || result == REMOTE_ERROR);
        REQUIRE(settled(comm) != 4);
    }
    /* Rank 1 looks for a shorter time, so that it does not see rank 0 leave. */
    for (int i = 0; i < (rank ? 1500 : 3000) && !state && cudaStreamQuery(s); i++) {
        nap();
        REQUIRE(!ncclCommGetAsyncError(comm, &state));
    }
    int held = cudaStreamQuery(s);
    REQUIRE(!ncclCommAbort(comm) && !cudaStreamSynchronize(s));
    return state ? 100 + state : held ? 200 : (int) a[0];
}

static void processes(const char *fault, int first, int second) {
    ncclUniqueId id;
    yoloddp_test_double_set("FAULT", fault);
    REQUIRE(!ncclGetUniqueId(&id));
    pid_t pids[2];
    int expected[2] = {first, second};
    for (int r = 0; r < 2; r++) {
        pids[r] = fork();
        if (!pids[r]) {
            _exit(process_rank(&id, r));
        }
    }
    for (int r = 0; r < 2; r++) {
        int status;
        REQUIRE(waitpid(pids[r], &status, 0) == pids[r] && WIFEXITED(status));
        if (WEXITSTATUS(status) != expected[r]) {
            fprintf(stderr, "rank %d with fault '%s': %d, not %d\n", r, fault ? fault : "", WEXITSTATUS(status),
                    expected[r]);
            _exit(1);
        }
    }
}

/* A freed address breaks the device; in a process of its own, as it stays so. */
static void freed(void) {
    pid_t pid = fork();
    if (!pid) {
        void *s = stream();
        float *a = floats(1, 1, 0);
        float *b = floats(1, 2, 0);
        REQUIRE(!cudaFree(a));
        REQUIRE(a[0] != a[0]);
        REQUIRE(!cudaMemcpyAsync(b, a, 4, 3, s));
        while (!cudaStreamSynchronize(s)) {
            nap();
        }
        _exit(cudaGetLastError() == 700 && b[0] == 2 ? 0 : 1);
    }
    int status;
    REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int count, char **arguments) {
    alarm(60);
    if (count < 2 || strcmp(arguments[1], "threads")) {
        freed();
        processes(NULL, 8, 8);
        processes("exit@1:2", 100 + REMOTE_ERROR, 9);
        processes("error@0:3", 100 + REMOTE_ERROR, 100 + REMOTE_ERROR);
        processes("hang@0:2", 200, 200);
        processes("init-fail@0", 101, 107);
        processes("init-hang@1", 107, 107);
        processes("short@0:1,short@0:2", 4, 4);
        yoloddp_test_double_set("TRANSPORT", "p2p");
        processes("exit@1:2", 200, 9);
        yoloddp_test_double_set("TRANSPORT", NULL);
        yoloddp_test_double_set("FAULT", NULL);
    }
    threads();
    one_thread();
    REQUIRE(yoloddp_test_double_streams() == 0 && yoloddp_test_double_events() == 0);
    REQUIRE(yoloddp_test_double_allocations() == 0 && yoloddp_test_double_communicators() == 0);
    printf("the yolo-ddp test doubles hold\n");
    return 0;
}
