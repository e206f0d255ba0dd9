package org.yoloddp.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ReportsCopyTest {

    private static final PhaseMillis PHASES = new PhaseMillis(0, 1, 1, 0, 1);

    @Test
    void whatGoesIntoAReportCanBeChangedAfterwards() {
        Map<String, Double> losses = new LinkedHashMap<>(Map.of("loss", 1.0));
        Map<String, Double> ofClass = new LinkedHashMap<>(Map.of("mAP50", .5));
        Map<String, Map<String, Double>> byClass = new LinkedHashMap<>(Map.of("cat", ofClass));
        double[] rates = {.1};
        ValidationResult found = new ValidationResult(.5, losses, byClass);
        EpochReport epoch = new EpochReport(0, losses, Optional.of(found), true, rates, 1, 1);
        StepReport step = new StepReport(0, 0, 0, 1, 1, losses, rates, 1, false, 1, 1);
        List<EpochReport> epochs = new ArrayList<>(List.of(epoch));
        List<String> hashes = new ArrayList<>(List.of("ab"));
        TrainingReport report =
                new TrainingReport(
                        TrainingReport.Outcome.COMPLETED,
                        1,
                        1,
                        epochs,
                        1,
                        1,
                        1,
                        PHASES,
                        0,
                        Double.NaN,
                        hashes,
                        hashes);
        List<String> terms = new ArrayList<>(List.of("loss"));
        TrainingStart start = new TrainingStart(1, 1, 1, 1, 1, 1, terms);
        losses.put("loss", 2.0);
        ofClass.clear();
        byClass.clear();
        rates[0] = 2;
        epochs.clear();
        hashes.clear();
        terms.clear();

        assertThat(epoch.losses()).containsEntry("loss", 1.0);
        assertThat(step.losses()).containsEntry("loss", 1.0);
        assertThat(epoch.learningRates()).containsExactly(.1);
        assertThat(step.learningRates()).containsExactly(.1);
        assertThat(found.metrics()).containsEntry("loss", 1.0);
        assertThat(found.byClass().get("cat")).containsEntry("mAP50", .5);
        assertThat(report.epochs()).hasSize(1);
        assertThat(report.parametersSha256()).containsExactly("ab");
        assertThat(start.lossTerms()).containsExactly("loss");
    }

    @Test
    void whatComesOutOfAReportDoesNotChangeIt() {
        ValidationResult found =
                new ValidationResult(.5, Map.of("mAP50", .5), Map.of("cat", Map.of("mAP50", .5)));
        EpochReport epoch =
                new EpochReport(0, Map.of("loss", 1.0), Optional.of(found), true, one(), 1, 1);
        StepReport step = new StepReport(0, 0, 0, 1, 1, Map.of("loss", 1.0), one(), 1, false, 1, 1);
        epoch.learningRates()[0] = 2;
        step.learningRates()[0] = 2;
        assertThat(epoch.learningRates()).containsExactly(1);
        assertThat(step.learningRates()).containsExactly(1);
        for (Map<?, ?> map :
                List.of(
                        epoch.losses(),
                        step.losses(),
                        found.metrics(),
                        found.byClass(),
                        found.byClass().get("cat"))) {
            assertThatThrownBy(map::clear).isInstanceOf(UnsupportedOperationException.class);
        }
    }

    private static double[] one() {
        return new double[] {1};
    }
}
