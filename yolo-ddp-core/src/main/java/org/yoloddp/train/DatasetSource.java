package org.yoloddp.train;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.dataset.Record;
import ai.djl.translate.Batchifier;
import ai.djl.translate.TranslateException;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.yoloddp.torch.GradMode;

/**
 * The samples of a DJL data set, stacked into batches on a thread of each rank while the step
 * before runs. The data set's own sampler and batchifiers aren't used.
 */
public final class DatasetSource implements TrainingData {

    private final RandomAccessDataset dataset;
    private boolean prepared;

    /**
     * Wraps a data set.
     *
     * @param dataset the samples; {@code get} is called by several threads
     */
    public DatasetSource(RandomAccessDataset dataset) {
        this.dataset = dataset;
    }

    /** Ranks ask at the same time, and preparing may mean to download. */
    @Override
    public synchronized int size() {
        if (!prepared) {
            prepare();
            prepared = true;
        }
        return Math.toIntExact(dataset.size());
    }

    private void prepare() {
        try {
            dataset.prepare();
        } catch (IOException e) {
            throw new UncheckedIOException("the data set can't be prepared", e);
        } catch (TranslateException e) {
            throw new IllegalStateException("the data set can't be prepared", e);
        }
    }

    /**
     * Returns the shapes of a batch's data.
     *
     * @param batchSize the number of samples
     * @return the shapes, with the batch in front
     */
    public Shape[] inputShapes(int batchSize) {
        try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
            return get(manager, 0).getData().stream()
                    .map(array -> new Shape(batchSize).addAll(array.getShape()))
                    .toArray(Shape[]::new);
        }
    }

    private Record get(NDManager manager, long index) {
        try {
            return dataset.get(manager, index);
        } catch (IOException e) {
            throw new UncheckedIOException("sample " + index + " can't be read", e);
        }
    }

    /** Stacks samples; the single ones are freed. */
    TrainingBatch batch(NDManager manager, int[] indices, int from, int to) {
        NDList[] data = new NDList[to - from];
        NDList[] labels = new NDList[to - from];
        try (GradMode off = GradMode.disabled();
                NDManager single = manager.newSubManager()) {
            for (int i = from; i < to; i++) {
                Record sample = get(single, indices[i]);
                String which = " of sample " + indices[i] + ", array";
                data[i - from] = known("the data" + which, sample.getData());
                labels[i - from] = known("the label" + which, sample.getLabels());
            }
            NDList stackedData = Batchifier.STACK.batchify(data);
            NDList stackedLabels = Batchifier.STACK.batchify(labels);
            stackedData.attach(manager);
            stackedLabels.attach(manager);
            return new TrainingBatch(stackedData, stackedLabels, to - from);
        }
    }

    private static NDList known(String what, NDList arrays) {
        return UnsupportedDataTypeException.requireKnown(what, arrays);
    }

    @Override
    public BatchStream open(BatchPlan plan) {
        int[] indices = plan.indices();
        return new BatchesAhead(
                plan,
                (manager, number) -> {
                    int from = number * plan.batchSize();
                    int to = Math.min(indices.length, from + plan.batchSize());
                    return batch(manager, indices, from, to);
                });
    }
}
