"""The copies of lesson 06 in PyTorch: torch.nn's own Transformer layers, the same seed, the same
batches, so the same start, and for a while the same losses.

    make lesson-06                                # writes build/figures/lesson-06/copies.safetensors
    python3 lessons/06_transformer/in_pytorch.py [seed] [copies.safetensors]

Needs: pip install torch numpy safetensors. Given a file of weights from heed, it copies with
those, too; its own it leaves in copies_pytorch.safetensors, in the form that heed loads.
"""
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

WIDTH, HEADS, HIDDEN, LONGEST, STEPS, WARM_UP = 32, 4, 64, 128, 400, 50


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        angles = torch.outer(torch.arange(LONGEST, dtype=torch.float64),
                             10000.0 ** (-torch.arange(0, WIDTH, 2, dtype=torch.float64) / WIDTH))
        table = torch.stack((angles.sin(), angles.cos()), 2).flatten(1)
        self.register_buffer("pe", table.float()[None])

    def forward(self, x):
        return x + self.pe[:, :x.size(1)]


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        options = dict(dropout=0.0, batch_first=True, norm_first=True)
        self.source, self.target = nn.Embedding(11, WIDTH), nn.Embedding(11, WIDTH)
        self.positions = Positions()
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, **options), 1, nn.LayerNorm(WIDTH),
            enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(WIDTH, HEADS, HIDDEN, **options), 1, nn.LayerNorm(WIDTH))
        self.out = nn.Linear(WIDTH, 11)
        for name, p in self.named_parameters():  # where the training starts
            if name in ("source.weight", "target.weight"):
                nn.init.normal_(p, 0, WIDTH ** -0.5)
            elif name.endswith("in_proj_weight"):
                for one in p.data.chunk(3):
                    nn.init.xavier_uniform_(one)
            elif p.dim() == 2:
                nn.init.xavier_uniform_(p)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, source, words):
        embedded = lambda table, ids: self.positions(table(ids) * math.sqrt(WIDTH))
        future = torch.ones(words.size(1), words.size(1)).triu(1) == 1  # True: hidden
        read = self.encoder(embedded(self.source, source))
        return self.out(self.decoder(embedded(self.target, words), read, tgt_mask=future))


def draw(random, n):
    x = torch.randint(1, 11, (n, 10), generator=random)
    x[:, 0] = 1
    return x


def train(seed):
    torch.manual_seed(seed)
    model = Transformer()
    adam = torch.optim.Adam(model.parameters(), 0.005, betas=(0.9, 0.98), eps=1e-9)
    random = torch.Generator().manual_seed(1000 + seed)
    for i in range(STEPS):
        x = draw(random, 32)
        logits = model(x, x[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten(), label_smoothing=0.1)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        falling = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * i / STEPS))
        adam.param_groups[0]["lr"] = 0.005 * min(1, (i + 1) / WARM_UP) * falling
        adam.step()
        if i < 10:
            print(f"      step {i + 1:<3d} {loss.item():.6f}")
    return model, loss.item()


@torch.no_grad()
def copies(model, x):
    words = x[:, :1]
    for _ in range(9):
        words = torch.cat((words, model(x, words)[:, -1].argmax(1, keepdim=True)), 1)
    return words


def row(name, model, loss):
    x = draw(torch.Generator().manual_seed(77), 1000)
    ordered = torch.arange(1, 11)[None]
    right = (copies(model, x) == x).all(1).sum().item()
    exact = "exact" if (copies(model, ordered) == ordered).all() else "wrong"
    print(f"      {name:<25s} {right:8d}    {exact:>10s}   {loss}")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.set_num_threads(1)
    print("    the first losses")
    model, loss = train(seed)
    model.eval()
    print("    of 1,000 fresh sequences      right    1 2 ... 10   last loss")
    row(f"seed {seed}", model, f"{loss:9.4f}")
    save_file(model.state_dict(), "copies_pytorch.safetensors")
    if len(sys.argv) > 2:
        model.load_state_dict(load_file(sys.argv[2]))
        row("weights from heed", model, "        -")


if __name__ == "__main__":
    main()
