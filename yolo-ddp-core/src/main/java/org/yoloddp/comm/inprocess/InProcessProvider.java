package org.yoloddp.comm.inprocess;

import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Availability;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.InMemoryStore;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.error.ConfigurationException;

/**
 * Makes {@link InProcessCommunicator}s for ranks that find each other through one {@link
 * InMemoryStore}. Code that starts the ranks itself has it shorter with {@link
 * InProcessCommunicator#group}.
 */
public final class InProcessProvider implements CommunicatorProvider {

    /** Creates the provider. */
    public InProcessProvider() {}

    /** The communicators of a world that no rank has taken yet. */
    private static final class Places {

        private final AtomicReferenceArray<@Nullable Communicator> places;

        Places(List<Communicator> group) {
            this.places = new AtomicReferenceArray<>(group.toArray(new Communicator[0]));
        }
    }

    @Override
    public String name() {
        return InProcessCommunicator.NAME;
    }

    @Override
    public Availability probe(MemoryDevice device) {
        return device.equals(MemoryDevice.HOST)
                ? Availability.yes("ranks are threads of this JVM")
                : Availability.no("works on the memory of the host, not of " + device);
    }

    @Override
    public Communicator connect(GroupContext context) {
        if (!(context.store() instanceof InMemoryStore store)) {
            throw new ConfigurationException(
                    "The communicator 'in-process' connects threads of one JVM, which share an"
                            + " InMemoryStore, not a "
                            + context.store().getClass().getSimpleName());
        }
        Places world =
                (Places)
                        store.share(
                                "in-process/" + context.size(),
                                () ->
                                        new Places(
                                                InProcessCommunicator.group(
                                                        context.size(),
                                                        context.deadline(),
                                                        store)));
        Communicator mine = world.places.getAndSet(context.rank(), null);
        if (mine == null) {
            throw new ConfigurationException(
                    "Rank " + context.rank() + " has connected through this store before");
        }
        mine.barrier("connect").await(context.deadline());
        return mine;
    }
}
