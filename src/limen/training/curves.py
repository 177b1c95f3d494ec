"""The page of a training: its curves, as a document."""

from __future__ import annotations

from collections.abc import Sequence

from limen.analysis.surrogate import Dual
from limen.document import Cell, Chart, Charts, Document, Group, Line, Table
from limen.training.network import best
from limen.training.settings import Epoch, Settings
from limen.training.task import Task


def describe(
    history: Sequence[Epoch], title: str = "Training", told: Sequence[tuple[str, str]] = ()
) -> Document:
    """What the epochs of a training came to.

    Args:
        history: The epochs.
        title: What was trained.
        told: What it was trained with, as names and values.

    Returns:
        A document with the last and the best epoch, and curves against epochs.

    Example:
        >>> page = describe([Epoch(1, 2.0, 0.5, None, 0.1, 3.0), Epoch(2, 1.0, 0.75, None, 0.0, 3.0)])
        >>> [chart.title for chart in page.blocks[1].charts]
        ['Loss', 'Accuracy', 'Learning rate']
    """
    epochs = tuple(history)
    charts = [
        _chart("Loss", "mean loss", epochs, {"training": [each.loss for each in epochs]}),
        _chart("Accuracy", "accuracy", epochs, _accuracies(epochs), share=True),
        _chart(
            "Learning rate",
            "learning rate",
            epochs,
            {"of the last step": [each.learning_rate for each in epochs]},
        ),
    ]
    if figures := epochs[-1].figures:
        lines = {name: [each.figures[name] for each in epochs] for name in figures}
        charts.append(_chart("State of the objective", "value", epochs, lines))
    charts += dual_chart([(each.number, each.dual) for each in epochs], "epoch")
    robust = ["robust accuracy"] if epochs[-1].robust_accuracy is not None else []
    columns = ["", "epoch", "loss", "accuracy", *robust, "seconds"]
    rows = [_row("last", epochs[-1]), _row("best", best(epochs))]
    judged = "robust accuracy" if robust else "accuracy"
    caption = f"Of all epochs, the best has the greatest {judged}; the loss is a mean before each step."
    blocks = [Table("Epochs", caption, columns, [Group("", rows)]), *_dual(epochs[-1].dual)]
    return Document(title, settings=told, blocks=[*blocks, Charts("Curves", "", charts)])


def facts(task: Task, settings: Settings) -> list[tuple[str, str]]:
    """What a training is made with, for its page: everything that is set."""
    given = (*vars(task).items(), *vars(settings).items())
    return [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, tuple) else str(value))
        for name, value in given
        if value is not None and value is not False and value != ()
    ]


def dual_cells(dual: Dual | None) -> list[Cell]:
    """The cells of an estimate of the dual: its interval too, and the loss and cost where it was found."""
    if dual is None:
        return [Cell()] * 3
    value = Cell(value=dual.value, low=dual.low, high=dual.high)
    return [value, Cell(value=dual.loss), Cell(value=dual.cost)]


def dual_chart(found: Sequence[tuple[int, Dual | None]], label: str) -> list[Chart]:
    """A chart of the dual with its intervals against steps or epochs, if it was estimated."""
    known = [(number, dual) for number, dual in found if dual is not None]
    if not known:
        return []
    numbers, duals = [number for number, _ in known], [dual for _, dual in known]
    low, high = [each.low for each in duals], [each.high for each in duals]
    lines = [
        Line("dual", numbers, [each.value for each in duals], low, high),
        Line("clean loss", numbers, [each.clean for each in duals], dashed=True),
    ]
    return [Chart("Dual", label, "loss", lines)]


def _dual(dual: Dual | None) -> list[Table]:
    if dual is None:
        return []
    caption = (
        f"λδ + E[φ] with λ = {dual.weight:g} and δ = {dual.radius:g}, over {dual.count} test images, with "
        "the 95 % interval of a bootstrap over them. φ is the greatest loss less λ times the cost, as far as "
        "the attack finds it: with a better attack the dual is greater."
    )
    columns = ["", "dual", "loss there", "cost there", "clean loss"]
    row = [Cell("after the last epoch"), *dual_cells(dual), Cell(value=dual.clean)]
    return [Table("Robust surrogate", caption, columns, [Group("", [row])])]


def _accuracies(epochs: Sequence[Epoch]) -> dict[str, list[float]]:
    lines = {"clean": [each.accuracy for each in epochs]}
    robust = [each.robust_accuracy for each in epochs if each.robust_accuracy is not None]
    return {**lines, "under attack": robust} if robust else lines


def _chart(
    title: str, label: str, epochs: Sequence[Epoch], lines: dict[str, list[float]], share: bool = False
) -> Chart:
    numbers = [each.number for each in epochs]
    drawn = [Line(name, numbers, values) for name, values in lines.items()]
    return Chart(title, "epoch", label, drawn, y_range=(0, 1) if share else None, percent=share)


def _row(name: str, epoch: Epoch) -> list[Cell]:
    robust = [] if epoch.robust_accuracy is None else [Cell(value=epoch.robust_accuracy, form="share")]
    return [
        Cell(name),
        Cell(str(epoch.number)),
        Cell(value=epoch.loss),
        Cell(value=epoch.accuracy, form="share"),
        *robust,
        Cell(value=epoch.seconds),
    ]
