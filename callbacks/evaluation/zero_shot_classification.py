"""Zero-shot classification: matching of the clusters of a labelled set with its classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.evaluation.set_evaluation import SetEvaluation
from callbacks.shared.rows import Rows, on_first_rank
from callbacks.shared.set_features import SelectedFeatures
from callbacks.shared.tables import Table
from unlabelled.clustering.kmeans import kmeans
from unlabelled.data.datasets.evaluation_sets import LabelledSet
from unlabelled.distributed import from_first_rank
from unlabelled.metrics import contingency, hungarian_accuracy
from unlabelled.modalities import parts_of
from unlabelled.seeding import derive_seed, global_seed, numpy_generator


class ZeroShotClassification(SetEvaluation[LabelledSet]):
    """Cluster the normalised features of a set into as many clusters as classes, and match these.

    The clusters of k-means are matched one-to-one with the classes such that most samples agree. Logs for
    each set ``val/ucf101/video+audio/accuracy``, the mean over the seeds, ``accuracy_std``, and
    ``accuracy_chance``, the accuracy of the same clusters on shuffled labels, which is above 1 / classes
    because of the matching. ``test`` prints a table. The initialisation of k-means is not published; ours is
    k-means++ with ten restarts (faiss). Rank 0 gathers and clusters all features, 0.3 GB for UCF-101.

    Args:
        features: Name of the method's features.
        restarts: Runs of k-means per seed, of which the one with the smallest error is kept.
        seeds: Number of seeds.
        iterations: Largest number of iterations of k-means; it stops when no assignment changes.
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Raises:
        ValueError: A number is below 1, there is no labelled sample, or features are not finite.
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
        """Key that differs between callbacks of this class with different options."""
        return self._generate_state_key(features=self.features)

    def start(
        self, trainer: Trainer, pl_module: LightningModule, evaluation_set: LabelledSet
    ) -> SelectedFeatures:
        """Return an empty collection of the features."""
        return SelectedFeatures([self.features], "ZeroShotClassification")

    def score(self, pl_module: LightningModule, evaluation_set: LabelledSet, rows: Rows) -> Table:
        """Return the accuracies; rank 0 clusters and broadcasts them."""
        gathered = on_first_rank(rows.labelled().to(pl_module.device))  # for NCCL, on the GPU

        def work() -> Tensor:
            assert gathered is not None
            return torch.stack([self._accuracies(gathered, evaluation_set, n) for n in range(self.seeds)])

        accuracy, chance = from_first_rank(work).T
        return {
            self.features: {
                "accuracy": float(accuracy.mean()),
                "accuracy_std": float(accuracy.std(correction=0)),
                "accuracy_chance": float(chance.mean()),
            }
        }

    def _accuracies(self, rows: Rows, evaluation_set: LabelledSet, number: int) -> Tensor:
        """Return the accuracy, and that with shuffled labels, for one seed."""
        if len(rows) == 0:
            raise ValueError(f"ZeroShotClassification: no sample of {evaluation_set.name} has a label")
        classes = len(evaluation_set.class_names)
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
