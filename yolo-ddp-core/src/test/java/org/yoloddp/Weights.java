package org.yoloddp;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.yoloddp.torch.SafetensorsFile;

/** Weights as plain numbers, to compare trainings by. */
record Weights(Map<String, float[]> arrays) {

    static Weights read(Path file) {
        SafetensorsFile weights = SafetensorsFile.read(file);
        Map<String, float[]> arrays = new LinkedHashMap<>();
        weights.names().forEach(name -> arrays.put(name, weights.floats(name)));
        return new Weights(arrays);
    }

    /** Returns weights of the same values, to be changed. */
    Weights copy() {
        Map<String, float[]> copies = new LinkedHashMap<>();
        arrays.forEach((name, values) -> copies.put(name, values.clone()));
        return new Weights(copies);
    }

    /** Trains, and returns what came out. */
    static Weights of(DistributedTrainerBuilder builder, Path folder) {
        Path file = folder.resolve("weights.safetensors");
        try (DistributedTrainer trainer = builder.build()) {
            trainer.train();
            trainer.exportWeights(file);
        }
        return read(file);
    }

    double largestDifference(Weights other) {
        double largest = 0;
        for (Map.Entry<String, float[]> entry : arrays.entrySet()) {
            float[] here = entry.getValue();
            float[] there = other.arrays.get(entry.getKey());
            for (int i = 0; i < here.length; i++) {
                largest = Math.max(largest, Math.abs((double) here[i] - there[i]));
            }
        }
        return largest;
    }
}
