"""A page without training: features of a checkpoint, clustered by k-means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from unlabelled.clustering.kmeans import kmeans
from unlabelled.commands.discover.contents import Contents
from unlabelled.commands.discover.library import Network, predict_options
from unlabelled.commands.discover.plan import default_clusters
from unlabelled.commands.page.additions import Wanted, additions
from unlabelled.commands.page.main import page_of
from unlabelled.commands.page.predictions import find_predictions, run_cli
from unlabelled.page import PagePlan, Samples, read_features, write_page
from unlabelled.page.samples import joint_features
from unlabelled.seeding import derive_seed


def with_weights(
    checkpoint: str,
    folder: Path,
    out: Path,
    clusters: int | None,
    plan: PagePlan,
    wanted: Wanted,
    allow_outside: bool = False,
) -> Path | None:
    """Write the page of a folder with the features of a checkpoint; None: ``cli.py embed`` failed.

    Args:
        checkpoint: A checkpoint that ``fit`` has written.
        folder: The files.
        out: Folder of the output.
        clusters: K of k-means; None: 10, or less for few files.
        plan: What the page shows.
        wanted: What the page has beside the samples.
        allow_outside: Follow links that lead out of the folder.
    """
    embedded = out / "embedded"
    options = [checkpoint, str(folder), f"--out={embedded}"] + ["--allow-outside"] * allow_outside
    if run_cli("embed", options) != 0:
        return None
    samples, features = clustered(folder, embedded, clusters, plan.seed)
    extra = additions(wanted, samples, features, checkpoint, plan.seed)
    return None if extra is None else write_page(samples, features, out, plan, extra)


def with_network(
    network: Network, contents: Contents, out: Path, clusters: int | None, plan: PagePlan, wanted: Wanted
) -> Path | None:
    """Write the page of a folder with the features of a network of a library; None: ``predict`` failed.

    Args:
        network: The network.
        contents: The files.
        out: Folder of the output.
        clusters: K of k-means; None: 10, or less for few files.
        plan: What the page shows.
        wanted: What the page has beside the samples.

    Raises:
        ValueError: The network reads other files, or own files are to be found, which needs a checkpoint.
    """
    if wanted.files:
        raise ValueError("--query needs a checkpoint of `fit` as --weights, or none")
    options = predict_options(network, contents, clusters or default_clusters(contents.count), out)
    if run_cli("predict", options) != 0:
        return None
    tables = (out / "runs").rglob("predictions.csv")
    newest = max(tables, key=lambda path: path.stat().st_mtime)
    found = find_predictions(newest.parent)
    return None if found is None else page_of(found, out, plan, wanted)


def clustered(
    folder: Path, embedded: Path, clusters: int | None, seed: int
) -> tuple[Samples, dict[str, np.ndarray]]:
    """Return the readable samples of ``cli.py embed`` in clusters of k-means, and their features."""
    names = (embedded / "paths.txt").read_text("utf-8", "surrogateescape").split("\n")[:-1]
    arrays = [np.load(path) for path in sorted(embedded.glob("features_*.npy"))]
    readable = ~np.isnan(np.concatenate(arrays, 1)).any(1)
    spans = np.full((len(names), 2), (0.0, np.nan))
    if (embedded / "seconds.npy").exists():
        spans = np.load(embedded / "seconds.npy")
    kept = [name for name, is_kept in zip(names, readable.tolist(), strict=True) if is_kept]
    features = read_features(embedded, kept)
    joint = joint_features(features)
    count = min(clusters or default_clusters(len(joint)), len(joint))
    labels = kmeans(torch.from_numpy(joint), count, derive_seed(seed, "discover") % 2**31).numpy()
    sums = np.zeros((count, joint.shape[1]))
    np.add.at(sums, labels, joint)
    centroids = sums / np.linalg.norm(sums, axis=1, keepdims=True).clip(1e-12)
    paths, nothing = [str(folder / name) for name in kept], [""] * len(kept)
    cosines = np.einsum("nd,nd->n", joint, centroids[labels])
    starts, ends = np.nan_to_num(spans[readable, 0]), spans[readable, 1]
    return Samples(paths, starts, ends, nothing, nothing, labels, cosines, nothing), features
