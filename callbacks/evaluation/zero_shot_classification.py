"""Zero-shot classification: clusters of the features of a labelled set, matched to its classes."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.evaluation.set_evaluation import SetEvaluation
from callbacks.shared.feature_collection import Rows, on_first_rank
from callbacks.shared.set_rows import HostFeatures
from callbacks.shared.tables import Table
from unlabelled.clustering.kmeans import kmeans
from unlabelled.data.datasets.evaluation_sets import LabelledSet
from unlabelled.distributed import from_first_rank
from unlabelled.metrics import contingency, hungarian_accuracy
from unlabelled.modalities import parts_of
from unlabelled.seeding import derive_seed, global_seed, numpy_generator


class ZeroShotClassification(SetEvaluation[LabelledSet, Rows]):
    """Cluster the normalised features of a whole set into as many clusters as classes, and match them.

    k-means, then the one-to-one matching of clusters with classes that agrees on most samples. Logged per
    set: ``val/ucf101/video+audio/accuracy``, the mean over the seeds, ``accuracy_std``, and
    ``accuracy_chance``, the accuracy of the same clusters on shuffled labels (the matching alone lifts it
    above 1 / classes). ``test`` prints a table. The initialisation of k-means is not published; here: faiss,
    k-means++, ten restarts. Rank 0 clusters and holds all features, 0.3 GB for UCF-101.

    Args:
        features: Name of the method's features.
        restarts: Runs of k-means per seed, of which the one with the smallest error is kept.
        seeds: Number of seeds.
        iterations: Largest number of iterations of k-means; it stops when no assignment changes.
        every_n_epochs: Validations of ``fit`` that do this; ``null``: none.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: A number below 1, no labelled sample, or features that are not finite.
        MisconfigurationException: The method has no such features.

    Source: SSPC supplement, section 1.1 and Table 1; docs/methods/sspc.md#classification.
    """

    kind = LabelledSet
    protocol = "zero-shot classification"

    def __init__(
        self,
        features: str = "video+audio",
        restarts: int = 10,
        seeds: int = 5,
        iterations: int = 100,
        every_n_epochs: int | None = 1,
        before_training: bool = True,
    ) -> None:
        super().__init__(every_n_epochs, before_training)
        if min(restarts, seeds, iterations) < 1:
            raise ValueError(
                f"ZeroShotClassification: restarts is {restarts}, seeds {seeds} and iterations {iterations}, "
                "expected at least 1 for each"
            )
        parts_of(features)
        self.features = features
        self.restarts, self.seeds, self.iterations = restarts, seeds, iterations

    @property
    def state_key(self) -> str:
        """Key that differs between several of these callbacks."""
        return self._generate_state_key(features=self.features)

    def start(self, trainer: Trainer, pl_module: LightningModule, chosen: LabelledSet) -> HostFeatures:
        """Collect the features."""
        return HostFeatures([self.features], "ZeroShotClassification")

    def score(self, pl_module: LightningModule, chosen: LabelledSet, rows: Rows) -> Table:
        """Cluster on rank 0, and tell the others."""
        everything = on_first_rank(_on_device(rows.labelled(), pl_module.device))

        def work() -> Tensor:
            assert everything is not None
            return torch.stack([self._accuracies(everything, chosen, n) for n in range(self.seeds)])

        accuracy, chance = from_first_rank(work).T
        return {
            self.features: {
                "accuracy": float(accuracy.mean()),
                "accuracy_std": float(accuracy.std(correction=0)),
                "accuracy_chance": float(chance.mean()),
            }
        }

    def _accuracies(self, rows: Rows, chosen: LabelledSet, number: int) -> Tensor:
        """Return the accuracy and what shuffled labels give, by one seed."""
        if len(rows) == 0:
            raise ValueError(f"ZeroShotClassification: no sample of {chosen.name} has a label")
        classes = len(chosen.class_names)
        seed = derive_seed(global_seed(), "zero-shot classification", number) % 2**31
        clusters = kmeans(
            F.normalize(rows.features[self.features], dim=1),
            min(classes, len(rows)),
            seed,
            self.iterations,
            self.restarts,
            init="k-means++",
        )
        order = numpy_generator(global_seed(), "shuffled labels", number).permutation(len(rows))
        truths = rows.labels, rows.labels[torch.from_numpy(order)]
        tables = [contingency(clusters, truth, classes, classes) for truth in truths]
        return torch.tensor([hungarian_accuracy(table) for table in tables], dtype=torch.float64)


def _on_device(rows: Rows, device: torch.device) -> Rows:
    """Return the rows where collectives can reach them."""
    features = {name: feature.to(device) for name, feature in rows.features.items()}
    return replace(rows, features=features, labels=rows.labels.to(device), ids=rows.ids.to(device))
