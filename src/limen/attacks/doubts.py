"""Why an outcome may say less of the model, or of the attack, than it seems to."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from limen.attacks.best import Best
from limen.attacks.outcome import Outcome

STUCK = (
    "{stuck} of {count} images could not be moved: in all their backward passes the gradient was 0 ({zero}) "
    "or not finite ({spoilt}). That is no robustness: something in the model, such as rounding, hides the "
    "gradient. Let it pass straight through, or attack the model without that part and see which of those "
    "images fool this one."
)
FADED = (
    "On {faded} of {count} images, none of them fooled, the gradient was 0 or not finite in most backward "
    "passes. What was found there may be much less than what is there: something in the model, such as "
    "rounding, hides the gradient."
)
TOO_SMALL = (
    "On {small} of {count} images the budget is less than one level of a file, 1/{lattice}: only the image "
    "itself lies within it, and no step can help. Give 1/{lattice} or more, or lattice=None for floats."
)
STILL = (
    "On {still} of {count} images no step changed a value that a file holds, so that the model saw only the "
    "original. That is no robustness: steps are too short for the lattice, the budget holds nothing else, or "
    "values are at their bounds. Give longer steps or a larger budget, or lattice=None for floats."
)
PROBABILITIES = (
    "The model returns probabilities, whose gradient fades where it is sure: leave the softmax out, so that "
    "it returns logits."
)
FLAT = (
    "On {flat} of {count} images the mask says nothing: the attention is flat, so that all of the image may "
    "change, or the foreground is empty or the whole image. Find it another way, or leave the mask out."
)
SHORT = (
    "For {short} of {count} images no multiplier sufficed, up to {most:.3g}. That is no robustness, but "
    "climbs that are too short: raise steps or search_steps."
)
UNCONFIRMED = (
    "Of {found} successes {lost} did not hold when the model was asked again about the same image, as its "
    "answers differ from call to call: count those that hold, or attack the model without its randomness."
)

OUTSIDE = (
    "{outside} of {count} images fooled the model from outside the attack's budget, which count as failures: "
    "what bounds the attack is another norm, or no bound."
)
BROKEN = (
    "{broken} of {count} images came back with NaN, or with values outside [0, 1], and count as failures: "
    "images are to be returned in [0, 1], as they were given."
)


def doubts(bests: Sequence[Best], still: bool = True) -> str:
    """Why outcomes say less than they seem to; empty where nothing is odd.

    Args:
        bests: What was kept of the samples of each piece.
        still: Whether to tell of images that no step changed.
    """
    outcome = Outcome.joined([best.outcome() for best in bests])
    stuck, tried = outcome.stuck, torch.cat([best.tried for best in bests])
    short = ~stuck & ~outcome.faded & ~outcome.success & (tried > 0)
    found, count = [], len(stuck)
    if bool(stuck.any()):
        spoilt = stuck & (outcome.nonfinite_gradients > 0)
        parts = {"stuck": stuck, "zero": stuck & ~spoilt, "spoilt": spoilt}
        found.append(STUCK.format(count=count, **{name: int(each.sum()) for name, each in parts.items()}))
    if bool((faded := outcome.faded & ~outcome.success).any()):
        found.append(FADED.format(faded=int(faded.sum()), count=count))
    if still and bool((unmoved := outcome.still & ~stuck & ~outcome.success).any()):
        found.append(STILL.format(still=int(unmoved.sum()), count=count))
    if any(bool(best.probabilities) for best in bests if best.probabilities is not None):
        found.append(PROBABILITIES)
    if bool(outcome.unmasked.any()):
        found.append(FLAT.format(count=count, flat=int(outcome.unmasked.sum())))
    if bool(outcome.unconfirmed.any()):
        lost, made = int(outcome.unconfirmed.sum()), int(outcome.success.sum())
        found.append(UNCONFIRMED.format(lost=lost, found=made))
    for name, text in (("outside", OUTSIDE), ("broken", BROKEN)):
        if number := sum(int(getattr(best, name).sum()) for best in bests):
            found.append(text.format(count=count, **{name: number}))
    if bool(short.any()):
        found.append(SHORT.format(count=count, short=int(short.sum()), most=float(tried[short].max())))
    return " ".join(found)
