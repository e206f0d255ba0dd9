package org.yoloddp.comm;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A store for ranks that are threads of this JVM. Once their group has failed, a wait for a key
 * that is not there ends with that failure.
 */
public final class InMemoryStore implements Store {

    private final Map<String, byte[]> values = new HashMap<>();
    private final Map<String, Object> shared = new HashMap<>();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private @Nullable CommunicationException failure;

    /** Creates an empty store. */
    public InMemoryStore() {}

    @Override
    public void set(String key, byte[] value, Duration deadline) {
        lock.lock();
        try {
            values.put(key, value.clone());
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public byte[] get(String key, Duration deadline) {
        lock.lock();
        try {
            await(List.of(key), deadline);
            return value(key).clone();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public byte[] take(String key, Duration deadline) {
        lock.lock();
        try {
            await(List.of(key), deadline);
            byte[] value = value(key);
            values.remove(key);
            return value;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long add(String key, long delta, Duration deadline) {
        lock.lock();
        try {
            byte[] old = values.get(key);
            long sum = delta + (old == null ? 0 : number(key, old));
            values.put(key, Long.toString(sum).getBytes(StandardCharsets.US_ASCII));
            changed.signalAll();
            return sum;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void await(List<String> keys, Duration deadline) {
        boolean interrupted = false;
        lock.lock();
        try {
            long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(deadline.toMillis());
            while (!values.keySet().containsAll(keys)) {
                long left = end - System.nanoTime();
                if (failure != null && !deadline.isZero()) {
                    throw failure.copy();
                }
                if (left <= 0) {
                    throw StoreTimeoutException.of(
                            keys.stream().filter(k -> !values.containsKey(k)).toList(), deadline);
                }
                try {
                    changed.awaitNanos(left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            lock.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public boolean compareAndSet(
            String key, byte @Nullable [] expected, byte[] desired, Duration deadline) {
        lock.lock();
        try {
            if (!Arrays.equals(values.get(key), expected)) {
                return false;
            }
            values.put(key, desired.clone());
            changed.signalAll();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the waits, those of now and of later: the ranks that should have set the keys have
     * failed. The first failure stays.
     *
     * @param cause what the waits end with
     */
    public void fail(CommunicationException cause) {
        lock.lock();
        try {
            failure = failure == null ? cause : failure;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Hands an object to all who use this store, which they can because they are in one JVM.
     *
     * @param key a key of its own, apart from those of the values
     * @param make makes the object for the first who asks
     * @return the object
     */
    public Object share(String key, Supplier<Object> make) {
        lock.lock();
        try {
            return shared.computeIfAbsent(key, k -> make.get());
        } finally {
            lock.unlock();
        }
    }

    private byte[] value(String key) {
        byte[] value = values.get(key);
        if (value == null) {
            throw new IllegalStateException("No value of " + key);
        }
        return value;
    }

    private static long number(String key, byte[] value) {
        try {
            return Long.parseLong(new String(value, StandardCharsets.US_ASCII));
        } catch (NumberFormatException e) {
            throw new IllegalStateException("The value of '" + key + "' is not a number", e);
        }
    }
}
