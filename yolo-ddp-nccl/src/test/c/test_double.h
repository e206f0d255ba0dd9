/*
 * What the yolo-ddp test doubles of CUDA and NCCL offer to tests and to each other, beside the functions whose names
 * and signatures they borrow. The doubles are no NVIDIA software and contain none of it: they move bytes between
 * processes of one machine, so that the module's calls, their order and its behaviour in trouble can be tested where
 * there is no GPU. What they prove and what not is said at the top of each file.
 *
 * Settings are environment variables YOLODDP_TEST_DOUBLE_<NAME>, or are set while running by yoloddp_test_double_set:
 *   DEVICES       number of devices, default 8
 *   MEMORY        bytes of a device, default 8 GiB
 *   DRIVER        "missing": every call gives cudaErrorInsufficientDriver, as on a machine without a driver
 *   DELAY_US      how long a copy or collective takes between reading and writing memory, default 200
 *   LAUNCH_US     how long a communicator that does not block takes to launch what was called, default 100
 *   NCCL_VERSION  what ncclGetVersion gives; functions that came later end the process; default 22602
 *   TRANSPORT     "socket" (default): a peer's death becomes async error 6; "p2p": nobody notices it
 *   MISMATCH      "silent" (default): ranks that differ in counts get wrong numbers; "detect": async error 5
 *   FAULT         kind@rank[:n], ... where rank is that in the communicator and n its n-th operation from 1, else any:
 *                 init-fail, init-hang, hang, error (async error 6), exit (the process ends), short (the last element
 *                 is left out), abort-hang
 *   LOG           anything: calls are told on stderr
 */
#ifndef YOLODDP_TEST_DOUBLE_H
#define YOLODDP_TEST_DOUBLE_H

#include <stddef.h>
#include <stdio.h>
#include <time.h>

/* Overrides a setting; a null value takes the override away. */
void yoloddp_test_double_set(const char *name, const char *value);

/* The value of a setting, null if there is none. Never freed. */
const char *yoloddp_test_double_setting(const char *name);

/* The value of a setting that is a number. */
long yoloddp_test_double_number(const char *name, long otherwise);

/* Lets a stream of a device call a function in its turn; null is the device's null stream. Gives a cudaError_t. */
int yoloddp_test_double_enqueue(void *stream, int device, void (*run)(void *), void *argument);

/* Tells whether a range of memory has been freed; if so the device is broken from now on, as after an illegal access. */
int yoloddp_test_double_freed(const void *from, size_t bytes);

/* A kernel that works for so many microseconds and then writes; the bytes are copied before this returns. */
int yoloddp_test_double_late_write(void *stream, void *to, const void *bytes, size_t count, long delay_us);

/* A kernel that ends only when it is released: what is behind it in its stream waits. Null if the stream is none. */
void *yoloddp_test_double_hold(void *stream);

void yoloddp_test_double_release(void *hold);

/* How many streams, events, allocations and communicators there are, for tests of leaks. */
long yoloddp_test_double_streams(void);
long yoloddp_test_double_events(void);
long yoloddp_test_double_allocations(void);
long yoloddp_test_double_communicators(void);

/* Tells something on stderr, if the setting LOG is there. */
#define LOG(...) \
    do { \
        if (yoloddp_test_double_setting("LOG")) { \
            fprintf(stderr, "[yolo-ddp test double] " __VA_ARGS__); \
        } \
    } while (0)

static inline void sleep_us(long us) {
    struct timespec rest = {us / 1000000, us % 1000000 * 1000};
    while (us > 0 && nanosleep(&rest, &rest)) {
    }
}

#endif
