"""A GPT as nanoGPT writes it, with replaceable feed-forward networks: LayerNorm first, biases, tied head."""
import common
import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BTD):
        b, t, d = x_BTD.shape
        q, k, v = (each.view(b, t, self.heads, d // self.heads).transpose(1, 2) for each in self.qkv(x_BTD).split(d, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(b, t, d))


class FeedForward(nn.Module):
    def __init__(self, width, ffn):
        super().__init__()
        self.up = nn.Linear(width, ffn)
        self.down = nn.Linear(ffn, width)

    def forward(self, x_BTD):
        return self.down(F.gelu(self.up(x_BTD)))


class Block(nn.Module):
    def __init__(self, width, attention, ffn):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.ffn = attention, ffn

    def forward(self, x_BTD):
        x_BTD = x_BTD + self.attention(self.norm1(x_BTD))
        return x_BTD + self.ffn(self.norm2(x_BTD))


class Gpt(nn.Module):
    """Of the arguments' shape. `mixture(width, ffn)` makes every second layer's network in place of a dense one."""

    def __init__(self, arguments, mixture=FeedForward, attention=Attention):
        super().__init__()
        layers, width, heads = common.SHAPES[arguments.preset]
        vocabulary, context = common.vocabulary(arguments), arguments.context
        self.embed = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(
            Block(width, attention(width, heads), (mixture if layer % 2 == 1 else FeedForward)(width, 4 * width))
            for layer in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def mixtures(self):
        return [block.ffn for block in self.blocks[1::2]]

    def forward(self, tokens_BT):
        x_BTD = self.embed(tokens_BT) + self.positions.weight[: tokens_BT.shape[1]]
        for block in self.blocks:
            x_BTD = block(x_BTD)
        return F.linear(self.norm(x_BTD), self.embed.weight)
