"""Write the folder of a page: ``index.html``, its previews, and tables for other programs."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.datasets.clip_names import seconds
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.storage import short_hash, write_atomically
from unlabelled.hierarchy.agreement import nearest_rows
from unlabelled.hierarchy.tree import Indices
from unlabelled.page.cluster_tree import FineTree, fine_tree
from unlabelled.page.comparison import OtherRun, comparison
from unlabelled.page.document import document
from unlabelled.page.evidence import cut_scores, modality_shares
from unlabelled.page.fiftyone_dataset import export_to_fiftyone
from unlabelled.page.label_files import write_labels
from unlabelled.page.plane import plane
from unlabelled.page.preview import Preview
from unlabelled.page.previews import make_previews, preview_order
from unlabelled.page.propagation import label_next, propagate
from unlabelled.page.queries import Queries, found_queries
from unlabelled.page.samples import Samples, joint_features
from unlabelled.page.sound_maps import write_maps
from unlabelled.visualization.tree_layout import node_points

_log = logging.getLogger(__name__)
_NEAREST = 8
_CUTS = (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Cuts in ``clusters.csv``, besides that of the method and the leaves."""


@dataclass(frozen=True)
class PagePlan:
    """Contents of a page.

    Args:
        title: Its heading.
        leaves: Number of clusters at the finest cut; None: four for each cluster of the method.
        max_megabytes: Bound of the size of all previews.
        workers: Number of threads that make previews; None: one for each core.
        seed: Seed of the tree and of the map.
    """

    title: str
    leaves: int | None = None
    max_megabytes: float = 500.0
    workers: int | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Additions:
    """Contents of a page beside its n samples.

    Args:
        given: The label that the user has given to each sample, empty for none; None: there are no labels.
        other: The clusters of another run.
        queries: The user's own files, to be found on the page.
        maps: ``(n, h, w)`` sound localisation maps; NaN: none.
        fiftyone: Name of a dataset of FiftyOne that is made, too.
    """

    given: list[str] | None = None
    other: OtherRun | None = None
    queries: Queries | None = None
    maps: NDArray[np.float32] | None = None
    fiftyone: str | None = None


def write_page(
    samples: Samples,
    features: Mapping[str, NDArray[np.float32]],
    folder: Path,
    plan: PagePlan,
    additions: Additions | None = None,
) -> Path:
    """Write ``index.html``, ``clusters.csv``, ``features.npy`` and ``tree.nwk`` to a folder.

    With labels also ``propagated.csv`` and ``label_next.csv``; the agreement of the labels is printed.

    Args:
        samples: The n samples.
        features: ``{modality: (n, D)}``.
        folder: The folder, which is created. Previews that it has are kept.
        plan: What the page shows.
        additions: Contents beside the samples; None: there are none.

    Returns: The path of ``index.html``.
    """
    extra = additions or Additions()
    joint = joint_features(features)
    clusters = len(np.unique(samples.clusters))
    fine = fine_tree(joint, samples.clusters, plan.leaves or 4 * clusters, plan.seed)
    near = _nearest(joint)
    clips = list(zip(samples.paths, samples.starts.tolist(), samples.ends.tolist(), strict=True))
    order = preview_order(fine.leaf_of, samples.confidences)
    previews = make_previews(clips, order, folder / "previews", plan.max_megabytes * 1e6, plan.workers)
    _report(samples, previews)
    positions = plane(joint, plan.seed)
    data = _data(samples, fine, previews, near, positions, plan)
    if extra.given is not None:
        data |= _propagated(samples, joint, extra.given, fine, folder)
    if extra.other is not None:
        data["compare"] = comparison(fine.tree, fine.leaf_of, extra.other)
    if extra.queries is not None:
        data["queries"] = found_queries(extra.queries, joint, fine, folder / "previews")
    if extra.maps is not None:
        data["maps"] = write_maps(extra.maps, previews, folder / "previews")
    if extra.fiftyone is not None:
        count = export_to_fiftyone(extra.fiftyone, samples, joint, fine, near, positions)
        print(f"{count} samples are in the FiftyOne dataset {extra.fiftyone}")
    data["modalities"] = {
        name: np.round(shares, 3).tolist()
        for name, shares in modality_shares(features, fine.leaf_of, fine.cluster_of_leaf).items()
    }
    np.save(folder / "features.npy", joint)
    _write(folder / "tree.nwk", fine.tree.newick() + "\n")
    _write(folder / "clusters.csv", _table(samples, fine, near))
    _write(folder / "index.html", document(data, plan.title))
    return folder / "index.html"


def _data(
    samples: Samples,
    fine: FineTree,
    previews: list[Preview],
    near: Indices,
    positions: NDArray[np.float64],
    plan: PagePlan,
) -> dict[str, Any]:
    classes = sorted(set(samples.labels) - {""})
    number = {name: index for index, name in enumerate(["", *classes], -1)}
    names = samples.names
    return {
        "title": plan.title,
        "root": samples.root,
        "id": short_hash("\n".join([*names, *map(str, fine.leaf_of.tolist())])),
        "names": names,
        "starts": np.round(samples.starts, 3).tolist(),
        "ends": [None if np.isnan(end) else round(end, 3) for end in samples.ends.tolist()],
        "splits": samples.splits,
        "labels": [number[label] for label in samples.labels],
        "classes": classes,
        "missing": samples.missing,
        "confidences": np.round(samples.confidences, 4).tolist(),
        "leaves": fine.leaf_of.tolist(),
        "near": near.tolist(),
        "positions": np.round(positions, 4).tolist(),
        "kinds": [each.kind for each in previews],
        "thumbnails": [each.thumbnail for each in previews],
        "media": [each.media for each in previews],
        "spectrograms": [int(each.has_spectrogram) for each in previews],
        "merges": fine.tree.merges.tolist(),
        "heights": np.round(fine.tree.heights, 5).tolist(),
        "order": fine.tree.leaf_order.tolist(),
        "disk": np.round(node_points(fine.tree), 4).tolist(),
        "clusters": fine.num_clusters,
        "clusterOfLeaf": fine.cluster_of_leaf.tolist(),
        "scores": cut_scores(fine.tree, fine.leaf_of, samples.labels),
    }


def _propagated(
    samples: Samples, joint: NDArray[np.float32], given: list[str], fine: FineTree, folder: Path
) -> dict[str, Any]:
    found = propagate(joint, given)
    following = label_next(found, fine.leaf_of, samples.confidences)
    write_labels(samples, found, following, folder)
    print(
        f"{found.num_given} labels with {len(found.names)} names are propagated; {found.agreement} of them "
        f"are those of the most similar labelled samples; {len(following)} samples should be labelled next"
    )
    return {
        "suggested": found.labels.tolist(),
        "suggestedNames": found.names,
        "suggestedConfidences": np.round(found.confidences, 3).tolist(),
        "next": [row for row, _ in following],
    }


def _nearest(joint: NDArray[np.float32]) -> Indices:
    count = min(_NEAREST, len(joint) - 1)
    if count == 0:
        return np.empty((len(joint), 0), dtype=np.int64)
    return nearest_rows(joint, np.arange(len(joint)), count)


def _report(samples: Samples, previews: list[Preview]) -> None:
    reasons: dict[str, list[str]] = {}
    for path, preview in zip(samples.paths, previews, strict=True):
        if preview.reason:
            reasons.setdefault(f"{preview.reason}:", []).append(path)
    for text in list_left_out(reasons):
        _log.warning("page: samples without a preview: %s", text)


def _table(samples: Samples, fine: FineTree, near: Indices) -> str:
    """Return ``clusters.csv``, with the numbers of clusters that the page shows, from 1."""
    count = fine.tree.num_leaves
    cuts = sorted({each for each in _CUTS if each < count} | {fine.num_clusters, count})
    columns = {f"cluster_of_{cut}": (1 + fine.tree.cut(cut)[fine.leaf_of]).tolist() for cut in cuts}
    names = samples.names
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "start", "end", *columns, "confidence", "nearest"])
    for row, name in enumerate(names):
        end = samples.ends[row]
        span = [seconds(samples.starts[row]), "" if np.isnan(end) else seconds(end)]
        confidence = round(float(samples.confidences[row]), 4)
        nearest = names[near[row, 0]] if near.shape[1] else ""
        writer.writerow([name, *span, *(column[row] for column in columns.values()), confidence, nearest])
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    write_atomically(str(path), lambda file: file.write(text.encode("utf-8", "surrogateescape")))
