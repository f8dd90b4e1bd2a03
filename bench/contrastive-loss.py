"""The rival of contrastive-loss.ts: forward + gradient of the published objective, one thread, in plain PyTorch.

The formula is written as its authors do (joshr17/HCL, image/main.py, estimators `hard` and `easy`): all similarities,
a boolean mask, masked_select, importance weights that are not detached. Reads "views dim repeats objective" lines,
answers each with the milliseconds of every repeat, by the clock named on the command line (wall or cpu).
"""
import math
import platform
import sys
import time

import torch

torch.set_num_threads(1)
CLOCK = time.process_time if sys.argv[1:] == ["cpu"] else time.perf_counter
TEMPERATURE, TAU_PLUS, BETA = 0.5, 0.1, 1.0


def negative_mask(batch):
    mask = torch.ones((batch, 2 * batch), dtype=bool)
    for i in range(batch):
        mask[i, i] = 0
        mask[i, i + batch] = 0
    return torch.cat((mask, mask), 0)


def criterion(out_1, out_2, mask, objective):
    batch = out_1.shape[0]
    out = torch.cat([out_1, out_2], dim=0)
    neg = torch.exp(torch.mm(out, out.t().contiguous()) / TEMPERATURE)
    neg = neg.clone().masked_select(mask).view(2 * batch, -1)
    pos = torch.exp(torch.sum(out_1 * out_2, dim=-1) / TEMPERATURE)
    pos = torch.cat([pos, pos], dim=0)
    if objective == "hcl":
        n = batch * 2 - 2
        imp = (BETA * neg.log()).exp()
        reweight_neg = (imp * neg).sum(dim=-1) / imp.mean(dim=-1)
        ng = (-TAU_PLUS * n * pos + reweight_neg) / (1 - TAU_PLUS)
        ng = torch.clamp(ng, min=n * math.e ** (-1 / TEMPERATURE))
    else:
        ng = neg.sum(dim=-1)
    return (-torch.log(pos / (pos + ng))).mean()


print(f"PyTorch {torch.__version__}, Python {platform.python_version()}", flush=True)
masks = {}
for line in sys.stdin:
    views, dim, repeats, objective = line.split()
    views, dim, repeats = int(views), int(dim), int(repeats)
    if views not in masks:
        masks.clear()
        masks[views] = negative_mask(views // 2)
    times = []
    for _ in range(repeats):
        z = torch.nn.functional.normalize(torch.randn(views, dim), dim=1)
        a = z[: views // 2].clone().requires_grad_()
        b = z[views // 2 :].clone().requires_grad_()
        start = CLOCK()
        loss = criterion(a, b, masks[views], objective)
        loss.backward()
        times.append((CLOCK() - start) * 1e3)
        assert torch.isfinite(loss) and torch.isfinite(a.grad).all()
    print(" ".join(f"{t:.4f}" for t in times), flush=True)
