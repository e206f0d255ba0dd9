/*
 * The yolo-ddp test double of libnccl.so.2: NCCL's functions over sockets and host memory, for tests.
 *
 * Ranks are processes or threads of one machine. A unique id names a socket of the process that made it, where the
 * ranks find each other; then each is connected with each, once for collectives and once for what a split needs. A
 * collective runs when its turn comes on its stream (the other double's), reads memory, exchanges it, and writes
 * YOLODDP_TEST_DOUBLE_DELAY_US later. Reductions follow yolo-ddp's own definition: in the order of ranks, AVG is each
 * contribution times 1/size, f16 and bf16 are kept in f32 and rounded once; so a training over the double ends with the
 * bits of the tcp communicator. NCCL promises no order.
 *
 * What callers must get right with NCCL they must get right here: a communicator that does not block answers
 * ncclInProgress to *every* call, launches later from another thread (an event recorded before that is in front of the
 * collective), and refuses calls in between; ncclCommSplit fills its result only when the parent is ready again; a
 * collective whose peer has died holds its stream until ncclCommAbort; two ranks on one device of one host are refused,
 * unless NCCL_HOSTID tells the hosts apart; a function that came after the version that ncclGetVersion tells ends the
 * process, as the loader does.
 *
 * It proves binding, ABI, enums, bootstrap, order of streams, ranks' agreement and behaviour in trouble. It says nothing
 * of NCCL itself, of its kernels, topology, transports, numerics or speed.
 */
#define _GNU_SOURCE
#include "test_double.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum result {
    SUCCESS = 0,
    CUDA_ERROR = 1,
    SYSTEM_ERROR = 2,
    INTERNAL_ERROR = 3,
    INVALID_ARGUMENT = 4,
    INVALID_USAGE = 5,
    REMOTE_ERROR = 6,
    IN_PROGRESS = 7,
    ABORTED = 100, /* never leaves this file */
};

enum type { INT8, UINT8, INT32, UINT32, INT64, UINT64, FLOAT16, FLOAT32, FLOAT64, BFLOAT16, TYPES };

enum operator { SUM, PROD, MAX, MIN, AVG, FIRST_OWN_OPERATOR };

enum kind { ALL_REDUCE, BROADCAST, REDUCE, ALL_GATHER, REDUCE_SCATTER, SEND, RECV };

enum mesh { COLLECTIVES, CONTROL, MESHES };

enum { MAX_RANKS = 64, MAX_OWN_OPERATORS = 64, ID_BYTES = 128, NAME_BYTES = 64, MAGIC = 0x59444f55, DEAD = 0x44454144 };

static const char ID_MARK[] = "yolo-ddp test double, no NCCL";

typedef struct {
    char internal[ID_BYTES];
} ncclUniqueId;

/* NCCL's, up to the members used. */
typedef struct {
    size_t size;
    unsigned magic;
    unsigned version;
    int blocking;
} ncclConfig_t;

struct own_operator {
    int used;
    enum type type;
    uint64_t scalar;
    const void *on_device;
};

struct ncclComm {
    unsigned magic;
    int rank;
    int size;
    int device;
    int blocking;
    int state;     /* what ncclCommGetAsyncError tells */
    int aborted;
    int finalized;
    int wake;      /* readable once aborted */
    int sockets[MESHES][MAX_RANKS];
    int helpers;   /* threads that work on the communicator */
    long tickets;  /* operations given to streams */
    long served;   /* operations that have ended: they run one after the other, whatever their streams */
    int running;   /* whether one runs */
    struct own_operator operators[MAX_OWN_OPERATORS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ncclComm *next_ended;
};

typedef struct ncclComm *ncclComm_t;

/* How ranks know each other before they are connected. */
struct place {
    char socket[NAME_BYTES];
    uint64_t host;
    int device;
    int rank;
    int size;
    int color;
    int key;
};

struct call {
    struct ncclComm *comm;
    enum kind kind;
    const char *in;
    char *out;
    size_t count;
    enum type type;
    int operator;
    int root; /* or peer */
    void *stream;
    struct call *next;
};

/* A collective, or the messages of a group, in the queue of a stream. */
struct job {
    struct ncclComm *comm;
    struct call *calls;
    long ticket;
};

static char last_error[512] = "";
static pthread_mutex_t last_error_lock = PTHREAD_MUTEX_INITIALIZER;
static long communicators;
static struct ncclComm *ended;

static enum result fail(enum result result, const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum result fail(enum result result, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&last_error_lock);
    int n = snprintf(last_error, sizeof last_error, "yolo-ddp test double: ");
    vsnprintf(last_error + n, sizeof last_error - (size_t) n, format, arguments);
    LOG("%s\n", last_error);
    pthread_mutex_unlock(&last_error_lock);
    va_end(arguments);
    return result;
}

/* ---- faults ---- */

/* Tells whether a fault is asked for: of a rank, and of its n-th operation where n is not 0. */
static int fault(const char *kind, int rank, long n) {
    const char *faults = yoloddp_test_double_setting("FAULT");
    size_t length = strlen(kind);
    while (faults && *faults) {
        int at_rank = -1;
        long at = 0;
        if (!strncmp(faults, kind, length)
                && sscanf(faults + length, "@%d:%ld", &at_rank, &at) >= 1
                && at_rank == rank
                && (at == 0 || at == n)) {
            return 1;
        }
        faults = strchr(faults, ',');
        faults = faults ? faults + 1 : NULL;
    }
    return 0;
}

/* ---- versions and errors ---- */

static int version(void) {
    return (int) yoloddp_test_double_number("NCCL_VERSION", 22602);
}

/* Ends the process if the version lacks the function, as the loader does with a symbol that it does not find. */
static void since(int first, const char *function) {
    if (version() < first) {
        fprintf(stderr, "yolo-ddp test double: symbol lookup error: %s came with NCCL %d, this is %d\n", function,
                first, version());
        _exit(127);
    }
}

int ncclGetVersion(int *to) {
    if (!to) {
        return fail(INVALID_ARGUMENT, "ncclGetVersion without a place for it");
    }
    *to = version();
    return SUCCESS;
}

const char *ncclGetErrorString(int result) {
    switch (result) {
        case SUCCESS: return "no error (yolo-ddp test double)";
        case CUDA_ERROR: return "unhandled cuda error (yolo-ddp test double)";
        case SYSTEM_ERROR: return "unhandled system error (yolo-ddp test double)";
        case INTERNAL_ERROR: return "internal error (yolo-ddp test double)";
        case INVALID_ARGUMENT: return "invalid argument (yolo-ddp test double)";
        case INVALID_USAGE: return "invalid usage (yolo-ddp test double)";
        case REMOTE_ERROR: return "remote process exited or there was a network error (yolo-ddp test double)";
        case IN_PROGRESS: return "NCCL operation in progress (yolo-ddp test double)";
        default: return "unknown result code (yolo-ddp test double)";
    }
}

const char *ncclGetLastError(ncclComm_t comm) {
    (void) comm;
    since(21304, "ncclGetLastError");
    return last_error;
}

/* ---- states ---- */

static void set_state(struct ncclComm *c, enum result state) {
    pthread_mutex_lock(&c->lock);
    c->state = state;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* The first error stays. */
static void break_off(struct ncclComm *c, enum result state) {
    pthread_mutex_lock(&c->lock);
    if (c->state == SUCCESS || c->state == IN_PROGRESS) {
        c->state = state;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static int state_of(struct ncclComm *c) {
    pthread_mutex_lock(&c->lock);
    int state = c->state;
    pthread_mutex_unlock(&c->lock);
    return state;
}

static int is_aborted(struct ncclComm *c) {
    pthread_mutex_lock(&c->lock);
    int aborted = c->aborted;
    pthread_mutex_unlock(&c->lock);
    return aborted;
}

static void await_abort(struct ncclComm *c) {
    pthread_mutex_lock(&c->lock);
    while (!c->aborted) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}

/* What a call on a communicator must find: alive, and done with what was called before. */
static enum result ready(struct ncclComm *c, const char *function) {
    if (!c || __atomic_load_n(&c->magic, __ATOMIC_SEQ_CST) != MAGIC) {
        return fail(INVALID_ARGUMENT, "%s on a communicator that is null, destroyed or aborted", function);
    }
    int state = state_of(c);
    if (state == IN_PROGRESS) {
        return fail(INVALID_ARGUMENT,
                "%s: attempt to use a communicator before the previous operation returned ncclSuccess", function);
    }
    if (state != SUCCESS) {
        return state;
    }
    return c->finalized ? fail(INVALID_USAGE, "%s on a communicator that was finalized", function) : SUCCESS;
}

int ncclCommGetAsyncError(ncclComm_t c, int *state) {
    if (!c || !state || __atomic_load_n(&c->magic, __ATOMIC_SEQ_CST) != MAGIC) {
        return fail(INVALID_ARGUMENT, "ncclCommGetAsyncError of no communicator");
    }
    *state = state_of(c);
    return SUCCESS;
}

int ncclCommCount(ncclComm_t c, int *size) {
    enum result result = ready(c, "ncclCommCount");
    if (!result) {
        *size = c->size;
    }
    return result;
}

int ncclCommUserRank(ncclComm_t c, int *rank) {
    enum result result = ready(c, "ncclCommUserRank");
    if (!result) {
        *rank = c->rank;
    }
    return result;
}

int ncclCommCuDevice(ncclComm_t c, int *device) {
    enum result result = ready(c, "ncclCommCuDevice");
    if (!result) {
        *device = c->device;
    }
    return result;
}

/* ---- sockets ---- */

/* Waits until a socket can be read or written, or the communicator is aborted (null: is never). */
static enum result await_socket(struct ncclComm *c, int socket, short events) {
    struct pollfd fds[2] = {{.fd = socket, .events = events}, {.fd = c ? c->wake : -1, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    return fds[1].revents ? ABORTED : SUCCESS;
}

static enum result move(struct ncclComm *c, int socket, void *bytes, size_t count, int writing) {
    char *at = bytes;
    while (count > 0) {
        enum result result = await_socket(c, socket, writing ? POLLOUT : POLLIN);
        if (result) {
            return result;
        }
        ssize_t moved = writing ? send(socket, at, count, MSG_NOSIGNAL | MSG_DONTWAIT)
                                : recv(socket, at, count, MSG_DONTWAIT);
        if (moved > 0) {
            at += moved;
            count -= (size_t) moved;
        } else if (moved == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) {
            return REMOTE_ERROR;
        }
    }
    return SUCCESS;
}

/* An address in the abstract namespace, which leaves no file behind. */
static socklen_t address_of(const char *name, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "%.63s", name);
    return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static int listen_at(char name[NAME_BYTES]) {
    static int numbers;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, NAME_BYTES, "yolo-ddp-test-double-%d-%d-%lx", (int) getpid(),
            __atomic_add_fetch(&numbers, 1, __ATOMIC_SEQ_CST), (unsigned long) now.tv_nsec);
    struct sockaddr_un address;
    socklen_t length = address_of(name, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *) &address, length) || listen(fd, 4 * MAX_RANKS))) {
        close(fd);
        return -1;
    }
    return fd;
}

static int connect_to(const char *name) {
    struct sockaddr_un address;
    socklen_t length = address_of(name, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *) &address, length)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- finding each other ---- */

/* Answers all ranks with the places of all once the last has come; until then each waits, for ever if need be. */
static void *serve_root(void *argument) {
    int fd = (int) (intptr_t) argument;
    int sockets[MAX_RANKS];
    struct place places[MAX_RANKS];
    int size = 1;
    memset(sockets, -1, sizeof sockets);
    memset(places, 0, sizeof places);
    for (int come = 0; come < size;) {
        struct place place;
        int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (s < 0 || move(NULL, s, &place, sizeof place, 0)) {
            if (s >= 0) {
                close(s);
            }
            continue;
        }
        size = come == 0 ? place.size : size;
        if (place.size != size || place.rank >= MAX_RANKS || sockets[place.rank] >= 0) {
            LOG("rank %d of %d does not fit in\n", place.rank, place.size);
            close(s);
            continue;
        }
        sockets[place.rank] = s;
        places[place.rank] = place;
        come++;
    }
    for (int r = 0; r < size; r++) {
        move(NULL, sockets[r], places, (size_t) size * sizeof places[0], 1);
        close(sockets[r]);
    }
    close(fd);
    return NULL;
}

int ncclGetUniqueId(ncclUniqueId *id) {
    char name[NAME_BYTES];
    if (!id) {
        return fail(INVALID_ARGUMENT, "ncclGetUniqueId without a place for it");
    }
    int fd = listen_at(name);
    pthread_t thread;
    if (fd < 0 || pthread_create(&thread, NULL, serve_root, (void *) (intptr_t) fd)) {
        return fail(SYSTEM_ERROR, "no socket for a unique id: %s", strerror(errno));
    }
    pthread_detach(thread);
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof ID_MARK, "%s", ID_MARK);
    snprintf(id->internal + sizeof ID_MARK, NAME_BYTES, "%s", name);
    return SUCCESS;
}

/* Connects a rank with every other: calls those before it, is called by those behind it. */
static enum result connect_mesh(struct ncclComm *c, int fd, const struct place *places) {
    for (int r = 0; r < c->rank; r++) {
        for (int mesh = 0; mesh < MESHES; mesh++) {
            int who[2] = {c->rank, mesh};
            int s = connect_to(places[r].socket);
            if (s < 0 || move(c, s, who, sizeof who, 1)) {
                return fail(REMOTE_ERROR, "rank %d does not reach rank %d", c->rank, r);
            }
            c->sockets[mesh][r] = s;
        }
    }
    for (int left = (c->size - 1 - c->rank) * MESHES; left > 0; left--) {
        int who[2];
        if (await_socket(c, fd, POLLIN)) {
            return ABORTED;
        }
        int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        enum result result = s < 0 ? SYSTEM_ERROR : move(c, s, who, sizeof who, 0);
        if (result) {
            return result;
        }
        c->sockets[who[1]][who[0]] = s;
    }
    return SUCCESS;
}

static uint64_t this_host(void) {
    char name[256] = "";
    const char *id = getenv("NCCL_HOSTID");
    gethostname(name, sizeof name - 1);
    uint64_t hash = 5381;
    for (const char *at = id ? id : name; *at; at++) {
        hash = hash * 33 + (unsigned char) *at;
    }
    return hash;
}

static enum result bootstrap(struct ncclComm *c, const char *root) {
    struct place mine = {.host = this_host(), .device = c->device, .rank = c->rank, .size = c->size};
    struct place places[MAX_RANKS];
    if (fault("init-fail", c->rank, 0)) {
        return fail(CUDA_ERROR, "init of rank %d fails, as the test asks", c->rank);
    }
    if (fault("init-hang", c->rank, 0)) {
        await_abort(c);
        return ABORTED;
    }
    int fd = listen_at(mine.socket);
    int s = connect_to(root);
    enum result result = fd < 0 ? fail(SYSTEM_ERROR, "no socket: %s", strerror(errno))
            : s < 0 ? fail(REMOTE_ERROR, "nobody listens at the unique id's address") : SUCCESS;
    if (!result) {
        result = move(c, s, &mine, sizeof mine, 1);
    }
    if (!result) {
        result = move(c, s, places, (size_t) c->size * sizeof places[0], 0);
        if (result == REMOTE_ERROR) {
            fail(result, "the process that made the unique id has gone");
        }
    }
    for (int r = 0; r < c->size && !result; r++) {
        if (r != c->rank && places[r].host == mine.host && places[r].device == mine.device) {
            result = fail(INVALID_USAGE, "Duplicate GPU detected : rank %d and rank %d both on CUDA device %d",
                    c->rank, r, c->device);
        }
    }
    if (!result) {
        result = connect_mesh(c, fd, places);
    }
    if (s >= 0) {
        close(s);
    }
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

/* ---- threads beside the caller's ---- */

struct helper {
    struct ncclComm *comm;
    enum result (*work)(struct helper *);
    char root[NAME_BYTES];
    int color;
    int key;
    int blocking;
    struct ncclComm **child;
    struct call *calls;
};

/* Does the work, and then sets the state that the communicator's owner polls for. */
static void *help(void *argument) {
    struct helper *h = argument;
    struct ncclComm *c = h->comm;
    enum result result = h->work(h);
    pthread_mutex_lock(&c->lock);
    if (c->state == IN_PROGRESS) {
        c->state = result == ABORTED ? INTERNAL_ERROR : result;
    }
    c->helpers--;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    free(h);
    return NULL;
}

static void start_helper(struct helper helper) {
    struct ncclComm *c = helper.comm;
    struct helper *h = malloc(sizeof *h);
    pthread_t thread;
    *h = helper;
    pthread_mutex_lock(&c->lock);
    /* An error that came in between stays. */
    c->state = c->state == SUCCESS ? IN_PROGRESS : c->state;
    c->helpers++;
    pthread_mutex_unlock(&c->lock);
    if (pthread_create(&thread, NULL, help, h)) {
        abort();
    }
    pthread_detach(thread);
}

static enum result await_helpers(struct ncclComm *c) {
    pthread_mutex_lock(&c->lock);
    while (c->helpers) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    enum result state = c->state;
    pthread_mutex_unlock(&c->lock);
    return state;
}

/* ---- making communicators ---- */

static struct ncclComm *new_communicator(int size, int rank, int device, int blocking) {
    struct ncclComm *c = calloc(1, sizeof *c);
    c->magic = MAGIC;
    c->rank = rank;
    c->size = size;
    c->device = device;
    c->blocking = blocking;
    c->wake = eventfd(0, EFD_CLOEXEC);
    memset(c->sockets, -1, sizeof c->sockets);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    __atomic_add_fetch(&communicators, 1, __ATOMIC_SEQ_CST);
    return c;
}

long yoloddp_test_double_communicators(void) {
    return __atomic_load_n(&communicators, __ATOMIC_SEQ_CST);
}

/*
 * Waits until no thread works on the communicator and no stream does, and if asked to until streams have done all that
 * was launched. The communicator's memory stays, so that late uses are told.
 */
static void end(struct ncclComm *c, int all) {
    pthread_mutex_lock(&c->lock);
    while (c->helpers || c->running || (all && c->served < c->tickets)) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    for (int mesh = 0; mesh < MESHES; mesh++) {
        for (int r = 0; r < c->size; r++) {
            if (c->sockets[mesh][r] >= 0) {
                close(c->sockets[mesh][r]);
            }
        }
    }
    close(c->wake);
    c->next_ended = __atomic_load_n(&ended, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(&ended, &c->next_ended, c, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
    __atomic_sub_fetch(&communicators, 1, __ATOMIC_SEQ_CST);
}

/* Of several threads that end a communicator one does. */
static int take_down(struct ncclComm *c) {
    unsigned alive = MAGIC;
    return c && __atomic_compare_exchange_n(&c->magic, &alive, DEAD, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int cudaGetDevice(int *device);

/* What a thread has begun by ncclGroupStart. */
static __thread int group_depth;
static __thread enum result group_error;
static __thread struct call *group_calls;
static __thread struct helper *group_inits[MAX_RANKS];
static __thread int group_init_count;

static enum result init(struct helper *h) {
    return bootstrap(h->comm, h->root);
}

static enum result read_config(const ncclConfig_t *config, int *blocking) {
    *blocking = 1;
    if (config && config->magic != 0xcafebeef) {
        return fail(INVALID_ARGUMENT, "the ncclConfig_t was not initialized");
    }
    if (config && config->blocking != INT_MIN) {
        if (config->blocking != 0 && config->blocking != 1) {
            return fail(INVALID_ARGUMENT, "blocking is %d", config->blocking);
        }
        *blocking = config->blocking;
    }
    return SUCCESS;
}

static enum result init_rank(ncclComm_t *to, int size, const ncclUniqueId *id, int rank, int blocking) {
    int device;
    if (!to || size < 1 || size > MAX_RANKS || rank < 0 || rank >= size) {
        return fail(INVALID_ARGUMENT, "rank %d of %d cannot be", rank, size);
    }
    *to = NULL;
    if (memcmp(id->internal, ID_MARK, sizeof ID_MARK)) {
        return fail(INVALID_ARGUMENT, "the unique id is not one of the yolo-ddp test double");
    }
    if (cudaGetDevice(&device)) {
        return fail(CUDA_ERROR, "Cuda failure 'CUDA driver version is insufficient for CUDA runtime version'");
    }
    struct helper h = {.comm = new_communicator(size, rank, device, blocking), .work = init};
    snprintf(h.root, sizeof h.root, "%.63s", id->internal + sizeof ID_MARK);
    *to = h.comm;
    LOG("init of rank %d of %d on device %d\n", rank, size, device);
    if (group_depth && group_init_count < MAX_RANKS) {
        h.comm->state = IN_PROGRESS;
        group_inits[group_init_count] = malloc(sizeof h);
        *group_inits[group_init_count++] = h;
        return SUCCESS;
    }
    start_helper(h);
    return blocking ? await_helpers(h.comm) : IN_PROGRESS;
}

int ncclCommInitRank(ncclComm_t *to, int size, ncclUniqueId id, int rank) {
    return init_rank(to, size, &id, rank, 1);
}

int ncclCommInitRankConfig(ncclComm_t *to, int size, ncclUniqueId id, int rank, ncclConfig_t *config) {
    int blocking;
    since(21403, "ncclCommInitRankConfig");
    enum result result = read_config(config, &blocking);
    return result ? result : init_rank(to, size, &id, rank, blocking);
}

int ncclGroupStart(void);
int ncclGroupEnd(void);
int cudaSetDevice(int device);

int ncclCommInitAll(ncclComm_t *to, int size, const int *devices) {
    ncclUniqueId id;
    int before;
    enum result result = ncclGetUniqueId(&id);
    if (result || cudaGetDevice(&before)) {
        return result ? result : CUDA_ERROR;
    }
    ncclGroupStart();
    for (int r = 0; r < size && !result; r++) {
        cudaSetDevice(devices ? devices[r] : r);
        result = init_rank(to + r, size, &id, r, 1);
    }
    cudaSetDevice(before);
    return ncclGroupEnd();
}

/* Tells all ranks of the parent who goes where, and connects those that go the same way. */
static enum result split(struct helper *h) {
    struct ncclComm *c = h->comm;
    struct place places[MAX_RANKS];
    struct place members[MAX_RANKS];
    struct place mine = {.host = this_host(), .device = c->device, .rank = c->rank, .color = h->color, .key = h->key};
    int fd = listen_at(mine.socket);
    enum result result = fd < 0 ? SYSTEM_ERROR : SUCCESS;
    places[c->rank] = mine;
    for (int r = 0; r < c->size && !result; r++) {
        result = r == c->rank ? SUCCESS : move(c, c->sockets[CONTROL][r], &mine, sizeof mine, 1);
    }
    for (int r = 0; r < c->size && !result; r++) {
        result = r == c->rank ? SUCCESS : move(c, c->sockets[CONTROL][r], places + r, sizeof mine, 0);
    }
    struct ncclComm *child = NULL;
    if (!result && h->color >= 0) {
        int size = 0;
        /* In the order of keys, and of ranks where keys are equal. */
        for (int r = 0; r < c->size; r++) {
            if (places[r].color == h->color) {
                int at = size++;
                for (; at > 0 && members[at - 1].key > places[r].key; at--) {
                    members[at] = members[at - 1];
                }
                members[at] = places[r];
            }
        }
        int rank = 0;
        while (members[rank].rank != c->rank) {
            rank++;
        }
        child = new_communicator(size, rank, c->device, h->blocking);
        /* An abort of the parent must end this too. */
        int own = child->wake;
        child->wake = c->wake;
        result = connect_mesh(child, fd, members);
        child->wake = own;
        if (result && take_down(child)) {
            end(child, 0);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (result == REMOTE_ERROR) {
        fail(result, "a rank has gone during ncclCommSplit");
    }
    if (!result) {
        __atomic_store_n(h->child, child, __ATOMIC_SEQ_CST);
    }
    return result;
}

int ncclCommSplit(ncclComm_t c, int color, int key, ncclComm_t *to, ncclConfig_t *config) {
    int blocking;
    since(21803, "ncclCommSplit");
    enum result result = ready(c, "ncclCommSplit");
    if (result) {
        return result;
    }
    if (!to || color < -1) {
        return fail(INVALID_ARGUMENT, "ncclCommSplit to color %d", color);
    }
    if (group_depth) {
        return fail(INVALID_USAGE, "ncclCommSplit in a group is not part of this double");
    }
    result = read_config(config, &blocking);
    if (result) {
        return result;
    }
    *to = NULL;
    blocking = config ? blocking : c->blocking;
    start_helper((struct helper) {
            .comm = c, .work = split, .color = color, .key = key, .blocking = blocking, .child = to});
    return c->blocking ? await_helpers(c) : IN_PROGRESS;
}

/* ---- ending communicators ---- */

/* Ends what runs in streams: their work goes on behind it, without results. */
int ncclCommAbort(ncclComm_t c) {
    if (c && fault("abort-hang", c->rank, 0)) {
        while (1) {
            pause();
        }
    }
    if (!take_down(c)) {
        return fail(INVALID_ARGUMENT, "ncclCommAbort of a communicator that is null, destroyed or aborted");
    }
    LOG("abort of rank %d of %d\n", c->rank, c->size);
    pthread_mutex_lock(&c->lock);
    c->aborted = 1;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    uint64_t one = 1;
    ssize_t written = write(c->wake, &one, sizeof one);
    (void) written;
    end(c, 0);
    return SUCCESS;
}

/* Waits for what was called, for ever if a peer has died. */
int ncclCommDestroy(ncclComm_t c) {
    if (!take_down(c)) {
        return fail(INVALID_ARGUMENT, "ncclCommDestroy of a communicator that is null, destroyed or aborted");
    }
    LOG("destruction of rank %d of %d\n", c->rank, c->size);
    end(c, 1);
    return SUCCESS;
}

static enum result finalize(struct helper *h) {
    struct ncclComm *c = h->comm;
    pthread_mutex_lock(&c->lock);
    while (c->served < c->tickets && !c->aborted) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return SUCCESS;
}

int ncclCommFinalize(ncclComm_t c) {
    since(21403, "ncclCommFinalize");
    enum result result = ready(c, "ncclCommFinalize");
    if (result) {
        return result;
    }
    c->finalized = 1;
    start_helper((struct helper) {.comm = c, .work = finalize});
    return c->blocking ? await_helpers(c) : IN_PROGRESS;
}

/* ---- numbers ---- */

static const size_t BYTES[TYPES] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float from_bfloat16(uint16_t half) {
    return from_bits((uint32_t) half << 16);
}

static uint16_t to_bfloat16(float value) {
    uint32_t bits = to_bits(value);
    if (isnan(value)) {
        return (uint16_t) (bits >> 16 | 0x40);
    }
    return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float from_float16(uint16_t half) {
    uint32_t sign = (uint32_t) (half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f;
    uint32_t fraction = half & 0x3ff;
    if (exponent == 0x1f) {
        return from_bits(sign | 0x7f800000 | fraction << 13);
    }
    if (exponent == 0) {
        float small = (float) fraction * 0x1p-24f;
        return sign ? -small : small;
    }
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

/* Rounds to nearest even; the addition of one half lets the hardware round subnormal numbers. */
static uint16_t to_float16(float value) {
    uint32_t bits = to_bits(value);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
        return (uint16_t) (sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    }
    if (magnitude >= 0x477ff000) {
        return (uint16_t) (sign | 0x7c00);
    }
    if (magnitude < 0x38800000) {
        return (uint16_t) (sign | (to_bits(from_bits(magnitude) + 0.5f) - 0x3f000000));
    }
    return (uint16_t) (sign | (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13);
}

static float same(float value) {
    return value;
}

/* NaN is passed on, -0 is smaller than +0. */
static double smaller(double a, double b) {
    return isnan(a) || isnan(b) ? a + b : a < b || (a == b && signbit(a)) ? a : b;
}

static double larger(double a, double b) {
    return isnan(a) || isnan(b) ? a + b : a > b || (a == b && !signbit(a)) ? a : b;
}

/* Contributions of all ranks in their order; AVG and own operators multiply each first. */
#define REDUCE_FLOATS(name, stored, kept, load, store) \
    static void name(int ranks, char **in, const kept *scale, enum operator op, char *out, size_t count) { \
        for (size_t i = 0; i < count; i++) { \
            kept all = 0; \
            for (int r = 0; r < ranks; r++) { \
                kept one = load(((const stored *) in[r])[i]); \
                one = scale ? one * scale[r] : one; \
                all = r == 0 ? one \
                        : op == SUM ? all + one \
                        : op == PROD ? all * one \
                        : op == MIN ? (kept) smaller(all, one) \
                        : (kept) larger(all, one); \
            } \
            ((stored *) out)[i] = store(all); \
        } \
    }

REDUCE_FLOATS(reduce_float16, uint16_t, float, from_float16, to_float16)
REDUCE_FLOATS(reduce_bfloat16, uint16_t, float, from_bfloat16, to_bfloat16)
REDUCE_FLOATS(reduce_float32, float, float, same, same)
REDUCE_FLOATS(reduce_float64, double, double, (double), (double))

/* Integers wrap around, so they are summed as unsigned ones; NCCL's average of them is the sum divided. */
#define REDUCE_INTEGERS(name, stored, kept) \
    static void name(int ranks, char **in, const uint64_t *scale, int op, int divide, char *out, size_t count) { \
        for (size_t i = 0; i < count; i++) { \
            stored all = 0; \
            for (int r = 0; r < ranks; r++) { \
                stored one = ((const stored *) in[r])[i]; \
                one = scale ? (stored) ((kept) one * (kept) scale[r]) : one; \
                all = r == 0 ? one \
                        : op == SUM ? (stored) ((kept) all + (kept) one) \
                        : op == PROD ? (stored) ((kept) all * (kept) one) \
                        : (op == MIN) == (one < all) ? one \
                        : all; \
            } \
            ((stored *) out)[i] = divide ? (stored) (all / (stored) ranks) : all; \
        } \
    }

REDUCE_INTEGERS(reduce_int8, int8_t, uint8_t)
REDUCE_INTEGERS(reduce_uint8, uint8_t, uint8_t)
REDUCE_INTEGERS(reduce_int32, int32_t, uint32_t)
REDUCE_INTEGERS(reduce_uint32, uint32_t, uint32_t)
REDUCE_INTEGERS(reduce_int64, int64_t, uint64_t)
REDUCE_INTEGERS(reduce_uint64, uint64_t, uint64_t)

static double scalar_of(enum type type, uint64_t bits) {
    double wide;
    memcpy(&wide, &bits, sizeof wide);
    return type == FLOAT16 ? (double) from_float16((uint16_t) bits)
            : type == BFLOAT16 ? (double) from_bfloat16((uint16_t) bits)
            : type == FLOAT32 ? (double) from_bits((uint32_t) bits)
            : wide;
}

/* The scalars are those that came with the contributions; they count for own operators alone. */
static void reduce(int ranks, char **in, uint64_t *scalars, enum type type, int operator, char *out, size_t count) {
    int own = operator >= FIRST_OWN_OPERATOR;
    int op = own || operator == AVG ? SUM : operator;
    float single[MAX_RANKS];
    double wide[MAX_RANKS];
    for (int r = 0; r < ranks; r++) {
        single[r] = own ? (float) scalar_of(type, scalars[r]) : 1.0f / (float) ranks;
        wide[r] = own ? scalar_of(type, scalars[r]) : 1.0 / ranks;
    }
    const float *f = own || operator == AVG ? single : NULL;
    const double *d = own || operator == AVG ? wide : NULL;
    const uint64_t *i = own ? scalars : NULL;
    int divide = operator == AVG;
    switch (type) {
        case FLOAT16: reduce_float16(ranks, in, f, op, out, count); break;
        case BFLOAT16: reduce_bfloat16(ranks, in, f, op, out, count); break;
        case FLOAT32: reduce_float32(ranks, in, f, op, out, count); break;
        case FLOAT64: reduce_float64(ranks, in, d, op, out, count); break;
        case INT8: reduce_int8(ranks, in, i, op, divide, out, count); break;
        case UINT8: reduce_uint8(ranks, in, i, op, divide, out, count); break;
        case INT32: reduce_int32(ranks, in, i, op, divide, out, count); break;
        case UINT32: reduce_uint32(ranks, in, i, op, divide, out, count); break;
        case INT64: reduce_int64(ranks, in, i, op, divide, out, count); break;
        case UINT64:
        default: reduce_uint64(ranks, in, i, op, divide, out, count); break;
    }
}

static size_t element_bytes(enum type type, uint64_t scalar, uint64_t *to, const void *from) {
    *to = scalar;
    if (from) {
        *to = 0;
        memcpy(to, from, BYTES[type]);
    }
    return BYTES[type];
}

int ncclRedOpCreatePreMulSum(int *to, void *scalar, int type, int residence, ncclComm_t c) {
    since(21104, "ncclRedOpCreatePreMulSum");
    enum result result = ready(c, "ncclRedOpCreatePreMulSum");
    if (result) {
        return result;
    }
    if (!to || !scalar || type < 0 || type >= TYPES || residence < 0 || residence > 1) {
        return fail(INVALID_ARGUMENT, "ncclRedOpCreatePreMulSum of type %d, residence %d", type, residence);
    }
    for (int i = 0; i < MAX_OWN_OPERATORS; i++) {
        struct own_operator *op = c->operators + i;
        if (!op->used) {
            *op = (struct own_operator) {.used = 1, .type = (enum type) type, .on_device = residence ? NULL : scalar};
            if (residence) {
                element_bytes(op->type, 0, &op->scalar, scalar);
            }
            *to = FIRST_OWN_OPERATOR + i;
            return SUCCESS;
        }
    }
    return fail(INTERNAL_ERROR, "more than %d operators", MAX_OWN_OPERATORS);
}

int ncclRedOpDestroy(int op, ncclComm_t c) {
    since(21104, "ncclRedOpDestroy");
    enum result result = ready(c, "ncclRedOpDestroy");
    int at = op - FIRST_OWN_OPERATOR;
    if (!result && (at < 0 || at >= MAX_OWN_OPERATORS || !c->operators[at].used)) {
        return fail(INVALID_ARGUMENT, "ncclRedOpDestroy of operator %d", op);
    }
    if (!result) {
        c->operators[at].used = 0;
    }
    return result;
}

/* ---- moving bytes ---- */

/* A message from or to a peer; the header goes first. */
struct message {
    int peer;
    char *bytes;
    size_t count;
    struct {
        uint64_t bytes;
        uint64_t scalar;
    } header;
    size_t done;    /* bytes moved, the header's included */
    size_t skipped; /* bytes read that were more than asked for */
};

static int complete(const struct message *m, int reading) {
    size_t length = reading && m->done >= sizeof m->header ? m->header.bytes : m->count;
    return m->done + m->skipped >= sizeof m->header + length;
}

/* Moves what the socket takes or has; 0 if the peer has gone. */
static int advance(int socket, struct message *m, int reading) {
    while (!complete(m, reading)) {
        char trash[4096];
        char *at;
        size_t left;
        size_t moved = m->done - sizeof m->header;
        if (m->done < sizeof m->header) {
            at = (char *) &m->header + m->done;
            left = sizeof m->header - m->done;
        } else if (moved < m->count) {
            size_t length = reading && m->header.bytes < m->count ? m->header.bytes : m->count;
            at = m->bytes + moved;
            left = length - moved;
        } else {
            left = m->header.bytes - m->count - m->skipped;
            left = left < sizeof trash ? left : sizeof trash;
            at = trash;
        }
        ssize_t n = reading ? recv(socket, at, left, MSG_DONTWAIT) : send(socket, at, left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            return 1;
        }
        if (n <= 0) {
            return 0;
        }
        if (at == trash) {
            m->skipped += (size_t) n;
        } else {
            m->done += (size_t) n;
        }
    }
    return 1;
}

/* The first message to or from a peer that is not complete: between two ranks messages keep their order. */
static struct message *due(struct message *messages, int count, int peer, int reading) {
    for (int i = 0; i < count; i++) {
        if (messages[i].peer == peer && !complete(messages + i, reading)) {
            return messages + i;
        }
    }
    return NULL;
}

/* Sends and receives at the same time, so that no two ranks wait for each other to read. */
static enum result exchange(struct ncclComm *c, struct message *out, int outs, struct message *in, int ins) {
    for (int i = 0; i < outs; i++) {
        out[i].header.bytes = out[i].count;
        if (out[i].peer == c->rank) {
            struct message *to = due(in, ins, c->rank, 1);
            if (to) {
                to->header = out[i].header;
                memcpy(to->bytes, out[i].bytes, out[i].count < to->count ? out[i].count : to->count);
                to->done = sizeof to->header + out[i].count;
            }
            out[i].done = sizeof out[i].header + out[i].count;
        }
    }
    while (1) {
        struct pollfd fds[MAX_RANKS + 1];
        int left = 0;
        for (int r = 0; r < c->size; r++) {
            short events = (short) ((due(out, outs, r, 0) ? POLLOUT : 0) | (due(in, ins, r, 1) ? POLLIN : 0));
            fds[r] = (struct pollfd) {.fd = events ? c->sockets[COLLECTIVES][r] : -1, .events = events};
            left += events != 0;
        }
        if (!left) {
            return SUCCESS;
        }
        fds[c->size] = (struct pollfd) {.fd = c->wake, .events = POLLIN};
        while (poll(fds, (nfds_t) c->size + 1, -1) < 0 && errno == EINTR) {
        }
        if (fds[c->size].revents) {
            return ABORTED;
        }
        for (int r = 0; r < c->size; r++) {
            struct message *m;
            int socket = fds[r].fd;
            int alive = 1;
            if (fds[r].revents & (POLLIN | POLLHUP | POLLERR)) {
                while (alive && (m = due(in, ins, r, 1))) {
                    alive = advance(socket, m, 1);
                    if (!complete(m, 1)) {
                        break;
                    }
                }
            }
            if (alive && fds[r].revents & (POLLOUT | POLLHUP | POLLERR)) {
                while (alive && (m = due(out, outs, r, 0))) {
                    alive = advance(socket, m, 0);
                    if (!complete(m, 0)) {
                        break;
                    }
                }
            }
            if (!alive) {
                return fail(REMOTE_ERROR, "rank %d of %d: rank %d has closed the connection", c->rank, c->size, r);
            }
        }
    }
}

/* Ranks that differ in counts: NCCL gives wrong numbers or hangs. */
static enum result check_counts(struct ncclComm *c, const struct message *in, int ins) {
    const char *mismatch = yoloddp_test_double_setting("MISMATCH");
    for (int i = 0; i < ins && mismatch && !strcmp(mismatch, "detect"); i++) {
        if (in[i].header.bytes != in[i].count) {
            return fail(INVALID_USAGE, "rank %d of %d got %zu bytes from rank %d where %zu were expected", c->rank,
                    c->size, (size_t) in[i].header.bytes, in[i].peer, in[i].count);
        }
    }
    return SUCCESS;
}

/* ---- collectives ---- */

/* Where the share of a rank begins when all ranks share the work on so many elements. */
static size_t share(size_t count, int rank, int size) {
    return count / (size_t) size * (size_t) rank + (count % (size_t) size) * (size_t) rank / (size_t) size;
}

/* Each rank gets all contributions to its elements [from[r], from[r + 1]) and reduces them. */
static enum result scatter_reduced(struct call *call, char *in, const size_t *from, char *out) {
    struct ncclComm *c = call->comm;
    size_t bytes = BYTES[call->type];
    size_t mine = from[c->rank + 1] - from[c->rank];
    char *contributions[MAX_RANKS];
    uint64_t scalars[MAX_RANKS];
    struct message outs[MAX_RANKS];
    struct message ins[MAX_RANKS];
    uint64_t scalar = 0;
    if (call->operator >= FIRST_OWN_OPERATOR) {
        struct own_operator *op = c->operators + (call->operator - FIRST_OWN_OPERATOR);
        element_bytes(op->type, op->scalar, &scalar, op->on_device);
    }
    char *memory = calloc((size_t) c->size * mine + 1, bytes);
    for (int r = 0; r < c->size; r++) {
        contributions[r] = memory + (size_t) r * mine * bytes;
        outs[r] = (struct message) {
                .peer = r, .bytes = in + from[r] * bytes, .count = (from[r + 1] - from[r]) * bytes};
        outs[r].header.scalar = scalar;
        ins[r] = (struct message) {.peer = r, .bytes = contributions[r], .count = mine * bytes};
    }
    enum result result = exchange(c, outs, c->size, ins, c->size);
    if (!result) {
        result = check_counts(c, ins, c->size);
    }
    if (!result) {
        for (int r = 0; r < c->size; r++) {
            scalars[r] = ins[r].header.scalar;
        }
        reduce(c->size, contributions, scalars, call->type, call->operator, out, mine);
    }
    free(memory);
    return result;
}

/* Each rank gets the elements [from[r], from[r + 1]) of every rank r, which sends them from its own place in "all". */
static enum result gather(struct call *call, char *all, const size_t *from) {
    struct ncclComm *c = call->comm;
    size_t bytes = BYTES[call->type];
    struct message outs[MAX_RANKS];
    struct message ins[MAX_RANKS];
    int n = 0;
    for (int r = 0; r < c->size; r++) {
        if (r != c->rank) {
            outs[n] = (struct message) {.peer = r,
                    .bytes = all + from[c->rank] * bytes,
                    .count = (from[c->rank + 1] - from[c->rank]) * bytes};
            ins[n++] = (struct message) {
                    .peer = r, .bytes = all + from[r] * bytes, .count = (from[r + 1] - from[r]) * bytes};
        }
    }
    enum result result = exchange(c, outs, n, ins, n);
    return result ? result : check_counts(c, ins, n);
}

static enum result broadcast(struct call *call, char *bytes) {
    struct ncclComm *c = call->comm;
    struct message messages[MAX_RANKS];
    size_t count = call->count * BYTES[call->type];
    int n = 0;
    for (int r = 0; r < c->size; r++) {
        if (c->rank == call->root ? r != c->rank : r == call->root) {
            messages[n++] = (struct message) {.peer = r, .bytes = bytes, .count = count};
        }
    }
    int root = c->rank == call->root;
    enum result result = exchange(c, messages, root ? n : 0, messages, root ? 0 : n);
    return result || root ? result : check_counts(c, messages, n);
}

static size_t read_count(const struct call *call) {
    int ranks = call->kind == REDUCE_SCATTER ? call->comm->size : 1;
    return call->kind == RECV || (call->kind == BROADCAST && call->comm->rank != call->root)
            ? 0
            : call->count * (size_t) ranks * BYTES[call->type];
}

static size_t write_count(const struct call *call) {
    int ranks = call->kind == ALL_GATHER ? call->comm->size : 1;
    return call->kind == SEND || (call->kind == REDUCE && call->comm->rank != call->root)
            ? 0
            : call->count * (size_t) ranks * BYTES[call->type];
}

/* Runs a collective on copies: memory has been read into "in", and is written from "out" afterwards. */
static enum result run_collective(struct call *call, char *in, char *out) {
    struct ncclComm *c = call->comm;
    size_t bytes = BYTES[call->type];
    size_t from[MAX_RANKS + 1];
    enum result result;
    int spread = call->kind == ALL_GATHER || call->kind == REDUCE_SCATTER;
    for (int r = 0; r <= c->size; r++) {
        from[r] = spread ? call->count * (size_t) r : share(call->count, r, c->size);
    }
    switch (call->kind) {
        case ALL_REDUCE:
        case REDUCE: {
            char *all = call->kind == ALL_REDUCE || call->root == c->rank ? out : malloc(call->count * bytes + 1);
            result = scatter_reduced(call, in, from, all + from[c->rank] * bytes);
            result = result ? result : gather(call, all, from);
            if (all != out) {
                free(all);
            }
            return result;
        }
        case REDUCE_SCATTER: return scatter_reduced(call, in, from, out);
        case ALL_GATHER:
            memcpy(out + from[c->rank] * bytes, in, call->count * bytes);
            return gather(call, out, from);
        case BROADCAST:
            if (c->rank == call->root) {
                memcpy(out, in, call->count * bytes);
            }
            return broadcast(call, out);
        case SEND:
        case RECV:
        default: return INTERNAL_ERROR;
    }
}

static enum result run_messages(struct ncclComm *c, struct call *calls, char **in, char **out, int count) {
    struct message *outs = calloc((size_t) count, sizeof *outs);
    struct message *ins = calloc((size_t) count, sizeof *ins);
    int sent = 0;
    int received = 0;
    struct call *call = calls;
    for (int i = 0; i < count; i++, call = call->next) {
        size_t bytes = call->count * BYTES[call->type];
        if (call->kind == SEND) {
            outs[sent++] = (struct message) {.peer = call->root, .bytes = in[i], .count = bytes};
        } else {
            ins[received++] = (struct message) {.peer = call->root, .bytes = out[i], .count = bytes};
        }
    }
    enum result result = exchange(c, outs, sent, ins, received);
    result = result ? result : check_counts(c, ins, received);
    free(outs);
    free(ins);
    return result;
}

/* Reads memory, communicates, waits, writes memory. */
static enum result run_calls(struct ncclComm *c, struct call *calls, int leave_out) {
    int count = 0;
    for (struct call *call = calls; call; call = call->next) {
        count++;
    }
    char **in = calloc((size_t) count, sizeof *in);
    char **out = calloc((size_t) count, sizeof *out);
    enum result result = SUCCESS;
    int i = 0;
    for (struct call *call = calls; call; call = call->next, i++) {
        in[i] = malloc(read_count(call) + 1);
        out[i] = calloc(write_count(call) + 1, 1);
        if (yoloddp_test_double_freed(call->in, read_count(call))) {
            result = fail(CUDA_ERROR, "a collective reads memory that was freed");
        } else if (read_count(call)) {
            memcpy(in[i], call->in, read_count(call));
        }
    }
    if (!result) {
        int messages = calls->kind == SEND || calls->kind == RECV;
        result = messages ? run_messages(c, calls, in, out, count) : run_collective(calls, in[0], out[0]);
    }
    if (!result) {
        sleep_us(yoloddp_test_double_number("DELAY_US", 200));
    }
    i = 0;
    for (struct call *call = calls; call; call = call->next, i++) {
        size_t bytes = write_count(call);
        if (!result && yoloddp_test_double_freed(call->out, bytes)) {
            result = fail(CUDA_ERROR, "a collective writes memory that was freed");
        } else if (!result && bytes) {
            memcpy(call->out, out[i], bytes - (leave_out ? BYTES[call->type] : 0));
        }
        free(in[i]);
        free(out[i]);
    }
    free(in);
    free(out);
    return result;
}

static void free_calls(struct call *calls) {
    while (calls) {
        struct call *next = calls->next;
        free(calls);
        calls = next;
    }
}

/* Runs on a stream's thread, in turn; what fails stays there until the communicator is aborted, as NCCL's kernels do. */
static void run_job(void *argument) {
    struct job *job = argument;
    struct ncclComm *c = job->comm;
    long n = job->ticket + 1;
    pthread_mutex_lock(&c->lock);
    while (c->served != job->ticket) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    c->running = !c->aborted;
    int running = c->running;
    pthread_mutex_unlock(&c->lock);
    if (running && fault("exit", c->rank, n)) {
        _exit(9);
    }
    if (running) {
        enum result result;
        if (fault("hang", c->rank, n)) {
            await_abort(c);
            result = ABORTED;
        } else if (fault("error", c->rank, n)) {
            result = fail(REMOTE_ERROR, "operation %ld of rank %d fails, as the test asks", n, c->rank);
        } else {
            result = run_calls(c, job->calls, fault("short", c->rank, n));
        }
        if (result && result != ABORTED) {
            const char *transport = yoloddp_test_double_setting("TRANSPORT");
            if (result != REMOTE_ERROR || !transport || strcmp(transport, "p2p")) {
                break_off(c, result);
            }
            await_abort(c);
        }
    }
    pthread_mutex_lock(&c->lock);
    c->running = 0;
    c->served++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    free_calls(job->calls);
    free(job);
}

/* ---- launching ---- */

static int is_message(const struct call *call) {
    return call->kind == SEND || call->kind == RECV;
}

/* Gives the calls of one communicator to their streams: messages together, where the first of them stands. */
static enum result launch(struct ncclComm *c, struct call *calls) {
    enum result result = SUCCESS;
    while (calls) {
        struct call *first = calls;
        calls = first->next;
        first->next = NULL;
        struct call **last = &first->next;
        for (struct call **at = &calls; is_message(first) && *at;) {
            struct call *call = *at;
            if (is_message(call) && call->stream == first->stream) {
                *at = call->next;
                call->next = NULL;
                *last = call;
                last = &call->next;
            } else {
                at = &call->next;
            }
        }
        struct job *job = malloc(sizeof *job);
        void *stream = first->stream;
        pthread_mutex_lock(&c->lock);
        *job = (struct job) {.comm = c, .calls = first, .ticket = c->tickets++};
        int error = yoloddp_test_double_enqueue(stream, c->device, run_job, job);
        if (error) {
            c->tickets--;
        }
        pthread_mutex_unlock(&c->lock);
        if (error) {
            free_calls(first);
            free(job);
            result = fail(CUDA_ERROR, "Cuda failure %d: the stream is none of device %d", error, c->device);
        }
    }
    return result;
}

static enum result launch_later(struct helper *h) {
    sleep_us(yoloddp_test_double_number("LAUNCH_US", 100));
    if (is_aborted(h->comm)) {
        free_calls(h->calls);
        return ABORTED;
    }
    return launch(h->comm, h->calls);
}

int ncclGroupStart(void) {
    if (group_depth++ == 0) {
        group_error = SUCCESS;
    }
    return SUCCESS;
}

/* Takes the calls of the first communicator out of the group's. */
static struct call *take_calls(struct call **calls) {
    struct ncclComm *c = (*calls)->comm;
    struct call *mine = NULL;
    struct call **last = &mine;
    for (struct call **at = calls; *at;) {
        struct call *call = *at;
        if (call->comm == c) {
            *at = call->next;
            call->next = NULL;
            *last = call;
            last = &call->next;
        } else {
            at = &call->next;
        }
    }
    return mine;
}

int ncclGroupEnd(void) {
    if (group_depth == 0) {
        return fail(INVALID_USAGE, "ncclGroupEnd: not in a group");
    }
    if (--group_depth > 0) {
        return SUCCESS;
    }
    enum result result = group_error;
    struct call *calls = group_calls;
    int inits = group_init_count;
    group_calls = NULL;
    group_init_count = 0;
    for (struct call *call = calls; call && !result; call = call->next) {
        if (call->comm->blocking != calls->comm->blocking) {
            result = fail(INVALID_ARGUMENT, "blocking and other communicators in one group");
        }
    }
    if (result) {
        free_calls(calls);
        for (int i = 0; i < inits; i++) {
            set_state(group_inits[i]->comm, result);
            free(group_inits[i]);
        }
        return result;
    }
    struct ncclComm *begun[MAX_RANKS];
    for (int i = 0; i < inits; i++) {
        begun[i] = group_inits[i]->comm;
        start_helper(*group_inits[i]);
        free(group_inits[i]);
    }
    for (int i = 0; i < inits; i++) {
        enum result one = begun[i]->blocking ? await_helpers(begun[i]) : IN_PROGRESS;
        result = result && result != IN_PROGRESS ? result : one;
    }
    while (calls) {
        struct call *mine = take_calls(&calls);
        struct ncclComm *c = mine->comm;
        if (c->blocking) {
            enum result one = launch(c, mine);
            result = result ? result : one;
        } else {
            start_helper((struct helper) {.comm = c, .work = launch_later, .calls = mine});
            result = result ? result : IN_PROGRESS;
        }
    }
    return result;
}

static enum result check(struct call *call, const char *function) {
    struct ncclComm *c = call->comm;
    enum result result = ready(c, function);
    if (result) {
        return result;
    }
    if ((int) call->type < 0 || call->type >= TYPES) {
        return fail(INVALID_ARGUMENT, "%s of type %d", function, (int) call->type);
    }
    int own = call->operator - FIRST_OWN_OPERATOR;
    if (call->operator < 0 || own >= MAX_OWN_OPERATORS
            || (own >= 0 && (!c->operators[own].used || c->operators[own].type != call->type))) {
        return fail(INVALID_ARGUMENT, "%s with operator %d", function, call->operator);
    }
    if (call->root < 0 || call->root >= c->size) {
        return fail(INVALID_ARGUMENT, "%s with rank %d of %d", function, call->root, c->size);
    }
    if (call->count && ((read_count(call) && !call->in) || (write_count(call) && !call->out))) {
        return fail(INVALID_ARGUMENT, "%s without memory", function);
    }
    return SUCCESS;
}

static enum result submit(struct call call, const char *function) {
    enum result result = check(&call, function);
    LOG("%s of rank %d: %zu x type %d, operator %d, root or peer %d, from %p to %p, stream %p: %d\n", function,
            result ? -1 : call.comm->rank, call.count, (int) call.type, call.operator, call.root, (const void *) call.in,
            (void *) call.out, call.stream, (int) result);
    if (result || call.count == 0) {
        group_error = group_depth && !group_error ? result : group_error;
        return result;
    }
    ncclGroupStart();
    struct call **last = &group_calls;
    while (*last) {
        last = &(*last)->next;
    }
    *last = malloc(sizeof call);
    **last = call;
    return ncclGroupEnd();
}

int ncclAllReduce(const void *in, void *out, size_t count, int type, int op, ncclComm_t c, void *stream) {
    return submit((struct call) {c, ALL_REDUCE, in, out, count, (enum type) type, op, 0, stream, NULL}, __func__);
}

int ncclReduce(const void *in, void *out, size_t count, int type, int op, int root, ncclComm_t c, void *stream) {
    return submit((struct call) {c, REDUCE, in, out, count, (enum type) type, op, root, stream, NULL}, __func__);
}

int ncclBroadcast(const void *in, void *out, size_t count, int type, int root, ncclComm_t c, void *stream) {
    return submit((struct call) {c, BROADCAST, in, out, count, (enum type) type, SUM, root, stream, NULL}, __func__);
}

int ncclBcast(void *bytes, size_t count, int type, int root, ncclComm_t c, void *stream) {
    return ncclBroadcast(bytes, bytes, count, type, root, c, stream);
}

int ncclAllGather(const void *in, void *out, size_t count, int type, ncclComm_t c, void *stream) {
    return submit((struct call) {c, ALL_GATHER, in, out, count, (enum type) type, SUM, 0, stream, NULL}, __func__);
}

int ncclReduceScatter(const void *in, void *out, size_t count, int type, int op, ncclComm_t c, void *stream) {
    return submit((struct call) {c, REDUCE_SCATTER, in, out, count, (enum type) type, op, 0, stream, NULL}, __func__);
}

int ncclSend(const void *in, size_t count, int type, int peer, ncclComm_t c, void *stream) {
    return submit((struct call) {c, SEND, in, NULL, count, (enum type) type, SUM, peer, stream, NULL}, __func__);
}

int ncclRecv(void *out, size_t count, int type, int peer, ncclComm_t c, void *stream) {
    return submit((struct call) {c, RECV, NULL, out, count, (enum type) type, SUM, peer, stream, NULL}, __func__);
}

/* ---- memory ---- */

int cudaMalloc(void **to, size_t bytes);
int cudaFree(void *from);

int ncclMemAlloc(void **to, size_t bytes) {
    since(21903, "ncclMemAlloc");
    return cudaMalloc(to, bytes) ? fail(CUDA_ERROR, "out of memory") : SUCCESS;
}

int ncclMemFree(void *from) {
    since(21903, "ncclMemFree");
    return cudaFree(from) ? fail(CUDA_ERROR, "memory that is none") : SUCCESS;
}

int ncclCommRegister(ncclComm_t c, void *memory, size_t bytes, void **handle) {
    since(21903, "ncclCommRegister");
    (void) bytes;
    *handle = memory;
    return ready(c, "ncclCommRegister");
}

int ncclCommDeregister(ncclComm_t c, void *handle) {
    since(21903, "ncclCommDeregister");
    (void) handle;
    return ready(c, "ncclCommDeregister");
}
