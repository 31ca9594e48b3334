#!/usr/bin/env python3
"""A dense GPT in PyTorch: torch.compile, flash attention, bf16 over fp32 masters, fused AdamW."""
import common
from gpt import Gpt


def main():
    arguments = common.parse(common.parser(__doc__, precisions=("bf16", "fp32")))
    with common.reported("pytorch dense", arguments):
        model = Gpt(arguments).to(arguments.device)
        common.measure(
            arguments,
            "pytorch dense",
            model,
            lambda compiled, tokens: common.cross_entropy(compiled(tokens[:, :-1]), tokens),
            common.flops_per_token(arguments),
        )


if __name__ == "__main__":
    main()
