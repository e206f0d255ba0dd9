package org.yoloddp.launch;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.YoloDdpException;

/** torchrun's store, through which ranks agree on an endpoint of their own, cannot be used. */
public final class TorchStoreException extends YoloDdpException {

    private static final long serialVersionUID = 1L;

    private static final String INSTEAD =
            "; or let the ranks meet without it: --rdzv-endpoint HOST:PORT, with the same"
                    + " YOLODDP_TOKEN_FILE on all nodes";

    private TorchStoreException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    static TorchStoreException unreachable(String address, Throwable cause) {
        return new TorchStoreException(
                "torchrun's store at "
                        + address
                        + " (MASTER_ADDR, MASTER_PORT) cannot be reached: "
                        + cause
                        + "; check that torchrun still runs on node 0"
                        + INSTEAD,
                cause);
    }

    static TorchStoreException otherProtocol(
            String address, String found, @Nullable Throwable cause) {
        return new TorchStoreException(
                "what listens at "
                        + address
                        + " (MASTER_ADDR, MASTER_PORT) is no TCPStore as PyTorch 2.7 has it, with"
                        + " the magic number 3c85f7ce: "
                        + found
                        + "; use torchrun of PyTorch 2.7"
                        + INSTEAD,
                cause);
    }

    static TorchStoreException lost(String address, Throwable cause) {
        return new TorchStoreException(
                "the connection to torchrun's store at "
                        + address
                        + " broke: "
                        + cause
                        + "; see what ended torchrun on node 0",
                cause);
    }

    static TorchStoreException notThere(String address, String key, Duration waited) {
        return new TorchStoreException(
                "rank 0 has not written "
                        + key
                        + " into torchrun's store at "
                        + address
                        + " within "
                        + waited.toMillis()
                        + " ms; see what keeps rank 0, or raise the deadline",
                null);
    }

    static TorchStoreException cannotServe(String host, Throwable cause) {
        return new TorchStoreException(
                "rank 0 cannot serve the job's store at "
                        + host
                        + ": "
                        + cause.getMessage()
                        + "; rank 0 must run on the host that MASTER_ADDR names"
                        + INSTEAD,
                cause);
    }

    static TorchStoreException notFromTorchrun(String missing) {
        return new TorchStoreException(
                "TORCHELASTIC_USE_AGENT_STORE is True, but "
                        + missing
                        + " is not what torchrun sets; unset it, or start the ranks by torchrun",
                null);
    }
}
