"""Report of :class:`~callbacks.evaluation.audio_svm_evaluation.AudioSVMEvaluation`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping

from callbacks.shared.tables import Table
from unlabelled.metrics.audio_svm import MAX_ITERATIONS, Result


def summary(results: Mapping[str, Result]) -> dict[str, float]:
    """Return the logged values: accuracy and cost, or mean and standard deviation over several folds."""
    accuracies = [result.accuracy for result in results.values()]
    if len(results) == 1:
        return {"sound_svm_accuracy": accuracies[0], "sound_svm_cost": next(iter(results.values())).cost}
    return {
        "sound_svm_accuracy": statistics.fmean(accuracies),
        "sound_svm_accuracy_std": statistics.pstdev(accuracies),
    }


def as_table(results: Mapping[str, Result]) -> Table:
    """Return a row for each fold, with its cost, and a row of means if there are several."""
    table = {f"{name}, C={result.cost:g}": _row(result) for name, result in results.items()}
    if len(results) > 1:
        means = {
            key: statistics.fmean(row[key] for row in table.values()) for key in _row(Result(*[0.0] * 6))
        }
        table[f"mean (std {summary(results)['sound_svm_accuracy_std']:.3f})"] = means
    return table


def _row(result: Result) -> dict[str, float]:
    return {"accuracy": result.accuracy, "inner": result.inner_accuracy, "tested": result.recordings}


def remarks(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield warnings: fits that did not converge, classes without test recordings."""
    unconverged = sum(result.unconverged for result in results.values())
    if unconverged:
        yield (
            f"{unconverged:g} fits, of all costs and rounds, stopped at {MAX_ITERATIONS} iterations; lower "
            "costs need fewer"
        )
    for name, result in results.items():
        if result.untested:
            yield f"{name}: {result.untested:g} classes have no test recording and do not count"
