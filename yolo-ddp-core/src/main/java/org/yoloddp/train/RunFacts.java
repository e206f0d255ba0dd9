package org.yoloddp.train;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.yoloddp.ddp.Reduction;
import org.yoloddp.error.ConfigurationException;
import org.yoloddp.schedule.HyperparameterSchedule;
import org.yoloddp.schedule.SchedulePlan;

/**
 * What all ranks of a training must have been told alike, by name: where ranks are processes, each
 * has its own command line and its own copy of the data, and a difference would not be seen until
 * the replicas diverge, if ever. The model itself is compared parameter by parameter.
 */
public final class RunFacts {

    private static final int BATCHES = 97;
    private static final int MOST_GROUPS = 8;

    private RunFacts() {}

    /**
     * Collects the facts.
     *
     * @param settings the training, as this rank was told it
     * @return values by name, in the order in which differences are shown
     */
    public static Map<String, String> of(TrainingSettings settings) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("seed", Long.toString(settings.seed()));
        facts.put("epochs", Integer.toString(settings.epochs()));
        facts.put("batch size", Integer.toString(settings.batchSize()));
        TrainingData data = settings.task().trainingData();
        facts.put("training samples", Integer.toString(data.size()));
        facts.put("data set", data.fingerprint());
        facts.put("optimizer", settings.optimizer().toString());
        facts.put("schedule", schedule(settings));
        facts.put("sampler", settings.sampler().getClass().getSimpleName());
        facts.put("precision", settings.precision().toString());
        facts.put("clip norm", Double.toString(settings.clipNorm()));
        facts.put("weight average", Double.toString(settings.averageDecay()));
        facts.put("epochs between validations", Integer.toString(settings.validateEvery()));
        facts.put("patience", Integer.toString(settings.patience()));
        facts.put("channels last", Boolean.toString(settings.channelsLast()));
        reduction(facts, settings.reduction());
        return facts;
    }

    private static void reduction(Map<String, String> facts, Reduction reduction) {
        facts.put("bucket bytes", Long.toString(reduction.bucketBytes()));
        facts.put("first bucket bytes", Long.toString(reduction.firstBucketBytes()));
        facts.put("steps between verifications", Integer.toString(reduction.verifyEvery()));
        facts.put("find unused", Boolean.toString(reduction.findUnused()));
        facts.put("broadcast buffers", Boolean.toString(reduction.broadcastBuffers()));
        facts.put("sharded optimizer", Boolean.toString(reduction.shardOptimizerState()));
    }

    /** A schedule is code, so its values at some steps stand for it. */
    private static String schedule(TrainingSettings settings) {
        SchedulePlan plan = new SchedulePlan(settings.epochs(), BATCHES);
        for (int groups = 1; groups <= MOST_GROUPS; groups++) {
            try {
                HyperparameterSchedule.Bound bound = settings.schedule().bind(plan, groups);
                StringBuilder values = new StringBuilder();
                long end = (long) settings.epochs() * BATCHES;
                for (long step : new long[] {0, 1, 10, end / 3, end / 2, end - 1}) {
                    values.append(bound.at(step)).append('\n');
                }
                return sha256(values.toString()).substring(0, 16);
            } catch (ConfigurationException e) {
                // It is made for another number of groups.
                continue;
            }
        }
        return "for more than " + MOST_GROUPS + " groups";
    }

    /**
     * Computes a fingerprint.
     *
     * @param text any text
     * @return SHA-256 of its UTF-8 bytes, in hexadecimal
     */
    public static String sha256(String text) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every JVM has SHA-256", e);
        }
    }
}
