package org.yoloddp.nccl;

/**
 * What keeps the order between streams, one by one, so that a test can leave each out and see wrong
 * numbers.
 */
enum StreamWait {
    /** The communication stream waits for the event behind the producer's work. */
    PRODUCER,
    /** The consumer's stream waits for the event behind the collective. */
    CONSUMER,
    /** The host waits for the event behind the collective before it says that it is done. */
    HOST,
    /** Memory is kept until the event behind the collective has passed. */
    MEMORY
}
