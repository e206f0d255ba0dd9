/*
 * The yolo-ddp test double of libcudart.so.12: the CUDA runtime's functions over host memory, for tests.
 *
 * A stream is a thread that works off a queue, so calls return before their work is done; a copy reads memory when its
 * turn comes and writes it YOLODDP_TEST_DOUBLE_DELAY_US later. Who forgets to wait for an event gets wrong numbers.
 * Where CUDA would forgive by chance the double does not: freed memory is filled with ones (NaN) at once, without
 * waiting for streams, as if a caching allocator had given it to somebody else; a copy or collective that still uses it
 * breaks the device with cudaErrorIllegalAddress; handles that were destroyed are refused; a stream and an event belong
 * to the device that was current when they were made.
 *
 * It proves which calls are made, with which arguments and in which order, that streams and events are ordered
 * sufficiently, and that handles and memory are given back. It says nothing of kernels, speed, drivers, of how memory of
 * a real device is seen by the host, nor of streams that wait for the null stream implicitly: those are refused.
 */
#define _GNU_SOURCE
#include "test_double.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INSUFFICIENT_DRIVER = 35,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_HANDLE = 400,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    NOT_SUPPORTED = 801,
};

enum { MAX_DEVICES = 64, NON_BLOCKING = 1, DISABLE_TIMING = 2, LEGACY_STREAM = 1, PROPERTIES_BYTES = 1032 };

/* How much freed memory is kept, so that late uses of it are recognised. */
enum { QUARANTINE_BYTES = 512 * 1024 * 1024 };

/* A point in a stream: an event's record, or one that a host thread waits for. */
struct mark {
    int references;
    int passed;
    struct timespec at;
};

/* What a stream does next: wait for a mark, or run a function, or pass a mark. */
struct task {
    void (*run)(void *);
    void *argument;
    struct mark *awaits;
    struct mark *passes;
    struct task *next;
};

struct stream {
    int device;
    unsigned flags;
    int closing;
    long pending;
    struct task *first;
    struct task **last;
    pthread_cond_t work;
    struct stream *next;
};

struct event {
    int device;
    unsigned flags;
    struct mark *mark;
    struct event *next;
};

enum kind { HOST_MEMORY = 1, DEVICE_MEMORY = 2, REGISTERED_MEMORY = 3 };

struct allocation {
    char *from;
    size_t bytes;
    enum kind kind;
    int device;
    int freed;
    struct allocation *next;
};

struct setting {
    char *name;
    char *value;
    struct setting *next;
};

/* One lock for all that is below; functions run by streams do not hold it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static struct stream *streams;
static struct event *events;
static struct allocation *allocations;
static struct stream *null_streams[MAX_DEVICES];
static size_t quarantined;
static int broken;

static pthread_mutex_t settings_lock = PTHREAD_MUTEX_INITIALIZER;
static struct setting *settings;

static __thread int current;
static __thread int last_error;

/* ---- settings ---- */

void yoloddp_test_double_set(const char *name, const char *value) {
    pthread_mutex_lock(&settings_lock);
    struct setting *s = settings;
    while (s && strcmp(s->name, name)) {
        s = s->next;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        s->name = strdup(name);
        s->next = settings;
        settings = s;
    }
    /* The old value is not freed: somebody may be reading it. */
    s->value = value ? strdup(value) : NULL;
    pthread_mutex_unlock(&settings_lock);
}

const char *yoloddp_test_double_setting(const char *name) {
    char variable[128];
    const char *value = NULL;
    pthread_mutex_lock(&settings_lock);
    for (struct setting *s = settings; s && !value; s = s->next) {
        value = strcmp(s->name, name) ? NULL : s->value;
    }
    pthread_mutex_unlock(&settings_lock);
    snprintf(variable, sizeof variable, "YOLODDP_TEST_DOUBLE_%s", name);
    return value ? value : getenv(variable);
}

long yoloddp_test_double_number(const char *name, long otherwise) {
    const char *value = yoloddp_test_double_setting(name);
    return value ? atol(value) : otherwise;
}

static int devices(void) {
    long count = yoloddp_test_double_number("DEVICES", 8);
    return count > MAX_DEVICES ? MAX_DEVICES : (int) count;
}

/* ---- errors ---- */

static int fail(int error) {
    if (error != SUCCESS && error != NOT_READY) {
        last_error = error;
    }
    return error;
}

/* The error that every call gives: no driver, no device, or a device that is broken for good. */
static int unusable(void) {
    const char *driver = yoloddp_test_double_setting("DRIVER");
    if (driver && !strcmp(driver, "missing")) {
        return INSUFFICIENT_DRIVER;
    }
    if (devices() <= 0) {
        return NO_DEVICE;
    }
    return __atomic_load_n(&broken, __ATOMIC_SEQ_CST);
}

#define CHECK_USABLE() \
    do { \
        int unusable_ = unusable(); \
        if (unusable_) { \
            return fail(unusable_); \
        } \
    } while (0)

const char *cudaGetErrorString(int error) {
    switch (error) {
        case SUCCESS: return "no error (yolo-ddp test double)";
        case INVALID_VALUE: return "invalid argument (yolo-ddp test double)";
        case OUT_OF_MEMORY: return "out of memory (yolo-ddp test double)";
        case INSUFFICIENT_DRIVER:
            return "CUDA driver version is insufficient for CUDA runtime version (yolo-ddp test double)";
        case NO_DEVICE: return "no CUDA-capable device is detected (yolo-ddp test double)";
        case INVALID_DEVICE: return "invalid device ordinal (yolo-ddp test double)";
        case INVALID_HANDLE: return "invalid resource handle (yolo-ddp test double)";
        case NOT_READY: return "device not ready (yolo-ddp test double)";
        case ILLEGAL_ADDRESS: return "an illegal memory access was encountered (yolo-ddp test double)";
        case NOT_SUPPORTED: return "operation not supported (yolo-ddp test double)";
        default: return "unrecognized error code (yolo-ddp test double)";
    }
}

const char *cudaGetErrorName(int error) {
    switch (error) {
        case SUCCESS: return "cudaSuccess";
        case INVALID_VALUE: return "cudaErrorInvalidValue";
        case OUT_OF_MEMORY: return "cudaErrorMemoryAllocation";
        case INSUFFICIENT_DRIVER: return "cudaErrorInsufficientDriver";
        case NO_DEVICE: return "cudaErrorNoDevice";
        case INVALID_DEVICE: return "cudaErrorInvalidDevice";
        case INVALID_HANDLE: return "cudaErrorInvalidResourceHandle";
        case NOT_READY: return "cudaErrorNotReady";
        case ILLEGAL_ADDRESS: return "cudaErrorIllegalAddress";
        case NOT_SUPPORTED: return "cudaErrorNotSupported";
        default: return "unrecognized error code";
    }
}

int cudaGetLastError(void) {
    int error = last_error;
    last_error = SUCCESS;
    return error ? error : __atomic_load_n(&broken, __ATOMIC_SEQ_CST);
}

int cudaPeekAtLastError(void) {
    return last_error ? last_error : __atomic_load_n(&broken, __ATOMIC_SEQ_CST);
}

/* ---- devices ---- */

int cudaDriverGetVersion(int *version) {
    const char *driver = yoloddp_test_double_setting("DRIVER");
    *version = driver && !strcmp(driver, "missing") ? 0 : 12090;
    return SUCCESS;
}

int cudaRuntimeGetVersion(int *version) {
    *version = 12090;
    return SUCCESS;
}

int cudaGetDeviceCount(int *count) {
    *count = 0;
    CHECK_USABLE();
    *count = devices();
    return SUCCESS;
}

int cudaSetDevice(int device) {
    CHECK_USABLE();
    if (device < 0 || device >= devices()) {
        return fail(INVALID_DEVICE);
    }
    current = device;
    return SUCCESS;
}

int cudaGetDevice(int *device) {
    CHECK_USABLE();
    *device = current;
    return SUCCESS;
}

int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    CHECK_USABLE();
    if (device < 0 || device >= devices()) {
        return fail(INVALID_DEVICE);
    }
    enum { PCI_BUS = 33, PCI_DEVICE = 34, ASYNC_ENGINES = 40, PCI_DOMAIN = 50, MAJOR = 75, MINOR = 76 };
    switch (attribute) {
        case PCI_BUS: *value = device + 1; break;
        case MAJOR: *value = 9; break;
        case ASYNC_ENGINES: *value = 2; break;
        case PCI_DEVICE:
        case PCI_DOMAIN:
        case MINOR:
        default: *value = 0; break;
    }
    return SUCCESS;
}

/* The name, the size of the memory and the compute capability, where CUDA 12's cudaDeviceProp has them; else zeros. */
int cudaGetDeviceProperties_v2(void *properties, int device) {
    CHECK_USABLE();
    if (device < 0 || device >= devices()) {
        return fail(INVALID_DEVICE);
    }
    char *p = properties;
    size_t memory = (size_t) yoloddp_test_double_number("MEMORY", 8L << 30);
    int major = 9;
    int bus = device + 1;
    memset(p, 0, PROPERTIES_BYTES);
    snprintf(p, 256, "yolo-ddp test double %d", device);
    memcpy(p + 288, &memory, sizeof memory);
    memcpy(p + 360, &major, sizeof major);
    memcpy(p + 584, &bus, sizeof bus);
    return SUCCESS;
}

int cudaDeviceGetPCIBusId(char *id, int length, int device) {
    CHECK_USABLE();
    if (device < 0 || device >= devices()) {
        return fail(INVALID_DEVICE);
    }
    snprintf(id, (size_t) length, "0000:%02x:00.0", device + 1);
    return SUCCESS;
}

int cudaDeviceCanAccessPeer(int *can, int device, int peer) {
    CHECK_USABLE();
    *can = device != peer;
    return SUCCESS;
}

int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    CHECK_USABLE();
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}

/* ---- streams ---- */

static void forget(struct mark *mark) {
    if (mark && --mark->references == 0) {
        free(mark);
    }
}

/* Works off a stream's queue until the stream is destroyed and the queue is empty. */
static void *work(void *argument) {
    struct stream *s = argument;
    pthread_mutex_lock(&lock);
    while (1) {
        while (!s->first && !s->closing) {
            pthread_cond_wait(&s->work, &lock);
        }
        struct task *task = s->first;
        if (!task) {
            break;
        }
        while (task->awaits && !task->awaits->passed) {
            pthread_cond_wait(&progress, &lock);
        }
        if (task->run) {
            pthread_mutex_unlock(&lock);
            task->run(task->argument);
            pthread_mutex_lock(&lock);
        }
        if (task->passes) {
            task->passes->passed = 1;
            clock_gettime(CLOCK_MONOTONIC, &task->passes->at);
        }
        forget(task->awaits);
        forget(task->passes);
        s->first = task->next;
        if (!s->first) {
            s->last = &s->first;
        }
        s->pending--;
        pthread_cond_broadcast(&progress);
        free(task);
    }
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&s->work);
    free(s);
    return NULL;
}

/* Needs the lock, as all functions do whose names end so. */
static struct stream *start_locked(int device, unsigned flags) {
    struct stream *s = calloc(1, sizeof *s);
    s->device = device;
    s->flags = flags;
    s->last = &s->first;
    pthread_cond_init(&s->work, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, s)) {
        free(s);
        return NULL;
    }
    pthread_detach(thread);
    return s;
}

/* The stream of a handle, for which null and cudaStreamLegacy are the device's null stream; null if there is none. */
static struct stream *find_locked(void *handle, int device) {
    if (handle == NULL || handle == (void *) LEGACY_STREAM) {
        if (device < 0 || device >= MAX_DEVICES) {
            return NULL;
        }
        if (!null_streams[device]) {
            null_streams[device] = start_locked(device, 0);
        }
        return null_streams[device];
    }
    struct stream *s = streams;
    while (s && s != handle) {
        s = s->next;
    }
    return s;
}

static void append_locked(struct stream *s, struct task task) {
    struct task *t = malloc(sizeof *t);
    *t = task;
    t->next = NULL;
    *s->last = t;
    s->last = &t->next;
    s->pending++;
    pthread_cond_signal(&s->work);
}

int yoloddp_test_double_enqueue(void *stream, int device, void (*run)(void *), void *argument) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, device);
    int error = s && s->device == device ? SUCCESS : INVALID_HANDLE;
    if (!error) {
        append_locked(s, (struct task) {.run = run, .argument = argument});
    }
    pthread_mutex_unlock(&lock);
    return error;
}

int cudaStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    (void) priority;
    CHECK_USABLE();
    if (flags != NON_BLOCKING) {
        /* Such a stream waits for the null stream implicitly, and hides a missing event. */
        return fail(NOT_SUPPORTED);
    }
    pthread_mutex_lock(&lock);
    struct stream *s = start_locked(current, flags);
    if (s) {
        s->next = streams;
        streams = s;
    }
    pthread_mutex_unlock(&lock);
    LOG("cudaStreamCreate on device %d: %p\n", current, (void *) s);
    *stream = s;
    return fail(s ? SUCCESS : OUT_OF_MEMORY);
}

int cudaStreamCreateWithFlags(void **stream, unsigned flags) {
    return cudaStreamCreateWithPriority(stream, flags, 0);
}

int cudaStreamCreate(void **stream) {
    return cudaStreamCreateWithPriority(stream, 0, 0);
}

/* Work that is queued is still done, as CUDA promises. */
int cudaStreamDestroy(void *stream) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct stream **at = &streams;
    while (*at && *at != stream) {
        at = &(*at)->next;
    }
    struct stream *s = *at;
    if (s) {
        *at = s->next;
        s->closing = 1;
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&lock);
    LOG("cudaStreamDestroy %p\n", stream);
    return fail(s ? SUCCESS : INVALID_HANDLE);
}

static void await_locked(struct mark *mark) {
    while (!mark->passed) {
        pthread_cond_wait(&progress, &lock);
    }
}

static struct mark *mark_locked(struct stream *s) {
    struct mark *mark = calloc(1, sizeof *mark);
    mark->references = 2;
    append_locked(s, (struct task) {.passes = mark});
    return mark;
}

int cudaStreamSynchronize(void *stream) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, current);
    if (s) {
        struct mark *mark = mark_locked(s);
        await_locked(mark);
        forget(mark);
    }
    pthread_mutex_unlock(&lock);
    return fail(s ? unusable() : INVALID_HANDLE);
}

int cudaStreamQuery(void *stream) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, current);
    int error = !s ? INVALID_HANDLE : s->pending ? NOT_READY : SUCCESS;
    pthread_mutex_unlock(&lock);
    return fail(error);
}

int cudaStreamGetFlags(void *stream, unsigned *flags) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, current);
    *flags = s ? s->flags : 0;
    pthread_mutex_unlock(&lock);
    return fail(s ? SUCCESS : INVALID_HANDLE);
}

int cudaStreamGetDevice(void *stream, int *device) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, current);
    *device = s ? s->device : 0;
    pthread_mutex_unlock(&lock);
    return fail(s ? SUCCESS : INVALID_HANDLE);
}

int cudaStreamIsCapturing(void *stream, int *status) {
    (void) stream;
    *status = 0;
    return SUCCESS;
}

int cudaThreadExchangeStreamCaptureMode(int *mode) {
    (void) mode;
    return SUCCESS;
}

/* Waits for all streams of the current device. */
int cudaDeviceSynchronize(void) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    int pending = 1;
    while (pending) {
        pending = null_streams[current] && null_streams[current]->pending;
        for (struct stream *s = streams; s; s = s->next) {
            pending |= s->device == current && s->pending;
        }
        if (pending) {
            pthread_cond_wait(&progress, &lock);
        }
    }
    pthread_mutex_unlock(&lock);
    return fail(unusable());
}

struct host_function {
    void (*function)(void *);
    void *data;
};

static void call_host(void *argument) {
    struct host_function *call = argument;
    call->function(call->data);
    free(call);
}

int cudaLaunchHostFunc(void *stream, void (*function)(void *), void *data) {
    struct host_function *call = malloc(sizeof *call);
    *call = (struct host_function) {function, data};
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, current);
    int device = s ? s->device : -1;
    pthread_mutex_unlock(&lock);
    int error = yoloddp_test_double_enqueue(stream, device, call_host, call);
    if (error) {
        free(call);
    }
    return fail(error);
}

/* ---- events ---- */

int cudaEventCreateWithFlags(void **event, unsigned flags) {
    CHECK_USABLE();
    struct event *e = calloc(1, sizeof *e);
    e->device = current;
    e->flags = flags;
    pthread_mutex_lock(&lock);
    e->next = events;
    events = e;
    pthread_mutex_unlock(&lock);
    *event = e;
    return SUCCESS;
}

int cudaEventCreate(void **event) {
    return cudaEventCreateWithFlags(event, 0);
}

static struct event *event_locked(void *handle) {
    struct event *e = events;
    while (e && e != handle) {
        e = e->next;
    }
    return e;
}

/* An event that is recorded again forgets its former record; who waits for that one goes on doing so. */
int cudaEventRecordWithFlags(void *event, void *stream, unsigned flags) {
    (void) flags;
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct event *e = event_locked(event);
    struct stream *s = e ? find_locked(stream, current) : NULL;
    int error = s && s->device == e->device ? SUCCESS : INVALID_HANDLE;
    if (!error) {
        forget(e->mark);
        e->mark = mark_locked(s);
    }
    pthread_mutex_unlock(&lock);
    LOG("cudaEventRecord %p on stream %p: %d\n", event, stream, error);
    return fail(error);
}

int cudaEventRecord(void *event, void *stream) {
    return cudaEventRecordWithFlags(event, stream, 0);
}

/* An event that was never recorded holds nobody up. */
int cudaStreamWaitEvent(void *stream, void *event, unsigned flags) {
    (void) flags;
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct event *e = event_locked(event);
    struct stream *s = find_locked(stream, current);
    if (e && s && e->mark) {
        e->mark->references++;
        append_locked(s, (struct task) {.awaits = e->mark});
    }
    pthread_mutex_unlock(&lock);
    LOG("cudaStreamWaitEvent stream %p event %p\n", stream, event);
    return fail(e && s ? SUCCESS : INVALID_HANDLE);
}

int cudaEventQuery(void *event) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct event *e = event_locked(event);
    int error = !e ? INVALID_HANDLE : e->mark && !e->mark->passed ? NOT_READY : SUCCESS;
    pthread_mutex_unlock(&lock);
    return fail(error);
}

int cudaEventSynchronize(void *event) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct event *e = event_locked(event);
    if (e && e->mark) {
        struct mark *mark = e->mark;
        mark->references++;
        await_locked(mark);
        forget(mark);
    }
    pthread_mutex_unlock(&lock);
    return fail(e ? unusable() : INVALID_HANDLE);
}

int cudaEventDestroy(void *event) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct event **at = &events;
    while (*at && *at != event) {
        at = &(*at)->next;
    }
    struct event *e = *at;
    if (e) {
        *at = e->next;
        forget(e->mark);
        free(e);
    }
    pthread_mutex_unlock(&lock);
    return fail(e ? SUCCESS : INVALID_HANDLE);
}

int cudaEventElapsedTime(float *ms, void *from, void *to) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct event *a = event_locked(from);
    struct event *b = event_locked(to);
    int error = SUCCESS;
    if (!a || !b || !a->mark || !b->mark || (a->flags | b->flags) & DISABLE_TIMING) {
        error = INVALID_HANDLE;
    } else if (!a->mark->passed || !b->mark->passed) {
        error = NOT_READY;
    } else {
        struct timespec s = a->mark->at;
        struct timespec e = b->mark->at;
        *ms = (float) ((double) (e.tv_sec - s.tv_sec) * 1e3 + (double) (e.tv_nsec - s.tv_nsec) / 1e6);
    }
    pthread_mutex_unlock(&lock);
    return fail(error);
}

int cudaEventElapsedTime_v2(float *ms, void *from, void *to) {
    return cudaEventElapsedTime(ms, from, to);
}

/* ---- memory ---- */

static struct allocation *allocation_locked(const void *address) {
    struct allocation *a = allocations;
    while (a && !((const char *) address >= a->from && (const char *) address < a->from + a->bytes)) {
        a = a->next;
    }
    return a;
}

static int allocate(void **to, size_t bytes, enum kind kind) {
    CHECK_USABLE();
    size_t memory = (size_t) yoloddp_test_double_number("MEMORY", 8L << 30);
    struct allocation *a = calloc(1, sizeof *a);
    pthread_mutex_lock(&lock);
    size_t used = 0;
    for (struct allocation *o = allocations; o; o = o->next) {
        used += !o->freed && o->kind == DEVICE_MEMORY && o->device == current ? o->bytes : 0;
    }
    pthread_mutex_unlock(&lock);
    void *from = kind == DEVICE_MEMORY && (bytes > memory || used > memory - bytes)
            ? NULL
            : aligned_alloc(512, (bytes + 512) / 512 * 512);
    if (!from) {
        free(a);
        return fail(OUT_OF_MEMORY);
    }
    /* Not zero, as nobody promises that it is. */
    memset(from, 0xa5, bytes);
    *a = (struct allocation) {.from = from, .bytes = bytes, .kind = kind, .device = current};
    pthread_mutex_lock(&lock);
    a->next = allocations;
    allocations = a;
    pthread_mutex_unlock(&lock);
    *to = from;
    return SUCCESS;
}

int cudaMalloc(void **to, size_t bytes) {
    *to = NULL;
    return bytes == 0 ? SUCCESS : allocate(to, bytes, DEVICE_MEMORY);
}

int cudaHostAlloc(void **to, size_t bytes, unsigned flags) {
    (void) flags;
    *to = NULL;
    return bytes == 0 ? SUCCESS : allocate(to, bytes, HOST_MEMORY);
}

int cudaMallocHost(void **to, size_t bytes) {
    return cudaHostAlloc(to, bytes, 0);
}

/* Gives the oldest of the freed memory back, so that not all that was ever freed is kept. */
static void shrink_quarantine_locked(void) {
    while (quarantined > QUARANTINE_BYTES) {
        struct allocation **oldest = NULL;
        for (struct allocation **at = &allocations; *at; at = &(*at)->next) {
            oldest = (*at)->freed ? at : oldest;
        }
        struct allocation *a = *oldest;
        *oldest = a->next;
        quarantined -= a->bytes;
        free(a->from);
        free(a);
    }
}

static int release(void *from, enum kind kind) {
    CHECK_USABLE();
    if (!from) {
        return SUCCESS;
    }
    pthread_mutex_lock(&lock);
    struct allocation *a = allocation_locked(from);
    int valid = a && a->from == from && a->kind == kind && !a->freed;
    if (valid) {
        memset(a->from, 0xff, a->bytes);
        a->freed = 1;
        quarantined += a->bytes;
        shrink_quarantine_locked();
    }
    pthread_mutex_unlock(&lock);
    return fail(valid ? SUCCESS : INVALID_VALUE);
}

int cudaFree(void *from) {
    return release(from, DEVICE_MEMORY);
}

int cudaFreeHost(void *from) {
    return release(from, HOST_MEMORY);
}

int cudaHostRegister(void *from, size_t bytes, unsigned flags) {
    (void) flags;
    CHECK_USABLE();
    struct allocation *a = calloc(1, sizeof *a);
    *a = (struct allocation) {.from = from, .bytes = bytes, .kind = REGISTERED_MEMORY, .device = current};
    pthread_mutex_lock(&lock);
    int known = allocation_locked(from) != NULL;
    if (!known) {
        a->next = allocations;
        allocations = a;
    }
    pthread_mutex_unlock(&lock);
    if (known) {
        free(a);
    }
    return fail(known ? INVALID_VALUE : SUCCESS);
}

int cudaHostUnregister(void *from) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct allocation **at = &allocations;
    while (*at && !((*at)->from == from && (*at)->kind == REGISTERED_MEMORY)) {
        at = &(*at)->next;
    }
    struct allocation *a = *at;
    if (a) {
        *at = a->next;
        free(a);
    }
    pthread_mutex_unlock(&lock);
    return fail(a ? SUCCESS : INVALID_VALUE);
}

int cudaHostGetDevicePointer(void **to, void *from, unsigned flags) {
    (void) flags;
    *to = from;
    return SUCCESS;
}

int cudaMemGetInfo(size_t *available, size_t *total) {
    CHECK_USABLE();
    *total = (size_t) yoloddp_test_double_number("MEMORY", 8L << 30);
    *available = *total;
    pthread_mutex_lock(&lock);
    for (struct allocation *a = allocations; a; a = a->next) {
        *available -= !a->freed && a->kind == DEVICE_MEMORY && a->device == current ? a->bytes : 0;
    }
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

struct pointer_attributes {
    int type;
    int device;
    void *device_pointer;
    void *host_pointer;
};

int cudaPointerGetAttributes(struct pointer_attributes *attributes, const void *address) {
    CHECK_USABLE();
    pthread_mutex_lock(&lock);
    struct allocation *a = allocation_locked(address);
    int type = !a || a->freed ? 0 : a->kind == DEVICE_MEMORY ? 2 : 1;
    *attributes = (struct pointer_attributes) {
            .type = type,
            .device = type ? a->device : -2,
            .device_pointer = type ? (void *) (uintptr_t) address : NULL,
            .host_pointer = type == 1 ? (void *) (uintptr_t) address : NULL};
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

int yoloddp_test_double_freed(const void *from, size_t bytes) {
    if (bytes == 0) {
        return 0;
    }
    pthread_mutex_lock(&lock);
    struct allocation *a = allocation_locked(from);
    int bad = a && (a->freed || (size_t) ((const char *) from - a->from) + bytes > a->bytes);
    if (bad) {
        __atomic_store_n(&broken, ILLEGAL_ADDRESS, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&lock);
    return bad;
}

struct copy {
    char *to;
    const char *from;
    char *own;
    int value;
    size_t bytes;
    long before_us;
};

/* Reads at once, writes later. */
static void run_copy(void *argument) {
    struct copy *copy = argument;
    sleep_us(copy->before_us);
    char *between = malloc(copy->bytes + 1);
    if (copy->own) {
        memcpy(between, copy->own, copy->bytes);
    } else if (!copy->from) {
        memset(between, copy->value, copy->bytes);
    } else if (!yoloddp_test_double_freed(copy->from, copy->bytes)) {
        memcpy(between, copy->from, copy->bytes);
    }
    sleep_us(yoloddp_test_double_number("DELAY_US", 200));
    if (!yoloddp_test_double_freed(copy->to, copy->bytes) && !__atomic_load_n(&broken, __ATOMIC_SEQ_CST)) {
        memcpy(copy->to, between, copy->bytes);
    }
    free(between);
    free(copy->own);
    free(copy);
}

/* Memory that CUDA can copy to and from while the host goes on. */
static int pinned(const void *address) {
    pthread_mutex_lock(&lock);
    int found = allocation_locked(address) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

static int enqueue_copy(void *stream, struct copy copy) {
    struct copy *c = malloc(sizeof *c);
    *c = copy;
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, current);
    int device = s ? s->device : -1;
    pthread_mutex_unlock(&lock);
    int error = yoloddp_test_double_enqueue(stream, device, run_copy, c);
    if (error) {
        free(c->own);
        free(c);
    }
    return fail(error);
}

/* As CUDA says: ordinary memory is read before the call returns, and has been written when it returns. */
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
    (void) kind;
    struct copy copy = {.to = to, .from = from, .bytes = bytes};
    CHECK_USABLE();
    LOG("cudaMemcpyAsync %p from %p, %zu bytes, stream %p\n", to, from, bytes, stream);
    if (bytes == 0) {
        return SUCCESS;
    }
    if (!pinned(from)) {
        copy.own = malloc(bytes);
        memcpy(copy.own, from, bytes);
    }
    int error = enqueue_copy(stream, copy);
    return error || pinned(to) ? error : cudaStreamSynchronize(stream);
}

int cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t bytes, void *stream) {
    (void) to_device;
    (void) from_device;
    return cudaMemcpyAsync(to, from, bytes, 4, stream);
}

int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
    int error = cudaMemcpyAsync(to, from, bytes, kind, NULL);
    return error ? error : cudaStreamSynchronize(NULL);
}

int cudaMemsetAsync(void *to, int value, size_t bytes, void *stream) {
    CHECK_USABLE();
    return bytes == 0 ? SUCCESS : enqueue_copy(stream, (struct copy) {.to = to, .value = value, .bytes = bytes});
}

int cudaMemset(void *to, int value, size_t bytes) {
    int error = cudaMemsetAsync(to, value, bytes, NULL);
    return error ? error : cudaStreamSynchronize(NULL);
}

int cudaDeviceReset(void) {
    return cudaDeviceSynchronize();
}

/* ---- for tests ---- */

int yoloddp_test_double_late_write(void *stream, void *to, const void *bytes, size_t count, long delay_us) {
    char *own = malloc(count + 1);
    memcpy(own, bytes, count);
    return enqueue_copy(stream, (struct copy) {.to = to, .own = own, .bytes = count, .before_us = delay_us});
}

void *yoloddp_test_double_hold(void *stream) {
    pthread_mutex_lock(&lock);
    struct stream *s = find_locked(stream, current);
    struct mark *mark = NULL;
    if (s) {
        mark = calloc(1, sizeof *mark);
        mark->references = 2;
        append_locked(s, (struct task) {.awaits = mark});
    }
    pthread_mutex_unlock(&lock);
    return mark;
}

void yoloddp_test_double_release(void *hold) {
    struct mark *mark = hold;
    pthread_mutex_lock(&lock);
    mark->passed = 1;
    forget(mark);
    pthread_cond_broadcast(&progress);
    pthread_mutex_unlock(&lock);
}

long yoloddp_test_double_streams(void) {
    long count = 0;
    pthread_mutex_lock(&lock);
    for (struct stream *s = streams; s; s = s->next) {
        count++;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

long yoloddp_test_double_events(void) {
    long count = 0;
    pthread_mutex_lock(&lock);
    for (struct event *e = events; e; e = e->next) {
        count++;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

long yoloddp_test_double_allocations(void) {
    long count = 0;
    pthread_mutex_lock(&lock);
    for (struct allocation *a = allocations; a; a = a->next) {
        count += !a->freed;
    }
    pthread_mutex_unlock(&lock);
    return count;
}
