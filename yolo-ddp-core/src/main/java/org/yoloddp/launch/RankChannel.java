package org.yoloddp.launch;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.rendezvous.StoreServer;

/**
 * What node 0 and the failure channel of the ranks know of each other. The channel hears ranks that
 * are silent, also if all are, of whom no process ends; the launchers see processes that end before
 * they have connected. Both must come to the same root cause.
 */
interface RankChannel {

    /** What the ranks of that generation were told that they failed of; empty while all is well. */
    Optional<CommunicationException> decision(int generation);

    /** Lets the ranks know which of them failed first, before they are made to end. */
    void tell(int generation, WorkerFailure root);

    /** Lets the ranks know that one ended as it should, or might, for who waits for it to come. */
    void left(int generation, WorkerFailure end);

    /** That of the ranks that a server connects. */
    static RankChannel of(StoreServer server) {
        Decided last = new Decided();
        server.onFailure(last::set);
        return new RankChannel() {
            @Override
            public Optional<CommunicationException> decision(int generation) {
                return last.of(generation);
            }

            @Override
            public void tell(int generation, WorkerFailure root) {
                server.rankFailed(generation, root.rank(), root.host(), root.pid(), root.how());
            }

            @Override
            public void left(int generation, WorkerFailure end) {
                server.rankLeft(generation, end.rank(), end.host(), end.pid(), end.how());
            }
        };
    }

    /** The last decision: set by the server's thread, read by the launcher's. */
    final class Decided {

        private record Entry(int generation, CommunicationException failure) {}

        private final AtomicReference<@Nullable Entry> last = new AtomicReference<>();

        void set(int generation, CommunicationException failure) {
            last.set(new Entry(generation, failure));
        }

        Optional<CommunicationException> of(int generation) {
            return Optional.ofNullable(last.get())
                    .filter(entry -> entry.generation() == generation)
                    .map(Entry::failure);
        }
    }
}
