"""Figures of the retrieval results of some queries."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.figures.set_figures import SetFigures
from callbacks.shared.loggers import publish
from callbacks.shared.set_features import SelectedFeatures, parse_direction
from unlabelled.contracts import Embeds
from unlabelled.data.datasets.evaluation_sets import RetrievalSet
from unlabelled.metrics import cosine_pair
from unlabelled.seeding import global_seed, numpy_generator
from unlabelled.visualization.items import Item, item_of
from unlabelled.visualization.pair_search import PairSearches, search_pairs
from unlabelled.visualization.retrieved import Found, Search, retrieved_figure

_TEXT = "text"


class RetrievalFigures(SetFigures):
    """Draw the best results of some queries of each retrieval set, with the correct one marked.

    The queries depend on the seed of the run only, so that they are the same at each epoch. The queries are
    sent to all ranks; each rank searches its own part of the gallery.

    Args:
        direction: ``<query>-><gallery>``, names of features: ``text->video+audio``.
        num_queries: Number of queries, the rows of the figure.
        k: Number of results per query.
        similarity: ``cosine``, or ``dot``, the dot product of the features (MCN).
        every_n_epochs: Epochs between two figures in ``fit``, whose last epoch is drawn too; ``validate``
            and ``test`` always draw.

    Raises:
        ValueError: An argument is out of its range, or the direction cannot be parsed.
        MisconfigurationException: The method has no features with a name, or the data module has no
            evaluation sets.

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
        self._collections: dict[int, tuple[RetrievalSet, SelectedFeatures]] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        super().setup(trainer, pl_module, stage)
        self.require(pl_module, Embeds, "that embeds")

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Create an empty collection for each set, if figures are due."""
        self._collections = {
            number: (each, SelectedFeatures(self.direction, "RetrievalFigures"))
            for number, each in enumerate(self.sets(trainer) if self.times.is_now(trainer) else [])
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
        """Store the features of a batch of a retrieval set.

        Raises:
            MisconfigurationException: The method has no features with these names.
        """
        if dataloader_idx in self._collections:
            self._collections[dataloader_idx][1].add(batch, outputs["features"])

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Search the galleries and draw the results."""
        for retrieval_set, collection in self._collections.values():
            rows = collection.finish()
            query, gallery = (rows.features[name] for name in self.direction)
            if self.similarity == "cosine":
                query, gallery = cosine_pair(query, gallery)
            selected = self._query_rows(retrieval_set)
            searches = search_pairs(query, gallery, rows.index, selected, self.k, pl_module.device)
            if trainer.is_global_zero:
                self._draw(trainer, retrieval_set, searches)
        self._collections = {}

    on_test_epoch_end = on_validation_epoch_end

    def _query_rows(self, retrieval_set: RetrievalSet) -> Tensor:
        """Return the rows of the set whose texts (or clips) are the queries."""
        order = numpy_generator(global_seed(), "retrieval pictures", retrieval_set.name)
        return torch.from_numpy(order.permutation(len(retrieval_set))[: self.num_queries])

    def _draw(self, trainer: Trainer, retrieval_set: RetrievalSet, searches: PairSearches) -> None:
        if unread := min(self.num_queries, len(retrieval_set)) - len(searches.queries):
            self.messages.log_once(f": {unread} queries of {retrieval_set.name} could not be read")
        if len(searches.queries) == 0:
            return
        drawn = [self._search(retrieval_set, searches, number) for number in range(len(searches.queries))]
        ends = " → ".join(self.direction)
        title = f"{retrieval_set.name}: {ends} (below the results: rank and {self.similarity})"
        name = f"retrieved_{retrieval_set.name}_{self.direction.tag}"
        publish(trainer, name, retrieved_figure(drawn, title))

    def _search(self, retrieval_set: RetrievalSet, searches: PairSearches, number: int) -> Search:
        query = int(searches.queries[number])
        results = [
            Found(_item(retrieval_set, row, self.direction.gallery), similarity, row == query)
            for row, similarity in zip(
                searches.ids[number].tolist(), searches.similarities[number].tolist(), strict=True
            )
        ]
        item = _item(retrieval_set, query, self.direction.query)
        return Search(item, results, float(searches.places[number]), searches.size)


def _item(retrieval_set: RetrievalSet, row: int, feature: str) -> Item:
    """Return the text of a row, or its clip for features other than text."""
    return Item(retrieval_set.texts[row]) if feature == _TEXT else item_of(retrieval_set, row)
