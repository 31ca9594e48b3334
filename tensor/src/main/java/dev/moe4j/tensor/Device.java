package dev.moe4j.tensor;

import org.bytedeco.pytorch.global.torch.DeviceType;

/**
 * The device that holds a tensor and computes on it: the CPU or one CUDA device.
 *
 * @param index the CUDA device's number, from 0; 0 for the CPU
 */
public record Device(Kind kind, int index) {

    /** The kinds of device that libtorch's JVM artifacts support. */
    public enum Kind {
        CPU,
        CUDA
    }

    public static final Device CPU = new Device(Kind.CPU, 0);

    public Device {
        if (index < 0 || index > Byte.MAX_VALUE || (kind == Kind.CPU && index != 0)) {
            throw new TensorException("no such device: " + kind + ":" + index);
        }
    }

    /**
     * Parses {@code cpu}, {@code cuda} or {@code cuda:N}, and checks that this machine has the device.
     *
     * @throws TensorException if the text is not a device name, or this machine lacks the device
     */
    public static Device parse(String text) {
        if (text.equals("cpu")) {
            return CPU;
        }
        checkName(text);
        int index = text.length() > 5 ? Integer.parseInt(text.substring(5)) : 0;
        int present = Libtorch.cudaDevices();
        if (index >= present) {
            throw new TensorException("device '" + text + "' does not exist: libtorch finds " + present
                    + " CUDA devices; use cpu, or a distribution with CUDA libraries");
        }
        return new Device(Kind.CUDA, index);
    }

    /**
     * Checks that a text has the form of a device name. It neither looks for the device nor loads libtorch.
     *
     * @throws TensorException if the text is not a device name
     */
    public static void checkName(String text) {
        if (!text.matches("cpu|cuda(:\\d{1,2})?")) {
            throw new TensorException("device '" + text + "' is unknown: use cpu, cuda or cuda:N");
        }
    }

    public boolean isCuda() {
        return kind == Kind.CUDA;
    }

    org.bytedeco.pytorch.Device handle() {
        return new org.bytedeco.pytorch.Device(isCuda() ? DeviceType.CUDA : DeviceType.CPU, (byte) index);
    }

    @Override
    public String toString() {
        return isCuda() ? "cuda:" + index : "cpu";
    }
}
