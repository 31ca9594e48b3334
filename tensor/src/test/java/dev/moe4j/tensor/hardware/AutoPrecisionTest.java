package dev.moe4j.tensor.hardware;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AutoPrecisionTest {

    @ParameterizedTest
    @CsvSource({
        "AVX2, fp32",
        "AVX512_CORE, fp32",
        "AVX512_CORE_VNNI, fp32",
        "AVX512_CORE_BF16, bf16",
        "AVX512_CORE_FP16, bf16",
        "AVX512_CORE_AMX, bf16",
        "AVX512_CORE_AMX_FP16, bf16"
    })
    void aCpuMultipliesInBf16WhereItHasInstructionsForThat(String instructions, String precision) {
        AutoPrecision auto = AutoPrecision.onCpu(instructions);
        assertThat(auto.precision().name()).isEqualTo(precision);
        assertThat(auto.reason()).startsWith(instructions + " has ");
    }

    @Test
    void anUnknownCpuMultipliesInFp32() {
        assertThat(AutoPrecision.onCpu(null).precision()).isEqualTo(Precision.FP32);
    }

    @ParameterizedTest
    @CsvSource({
        "sm_61, fp32",
        "sm_70, fp16",
        "sm_75, fp16",
        "sm_80, bf16",
        "sm_90, bf16",
        "sm_100, bf16",
        "sm_120, bf16"
    })
    void aGpuMultipliesInTheBestTypeOfItsArchitecture(String architecture, String precision) {
        assertThat(AutoPrecision.onCuda(architecture).precision().name()).isEqualTo(precision);
    }

    /** The choice does not depend on measured times, so repeated calls agree. */
    @Test
    void thisCpusChoiceFollowsFromItsInstructionSet() {
        String[] sets = Libtorch.instructionSet().split("/", -1);
        assertThat(AutoPrecision.of(Device.CPU)).isEqualTo(AutoPrecision.onCpu(sets.length > 1 ? sets[1] : null));
    }
}
