#!/usr/bin/env python3
"""Turns the measurements of gpu.sh into the Markdown table of docs/performance.md: gpu_table.py FOLDER

Utilisation is useful FLOP/s over the fastest bf16 product that matmul_peak.py found in the same run, for all alike.
"""
import json
import pathlib
import re
import sys


def lines(folder, name):
    file = folder / f"{name}.json"
    return [json.loads(line) for line in file.read_text().splitlines() if line.strip()] if file.exists() else []


def memory(line):
    if line.get("peak_memory_bytes"):
        return line["peak_memory_bytes"]
    measured = [each.get("measured_bytes") for each in line.get("memory", [])]
    return measured[0] if measured and measured[0] else None


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    peaks = lines(folder, "peak")
    if not peaks:
        sys.exit(f"gpu_table: {folder}/peak.json is missing; run gpu.sh first")
    peak = max(line["gemm_peak_gflops"] for line in peaks)
    rows = {}
    for file in folder.glob("*.json"):
        match = re.fullmatch(r"(.+)-(dense|\d+)-(tiny|125m|355m|1\.3b)", file.stem)
        if match:
            system, experts, size = match.groups()
            rows[size, 0 if experts == "dense" else int(experts), system] = lines(folder, file.stem)[-1]
    print(f"{peaks[0]['device']}, bf16 matrix products {peak / 1e3:.4g} TFLOP/s")
    print()
    print("| size | experts | system | tokens/s | utilisation | peak memory | step over dense | moe4j over it |")
    print("|---|---|---|---|---|---|---|---|")
    order = {"moe4j": 0, "pytorch": 1, "transformers": 2}
    sizes = ["tiny", "125m", "355m", "1.3b"]
    for size, experts, system in sorted(rows, key=lambda key: (sizes.index(key[0]), key[1], order.get(key[2], 3), key[2])):
        line = rows[size, experts, system]
        rate = line["tokens_per_second"]
        used = line["flops_per_token"] * rate / 1e9 / peak
        bytes_used = memory(line)
        # A balanced system is compared with its dense model and with moe4j's balanced run.
        dense = rows.get((size, 0, system.removesuffix("-balanced")))
        ours = rows.get((size, experts, "moe4j-balanced" if system.endswith("-balanced") else "moe4j"))
        cells = [
            size,
            experts or "dense",
            system,
            f"{rate:,.0f}",
            f"{100 * used:.1f} %",
            f"{bytes_used / 2**30:.1f} GiB" if bytes_used else "",
            f"{dense['tokens_per_second'] / rate:.2f}" if dense and experts else "",
            f"{ours['tokens_per_second'] / rate:.2f}" if ours and not system.startswith("moe4j") else "",
        ]
        print("| " + " | ".join(str(cell) for cell in cells) + " |")


if __name__ == "__main__":
    main()
