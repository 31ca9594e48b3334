"""Common code of the peers: shapes, the FLOP rule of `moe4j bench train`, timing, and the JSON line."""
import argparse
import contextlib
import json
import math
import sys
import time

import torch
import torch.nn.functional as F

VOCABULARY = 50264  # GPT-2's and four more, up to a multiple of 8, as the published presets have it
SMALL_VOCABULARY = {"tiny": 512, "cpu-dense": 8192}

# layers, width, heads of the presets of the same name; feed-forward networks and experts are four times as wide
SHAPES = {
    "tiny": (2, 64, 4),
    "cpu-dense": (6, 256, 4),
    "dense-125m": (12, 768, 12),
    "dense-355m": (24, 1024, 16),
    "dense-1.3b": (24, 2048, 32),
}


def parser(description, experts=False, precisions=("bf16",)):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--preset", default="dense-125m", choices=[name for name in SHAPES if name != "tiny"])
    if experts:
        parser.add_argument("--experts", type=int, default=8, help="on every second layer, top-2 (default: 8)")
    parser.add_argument("--sequences", type=int, default=8, help="of 2048 tokens, in one step (default: 8)")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=12, help="of which the fastest counts (default: 12)")
    parser.add_argument("--warmup", type=int, default=4, help="steps before them (default: 4)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", choices=precisions, default="bf16", help="bf16 over fp32 masters is the default")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, to see that the script runs")
    return parser


def parse(parser):
    parsed = parser.parse_args()
    if parsed.tiny:
        parsed.preset, parsed.sequences, parsed.context, parsed.steps, parsed.warmup = "tiny", 2, 64, 2, 1
    return parsed


def vocabulary(arguments):
    return SMALL_VOCABULARY.get(arguments.preset, VOCABULARY)


def flops_per_token(arguments, experts=0, ffn_products=2, ffn=None, top_k=2):
    """Forward and backward products of one token: full attention, the chosen experts, router, head; times three."""
    layers, width, _ = SHAPES[arguments.preset]
    ffn = 4 * width if ffn is None else ffn
    mixtures = layers // 2 if experts else 0
    feed_forward = 2 * ffn_products * width * ffn
    forward = layers * (8 * width * width + 4 * width * arguments.context)
    forward += (layers - mixtures) * feed_forward + mixtures * (top_k * feed_forward + 2 * width * experts)
    forward += 2 * width * vocabulary(arguments)
    return 3 * forward


def synchronize(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def matmul_peak(device, size, seconds=0.5, batch=10, dtype=torch.bfloat16):
    """The fastest product of square matrices, in operations a second; each time is that of `batch` in a row."""
    a = torch.rand(size, size, device=device).sub_(0.5).to(dtype)
    b = torch.rand(size, size, device=device).sub_(0.5).to(dtype)
    best, begin, rounds = math.inf, time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - begin < seconds:
        synchronize(device)
        start = time.perf_counter()
        for _ in range(batch):
            a @ b
        synchronize(device)
        best = min(best, (time.perf_counter() - start) / batch)
        rounds += 1
    return 2 * size**3 / best


def autocast(arguments):
    if arguments.precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(arguments.device.split(":")[0], dtype=torch.bfloat16)


def optimizer(model, device):
    fused = {"fused": True} if device.startswith("cuda") else {}  # PyTorch 1.13 does not know it
    return torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), weight_decay=0.01, **fused)


def measure(arguments, system, model, loss, flops, experts=0, extra=None):
    """Trains `model` on random tokens, `loss(model, tokens)` a step, and prints the JSON line."""
    device = arguments.device
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(1)
    parameters = sum(each.numel() for each in model.parameters())
    size = 256 if arguments.tiny else 8192 if device.startswith("cuda") else 1024
    peak = matmul_peak(device, size, dtype=torch.bfloat16 if arguments.precision == "bf16" else torch.float32)
    adam = optimizer(model, device)
    compiled = model if arguments.no_compile else torch.compile(model)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    shape = (arguments.sequences, arguments.context + 1)
    times, value = [], None
    for _ in range(arguments.warmup + arguments.steps):
        tokens = torch.randint(vocabulary(arguments), shape, device=device)
        synchronize(device)
        start = time.perf_counter()
        with autocast(arguments):
            value = loss(compiled, tokens)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        synchronize(device)
        times.append(time.perf_counter() - start)
    measured = sorted(times[arguments.warmup :])
    tokens_per_step = arguments.sequences * arguments.context
    rate = tokens_per_step / measured[0]
    result = {
        "system": system,
        "preset": arguments.preset,
        "experts": experts,
        "sequences": arguments.sequences,
        "context": arguments.context,
        "parameters_total": parameters,
        "flops_per_token": flops,
        "tokens_per_second": rate,
        "median_tokens_per_second": tokens_per_step / measured[len(measured) // 2],
        "gemm_peak_gflops": peak / 1e9,
        "model_flops_utilization": flops * rate / peak,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if device.startswith("cuda") else None,
        "last_loss": float(value.detach()),
        "precision": arguments.precision,
        "compiled": not arguments.no_compile,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
    }
    print(json.dumps(result | (extra or {})), flush=True)


@contextlib.contextmanager
def reported(system, arguments, experts=0):
    """An out-of-memory error becomes a line of the results; anything else is the caller's."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        line = {"system": system, "preset": arguments.preset, "experts": experts, "sequences": arguments.sequences}
        print(json.dumps(line | {"error": "out of memory"}), flush=True)
        sys.exit(1)


def cross_entropy(logits, tokens):
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
