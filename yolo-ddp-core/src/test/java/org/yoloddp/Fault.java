package org.yoloddp;

/** What can befall one rank of a {@link FaultyTraining}. */
enum Fault {
    NONE,
    /** kill -9. */
    KILL,
    /** SIGSTOP. */
    STOP,
    /** An endless loop in user code. */
    LOOP,
    /** A data set whose get never returns. */
    LOADER_HANGS,
    /** A data set whose get throws an error. */
    LOADER_FAILS,
    EXCEPTION,
    /** The heap is full, until the exception has left the code that filled it. */
    MEMORY,
    /** The heap is full, and remains so. */
    LEAK,
    /** System.exit(0) in user code. */
    EXIT,
    /** A loss that is NaN. */
    NAN_LOSS,
    /** A good loss with a gradient that is NaN. */
    NAN_GRADIENT,
    /** Collectives in another order than the others'. */
    ORDER,
    LENGTH,
    DTYPE,
    OPERATION,
    /** A model with another parameter. */
    PARAMETERS,
    /** A run folder on a disk that becomes full. */
    DISK
}
