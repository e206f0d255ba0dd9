package org.yoloddp;

import ai.djl.Device;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.CommunicatorProviders;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.RoutingCommunicator;
import org.yoloddp.comm.inprocess.InProcessCommunicator;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.torch.Devices;
import org.yoloddp.train.RankPlace;

/** Connects the ranks of this JVM: by its memory, and by the devices' communicator if needed. */
final class LocalRanks {

    private static final Logger LOG = LoggerFactory.getLogger(LocalRanks.class);

    private LocalRanks() {}

    /** Returns the places of the ranks, one per device. */
    static List<RankPlace> connect(List<Device> devices, Duration deadline, int threadsPerRank) {
        int size = devices.size();
        int cores = Runtime.getRuntime().availableProcessors();
        int threads = threadsPerRank > 0 ? threadsPerRank : Math.max(1, cores / size);
        InMemoryStore store = new InMemoryStore();
        List<Communicator> members = InProcessCommunicator.group(size, deadline, store);
        List<MemoryDevice> memories = devices.stream().map(Devices::memory).toList();
        if (size > 1 && !memories.get(0).isHost()) {
            try {
                members =
                        join(
                                CommunicatorProviders.require(memories.get(0)),
                                members,
                                memories,
                                deadline);
            } catch (RuntimeException | Error e) {
                members.forEach(Communicator::close);
                throw e;
            }
        }
        List<RankPlace> places = new ArrayList<>();
        for (Communicator member : members) {
            int rank = member.rank();
            places.add(new RankPlace(member, devices.get(rank), rank, size, threads, store));
        }
        return places;
    }

    /** Ranks connect at the same time, since each waits for the others. */
    static List<Communicator> join(
            CommunicatorProvider provider,
            List<Communicator> hosts,
            List<MemoryDevice> devices,
            Duration deadline) {
        LOG.info("ranks on {} exchange gradients by '{}'", devices, provider.name());
        InMemoryStore store = new InMemoryStore();
        ExecutorService connecting =
                Executors.newFixedThreadPool(
                        hosts.size(),
                        task -> {
                            Thread thread = new Thread(task, "yolo-ddp-connect");
                            thread.setDaemon(true);
                            return thread;
                        });
        List<Future<Communicator>> pending = new ArrayList<>();
        for (int i = 0; i < devices.size(); i++) {
            GroupContext context =
                    new GroupContext(
                            i,
                            devices.size(),
                            i,
                            GroupContext.localHostId(),
                            devices.get(i),
                            store,
                            deadline);
            pending.add(connecting.submit(() -> provider.connect(context)));
        }
        connecting.shutdown();
        List<Communicator> made = new ArrayList<>();
        RuntimeException failure = null;
        long end = System.nanoTime() + deadline.toNanos() + TimeUnit.SECONDS.toNanos(10);
        for (Future<Communicator> rank : pending) {
            try {
                long left = Math.max(1, end - System.nanoTime());
                made.add(rank.get(left, TimeUnit.NANOSECONDS));
            } catch (ExecutionException e) {
                failure = add(failure, e.getCause());
            } catch (TimeoutException e) {
                failure = add(failure, late(provider, devices, deadline));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                failure = add(failure, late(provider, devices, Duration.ZERO));
            }
        }
        if (failure != null) {
            connecting.shutdownNow();
            made.forEach(Communicator::close);
            throw failure;
        }
        List<Communicator> joined = new ArrayList<>();
        for (int i = 0; i < hosts.size(); i++) {
            joined.add(RoutingCommunicator.of(hosts.get(i), made.get(i)));
        }
        return joined;
    }

    private static ConfigurationException late(
            CommunicatorProvider provider, List<MemoryDevice> devices, Duration deadline) {
        return new ConfigurationException(
                "the communicator '"
                        + provider.name()
                        + "' has not connected the devices "
                        + devices
                        + (deadline.isZero()
                                ? " before the thread was interrupted"
                                : " within " + deadline.toSeconds() + " s; see its log"));
    }

    private static RuntimeException add(@Nullable RuntimeException first, Throwable more) {
        RuntimeException failure =
                more instanceof RuntimeException e ? e : new IllegalStateException(more);
        if (first == null) {
            return failure;
        }
        first.addSuppressed(failure);
        return first;
    }
}
