package dev.moe4j.tensor;

import org.bytedeco.pytorch.global.torch.DeviceType;

/**
 * Where a tensor lives: the CPU or one CUDA device.
 *
 * @param kind the kind of device
 * @param index the device's number among its kind; 0 for the CPU
 */
public record Device(Kind kind, int index) {

    /** The kinds of device that libtorch's artifacts for the JVM serve. */
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
     * Parses {@code cpu}, {@code cuda} or {@code cuda:N}, and checks that the device is there.
     *
     * @throws TensorException if the text names no device or this machine has none such
     */
    public static Device parse(String text) {
        if (text.equals("cpu")) {
            return CPU;
        }
        checkName(text);
        int index = text.length() > 5 ? Integer.parseInt(text.substring(5)) : 0;
        int present = Libtorch.cudaDevices();
        if (index >= present) {
            throw new TensorException("device '" + text + "' is not there: libtorch sees " + present
                    + " CUDA devices; use cpu, or a distribution with CUDA libraries");
        }
        return new Device(Kind.CUDA, index);
    }

    /**
     * Refuses a text that names no device, of this machine or another; libtorch is not loaded.
     *
     * @throws TensorException if it names none
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
