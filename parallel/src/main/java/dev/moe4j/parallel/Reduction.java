package dev.moe4j.parallel;

import org.bytedeco.pytorch.ReduceOp;

/** The operation by which an all-reduce combines the members' elements. */
public enum Reduction {
    SUM(ReduceOp.RedOpType.SUM);

    private final ReduceOp.RedOpType type;

    Reduction(ReduceOp.RedOpType type) {
        this.type = type;
    }

    ReduceOp.RedOpType type() {
        return type;
    }
}
