package org.yoloddp.rendezvous;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The values of a store and those who wait for them; used by the server's thread.
 *
 * <p>A wait is an entry with a timer, so it blocks nobody; it goes with its connection.
 */
final class StoreTable implements Service {

    private static final int MAX_WAITS = 10_000;

    /** A request that waits for keys. */
    private final class Wait {
        final Connection connection;
        final long id;
        final int operation;
        final List<String> keys;
        final Set<String> missing;
        EventLoop.@Nullable Timer timer;

        Wait(Connection connection, long id, int operation, List<String> keys) {
            this.connection = connection;
            this.id = id;
            this.operation = operation;
            this.keys = keys;
            this.missing = new HashSet<>(keys);
        }
    }

    /** A client and its waits by the number of the request. */
    private static final class Client {
        final Map<Long, Wait> waits = new HashMap<>();
    }

    private final EventLoop loop;
    private final long maxBytes;
    private final Map<String, byte[]> values = new HashMap<>();
    private final Map<String, Set<Wait>> waiting = new HashMap<>();
    private final Map<Connection, Client> clients = new HashMap<>();
    private long bytes;

    StoreTable(EventLoop loop, long maxBytes) {
        this.loop = loop;
        this.maxBytes = maxBytes;
    }

    @Override
    public Optional<String> objection(Hello client) {
        return clients.keySet().stream()
                .map(Connection::peer)
                .filter(
                        other ->
                                client.rank() >= 0
                                        && other.rank() == client.rank()
                                        && other.generation() == client.generation())
                .findFirst()
                .map(
                        other ->
                                client.describe()
                                        + " has come, but "
                                        + other.describe()
                                        + " is connected already");
    }

    /** Tells a connected process of this rank something to be logged. */
    void note(int generation, int rank, String text) {
        for (Connection connection : clients.keySet()) {
            Hello peer = connection.peer();
            if (peer.rank() == rank && peer.generation() == generation) {
                connection.send(answer(0, Protocol.NOTE).text(text));
            }
        }
    }

    @Override
    public void begin(int generation) {
        values.entrySet()
                .removeIf(
                        entry -> {
                            boolean old = isBefore(entry.getKey(), generation);
                            bytes -= old ? size(entry.getKey(), entry.getValue()) : 0;
                            return old;
                        });
    }

    private static boolean isBefore(String key, int generation) {
        int slash = key.indexOf('/');
        if (slash < 2 || key.charAt(0) != 'g') {
            return false;
        }
        try {
            return Integer.parseInt(key, 1, slash, 10) < generation;
        } catch (NumberFormatException e) {
            return false;
        }
    }

    @Override
    public void opened(Connection connection) {
        clients.put(connection, new Client());
    }

    @Override
    public void closed(Connection connection, Exception why) {
        Client client = clients.remove(connection);
        if (client != null) {
            new ArrayList<>(client.waits.values()).forEach(this::forget);
        }
    }

    @Override
    public void received(Connection connection, byte[] frame) throws IOException {
        MessageReader in = new MessageReader(frame);
        int operation = in.int8();
        long id = in.int64();
        Duration limit = Duration.ofMillis(Math.max(0, in.int64()));
        String prefix = Protocol.prefix(connection.peer().generation());
        switch (operation) {
            case Protocol.SET -> {
                boolean fits = put(prefix + in.text(), in.bytes());
                connection.send(fits ? answer(id, Protocol.OK) : full(id));
            }
            case Protocol.GET, Protocol.TAKE ->
                    await(connection, id, operation, List.of(prefix + in.text()), limit);
            case Protocol.AWAIT ->
                    await(
                            connection,
                            id,
                            operation,
                            in.texts().stream().map(key -> prefix + key).toList(),
                            limit);
            case Protocol.ADD -> connection.send(add(id, prefix + in.text(), in.int64()));
            case Protocol.COMPARE_AND_SET -> {
                String key = prefix + in.text();
                byte[] expected = in.optional();
                connection.send(compareAndSet(id, key, expected, in.bytes()));
            }
            case Protocol.CANCEL -> {
                Wait wait = client(connection).waits.get(id);
                if (wait != null) {
                    forget(wait);
                }
            }
            default -> throw new MalformedMessageException("operation " + operation);
        }
    }

    private Client client(Connection connection) throws IOException {
        Client client = clients.get(connection);
        if (client == null) {
            throw new IOException("it has left");
        }
        return client;
    }

    private static MessageWriter answer(long id, int status) {
        return new MessageWriter().int64(id).int8(status);
    }

    private MessageWriter full(long id) {
        return answer(id, Protocol.REFUSED).text("it would hold more than " + maxBytes + " bytes");
    }

    private static long size(String key, byte[] value) {
        return 2L * key.length() + value.length + 100;
    }

    /** Stores a value if there is room, and wakes those who wait for it. */
    private boolean put(String key, byte[] value) {
        byte[] old = values.get(key);
        long change = size(key, value) - (old == null ? 0 : size(key, old));
        if (bytes + change > maxBytes) {
            return false;
        }
        bytes += change;
        values.put(key, value);
        Set<Wait> waits = waiting.getOrDefault(key, Set.of());
        // Whoever takes the value comes last, and only one of them.
        Wait taker = null;
        for (Wait wait : new ArrayList<>(waits)) {
            if (wait.operation == Protocol.TAKE) {
                taker = wait;
                continue;
            }
            waits.remove(wait);
            wait.missing.remove(key);
            if (wait.missing.isEmpty()) {
                forget(wait);
                succeed(wait);
            }
        }
        if (taker != null) {
            forget(taker);
            succeed(taker);
        }
        if (waits.isEmpty()) {
            waiting.remove(key, waits);
        }
        return true;
    }

    private void succeed(Wait wait) {
        MessageWriter answer = answer(wait.id, Protocol.OK);
        String key = wait.keys.isEmpty() ? "" : wait.keys.get(0);
        if (wait.operation == Protocol.GET || wait.operation == Protocol.TAKE) {
            answer.bytes(values.get(key));
        }
        if (wait.operation == Protocol.TAKE) {
            bytes -= size(key, values.remove(key));
        }
        wait.connection.send(answer);
    }

    private void await(
            Connection connection, long id, int operation, List<String> keys, Duration limit)
            throws IOException {
        Client client = client(connection);
        Wait wait = new Wait(connection, id, operation, keys);
        wait.missing.removeAll(values.keySet());
        if (wait.missing.isEmpty()) {
            succeed(wait);
        } else if (client.waits.size() >= MAX_WAITS) {
            connection.send(
                    answer(id, Protocol.REFUSED)
                            .text(MAX_WAITS + " calls of this process wait already"));
        } else if (limit.isZero()) {
            giveUp(wait);
        } else {
            client.waits.put(id, wait);
            wait.missing.forEach(
                    key -> waiting.computeIfAbsent(key, k -> new HashSet<>()).add(wait));
            wait.timer =
                    loop.schedule(
                            limit,
                            () -> {
                                forget(wait);
                                giveUp(wait);
                            });
        }
    }

    private static void giveUp(Wait wait) {
        int prefix = Protocol.prefix(wait.connection.peer().generation()).length();
        wait.connection.send(
                answer(wait.id, Protocol.MISSING)
                        .texts(
                                wait.keys.stream()
                                        .filter(wait.missing::contains)
                                        .map(key -> key.substring(prefix))
                                        .toList()));
    }

    private void forget(Wait wait) {
        if (wait.timer != null) {
            wait.timer.cancel();
        }
        for (String key : wait.keys) {
            Set<Wait> others = waiting.get(key);
            if (others != null) {
                others.remove(wait);
                if (others.isEmpty()) {
                    waiting.remove(key);
                }
            }
        }
        Client client = clients.get(wait.connection);
        if (client != null) {
            client.waits.remove(wait.id, wait);
        }
    }

    private MessageWriter add(long id, String key, long delta) {
        byte[] old = values.get(key);
        long sum;
        try {
            sum =
                    delta
                            + (old == null
                                    ? 0
                                    : Long.parseLong(new String(old, StandardCharsets.US_ASCII)));
        } catch (NumberFormatException e) {
            return answer(id, Protocol.NOT_A_NUMBER);
        }
        boolean fits = put(key, Long.toString(sum).getBytes(StandardCharsets.US_ASCII));
        return fits ? answer(id, Protocol.OK).int64(sum) : full(id);
    }

    private MessageWriter compareAndSet(
            long id, String key, byte @Nullable [] expected, byte[] desired) {
        boolean same = Arrays.equals(values.get(key), expected);
        if (same && !put(key, desired)) {
            return full(id);
        }
        return answer(id, Protocol.OK).int8(same ? 1 : 0);
    }
}
