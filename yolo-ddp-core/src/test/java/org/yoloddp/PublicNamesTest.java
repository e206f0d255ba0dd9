package org.yoloddp;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Users import types of DJL beside ours, so simple names must differ. */
class PublicNamesTest {

    private static final List<String> DJL =
            List.of(
                    "ai.djl",
                    "ai.djl.engine",
                    "ai.djl.inference",
                    "ai.djl.metric",
                    "ai.djl.modality.cv",
                    "ai.djl.modality.cv.output",
                    "ai.djl.modality.cv.transform",
                    "ai.djl.ndarray",
                    "ai.djl.ndarray.types",
                    "ai.djl.nn",
                    "ai.djl.nn.core",
                    "ai.djl.nn.norm",
                    "ai.djl.repository.zoo",
                    "ai.djl.training",
                    "ai.djl.training.dataset",
                    "ai.djl.training.evaluator",
                    "ai.djl.training.initializer",
                    "ai.djl.training.listener",
                    "ai.djl.training.loss",
                    "ai.djl.training.optimizer",
                    "ai.djl.training.tracker",
                    "ai.djl.training.util",
                    "ai.djl.translate");

    /** DJL's Metric is one measured value, which its Metrics holds; nobody imports it to train. */
    private static final List<String> HARMLESS = List.of("ai.djl.metric.Metric");

    @Test
    void noPublicTypeIsCalledLikeOneOfDjl() {
        List<String> clashes =
                new ClassFileImporter()
                                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                                .importPackages("org.yoloddp")
                                .stream()
                                .filter(PublicNamesTest::isPublicTopLevel)
                                .map(JavaClass::getSimpleName)
                                .flatMap(name -> DJL.stream().map(folder -> folder + "." + name))
                                .filter(PublicNamesTest::exists)
                                .toList();
        assertThat(clashes).isEqualTo(HARMLESS);
    }

    private static boolean isPublicTopLevel(JavaClass type) {
        return type.getModifiers().contains(JavaModifier.PUBLIC)
                && type.getEnclosingClass().isEmpty();
    }

    private static boolean exists(String name) {
        return PublicNamesTest.class.getClassLoader().getResource(name.replace('.', '/') + ".class")
                != null;
    }
}
