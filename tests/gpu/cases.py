"""All cases, by name: that of the function or class, then what is special about the case."""

from __future__ import annotations

from tests.gpu.augmentation_cases import AUGMENTATIONS
from tests.gpu.clustering_cases import CLUSTERING
from tests.gpu.geometry_cases import GEOMETRY
from tests.gpu.inputs import Cases
from tests.gpu.loss_cases import LOSSES
from tests.gpu.metric_cases import METRICS
from tests.gpu.network_cases import ENCODERS, LAYERS

CASES: Cases = {**LOSSES, **CLUSTERING, **GEOMETRY, **METRICS, **LAYERS, **AUGMENTATIONS, **ENCODERS}
