"""Curves of a score over the degradation of a modality."""

from __future__ import annotations

from matplotlib.figure import Figure


def degradation_curves(curves: dict[str, dict[float, float]]) -> Figure:
    """Draw NMI over the degradation factor, with one panel per degraded modality.

    Args:
        curves: NMI by factor for each degraded modality, in the order of increasing degradation.
    """
    figure = Figure(figsize=(4.5 * len(curves), 3.4), layout="constrained")
    axes = figure.subplots(1, len(curves), squeeze=False)[0]
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        positions = range(len(curve))
        axis.plot(positions, list(curve.values()), marker="o")
        axis.set_xticks(positions, [f"{factor:g}" for factor in curve])
        axis.set(
            xlabel=f"{name} factor", ylabel="NMI", ylim=(0, 1.02), title=f"one modality degraded: {name}"
        )
        axis.grid(alpha=0.3)
    return figure
