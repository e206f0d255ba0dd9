package org.yoloddp.comm.tcp;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.yoloddp.comm.Store;

/** A store that is lost after some calls. */
final class LosingStore implements Store {

    private final Store store;
    private final AtomicInteger left;

    LosingStore(Store store, int calls) {
        this.store = store;
        this.left = new AtomicInteger(calls);
    }

    private Store store() {
        if (left.getAndDecrement() <= 0) {
            throw new IllegalStateException("the store is lost");
        }
        return store;
    }

    @Override
    public void set(String key, byte[] value, Duration deadline) {
        store().set(key, value, deadline);
    }

    @Override
    public byte[] get(String key, Duration deadline) {
        return store().get(key, deadline);
    }

    @Override
    public byte[] take(String key, Duration deadline) {
        return store().take(key, deadline);
    }

    @Override
    public long add(String key, long delta, Duration deadline) {
        return store().add(key, delta, deadline);
    }

    @Override
    public void await(List<String> keys, Duration deadline) {
        store().await(keys, deadline);
    }

    @Override
    public boolean compareAndSet(
            String key, byte @Nullable [] expected, byte[] desired, Duration deadline) {
        return store().compareAndSet(key, expected, desired, deadline);
    }
}
