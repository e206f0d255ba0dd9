package org.yoloddp.comm;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;

/** Connects ranks that are threads of this JVM through a provider, as processes would. */
final class Connections {

    private Connections() {}

    static List<Communicator> connect(
            CommunicatorProvider provider, int size, Duration deadline, IntFunction<String> host)
            throws Exception {
        Store store = new InMemoryStore();
        ExecutorService threads = Executors.newFixedThreadPool(size);
        try {
            List<Future<Communicator>> futures = new ArrayList<>();
            for (int rank = 0; rank < size; rank++) {
                GroupContext context =
                        new GroupContext(
                                rank,
                                size,
                                rank,
                                host.apply(rank),
                                MemoryDevice.HOST,
                                store,
                                deadline);
                futures.add(threads.submit(() -> provider.connect(context)));
            }
            List<Communicator> world = new ArrayList<>();
            for (Future<Communicator> future : futures) {
                world.add(future.get(60, TimeUnit.SECONDS));
            }
            return world;
        } finally {
            threads.shutdownNow();
        }
    }
}
