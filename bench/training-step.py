"""The rival of training-step.ts: one training step of the same encoder in PyTorch, one thread.

Augmentation (random resized crop, colour jitter), forward, HCL loss, backward, Adam; channels_last. Reads
"views repeats" lines, answers each with the milliseconds of every step, by the clock named on the command line.
"""
import math
import platform
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
CLOCK = time.process_time if sys.argv[1:] == ["cpu"] else time.perf_counter
TEMPERATURE, BETA = 0.5, 2.0


class Block(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outer)
        self.shortcut = None
        if stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)), inplace=True)


class TinyResnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            Block(32, 32, 1),
            Block(32, 64, 2),
            Block(64, 128, 2),
        )
        self.head = nn.Sequential(nn.Linear(128, 128), nn.ReLU(inplace=True), nn.Linear(128, 64))

    def forward(self, x):
        return F.normalize(self.head(self.body(x).mean((2, 3))), dim=1)


def augment(pictures):
    """Batched: crop .7 to 1, jitter .8 x (.2, .2, .2, .05), normalised; uint8 [n, 3, 32, 32] in."""
    x = pictures.float().div_(255)
    n = len(x)
    area = 0.7 + 0.3 * torch.rand(n)
    ratio = torch.exp((torch.rand(n) * 2 - 1) * math.log(4 / 3))
    w, h = torch.sqrt(area * ratio).clamp(max=1), torch.sqrt(area / ratio).clamp(max=1)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = w, (torch.rand(n) * 2 - 1) * (1 - w)
    theta[:, 1, 1], theta[:, 1, 2] = h, (torch.rand(n) * 2 - 1) * (1 - h)
    grid = F.affine_grid(theta, (n, 3, 32, 32), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    on = (torch.rand(n, 1, 1, 1) < 0.8).float()
    factor = lambda range_: 1 + on * (torch.rand(n, 1, 1, 1) * 2 - 1) * range_
    x = (x * factor(0.2)).clamp_(0, 1)
    luminance = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    k = factor(0.2)
    x = (x * k + (x * luminance).sum(1, keepdim=True).mean((2, 3), keepdim=True) * (1 - k)).clamp_(0, 1)
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    k, turn = factor(0.2).view(n), on.view(n) * (torch.rand(n) * 2 - 1) * 0.05 * 2 * math.pi
    rotation = torch.zeros(n, 3, 3)
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1], rotation[:, 1, 2] = k * torch.cos(turn), -k * torch.sin(turn)
    rotation[:, 2, 1], rotation[:, 2, 2] = k * torch.sin(turn), k * torch.cos(turn)
    x = torch.bmm(torch.linalg.inv(yiq) @ rotation @ yiq, x.reshape(n, 3, -1)).view_as(x).clamp_(0, 1)
    return ((x - 128 / 255) / (64 / 255)).contiguous(memory_format=torch.channels_last)


def hcl(z):
    half = len(z) // 2
    rows = torch.arange(2 * half)
    mask = torch.ones(2 * half, 2 * half, dtype=torch.bool)
    mask[rows, rows] = False
    mask[rows, (rows + half) % (2 * half)] = False
    negatives = (z @ z.t() / TEMPERATURE).exp().masked_select(mask).view(2 * half, -1)
    positive = ((z[:half] * z[half:]).sum(1) / TEMPERATURE).exp().repeat(2)
    importance = negatives**BETA
    sums = (importance * negatives).sum(-1) / importance.mean(-1)
    return -torch.log(positive / (positive + sums)).mean()


print(f"PyTorch {torch.__version__}, Python {platform.python_version()}", flush=True)
net = TinyResnet().to(memory_format=torch.channels_last)
optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-6)
source = torch.randint(0, 256, (2048, 3, 32, 32), dtype=torch.uint8)
for line in sys.stdin:
    views, repeats = map(int, line.split())
    times = []
    for _ in range(repeats):
        start = CLOCK()
        pictures = augment(source[torch.randint(0, len(source), (views,))])
        loss = hcl(net(pictures))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append((CLOCK() - start) * 1000)
    print(*times, flush=True)
