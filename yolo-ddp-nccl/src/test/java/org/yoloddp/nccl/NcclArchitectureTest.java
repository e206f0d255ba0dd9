package org.yoloddp.nccl;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Who may call what in this module. */
class NcclArchitectureTest {

    /** The packages of core that a communicator needs, and nothing of what lies above them. */
    private static final Set<String> CORE =
            Set.of(
                    "org.yoloddp.comm",
                    "org.yoloddp.error",
                    "org.yoloddp.natives",
                    "org.yoloddp.rendezvous");

    private static JavaClasses classes;

    @BeforeAll
    static void importMainClasses() {
        classes =
                new ClassFileImporter()
                        .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                        .importPackages("org.yoloddp.nccl");
    }

    /** Each global class with those that may call it: the checked calls, and what is compared. */
    @Test
    void onlyTheCheckedCallsCallNatives() {
        Map<String, List<String>> callers =
                Map.of(
                        "org.bytedeco.cuda.global.nccl", List.of("Nccl", "RawNccl"),
                        "org.bytedeco.cuda.global.cudart", List.of("Cuda"));
        Set<String> violations = new TreeSet<>();
        for (JavaClass origin : classes) {
            origin.getMethodCallsFromSelf()
                    .forEach(
                            call -> {
                                String owner = call.getTargetOwner().getName();
                                if (owner.startsWith("org.bytedeco.cuda.global")
                                        && !callers.getOrDefault(owner, List.of())
                                                .contains(top(origin))) {
                                    violations.add(call.getDescription());
                                }
                            });
        }
        assertThat(violations).isEmpty();
    }

    @Test
    void everyCallIsOfAFunctionWhoseVersionIsKnown() {
        Set<String> known = new TreeSet<>();
        for (NcclFunction function : NcclFunction.values()) {
            known.add(function.symbol());
        }
        for (CudaFunction function : CudaFunction.values()) {
            known.add(function.symbol());
        }
        Set<String> called = new TreeSet<>();
        for (JavaClass origin : classes) {
            origin.getMethodCallsFromSelf().stream()
                    .filter(
                            c ->
                                    c.getTargetOwner()
                                            .getName()
                                            .startsWith("org.bytedeco.cuda.global"))
                    .forEach(call -> called.add(call.getName()));
            origin.getMethodReferencesFromSelf().stream()
                    .filter(
                            c ->
                                    c.getTargetOwner()
                                            .getName()
                                            .startsWith("org.bytedeco.cuda.global"))
                    .forEach(call -> called.add(call.getName()));
        }
        assertThat(called).isEqualTo(known);
    }

    @Test
    void onlyWhatACommunicatorNeedsOfCoreIsUsed() {
        Set<String> violations = new TreeSet<>();
        for (JavaClass origin : classes) {
            origin.getDirectDependenciesFromSelf().stream()
                    .filter(
                            used -> {
                                String name = used.getTargetClass().getPackageName();
                                return name.startsWith("org.yoloddp")
                                        && !name.equals("org.yoloddp.nccl")
                                        && !CORE.contains(name);
                            })
                    .forEach(used -> violations.add(used.getDescription()));
        }
        assertThat(violations).isEmpty();
    }

    private static String top(JavaClass type) {
        return type.getName().substring(type.getPackageName().length() + 1).replaceAll("\\$.*", "");
    }
}
