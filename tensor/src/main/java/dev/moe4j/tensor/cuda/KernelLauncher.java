package dev.moe4j.tensor.cuda;

/** Launches the kernels of {@code kernels.cu} and {@code routing.cu}. */
public interface KernelLauncher {

    /** The largest number of arguments of a kernel. */
    int MOST_ARGUMENTS = 10;

    /**
     * Launches a kernel on the stream of libtorch's operations, after the operations submitted so far.
     *
     * @param kernel the kernel's name
     * @param blocks the number of blocks
     * @param threads the number of threads of each block
     * @param sharedBytes dynamic shared memory of each block, in bytes, in addition to the kernel's static shared memory
     * @param arguments addresses and integers, each extended to 64 bits
     */
    void launch(String kernel, long blocks, int threads, int sharedBytes, long... arguments);
}
