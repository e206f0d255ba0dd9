package org.yoloddp.comm;

import java.net.URL;
import java.security.CodeSource;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.yoloddp.error.ConfigurationException;

/** Finds the kinds of communicators on the class path. */
public final class CommunicatorProviders {

    private CommunicatorProviders() {}

    /**
     * Finds all providers: those that the class loader of this library sees, then those that the
     * thread's context class loader sees.
     *
     * @return the providers by name
     * @throws ConfigurationException if two have one name, or one cannot be made
     */
    public static Map<String, CommunicatorProvider> all() {
        Map<String, CommunicatorProvider> providers = new LinkedHashMap<>();
        add(providers, CommunicatorProvider.class.getClassLoader());
        add(providers, Thread.currentThread().getContextClassLoader());
        return providers;
    }

    /**
     * Finds a provider.
     *
     * @param name its name
     * @return the provider
     * @throws ConfigurationException if there is none of that name
     */
    public static CommunicatorProvider get(String name) {
        Map<String, CommunicatorProvider> providers = all();
        CommunicatorProvider provider = providers.get(name);
        if (provider == null) {
            throw new ConfigurationException(
                    "There is no communicator '"
                            + name
                            + "' on the class path, only "
                            + providers.keySet()
                            + ". Correct the name, or add the module that has it.");
        }
        return provider;
    }

    /**
     * Finds a provider that can work on a device.
     *
     * @param name its name
     * @param device where ranks compute
     * @return the provider
     * @throws ConfigurationException if there is none of that name, or it can't work there
     */
    public static CommunicatorProvider get(String name, MemoryDevice device) {
        CommunicatorProvider provider = get(name);
        Availability answer = provider.probe(device);
        if (!answer.available()) {
            throw new ConfigurationException(
                    "The communicator '"
                            + name
                            + "' can't work on device "
                            + device
                            + ": "
                            + answer.reason()
                            + ".");
        }
        return provider;
    }

    /**
     * Finds the provider for a device of this machine.
     *
     * @param device where ranks compute
     * @return the first that probes available, if any
     */
    public static Optional<CommunicatorProvider> find(MemoryDevice device) {
        return all().values().stream()
                .filter(provider -> provider.probe(device).available())
                .findFirst();
    }

    /**
     * Returns the provider for a device of this machine.
     *
     * @param device where ranks compute
     * @return the first that probes available
     * @throws ConfigurationException if none does; tells what each lacks
     */
    public static CommunicatorProvider require(MemoryDevice device) {
        return find(device)
                .orElseThrow(
                        () ->
                                new ConfigurationException(
                                        "No communicator can work on device "
                                                + device
                                                + ": "
                                                + reasons(device)
                                                + ". For NVIDIA's GPUs add yolo-ddp-nccl to the"
                                                + " class path, and see what it lacks; or compute"
                                                + " on the CPU."));
    }

    private static String reasons(MemoryDevice device) {
        return all().values().stream()
                .map(provider -> provider.name() + " (" + provider.probe(device).reason() + ")")
                .collect(Collectors.joining(", "));
    }

    private static void add(
            Map<String, CommunicatorProvider> providers, @Nullable ClassLoader loader) {
        if (loader == null) {
            return;
        }
        try {
            for (CommunicatorProvider provider :
                    ServiceLoader.load(CommunicatorProvider.class, loader)) {
                CommunicatorProvider known = providers.putIfAbsent(provider.name(), provider);
                if (known != null && !isSame(known, provider)) {
                    throw new ConfigurationException(
                            "Two communicators are named '"
                                    + provider.name()
                                    + "': "
                                    + describe(known)
                                    + " and "
                                    + describe(provider)
                                    + ". Remove one of the two from the class path.");
                }
            }
        } catch (ServiceConfigurationError e) {
            throw new ConfigurationException(
                    "A communicator on the class path cannot be made: " + e.getMessage());
        }
    }

    private static boolean isSame(CommunicatorProvider a, CommunicatorProvider b) {
        return a.getClass() == b.getClass() || describe(a).equals(describe(b));
    }

    private static String describe(CommunicatorProvider provider) {
        CodeSource source = provider.getClass().getProtectionDomain().getCodeSource();
        URL location = source == null ? null : source.getLocation();
        return provider.getClass().getName() + " from " + location;
    }
}
