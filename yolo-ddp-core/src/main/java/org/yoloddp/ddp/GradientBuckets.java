package org.yoloddp.ddp;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.yoloddp.torch.StateDict;
import org.yoloddp.torch.TensorList;

/** The buckets of one layout, with the gradients of a rank's parameters lying in them. */
final class GradientBuckets implements AutoCloseable {

    private final List<FlatBucket> buckets = new ArrayList<>();
    private final TensorList flats;
    private final NDManager manager;

    private GradientBuckets(
            Collectives collectives, BucketLayout layout, StateDict state, NDManager parent) {
        manager = parent.newSubManager();
        for (int i = 0; i < layout.buckets().size(); i++) {
            buckets.add(FlatBucket.create(collectives, i, layout.buckets().get(i), state, manager));
        }
        flats = TensorList.of(buckets.stream().map(FlatBucket::flat).toList());
    }

    /** Allocates buckets; gradients that lie elsewhere move, without their elements. */
    static GradientBuckets create(
            Collectives collectives, BucketLayout layout, StateDict state, NDManager parent) {
        return new GradientBuckets(collectives, layout, state, parent);
    }

    /** Returns the bucket of each of the parameters. */
    int[] bucketOf(List<String> parameters) {
        Map<String, Integer> bucketByName = new HashMap<>();
        for (FlatBucket bucket : buckets) {
            bucket.slots().forEach(slot -> bucketByName.put(slot.parameter(), bucket.index()));
        }
        return parameters.stream().mapToInt(bucketByName::get).toArray();
    }

    int size() {
        return buckets.size();
    }

    GradientBucket get(int index) {
        return buckets.get(index);
    }

    List<GradientBucket> all() {
        return List.copyOf(buckets);
    }

    BucketTail tail() {
        return new BucketTail(buckets.get(buckets.size() - 1));
    }

    /** Fills each bucket with zeros, the tail included. */
    void zero() {
        flats.zero();
    }

    /** Forgets the tensors over the memory, but not the memory. */
    void dropTensors() {
        flats.close();
        manager.close();
    }

    /** Frees the memory; nobody may use it any more. */
    @Override
    public void close() {
        dropTensors();
        buckets.forEach(FlatBucket::free);
    }
}
