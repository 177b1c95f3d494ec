"""Section 4: whether a model is biased, and which training makes it less so (Figures 4.1 and 4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from limen.analysis import Variances
from limen.data import Covariates, read_covariates
from limen.document import Block, Cell, Document, Group, Table
from limen.errors import UsageError
from limen.evaluation.fairness import SYNTHETIC
from limen.evaluation.families import Family, family_of, in_memory, judgements
from limen.evaluation.family_blocks import family_blocks
from limen.evaluation.family_fairness import compared, family_fairness
from limen.recipes.bench import Bench, Row
from limen.recipes.blocks import Rows, page
from limen.recipes.recipe import about, recipe, records
from limen.training import Growing, Settings, Task, grow_robust_set, train_family

PAPER = "Hua et al., Human imperceptible attacks and applications to improve fairness"

ORDINARY, OURS, PGD, GROUP_DRO = "Ordinary", "Imperceptible", "PGD", "Group DRO"
FAMILIES = (ORDINARY, OURS, PGD, GROUP_DRO)
"""The families of Figure 4.2: what was biased, the paper's two, and the baseline of fairness."""

_PRINTED = {
    "hua_figure_4_1": ("F(1, 39) = 5.392, p = 0.02554, over 41 countries", "87.5 %"),
    "hua_figure_4_2": (
        "t = 3.852, p = 0.00017 one-sided: PGD's mean slope is above ours",
        "84.3 %; PGD 79.7 %",
    ),
}
_DIFFERS = (
    "The data: the paper's photographs of ImageNet with their countries are not published.",
    "An intercept is fitted, as the paper's degrees of freedom imply; its text writes none.",
)
_TRAINED = (
    "A robust data set attacks the clean source of what is drawn, with half of all draws clean; the paper's "
    "text attacks adversarial images again, with a weight that leaves hardly a draw clean.",
    "All families take as many draws in training. The paper states neither its steps nor its rates.",
)


def describe(made: pa.Table) -> Document:
    """The figure, from the counts of each model and group alone."""
    said, rows = about(made), Rows(made.to_pylist())
    values = {row["group"]: row["covariate"] for row in rows if row["covariate"] is not None}
    numbers = Covariates(said["covariate"], values, said["source"], said["synthetic"])
    options: Mapping[str, Any] = {"log": said["log"], "variances": said["variances"]}
    found = []
    for name, of_family in rows.by("family"):
        of_models = [of for _, of in of_family.by("model")]
        family = Family(
            name, tuple(of[0]["model"] for of in of_models), tuple(of[0]["seed"] for of in of_models)
        )
        found.append(family_fairness(family, [_answers(of) for of in of_models], numbers, **options))
    pairs = compared(found, numbers, **options)
    blocks = [_printed(said["figure"]), *family_blocks(found, pairs, numbers, said["notes"])]
    differs = [*_DIFFERS, *(_TRAINED if len(found) > 1 else ())]
    title = "Which training is fairer?" if len(found) > 1 else "Is the model biased?"
    number = said["figure"].removeprefix("hua_figure_").replace("_", ".")
    return page(made, title, f"{PAPER}, Figure {number}", blocks, differs)


@recipe(describe)
def hua_figure_4_1(
    bench: Bench,
    *,
    covariate: Path | None = None,
    value: str | None = None,
    group: str = "group",
    log: bool = True,
    variances: Variances = "root",
) -> pa.Table:
    """Accuracy over a number of each group, and the F-test of its slope (Hua et al., Figure 4.1).

    Args:
        bench: The model, and images with groups.
        covariate: A table with a number for each group; if not given, the one that the data brings.
        value: Its column of the numbers.
        group: Its column of the groups' names.
        log: Whether the line is over the number's logarithm.
        variances: As of `limen.analysis.trend`.

    Raises:
        UsageError: If there are no groups or numbers, or they carry no line.
    """
    numbers = _numbers(bench, covariate, value, group)
    return _records(bench, [family_of(bench.model)], numbers, "hua_figure_4_1", log=log, variances=variances)


@recipe(describe)
def hua_figure_4_2(
    bench: Bench,
    *,
    models: int = 50,
    train: str | None = None,
    imperceptible: str = "perceptual_gradient:metric=ssim,steps=20",
    pgd: str = "pgd_l2:eps=0.5,steps=10",
    steps: int = 4,
    epochs: int = 5,
    train_batch: int = 64,
    optimizer: str = "adamw:learning_rate=0.005",
    jobs: int = 1,
    covariate: Path | None = None,
    value: str | None = None,
    group: str = "group",
    log: bool = True,
    variances: Variances = "root",
) -> pa.Table:
    """The slopes of families of models that were trained in four ways (Hua et al., Figure 4.2).

    They are trained on the images as they are, on robust data sets with imperceptible attacks and with PGD,
    and by group DRO.

    Each part is kept in the bench's folder, so that the same call resumes. All families take as many draws in
    training: `epochs` passes over a robust set of 1 + `steps` times the images, and as many over the clean
    ones.

    Args:
        bench: The network to train, and images with groups to test it on.
        models: How many models of each family.
        train: The images to learn from; the data's split `train` if not given. They need groups, too.
        imperceptible: The attack of the paper's own robust set.
        pgd: The attack of the other one.
        steps: Outer steps of Algorithm 4.1.
        epochs: Passes of Algorithm 4.2.
        train_batch: Images a step, in both.
        optimizer: Of both.
        jobs: How many models are trained at once.
        covariate: As of `hua_figure_4_1`, and so are all further options.
        value: Its column of the numbers.
        group: Its column of the groups' names.
        log: Whether lines are over the number's logarithm.
        variances: As of `limen.analysis.trend`.

    Raises:
        UsageError: If a spec or number cannot be followed, or as of `hua_figure_4_1`.
    """
    numbers = _numbers(bench, covariate, value, group)
    task = Task(bench.model, bench.data, train)
    plain = Settings(epochs * (1 + steps), train_batch, optimizer, seed=bench.seed, fixed=True)
    robust, growth = replace(plain, epochs=epochs), replace(plain, epochs=steps, schedule="constant")
    planned: dict[str, tuple[Task, Settings]] = {ORDINARY: (task, plain)}
    for name, attack in ((OURS, imperceptible), (PGD, pgd)):
        folder = bench.out / f"robust-{_folder(name)}"
        grow_robust_set(task, Growing(attack), folder, growth)
        planned[name] = replace(task, train_set=f"robust:{folder}"), robust
    balanced = replace(plain, sampling="balanced")
    planned[GROUP_DRO] = replace(task, objective="group_dro"), balanced
    families = []
    with bench.showing(FAMILIES, "models") as progress:
        for name, (what, settings) in planned.items():
            folder, done = bench.out / f"family-{_folder(name)}", 0

            def tell(number: int, history: object, before: bool, name: str = name) -> None:
                nonlocal done
                done += 1
                progress(name, done, models)

            train_family(what, folder, models, settings, jobs=jobs, tell=tell, device=bench.device)
            whole = family_of(f"{name}={folder}")
            # An earlier call may have trained more.
            own = replace(whole, models=whole.models[:models], seeds=whole.seeds[:models], source="")
            families.append(own)
    return _records(bench, families, numbers, "hua_figure_4_2", log=log, variances=variances)


def _folder(name: str) -> str:
    return name.lower().replace(" ", "-")


def _numbers(bench: Bench, covariate: Path | None, value: str | None, group: str) -> Covariates:
    found = bench.dataset.covariates if covariate is None else read_covariates(covariate, value, group)
    if found is None:
        raise UsageError(f"{bench.data}: brings no number of its groups; name a table by covariate=FILE")
    return found


def _records(
    bench: Bench,
    families: Sequence[Family],
    numbers: Covariates,
    figure: str,
    *,
    log: bool,
    variances: Variances,
) -> pa.Table:
    """How many images of each group each model has right, and what the page says beside that."""
    dataset, rows = in_memory(bench.dataset), []
    with bench.showing([spec for family in families for spec in family.models]) as progress:
        for family in families:
            for spec, seed in zip(family.models, family.seeds, strict=True):
                with family.named(bench.trust):
                    answers = judgements(
                        spec,
                        dataset,
                        bench.out / "answers",
                        device=bench.device,
                        batch_size=bench.batch_size,
                        limit=bench.limit,
                        progress=progress,
                    )
                named = {"family": family.name, "model": spec, "seed": seed}
                rows += [{**named, **counted} for counted in _counts(answers, numbers)]
    groups = {row["group"] for row in rows}
    return records(
        rows,
        facts={
            "Model": bench.model,
            "Data": bench.data,
            "Images": str(sum(row["images"] for row in rows if row["model"] == rows[0]["model"])),
            "Covariate": f"{numbers.name}, from {numbers.source}",
            "Seed": str(bench.seed),
            "Computed on": bench.device,
        },
        figure=figure,
        covariate=numbers.name,
        source=numbers.source,
        synthetic=numbers.synthetic,
        notes=[*numbers.notes(sorted(groups)), *([SYNTHETIC] if numbers.synthetic else [])],
        log=log,
        variances=variances,
    )


def _counts(answers: pa.Table, numbers: Covariates) -> Iterator[Row]:
    groups, right = np.array(answers["group"].to_pylist(), str), answers["right"].to_numpy()
    for name in np.unique(groups).tolist():
        chosen = groups == name
        yield {
            "group": name,
            "covariate": numbers.values.get(name),
            "images": int(chosen.sum()),
            "right": int(right[chosen].sum()),
        }


def _answers(rows: Rows) -> pa.Table:
    """A row per image again, of which nothing but its group and whether it was right is known."""
    images = [row["images"] for row in rows]
    right = [place < row["right"] for row in rows for place in range(row["images"])]
    return pa.table(
        {"group": np.repeat([row["group"] for row in rows], images), "right": np.array(right, bool)}
    )


def _printed(figure: str) -> Block:
    test, accuracy = _PRINTED[figure]
    return Table(
        "What the paper prints",
        "On its own photographs of ImageNet, by country, over the logarithm of GDP per capita.",
        ("Test", "Accuracy"),
        [Group("", [[Cell(test), Cell(accuracy)]])],
    )
