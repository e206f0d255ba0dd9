package org.yoloddp.rendezvous;

import java.util.Optional;

/** What a {@link StoreServer} does for the connections of one purpose; used by its thread. */
interface Service extends Connection.Listener {

    /** Says why a client is not taken, if it is not. */
    Optional<String> objection(Hello client);

    /** Forgets what belongs to earlier generations, whose connections are being closed. */
    void begin(int generation);
}
