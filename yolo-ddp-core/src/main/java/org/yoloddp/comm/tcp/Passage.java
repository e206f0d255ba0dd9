package org.yoloddp.comm.tcp;

/** A rank's part in an operation that goes over connections to other hosts. */
interface Passage {

    /** The ranks do not ask for the same. */
    final class MismatchException extends RuntimeException {

        private static final long serialVersionUID = 1L;

        /** What the peer asked for. */
        final transient byte[] call;

        final transient int peer;

        MismatchException(byte[] call, int peer) {
            this.call = call;
            this.peer = peer;
        }
    }

    /** Goes on as far as it can without waiting; tells whether that was anywhere. */
    boolean step();

    boolean isDone();
}
