package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yoloddp.comm.inprocess.InProcessProvider;
import org.yoloddp.comm.tcp.TcpProvider;
import org.yoloddp.error.ConfigurationException;

class CommunicatorProvidersTest {

    private static final Duration LONG = Duration.ofSeconds(30);

    /** Has a name of its own. */
    public static class Carrier implements CommunicatorProvider {

        @Override
        public String name() {
            return "pigeon";
        }

        @Override
        public Availability probe(MemoryDevice device) {
            return Availability.no("no pigeons");
        }

        @Override
        public Communicator connect(GroupContext context) {
            throw new UnsupportedOperationException();
        }
    }

    /** Has the same name. */
    public static final class Homing extends Carrier {}

    /** Cannot be made. */
    public static final class Broken extends Carrier {

        /** Fails. */
        public Broken() {
            throw new IllegalStateException("boom");
        }
    }

    @TempDir Path folder;

    private void withProviders(Runnable check, Class<?>... providers) throws Exception {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(
                services.resolve(CommunicatorProvider.class.getName()),
                String.join("\n", List.of(providers).stream().map(Class::getName).toList()),
                StandardCharsets.UTF_8);
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        URL[] urls = {folder.toUri().toURL()};
        try (URLClassLoader loader = new URLClassLoader(urls, getClass().getClassLoader())) {
            thread.setContextClassLoader(loader);
            check.run();
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    @Test
    void findsThoseThatAreAlwaysThere() {
        assertThat(CommunicatorProviders.get("in-process")).isInstanceOf(InProcessProvider.class);
        assertThat(CommunicatorProviders.get("tcp")).isInstanceOf(TcpProvider.class);
        assertThat(CommunicatorProviders.all()).containsOnlyKeys("in-process", "tcp");
    }

    @Test
    void findsThoseOfTheContextClassLoader() throws Exception {
        withProviders(
                () ->
                        assertThat(CommunicatorProviders.get("pigeon").probe(MemoryDevice.HOST))
                                .isEqualTo(new Availability(false, "no pigeons")),
                Carrier.class);
    }

    @Test
    void twoOfOneNameAreAnErrorThatNamesBothPlaces() throws Exception {
        URL here = Carrier.class.getProtectionDomain().getCodeSource().getLocation();
        withProviders(
                () ->
                        assertThatThrownBy(CommunicatorProviders::all)
                                .isInstanceOf(ConfigurationException.class)
                                .hasMessage(
                                        "Two communicators are named 'pigeon': "
                                                + Carrier.class.getName()
                                                + " from "
                                                + here
                                                + " and "
                                                + Homing.class.getName()
                                                + " from "
                                                + here
                                                + ". Remove one of the two from the class path."),
                Carrier.class,
                Homing.class);
    }

    @Test
    void aProviderThatCannotBeMadeIsNamed() throws Exception {
        withProviders(
                () ->
                        assertThatThrownBy(CommunicatorProviders::all)
                                .isInstanceOf(ConfigurationException.class)
                                .hasMessage(
                                        "A communicator on the class path cannot be made:"
                                                + " org.yoloddp.comm.CommunicatorProvider: Provider "
                                                + Broken.class.getName()
                                                + " could not be instantiated"),
                Broken.class);
    }

    @Test
    void anUnknownNameIsAnErrorThatListsTheKnown() {
        assertThatThrownBy(() -> CommunicatorProviders.get("ncl"))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage(
                        "There is no communicator 'ncl' on the class path, only [in-process, tcp]."
                                + " Correct the name, or add the module that has it.");
    }

    @Test
    void threadsConnectThroughOneStore() throws Exception {
        CommunicatorProvider provider = CommunicatorProviders.get("in-process");
        Store store = new InMemoryStore();
        assertThat(provider.probe(MemoryDevice.HOST).available()).isTrue();
        assertThat(provider.probe(new MemoryDevice("cuda", 0)))
                .isEqualTo(Availability.no("works on the memory of the host, not of cuda:0"));
        CompletableFuture<Communicator> other =
                CompletableFuture.supplyAsync(() -> provider.connect(context(1, store)));
        try (Communicator zero = provider.connect(context(0, store));
                Communicator one = other.get(30, TimeUnit.SECONDS)) {
            assertThat(zero.size()).isEqualTo(2);
            assertThat(one.rank()).isEqualTo(1);
            assertThatThrownBy(() -> provider.connect(context(1, store)))
                    .isInstanceOf(ConfigurationException.class)
                    .hasMessage("Rank 1 has connected through this store before");
        }
    }

    private static GroupContext context(int rank, Store store) {
        return new GroupContext(
                rank, 2, rank, GroupContext.localHostId(), MemoryDevice.HOST, store, LONG);
    }

    @Test
    void placesThatCannotBeAreRefused() {
        assertThatThrownBy(() -> context(2, new InMemoryStore()))
                .isInstanceOf(ConfigurationException.class)
                .hasMessage("Rank 2 (local 2) of 2 cannot be");
    }
}
