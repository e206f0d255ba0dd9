package org.yoloddp.rendezvous;

import java.io.IOException;

/** The other side sent what is no message of ours. */
final class MalformedMessageException extends IOException {

    private static final long serialVersionUID = 1L;

    MalformedMessageException(String message) {
        super(message);
    }
}
