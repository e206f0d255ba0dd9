package org.yoloddp.nccl;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerPointer;
import org.jspecify.annotations.Nullable;

/**
 * A communicator of NCCL: the cell that holds its handle, and who is using it.
 *
 * <p>The cell is memory of its own. A non-blocking init or split writes the handle only when it is
 * through, long after the call has returned, so the binding's way of passing a cell on the stack
 * would let NCCL write into a dead frame.
 *
 * <p>Aborting frees the handle while other threads, such as the watchdog, may be about to use it.
 * So each call says that it uses the handle, and the one that frees it lets no new one in and waits
 * for those inside: at most the time given, for a call may hang in NCCL until the abort.
 */
final class NcclComm {

    private final LongPointer cell = new LongPointer(1);
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition left = lock.newCondition();
    private int users;
    private boolean freed;

    NcclComm() {
        cell.put(0, 0);
    }

    /** Where NCCL writes the handle; keep this object until it has. */
    PointerPointer<ncclComm> cell() {
        return new PointerPointer<>(cell);
    }

    /** Whether NCCL has written the handle. */
    boolean isPresent() {
        return cell.get(0) != 0;
    }

    /** Whether the handle has been given to ncclCommDestroy or ncclCommAbort. */
    boolean isFreed() {
        lock.lock();
        try {
            return freed;
        } finally {
            lock.unlock();
        }
    }

    /** Uses the handle until the returned object is closed. */
    Use use(NcclCall call, NcclFunction function) {
        lock.lock();
        try {
            if (freed) {
                throw NcclException.refused(
                        call, function, "the communicator is gone, since it was aborted or closed");
            }
            if (!isPresent()) {
                throw NcclException.refused(call, function, "the communicator is still being made");
            }
            users++;
            return new Use();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Lets nobody use the handle any more.
     *
     * @return the handle to free, or null if there is none, or somebody else frees it
     */
    @Nullable ncclComm free(long waitMillis) {
        lock.lock();
        try {
            if (freed || !isPresent()) {
                freed = true;
                return null;
            }
            freed = true;
            long nanos = TimeUnit.MILLISECONDS.toNanos(waitMillis);
            while (users > 0 && nanos > 0) {
                nanos = left.awaitNanos(nanos);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
        return handle();
    }

    private ncclComm handle() {
        return new ncclComm(RawPointer.of(cell.get(0)));
    }

    /** A call that is inside. */
    final class Use implements AutoCloseable {

        final ncclComm handle = handle();

        @Override
        public void close() {
            lock.lock();
            try {
                users--;
                left.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }
}
