package org.yoloddp.comm;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A small table that all ranks see: where they find each other and leave notes. Thread-safe.
 *
 * <p>Every call ends within its deadline, with a {@link StoreTimeoutException} if need be. Where it
 * is known that the job has failed, {@link #get}, {@link #take} and {@link #await} wait for nothing
 * any more, but throw the {@link CommunicationException} that it failed with; what is there can
 * still be read.
 */
public interface Store {

    /**
     * Stores a value, replacing any there was.
     *
     * @param key the key
     * @param value the value
     * @param deadline how long the call may take
     */
    void set(String key, byte[] value, Duration deadline);

    /**
     * Waits for a key and returns its value.
     *
     * @param key the key
     * @param deadline how long to wait
     * @return the value
     * @throws StoreTimeoutException if the key is not there in time
     */
    byte[] get(String key, Duration deadline);

    /**
     * Waits for a key, returns its value and removes it: what passes through a store then takes no
     * room in it. If several wait for one key, one of them gets the value.
     *
     * @param key the key
     * @param deadline how long to wait
     * @return the value
     * @throws StoreTimeoutException if the key is not there in time
     */
    byte[] take(String key, Duration deadline);

    /**
     * Adds to a number, which is 0 before, and is read by {@link #get} as decimal text.
     *
     * @param key the key
     * @param delta what to add; 0 reads the number
     * @param deadline how long the call may take
     * @return the sum
     * @throws IllegalStateException if the value is not a number
     */
    long add(String key, long delta, Duration deadline);

    /**
     * Waits until all keys are there.
     *
     * @param keys the keys
     * @param deadline how long to wait
     * @throws StoreTimeoutException if some are not there in time; it names them
     */
    void await(List<String> keys, Duration deadline);

    /**
     * Stores a value if the present one is as expected.
     *
     * @param key the key
     * @param expected what must be there, null for nothing
     * @param desired what to store
     * @param deadline how long the call may take
     * @return true if the value was stored
     */
    boolean compareAndSet(
            String key, byte @Nullable [] expected, byte[] desired, Duration deadline);
}
