package dev.moe4j.tensor.cuda;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Kernels of our own for what libtorch's operators take many passes over memory for, in float32 and bfloat16. Each has a
 * plain twin, which sections use wherever there are no kernels: on the CPU, where NVRTC is missing or cannot compile for
 * the GPU, and with {@code -Dmoe4j.kernels=off}.
 *
 * <p>Tensors are contiguous, and rows are a multiple of 16 bytes: see {@link #takes}.
 */
public final class Kernels {

    private static final Logger LOG = LoggerFactory.getLogger(Kernels.class);

    /** At most, of a block that works on one row. */
    private static final int ROW_THREADS = 256;

    /** That a thread reads or writes at once. */
    private static final int PIECE_BYTES = 16;

    private static final int WARP = 32;
    private static final String NAME = "kernels.cu";

    /** A number of each warp, which sums over a row exchange beside what a launch asks for. */
    private static final long WARPS_BYTES = 32 * Float.BYTES;

    /** What a launch may ask a block to share: the parts of two vectors' gradients must fit. */
    private static final long SHARED_BYTES = (48 << 10) - WARPS_BYTES;

    /** Blocks of {@link #addNormBackward}: some for each processor of a large GPU, few beside the rows. */
    private static final long NORM_BLOCKS = 512;

    private static final ConcurrentHashMap<Device, Optional<Kernels>> OF_DEVICES = new ConcurrentHashMap<>();

    private final KernelLauncher launcher;

    public Kernels(KernelLauncher launcher) {
        this.launcher = launcher;
    }

    /** The kernels of a device, compiled when they are first asked for; empty on the CPU and where they are off. */
    public static Optional<Kernels> of(Device device) {
        if (!device.isCuda() || System.getProperty("moe4j.kernels", "on").equals("off")) {
            return Optional.empty();
        }
        return OF_DEVICES.computeIfAbsent(device, Kernels::compile);
    }

    private static Optional<Kernels> compile(Device device) {
        return Nvrtc.find()
                .flatMap(compiler -> launcher(device, () -> {
                    CudaDriver driver = CudaDriver.of(device);
                    return driver.load(compiler.compile(source(), NAME, driver.architecture()));
                }))
                .map(Kernels::new);
    }

    /** What the compiler makes; empty, with a line in the log, if it fails, such as an NVRTC older than the GPU. */
    static Optional<KernelLauncher> launcher(Device device, Supplier<KernelLauncher> compiled) {
        try {
            return Optional.of(compiled.get());
        } catch (TensorException e) {
            LOG.warn(
                    "{} computes by libtorch's operators, which is slower, since moe4j's kernels do not compile: {}; "
                            + "install an NVRTC of libtorch's CUDA version",
                    device,
                    e.getMessage());
            return Optional.empty();
        }
    }

    /** The kernels' source in CUDA C++. */
    public static String source() {
        return resource(NAME) + "#line 1 \"routing.cu\"\n" + resource("routing.cu");
    }

    public static String resource(String name) {
        try (InputStream in = Kernels.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new TensorException(name + " is missing from moe4j's jar");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether rows of so many elements of that type are what kernels are for. */
    public static boolean takes(DType type, long columns) {
        return (type == DType.FLOAT32 || type == DType.BFLOAT16) && columns * type.bytes() % PIECE_BYTES == 0;
    }

    /**
     * Each row's negative log-likelihood, in nats.
     *
     * @param logits_NV become the gradients of the likelihoods, p − 1 at the target, where that is asked for
     * @param target_N1 int64
     * @param loss_N1 float32, is written
     */
    public void softmaxLoss(Tensor logits_NV, Tensor target_N1, Tensor loss_N1, boolean gradient) {
        launchRows(
                "softmaxLoss",
                logits_NV,
                at(logits_NV),
                at(target_N1),
                at(loss_N1),
                logits_NV.size(1),
                gradient ? 1 : 0);
    }

    /**
     * A dropless top-k assignment; see the model's DeviceAssignment, whose numbers these are. All are written but {@code
     * kept_C}.
     *
     * @param experts_C [tokens · k] int64: written by {@link #routeHighest}
     * @param kept_C bool
     * @param ends_E int32
     * @param filled_R bool
     */
    public record Assigned(
            Tensor experts_C,
            Tensor kept_C,
            Tensor rowOf_C,
            Tensor choiceOf_R,
            Tensor tokenOf_R,
            Tensor filled_R,
            Tensor expertOf_R,
            Tensor ends_E,
            Tensor counts_E) {}

    /**
     * The experts of each token's k highest logits, highest first; of equal ones the lower number.
     *
     * @param logits_TE float32
     * @param experts_C {@code [tokens · k]} int64, is written
     */
    public void routeHighest(Tensor logits_TE, Tensor experts_C) {
        long tokens = logits_TE.size(0);
        launcher.launch(
                "routeHighest",
                Math.ceilDiv(tokens * WARP, ROW_THREADS),
                ROW_THREADS,
                0,
                at(logits_TE),
                at(experts_C),
                tokens,
                logits_TE.size(1),
                experts_C.elements() / tokens);
    }

    /**
     * Gives choices their rows.
     *
     * @param topK choices of each token
     * @param multiple that each expert's rows are rounded up to
     */
    public void routeRows(Assigned to, int topK, int multiple) {
        long choices = to.experts_C().elements();
        long rows = to.choiceOf_R().elements();
        int experts = (int) to.ends_E().elements();
        long blocks = Math.ceilDiv(choices, ROW_THREADS);
        int shared = experts * Integer.BYTES;
        try (Scope _ = Scope.open()) {
            Tensor starts = Tensor.empty(DType.INT32, to.experts_C().device(), blocks, experts);
            launcher.launch(
                    "routeCount",
                    blocks,
                    ROW_THREADS,
                    shared,
                    at(to.experts_C()),
                    at(to.kept_C()),
                    at(starts),
                    choices,
                    experts);
            launcher.launch(
                    "routeStarts",
                    1,
                    Math.clamp(Math.ceilDiv(experts, WARP) * (long) WARP, WARP, 1024),
                    shared,
                    at(starts),
                    at(to.counts_E()),
                    at(to.ends_E()),
                    blocks,
                    experts,
                    multiple);
            launcher.launch(
                    "routeRows",
                    Math.ceilDiv(rows, ROW_THREADS),
                    ROW_THREADS,
                    0,
                    at(to.ends_E()),
                    at(to.choiceOf_R()),
                    at(to.tokenOf_R()),
                    at(to.filled_R()),
                    at(to.expertOf_R()),
                    rows,
                    experts);
            launcher.launch(
                    "routePlace",
                    blocks,
                    ROW_THREADS,
                    shared * (ROW_THREADS / WARP),
                    at(to.experts_C()),
                    at(to.kept_C()),
                    at(starts),
                    at(to.rowOf_C()),
                    at(to.choiceOf_R()),
                    at(to.tokenOf_R()),
                    at(to.filled_R()),
                    choices,
                    experts,
                    topK);
        }
    }

    /**
     * residual + Σ_k weight_k · the output of choice k.
     *
     * @param outputs_RD the experts' rows
     * @param weights_TK float32; a choice of weight 0 is not looked at
     * @param rowOf_C int64
     * @return {@code [tokens, model]}
     */
    public Tensor combine(Tensor residual_TD, Tensor outputs_RD, Tensor weights_TK, Tensor rowOf_C) {
        Tensor sum_TD = residual_TD.emptyLike();
        launchRows(
                "combine",
                residual_TD,
                at(residual_TD),
                at(outputs_RD),
                at(weights_TK),
                at(rowOf_C),
                at(sum_TD),
                weights_TK.size(1),
                residual_TD.size(1));
        return sum_TD;
    }

    /**
     * The gradients of {@link #combine}'s outputs and weights, 0 where no choice fills a row, and where a choice has none.
     *
     * @param choiceOf_R int64
     * @param filled_R 1 where a choice fills the row, else 0, in the type of outputs
     */
    public Tensor[] combineBackward(
            Tensor gradient_TD, Tensor outputs_RD, Tensor weights_TK, Tensor choiceOf_R, Tensor filled_R) {
        Tensor outputGradient_RD = outputs_RD.emptyLike();
        Tensor weightGradient_TK = weights_TK.emptyLike().zero();
        launchRows(
                "combineBackward",
                outputs_RD,
                at(gradient_TD),
                at(outputs_RD),
                at(weights_TK),
                at(choiceOf_R),
                at(filled_R),
                at(outputGradient_RD),
                at(weightGradient_TK),
                weights_TK.size(1),
                outputs_RD.size(1));
        return new Tensor[] {outputGradient_RD, weightGradient_TK};
    }

    /**
     * Adds each expert's bias to its rows, in place, and gives their GELU. Rows past the last end stay as they are.
     *
     * @param bias_EF {@code [experts, ffn]}
     * @param expertOf_R int64
     * @param ends_E int32
     * @return {@code [rows, ffn]}, of which rows past the last end are not written
     */
    public Tensor biasGelu(Tensor x_RF, Tensor bias_EF, Tensor expertOf_R, Tensor ends_E) {
        Tensor active_RF = x_RF.emptyLike();
        launchRows(
                "biasGelu",
                x_RF,
                at(x_RF),
                at(bias_EF),
                at(expertOf_R),
                at(ends_E),
                at(active_RF),
                ends_E.elements(),
                x_RF.size(1));
        return active_RF;
    }

    /**
     * The gradient at what GELU was taken of, in place of that of its result.
     *
     * @param inner_RF what GELU was taken of
     */
    public void geluBackward(Tensor gradient_RF, Tensor inner_RF, Tensor ends_E) {
        launchRows(
                "geluBackward",
                gradient_RF,
                at(gradient_RF),
                at(inner_RF),
                at(ends_E),
                ends_E.elements(),
                gradient_RF.size(1));
    }

    /** Whether {@link #addNorm} is for rows of so many elements of that type. */
    public static boolean takesNorm(DType type, long columns) {
        return takes(type, columns) && 2 * columns * Float.BYTES <= SHARED_BYTES;
    }

    /**
     * A sum of two tensors and its layer norm.
     *
     * @param weight_D of the norm, in the tensors' type, as is the bias
     * @param sum_TD residual + branch, is written; may be branch itself
     * @return the sum's norm and, for backward, each row's mean and reciprocal deviation {@code [tokens, 2]} in float32
     */
    public Tensor[] addNorm(
            Tensor residual_TD, Tensor branch_TD, Tensor weight_D, Tensor bias_D, double epsilon, Tensor sum_TD) {
        Tensor normed_TD = residual_TD.emptyLike();
        Tensor statistics_T2 = Tensor.empty(DType.FLOAT32, residual_TD.device(), residual_TD.size(0), 2);
        launchRows(
                "addNorm",
                residual_TD,
                at(residual_TD),
                at(branch_TD),
                at(weight_D),
                at(bias_D),
                at(sum_TD),
                at(normed_TD),
                at(statistics_T2),
                Float.floatToRawIntBits((float) epsilon),
                residual_TD.size(1));
        return new Tensor[] {normed_TD, statistics_T2};
    }

    /**
     * The gradients of {@link #addNorm}: of residual and branch alike, and of weight and bias in float32.
     *
     * @param sumGradient_TD null where nothing used the sum
     */
    public Tensor[] addNormBackward(
            @Nullable Tensor sumGradient_TD,
            Tensor normedGradient_TD,
            Tensor sum_TD,
            Tensor statistics_T2,
            Tensor weight_D) {
        long rows = sum_TD.size(0);
        long columns = sum_TD.size(1);
        long rowsEach = Math.ceilDiv(rows, NORM_BLOCKS);
        long blocks = Math.ceilDiv(rows, rowsEach);
        Tensor gradient_TD = sum_TD.emptyLike();
        Tensor sums_2D;
        try (Scope inner = Scope.open()) {
            Tensor parts_P2D = Tensor.empty(DType.FLOAT32, sum_TD.device(), blocks, 2, columns);
            launch(
                    "addNormBackward",
                    sum_TD,
                    blocks,
                    2 * columns * Float.BYTES,
                    sumGradient_TD == null ? 0 : at(sumGradient_TD),
                    at(normedGradient_TD),
                    at(sum_TD),
                    at(statistics_T2),
                    at(weight_D),
                    at(gradient_TD),
                    at(parts_P2D),
                    rows,
                    rowsEach,
                    columns);
            sums_2D = inner.escape(parts_P2D.sum(0));
        }
        return new Tensor[] {gradient_TD, sums_2D.select(0, 0), sums_2D.select(0, 1)};
    }

    /** Starts a block for each row. */
    private void launchRows(String kernel, Tensor rows, long... arguments) {
        launch(kernel, rows, rows.size(0), 0, arguments);
    }

    private void launch(String kernel, Tensor rows, long blocks, long sharedBytes, long... arguments) {
        if (!takes(rows.dtype(), rows.size(1))) {
            throw new TensorException(
                    kernel + ": " + rows.describe() + " is not float32 or bfloat16 in rows of 16 bytes");
        }
        if (sharedBytes > SHARED_BYTES) {
            throw new TensorException(kernel + ": rows as long as those of " + rows.describe() + " are not for it");
        }
        launcher.launch(
                kernel + "_" + rows.dtype().name().toLowerCase(Locale.ROOT),
                blocks,
                rowThreads(rows),
                (int) sharedBytes,
                arguments);
    }

    /** Whole warps that each take 16 bytes of a row at a time. */
    private static int rowThreads(Tensor rows) {
        long pieces = rows.size(1) * rows.dtype().bytes() / PIECE_BYTES;
        return (int) Math.min(ROW_THREADS, Math.ceilDiv(pieces, WARP) * WARP);
    }

    private static long at(Tensor tensor) {
        if (!tensor.isContiguous()) {
            throw new TensorException("kernels take contiguous tensors, not this " + tensor.describe());
        }
        return tensor.address();
    }
}
