package org.yoloddp.comm.tcp;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where the ranks of a group stand between hosts. Ranks that follow each other and share a host are
 * one run; the runs are the nodes of the chain, in the order of ranks, and the first rank of a run
 * keeps its connections. In the usual order of ranks a host has one run.
 */
final class Chain {

    private final int[] runs;
    private final int count;
    private final int rank;
    private final int[] worldRanks;
    private final String id;
    private final Links links;

    /** What waits to be written, forward and backward; empty between operations. */
    final Outgoing toNext = new Outgoing();

    final Outgoing toPrevious = new Outgoing();
    private @Nullable ByteBuffer incoming;

    /** Takes the hosts of the group's ranks, by any numbers. */
    Chain(int[] hosts, int rank, int[] worldRanks, String id, Links links) {
        this.runs = new int[hosts.length];
        int run = 0;
        for (int i = 1; i < hosts.length; i++) {
            run += hosts[i] == hosts[i - 1] ? 0 : 1;
            runs[i] = run;
        }
        this.count = run + 1;
        this.rank = rank;
        this.worldRanks = worldRanks;
        this.id = id;
        this.links = links;
    }

    int run(int member) {
        return runs[member];
    }

    int count() {
        return count;
    }

    /** Returns the rank that keeps a run's connections. */
    int leader(int run) {
        for (int i = 0; i < runs.length; i++) {
            if (runs[i] == run) {
                return i;
            }
        }
        throw new IllegalArgumentException("There is no run " + run);
    }

    boolean isLeader() {
        return leader(runs[rank]) == rank;
    }

    int[] members(int run) {
        List<Integer> members = new ArrayList<>();
        for (int i = 0; i < runs.length; i++) {
            if (runs[i] == run) {
                members.add(i);
            }
        }
        return members.stream().mapToInt(Integer::intValue).toArray();
    }

    boolean hasPrevious() {
        return runs[rank] > 0;
    }

    boolean hasNext() {
        return runs[rank] < count - 1;
    }

    Optional<Link> previous() {
        return links.get(id + " chain", worldRanks[leader(runs[rank] - 1)]);
    }

    Optional<Link> next() {
        return links.get(id + " chain", worldRanks[leader(runs[rank] + 1)]);
    }

    /** Tells whether the connections are there, which it has made if they were not. */
    boolean isConnected() {
        return (!hasPrevious() || previous().isPresent()) && (!hasNext() || next().isPresent());
    }

    Optional<Link> message(int peer) {
        return links.get(id + " message", worldRanks[peer]);
    }

    /** Returns memory for one slice on its way in. */
    ByteBuffer incoming(int bytes) {
        ByteBuffer memory = incoming;
        if (memory == null) {
            memory = Outgoing.memory();
            incoming = memory;
        }
        return memory.clear().limit(bytes);
    }
}
