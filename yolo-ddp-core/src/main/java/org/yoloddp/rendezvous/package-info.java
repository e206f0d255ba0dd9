/**
 * How processes find each other: an authenticated store over TCP, its handshake, and the failure
 * channel.
 */
@NullMarked
package org.yoloddp.rendezvous;

import org.jspecify.annotations.NullMarked;
