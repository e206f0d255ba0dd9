/**
 * A communicator between GPUs, over NVIDIA's NCCL.
 *
 * <p>Nothing of NVIDIA's comes with it: libnccl and libcudart are those of the CUDA libtorch, or of
 * the system ({@link org.yoloddp.nccl.NcclOptions}). On a machine without them, or for ranks on the
 * host, nothing is loaded.
 */
@NullMarked
package org.yoloddp.nccl;

import org.jspecify.annotations.NullMarked;
