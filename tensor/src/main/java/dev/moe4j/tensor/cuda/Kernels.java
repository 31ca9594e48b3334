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
 * Fused CUDA kernels in float32 and bfloat16: router top-k, assignment of tokens to expert rows, weighted sum of expert
 * outputs, bias and GELU, residual and layer norm, softmax loss. Each replaces a chain of libtorch operators and reads its
 * inputs once. Sections have a fallback with libtorch's operators. It is used on the CPU, if NVRTC is missing or cannot
 * compile for the GPU, and with {@code -Dmoe4j.kernels=off}.
 *
 * <p>Tensors must be contiguous, and rows must be a multiple of 16 bytes: see {@link #supports}.
 */
public final class Kernels {

    private static final Logger LOG = LoggerFactory.getLogger(Kernels.class);

    /** Threads of a block. A block that computes a short row has fewer. */
    private static final int BLOCK_THREADS = 256;

    /** Bytes that a thread reads or writes in one memory access. */
    private static final int PACK_BYTES = 16;

    private static final int WARP = 32;
    private static final String NAME = "kernels.cu";

    /** Static shared memory of the reductions over a row: one float for each warp. */
    private static final long REDUCTION_BYTES = 32 * Float.BYTES;

    /** Maximum dynamic shared memory of a launch, without opting in to more than 48 KiB. */
    private static final long MAX_SHARED_BYTES = (48 << 10) - REDUCTION_BYTES;

    /** Maximum number of blocks of {@link #addNormBackward}: several per multiprocessor, but few partial sums. */
    private static final long MAX_NORM_BLOCKS = 512;

    private static final ConcurrentHashMap<Device, Optional<Kernels>> OF_DEVICES = new ConcurrentHashMap<>();

    private final KernelLauncher launcher;

    public Kernels(KernelLauncher launcher) {
        this.launcher = launcher;
    }

    /** The kernels of a device. The first call compiles them. Empty on the CPU, or if they are disabled or do not compile. */
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

    /** The compiled kernels; empty, with a warning, if they do not compile, such as with an NVRTC older than the GPU. */
    static Optional<KernelLauncher> launcher(Device device, Supplier<KernelLauncher> compiled) {
        try {
            return Optional.of(compiled.get());
        } catch (TensorException e) {
            LOG.warn(
                    "{} uses libtorch's operators, which are slower, because moe4j's kernels do not compile: {}; "
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

    /** The text of a source file on the class path, next to this class. */
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

    /** Whether the kernels support rows of {@code columns} elements of the type. */
    public static boolean supports(DType type, long columns) {
        return (type == DType.FLOAT32 || type == DType.BFLOAT16) && columns * type.bytes() % PACK_BYTES == 0;
    }

    /**
     * Computes the cross-entropy loss of each row and, if requested, its gradient.
     *
     * @param logits_NV the logits {@code [rows, vocabulary]}; overwritten by their gradients p − onehot(target) if {@code
     *     gradient} is true
     * @param target_N1 the target ids, int64
     * @param loss_N1 output: the negative log-likelihoods in nats, float32
     * @param gradient whether to compute the gradients
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
     * The tensors of a top-k assignment of tokens to expert rows without token dropping. A choice is one of a token's k
     * experts: {@code C = tokens · k}, {@code R} is the number of rows, {@code E} the number of experts. Indices are int64.
     * All but {@code kept_C} are outputs.
     *
     * @param experts_C the expert of each choice, from {@link #routeHighest}
     * @param kept_C whether each choice gets a row, bool; false for padding tokens
     * @param rowOf_C the row of each choice; 0 if it is not kept
     * @param choiceOf_R the choice in each row; 0 if the row is empty
     * @param tokenOf_R the token in each row; 0 if the row is empty
     * @param filled_R whether each row has a choice, bool
     * @param expertOf_R the expert of each row
     * @param ends_E the end of each expert's rows, int32
     * @param counts_E the number of kept choices of each expert
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
     * Router top-k: finds the k experts with the highest logits of each token, highest first. Among equal logits the expert
     * with the lower number wins.
     *
     * @param logits_TE the router's logits {@code [tokens, experts]}, float32
     * @param experts_C output: the chosen experts {@code [tokens · k]}, int64
     */
    public void routeHighest(Tensor logits_TE, Tensor experts_C) {
        long tokens = logits_TE.size(0);
        launcher.launch(
                "routeHighest",
                Math.ceilDiv(tokens * WARP, BLOCK_THREADS),
                BLOCK_THREADS,
                0,
                at(logits_TE),
                at(experts_C),
                tokens,
                logits_TE.size(1),
                experts_C.elements() / tokens);
    }

    /**
     * Assigns rows to the kept choices, grouped by expert and in the order of choices within an expert.
     *
     * @param to the assignment, with {@code experts_C} and {@code kept_C} as inputs
     * @param topK the number of choices of each token
     * @param multiple each expert's number of rows is rounded up to a multiple of this, and is at least this
     */
    public void routeRows(Assigned to, int topK, int multiple) {
        long choices = to.experts_C().elements();
        long rows = to.choiceOf_R().elements();
        int experts = (int) to.ends_E().elements();
        long blocks = Math.ceilDiv(choices, BLOCK_THREADS);
        int shared = experts * Integer.BYTES;
        try (Scope _ = Scope.open()) {
            Tensor starts = Tensor.empty(DType.INT32, to.experts_C().device(), blocks, experts);
            launcher.launch(
                    "routeCount",
                    blocks,
                    BLOCK_THREADS,
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
                    Math.ceilDiv(rows, BLOCK_THREADS),
                    BLOCK_THREADS,
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
                    BLOCK_THREADS,
                    shared * (BLOCK_THREADS / WARP),
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
     * Adds the gate-weighted expert outputs to the residual: residual + Σ_k weight_k · output_k for each token.
     *
     * @param outputs_RD the expert outputs {@code [rows, model]}
     * @param weights_TK the gate weights, float32; the output of a choice with weight 0 (token dropping) is not read
     * @param rowOf_C the row of each choice, int64
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
     * The backward pass of {@link #combine}: returns the gradients of the expert outputs and of the gate weights. They are 0
     * for rows without a choice and for choices without a row.
     *
     * @param choiceOf_R the choice in each row, int64
     * @param filled_R 1 if the row has a choice, else 0, in the type of the outputs
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
     * Adds each expert's bias to its rows in place, and returns GELU of the result. Rows after the last expert's end are
     * neither changed nor written.
     *
     * @param bias_EF {@code [experts, ffn]}
     * @param expertOf_R the expert of each row, int64
     * @param ends_E the end of each expert's rows, int32
     * @return {@code [rows, ffn]}
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
     * The backward pass of GELU in place: replaces the gradient of its output by the gradient of its input.
     *
     * @param inner_RF the input of GELU
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

    /** Whether {@link #addNorm} supports rows of {@code columns} elements of the type. */
    public static boolean takesNorm(DType type, long columns) {
        return supports(type, columns) && 2 * columns * Float.BYTES <= MAX_SHARED_BYTES;
    }

    /**
     * Adds a branch to the residual and computes the layer norm of the sum.
     *
     * @param weight_D the weight of the layer norm, in the tensors' type, like the bias
     * @param sum_TD output: residual + branch; may be {@code branch_TD}
     * @return the normalized sum and, for the backward pass, each row's mean and reciprocal standard deviation {@code
     *     [tokens, 2]} in float32
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
     * The backward pass of {@link #addNorm}: returns the gradient of the residual, which is also the gradient of the branch,
     * and the gradients of weight and bias in float32.
     *
     * @param sumGradient_TD the gradient of the sum; null if nothing used the sum
     * @param normedGradient_TD the gradient of the normalized sum
     */
    public Tensor[] addNormBackward(
            @Nullable Tensor sumGradient_TD,
            Tensor normedGradient_TD,
            Tensor sum_TD,
            Tensor statistics_T2,
            Tensor weight_D) {
        long rows = sum_TD.size(0);
        long columns = sum_TD.size(1);
        long rowsEach = Math.ceilDiv(rows, MAX_NORM_BLOCKS);
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

    /** Launches one block for each row. */
    private void launchRows(String kernel, Tensor rows, long... arguments) {
        launch(kernel, rows, rows.size(0), 0, arguments);
    }

    private void launch(String kernel, Tensor rows, long blocks, long sharedBytes, long... arguments) {
        if (!supports(rows.dtype(), rows.size(1))) {
            throw new TensorException(
                    kernel + ": " + rows.describe() + " must be float32 or bfloat16 in rows of a multiple of 16 bytes");
        }
        if (sharedBytes > MAX_SHARED_BYTES) {
            throw new TensorException(kernel + ": the rows of " + rows.describe() + " exceed a block's shared memory");
        }
        launcher.launch(
                kernel + "_" + rows.dtype().name().toLowerCase(Locale.ROOT),
                blocks,
                rowThreads(rows),
                (int) sharedBytes,
                arguments);
    }

    /** A thread for each 16 bytes of a row, rounded up to full warps. */
    private static int rowThreads(Tensor rows) {
        long packs = rows.size(1) * rows.dtype().bytes() / PACK_BYTES;
        return (int) Math.min(BLOCK_THREADS, Math.ceilDiv(packs, WARP) * WARP);
    }

    private static long at(Tensor tensor) {
        if (!tensor.isContiguous()) {
            throw new TensorException("kernels need contiguous tensors; " + tensor.describe() + " is not contiguous");
        }
        return tensor.address();
    }
}
