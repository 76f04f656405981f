"""Time and memory against the number of clips N, of clusters K and of processes, with fitted slopes.

It measures each part at several sizes, each in a process of its own, and prints what one more unit costs: the
constants of docs/scaling.md#growth. Seconds are those of one CPU, but of the clock for ranks.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from measurement import reset_peak, resident, timed
from torch import Tensor

from unlabelled.clustering import sinkhorn_knopp
from unlabelled.clustering.pseudo_labels import PseudoLabels
from unlabelled.data.datasets.samples import ShuffledShard
from unlabelled.data.media.array_file import write_arrays
from unlabelled.data.media.entries import Entries, Entry
from unlabelled.data.media.index import ClipIndex, _assemble
from unlabelled.data.media.mapped_index import MappedIndex, map_index, share_index
from unlabelled.data.media.probe import Probe
from unlabelled.data.media.probe_results import ProbeResults
from unlabelled.data.media.shards import INDEX, Shards, name_columns
from unlabelled.metrics.neighbours import sharded_top_k
from unlabelled.nn.queue import FeatureQueue

Measured = dict[str, float]
Output = TypeVar("Output")
_MIB = 1 << 20


def busy(function: Callable[[], Output]) -> tuple[float, Output]:
    """Call a function; return the seconds that this process has computed, and the output."""
    started = time.process_time()
    output = function()
    return time.process_time() - started, output


def index(count: int, folder: str) -> Measured:
    """Measure the list of clips: in columns, and mapped from its file as by a further rank."""
    before = resident("VmRSS")
    seconds, entries = busy(lambda: Entries(_entries(count)))
    made = ClipIndex(folder, "train", entries, np.full(count, 10.0), {}, count)
    columns = sum(each.nbytes for each in entries.columns().values()) + made.durations.nbytes
    gc.collect()
    held = resident("VmRSS") - before
    hashed, _ = busy(lambda: made.fingerprint)
    written, shared = busy(lambda: share_index(made))
    assert isinstance(shared, MappedIndex)
    opened, _ = busy(lambda: map_index(folder, os.path.basename(shared.file)))
    return {
        "bytes a clip": columns / count, "of these the name": entries.names.text.nbytes / count,
        "resident MiB": held, "listed in s": seconds, "hashed in s": hashed, "written in s": written,
        "start of a further rank in s": opened,
        "growth of a forked process in MiB": _growth_of_a_fork(shared),
    }  # fmt: skip


def objects(count: int, folder: str) -> Measured:
    """Measure the list of clips as it was: a tuple of objects."""
    before = resident("VmRSS")
    entries = tuple(_entries(count))
    gc.collect()
    return {
        "resident MiB": resident("VmRSS") - before,
        "growth of a forked process in MiB": _growth_of_a_fork(entries),
    }


class _Unlisted(ProbeResults):
    """Results of a check whose files are not on disk."""

    def _state(self, path: str) -> tuple[int, int] | None:
        return 1, 1


def check(count: int, folder: str) -> Measured:
    """Measure what the first rank does with the stored results of a check, besides asking for each file."""
    entries = list(_entries(count))
    paths = [entry.path for entry in entries]
    results = _Unlisted(folder, "train", ("key",), paths)
    for path in paths:
        results.add(path, Probe(10.0, None))
    results.save()
    size = os.path.getsize(results.file)
    del results
    gc.collect()
    before = resident("VmRSS")
    reset_peak()
    read, results = busy(lambda: _Unlisted(folder, "train", ("key",), paths))
    made, _ = busy(lambda: _assemble("train", entries, results, ""))
    return {
        "file MiB": size / _MIB,
        "read in s": read,
        "index made in s": made,
        "peak MiB": resident("VmHWM") - before,
    }


def shards(count: int, folder: str) -> Measured:
    """Measure the index of packed files."""
    names = [entry.path for entry in _entries(count)]
    places = {name: np.zeros(count, np.int64) for name in ("offset", "size", "modified")}
    os.makedirs(os.path.join(folder, "shards"))
    columns = {**name_columns(names), **places, "shard": np.zeros(count, np.int32)}
    size = sum(each.nbytes for each in columns.values())
    write_arrays(os.path.join(folder, INDEX), columns, {"links": {}, "lists": []})
    opened, found = busy(lambda: Shards(folder))
    looked_up, _ = busy(lambda: [found.find(name) for name in names[:1000]])
    return {"bytes a file": size / count, "start in s": opened, "a file found in us": looked_up * 1000}


def sampler(count: int, folder: str) -> Measured:
    """Measure the order of an epoch for one of eight ranks."""
    rows = ShuffledShard(count, 0, 8, 16)
    before = resident("VmRSS")
    reset_peak()
    started, rest = busy(lambda: _first_of(iter(rows)))
    return {
        "first row in s": started,
        "peak MiB": resident("VmHWM") - before,
        "kept MiB": resident("VmRSS") - before,
        "rows left": float(sum(1 for _ in rest)),
    }


def labels(count: int, folder: str) -> Measured:
    """Measure the table of ten heads: a pass that publishes one, weights, and its part of a checkpoint."""
    table = PseudoLabels(10)
    table.allocate(count)
    rows, found = torch.arange(count), torch.randint(1000, (count,))
    published, _ = busy(lambda: table.publish(0, rows, found))
    weighted, _ = busy(lambda: table.balance(rows[:64]))
    saved, _ = busy(lambda: torch.save({"pseudo_labels": table.table}, os.path.join(folder, "labels.ckpt")))
    return {
        "bytes a clip and head": table.table.nbytes / count / 10, "published in s": published,
        "weights in s": weighted, "saved in s": saved,
        "checkpoint MiB": os.path.getsize(os.path.join(folder, "labels.ckpt")) / _MIB,
    }  # fmt: skip


def assignment(count: int, folder: str) -> Measured:
    """Measure Sinkhorn-Knopp with K = 300, ``count`` rows."""
    return _solve(count, 300)


def clusters(count: int, folder: str) -> Measured:
    """Measure Sinkhorn-Knopp of 20 000 rows with K = ``count``."""
    return _solve(20_000, count)


def queue(count: int, folder: str) -> Measured:
    """Measure a queue of ``count`` embeddings with 128 numbers: a step that adds 256 and is compared."""
    keys, found = torch.randn(256, 128), FeatureQueue(count, 128)
    pushed, _ = busy(lambda: [found.push(keys) for _ in range(10)])
    compared, _ = busy(lambda: keys @ found.rows.T)
    return {"MiB": found.rows.nbytes / _MIB, "pushed in ms": pushed * 100, "compared in ms": compared * 1000}


def evaluation(count: int, folder: str) -> Measured:
    """Measure the 20 nearest of ``count`` features with 128 numbers, for 256 queries."""
    bank = torch.nn.functional.normalize(torch.randn(count, 128), dim=1)
    ids, before = torch.arange(count), resident("VmRSS")
    reset_peak()
    seconds, _ = busy(lambda: sharded_top_k(bank[:256], bank, ids % 300, ids, 20))
    return {"ms a query": seconds / 256 * 1000, "peak MiB": resident("VmHWM") - before}


def ranks(count: int, folder: str) -> Measured:
    """Measure ``count`` gloo processes: a solve of 40 000 rows in all, and the labels of a million clips."""
    context = multiprocessing.get_context("forkserver")
    results = context.SimpleQueue()
    processes = [
        context.Process(target=_as_rank, args=(rank, count, folder, results)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    found: Measured = results.get()
    for process in processes:
        process.join()
    return found


def _as_rank(rank: int, count: int, folder: str, results: Any) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", store, timedelta(minutes=5), count, rank)
    log_scores = _scores(40_000 // count, 300, rank)
    dist.barrier()
    solved, result = timed(lambda: sinkhorn_knopp(log_scores))
    rows = torch.arange(rank, 1_000_000, count)
    table = PseudoLabels(1)
    table.allocate(1_000_000)
    dist.barrier()
    published, _ = timed(lambda: table.publish(0, rows, rows % 300))
    if rank == 0:
        iterations = result.iterations
        results.put({
            "solved in s": solved, "rows x iterations / s": 40_000 * iterations / solved,
            "bytes an iteration": 300 * 8, "published in s": published, "bytes of labels": 4e6,
        })  # fmt: skip
    dist.destroy_process_group()


def _solve(rows: int, num_clusters: int) -> Measured:
    log_scores = _scores(rows, num_clusters, 0)
    before = resident("VmRSS")
    reset_peak()
    seconds, result = busy(lambda: sinkhorn_knopp(log_scores, overwrite=True))
    cells = rows * num_clusters * result.iterations
    return {
        "solved in s": seconds, "iterations": result.iterations,
        "ns a cell and iteration": seconds / cells * 1e9, "peak MiB": resident("VmHWM") - before,
    }  # fmt: skip


def _scores(rows: int, num_clusters: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 32, generator=generator) @ torch.randn(32, num_clusters, generator=generator)
    return (logits / 4).log_softmax(1) * 20


def _entries(count: int) -> Iterator[Entry]:
    return (Entry(f"class {row % 309:03d}/{row:011d}_000010.mp4", row % 309) for row in range(count))


def _first_of(rows: Iterator[Any]) -> Iterator[Any]:
    next(rows)
    return rows


def _growth_of_a_fork(found: Any) -> float:
    """Return the private memory in MiB that a forked process gains as it reads all clips like a worker."""
    clips = found.entries if isinstance(found, ClipIndex) else found
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def read() -> None:
        before = _private()
        for row in range(len(clips)):
            clips[row].path  # noqa: B018 -- a worker reads it
        results.put(_private() - before)

    process = context.Process(target=read)
    process.start()
    grown: float = results.get()
    process.join()
    return grown


def _private() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024


PARTS: dict[str, tuple[Callable[[int, str], Measured], tuple[int, ...]]] = {
    "index": (index, (100_000, 1_000_000)),
    "objects": (objects, (100_000, 1_000_000)),
    "check": (check, (100_000, 1_000_000)),
    "shards": (shards, (100_000, 1_000_000)),
    "sampler": (sampler, (1_000_000, 10_000_000)),
    "labels": (labels, (100_000, 1_000_000)),
    "assignment": (assignment, (10_000, 40_000)),
    "clusters": (clusters, (100, 1_000)),
    "queue": (queue, (16_384, 131_072)),
    "evaluation": (evaluation, (20_000, 80_000)),
    "ranks": (ranks, (1, 2, 4)),
}
"""Functions and sizes by the name of a part."""


def slopes(sizes: list[int], rows: list[Measured]) -> Measured:
    """Return what one more unit costs, by a least-squares line through the sizes.

    >>> slopes([1, 2, 3], [{"s": 3.0}, {"s": 5.0}, {"s": 7.0}])["s"]
    2.0
    """
    return {name: float(round(np.polyfit(sizes, [row[name] for row in rows], 1)[0], 15)) for name in rows[0]}


def measure(part: str, size: int) -> Measured:
    """Measure one part at one size, in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--one", str(size)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: Measured = json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS), help="the parts to measure")
    parser.add_argument("--sizes", type=int, nargs="+", help="sizes in place of those of the parts")
    parser.add_argument("--one", type=int, help="measure one part at this size, in this process")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(PARTS[options.part[0]][0](options.one, folder)))
        return
    for part in options.part:
        sizes = options.sizes or list(PARTS[part][1])
        rows = [measure(part, size) for size in sizes]
        print(f"\n{part}: {PARTS[part][0].__doc__}")
        print(f"{'':36}" + "".join(f"{size:>14,}" for size in sizes) + f"{'for one more':>16}")
        line = slopes(sizes, rows)
        for name in rows[0]:
            values = "".join(f"{row[name]:>14,.4g}" for row in rows)
            print(f"{name:36}{values}{line[name]:>16.3g}", flush=True)


if __name__ == "__main__":
    main()
