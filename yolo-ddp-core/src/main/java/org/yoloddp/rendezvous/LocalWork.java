package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.RankFailedException;
import org.yoloddp.comm.RemoteCauseException;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;

/**
 * Waits for what ranks do by themselves, such as making a model, judging their share of the data or
 * saving.
 *
 * <p>A collective would do, but for its deadline: that is made for an exchange of data, and the
 * work of a rank may take as long as it needs while it makes progress. So the ranks meet in their
 * store: who is through leaves a note; who waits says every 10 seconds for whom and what that one
 * does. A failure of the job ends the wait at once, as the store tells it. A rank that makes no
 * progress for longer than its phase allows ({@link Heartbeats#stallTimeout}) fails: the failure
 * channel finds that out; where there is none, since ranks are threads, whoever waits does, a
 * little later.
 *
 * <p>One object per rank, used by one thread, in the same order on all ranks.
 */
public final class LocalWork {

    private static final Logger LOG = LoggerFactory.getLogger(LocalWork.class);
    private static final Duration NOTICE = Duration.ofSeconds(10);
    private static final Duration CALL = Duration.ofSeconds(30);
    private static final long OFTEN_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Store store;
    private final int rank;
    private final Heartbeats limits;
    private final LongSupplier nanoTime;
    private final Duration noticeEvery;
    private final Consumer<String> notices;
    private long meetings;
    private long sign;
    private long signed;
    private String phase = "";

    LocalWork(
            Store store,
            int rank,
            Heartbeats limits,
            LongSupplier nanoTime,
            Duration noticeEvery,
            Consumer<String> notices) {
        this.store = store;
        this.rank = rank;
        this.limits = limits;
        this.nanoTime = nanoTime;
        this.noticeEvery = noticeEvery;
        this.notices = notices;
    }

    /**
     * Creates it.
     *
     * @param store where the ranks leave notes
     * @param rank this rank
     * @param limits how long a rank may make no progress in each phase
     * @return the waits of this rank
     */
    public static LocalWork of(Store store, int rank, Heartbeats limits) {
        return new LocalWork(store, rank, limits, System::nanoTime, NOTICE, LOG::info);
    }

    /** A sign of life that a rank leaves in the store. */
    private record Sign(long number, String host, long pid, long step, String phase) {

        byte[] toBytes() {
            return new MessageWriter()
                    .int64(number)
                    .text(host)
                    .int64(pid)
                    .int64(step)
                    .text(phase)
                    .toBytes();
        }

        static Sign of(byte[] bytes) {
            try {
                MessageReader in = new MessageReader(bytes);
                return new Sign(in.int64(), in.text(), in.int64(), in.int64(), in.text());
            } catch (MalformedMessageException e) {
                throw new IllegalStateException("Not a sign of a rank: " + e.getMessage(), e);
            }
        }
    }

    /**
     * Tells those who wait for this rank that it makes progress. Cheap enough for each batch: the
     * store is told of a new phase, and then once a second.
     *
     * @param atPhase what it does
     * @param step the step it is about to do
     */
    public void progress(String atPhase, long step) {
        long now = nanoTime.getAsLong();
        if (sign > 0 && atPhase.equals(phase) && now - signed < OFTEN_NANOS) {
            return;
        }
        signed = now;
        phase = atPhase;
        Hello me = Hello.of("", "", -1, rank);
        Sign mine = new Sign(++sign, me.host(), me.pid(), step, atPhase);
        store.set(signKey(rank), mine.toBytes(), CALL);
    }

    private static String signKey(int of) {
        return "local/sign/" + of;
    }

    /**
     * Waits until some ranks have come here; they may be all. A rank that is not among them leaves
     * no note, and nobody waits for it.
     *
     * @param what what those ranks do, a phase of {@link Heartbeats}
     * @param workers those ranks
     * @throws RankFailedException if one of them makes no progress for too long
     * @throws org.yoloddp.comm.CommunicationException if the job fails meanwhile
     */
    public void await(String what, int... workers) {
        String place = "local/" + meetings++ + "/";
        List<Integer> missing = new ArrayList<>();
        for (int worker : workers) {
            if (worker == rank) {
                store.set(place + rank, new byte[0], CALL);
            } else {
                missing.add(worker);
            }
        }
        if (!missing.isEmpty()) {
            new Wait(what, place, missing).run();
        }
    }

    /** One wait. */
    private final class Wait {

        private final String what;
        private final String place;
        private final long began = nanoTime.getAsLong();
        private final Map<Integer, Long> moved = new HashMap<>();
        private final Map<Integer, Long> signs = new HashMap<>();
        private long noticed = began;
        private List<Integer> missing;

        Wait(String what, String place, List<Integer> missing) {
            this.what = what;
            this.place = place;
            this.missing = missing;
        }

        void run() {
            Duration limit = limits.stallTimeout(what, Duration.ZERO);
            long slice = Math.min(noticeEvery.toNanos(), limit.dividedBy(4).toNanos());
            while (true) {
                try {
                    List<String> keys = missing.stream().map(worker -> place + worker).toList();
                    store.await(keys, Duration.ofNanos(Math.max(1_000_000, slice)));
                    return;
                } catch (StoreTimeoutException e) {
                    missing = e.missing().stream().map(Wait::rankOf).toList();
                    look();
                }
            }
        }

        /** Keys may come back with a prefix. */
        private static int rankOf(String key) {
            return Integer.parseInt(key.substring(key.lastIndexOf('/') + 1));
        }

        private void look() {
            long now = nanoTime.getAsLong();
            List<String> doing = new ArrayList<>();
            for (int worker : missing) {
                Optional<Sign> found = find(worker);
                long number = found.map(Sign::number).orElse(0L);
                if (!Long.valueOf(number).equals(signs.put(worker, number))) {
                    moved.put(worker, now);
                }
                String does = found.map(Sign::phase).orElse(what);
                if (!Heartbeats.isWaiting(does)) {
                    requireProgress(worker, found, does, now - moved.get(worker));
                }
                doing.add("rank " + worker + ": " + does);
            }
            if (now - noticed >= noticeEvery.toNanos()) {
                noticed = now;
                notices.accept(
                        "waiting for "
                                + String.join("; ", doing)
                                + ", "
                                + TimeUnit.NANOSECONDS.toSeconds(now - began)
                                + " s so far");
            }
        }

        private Optional<Sign> find(int worker) {
            try {
                return Optional.of(Sign.of(store.get(signKey(worker), Duration.ZERO)));
            } catch (StoreTimeoutException e) {
                return Optional.empty();
            }
        }

        /** The failure channel, which knows more, goes first where there is one. */
        private void requireProgress(int worker, Optional<Sign> found, String does, long idle) {
            Duration limit = limits.stallTimeout(does, Duration.ZERO);
            if (idle <= limit.plus(limits.silence()).toNanos()) {
                return;
            }
            long pid = found.map(Sign::pid).orElse(-1L);
            boolean isHere = pid == ProcessHandle.current().pid();
            throw RankFailedException.of(
                    "world",
                    worker,
                    found.map(Sign::host).orElse("an unknown host"),
                    pid,
                    found.map(Sign::step).orElse(-1L),
                    "in phase '" + does + "'",
                    RemoteCauseException.seen(
                            "no progress for more than "
                                    + limit.toMillis()
                                    + " ms while rank "
                                    + rank
                                    + " waits for it"),
                    isHere ? ThreadStacks.ofRank(worker) : List.of());
        }
    }
}
