"""A classifier that votes under Gaussian noise (Cohen, Rosenfeld & Kolter 2019)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch.utils.checkpoint import checkpoint

from limen.classifier import Classifier, Wrapped
from limen.errors import UsageError
from limen.images import check_images, straight_through
from limen.safety import check_count
from limen.seeds import content_seeds, draw


class Smoothed(Wrapped):
    """The class that a classifier gives most often to an image under Gaussian noise.

    The noise is added before the network's normalisation and is not clipped, so the classifier inside sees
    values outside [0, 1]; one behind a defence refuses these. Noise comes of the seed and of what the image
    holds on 8 bits: the same image gets the same answer, in any batch, and an attack cannot prepare for the
    noise that the image it makes will get.

    The logits are the logarithms of the mean probabilities over the draws, so that attacks have the gradient
    of Salman et al. (2019). Where the votes are for another class than these, its logit is raised to the top:
    the predicted class is always that of the votes, of which `certify` speaks.

    Args:
        classifier: The classifier inside, best one that was trained under such noise.
        sigma: The noise's standard deviation, for images in [0, 1].
        draws: How many draws of noise an answer is made of.
        seed: Where the noise comes from, beside the image.
        batch_size: How many noisy images the network is passed side by side; one draw of a whole batch at
            least. Memory is bounded by it however many draws there are, also where gradients are taken: then
            each pass is made once more on the way back.

    Raises:
        UsageError: If `sigma` is not above 0, there is not one draw at least, or the classifier is smoothed.

    Source:
        Cohen, Rosenfeld & Kolter, Certified adversarial robustness via randomized smoothing, ICML 2019,
        Section 3; Salman et al., Provably robust deep learning via adversarially trained smoothed
        classifiers, NeurIPS 2019, eq. 5 and 6.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> smoothed = Smoothed(Classifier(net), sigma=0.5, draws=20)
        >>> images = torch.rand(3, 3, 4, 4)
        >>> bool((smoothed(images)[1:].argmax(1) == smoothed(images[1:]).argmax(1)).all())
        True
    """

    def __init__(
        self,
        classifier: Classifier,
        sigma: float = 0.25,
        draws: int = 100,
        seed: int = 0,
        batch_size: int = 64,
    ) -> None:
        if not 0 < sigma < math.inf:
            raise UsageError(f"sigma is {sigma}; expected a number above 0")
        check_count("draws", draws)
        check_count("batch_size", batch_size)
        if isinstance(classifier, Smoothed):
            raise UsageError("the classifier is smoothed already; smooth the one inside")
        super().__init__(classifier)
        self.sigma, self.draws, self.seed, self.batch_size = sigma, draws, seed, batch_size

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W) in [0, 1].

        Raises:
            UsageError: As the classifier, or if the images are not in [0, 1].
            ModelError: As the classifier.
        """
        check_images(images)
        if not len(images):
            return self.classifier(images)
        seeds = content_seeds(self.seed, images.detach())

        def tally(images: Tensor, draws: range) -> tuple[Tensor, Tensor]:
            logits = self._noisy(images, seeds, draws)
            return logits.log_softmax(2).logsumexp(0), _votes(logits)

        pieces = [*self._pieces(range(self.draws), len(images))]
        again = len(pieces) > 1 and torch.is_grad_enabled() and images.requires_grad
        tallies = [
            checkpoint(tally, images, piece, use_reentrant=False, preserve_rng_state=False)
            if again
            else tally(images, piece)
            for piece in pieces
        ]
        sums, votes = (torch.stack(each) for each in zip(*tallies, strict=True))
        return _elected(sums.logsumexp(0) - math.log(self.draws), votes.sum(0))

    def votes(self, images: Tensor, draws: range) -> Tensor:
        """How often the classifier inside gives each class to images under some draws of noise.

        Args:
            images: Images (N, C, H, W) in [0, 1].
            draws: The numbers of the draws; those of an answer are from 0 to below `draws`.

        Returns:
            Counts (N, K), int64.

        Raises:
            UsageError: As the classifier, or if the images are not in [0, 1].
            ModelError: As the classifier.
        """
        check_images(images)
        counts = []
        with torch.no_grad():
            if not len(images):
                return self.classifier(images).long()
            for part in images.split(self.batch_size):
                seeds = content_seeds(self.seed, part)
                pieces = self._pieces(draws, len(part))
                each = (_votes(self._noisy(part, seeds, piece)) for piece in pieces)
                counts.append(torch.stack([*each]).sum(0))
        return torch.cat(counts)

    def fingerprint(self) -> str:
        """A SHA-256 hex digest of the classifier's own and of how it is smoothed."""
        told = f"{self.classifier.fingerprint()} {self.sigma!r} {self.draws} {self.seed}"
        return hashlib.sha256(told.encode()).hexdigest()

    def _pieces(self, draws: range, images: int) -> Iterator[range]:
        """The draws, as many at a time as may be passed side by side."""
        step = max(1, self.batch_size // max(1, images))
        for start in range(0, len(draws), step):
            yield draws[start : start + step]

    def _noisy(self, images: Tensor, seeds: Tensor, draws: range) -> Tensor:
        """The logits (D, N, K) inside, under each of the draws."""
        # Drawn in one precision, so that an image has the same noise in each.
        shape, kind = images.shape[1:], torch.float32
        noise = torch.stack([draw(torch.randn, seeds, shape, kind, salt=number) for number in draws])
        noisy = images + self.sigma * noise.to(images.dtype)
        return self.classifier(noisy.flatten(0, 1)).unflatten(0, (len(draws), len(images)))


def _votes(logits: Tensor) -> Tensor:
    """How often each class (N, K) has the greatest of the logits (D, N, K)."""
    return one_hot(logits.detach().argmax(2), logits.shape[2]).sum(0)


def _elected(logits: Tensor, votes: Tensor) -> Tensor:
    """The logits (N, K), with that of the class of most votes at the top."""
    exact = logits.detach()
    # Between equally many votes, the mean probabilities decide.
    winner = (votes + exact.double().exp() / 2).argmax(1, keepdim=True)
    above = torch.nextafter(exact.amax(1, keepdim=True), exact.new_tensor(math.inf))
    raised = exact.scatter(1, winner, above)
    lost = exact.argmax(1, keepdim=True) != winner
    return straight_through(logits, torch.where(lost, raised, exact))
