package dev.moe4j.parallel;

import org.bytedeco.pytorch.ReduceOp;

/** How a reduction joins the members' elements. */
public enum Reduction {
    SUM(ReduceOp.RedOpType.SUM),
    MAX(ReduceOp.RedOpType.MAX);

    private final ReduceOp.RedOpType type;

    Reduction(ReduceOp.RedOpType type) {
        this.type = type;
    }

    ReduceOp.RedOpType type() {
        return type;
    }
}
