package org.yoloddp.launch;

import java.time.Duration;
import java.util.List;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.rendezvous.TcpStore;

/** A rank under the real torchrun: meets the others, and fails if it is told to. */
public final class TorchrunWorker {

    private static final Duration LIMIT = Duration.ofSeconds(60);

    private TorchrunWorker() {}

    public static void main(String[] arguments) {
        int rank = Integer.parseInt(System.getenv("RANK"));
        int failing = Integer.parseInt(arguments[0]);
        int restarts = Integer.parseInt(System.getenv("TORCHELASTIC_RESTART_COUNT"));
        int allowed = Integer.parseInt(System.getenv("TORCHELASTIC_MAX_RESTARTS"));
        try (TorchrunAgreement agreement = TorchrunAgreement.reach(System.getenv(), LIMIT);
                TcpStore store =
                        TcpStore.connect(
                                agreement.address(),
                                agreement.token(),
                                agreement.options(),
                                LIMIT)) {
            store.set("rank" + rank, new byte[0], LIMIT);
            store.await(List.of("rank0", "rank1"), LIMIT);
            System.out.println("met=" + rank + " of restart " + restarts);
            if (failing >= 0 && restarts == allowed) {
                if (rank == failing) {
                    throw new IllegalStateException("the disk is full");
                }
                throw RankFailedException.of(
                        "world", failing, "here", 1, 3, "in a step", new Exception("gone"));
            }
            store.add("leaving", 1, LIMIT);
            while (rank == 0 && store.add("leaving", 0, LIMIT) < 2) {
                Thread.onSpinWait();
            }
        } catch (RuntimeException e) {
            ErrorFile.write(e);
            System.err.println("error: " + e);
            System.exit(1);
        }
        if (restarts < allowed) {
            System.exit(3);
        }
    }
}
