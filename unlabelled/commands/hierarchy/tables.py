"""The results as Markdown and JSON: the paper's Table 3, with the conventions that the paper does not state.

Source: sHHC paper (ICCV 2023) Table 3; docs/methods/shhc.md#dasgupta-cost and #hierarchy-command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from unlabelled.commands.hierarchy.held_out import FEWEST_ROWS, NUM_NEIGHBOURS
from unlabelled.commands.hierarchy.runs import SEARCH_SECONDS, Run
from unlabelled.commands.hierarchy.study import Study
from unlabelled.data.media.storage import write_atomically
from unlabelled.metrics.dendrogram import LEVEL_MEASURES

CONVENTION = "1x: each pair once; HypHC's code counts twice"
_SIMILARITIES = {
    "half_cosine": "w = (1 + cos) / 2",
    "positive_cosine": "w = max(cos, 0)",
    "matrix": "w as given",
}
_BASE = "average"


def write_tables(folder: Path, name: str, study: Study) -> None:
    """Write ``costs.md`` and ``costs.json`` of all runs so far."""
    _write(folder / "costs.md", markdown(name, study))
    _write(folder / "costs.json", json.dumps(as_json(name, study), indent=1) + "\n")


def markdown(name: str, study: Study) -> str:
    """Return the facts about the study and its tables in Markdown."""
    title = " ".join(name.split())
    parts = [f"# Hierarchies of {title}", "\n".join(f"- {fact}" for fact in facts(study)), _costs(study)]
    if study.classes is not None:
        parts.append(f"Agreement with {len(study.classes.names)} classes, which no method uses:")
        parts.append(_scores(study))
    failed = [run for run in study.runs if run.error]
    if failed:
        parts.append("Failed:\n\n" + "\n".join(f"- {run.label}: {_cell(run.error)}" for run in failed))
    return "\n\n".join(parts) + "\n"


def facts(study: Study) -> list[str]:
    """Return the facts that the interpretation of the costs requires, one line each."""
    rows, dims = study.features.shape
    similarity = study.plan.similarity
    lines = [
        f"similarities: {rows} samples"
        if similarity == "matrix"
        else f"features: {rows} samples of {dims} dimensions",
        f"leaves: {_leaves(study)}",
        f"similarity: {similarity}, {_SIMILARITIES[similarity]}",
        f"Dasgupta cost, {CONVENTION}; lower is better. Only costs of the same similarity and number of "
        "samples are comparable. (The paper's Table 3 has units of 1e14, and states none of the three.)",
    ]
    if study.is_pre_clustered:
        lines += [
            "cost over the leaves: all pairs of samples of different leaves, with the w of their centroids; "
            "the sizes of subtrees are numbers of samples",
            f"cost over all samples: all {rows * (rows - 1) // 2} pairs, each with its own w; "
            f"{_completion(study)}",
        ]
    if any(run.method == "shhc" and run.on == "samples" for run in study.runs):
        lines.append(
            "shhc on all samples: local moves from the trees of the linkages, without an embedding, for "
            f"at most {SEARCH_SECONDS:.0f} s"
        )
    if study.given:
        lines.append(
            f"given trees: {', '.join(study.given)}; improved: local search from the given tree alone. "
            "They have no held-out agreement, because they may have been made from any of the samples"
        )
    lines += [
        f"percentages: relative to {_BASE} linkage on the leaves",
        _agreement(study),
        f"seconds: on {torch.get_num_threads()} of {os.cpu_count()} cores, without reading the features; all "
        "methods share the pre-clustering; the fits of the halves are not counted. Peak: memory of the whole "
        "process, with the features",
        f"seed: {study.plan.seed}",
    ]
    if left_out := [cut for cut in study.plan.cuts if cut > len(study.pre.counts)]:
        lines.append(f"cuts left out, because there are fewer leaves: {', '.join(map(str, left_out))}")
    return lines


def as_json(name: str, study: Study) -> dict[str, object]:
    """Return all results as objects that JSON can represent."""
    runs = [
        {
            "method": run.method,
            "on": run.on,
            "num_leaves": None if run.tree is None else run.tree.num_leaves,
            "dasgupta_1x": run.costs,
            "held_out_agreement": run.agreement,
            "seconds_fit": run.seconds,
            "peak_gib": run.peak_gib,
            "scores": {key: None if np.isnan(score) else score for key, score in run.scores.items()},
            "error": run.error or None,
        }
        for run in study.runs
    ]
    return {
        "features": name,
        "shape": list(study.features.shape),
        "num_leaves": len(study.pre.counts),
        "num_clusters": study.pre.num_clusters,
        "pre_clustered": study.is_pre_clustered,
        "pre_clustering": study.pre.report | {"seconds": study.pre_seconds, "peak_gib": study.pre_peak_gib},
        "similarity": study.plan.similarity,
        "convention": CONVENTION,
        "cost_over_all_samples": _completion(study),
        "seed": study.plan.seed,
        "threads": torch.get_num_threads(),
        "best": None if study.best is None else study.best.method,
        "runs": runs,
    }


def _leaves(study: Study) -> str:
    counts, clusters = study.pre.counts, study.pre.num_clusters
    if not study.is_pre_clustered:
        return f"{len(counts)}, each a sample"
    empty = f", {clusters - len(counts)} empty ones left out" if clusters > len(counts) else ""
    return (
        f"{len(counts)} pre-clusters of {counts.min():.0f} to {counts.max():.0f} samples{empty} (k-means++ "
        "on unit rows, then Sinkhorn-Knopp with a relative error of shares of "
        f"{study.pre.report['sinkhorn_error']:.1%}): "
        f"{study.pre_seconds:.1f} s, peak {study.pre_peak_gib:.2f} GiB"
    )


def _completion(study: Study) -> str:
    return study.sample_cost.completion if study.sample_cost is not None else study.no_sample_cost


def _costs(study: Study) -> str:
    columns = (
        {"leaves": "leaves_1x"}
        if study.is_pre_clustered
        else {f"{len(study.pre.counts)} samples": "leaves_1x"}
    )
    if any("samples_1x" in run.costs for run in study.runs):
        columns[f"all {len(study.features)} samples"] = "samples_1x"
    base = next((run.costs for run in study.runs if run.method == _BASE and run.on == "leaves"), {})
    header = ["method"]
    for over in columns:
        header += [f"cost over {over} (1x)", f"relative to {_BASE}"]
    rows = []
    for run in study.runs:
        cells = [run.label if run.label == run.method else f"{run.method}, on all samples, no pre-clusters"]
        for key in columns.values():
            cells += _cost_cells(run.costs.get(key), base.get(key))
        rows.append([*cells, _agreement_cell(run), *_effort_cells(study, run)])
    return _table([*header, "held-out agreement", "pre-clustering, s", "fit, s", "peak, GiB"], rows)


def _agreement(study: Study) -> str:
    if study.plan.similarity == "matrix":
        return "held-out agreement: not computed, because it requires features"
    if not study.halves:
        return f"held-out agreement: not computed, because there are fewer than {FEWEST_ROWS} rows"
    best = "" if study.best is None else f". The highest one, and the drawn tree: {study.best.label}"
    return (
        "held-out agreement: share of triplets of held-out samples (one, one of its "
        f"{NUM_NEIGHBOURS} nearest neighbours, any third) whose first two the tree joins first; mean over "
        f"trees of the two halves of the samples; higher is better, 0.5 is chance{best}"
    )


def _cost_cells(cost: float | None, base: float | None) -> list[str]:
    if cost is None:
        return ["", ""]
    return [f"{cost:.6e}", f"{100 * (cost / base - 1):+.3f} %" if base else ""]


def _agreement_cell(run: Run) -> str:
    return "" if run.agreement is None else f"{run.agreement:.4f}"


def _effort_cells(study: Study, run: Run) -> list[str]:
    if run.error:
        return ["failed"] * 3
    before = f"{study.pre_seconds:.2f}" if run.on == "leaves" and study.is_pre_clustered else "none"
    return [before, f"{run.seconds:.2f}", f"{run.peak_gib:.2f}"]


def _scores(study: Study) -> str:
    cuts = sorted({cut for run in study.runs if run.tree is not None for cut in study.plan.cuts_of(run.tree)})
    keys = ["dendrogram_purity", *(f"{name}_cut{cut}" for cut in cuts for name in LEVEL_MEASURES)]
    names = [key.replace("_cut", ", cut ").replace("_", " ") for key in keys]
    header = ["method", "cost over leaves (1x)", "held-out agreement", *names]
    rows = [
        [
            run.label,
            f"{run.costs['leaves_1x']:.6e}" if "leaves_1x" in run.costs else "",
            _agreement_cell(run),
            *(f"{run.scores[key]:.3f}" if key in run.scores else "" for key in keys),
        ]
        for run in study.runs
        if not run.error
    ]
    return _table(header, rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _write(path: Path, text: str) -> None:
    write_atomically(str(path), lambda file: file.write(text.encode()))
