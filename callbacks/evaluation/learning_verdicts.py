"""One sentence on what is wrong with a run, from the measures of the checks of learning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, NamedTuple

from unlabelled.metrics.learning import (
    COPIES,
    EFFECTIVE,
    HEADS,
    JOINT,
    LOSS,
    MODALITIES,
    QUEUE_LOSS,
    SHORTCUT,
    Measures,
)

AT_LOG_K = 0.97
FEW_CLUSTERS = 0.3
FOLLOWED = 0.6
FOLLOWED_IMAGES = 0.3
"""Of mean colour, brightness and contrast; clusters of mean colour and nothing else have 0.8."""
NO_AGREEMENT = 0.1
_EARLY, _LATE = 0.25, 0.5  # shares of the run before which a finding is not yet one
_PIPELINE = "data.init_args.pipeline.init_args"
_LEARNING_RATE = "model.init_args.optimizer.init_args.lr"
_STATISTICS = {
    "colour": "mean colour",
    "brightness": "brightness",
    "contrast": "contrast",
    "loudness": "loudness",
    "length": "the number of tokens",
    "duration": "the length of the clip",
}
_THRESHOLDS = dict.fromkeys(("colour", "brightness", "contrast"), FOLLOWED_IMAGES)


class Progress(NamedTuple):
    """Position of a run in its training.

    Attributes:
        epoch: Number of epochs that are done.
        share: Share of the run that is done, from 0 to 1.
        num_clusters: K of the method; None: it has no clusters.
    """

    epoch: int
    share: float
    num_clusters: int | None


class Verdict(NamedTuple):
    """A finding.

    Attributes:
        name: Name of the finding; a sentence is logged when it changes.
        sentence: The finding, its number, and what to try.
    """

    name: str
    sentence: str


Finding = Callable[[Measures, Progress, Any], Verdict | None]


def verdict(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    """Return the first finding that applies, or None.

    Args:
        measures: The measures.
        progress: Where the run is; nothing is found in its first quarter, but that it has diverged.
        pipeline: The pipeline of the data module, whose options the sentence names.
    """
    if not all(map(isfinite, measures.values())):
        return Verdict(
            "diverged", f"the features are not finite: the run has diverged; lower {_LEARNING_RATE}"
        )
    if progress.share < _EARLY:
        return None
    findings: tuple[Finding, ...] = (
        _at_log_k,
        _at_log_queue,
        _few_clusters,
        _follows,
        _heads_differ,
        _copies_differ,
        _modalities_differ,
    )
    found = (finding(measures, progress, pipeline) for finding in findings)
    return next((each for each in found if each is not None), None)


def _at_log_k(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    stuck = {name: value for name, value in _below(measures, LOSS) if value >= AT_LOG_K}
    if not stuck:
        return None
    modality, ratio = max(stuck.items(), key=lambda item: item[1])
    _, statistic, share = _most_followed(measures, modality)
    start = f"{modality} has not left log K after {progress.epoch} epochs (held-out loss / log K {ratio:.2f})"
    if share >= FOLLOWED / 2:
        followed = f"{_STATISTICS[statistic]} (share {share:.2f})"
        reason = f"its clusters follow {followed}; {_remedy(statistic, pipeline)}"
    else:
        reason = f"its heads predict nothing yet; raise {_LEARNING_RATE} or trainer.max_epochs"
    return Verdict(f"log_k/{modality}", f"{start}: {reason}")


def _at_log_queue(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    ratio = measures.get(QUEUE_LOSS, 0.0)
    if ratio < AT_LOG_K:
        return None
    return Verdict(
        "log_queue",
        f"the loss has not left log(queue_size + 1) after {progress.epoch} epochs (ratio {ratio:.2f}): the "
        f"keys of all samples are alike; raise {_LEARNING_RATE}, or lower model.init_args.temperature",
    )


def _few_clusters(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    clusters, expected = measures.get(EFFECTIVE), progress.num_clusters
    if clusters is None or expected is None or clusters >= max(FEW_CLUSTERS * expected, 1.5):
        return None
    return Verdict(
        "few_clusters",
        f"held-out samples fall into {clusters:.1f} of {expected} clusters (effective number): the "
        f"heads collapse; lower {_LEARNING_RATE}, or use a clusterer with clusters of equal size "
        "(unlabelled.clustering.SinkhornClusterer)",
    )


def _follows(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    modality, statistic, share = _most_followed(measures)
    if share < _threshold(statistic):
        return None
    clusters = "the clusters" if modality == JOINT else f"the clusters of {modality}"
    return Verdict(
        f"shortcut/{statistic}",
        f"{clusters} follow {_STATISTICS[statistic]} (it alone explains {share:.2f} of them) after "
        f"{progress.epoch} epochs; {_remedy(statistic, pipeline)}",
    )


def _heads_differ(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    return _differ(
        measures,
        HEADS,
        "the heads",
        f"their clusters are arbitrary; raise {_LEARNING_RATE} or trainer.max_epochs",
    )


def _copies_differ(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    return _differ(
        measures,
        COPIES,
        "two augmented copies of a sample",
        f"the clusters follow the augmentation; raise {_LEARNING_RATE} or trainer.max_epochs, or weaken the "
        f"augmentation in {_PIPELINE}",
    )


def _modalities_differ(measures: Measures, progress: Progress, pipeline: Any) -> Verdict | None:
    if progress.share < _LATE:
        return None
    return _differ(
        measures,
        MODALITIES,
        "the modalities",
        "on held-out samples their clusters have nothing in common, so that one of them remembers its "
        "training samples or follows something else; augment more strongly in "
        f"{_PIPELINE}, or train on more samples",
    )


def _differ(measures: Measures, name: str, subject: str, advice: str) -> Verdict | None:
    value = measures.get(name)
    if value is None or value >= NO_AGREEMENT:
        return None
    return Verdict(name, f"{subject} do not agree (adjusted mutual information {value:.2f}): {advice}")


def _most_followed(measures: Measures, modality: str | None = None) -> tuple[str, str, float]:
    """Return the statistic whose share of the clusters is nearest to its threshold or furthest above.

    The first value is the modality of the clusters, the last one the share.
    """
    shares = [
        (name.partition("/")[0], name.partition("/")[2], value)
        for name, value in _below(measures, SHORTCUT)
        if modality is None or name.startswith(f"{modality}/")
    ]
    return max(shares, key=lambda item: item[2] / _threshold(item[1]), default=("", "", 0.0))


def _threshold(statistic: str) -> float:
    return _THRESHOLDS.get(statistic, FOLLOWED)


def _below(measures: Measures, start: str) -> Iterator[tuple[str, float]]:
    for name, value in measures.items():
        if name.startswith(f"{start}/"):
            yield name.removeprefix(f"{start}/"), value


def _remedy(statistic: str, pipeline: Any) -> str:
    """Return what to try against a shortcut, with the options that the pipeline has."""
    if statistic in ("length", "duration"):
        return "use samples of one length, or hide it from the encoder"
    if statistic == "loudness":
        options = [name for name in ("volume", "masks") if hasattr(pipeline, name)]
        verb = "widen"
    else:
        options = [name for name in ("colour_shift", "colour_jitter", "greyscale") if hasattr(pipeline, name)]
        verb = "raise" if options else "strengthen the colours of"
        options += [name for name in ("augmentation", "crops", "views") if hasattr(pipeline, name)]
    if not options:
        return f"augment it in {_PIPELINE}"
    return f"{verb} " + " or ".join(f"{_PIPELINE}.{name}" for name in options)
