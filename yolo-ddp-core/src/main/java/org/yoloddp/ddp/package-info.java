/** Data parallelism: replicas, gradient buckets and their reduction. */
@NullMarked
package org.yoloddp.ddp;

import org.jspecify.annotations.NullMarked;
