package dev.moe4j.tensor.cuda;

/** Runs one of the kernels in {@code kernels.cu}. */
public interface KernelLauncher {

    /** The most arguments that a kernel has. */
    int MOST_ARGUMENTS = 10;

    /**
     * Starts a kernel behind all that libtorch was asked for before.
     *
     * @param sharedBytes of memory that the threads of a block share, beside what the kernel declares
     * @param arguments addresses and integers, each in 64 bits
     */
    void launch(String kernel, long blocks, int threads, int sharedBytes, long... arguments);
}
