#!/usr/bin/env python3
"""The published method (fairseq, branch moe, without tutel) in PyTorch: plain attention, logits of all tokens in one tensor,
experts one after another in buffers of a fixed capacity. Products with one-hot matrices dispatch and combine tokens (GShard,
Lepikhin et al. 2020, algorithm 2). --experts 0 is its dense model.

It omits the published code's statistics, padding masks and distributed exchanges.
"""
import math

import common
import torch
import torch.nn as nn
import torch.nn.functional as F
from gpt import FeedForward, Gpt

BALANCE = 0.01


class Attention(nn.Module):
    """Three projections, two batched products, a softmax in float32 between them."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x_BTD):
        b, t, d = x_BTD.shape
        x_TBD = x_BTD.transpose(0, 1)
        q, k, v = (
            each(x_TBD).reshape(t, b * self.heads, d // self.heads).transpose(0, 1) for each in (self.q, self.k, self.v)
        )
        mask_TT = torch.full((t, t), -math.inf, device=x_BTD.device, dtype=q.dtype).triu(1)
        scores_GTT = torch.bmm(q * (d // self.heads) ** -0.5, k.transpose(1, 2)) + mask_TT
        weights_GTT = F.softmax(scores_GTT, dim=-1, dtype=torch.float32).type_as(scores_GTT)
        y_TBD = torch.bmm(weights_GTT, v).transpose(0, 1).reshape(t, b, d)
        return self.out(y_TBD).transpose(0, 1)


class Mixture(nn.Module):
    """Top-2, both choices kept, weights normalised after token dropping."""

    def __init__(self, width, ffn, experts):
        super().__init__()
        self.gate = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(FeedForward(width, ffn) for _ in range(experts))
        self.balance = None

    def route(self, x_SD):
        """The load balancing loss and the weights [tokens, experts, capacity], 0 for empty places."""
        logits_SE = self.gate(x_SD).float()
        gates_SE = F.softmax(logits_SE, dim=1)
        s, e = gates_SE.shape
        capacity = 2 * math.ceil(s / e)
        first_SE = F.one_hot(gates_SE.argmax(1), e)
        second_SE = F.one_hot(logits_SE.masked_fill(first_SE.bool(), -math.inf).argmax(1), e)
        # All first choices of an expert come before its second ones.
        first_place_SE = first_SE.cumsum(0) - 1
        second_place_SE = second_SE.cumsum(0) - 1 + first_SE.sum(0, keepdim=True)
        balance = (gates_SE.mean(0) * first_SE.to(gates_SE.dtype).mean(0)).mean() * e * e
        first_SE = first_SE * (first_place_SE < capacity)
        second_SE = second_SE * (second_place_SE < capacity)
        first_S, second_S = (gates_SE * first_SE).sum(1), (gates_SE * second_SE).sum(1)
        sum_S = (first_S + second_S).clamp(min=torch.finfo(gates_SE.dtype).eps)

        def combine(weight_S, chosen_SE, place_SE):
            place_SC = F.one_hot((place_SE * chosen_SE).sum(1), capacity).to(weight_S.dtype)
            weight_SE = weight_S[:, None] * chosen_SE.to(weight_S.dtype)
            return torch.bmm(weight_SE[:, :, None], place_SC[:, None, :])

        combine_SEC = combine(first_S / sum_S, first_SE, first_place_SE)
        return balance, combine_SEC + combine(second_S / sum_S, second_SE, second_place_SE)

    def forward(self, x_BTD):
        x_SD = x_BTD.reshape(-1, x_BTD.shape[-1])
        self.balance, combine_SEC = self.route(x_SD)
        combine_SEC = combine_SEC.to(x_SD.dtype)
        s, e, c = combine_SEC.shape
        dispatch_ECS = combine_SEC.bool().to(x_SD.dtype).permute(1, 2, 0)
        rows_ECD = torch.mm(dispatch_ECS.reshape(e * c, s), x_SD).view(e, c, -1)
        out_ECD = torch.stack([expert(rows_CD) for expert, rows_CD in zip(self.experts, rows_ECD)])
        return torch.mm(combine_SEC.view(s, e * c), out_ECD.view(e * c, -1)).view_as(x_BTD)


def main():
    parser = common.parser(__doc__, experts=True, precisions=("bf16", "fp32"))
    arguments = common.parse(parser)

    def mixture(width, ffn):
        return Mixture(width, ffn, arguments.experts) if arguments.experts else FeedForward(width, ffn)

    with common.reported("published", arguments, arguments.experts):
        model = Gpt(arguments, mixture, Attention).to(arguments.device)

        def loss(compiled, tokens):
            nll = common.cross_entropy(compiled(tokens[:, :-1]).float(), tokens)
            if not arguments.experts:
                return nll
            mixtures = model.mixtures()
            return nll + BALANCE * sum(each.balance for each in mixtures) / len(mixtures)

        common.measure(
            arguments,
            "published",
            model,
            loss,
            common.flops_per_token(arguments, arguments.experts),
            arguments.experts,
        )


if __name__ == "__main__":
    main()
