package org.yoloddp.ddp;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.yoloddp.comm.Communicator;
import org.yoloddp.comm.Work;
import org.yoloddp.ddp.BucketLayout.Gradient;
import org.yoloddp.events.BucketEvent;
import org.yoloddp.torch.GradMode;
import org.yoloddp.torch.GradientHooks;
import org.yoloddp.torch.GradientViews;
import org.yoloddp.torch.PlacedGradients;
import org.yoloddp.torch.StateDict;

/**
 * Averages the gradients of a rank with those of all others, while backward still computes. (A rank
 * that is alone has {@link LocalGradients}.)
 *
 * <p><b>Where gradients live.</b> In a bucket, a flat buffer of the communicator, of which {@code
 * .grad} of each parameter is a view when the optimizer sees it. The first gradient of a step is
 * copied there by a hook, while the processor's caches still have it; autograd adds those of
 * further backward passes. So no bucket is ever filled with zeros to be added to, and a reduction
 * copies nothing ({@link PlacedGradients}).
 *
 * <p><b>When a bucket is full.</b> A hook per parameter tells that its gradient is computed, but
 * libtorch calls it <em>before</em> a gradient is added to one that is there. What a thread of
 * autograd has announced is in the bucket when the same thread announces the next; so a hook marks
 * its own parameter and completes the one before. The last one of a backward has no successor: its
 * bucket starts when backward has returned, on the rank's thread, and so does the last bucket,
 * whose tail holds what the ranks agree on. During accumulation hooks only note that a parameter is
 * used: what is reduced is the sum, so buckets start in the backward that {@link #arm} has
 * announced as the last one. A parameter which that one does not compute, but an earlier one has,
 * is reduced with the rest after backward.
 *
 * <p><b>In which order.</b> Collectives are matched by their order of submission, so all ranks
 * start buckets strictly by index, whatever becomes full first. Buckets are laid out in reverse
 * model order at first. In the first step rank 0's order of readiness is observed and sent to all;
 * when gradients are next set to zero, and their elements are worth nothing, every rank lays out
 * its buckets in this order. Gradients keep their identity as tensors and only move, so optimizer
 * and clipping, which have looked them up before, go with them. From then on a rank whose own order
 * differs waits with a full bucket for those before it, and its results are the same. Ranks that
 * would disagree on what bucket k holds are refused: when the replica is made, by its options; in
 * each step, by the collective's fingerprint.
 *
 * <p><b>Why the bits do not depend on it.</b> An average is taken element by element in rank order,
 * so neither the layout nor the moment matters: with overlap, without, and with one bucket or many,
 * the same bits come out. A {@link CommunicationHook} begins with the final layout, with overlap or
 * without, so it too sees the same buckets.
 *
 * <p><b>Threads.</b> On a CPU hooks are called on the rank's thread within backward, on a GPU on a
 * thread of autograd. One lock guards readiness, what was started, and the first failure; hooks
 * submit under it and never wait. A hook's exception may not pass through libtorch's frames: it is
 * kept, aborts the group at once, so that peers end with it as their cause, and is thrown on the
 * rank's thread when backward has returned. Waiting happens in {@link #reduce} only, and only that
 * counts as exposed.
 *
 * <p><b>On a GPU.</b> Backward and collectives only queue work there, each collective behind what
 * its thread has queued for the bucket, the optimizer behind the collectives: no thread waits for
 * the device, and a step ends when all of it is queued. What the ranks agree on can't be read from
 * the device then, so it goes from host to host ({@link FlagExchange}), is exact in the same step,
 * and tells of a rank that is gone. Only the end waits: until the last step's collectives are done.
 *
 * <p><b>Unused parameters.</b> A parameter that no backward of the step has computed has a gradient
 * of zero here. That is an error, unless the reduction looks for it: then one element per parameter
 * in the tail tells whether any rank has used it, and what none has used is left alone by the
 * optimizer, as PyTorch does with a gradient that is None. A rank that has run no backward at all
 * takes part with zeros: it has run out of data.
 *
 * <p><b>The end.</b> Memory is freed only when nobody can reach it: a reduction that is still
 * running is aborted and waited for, then hooks and views are taken off the parameters, then the
 * buckets are freed. If a reduction does not come back, or another thread is in the middle of a
 * step, memory is left behind, with a warning, since a leak is better than a crash.
 */
final class GradientReducer implements Gradients {

    private static final Logger LOG = LoggerFactory.getLogger(GradientReducer.class);

    /** What could not be freed, kept from the garbage collector for good. */
    private static final Collection<Object> LEFT_BEHIND = new ConcurrentLinkedQueue<>();

    private final Communicator communicator;
    private final Collectives collectives;
    private final FlagExchange flags;
    private final StateDict state;
    private final Reduction reduction;
    private final NDManager manager;
    private final List<StateDict.Entry> trainable;
    private final List<String> names;
    private final StepChecks checks;
    private final PlacedGradients placed;
    private final GradientHooks hooks;
    private final CommunicationHook average;
    private final Deque<Running> running = new ArrayDeque<>();

    /** On the host those that are lost; on a GPU also those that the optimizer waits for there. */
    private final List<Work> unfinished = new ArrayList<>();

    private final ReentrantLock lock = new ReentrantLock();
    private final Readiness readiness;
    private final BucketWatch watch;
    private final FiniteGradients finite;
    private GradientBuckets buckets;
    private CommunicationHook hook;
    private int @Nullable [] observed;
    private int[] order;
    private boolean adopted;
    private boolean differs;
    private int started;
    private @Nullable Throwable failure;
    private Thread user = Thread.currentThread();
    private boolean closed;
    private boolean inUse;
    private Set<String> unused = Set.of();
    private long exposedNanos;
    private double lossScale = 1;

    /** A bucket on its way; the work is known only of plain averages. */
    private record Running(CommunicationHook.Pending pending, @Nullable Work work) {}

    /**
     * Binds gradients to buckets and registers the hooks.
     *
     * @param state with arrays that require gradients where they are trainable
     */
    GradientReducer(
            Collectives collectives, StateDict state, Reduction reduction, NDManager manager) {
        this.collectives = collectives;
        communicator = collectives.communicator();
        this.state = state;
        this.reduction = reduction;
        this.manager = manager;
        watch = new BucketWatch(communicator.rank());
        finite = new FiniteGradients(communicator.rank());
        trainable = state.trainable();
        names = trainable.stream().map(StateDict.Entry::name).toList();
        checks = StepChecks.of(state, reduction.findUnused(), communicator.rank());
        // Backward goes through the layers from the last to the first.
        order = IntStream.range(0, names.size()).map(i -> names.size() - 1 - i).toArray();
        buckets = GradientBuckets.create(collectives, layout(order), state, manager);
        buckets.zero();
        readiness = new Readiness(buckets.bucketOf(names));
        flags = new FlagExchange(collectives);
        average = bucket -> finishing(average(bucket));
        hook = average;
        List<NDArray> arrays = trainable.stream().map(StateDict.Entry::array).toList();
        placed = PlacedGradients.of(arrays);
        hooks = GradientHooks.registerWithGradients(arrays, this::computed);
    }

    /** Lays out all gradients, those of the given parameters first. */
    private BucketLayout layout(int[] parameters) {
        List<Gradient> gradients = new ArrayList<>();
        for (int parameter : parameters) {
            StateDict.Entry entry = trainable.get(parameter);
            gradients.add(new Gradient(entry.name(), ElementTypes.of(entry), entry.array().size()));
        }
        return BucketLayout.of(gradients, reduction, collectives.onDevice() ? 0 : agreedBits());
    }

    /** The number of bits by which the ranks agree in a step. */
    private int agreedBits() {
        return StepFlags.COUNT + (reduction.findUnused() ? names.size() : 0);
    }

    private Work average(GradientBucket bucket) {
        return collectives.average(bucket.buffer(), "bucket " + bucket.index());
    }

    private CommunicationHook.Pending finishing(Work work) {
        return deadline -> collectives.finish(work, deadline);
    }

    /** Forgets what the buckets hold, and lays them out anew if the order has become known. */
    @Override
    public void zero() {
        lock.lock();
        try {
            user = Thread.currentThread();
            requireNoneRunning("zeroGradients");
            readiness.reset();
            placed.end();
            if (observed != null) {
                adopt(observed);
                observed = null;
            }
            placed.release();
        } finally {
            lock.unlock();
        }
    }

    private void adopt(int[] newOrder) {
        order = newOrder;
        GradientBuckets old = buckets;
        buckets = GradientBuckets.create(collectives, layout(order), state, manager);
        readiness.layOut(buckets.bucketOf(names));
        buckets.zero();
        old.close();
        hook =
                reduction
                        .communicationHook()
                        .map(factory -> factory.create(communicator, buckets.all(), manager))
                        .orElse(average);
        hook.lossScale(lossScale);
    }

    /** Lets hooks start buckets: the next backward is the last one of the step. */
    @Override
    public void arm() {
        if (!reduction.overlap()) {
            return;
        }
        lock.lock();
        try {
            user = Thread.currentThread();
            requireNoneRunning("armReduction");
            readiness.arm();
        } finally {
            lock.unlock();
        }
    }

    private void requireNoneRunning(String call) {
        if (!running.isEmpty()) {
            StepOrderException problem = StepOrderException.stillRunning(call, running.size());
            communicator.abort(problem);
            throw problem;
        }
    }

    /** A hook: on autograd's thread, just before the gradient is added to its bucket. */
    private void computed(int parameter, GradientHooks.Computed gradient) {
        lock.lock();
        try {
            if (closed || failure != null) {
                return;
            }
            if (!readiness.computed(parameter, Thread.currentThread())) {
                throw StepOrderException.secondBackward(names.get(parameter));
            }
            placed.computed(parameter, gradient);
            if (readiness.armed()) {
                // The last bucket waits for its tail.
                startUpTo(Math.min(readiness.full(), buckets.size() - 1));
            }
        } catch (Throwable t) {
            failure = t;
            communicator.abort(t);
        } finally {
            lock.unlock();
        }
    }

    private void startUpTo(int end) {
        while (started < end) {
            GradientBucket bucket = buckets.get(started);
            finite.check(bucket);
            BucketEvent event = watch.begin(bucket);
            Work work = hook == average ? average(bucket) : null;
            running.add(new Running(work == null ? hook.start(bucket) : finishing(work), work));
            watch.started(event, work);
            started++;
        }
    }

    /**
     * Starts what is left, and waits for all.
     *
     * @param local what this rank asks for
     * @return what any rank asks for
     */
    @Override
    public StepFlags reduce(StepFlags local) {
        try {
            endBackward();
            startRest(local.bits());
            BitSet agreed = await();
            unused = checks.unused(agreed.get(StepFlags.COUNT, StepFlags.COUNT + names.size()));
            observe();
            readiness.reset();
            return StepFlags.of(agreed);
        } catch (Throwable t) {
            communicator.abort(t);
            throw t;
        }
    }

    /** No hook is called from here on; throws what went wrong in one. */
    private void endBackward() {
        lock.lock();
        try {
            user = Thread.currentThread();
            readiness.disarm();
            placed.zero(placed.end());
            Throwable problem = failure != null ? failure : hooks.failure();
            if (problem instanceof Error error) {
                throw error;
            }
            if (problem instanceof RuntimeException exception) {
                throw exception;
            }
        } finally {
            lock.unlock();
        }
        checks.check(readiness.used());
    }

    private void startRest(BitSet bits) {
        lock.lock();
        try {
            if (reduction.findUnused()) {
                // Behind the flags: which parameters this rank has used.
                readiness.used().stream().forEach(i -> bits.set(StepFlags.COUNT + i));
            }
            flags.begin(bits, agreedBits(), buckets.tail());
            startUpTo(buckets.size());
        } finally {
            lock.unlock();
        }
    }

    private BitSet await() {
        long from = System.nanoTime();
        while (!running.isEmpty()) {
            awaitFirst();
        }
        started = 0;
        BitSet agreed = flags.end(buckets.tail());
        exposedNanos += System.nanoTime() - from;
        return agreed;
    }

    /** Waits for the first bucket on its way; one that does not come back is still running. */
    private void awaitFirst() {
        Running first = running.remove();
        try (GradMode off = GradMode.disabled()) {
            first.pending().await(communicator.deadline());
            watch.ended();
        } finally {
            unfinished.removeIf(Work::isDone);
            if (first.work() != null && !first.work().isDone()) {
                unfinished.add(first.work());
            }
        }
    }

    /** Sends rank 0's order of readiness to all, once; later only looks whether it still holds. */
    private void observe() {
        if (!adopted) {
            long from = System.nanoTime();
            observed = OrderOfReadiness.ofRankZero(communicator, readiness, order);
            exposedNanos += System.nanoTime() - from;
            adopted = observed != null;
        } else if (!differs && observed == null && !readiness.follows(order)) {
            differs = true;
            LOG.info(
                    "on rank {} gradients become ready in another order than on rank 0 at first;"
                            + " buckets wait for those before them",
                    communicator.rank());
        }
    }

    /** Returns which parameters no rank has used in the last step, as far as that is known. */
    @Override
    public Set<String> unused() {
        return unused;
    }

    /** Tells the hook, or the one to come, by what the loss is multiplied. */
    @Override
    public void lossScale(double scale) {
        lossScale = scale;
        hook.lossScale(scale);
    }

    @Override
    public void atStep(long step) {
        watch.atStep(step);
        finite.atStep(step);
    }

    @Override
    public void requireFinite(boolean on) {
        finite.require(on);
    }

    @Override
    public void stepSkipped() {
        hook.stepSkipped();
    }

    /** Returns how long the rank has waited since the last call. */
    @Override
    public long takeExposedNanos() {
        long nanos = exposedNanos;
        exposedNanos = 0;
        return nanos;
    }

    /** Frees everything, or leaves it behind where somebody may still use it. */
    @Override
    public void close() {
        if (!closeForHooks()) {
            inUse = true;
            leave("a thread is in the middle of a step", this);
            return;
        }
        settle();
        collectives.settle(unfinished);
        unfinished.removeIf(Work::isDone);
        flags.close();
        hooks.close();
        placed.close();
        trainable.forEach(entry -> GradientViews.unbind(entry.array()));
        try {
            if (hook != average) {
                hook.close();
            }
        } finally {
            if (unfinished.isEmpty()) {
                buckets.close();
            } else {
                buckets.dropTensors();
                leave("a reduction did not come back", buckets);
            }
        }
    }

    /** Tells whether a thread was in the middle of a step when this was closed. */
    @Override
    public boolean inUse() {
        return inUse;
    }

    /** Tells whether no backward is under way, after which hooks do nothing any more. */
    private boolean closeForHooks() {
        boolean locked = false;
        try {
            locked = lock.tryLock(communicator.deadline().toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            locked = lock.tryLock();
        }
        if (!locked) {
            return false;
        }
        try {
            boolean midStep = readiness.armed() || !readiness.used().isEmpty();
            if (midStep && user != Thread.currentThread() && user.isAlive()) {
                closed = true;
                return false;
            }
            closed = true;
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Aborts what is running, and waits for it. */
    private void settle() {
        if (running.isEmpty()) {
            return;
        }
        communicator.abort(
                StepOrderException.closedWhileRunning(communicator.rank(), running.size()));
        while (!running.isEmpty()) {
            try {
                awaitFirst();
            } catch (RuntimeException e) {
                LOG.debug("A reduction has ended because its replica is closed", e);
            }
        }
    }

    /** Tells whether some memory could not be freed. */
    boolean isLeftBehind() {
        return LEFT_BEHIND.contains(this) || LEFT_BEHIND.contains(buckets);
    }

    private void leave(String why, Object kept) {
        LEFT_BEHIND.add(kept);
        LOG.warn("rank {} leaves the memory of its gradients behind: {}", communicator.rank(), why);
    }
}
