package org.yoloddp.train;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a validation found; equal on all ranks.
 *
 * @param fitness what "best" is judged by; larger is better
 * @param metrics values by name, such as {@code mAP50}, in the order in which they are shown
 * @param byClass the same by class name; empty where there are no classes
 */
public record ValidationResult(
        double fitness, Map<String, Double> metrics, Map<String, Map<String, Double>> byClass) {

    /**
     * Copies the maps, keeping their order.
     *
     * @param fitness what "best" is judged by; larger is better
     * @param metrics values by name
     * @param byClass the same by class name
     */
    public ValidationResult {
        metrics = Copies.of(metrics);
        Map<String, Map<String, Double>> copies = new LinkedHashMap<>();
        byClass.forEach((name, values) -> copies.put(name, Copies.of(values)));
        byClass = Copies.of(copies);
    }
}
