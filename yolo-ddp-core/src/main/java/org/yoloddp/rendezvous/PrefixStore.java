package org.yoloddp.rendezvous;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Store;
import org.yoloddp.comm.StoreTimeoutException;

/**
 * A part of a store: the keys that begin with a prefix, seen without it. Thread-safe.
 *
 * <p>What times out names the keys with their prefixes, as they are in the store below.
 */
public final class PrefixStore implements Store {

    private final Store store;
    private final String prefix;

    /**
     * Creates the view.
     *
     * @param store the whole store, which is not closed by this view
     * @param prefix what all keys begin with, such as {@code data/}
     */
    public PrefixStore(Store store, String prefix) {
        this.store = Objects.requireNonNull(store);
        this.prefix = Objects.requireNonNull(prefix);
    }

    @Override
    public void set(String key, byte[] value, Duration deadline) {
        store.set(prefix + key, value, deadline);
    }

    @Override
    public byte[] get(String key, Duration deadline) {
        return store.get(prefix + key, deadline);
    }

    @Override
    public byte[] take(String key, Duration deadline) {
        return store.take(prefix + key, deadline);
    }

    @Override
    public long add(String key, long delta, Duration deadline) {
        return store.add(prefix + key, delta, deadline);
    }

    /**
     * Waits until all keys are there.
     *
     * @param keys the keys, without the prefix
     * @param deadline how long to wait
     * @throws StoreTimeoutException if some are not there in time
     */
    @Override
    public void await(List<String> keys, Duration deadline) {
        store.await(keys.stream().map(key -> prefix + key).toList(), deadline);
    }

    @Override
    public boolean compareAndSet(
            String key, byte @Nullable [] expected, byte[] desired, Duration deadline) {
        return store.compareAndSet(prefix + key, expected, desired, deadline);
    }
}
