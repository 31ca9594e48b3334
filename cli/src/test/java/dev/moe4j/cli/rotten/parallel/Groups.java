package dev.moe4j.cli.rotten.parallel;

import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.TensorVector;

/** Breaks no rule: c10d is parallel's. */
final class Groups {
    private Groups() {}

    static void reduce(ProcessGroupGloo group, TensorVector x) {
        group.allreduce(x)._wait();
    }
}
