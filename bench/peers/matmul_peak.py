#!/usr/bin/env python3
"""The fastest bf16 product of square matrices: the peak for fractions of peak."""
import argparse
import json

import common
import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small matrices, to see that the script runs")
    arguments = parser.parse_args()
    for size in (128, 256) if arguments.tiny else (1024, 4096, 8192):
        line = {
            "system": "matmul peak",
            "size": size,
            "dtype": "bf16",
            "gemm_peak_gflops": common.matmul_peak(arguments.device, size, seconds=2) / 1e9,
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "cpu",
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
