"""Pictures of what a few queries retrieve, in TensorBoard and as PNG files."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.figures.set_figures import SetFigures
from callbacks.shared.directions import parse_direction
from callbacks.shared.loggers import publish
from callbacks.shared.set_rows import HostFeatures
from unlabelled.contracts import Embeds
from unlabelled.data.datasets.evaluation_sets import RetrievalSet
from unlabelled.metrics import cosine_pair
from unlabelled.seeding import global_seed, numpy_generator
from unlabelled.visualization.items import Item, item_of
from unlabelled.visualization.pair_search import PairSearches, search_pairs
from unlabelled.visualization.retrieved import Found, Search, retrieved_figure

_TEXT = "text"


class RetrievalFigures(SetFigures):
    """Draw the best results of a few queries of each retrieval set, with the right one marked.

    The queries are drawn once by the run's seed, so that they are the same at each epoch. The gallery stays
    where its ranks have it: only the queries travel.

    Args:
        direction: ``<query>-><gallery>``, names of features: ``text->video+audio``.
        num_queries: Rows.
        k: Results per query.
        similarity: ``cosine``, or the ``dot`` product of the features as they are (MCN).
        every_n_epochs: Epochs between two pictures in ``fit``, whose last epoch is drawn too; ``validate``
            and ``test`` always draw.

    Source: SSPC supplement Figure 5.
    """

    def __init__(
        self,
        direction: str = "text->video+audio",
        num_queries: int = 8,
        k: int = 5,
        similarity: Literal["cosine", "dot"] = "cosine",
        every_n_epochs: int = 10,
    ) -> None:
        super().__init__(every_n_epochs)
        self.check_positive(num_queries=num_queries, k=k)
        if similarity not in ("cosine", "dot"):
            raise ValueError(f"RetrievalFigures: similarity={similarity!r}; expected cosine or dot")
        self.direction = parse_direction(direction, "RetrievalFigures")
        self.num_queries, self.k, self.similarity = num_queries, k, similarity
        self._collections: dict[int, tuple[RetrievalSet, HostFeatures]] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are features, and sets to search."""
        super().setup(trainer, pl_module, stage)
        self.require(pl_module, Embeds, "that embeds")

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew, if it is time."""
        self._collections = {
            number: (each, HostFeatures(self.direction, "RetrievalFigures"))
            for number, each in enumerate(self.sets(trainer) if self.is_due(trainer) else [])
            if isinstance(each, RetrievalSet)
        }

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Remember the features of a batch of a retrieval set.

        Raises:
            MisconfigurationException: The method has no features of these names.
        """
        if dataloader_idx in self._collections:
            self._collections[dataloader_idx][1].add(batch, outputs["features"])

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Search and draw."""
        for retrieval_set, collection in self._collections.values():
            rows = collection.finish()
            asked, searched = (rows.features[name] for name in self.direction)
            if self.similarity == "cosine":
                asked, searched = cosine_pair(asked, searched)
            chosen = self._chosen(retrieval_set)
            searches = search_pairs(asked, searched, rows.ids, chosen, self.k, pl_module.device)
            if trainer.is_global_zero:
                self._draw(trainer, retrieval_set, searches)
        self._collections = {}

    on_test_epoch_end = on_validation_epoch_end

    def _chosen(self, retrieval_set: RetrievalSet) -> Tensor:
        """Return the rows of the set whose texts (or clips) are the queries."""
        order = numpy_generator(global_seed(), "retrieval pictures", retrieval_set.name)
        return torch.from_numpy(order.permutation(len(retrieval_set))[: self.num_queries])

    def _draw(self, trainer: Trainer, retrieval_set: RetrievalSet, searches: PairSearches) -> None:
        if unread := min(self.num_queries, len(retrieval_set)) - len(searches.queries):
            self.tell(f"{unread} queries of {retrieval_set.name} could not be read")
        if len(searches.queries) == 0:
            return
        shown = [self._shown(retrieval_set, searches, number) for number in range(len(searches.queries))]
        ends = " → ".join(self.direction)
        title = f"{retrieval_set.name}: {ends} (below the results: place and {self.similarity})"
        name = f"retrieved_{retrieval_set.name}_{self.direction.tag}"
        publish(trainer, name, retrieved_figure(shown, title))

    def _shown(self, retrieval_set: RetrievalSet, searches: PairSearches, number: int) -> Search:
        query = int(searches.queries[number])
        found = [
            Found(_item(retrieval_set, row, self.direction.gallery), similarity, row == query)
            for row, similarity in zip(
                searches.ids[number].tolist(), searches.similarities[number].tolist(), strict=True
            )
        ]
        item = _item(retrieval_set, query, self.direction.query)
        return Search(item, found, float(searches.places[number]), searches.size)


def _item(retrieval_set: RetrievalSet, row: int, feature: str) -> Item:
    """Return a text as such, anything else as a clip."""
    return Item(retrieval_set.texts[row]) if feature == _TEXT else item_of(retrieval_set, row)
