package org.yoloddp;

/** What can befall one rank of a {@link FaultyTraining}. */
enum Fault {
    NONE,
    /** Nothing, and a training that ends: it holds at the step until there is a file "go". */
    HOLD,
    /** A rank that its launcher never starts; the others have a few seconds' patience. */
    ABSENT,
    /** A port for rank 0 to serve the store on that another program holds; patience as well. */
    PORT,
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
    /** Connections to the store that are half-open. */
    MUTE,
    /** Connections to the ranks of other hosts that are half-open. */
    MUTE_DATA,
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
    /** Epochs, batch size and data set that are not those of the others. */
    OPTIONS,
    /** A model with another parameter. */
    PARAMETERS,
    /** A run folder on a disk that becomes full. */
    DISK
}
