"""The rivals of retrieval.ts: exact search in faiss-cpu (IndexFlatIP) and in PyTorch (matmul and topk), on one thread.

Reads "load NAME FILE rows dim" (float32 vectors of length 1), "ask NAME FILE queries dim" and then, as often as liked,
"single SIDE NAME first count" and "batch SIDE NAME first count"; answers each with the milliseconds of wall and of thread CPU
time, and with the ids of the hits at the end of a line.
"""
import platform
import sys
import time

import faiss
import numpy
import torch

faiss.omp_set_num_threads(1)
torch.set_num_threads(1)
TOP = 10
rows, queries, index, tensor = {}, {}, {}, {}


def read(path, count, dim):
    return numpy.fromfile(path, dtype=numpy.float32).reshape(count, dim)


def search(side, name, asked):
    if side == "faiss":
        return index[name].search(asked, TOP)[1]
    scores = torch.from_numpy(asked) @ tensor[name].T
    return torch.topk(scores, TOP).indices.numpy()


def timed(side, name, asked):
    wall, cpu = time.perf_counter(), time.thread_time()
    ids = search(side, name, asked)
    return (time.perf_counter() - wall) * 1e3, (time.thread_time() - cpu) * 1e3, ids


print(f"faiss-cpu {faiss.__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}", flush=True)
for line in sys.stdin:
    order, *rest = line.split()
    if order == "load":
        name, path, count, dim = rest[0], rest[1], int(rest[2]), int(rest[3])
        rows[name] = read(path, count, dim)
        index[name] = faiss.IndexFlatIP(dim)
        index[name].add(rows[name])
        tensor[name] = torch.from_numpy(rows[name])
        print("ready", flush=True)
    elif order == "ask":
        queries[rest[0]] = read(rest[1], int(rest[2]), int(rest[3]))
        print("ready", flush=True)
    else:
        side, name, first, count = rest[0], rest[1], int(rest[2]), int(rest[3])
        asked = queries[name][first : first + count]
        parts = [asked[i : i + 1] for i in range(count)] if order == "single" else [asked]
        walls, cpus, ids = zip(*(timed(side, name, part) for part in parts))
        print(
            ",".join(f"{t:.4f}" for t in walls),
            ",".join(f"{t:.4f}" for t in cpus),
            ",".join(str(i) for i in numpy.concatenate(ids).ravel()),
            flush=True,
        )
