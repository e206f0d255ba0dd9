package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.yoloddp.train.ValidationResult;

class ClassTableTest {

    @Test
    void columnsAreThoseOfAClass() {
        Map<String, Double> all = new LinkedHashMap<>();
        all.put("mAP50", 0.5512);
        all.put("val/box_loss", 0.25);
        Map<String, Double> cells = new LinkedHashMap<>();
        cells.put("instances", 1023.0);
        cells.put("mAP50", 0.75);
        Map<String, Map<String, Double>> classes = new LinkedHashMap<>();
        classes.put("RBC", cells);
        classes.put("Platelets", Map.of("mAP50", 0.0));
        assertThat(ClassTable.lines(new ValidationResult(0.3, all, classes)))
                .containsExactly(
                        "class      instances      mAP50",
                        "all                       0.551",
                        "RBC             1023      0.750",
                        "Platelets                 0.000");
    }

    @Test
    void lossesAreNoColumnsOfAValidationWithoutClasses() {
        Map<String, Double> all = new LinkedHashMap<>();
        all.put("Accuracy", 0.5);
        all.put("val/loss", 0.25);
        assertThat(ClassTable.lines(new ValidationResult(0.5, all, Map.of())))
                .containsExactly("class   Accuracy", "all        0.500");
    }
}
