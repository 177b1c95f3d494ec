"""Whether model and data mean the same classes."""

from __future__ import annotations

from limen.audit.finding import Finding
from limen.classifier import Classifier
from limen.data import DataError, Dataset, numbered_as


def names(classifier: Classifier, dataset: Dataset) -> tuple[Finding, Dataset]:
    """Look up the data's classes among the model's by name, before anything is asked of the model.

    Returns:
        What was found, and the data with the model's numbers as labels; as it was where that cannot be.
    """
    title, known = "Class names", classifier.class_names
    try:
        numbered = numbered_as(dataset, known)
    except DataError as error:
        cure = "Rename the classes, or list them in the model's order with classes=FILE."
        stopped = Finding("names", "A class of the data is none of the model's", "stops", f"{error}.", cure)
        return stopped, dataset
    if known is not None and dataset.class_names is not None and not dataset.numbered:
        said = f"All {len(dataset.class_names):,} classes of the data are classes of the model by name."
        return Finding("names", title, "sound", said), numbered
    who = "Neither model nor data names" if known is None and dataset.class_names is None else None
    who = who or ("The model does not name" if known is None else "The data does not name")
    if dataset.numbered:
        who = "The user has stated the numbers of"
    said = f"{who} the classes, so that labels are taken as the model's numbers as they are."
    return Finding("names", title, "note", said), numbered
