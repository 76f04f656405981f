"""Smooth random paths."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.composed.base import Span


def path(
    rng: np.random.Generator, times: npt.NDArray[np.float64], span: Span, turning_points: Span
) -> npt.NDArray[np.float64]:
    """Draw a smooth path within ``span`` at ``times (n,)``, with its turning points some seconds apart."""
    from scipy.interpolate import PchipInterpolator

    end = float(times[-1]) + turning_points[1]
    steps = rng.uniform(*turning_points, int(np.ceil(end / turning_points[0])) + 2)
    knots = np.cumsum(steps) - steps[0] * (1 + rng.random())
    return np.asarray(PchipInterpolator(knots, rng.uniform(*span, len(knots)))(times))
