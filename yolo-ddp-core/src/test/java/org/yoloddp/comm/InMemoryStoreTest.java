package org.yoloddp.comm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class InMemoryStoreTest {

    private static final Duration LONG = Duration.ofSeconds(30);

    private final Store store = new InMemoryStore();

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void keepsItsOwnCopies() {
        byte[] value = bytes("abc");
        store.set("k", value, LONG);
        value[0] = 'x';
        store.get("k", LONG)[1] = 'y';
        assertThat(store.get("k", LONG)).isEqualTo(bytes("abc"));
    }

    @Test
    void getWaitsForTheKey() throws Exception {
        CompletableFuture<byte[]> value =
                CompletableFuture.supplyAsync(() -> store.get("later", LONG));
        store.set("other", bytes("1"), LONG);
        store.set("later", bytes("2"), LONG);
        assertThat(value.get(30, TimeUnit.SECONDS)).isEqualTo(bytes("2"));
    }

    @Test
    void keysThatDoNotComeAreNamed() {
        store.set("a", bytes("1"), LONG);
        assertThatThrownBy(() -> store.await(List.of("a", "b", "c"), Duration.ofMillis(20)))
                .isInstanceOfSatisfying(
                        StoreTimeoutException.class,
                        e -> assertThat(e.missing()).containsExactly("b", "c"))
                .hasMessage(
                        "Not in the store within 20 ms: b, c. Find out why the ranks that set it"
                                + " have not come, or raise the deadline.");
        store.await(List.of("a"), Duration.ZERO);
    }

    @Test
    void whatIsTakenIsGone() throws Exception {
        CompletableFuture<byte[]> value =
                CompletableFuture.supplyAsync(() -> store.take("later", LONG));
        store.set("later", bytes("1"), LONG);
        assertThat(value.get(30, TimeUnit.SECONDS)).isEqualTo(bytes("1"));
        assertThatThrownBy(() -> store.take("later", Duration.ofMillis(20)))
                .isInstanceOf(StoreTimeoutException.class);
        store.set("later", bytes("2"), LONG);
        assertThat(store.take("later", LONG)).isEqualTo(bytes("2"));
    }

    @Test
    void addsNumbers() {
        assertThat(store.add("n", 5, LONG)).isEqualTo(5);
        assertThat(store.add("n", -7, LONG)).isEqualTo(-2);
        assertThat(store.get("n", LONG)).isEqualTo(bytes("-2"));
        store.set("text", bytes("abc"), LONG);
        assertThatThrownBy(() -> store.add("text", 1, LONG))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("The value of 'text' is not a number");
    }

    @Test
    void comparesAndSets() {
        assertThat(store.compareAndSet("k", bytes("old"), bytes("new"), LONG)).isFalse();
        assertThat(store.compareAndSet("k", null, bytes("old"), LONG)).isTrue();
        assertThat(store.compareAndSet("k", null, bytes("x"), LONG)).isFalse();
        assertThat(store.compareAndSet("k", bytes("old"), bytes("new"), LONG)).isTrue();
        assertThat(store.get("k", LONG)).isEqualTo(bytes("new"));
    }

    @Test
    void interruptsAreKept() {
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> store.get("k", Duration.ofMillis(5)))
                .isInstanceOf(StoreTimeoutException.class);
        assertThat(Thread.interrupted()).isTrue();
    }
}
