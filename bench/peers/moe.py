#!/usr/bin/env python3
"""A plain mixture of experts in PyTorch, of the presets' shape: top-2, dropless, on every second layer.

Tokens are sorted by expert. Each expert's rows are padded to a multiple of 8, which torch._grouped_mm's weight gradient
needs in bf16, and multiplied by grouped products. On a CPU, or with --experts-by loop, a loop multiplies them. There are no
expert biases and no load balancing loss, so it computes a little less than moe4j.
"""
import common
import torch
import torch.nn as nn
import torch.nn.functional as F
from gpt import Gpt

TOP_K = 2
ALIGNMENT = 8


class Mixture(nn.Module):
    def __init__(self, width, ffn, experts, grouped, balanced):
        super().__init__()
        self.experts, self.grouped, self.balanced = experts, grouped, balanced
        self.gate = nn.Linear(width, experts, bias=False)
        self.up = nn.Parameter(torch.empty(experts, width, ffn))
        self.down = nn.Parameter(torch.empty(experts, ffn, width))

    def products(self, rows_RD, weights_EDF, ends_E, sizes):
        weights_EDF = weights_EDF.to(rows_RD.dtype)
        if self.grouped:
            return torch._grouped_mm(rows_RD, weights_EDF, offs=ends_E)
        parts = rows_RD.split(sizes + [rows_RD.shape[0] - sum(sizes)])
        tail = rows_RD.new_zeros(parts[-1].shape[0], weights_EDF.shape[2])
        return torch.cat([part @ weights_EDF[expert] for expert, part in enumerate(parts[:-1])] + [tail])

    def forward(self, x_BTD):
        x_TD = x_BTD.flatten(0, 1)
        probabilities_TE = F.softmax(self.gate(x_TD).float(), 1)
        weights_TK, chosen_TK = probabilities_TE.topk(TOP_K, 1)
        if self.balanced:  # every expert the same number of tokens, whatever the router says
            places = torch.arange(chosen_TK.numel(), device=x_TD.device)
            chosen_TK = (places % self.experts).view_as(chosen_TK)
            weights_TK = probabilities_TE.gather(1, chosen_TK)
        weights_TK = weights_TK / weights_TK.sum(1, keepdim=True)

        choices = chosen_TK.flatten()
        order = choices.argsort(stable=True)
        sorted_choices = choices[order]
        counts_E = (choices[:, None] == torch.arange(self.experts, device=x_TD.device)).sum(0)
        padded_E = (counts_E + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        ends_E = padded_E.cumsum(0)
        shift_E = (ends_E - padded_E) - (counts_E.cumsum(0) - counts_E)
        places = torch.arange(order.numel(), device=x_TD.device) + shift_E[sorted_choices]

        compute = torch.bfloat16
        rows_RD = torch.zeros(
            order.numel() + self.experts * ALIGNMENT, x_TD.shape[1], dtype=compute, device=x_TD.device
        ).index_copy(0, places, x_TD.to(compute)[order // TOP_K])
        sizes = [] if self.grouped else padded_E.tolist()
        offsets_E = ends_E.to(torch.int32)
        hidden_RF = F.gelu(self.products(rows_RD, self.up, offsets_E, sizes))
        out_RD = self.products(hidden_RF, self.down, offsets_E, sizes)
        picked = out_RD[places] * weights_TK.flatten()[order, None].to(compute)
        return torch.zeros_like(x_TD).index_add(0, order // TOP_K, picked.to(x_TD.dtype)).view_as(x_BTD)


def main():
    parser = common.parser(__doc__, experts=True)
    parser.add_argument("--balanced", action="store_true", help="every expert gets the same number of tokens")
    parser.add_argument("--experts-by", choices=["grouped", "loop"], default=None)
    arguments = common.parse(parser)
    by = arguments.experts_by or ("grouped" if arguments.device.startswith("cuda") else "loop")
    system = "pytorch moe" + (", balanced" if arguments.balanced else "")

    def mixture(width, ffn):
        return Mixture(width, ffn, arguments.experts, by == "grouped", arguments.balanced)

    with common.reported(system, arguments, arguments.experts):
        model = Gpt(arguments, mixture).to(arguments.device)
        common.measure(
            arguments,
            system,
            model,
            lambda compiled, tokens: common.cross_entropy(compiled(tokens[:, :-1]), tokens),
            common.flops_per_token(arguments, arguments.experts),
            arguments.experts,
            {"experts_by": by},
        )


if __name__ == "__main__":
    main()
