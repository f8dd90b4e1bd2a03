"""The rival of training-step.ts: one training step of the same encoder in PyTorch.

    training-step.py ENCODER THREADS fp32|bf16 [VIEWS]

Augmentation (random resized crop, colour jitter), forward, HCL loss, backward, Adam; channels_last; bf16 is autocast around
the encoder. Reads "views repeats" lines, answers each with "wall:cpu" milliseconds of every step. With VIEWS it takes three
such steps and prints its resident memory with PyTorch loaded, and the most it had, in MiB.
"""
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

ENCODER, THREADS, DTYPE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(THREADS)
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


class TwelveLayer(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = self.layer(3, 32, 1) + self.layer(32, 32, 1) + self.layer(32, 32, 1), 32
        for wider in (64, 128, 256):
            layers += self.layer(width, wider, 2) + self.layer(wider, wider, 1) + self.layer(wider, wider, 1)
            width = wider
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(256, 128), nn.ReLU(inplace=True), nn.Linear(128, 64))

    @staticmethod
    def layer(inner, outer, stride):
        conv = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        return [conv, nn.BatchNorm2d(outer), nn.ReLU(inplace=True)]

    def forward(self, x):
        return F.normalize(self.head(self.body(x).mean((2, 3))), dim=1)


ENCODERS = {"tiny-resnet": TinyResnet, "twelve-layer": TwelveLayer}


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


def megabytes(field):
    """Of this process alone, which getrusage's maximum is not after a fork."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))


LOADED = megabytes("VmRSS") if sys.argv[4:] else 0
net = ENCODERS[ENCODER]().to(memory_format=torch.channels_last)
optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-6)
source = torch.randint(0, 256, (2048, 3, 32, 32), dtype=torch.uint8)


def step(views):
    pictures = augment(source[torch.randint(0, len(source), (views,))])
    with torch.autocast("cpu", torch.bfloat16, enabled=DTYPE == "bf16"):
        z = net(pictures)
    loss = hcl(z.float())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


if sys.argv[4:]:
    for _ in range(3):
        step(int(sys.argv[4]))
    print(LOADED, megabytes("VmHWM"))
    sys.exit()
print(f"PyTorch {torch.__version__}", flush=True)
for line in sys.stdin:
    views, repeats = map(int, line.split())
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        step(views)
        times.append(f"{(time.perf_counter() - wall) * 1000}:{(time.process_time() - cpu) * 1000}")
    print(*times, flush=True)
