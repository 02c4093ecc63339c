"""Judges how a training went, from its curves: did the model learn, did it learn by heart, was it given the time?

The rule, in this order, with the losses of the epoch whose weights were kept (early stopping's, or the last):

1. diverged: a loss is no finite number, or the last loss on train is more than twice the first.
2. overfits: the loss on eval is more than twice that on train (left out where train.class_weights or train.oversample make
   them losses of different things); or it is more than 1.1 times the least that it was in an earlier epoch, and that on
   train has fallen since.
3. unfinished: the last epoch was kept, and eval's loss still fell by more than 1% an epoch over the last tenth of them.
4. underfits: the loss on train is more than 0.9 of what knowing only how frequent each class is would get.
5. fits: none of these.

After the TensorFlow tutorial "Overfit and underfit" (keras/overfit_and_underfit). Dropout and augmentation make the loss on
train larger than that of the same weights on the same data without them, so rule 2 finds less than there is where they are
strong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["diverged", "underfits", "overfits", "unfinished", "fits"]
SHARE_OF_NO_SKILL = 0.9
GAP = 2.0
RISE = 1.1
FALL_AN_EPOCH = 0.01
DIVERGED = 2.0
_SHOWN: dict[Verdict, str] = {
    "diverged": "the training diverged",
    "underfits": "the model underfits",
    "overfits": "the model overfits",
    "unfinished": "the training ended early",
    "fits": "the model fits",
}
_ADVICE: dict[Verdict, str] = {
    "diverged": "Try a lower train.learning_rate, and look for extreme values in the data.",
    "underfits": "Try more capacity (model), better features (transform), more epochs, less dropout, weight decay and "
    "augmentation, or another learning rate.",
    "overfits": "Try more data, less capacity, more weight decay, dropout or augmentation, or earlier stopping.",
    "unfinished": "Try more train.epochs.",
    "fits": "",
}


@dataclass(frozen=True)
class Judgement:
    """What became of a training.

    Attributes:
        verdict: See the module.
        evidence: The numbers that it rests on.
        advice: What to try; empty where nothing is wrong.
    """

    verdict: Verdict
    evidence: str
    advice: str

    def as_dict(self) -> dict[str, Any]:
        """For model.json."""
        return {"verdict": self.verdict, "told": str(self)}

    def __str__(self) -> str:
        return f"{_SHOWN[self.verdict]}: {self.evidence}. {self.advice}".rstrip()


def no_skill_loss(counts: Sequence[float], num_examples: float | None = None) -> float | None:
    """Cross entropy, in nats, of always answering how frequent each class is; None without classes.

    Args:
        counts: Examples of each class, weighted as the loss weighs them.
        num_examples: By which the weighted losses are divided; None for the sum of the counts.
    """
    total = sum(counts)
    if not total:
        return None
    return -sum(count * math.log(count / total) for count in counts if count) / (num_examples or total)


def judge(
    epochs: Sequence[Mapping[str, float]], no_skill: float | None, kept: int | None = None, *, same_loss: bool = True
) -> Judgement:
    """Applies the rule.

    Args:
        epochs: The metrics of each epoch, `loss` and `val_loss` among them.
        no_skill: As `no_skill_loss` gives it; None leaves out rule 4.
        kept: Index of the epoch whose weights the model has; None for the last.
        same_loss: Whether the losses on train and eval are of examples that count alike.
    """
    train, evaluated = [epoch["loss"] for epoch in epochs], [epoch["val_loss"] for epoch in epochs]
    last = len(epochs) - 1
    kept = last if kept is None else kept
    for name, losses in (("loss", train), ("val_loss", evaluated)):
        bad = next((index for index, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if bad is not None:
            return _judgement("diverged", f"{name} is {losses[bad]} in epoch {bad + 1}")
    if train[-1] > DIVERGED * train[0]:
        return _judgement("diverged", f"loss rose from {train[0]:.4g} to {train[-1]:.4g}")
    found = (
        f"in epoch {kept + 1}, whose weights were kept, loss is {train[kept]:.4g} on train and {evaluated[kept]:.4g} on eval"
    )
    if same_loss and evaluated[kept] > GAP * train[kept]:
        return _judgement("overfits", found)
    best = min(range(kept + 1), key=evaluated.__getitem__)
    if evaluated[kept] > RISE * evaluated[best] and train[kept] < train[best]:
        return _judgement("overfits", f"{found}; in epoch {best + 1} it was {train[best]:.4g} and {evaluated[best]:.4g}")
    window = max(1, len(epochs) // 10)
    if best == kept == last and last >= window:
        fall = 1.0 - (evaluated[last] / evaluated[last - window]) ** (1.0 / window)
        if fall > FALL_AN_EPOCH:
            return _judgement("unfinished", f"{found}, which still fell by {fall:.1%} an epoch")
    if no_skill is not None and train[kept] > SHARE_OF_NO_SKILL * no_skill:
        return _judgement("underfits", f"{found}, and knowing the classes' frequencies alone gets {no_skill:.4g}")
    return _judgement("fits", found)


def _judgement(verdict: Verdict, evidence: str) -> Judgement:
    return Judgement(verdict, evidence, _ADVICE[verdict])
