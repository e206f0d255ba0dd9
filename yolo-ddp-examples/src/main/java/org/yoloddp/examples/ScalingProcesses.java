package org.yoloddp.examples;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.rendezvous.JobToken;
import org.yoloddp.rendezvous.StoreOptions;
import org.yoloddp.rendezvous.StoreServer;

/**
 * Ranks of {@code bench scaling} that are processes of this machine, each with all ways at hand.
 */
final class ScalingProcesses implements AutoCloseable {

    private final StoreServer store;
    private final RankProcesses ranks;

    private ScalingProcesses(StoreServer store, RankProcesses ranks) {
        this.store = store;
        this.ranks = ranks;
    }

    /**
     * Starts them and waits until they have met.
     *
     * @param size how many
     * @param model what to train, as options
     * @param threads of each
     */
    static ScalingProcesses start(int size, List<String> model, int threads) {
        StoreServer store =
                StoreServer.start(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        JobToken.none(),
                        StoreOptions.defaults());
        try {
            RankProcesses ranks =
                    new RankProcesses(
                            "scaling",
                            size,
                            rank -> {
                                List<String> command =
                                        new ArrayList<>(
                                                List.of(
                                                        "bench",
                                                        "scaling-rank",
                                                        "--rank=" + rank,
                                                        "--size=" + size,
                                                        "--store-port=" + store.address().getPort(),
                                                        "--threads=" + threads));
                                command.addAll(model);
                                return TurnProcess.ours(command);
                            });
            return new ScalingProcesses(store, ranks);
        } catch (RuntimeException e) {
            store.close();
            throw e;
        }
    }

    Map<String, VariantBench.Way> ways() {
        Map<String, VariantBench.Way> ways = new LinkedHashMap<>();
        for (String name :
                List.of(VariantBench.INDEPENDENT, VariantBench.BARRIER_ONLY, VariantBench.FULL)) {
            ways.put(
                    name,
                    steps ->
                            ranks.run(steps, name).stream().map(TurnProcess.Turn::millis).toList());
        }
        return ways;
    }

    @Override
    public void close() {
        ranks.close();
        store.close();
    }
}
