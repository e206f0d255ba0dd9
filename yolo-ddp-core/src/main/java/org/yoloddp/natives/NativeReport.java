package org.yoloddp.natives;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Which native libraries this process uses, for logs and for the command {@code doctor}.
 *
 * @param platform JavaCPP's name of the platform
 * @param source where libtorch comes from
 * @param libtorch the file of libtorch_cpu, or null before it is loaded
 * @param libtorchVersion version of libtorch, or null before it is loaded
 * @param verified whether it was checked that exactly one libtorch is loaded (Linux only)
 * @param bindingVersion version of the jar org.bytedeco:pytorch, or null if it does not tell
 * @param djlVersion version of DJL
 * @param openCv the file of OpenCV's core, or null if not loaded or not known
 * @param openCvVersion version of the jar org.bytedeco:opencv, or null if it does not tell
 * @param glibcVersion version of glibc, or null on other systems
 * @param allocator settings of the C allocator
 */
public record NativeReport(
        String platform,
        LibtorchSource source,
        @Nullable Path libtorch,
        @Nullable String libtorchVersion,
        boolean verified,
        @Nullable String bindingVersion,
        String djlVersion,
        @Nullable Path openCv,
        @Nullable String openCvVersion,
        @Nullable String glibcVersion,
        AllocatorSettings allocator) {}
