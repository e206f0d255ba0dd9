package org.yoloddp.nccl;

import java.util.EnumSet;
import java.util.Set;
import java.util.stream.IntStream;
import org.yoloddp.comm.Availability;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.CommunicatorProvider;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Store;
import org.yoloddp.error.YoloDdpException;

/**
 * Makes communicators over NCCL, for ranks on NVIDIA GPUs that are processes, or threads of one.
 *
 * <p>Nothing native is loaded before {@link #probe} or {@link #connect} is asked for a GPU.
 * Thread-safe.
 */
public final class NcclProvider implements CommunicatorProvider {

    /** The name of this communicator. */
    public static final String NAME = "nccl";

    /** For tests: host memory in place of a device's; the library must be the test double. */
    static final String HOST_BUFFERS = "yoloddp.nccl.testHostBuffers";

    private final NcclOptions options;
    private final Set<StreamWait> kept;

    /** Creates the provider with {@link NcclOptions#defaults()}. */
    public NcclProvider() {
        this(NcclOptions.defaults());
    }

    /**
     * Creates the provider.
     *
     * @param options where NCCL comes from, and how it is set up
     */
    public NcclProvider(NcclOptions options) {
        this(options, EnumSet.allOf(StreamWait.class));
    }

    /** Creates a provider that leaves out some waits, for a test that has to see it. */
    NcclProvider(NcclOptions options, Set<StreamWait> kept) {
        this.options = options;
        this.kept = Set.copyOf(kept);
    }

    private static boolean usesHostBuffers() {
        return Boolean.getBoolean(HOST_BUFFERS);
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Availability probe(MemoryDevice device) {
        if (!device.type().equals(NcclStream.CUDA) && !usesHostBuffers()) {
            return Availability.no("works on the memory of NVIDIA GPUs, not of " + device);
        }
        try {
            NcclLibrary library = load(device);
            int devices = library.cuda().getDeviceCount();
            if (device.index() >= devices) {
                return Availability.no("there are " + devices + " GPUs, and no " + device);
            }
            return Availability.yes(
                    "NCCL " + NcclVersion.text(library.version()) + " from " + library.file());
        } catch (YoloDdpException e) {
            return Availability.no(String.valueOf(e.getMessage()));
        }
    }

    private NcclLibrary load(MemoryDevice device) {
        boolean cuda = device.type().equals(NcclStream.CUDA);
        if (!cuda && !usesHostBuffers()) {
            throw NcclRefusal.hostMemory(device);
        }
        NcclLibrary library = NcclLibrary.load(options);
        if (!cuda && !library.isTestDouble()) {
            throw NcclRefusal.hostMemory(device);
        }
        return library;
    }

    /**
     * Connects a rank with all others. The threads of a process must each have a device of its own,
     * and {@code CUDA_MODULE_LOADING=EAGER} in their environment if they are several.
     *
     * <p>After an abort the same ranks may connect again, over the same store and in the same
     * processes; each has to do it as often as the others.
     *
     * @param context who the rank is, and where the others are found
     * @return this rank's communicator
     * @throws NcclRefusal if the ranks cannot work together, or do not come before the deadline
     * @throws org.yoloddp.natives.NativeLibraryException if there is no NCCL that can be used
     * @throws NcclException if NCCL fails
     */
    @Override
    public Communicator connect(GroupContext context) {
        Store store = NcclMeeting.world(context);
        NcclLibrary library = load(context.device());
        boolean host = context.device().isHost();
        int device = host ? context.localRank() : context.device().index();
        library.cuda().setDevice(device);
        String loading = System.getenv().getOrDefault("CUDA_MODULE_LOADING", "");
        NcclMeeting.Result met =
                new NcclMeeting(context, store).meet(library.version(), device, loading);
        Judge judge = context.rank() == 0 ? Judge.start(store, context.size()) : null;
        NcclSession session =
                new NcclSession(library, options, context, store, met, judge, host, kept);
        session.start();
        int[] world = IntStream.range(0, context.size()).toArray();
        NcclGroup group = new NcclGroup(session, Ledger.WORLD, "world", world, context.rank());
        session.add(group);
        NcclCommunicator communicator = new NcclCommunicator(session, group);
        try {
            group.device.open();
            NcclInit.connect(group);
        } catch (RuntimeException e) {
            communicator.abort(e);
            communicator.close();
            throw e;
        }
        return communicator;
    }
}
