package org.yoloddp.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.yoloddp.train.ValidationResult;

class ClassTableTest {

    @Test
    void columnsAreTheMetricsAndRowsTheClasses() {
        Map<String, Double> all = new LinkedHashMap<>();
        all.put("mAP50", 0.5512);
        all.put("mAP50-95", 0.25);
        Map<String, Map<String, Double>> classes = new LinkedHashMap<>();
        classes.put("RBC", Map.of("mAP50", 0.75, "mAP50-95", 0.5));
        classes.put("Platelets", Map.of("mAP50", 0.0));
        assertThat(ClassTable.lines(new ValidationResult(0.3, all, classes)))
                .containsExactly(
                        "class            mAP50     mAP50-95",
                        "all              0.551        0.250",
                        "RBC              0.750        0.500",
                        "Platelets        0.000             ");
    }
}
