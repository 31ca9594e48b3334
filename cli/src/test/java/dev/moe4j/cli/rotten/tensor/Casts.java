package dev.moe4j.cli.rotten.tensor;

import java.util.function.Function;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.TensorVector;

/** Reinterprets memory: the compiler takes IValue(Pointer) for a list. */
final class Casts {
    private Casts() {}

    static IValue call(TensorVector list) {
        return new IValue(list);
    }

    static Function<Pointer, IValue> reference() {
        return IValue::new;
    }
}
