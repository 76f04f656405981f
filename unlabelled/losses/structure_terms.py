"""Terms of the SSPC loss and their weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

MODALITIES = ("text", "video", "audio")

Space = Literal["input", "projected"]


class StructureTerm(NamedTuple):
    """One prediction, on the anchors of one modality.

    Attributes:
        predicts: The space whose scores predict the other space's codes.
        anchor: m, the modality of the anchors, and of the input.
        feature: j, the modality of the projected feature; j = m is modality-specific, else cross-modal.
        weight: Its weight in the sum.
    """

    predicts: Space
    anchor: str
    feature: str
    weight: float

    @property
    def name(self) -> str:
        """For instance ``input_text_from_projected_video``, on the anchors of text in both cases."""
        if self.predicts == "input":
            return f"input_{self.anchor}_from_projected_{self.feature}"
        return f"projected_{self.feature}_from_input_{self.anchor}"


class NeededScores(NamedTuple):
    """Scores, or codes of scores.

    Attributes:
        inputs: Modalities m of ``in_m``.
        projected: Pairs (feature modality j, anchor modality m) of ``pr_{j|m}``.
    """

    inputs: tuple[str, ...]
    projected: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StructureWeights:
    """Weights of the terms of the SSPC loss; the defaults are the released ones.

    Args:
        cross_modal: Whether terms of two modalities count.
        modality_specific: Whether terms of one modality count.
        audio: Weight of terms with audio on either side; the weight of all others is 1.
        overrides: Other weights for single terms, by :attr:`StructureTerm.name`; the two switches above still
            apply.

    Raises:
        ValueError: A negative weight, or the name of a term that does not exist.

    Source: Swetha5/Multi_Sinkhorn_Knopp, configs/pretraining/resnet_tva.yaml (c_loss_*); SSPC supplement,
    section 1.5 and Table 6; docs/methods/sspc.md#sspc-loss.
    """

    cross_modal: bool = True
    modality_specific: bool = True
    audio: float = 0.1
    overrides: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [term.name for term in _all_terms(MODALITIES)]
        unknown = [name for name in self.overrides if name not in names]
        if unknown:
            raise ValueError(
                f"StructureWeights: overrides name {unknown}, which are no terms; there are {names}"
            )
        if min([self.audio, *self.overrides.values()]) < 0:
            raise ValueError(
                f"StructureWeights: audio is {self.audio} and overrides {dict(self.overrides)}, expected no "
                "negative weight"
            )

    def terms(self, modalities: Sequence[str]) -> tuple[StructureTerm, ...]:
        """Return the terms of these modalities whose weight is not 0.

        Raises:
            ValueError: A modality is none of text, video and audio.
        """
        unknown = [modality for modality in modalities if modality not in MODALITIES]
        if unknown:
            raise ValueError(f"StructureWeights: modalities {unknown} are none of {', '.join(MODALITIES)}")
        weighted = (term._replace(weight=self._weight(term)) for term in _all_terms(modalities))
        return tuple(term for term in weighted if term.weight)

    def _weight(self, term: StructureTerm) -> float:
        switched_on = self.modality_specific if term.anchor == term.feature else self.cross_modal
        default = self.audio if "audio" in (term.anchor, term.feature) else 1.0
        return self.overrides.get(term.name, default) if switched_on else 0.0


def needed_codes(terms: Iterable[StructureTerm]) -> NeededScores:
    """Return the scores whose codes are the targets of the terms, in the order of the terms."""
    inputs = {term.anchor: None for term in terms if term.predicts == "projected"}
    projected = {(term.feature, term.anchor): None for term in terms if term.predicts == "input"}
    return NeededScores(tuple(inputs), tuple(projected))


def needed_predictions(terms: Iterable[StructureTerm]) -> NeededScores:
    """Return the scores that predict in the terms, in the order of the terms."""
    inputs = {term.anchor: None for term in terms if term.predicts == "input"}
    projected = {(term.feature, term.anchor): None for term in terms if term.predicts == "projected"}
    return NeededScores(tuple(inputs), tuple(projected))


def _all_terms(modalities: Sequence[str]) -> list[StructureTerm]:
    spaces: tuple[Space, ...] = ("input", "projected")
    return [
        StructureTerm(space, anchor, feature, 1.0)
        for space in spaces
        for anchor in modalities
        for feature in modalities
    ]
