package org.yoloddp.launch;

import org.jspecify.annotations.Nullable;
import org.yoloddp.launch.ErrorFile.Blame;

/**
 * A failure on its way from a node to node 0.
 *
 * @param failure what happened
 * @param ageMillis how long before the note was written it happened; clocks of hosts differ
 * @param blame the rank that the worker holds responsible, null if none
 */
record FailureNote(WorkerFailure failure, long ageMillis, @Nullable Blame blame) {}
