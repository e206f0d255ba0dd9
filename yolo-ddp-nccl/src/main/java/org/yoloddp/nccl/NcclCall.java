package org.yoloddp.nccl;

/**
 * What a rank is doing when it calls NCCL, for messages.
 *
 * @param group the name of the group
 * @param rank the rank, by number in the world
 * @param operation what it does, such as {@code allReduce(tag 'bucket 0')}
 * @param sequence the number of the collective in its group, -1 where there is none
 */
record NcclCall(String group, int rank, String operation, long sequence) {

    /** What belongs to no collective. */
    static NcclCall of(String group, int rank, String operation) {
        return new NcclCall(group, rank, operation, -1);
    }
}
