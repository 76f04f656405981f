"""Localisation of the ordered steps of a task in a video, and its recall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ordered_steps(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Assign exactly one second to each step, in strictly ascending order, with the largest sum of scores.

    Ties are resolved from the last step to the first; each takes its first possible second.

    Args:
        scores: ``(T, K)``, score of second t and step k.

    Returns:
        ``(K,)``, the second of each step.

    Raises:
        ValueError: Wrong shape, no step, fewer seconds than steps, or a score that is not finite.

    Source: inference of DmZhukov/CrossTask, dp.pyx, but also correct for T = K;
    docs/methods/sspc.md#step-localisation.

    Example:
        >>> ordered_steps(np.array([[0.9, 0.8], [0.1, 0.7], [0.2, 0.0]])).tolist()
        [0, 1]
    """
    _check(scores)
    sums = [scores[:, 0].astype(np.float64)]  # sums[k][t]: best sum with step k in second t
    for step in scores.T[1:]:
        earlier = np.maximum.accumulate(sums[-1])[:-1]
        sums.append(np.concatenate([[-np.inf], step[1:] + earlier]))
    seconds = np.empty(len(sums), dtype=np.int64)
    end = len(scores)
    for step_index in reversed(range(len(sums))):
        end = seconds[step_index] = int(sums[step_index][:end].argmax())
    return seconds


def step_hits(seconds: NDArray[np.int64], annotated: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the number of annotated steps that were found, and the number of annotated steps.

    Args:
        seconds: ``(K,)``, the predicted second of each step.
        annotated: ``(T, K)``, whether second t is within step k; a step without any second is not in the
            video.
    """
    found = annotated[seconds, np.arange(annotated.shape[1])]
    return int(found.sum()), int(annotated.any(0).sum())


def video_mean_recall(hits: NDArray[np.int64], steps: NDArray[np.int64], tasks: NDArray[np.int64]) -> float:
    """Return the recall as in MCN: the mean over the videos of a task, then over tasks.

    Args:
        hits: ``(V,)``, numbers of found steps of the videos.
        steps: ``(V,)``, numbers of annotated steps of the videos; videos without any are left out.
        tasks: ``(V,)``, tasks of the videos; tasks without an annotated video are left out.

    Raises:
        ValueError: No video has an annotated step.

    Source: brian7685/Multimodal-Clustering-Network, eval_cross.py; DmZhukov/CrossTask, train.py for
    :func:`pooled_recall`; docs/methods/sspc.md#step-localisation.
    """
    hits, steps, tasks = _annotated(hits, steps, tasks)
    return _mean_over_tasks(hits / steps, np.ones_like(hits), tasks)


def pooled_recall(hits: NDArray[np.int64], steps: NDArray[np.int64], tasks: NDArray[np.int64]) -> float:
    """Return the recall as in CrossTask: over all steps of a task's videos, then the mean over tasks.

    For arguments, errors and source see :func:`video_mean_recall`.
    """
    hits, steps, tasks = _annotated(hits, steps, tasks)
    return _mean_over_tasks(hits, steps, tasks)


def _mean_over_tasks(
    numerators: NDArray[np.floating] | NDArray[np.int64],
    denominators: NDArray[np.int64],
    tasks: NDArray[np.int64],
) -> float:
    _, number = np.unique(tasks, return_inverse=True)
    return float((np.bincount(number, numerators) / np.bincount(number, denominators)).mean())


def _annotated(*columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    annotated = columns[1] > 0
    if not annotated.any():
        raise ValueError("steps: no video shows a step of its task; check the annotations")
    return [column[annotated] for column in columns]


def _check(scores: NDArray[np.floating]) -> None:
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(f"steps: scores have shape {scores.shape}, expected (seconds, steps)")
    if len(scores) < scores.shape[1]:
        raise ValueError(
            f"steps: {len(scores)} seconds cannot hold {scores.shape[1]} steps, each in a second of its own"
        )
    if not np.isfinite(scores).all():
        raise ValueError("steps: scores are not finite; check the checkpoint and the input data")
