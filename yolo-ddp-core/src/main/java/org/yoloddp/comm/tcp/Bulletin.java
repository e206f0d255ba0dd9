package org.yoloddp.comm.tcp;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;
import org.yoloddp.error.YoloDdpException;

/**
 * How ranks of several hosts learn of failures, and ask each other where they are: by a numbered
 * list of notes in the store, which a thread of each rank follows. The first failure of a group
 * wins, because the store decides.
 */
final class Bulletin implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Bulletin.class);
    private static final Duration CALL = Duration.ofSeconds(5);
    private static final Duration LOOK = Duration.ofSeconds(1);
    private static final Duration ANSWER = Duration.ofSeconds(2);
    private static final Duration AT_ONCE = Duration.ofMillis(20);
    private static final long TURN_NANOS = Duration.ofSeconds(5).toNanos();
    private static final byte[] FREE = {0};

    /** A note: a failure's group, or a question with its number. */
    private record Note(boolean question, String group, long id) {}

    private final Session session;
    private final Store store;
    private volatile boolean closed;

    Bulletin(Session session, Store store) {
        this.session = session;
        this.store = store;
        Thread thread = new Thread(this::follow, "yolo-ddp-tcp-" + session.rank + "-notes");
        thread.setDaemon(true);
        thread.start();
    }

    private static String failureKey(String group) {
        return "tcp/failure/" + group;
    }

    /**
     * Tells whether the ranks end anyway, told by the failure channel. The store may be out of
     * reach then, and each call to it would only take until its deadline.
     */
    private boolean isOver() {
        return session.decision().isPresent();
    }

    /** Posts a failure, unless there is one; returns the one that holds. */
    byte[] fail(String group, byte[] record) {
        if (isOver()) {
            return record;
        }
        try {
            if (store.compareAndSet(failureKey(group), null, record, CALL)) {
                post(new Note(false, group, 0));
                return record;
            }
            return store.get(failureKey(group), CALL);
        } catch (YoloDdpException e) {
            LOG.warn("Rank {} cannot tell the others of a failure: {}", session.rank, e.toString());
            return record;
        }
    }

    private void post(Note note) {
        long number = store.add("tcp/notes", 1, CALL) - 1;
        byte[] bytes =
                Codec.bytes(
                        out -> {
                            out.writeBoolean(note.question);
                            Codec.writeText(out, note.group);
                            out.writeLong(note.id);
                        });
        store.set("tcp/note/" + number, bytes, CALL);
    }

    /** Says where a rank is in a group that it leaves. */
    void leave(String group, int rank, Answer last) {
        if (isOver()) {
            return;
        }
        try {
            store.set("tcp/left/" + group + "/" + rank, last.bytes(), CALL);
        } catch (YoloDdpException e) {
            LOG.debug("the others will see it by its connections", e);
        }
    }

    /** Finds out whether a rank has left a group, and where it was then. */
    Optional<Answer> left(String group, int rank) {
        return read("tcp/left/" + group + "/" + rank, AT_ONCE);
    }

    private Optional<Answer> read(String key, Duration deadline) {
        try {
            return Optional.of(Answer.of(store.get(key, deadline)));
        } catch (YoloDdpException e) {
            return Optional.empty();
        }
    }

    /** Asks ranks of other hosts where they are in a group; who does not answer is left out. */
    Map<Integer, Answer> ask(String group, Iterable<Integer> ranks) {
        Map<Integer, Answer> answers = new HashMap<>();
        if (isOver()) {
            return answers;
        }
        try {
            long id = store.add("tcp/questions", 1, CALL);
            post(new Note(true, group, id));
            long end = System.nanoTime() + ANSWER.toNanos();
            for (int rank : ranks) {
                Optional<Answer> answer = left(group, rank);
                if (answer.isEmpty()) {
                    long remaining = Math.max(1_000_000, end - System.nanoTime());
                    answer = read("tcp/answer/" + id + "/" + rank, Duration.ofNanos(remaining));
                }
                answer.ifPresent(known -> answers.put(rank, known));
            }
        } catch (YoloDdpException e) {
            LOG.warn("Rank {} cannot ask the others: {}", session.rank, e.toString());
        }
        return answers;
    }

    /** Takes the right to find out why a collective is late; broken after some seconds. */
    void takeTurn() {
        if (isOver()) {
            return;
        }
        long end = System.nanoTime() + TURN_NANOS;
        byte[] mine = Integer.toString(session.rank).getBytes(StandardCharsets.US_ASCII);
        try {
            while (System.nanoTime() - end < 0
                    && !store.compareAndSet("tcp/turn", null, mine, CALL)
                    && !store.compareAndSet("tcp/turn", FREE, mine, CALL)) {
                LockSupport.parkNanos(5_000_000);
            }
        } catch (YoloDdpException e) {
            LOG.debug("without a turn", e);
        }
    }

    void endTurn() {
        if (isOver()) {
            return;
        }
        try {
            store.set("tcp/turn", FREE, CALL);
        } catch (YoloDdpException e) {
            LOG.debug("others break it", e);
        }
    }

    private void follow() {
        long next = 0;
        while (!closed) {
            byte[] bytes;
            try {
                bytes = store.get("tcp/note/" + next, LOOK);
            } catch (StoreTimeoutException e) {
                continue;
            } catch (YoloDdpException e) {
                if (!closed) {
                    LOG.debug("the store is gone", e);
                }
                return;
            }
            next++;
            take(bytes);
        }
    }

    private void take(byte[] bytes) {
        Note note =
                Codec.read(
                        bytes, in -> new Note(in.readBoolean(), Codec.readText(in), in.readLong()));
        @Nullable SharedGroup group =
                session.groups().stream()
                        .filter(g -> g.id.equals(note.group))
                        .findFirst()
                        .orElse(null);
        if (group == null) {
            return;
        }
        try {
            if (note.question) {
                String key = "tcp/answer/" + note.id + "/" + session.rank;
                store.set(key, group.answer().bytes(), CALL);
            } else {
                group.failHere(store.get(failureKey(note.group), CALL));
            }
        } catch (YoloDdpException e) {
            LOG.debug("a note that leads nowhere", e);
        }
    }

    @Override
    public void close() {
        closed = true;
    }
}
