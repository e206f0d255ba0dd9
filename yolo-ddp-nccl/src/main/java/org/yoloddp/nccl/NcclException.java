package org.yoloddp.nccl;

import org.yoloddp.comm.CommunicationException;

/** A call of NCCL failed, or a communicator reported an error afterwards. */
public final class NcclException extends CommunicationException {

    private static final long serialVersionUID = 1L;

    private final transient NcclCall call;
    private final transient String function;
    private final transient int code;
    private final transient String detail;

    private NcclException(String message, NcclCall call, String function, int code, String detail) {
        super(message, call.group(), null);
        this.call = call;
        this.function = function;
        this.code = code;
        this.detail = detail;
    }

    /** The one place where its message is made. */
    static NcclException of(
            NcclCall call, String function, int code, String description, String lastError) {
        NcclResult result = NcclResult.of(code);
        String detail =
                description
                        + " ("
                        + (code == result.ordinal() ? result.symbol() + ", " : "")
                        + code
                        + ")"
                        + (lastError.isBlank() ? "" : ": " + lastError.strip());
        return of(call, function, code, detail);
    }

    /** A call that is not made, since NCCL would follow a pointer to nothing. */
    static NcclException refused(NcclCall call, NcclFunction function, String why) {
        int code = NcclResult.INVALID_USAGE.ordinal();
        return of(call, function.symbol(), code, "not called: " + why);
    }

    private static NcclException of(NcclCall call, String function, int code, String detail) {
        String stop = detail.endsWith(".") ? "" : ".";
        return new NcclException(
                "Rank "
                        + call.rank()
                        + " failed in "
                        + function
                        + " during "
                        + call.operation()
                        + (call.sequence() < 0 ? "" : " as collective " + call.sequence())
                        + " of group '"
                        + call.group()
                        + "': "
                        + detail
                        + stop
                        + " "
                        + NcclResult.of(code).advice()
                        + ".",
                call,
                function,
                code,
                detail);
    }

    /**
     * Returns the rank whose call failed.
     *
     * @return the rank, by number in the world
     */
    public int rank() {
        return call.rank();
    }

    /**
     * Returns what the rank was doing.
     *
     * @return the operation, with its tag
     */
    public String operation() {
        return call.operation();
    }

    /**
     * Returns the number of the collective in its group.
     *
     * @return the sequence number, from 0; -1 outside of collectives
     */
    public long sequence() {
        return call.sequence();
    }

    /**
     * Returns the function of NCCL that failed.
     *
     * @return its name
     */
    public String function() {
        return function;
    }

    /**
     * Returns NCCL's code for the failure.
     *
     * @return a value of ncclResult_t
     */
    public int code() {
        return code;
    }

    @Override
    public NcclException copy() {
        return of(call, function, code, detail);
    }
}
