package org.yoloddp.comm;

import java.net.URL;
import java.security.CodeSource;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
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
