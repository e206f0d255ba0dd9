package org.yoloddp.nccl;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.IntStream;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.GroupContext;
import org.yoloddp.comm.MemoryDevice;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;
import org.yoloddp.rendezvous.PrefixStore;

/** What the ranks of a world tell each other over the store before there is a communicator. */
final class NcclMeeting {

    /** What tells this process from all others. */
    private static final String PROCESS = UUID.randomUUID().toString();

    private static final String EAGER = "EAGER";

    /** How long the others may take to see why they are refused. */
    private static final Duration SEEN = Duration.ofSeconds(2);

    /**
     * What came of it.
     *
     * @param device the number of this rank's device
     * @param nonce what no other world has
     * @param locals the ranks that are threads of this process, this one too
     */
    record Result(int device, String nonce, Set<Integer> locals) {}

    private final GroupContext context;
    private final Store store;

    /**
     * Begins a new world: what its ranks tell each other has a part of the store of its own, so
     * that those who connect again, as after an abort, do not find what they said before.
     */
    static Store world(GroupContext context) {
        Store all = new PrefixStore(context.store(), NcclProvider.NAME + "/");
        long number = all.add("worlds/" + context.rank(), 1, context.deadline());
        return new PrefixStore(all, number + "/");
    }

    NcclMeeting(GroupContext context, Store store) {
        this.context = context;
        this.store = store;
    }

    /**
     * Meets all ranks; every rank sees the same and so refuses the same.
     *
     * @throws NcclRefusal if they cannot work together
     */
    Result meet(int version, int device, String moduleLoading) {
        String own = UUID.randomUUID().toString();
        String fact = String.join("\n", PROCESS, own, "" + version, "" + device);
        store.set(key(context.rank()), fact.getBytes(StandardCharsets.UTF_8), deadline());
        store.await(
                IntStream.range(0, context.size()).mapToObj(NcclMeeting::key).toList(), deadline());
        SortedMap<Integer, Integer> versions = new TreeMap<>();
        Map<String, Integer> devices = new HashMap<>();
        Set<Integer> locals = new TreeSet<>();
        List<String> nonces = new ArrayList<>();
        for (int rank = 0; rank < context.size(); rank++) {
            String[] facts = facts(rank);
            versions.put(rank, Integer.valueOf(facts[2]));
            nonces.add(facts[1]);
            if (facts[0].equals(PROCESS)) {
                locals.add(rank);
            }
            Integer first = devices.putIfAbsent(facts[0] + " " + facts[3], rank);
            if (first != null) {
                int number = Integer.parseInt(facts[3]);
                throw refuse(
                        NcclRefusal.sharedDevice(
                                first, rank, new MemoryDevice(NcclStream.CUDA, number)));
            }
        }
        if (new TreeSet<>(versions.values()).size() > 1) {
            throw refuse(NcclRefusal.mixedVersions(versions));
        }
        if (locals.size() > 1 && !moduleLoading.toUpperCase(Locale.ROOT).equals(EAGER)) {
            throw NcclRefusal.lazyLoading(
                    locals.size(), moduleLoading.isEmpty() ? "not set" : moduleLoading);
        }
        return new Result(device, nonces.get(0), locals);
    }

    /**
     * Lets all ranks come to the refusal that they all see: the failure of the first would end the
     * others' reading, and they would name that rank instead of the reason.
     */
    private NcclRefusal refuse(NcclRefusal refusal) {
        try {
            store.set("refused/" + context.rank(), new byte[0], SEEN);
            store.await(
                    IntStream.range(0, context.size()).mapToObj(r -> "refused/" + r).toList(),
                    SEEN);
        } catch (StoreTimeoutException | CommunicationException e) {
            refusal.addSuppressed(e);
        }
        return refusal;
    }

    private String[] facts(int rank) {
        return new String(store.get(key(rank), deadline()), StandardCharsets.UTF_8).split("\n", -1);
    }

    private static String key(int rank) {
        return "facts/" + rank;
    }

    private Duration deadline() {
        return context.deadline();
    }
}
