package org.yoloddp;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.io.IOException;
import java.net.URL;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Holds the package table: who may use whom, and which libraries stay inside which package. */
class ArchitectureTest {

    private static final String ROOT = "org.yoloddp";

    /** Each package with what it names; what those may use, it may use too. Nothing else. */
    private static final Map<String, List<String>> MAY_USE =
            Map.ofEntries(
                    Map.entry("", List.of("train", "launch")),
                    Map.entry("report", List.of("train")),
                    Map.entry("yolo", List.of("detection")),
                    Map.entry("detection", List.of("train")),
                    Map.entry(
                            "train",
                            List.of(
                                    "ddp",
                                    "optim",
                                    "amp",
                                    "schedule",
                                    "sampler",
                                    "comm.inprocess",
                                    "rendezvous",
                                    "events")),
                    Map.entry("ddp", List.of("torch", "comm", "events")),
                    Map.entry("optim", List.of("torch", "comm")),
                    Map.entry("amp", List.of("torch", "comm")),
                    Map.entry("schedule", List.of("torch", "comm")),
                    Map.entry("sampler", List.of("torch", "comm")),
                    Map.entry("launch", List.of("rendezvous", "natives")),
                    Map.entry("rendezvous", List.of("comm")),
                    Map.entry("comm.testing", List.of("comm.inprocess")),
                    Map.entry("comm.inprocess", List.of("comm")),
                    Map.entry("comm.tcp", List.of("rendezvous", "comm")),
                    Map.entry("comm", List.of("error")),
                    Map.entry("torch", List.of("natives", "comm")),
                    Map.entry("natives", List.of("error")),
                    Map.entry("events", List.of()),
                    Map.entry("error", List.of()));

    /** Libraries whose types are an implementation detail. */
    private static final List<String> HIDDEN_LIBRARIES =
            List.of("com.google.common", "com.google.gson", "org.bytedeco", "org.yaml");

    private static JavaClasses classes;

    @BeforeAll
    static void importMainClasses() {
        classes =
                new ClassFileImporter()
                        .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                        .importPackages(ROOT);
    }

    @Test
    void everyClassIsInAPackageOfTheTable() {
        assertThat(classes).extracting(ArchitectureTest::place).isSubsetOf(MAY_USE.keySet());
    }

    @Test
    void packagesUseOnlyWhatTheTableNames() {
        Set<String> violations = new TreeSet<>();
        for (JavaClass origin : classes) {
            Set<String> allowed = reachable(place(origin));
            for (Dependency dependency : origin.getDirectDependenciesFromSelf()) {
                JavaClass target = dependency.getTargetClass().getBaseComponentType();
                if (isOurs(target) && !allowed.contains(place(target))) {
                    violations.add(dependency.getDescription());
                }
            }
        }
        assertThat(violations).isEmpty();
    }

    @Test
    void tableItselfHasNoCycle() {
        for (String place : MAY_USE.keySet()) {
            MAY_USE.get(place).forEach(used -> assertThat(reachable(used)).doesNotContain(place));
        }
    }

    @Test
    void packagesAreFreeOfCycles() {
        SlicesRuleDefinition.slices()
                .matching(ROOT + ".(**)")
                .should()
                .beFreeOfCycles()
                .check(classes);
    }

    @Test
    void packagesAreNotSplitOverModules() throws IOException {
        Map<String, List<URL>> split = new TreeMap<>();
        for (String name : packageNames()) {
            List<URL> places =
                    Collections.list(
                            getClass().getClassLoader().getResources(name.replace('.', '/')));
            places.removeIf(url -> url.getPath().contains("/test-classes/"));
            if (places.size() > 1) {
                split.put(name, places);
            }
        }
        assertThat(split).isEmpty();
    }

    @Test
    void publicSignaturesHideTheLibrariesBehindThem() {
        Set<String> violations = new TreeSet<>();
        for (JavaClass type : classes) {
            if (isVisible(type)) {
                signature(type)
                        .flatMap(used -> used.getAllInvolvedRawTypes().stream())
                        .map(JavaClass::getBaseComponentType)
                        .filter(used -> isIn(used, HIDDEN_LIBRARIES))
                        .forEach(
                                used ->
                                        violations.add(
                                                type.getName() + " shows " + used.getName()));
            }
        }
        assertThat(violations).isEmpty();
    }

    @Test
    void onlyNativesLoadsNativeLibraries() {
        noClasses()
                .that()
                .resideOutsideOfPackage(ROOT + ".natives")
                .should()
                .callMethodWhere(
                        DescribedPredicate.describe(
                                "Loader.load",
                                call ->
                                        call.getTargetOwner()
                                                        .getName()
                                                        .equals("org.bytedeco.javacpp.Loader")
                                                && call.getName().startsWith("load")))
                .check(classes);
    }

    @Test
    void onlyTheBridgeKnowsTheBindingsTensors() {
        onlyIn(List.of("org.bytedeco.pytorch", "org.bytedeco.openblas"), "torch", "natives");
    }

    @Test
    void onlyDetectionKnowsOpenCv() {
        onlyIn(List.of("org.bytedeco.opencv"), "detection", "natives");
    }

    @Test
    void nobodyEndsTheJvm() {
        noClasses()
                .should()
                .callMethod(System.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "halt", int.class)
                .check(classes);
    }

    private static void onlyIn(List<String> libraries, String... places) {
        Set<String> violations = new TreeSet<>();
        for (JavaClass origin : classes) {
            if (!Set.of(places).contains(place(origin))) {
                origin.getDirectDependenciesFromSelf().stream()
                        .filter(
                                used ->
                                        isIn(
                                                used.getTargetClass().getBaseComponentType(),
                                                libraries))
                        .forEach(used -> violations.add(used.getDescription()));
            }
        }
        assertThat(violations).isEmpty();
    }

    /** The types that a user of the class sees: supertypes and those of its visible members. */
    private static Stream<JavaType> signature(JavaClass type) {
        Stream<JavaType> parents =
                Stream.concat(type.getSuperclass().stream(), type.getInterfaces().stream());
        Stream<JavaType> fields =
                type.getFields().stream()
                        .filter(field -> isVisible(field.getModifiers()))
                        .map(JavaField::getType);
        Stream<JavaType> methods =
                type.getCodeUnits().stream()
                        .filter(unit -> isVisible(unit.getModifiers()))
                        .flatMap(ArchitectureTest::types);
        return Stream.of(parents, fields, methods).flatMap(types -> types);
    }

    private static Stream<JavaType> types(JavaCodeUnit unit) {
        return Stream.of(
                        unit.getParameterTypes().stream(),
                        Stream.of(unit.getReturnType()),
                        unit.getExceptionTypes().stream())
                .flatMap(types -> types);
    }

    private static boolean isVisible(JavaClass type) {
        return isVisible(type.getModifiers())
                && type.getEnclosingClass().map(ArchitectureTest::isVisible).orElse(true);
    }

    private static boolean isVisible(Set<JavaModifier> modifiers) {
        return modifiers.contains(JavaModifier.PUBLIC)
                || modifiers.contains(JavaModifier.PROTECTED);
    }

    private static boolean isIn(JavaClass type, List<String> packages) {
        return packages.stream().anyMatch(name -> type.getPackageName().startsWith(name));
    }

    private static boolean isOurs(JavaClass type) {
        return isIn(type, List.of(ROOT));
    }

    private static Set<String> packageNames() {
        Set<String> names = new TreeSet<>();
        classes.forEach(type -> names.add(type.getPackageName()));
        return names;
    }

    /** The package below the root, for example {@code comm.inprocess}; the facade's is empty. */
    private static String place(JavaClass type) {
        String name = type.getPackageName();
        return name.equals(ROOT) ? "" : name.substring(ROOT.length() + 1);
    }

    private static Set<String> reachable(String place) {
        Set<String> found = new TreeSet<>(Set.of(place));
        MAY_USE.getOrDefault(place, List.of()).forEach(used -> found.addAll(reachable(used)));
        return found;
    }
}
