"""What `limen attack` and `limen demo` have in common: specs in, a run, a table and a page out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from limen import analysis, catalog, runs
from limen.cli.console import complain, output
from limen.cli.figures import success_table
from limen.cli.progress import showing
from limen.evaluation import describe_run, run_attacks
from limen.images import LATTICE
from limen.metrics import METRICS
from limen.report import write_page

_SHOWN = ("l2", "linf", "psnr", "ssim", "mad")
_FIRST = 5


@dataclass(frozen=True)
class Plan:
    """The arguments of a run."""

    model: str
    data: str
    attacks: tuple[str, ...]
    out: Path
    defenses: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    limit: int | None = None
    batch_size: int = 32
    device: str = "cpu"
    seed: int = 0
    targeted: bool = False
    lattice: int | None = LATTICE
    report: bool = True


def execute(plan: Plan) -> None:
    """Do what is left of a run, then print its summary and where everything is.

    Raises:
        LimenError: If a spec, the images or the folder cannot be used.
    """
    attacks = [catalog.attack_or_grid(spec) for spec in plan.attacks]
    metrics = (*METRICS.values(), *map(catalog.metric, plan.metrics))
    dataset = catalog.data(plan.data)
    classifier = catalog.model(plan.model, plan.device, plan.defenses)
    settings = {"seed": plan.seed, "lattice": plan.lattice, "targeted": plan.targeted}
    manifest = describe_run(classifier, dataset, attacks, metrics=metrics, **settings)
    with runs.create_or_resume(plan.out, manifest) as writer:
        labels = [writer.manifest.label_of(entry.identity) for entry in manifest.attacks]
        with showing(labels) as progress:
            run_attacks(
                classifier,
                dataset,
                attacks,
                writer,
                batch_size=plan.batch_size,
                limit=plan.limit,
                metrics=metrics,
                progress=progress,
                **settings,
            )
    run = runs.open_run(plan.out)
    _complain_of_skipped(run)
    shown = [each for each in run.manifest.metrics if each.key in _SHOWN or each.key not in METRICS]
    figures = analysis.table({"": run}, [each.key for each in shown], draws=0)
    output().print(success_table(figures, shown, ["median"]))
    if run.manifest.model.defenses:
        output().print(f"the model is behind {run.manifest.model.chain}")
    if warning := analysis.clean_warning(run):
        complain(warning)
    output().print(f"run  {plan.out}")
    if plan.report:
        output().print(f"page {write_page([plan.out])}")


def _complain_of_skipped(run: runs.Run) -> None:
    skipped = run.manifest.skipped
    for image in skipped[:_FIRST]:
        complain(f"skipped {image.id}: {image.reason}")
    if len(skipped) > _FIRST:
        complain(f"skipped {len(skipped)} images in all; run.json names the others")
