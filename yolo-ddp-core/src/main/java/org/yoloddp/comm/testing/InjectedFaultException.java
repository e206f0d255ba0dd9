package org.yoloddp.comm.testing;

import org.yoloddp.error.YoloDdpException;

/** A fault that a test asked for. */
public final class InjectedFaultException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private InjectedFaultException(String message) {
        super(message);
    }

    static InjectedFaultException of(String fault, long call, String tag) {
        return new InjectedFaultException(
                "Injected fault: " + fault + " at call " + call + ", tag '" + tag + "'");
    }
}
