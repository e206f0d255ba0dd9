package org.yoloddp.rendezvous;

import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.CommunicationException;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;
import org.yoloddp.error.ConfigurationException;

/**
 * The moment at which all ranks of a world are there, and agree to be one.
 *
 * <p>Each rank leaves a note of itself in the store and waits for those of the others; who is
 * missing is logged every 10 seconds. A second process of a rank is refused, and the others go on;
 * if ranks differ in the size of the world, or in a fact that all must have in common, all of them
 * end with the same message. A failure that the store's failure channel tells ends the wait as
 * well.
 */
public final class Rendezvous {

    private static final Logger LOG = LoggerFactory.getLogger(Rendezvous.class);
    private static final Duration NOTICE = Duration.ofSeconds(10);
    private static final Duration SLICE = Duration.ofMillis(500);
    private static final String SIZE = "rendezvous/size";
    private static final String RANK = "rendezvous/rank/";
    private static final String REFUSED = "rendezvous/refused";
    private static final String NOTES = "rendezvous/notes";
    private static final String VERDICT = "rendezvous/verdict";
    private static final String LATE = "rendezvous/late";

    private final Store store;
    private final Hello me;
    private final int size;
    private final Map<String, String> facts;
    private final Duration deadline;
    private final long end;
    private final Duration noticeEvery;
    private final Consumer<String> notices;
    private long lastNotice = System.nanoTime();
    private long notesSeen;

    private Rendezvous(
            Store store,
            Hello me,
            int size,
            Map<String, String> facts,
            Duration deadline,
            Duration noticeEvery,
            Consumer<String> notices) {
        this.store = store;
        this.me = me;
        this.size = size;
        this.facts = new LinkedHashMap<>(facts);
        this.deadline = deadline;
        this.end = System.nanoTime() + deadline.toNanos();
        this.noticeEvery = noticeEvery;
        this.notices = notices;
    }

    /**
     * Waits for all ranks.
     *
     * @param store where they meet; a {@link TcpStore} with its generation, so that ranks of a
     *     former one are not met
     * @param rank this rank
     * @param size the number of ranks
     * @param facts what all ranks must have in common, such as the version of libtorch, by name
     * @param deadline how long to wait
     * @return who the ranks are, in order
     * @throws RendezvousTimeoutException if some do not come in time
     * @throws RendezvousRefusedException if the processes do not make one world
     * @throws RendezvousInterruptedException if the thread is interrupted while some are missing
     * @throws CommunicationException if a rank that has come fails meanwhile
     * @throws ConfigurationException if the rank is not below the size
     */
    public static List<Hello> join(
            Store store, int rank, int size, Map<String, String> facts, Duration deadline) {
        return join(store, rank, size, facts, deadline, NOTICE, LOG::info);
    }

    static List<Hello> join(
            Store store,
            int rank,
            int size,
            Map<String, String> facts,
            Duration deadline,
            Duration noticeEvery,
            Consumer<String> notices) {
        if (rank < 0 || rank >= size) {
            throw new ConfigurationException(
                    "Rank " + rank + " of " + size + " cannot be: RANK is below WORLD_SIZE");
        }
        Hello me = Hello.of("rendezvous", "", -1, rank);
        return new Rendezvous(store, me, size, facts, deadline, noticeEvery, notices).run();
    }

    private record Note(Hello rank, Map<String, String> facts) {

        byte[] toBytes() {
            return new MessageWriter().bytes(rank.toBytes()).table(facts).toBytes();
        }

        static Note of(byte[] bytes) {
            try {
                MessageReader in = new MessageReader(bytes);
                return new Note(Hello.of(in.bytes()), in.table());
            } catch (MalformedMessageException e) {
                throw new IllegalStateException("Not a note of a rank: " + e.getMessage(), e);
            }
        }
    }

    private List<Hello> run() {
        try {
            return meet();
        } catch (CommunicationException e) {
            // Whoever refuses the others, or has waited long enough, reports a failure too; but the
            // refusal says more, as does who is missing.
            checkRefused();
            checkLate();
            throw e;
        }
    }

    private List<Hello> meet() {
        agreeOnSize();
        appear();
        List<String> all = IntStream.range(0, size).mapToObj(rank -> RANK + rank).toList();
        awaitAll(all);
        List<Note> notes = all.stream().map(key -> Note.of(store.get(key, left()))).toList();
        if (me.rank() == 0) {
            judge(notes);
        }
        awaitAll(List.of(VERDICT));
        return notes.stream().map(Note::rank).toList();
    }

    private void agreeOnSize() {
        byte[] mine = new MessageWriter().bytes(me.toBytes()).int32(size).toBytes();
        if (store.compareAndSet(SIZE, null, mine, left())) {
            return;
        }
        try {
            MessageReader in = new MessageReader(store.get(SIZE, left()));
            Hello first = Hello.of(in.bytes());
            int firstSize = in.int32();
            if (firstSize != size) {
                refuseAll(
                        RendezvousRefusedException.size(
                                me.describe(), size, first.describe(), firstSize));
            }
        } catch (MalformedMessageException e) {
            throw new IllegalStateException("Not the size of a world: " + e.getMessage(), e);
        }
    }

    private void appear() {
        Note mine = new Note(me, facts);
        String key = RANK + me.rank();
        if (!store.compareAndSet(key, null, mine.toBytes(), left())) {
            Note first = Note.of(store.get(key, left()));
            RendezvousRefusedException refused =
                    RendezvousRefusedException.duplicate(me.describe(), first.rank().describe());
            long number = store.add(NOTES, 1, left());
            store.set(NOTES + "/" + number, utf8(refused), left());
            throw refused;
        }
    }

    /** Compares what the ranks say with what rank 0 says. */
    private void judge(List<Note> notes) {
        Note first = notes.get(0);
        List<String> differences = new ArrayList<>();
        for (Note note : notes.subList(1, notes.size())) {
            Set<String> names = new LinkedHashSet<>(first.facts().keySet());
            names.addAll(note.facts().keySet());
            for (String name : names) {
                String expected = first.facts().getOrDefault(name, "nothing");
                String found = note.facts().getOrDefault(name, "nothing");
                if (!found.equals(expected)) {
                    differences.add(
                            note.rank().describe()
                                    + " has "
                                    + name
                                    + " "
                                    + found
                                    + ", "
                                    + first.rank().describe()
                                    + " has "
                                    + expected);
                }
            }
        }
        if (!differences.isEmpty()) {
            refuseAll(RendezvousRefusedException.facts(differences));
        }
        store.set(VERDICT, new byte[0], left());
    }

    /** Ends all ranks; the first refusal counts. */
    private void refuseAll(RendezvousRefusedException refused) {
        store.compareAndSet(REFUSED, null, utf8(refused), left());
        throw refused;
    }

    private static byte[] utf8(Throwable failure) {
        return String.valueOf(failure.getMessage()).getBytes(StandardCharsets.UTF_8);
    }

    private void awaitAll(List<String> keys) {
        while (true) {
            long step = Math.min(Math.min(left().toNanos(), SLICE.toNanos()), untilNotice());
            try {
                store.await(keys, Duration.ofNanos(Math.max(1_000_000, step)));
                return;
            } catch (StoreTimeoutException e) {
                checkOthers();
                List<Integer> missing = e.missing().stream().map(this::rankOf).toList();
                if (Thread.currentThread().isInterrupted()) {
                    throw RendezvousInterruptedException.of(me.rank(), missing, size);
                }
                if (left().isZero()) {
                    store.compareAndSet(LATE, null, bytes(missing), SLICE);
                    throw timeout(missing);
                }
                if (untilNotice() <= 0) {
                    lastNotice = System.nanoTime();
                    notices.accept(
                            "waiting for ranks ["
                                    + Texts.numbers(missing)
                                    + "] of "
                                    + size
                                    + ", "
                                    + left().toSeconds()
                                    + " s left");
                }
            }
        }
    }

    /** The verdict is rank 0's. Keys may come back with a prefix. */
    private int rankOf(String key) {
        return key.endsWith(VERDICT)
                ? 0
                : Integer.parseInt(key.substring(key.lastIndexOf('/') + 1));
    }

    private RendezvousTimeoutException timeout(List<Integer> missing) {
        List<String> present =
                IntStream.range(0, size)
                        .filter(rank -> !missing.contains(rank))
                        .mapToObj(rank -> now(RANK + rank))
                        .flatMap(Optional::stream)
                        .map(bytes -> Note.of(bytes).rank().describe())
                        .toList();
        return RendezvousTimeoutException.of(missing, present, size, deadline);
    }

    private void checkRefused() {
        Optional<byte[]> refused = now(REFUSED);
        if (refused.isPresent()) {
            throw RendezvousRefusedException.told(
                    new String(refused.get(), StandardCharsets.UTF_8));
        }
    }

    /** All ranks name the same who are missing: those that the first did not want to wait for. */
    private void checkLate() {
        Optional<byte[]> late = now(LATE);
        if (late.isPresent()) {
            IntBuffer missing = ByteBuffer.wrap(late.get()).asIntBuffer();
            throw timeout(IntStream.generate(missing::get).limit(missing.limit()).boxed().toList());
        }
    }

    private static byte[] bytes(List<Integer> ranks) {
        ByteBuffer bytes = ByteBuffer.allocate(ranks.size() * Integer.BYTES);
        ranks.forEach(bytes::putInt);
        return bytes.array();
    }

    private void checkOthers() {
        checkRefused();
        for (long notes = store.add(NOTES, 0, left()); notesSeen < notes; notesSeen++) {
            now(NOTES + "/" + (notesSeen + 1))
                    .ifPresent(
                            note ->
                                    LOG.warn(
                                            "refused: {}",
                                            new String(note, StandardCharsets.UTF_8)));
        }
    }

    private Optional<byte[]> now(String key) {
        try {
            return Optional.of(store.get(key, Duration.ZERO));
        } catch (StoreTimeoutException e) {
            return Optional.empty();
        }
    }

    private long untilNotice() {
        return lastNotice + noticeEvery.toNanos() - System.nanoTime();
    }

    private Duration left() {
        long nanos = end - System.nanoTime();
        return nanos < TimeUnit.MILLISECONDS.toNanos(1) ? Duration.ZERO : Duration.ofNanos(nanos);
    }
}
