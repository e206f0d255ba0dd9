package org.yoloddp.natives;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A shared library of the system or of the user, opened without JavaCPP and for good, so that it
 * can be judged before anything is bound to it. Linux only.
 *
 * <p>For modules that bind to libraries which no jar holds. The binding's own libraries are linked
 * lazily: a function that is missing ends the JVM when it is called. So a module opens what it
 * needs, asks for versions and functions here, and only then {@link #bind binds}. The system's
 * linker gives a library its name once: what is open first under a name, such as {@code
 * libcudart.so.12}, is what every library gets that is linked against that name.
 *
 * <p>Thread-safe.
 */
public final class DynamicLibrary {

    private static final int RTLD_LAZY = 1;
    private static final int RTLD_DI_LINKMAP = 2;

    /** A version that no library has. */
    private static final String NO_VERSION = "yolo-ddp.none";

    private final Path file;
    private final Pointer handle;

    private DynamicLibrary(Path file, Pointer handle) {
        this.file = file;
        this.handle = handle;
    }

    /**
     * Opens a library and keeps it open.
     *
     * @param name an absolute file, or a name that the system's linker looks for
     * @return the library
     * @throws NativeLibraryException with the linker's words if it cannot be opened
     */
    public static DynamicLibrary open(String name) {
        NativeLibrary libc = NativeLibrary.getInstance("c");
        Function dlopen = libc.getFunction("dlopen");
        Function dlerror = libc.getFunction("dlerror");
        Object[] arguments = {name, RTLD_LAZY};
        Pointer handle = (Pointer) dlopen.invoke(Pointer.class, arguments);
        if (handle == null) {
            // The first time the JVM may link JNA's methods after the call, and looks for them by
            // the same linker, which forgets its words then. The second time they are linked.
            dlerror.invokeString(new Object[0], false);
            handle = (Pointer) dlopen.invoke(Pointer.class, arguments);
        }
        if (handle == null) {
            throw NativeLibraryException.unopened(dlerror.invokeString(new Object[0], false));
        }
        return new DynamicLibrary(fileOf(libc, handle, name), handle);
    }

    /** What the linker has taken for a name: the second word of its struct link_map. */
    private static Path fileOf(NativeLibrary libc, Pointer handle, String name) {
        PointerByReference map = new PointerByReference();
        int failed =
                libc.getFunction("dlinfo").invokeInt(new Object[] {handle, RTLD_DI_LINKMAP, map});
        Pointer text =
                failed == 0 ? map.getValue().getPointer(com.sun.jna.Native.POINTER_SIZE) : null;
        Path file = Path.of(text == null ? name : text.getString(0, StandardCharsets.UTF_8.name()));
        try {
            return file.toRealPath();
        } catch (IOException e) {
            return file;
        }
    }

    /**
     * Lists the shared libraries that this process has mapped.
     *
     * @param fileName matches the whole file name
     * @return their files, in no particular order
     */
    public static List<Path> mapped(Pattern fileName) {
        return MappedLibraries.read().named("").stream()
                .filter(file -> fileName.matcher(file.getFileName().toString()).matches())
                .toList();
    }

    /**
     * Loads a binding of JavaCPP over libraries that are open, and nothing else of their names.
     *
     * @param cache names a folder below JavaCPP's cache, one for each different set of libraries:
     *     JavaCPP leaves links to them beside its own
     * @param libraries what the binding is linked against, by the name it is linked under
     * @param bindings the classes to load, in order
     * @throws NativeLibraryException if that fails
     */
    public static void bind(
            String cache, Map<String, DynamicLibrary> libraries, Class<?>... bindings) {
        JavaCpp.loadOver(cache, libraries, bindings);
    }

    /**
     * Tells which version of a jar of JavaCPP's bindings is on the class path.
     *
     * @param artifact the artifact's name below {@code org.bytedeco}
     * @return its version, or null if the jar is not there or does not tell
     */
    public static @Nullable String bindingVersion(String artifact) {
        return NativeJars.version(DynamicLibrary.class.getClassLoader(), "org.bytedeco", artifact);
    }

    /**
     * Returns what the linker has opened.
     *
     * @return the file, without links
     */
    public Path file() {
        return file;
    }

    /**
     * Tells whether the library, or one that it is linked against, has a function.
     *
     * @param function its name
     * @return false if calling it would end the JVM
     */
    public boolean has(String function) {
        return find(function) != null;
    }

    /**
     * Tells whether the library defines a function under a version, as a binding may have been
     * linked against it. What is linked so ends the process if it is bound to a library that has
     * the name but no versions at all, so that is not enough.
     *
     * @param function its name
     * @param version the version, such as {@code libcudart.so.12}
     * @return false if binding to it would end the JVM
     */
    public boolean has(String function, String version) {
        return find(function, version) != null && find(function, NO_VERSION) == null;
    }

    /**
     * Calls a function of the form {@code int f(int *value)}.
     *
     * @param function its name
     * @return its code and the value
     * @throws NativeLibraryException if the library does not have it
     */
    public Answer ask(String function) {
        IntByReference value = new IntByReference();
        int code = function(function).invokeInt(new Object[] {value});
        return new Answer(code, value.getValue());
    }

    /**
     * Calls a function of the form {@code const char *f(int code)}.
     *
     * @param function its name
     * @param code the code
     * @return the text, empty if there is none
     * @throws NativeLibraryException if the library does not have it
     */
    public String text(String function, int code) {
        String text = function(function).invokeString(new Object[] {code}, false);
        return text == null ? "" : text;
    }

    private @Nullable Pointer find(String function) {
        return (Pointer)
                NativeLibrary.getInstance("c")
                        .getFunction("dlsym")
                        .invoke(Pointer.class, new Object[] {handle, function});
    }

    /** A library without versions has every function under each. */
    private @Nullable Pointer find(String function, String version) {
        return (Pointer)
                NativeLibrary.getInstance("c")
                        .getFunction("dlvsym")
                        .invoke(Pointer.class, new Object[] {handle, function, version});
    }

    private Function function(String name) {
        Pointer address = find(name);
        if (address == null) {
            throw NativeLibraryException.missingFunction(file, name);
        }
        return Function.getFunction(address);
    }

    @Override
    public String toString() {
        return file.toString();
    }

    /**
     * What a function has answered.
     *
     * @param code its return code
     * @param value what it has written
     */
    public record Answer(int code, int value) {}
}
