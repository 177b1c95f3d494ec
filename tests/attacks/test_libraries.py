"""Attacks of other libraries, by spec: what the library itself does, measured as Limen's own attacks are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
import torchattacks

from limen import catalog
from limen.attacks import LIBRARIES, Outcome
from limen.catalog import ATTACKS
from limen.catalog.parameters import REQUIRED
from limen.errors import LimenError, LimenWarning, UsageError
from limen.images import norm, quantize
from limen.training import OBJECTIVES
from limen.training.attacking import ended

from .networks import photos, smooth_mlp, task
from .oracles import assert_same, foolbox, from_foolbox, from_torchattacks, network_of, watched

HAS_ART = importlib.util.find_spec("art") is not None
HAS_ADVLIB = importlib.util.find_spec("adv_lib") is not None


def by_spec(problem, spec: str, **call) -> tuple[Outcome, list[torch.Tensor]]:
    """The outcome in floats, and what the network was shown between Limen's own looks."""
    network = network_of(problem)
    outcome = catalog.attack(spec)(
        problem.classifier, problem.images, problem.labels, problem.targeted, lattice=None, **call
    )
    assert torch.equal(network.seen[0], problem.images)
    return outcome, network.seen[1:-1]


@pytest.mark.parametrize(
    ("spec", "made", "eps"),
    [
        (
            "foolbox:LinfPGD,eps=8/255,steps=5,random_start=false",
            lambda: foolbox.attacks.LinfPGD(steps=5, random_start=False),
            8 / 255,
        ),
        ("foolbox:L2CarliniWagnerAttack,steps=20,binary_search_steps=2,stepsize=0.05,initial_const=10",
            lambda: foolbox.attacks.L2CarliniWagnerAttack(2, 20, 0.05, initial_const=10), None),
        ("foolbox:DDNAttack,steps=6", lambda: foolbox.attacks.DDNAttack(steps=6), None),
    ],
    ids=["pgd", "carlini-wagner", "ddn"],
)  # fmt: skip
def test_foolbox_takes_its_own_steps(spec, made, eps, targeted):
    problem = watched(targeted=targeted)
    outcome, seen = by_spec(problem, spec)
    images, theirs = from_foolbox(problem, made(), **({} if eps is None else {"epsilon": eps}))
    assert_same(seen[: len(theirs)], theirs)
    assert outcome.success.any()
    torch.testing.assert_close(outcome.images[outcome.success], images[outcome.success])
    assert torch.equal(outcome.images[~outcome.success], problem.images[~outcome.success])


@pytest.mark.parametrize(
    ("spec", "kind", "settings"),
    [
        (
            "torchattacks:PGD,eps=8/255,steps=5,random_start=false",
            torchattacks.PGD,
            {"eps": 8 / 255, "steps": 5, "random_start": False},
        ),
        ("torchattacks:CW,steps=6,c=2.5", torchattacks.CW, {"steps": 6, "c": 2.5}),
    ],
    ids=["pgd", "carlini-wagner"],
)
def test_torchattacks_takes_its_own_steps(spec, kind, settings, targeted, capsys):
    problem = watched(targeted=targeted)
    outcome, seen = by_spec(problem, spec)
    assert capsys.readouterr().out == ""
    images, theirs = from_torchattacks(problem, kind, **settings)
    assert_same(seen, theirs)
    fooled = problem.fooled(images)
    assert torch.equal(outcome.success, fooled)
    torch.testing.assert_close(outcome.images[fooled], images[fooled])


STAND_IN = '''
import visdom
import torch
from typing import Optional

def ddn(model, inputs, labels, targeted: bool = False, steps: int = 3, γ: float = 0.05,
        levels: Optional[int] = 256, callback=None):
    """Steps along the gradient, as a stand-in."""
    images, sign = inputs.clone(), -1 if targeted else 1
    for _ in range(steps):
        images.requires_grad_()
        loss = torch.nn.functional.cross_entropy(model(images), labels, reduction="sum")
        images = (images.detach() + sign * γ * torch.autograd.grad(loss, images)[0].sign()).clamp(0, 1)
    return images

def pgd_linf(model, inputs, labels, ε: float, targeted: bool = False, random_init: bool = True):
    """Noise of the budget."""
    return inputs + ε * (2 * torch.rand_like(inputs) - 1).sign()

def df(model, inputs, labels, targeted: bool = False):
    """Not with targets."""
    if targeted:
        import warnings
        warnings.warn("DeepFool attack is untargeted only. Returning inputs.")
    return inputs

def perc_al(model, images, labels, num_classes: int, targeted: bool = False, **kwargs):
    """Only where there are four classes."""
    return images if num_classes == 4 else None
'''


@pytest.fixture
def advlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of adv-lib's shape, and no visdom."""
    (tmp_path / "adv_lib").mkdir()
    (tmp_path / "adv_lib" / "__init__.py").write_text("__version__ = '0.0'")
    (tmp_path / "adv_lib" / "attacks.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("adv_lib", "visdom")]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in ("adv_lib", "adv_lib.attacks"):
        sys.modules.pop(name, None)


def test_functions_of_adv_libs_shape_are_attacks_without_visdom(advlib, targeted):
    problem = watched(targeted=targeted)
    outcome, seen = by_spec(problem, "advlib:ddn,steps=4,gamma=0.02")
    assert "visdom" not in sys.modules
    assert "adv_lib.attacks" in sys.modules
    network_of(problem)
    theirs = sys.modules["adv_lib.attacks"].ddn(
        problem.classifier, problem.images, problem.labels, targeted, steps=4, γ=0.02
    )
    assert_same(seen, problem.classifier.module.seen)
    assert torch.equal(outcome.success, problem.fooled(theirs))
    assert outcome.backwards.tolist() == [4] * 5
    identity = catalog.attack("advlib:ddn,steps=4").identity
    assert identity.parameters["gamma"] == 0.05
    assert catalog.attack("advlib:pgd_linf,eps=0.1").identity.budget == "eps"
    assert not catalog.attack("advlib:perc_al")(problem.classifier, problem.images[:1]).success.any()


def test_adv_libs_attacks_without_targets_say_so(advlib):
    problem = watched(targeted=True)
    with pytest.raises(UsageError, match=r"^advlib:df has no targeted form$"):
        by_spec(problem, "advlib:df")


@pytest.mark.skipif(not HAS_ADVLIB, reason="adv-lib asks for visdom, which a current setuptools cannot build")
@pytest.mark.parametrize("spec", ["fmn,norm=2,steps=20", "ddn,steps=20", "apgd,eps=0.5,norm=2,n_iter=20"])
def test_adv_lib_itself_takes_its_own_steps(spec):
    problem = watched()
    outcome, seen = by_spec(problem, f"advlib:{spec}")
    name, *settings = spec.split(",")
    network_of(problem)
    values = {
        key: float(text) if key in ("norm", "eps") else int(text)
        for key, text in (each.split("=") for each in settings)
    }
    attack = getattr(sys.modules["adv_lib"].attacks, name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = attack(problem.classifier.module, problem.images.clone(), problem.labels, **values)
    assert outcome.success.any()
    assert len(seen) == len(problem.classifier.module.seen)
    if name != "apgd":  # which starts at random
        assert_same(seen, problem.classifier.module.seen)
        torch.testing.assert_close(outcome.images[outcome.success], theirs[outcome.success])


@pytest.mark.skipif(not HAS_ART, reason="the Adversarial Robustness Toolbox is not installed")
def test_art_takes_its_own_steps(targeted):
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    problem = task(smooth_mlp(), photos(5), targeted)
    spec = "art:ProjectedGradientDescent,eps=16/255,eps_step=4/255,max_iter=5"
    outcome = catalog.attack(spec)(problem.classifier, problem.images, problem.labels, targeted, lattice=None)
    estimator = PyTorchClassifier(
        problem.classifier.module.eval(), torch.nn.CrossEntropyLoss(), (3, 12, 12), 3, clip_values=(0.0, 1.0)
    )
    settings = {"eps": 16 / 255, "eps_step": 4 / 255, "max_iter": 5, "targeted": targeted, "verbose": False}
    attack = ProjectedGradientDescent(estimator, **settings)
    theirs = torch.from_numpy(attack.generate(problem.images.numpy(), problem.labels.numpy()))
    assert outcome.success.any()
    assert torch.equal(outcome.success, problem.fooled(theirs))
    torch.testing.assert_close(outcome.images[outcome.success], theirs[outcome.success], rtol=0, atol=1e-6)
    assert (outcome.backwards == 5).all()


@pytest.mark.skipif(not HAS_ART, reason="the Adversarial Robustness Toolbox is not installed")
def test_art_is_given_labels_as_what_its_attacks_take_them_for(targeted):
    problem = task(smooth_mlp(), photos(5), targeted)
    attack = catalog.attack("art:SaliencyMapMethod,theta=0.3,batch_size=5")
    assert attack(problem.classifier, problem.images, problem.labels, targeted).success.any()
    with pytest.raises(UsageError, match="unknown attack of the Adversarial Robustness Toolbox 'DPatch'"):
        catalog.attack("art:DPatch")  # attacks what finds objects


@pytest.mark.parametrize(
    ("spec", "order", "eps"),
    [
        ("foolbox:LinfPGD,eps=0.06,steps=5", torch.inf, 0.06),
        ("foolbox:L2PGD,eps=0.7,steps=5", 2, 0.7),
        ("foolbox:DDNAttack,eps=2,steps=10", 2, 2.0),
        ("torchattacks:PGDL2,eps=0.7,steps=5", 2, 0.7),
        ("torchattacks:APGD,eps=0.7,steps=5,norm=L2", 2, 0.7),
        ("torchattacks:MIFGSM,eps=0.06,alpha=0.02,steps=5", torch.inf, 0.06),
    ],
)
def test_budgets_hold_on_the_lattice_and_on_every_row_of_a_grid(spec, order, eps):
    problem = task(smooth_mlp(), photos(6))
    outcome = catalog.attack(spec)(problem.classifier, problem.images, problem.labels)
    assert outcome.success.any()
    assert torch.equal(outcome.images, quantize(outcome.images))
    assert (norm(outcome.images - problem.images, order) <= eps * (1 + 1e-5)).all()
    assert problem.fooled(outcome.images)[outcome.success].all()
    grid = catalog.attack_or_grid(spec.replace(f"eps={eps:g}", f"eps={eps / 8},{eps:g}"))
    assert grid.labels[1] == catalog.attack(spec).identity.label
    both = grid.attack([0, 1, 1, 0, 1, 0])(problem.classifier, problem.images, problem.labels)
    most = torch.tensor([eps / 8, eps, eps, eps / 8, eps, eps / 8])
    assert (norm(both.images - problem.images, order) <= most * (1 + 1e-5)).all()


def test_a_name_states_all_parameters_and_the_version_which_a_spec_may_pin():
    identity = catalog.attack("torchattacks:CW,steps=50").identity
    version = identity.parameters["torchattacks"]
    assert identity.label == "torchattacks:CW" or identity.label == "torchattacks:CW,steps=50"
    assert identity.parameters == {"c": 1, "kappa": 0, "steps": 50, "lr": 0.01, "torchattacks": version}
    assert ATTACKS.restore(identity).identity == identity
    assert catalog.attack(f"torchattacks:CW,torchattacks={version}").identity == identity
    with pytest.raises(UsageError, match=rf"torchattacks must be {version}, not '0.1'"):
        catalog.attack("torchattacks:CW,torchattacks=0.1")
    budget = catalog.attack("foolbox:LinfPGD,eps=8/255,rel_stepsize=0.1").identity
    assert budget.label == "foolbox:LinfPGD,eps=8/255,rel_stepsize=0.1"
    assert budget.budget == "eps"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("foolbox:LinfPGDD,eps=1", "unknown attack of Foolbox 'LinfPGDD'; did you mean 'LinfPGD'? Known: "),
        ("foolbox:LinfPGD,epz=1", "unknown parameter 'epz'; did you mean 'eps'? Known: abs_stepsize, eps,"),
        ("foolbox:LinfPGD", "eps is missing. foolbox:LinfPGD accepts eps: number, rel_stepsize: "),
        ("foolbox:LinfPGD,eps=1,steps=ten", "steps must be int, not 'ten'"),
        ("foolbox:GaussianBlurAttack,distance=l3", "distance must be l0 | l1 | l2 | linf, not 'l3'"),
        ("torchattacks:PGD,model=x", "unknown parameter 'model'"),
        ("torchattacks:PGD,eps=x", "eps must be number, not 'x'"),
        ("torchattacks:LGV", "unknown attack of torchattacks 'LGV'"),
        ("foolbox", "write foolbox:NAME"),
        ("Foolbox:LinfPGD,eps=1", "write foolbox:LinfPGD,eps=1"),
        ("torchattacks.CW", "write torchattacks:CW"),
        ("adv-lib:ddn", "write advlib:ddn"),
    ],
)  # fmt: skip
def test_a_wrong_spec_is_one_line_that_says_what_it_takes(spec, said):
    with pytest.raises(UsageError) as told:
        catalog.attack(spec)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("prefix", ["foolbox", "torchattacks", "advlib", "art"])
def test_a_library_that_is_missing_is_named_with_what_brings_it(prefix, monkeypatch):
    tool = LIBRARIES[prefix]
    monkeypatch.setitem(sys.modules, tool.package, None)
    with pytest.raises(LimenError) as told:
        catalog.attack(f"{prefix}:anything")
    assert str(told.value) == f"{prefix}: attacks need {tool.title}; run: pip install {tool.install}"


@pytest.mark.parametrize("spec", ["torchattacks:DeepFool", "foolbox:NewtonFoolAttack"])
def test_an_attack_without_targets_says_so(spec):
    problem = task(smooth_mlp(), photos(3), targeted=True)
    with pytest.raises(UsageError) as told:
        catalog.attack(spec)(problem.classifier, problem.images, problem.labels, targeted=True)
    assert str(told.value) == f"{spec} has no targeted form"


def test_what_a_library_complains_of_is_one_line():
    problem = task(smooth_mlp(), photos(3))
    attack = catalog.attack("torchattacks:PGD,steps=1.5")
    with pytest.raises(LimenError, match=r"^torchattacks:PGD raised TypeError: .*integer$"):
        attack(problem.classifier, problem.images, problem.labels)


def test_seeds_are_the_calls_also_where_a_library_has_a_seed_of_its_own():
    problem = task(smooth_mlp(), photos(4))
    attack = catalog.attack("torchattacks:Square,n_queries=3,eps=0.01")
    assert "seed" not in attack.identity.parameters
    before = torch.get_rng_state()
    found = [
        attack.perturb(problem.classifier, problem.images, problem.labels, seed=seed) for seed in (0, 0, 1)
    ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_black_image_where_foolbox_found_nothing_is_no_success():
    class Steadfast(torch.nn.Module):
        def forward(self, images):
            light = images.flatten(1).sum(1, keepdim=True)
            return torch.cat([light, 1 - light + 0 * images.flatten(1)[:, :1]], 1)

    problem = task(Steadfast(), photos(2))
    spec = "foolbox:L2CarliniWagnerAttack,steps=1,binary_search_steps=1,stepsize=0.0001"
    outcome = catalog.attack(spec)(problem.classifier, problem.images, problem.labels)
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)


def test_every_attack_that_is_offered_can_be_named_and_says_what_it_takes():
    for prefix in ("foolbox", "torchattacks"):
        tool = LIBRARIES[prefix]
        names = tool.things(sys.modules[tool.package])
        assert len(names) > 30
        for name in names:
            entry = ATTACKS.entry(f"{prefix}:{name}")
            assert entry.accepts.startswith(f"{prefix}:{name} accepts ")
            needed = [f",{each.name}=1" for each in entry.parameters if each.default is REQUIRED]
            identity = ATTACKS.read(f"{prefix}:{name}{''.join(needed)}").identity
            assert tool.package in identity.parameters


def test_a_budget_below_a_level_is_said_before():
    problem = task(smooth_mlp(), photos(3))
    attack = catalog.attack("torchattacks:PGD,eps=0.5/255,steps=1")
    with pytest.warns(LimenWarning, match="On 3 of 3 images the budget is less than one level of a file"):
        attack(problem.classifier, problem.images, problem.labels)


@pytest.mark.parametrize("spec", ["foolbox:LinfPGD,eps=0.1,steps=2", "torchattacks:CW,steps=3"])
def test_a_network_learns_from_where_a_library_takes_all_images(spec):
    problem = task(smooth_mlp(), photos(4))
    wrong = (problem.labels + 1) % 3
    call = {"seed": 1, "lattice": None}
    images = ended(catalog.attack(spec), problem.classifier, problem.images, wrong, problem.ids, **call)
    assert (images != problem.images).flatten(1).any(1).all()
    objective = OBJECTIVES.make(f"adversarial:attack={spec.replace(',', ',,')}")
    assert objective is not None
