package dev.moe4j.train.checkpoint;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.config.ConfigWriter;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Which changes of the machine a resumed run refuses. */
class ResumeCompatibilityTest {

    private static final RunConfig CONFIG = RunConfig.preset("cpu-tiny-moe");

    private static TrainingState.RunInputs on(int threads, String instructionSet) {
        return on(threads, instructionSet, CONFIG);
    }

    private static TrainingState.RunInputs on(int threads, String instructionSet, RunConfig config) {
        return new TrainingState.RunInputs(
                1,
                10,
                1,
                ConfigWriter.toJson(config),
                new TrainingState.Data("0"),
                new TrainingState.Layout(2, 1),
                new TrainingState.Machine(threads, instructionSet));
    }

    private static void refuse(TrainingState.RunInputs before, TrainingState.RunInputs now, boolean leads) {
        ResumeCompatibility.refuse(before, CONFIG, now, Set.of(), leads);
    }

    /** The checkpoint records the first process's machine only. */
    @Test
    void onlyTheFirstProcessComparesItsMachine() {
        TrainingState.RunInputs before = on(2, "AVX512");
        TrainingState.RunInputs now = on(8, "AVX2");
        assertThatThrownBy(() -> refuse(before, now, true))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("instruction_set was AVX512 and is now AVX2; threads was 2 and is now 8");
        assertThatCode(() -> refuse(before, now, false)).doesNotThrowAnyException();
    }

    /** As if only one of two machines had AMX tiles. */
    @Test
    void anotherOneDnnIsAnotherInstructionSet() {
        TrainingState.RunInputs tiles = on(2, "AVX512/AVX512_CORE_AMX");
        TrainingState.RunInputs none = on(2, "AVX512/AVX512_CORE_BF16");
        assertThatThrownBy(() -> refuse(tiles, none, true))
                .hasMessageContaining("instruction_set was AVX512/AVX512_CORE_AMX and is now AVX512/AVX512_CORE_BF16;");
        assertThatCode(() -> refuse(tiles, tiles, true)).doesNotThrowAnyException();
    }

    @Test
    void checkpointsThatDoNotTellOfOneDnnAreComparedByWhatTheyTell() {
        TrainingState.RunInputs before = on(2, "AVX512");
        assertThatCode(() -> refuse(before, on(2, "AVX512/AVX512_CORE_AMX"), true))
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> refuse(before, on(2, "AVX2/AVX2"), true))
                .hasMessageContaining("instruction_set was AVX512 and is now AVX2/AVX2;");
    }

    /** Another precision may be allowed. It also decides whether tiles are used. */
    @Test
    void anotherPrecisionNeedsNoOtherKey() {
        RunConfig was = CONFIG.withPrecision(Precision.FP32);
        TrainingState.RunInputs before = on(2, "AVX512/AVX512_CORE_BF16", was);
        TrainingState.RunInputs now = on(2, "AVX512/AVX512_CORE_AMX", CONFIG.withPrecision(Precision.BF16));
        assertThatCode(() -> ResumeCompatibility.refuse(before, was, now, Set.of("precision"), true))
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> ResumeCompatibility.refuse(before, was, now, Set.of(), true))
                .hasMessageStartingWith("cannot resume: precision was fp32 and is now bf16; this would");
    }
}
