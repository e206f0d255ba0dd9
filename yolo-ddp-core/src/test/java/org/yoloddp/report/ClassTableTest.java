package org.yoloddp.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.yoloddp.train.ValidationResult;

class ClassTableTest {

    @Test
    void alignsLikeTheOriginalsConsole() {
        Map<String, Double> all = row(.7770911, .86785, .84404, .50968);
        all.put("val/box", 0.1);
        Map<String, Map<String, Double>> classes = new LinkedHashMap<>();
        classes.put("Platelets", counted(87, 76, .5, .75, 1, 0.00012345));
        classes.put("RBC", counted(87, 123456, .25, Double.NaN, 0, 0));
        assertThat(ClassTable.format(new ValidationResult(.5, all, classes)))
                .isEqualTo(
                        """
                                         Class     Images  Instances          P          R      mAP50   mAP50-95
                                           all          -          -      0.777      0.868      0.844       0.51
                                     Platelets         87         76        0.5       0.75          1   0.000123
                                           RBC         87     123456       0.25        nan          0          0\
                        """);
    }

    @Test
    void aTaskWithoutClassesHasOneLine() {
        assertThat(ClassTable.format(new ValidationResult(.5, Map.of("accuracy", .5), Map.of())))
                .isEqualTo("                 Class   accuracy\n                   all        0.5");
    }

    private static Map<String, Double> counted(double images, double instances, double... values) {
        Map<String, Double> row = new LinkedHashMap<>();
        row.put("images", images);
        row.put("instances", instances);
        row.putAll(row(values));
        return row;
    }

    private static Map<String, Double> row(double... values) {
        Map<String, Double> row = new LinkedHashMap<>();
        row.put("precision", values[0]);
        row.put("recall", values[1]);
        row.put("mAP50", values[2]);
        row.put("mAP50-95", values[3]);
        return row;
    }
}
