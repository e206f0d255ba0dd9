package org.yoloddp.rendezvous;

/** Numbers of the messages between {@link TcpStore} and {@link StoreServer}. */
final class Protocol {

    /** The purpose of a connection of a {@link TcpStore}. */
    static final String STORE = "store";

    static final int SET = 1;
    static final int GET = 2;
    static final int ADD = 3;
    static final int AWAIT = 4;
    static final int COMPARE_AND_SET = 5;
    static final int CANCEL = 6;
    static final int TAKE = 7;

    static final int OK = 0;
    static final int MISSING = 1;
    static final int NOT_A_NUMBER = 2;
    static final int REFUSED = 3;

    /** Not an answer: something to be logged by the client. */
    static final int NOTE = 4;

    private Protocol() {}

    /** What is put before the keys of a generation. */
    static String prefix(int generation) {
        return generation < 0 ? "" : "g" + generation + "/";
    }
}
