package org.yoloddp.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.yoloddp.natives.AllocatorSettings;
import org.yoloddp.natives.NativeLibraryException;
import org.yoloddp.natives.NativeReport;
import org.yoloddp.natives.Natives;

/** Loads the native libraries and looks at them. */
final class NativeFindings {

    private NativeFindings() {}

    static List<Finding> examine() {
        NativeReport before;
        try {
            before = Natives.report();
        } catch (NativeLibraryException e) {
            return List.of(Finding.missing("platform", e.getMessage()));
        }
        List<Finding> findings = new ArrayList<>();
        String tested = before.platform().equals("linux-x86_64") ? "" : " (declared, but untested)";
        findings.add(Finding.ok("platform", before.platform() + tested));
        if (before.glibcVersion() != null) {
            findings.add(Finding.ok("glibc", before.glibcVersion()));
            findings.add(allocator(before.allocator()));
        }
        try {
            Natives.start();
            findings.add(libtorch(Natives.report()));
        } catch (NativeLibraryException e) {
            findings.add(Finding.missing("libtorch", e.getMessage()));
        }
        try {
            Natives.openCv();
            NativeReport report = Natives.report();
            findings.add(Finding.ok("OpenCV", report.openCvVersion() + " from " + report.openCv()));
        } catch (NativeLibraryException e) {
            findings.add(Finding.missing("OpenCV", e.getMessage()));
        }
        findings.add(Finding.ok("DJL", before.djlVersion()));
        return findings;
    }

    private static Finding libtorch(NativeReport report) {
        return Finding.ok(
                "libtorch",
                report.libtorchVersion()
                        + " of "
                        + report.source()
                        + " from "
                        + report.libtorch()
                        + ", binding "
                        + report.bindingVersion()
                        + (report.verified() ? ", the only one in this process" : ""));
    }

    static Finding allocator(AllocatorSettings settings) {
        if (settings.replacement() != null) {
            return Finding.info("allocator", "replaced by " + settings.replacement());
        }
        if (settings.asRecommended()) {
            return Finding.ok("allocator", "glibc keeps the memory of a step");
        }
        StringBuilder export = new StringBuilder("export");
        AllocatorSettings.recommended()
                .forEach(
                        (name, value) -> {
                            if (!Objects.equals(settings.values().get(name), value)) {
                                export.append(' ').append(name).append('=').append(value);
                            }
                        });
        return Finding.warning(
                "allocator",
                "not set up, a step may take up to twice as long: start by bin/yolo-ddp, or run '"
                        + export
                        + "' before java");
    }
}
