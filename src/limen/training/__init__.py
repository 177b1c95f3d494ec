"""Training of classifiers: for any objective, with any attack, deterministic and resumable."""

from __future__ import annotations

from limen.training.augmentation import AUGMENTATIONS, augmentations, crop, flip
from limen.training.curves import describe, facts
from limen.training.distributional import WRM, GroupDRO
from limen.training.dual import DUALS, Lagrangian
from limen.training.family import FamilyListener, family_files, history_of, train_family
from limen.training.family_page import describe_family
from limen.training.learner import Learning
from limen.training.logs import Logs
from limen.training.loop import Listener, train
from limen.training.network import Files, best, settings_for, train_network
from limen.training.objective import Learner, Objective, Prepared, Stateful, Telling
from limen.training.objectives import (
    OBJECTIVES,
    Adversarial,
    CrossEntropy,
    GaussianNoise,
    StepLeastLikely,
)
from limen.training.optimization import (
    OPTIMIZERS,
    SCHEDULES,
    adamw,
    constant,
    cosine,
    multistep,
    one_cycle,
    sgd,
)
from limen.training.reading import Lesson
from limen.training.robust import Growing, describe_robust_set, grow_robust_set
from limen.training.sampling import SAMPLINGS, Drawn, balanced, shuffled, weighted
from limen.training.settings import Epoch, Settings, Step
from limen.training.task import Task
from limen.training.team import Team, assemble
from limen.training.validation import Validation, accuracy, robust_accuracy

__all__ = [
    "AUGMENTATIONS",
    "DUALS",
    "OBJECTIVES",
    "OPTIMIZERS",
    "SAMPLINGS",
    "SCHEDULES",
    "WRM",
    "Adversarial",
    "CrossEntropy",
    "Drawn",
    "Epoch",
    "FamilyListener",
    "Files",
    "GaussianNoise",
    "GroupDRO",
    "Growing",
    "Lagrangian",
    "Learner",
    "Learning",
    "Lesson",
    "Listener",
    "Logs",
    "Objective",
    "Prepared",
    "Settings",
    "Stateful",
    "Step",
    "StepLeastLikely",
    "Task",
    "Team",
    "Telling",
    "Validation",
    "accuracy",
    "adamw",
    "assemble",
    "augmentations",
    "balanced",
    "best",
    "constant",
    "cosine",
    "crop",
    "describe",
    "describe_family",
    "describe_robust_set",
    "facts",
    "family_files",
    "flip",
    "grow_robust_set",
    "history_of",
    "multistep",
    "one_cycle",
    "robust_accuracy",
    "settings_for",
    "sgd",
    "shuffled",
    "train",
    "train_family",
    "train_network",
    "weighted",
]
