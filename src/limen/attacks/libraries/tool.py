"""Libraries of attacks: their attacks by name, with the parameters of their own signatures."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from types import ModuleType
from typing import Any, Literal, cast

from torch import Tensor

from limen.attacks.factory import Attack, Factory
from limen.attacks.given import bind_settings
from limen.attacks.libraries.borrowed import Borrowed, Call
from limen.attacks.library.arguments import positive
from limen.errors import LimenError, UnknownNameError, UsageError, changed_filters, reason
from limen.identity import Identity

Values = Mapping[str, Any]
"""What parameters of an attack are set to, by the names that the library has for them."""


@dataclass(frozen=True)
class Tool:
    """A library of attacks, whose attacks a spec names as `PREFIX:NAME`.

    Attributes:
        prefix: What the specs begin with.
        title: What it is called.
        package: What is imported.
        install: What is installed, as an error says it.
        things: The library's attacks by name, of its package.
        run: One of them, with values, of a call: the images.
        given: The parameters that the call gives, so that a spec cannot.
        budget: Which parameter of one of them is its budget; None for none.
        order: The p of the norm that its budget bounds, under these values; None where it is not known.
        added: Parameters that one of them is given beside those of its signature.
        load: Imports the package.
    """

    prefix: str
    title: str
    package: str
    install: str
    things: Callable[[ModuleType], Mapping[str, Callable[..., Any]]]
    run: Callable[[Callable[..., Any], Values, Call], Any]
    given: frozenset[str]
    budget: Callable[[Callable[..., Any]], str | None]
    order: Callable[[Callable[..., Any], Values], float | None]
    added: Callable[[Callable[..., Any]], Sequence[Parameter]] = lambda thing: ()
    load: Callable[[str], ModuleType] = importlib.import_module

    @property
    def about(self) -> str:
        """What it is, in a line."""
        return f"An attack of {self.title}, which pip install {self.install} brings."

    def __call__(self, name: str) -> Factory[...]:
        """The factory of one attack.

        Raises:
            LimenError: If the library is not installed, or cannot be used.
            UnknownNameError: If it has no such attack.
        """
        known = self.things(self._module())
        if name not in known:
            raise UnknownNameError(f"attack of {self.title}", name, known)
        thing, spec = known[name], f"{self.prefix}:{name}"
        added = (*self.added(thing), self._version())
        return factory(
            spec,
            thing,
            parameters_of(thing, self.given, added),
            functools.partial(self._run, spec, thing),
            self.budget(thing),
            functools.partial(self.order, thing),
        )

    def _run(self, spec: str, thing: Callable[..., Any], values: Values, call: Call) -> Any:
        values = {key: value for key, value in values.items() if key != self.package}
        with changed_filters():
            warnings.filterwarnings("ignore", module=rf"{self.package}\b")
            try:
                return self.run(thing, values, call)
            except NoTargetsError:
                form = "targeted" if call.targeted else "untargeted"
                raise UsageError(f"{spec} has no {form} form") from None

    def _module(self) -> ModuleType:
        try:
            with changed_filters():
                warnings.simplefilter("ignore")  # of a dozen libraries that it imports
                return self.load(self.package)
        except ImportError as error:
            missing = getattr(error, "name", None) or self.package
            why = "" if missing.partition(".")[0] == self.package else f" ({reason(error)})"
            raise LimenError(
                f"{self.prefix}: attacks need {self.title}{why}; run: pip install {self.install}"
            ) from error
        except Exception as error:
            raise LimenError(f"{self.prefix}: {self.title} cannot be used ({reason(error)})") from error

    def _version(self) -> Parameter:
        """The library's version as a parameter: it is part of what an attack is, and a spec may pin it."""
        try:
            version = importlib.metadata.version(self.install.split()[-1])
        except importlib.metadata.PackageNotFoundError:
            version = str(getattr(self._module(), "__version__", "unknown"))
        kind: Any = Literal[version]  # pyright: ignore[reportInvalidTypeForm] - known when it runs
        return Parameter(self.package, Parameter.KEYWORD_ONLY, default=version, annotation=kind)


class NoTargetsError(Exception):
    """Raised inside `Tool.run` where an attack has no targeted form, or none but that."""


def factory(
    name: str,
    thing: Callable[..., Any],
    parameters: Sequence[Parameter],
    run: Callable[[Values, Call], Any],
    budget: str | None,
    order: Callable[[Values], float | None],
    identity: Callable[[Values], Identity] | None = None,
) -> Factory[...]:
    """The factory of an attack that is code of others.

    Args:
        name: What it is called.
        thing: The code, whose docstring and types it has.
        parameters: What it may be given, by the names that `spelled` makes.
        run: The code under the values of these, of a call.
        budget: Which parameter of the code is the budget.
        order: The p of the norm that the budget bounds, under these values.
        identity: What it is under all of its values; None for its name and these.
    """
    names = {spelled(key): key for key in (*inspect.signature(thing).parameters, budget) if key}
    eps = None if budget is None else spelled(budget)
    budgets = [_per_sample(each) for each in parameters if each.name == eps]
    signature = Signature([*budgets, *(each for each in parameters if each.name != eps)])

    def make(**given: Any) -> Attack:
        bound = bind_settings(make, signature, (), given)
        bound.apply_defaults()
        size = None if eps is None else bound.arguments[eps]
        if size is not None:
            positive(str(eps), size, zero=True)
        values = {names.get(key, key): value for key, value in bound.arguments.items() if key != eps}

        def asked(call: Call) -> Any:
            return run(values if call.eps is None else {**values, str(budget): call.eps}, call)

        search = Borrowed(name, asked, size, None if size is None else order(values))
        tensors = {eps: size} if isinstance(size, Tensor) and eps is not None else {}
        return Attack(functools.partial(known_as, bound.arguments), search, tensors, name)

    def known_as(arguments: Values) -> Identity:
        if identity is None:
            return Identity.of(make, arguments, name=name, budget=eps)
        return identity({names.get(key, key): value for key, value in arguments.items()})

    made: Any = make
    made.__name__ = made.__qualname__ = name
    made.__doc__, made.__wrapped__, made.__signature__ = thing.__doc__, thing, signature
    made.budget = eps
    return cast(Factory[...], made)


def parameters_of(
    thing: Callable[..., Any], given: frozenset[str], added: Sequence[Parameter] = ()
) -> list[Parameter]:
    """The parameters of code that can be set, and of which it can be said what they are.

    Args:
        thing: The code.
        given: Those of them that a call gives.
        added: What it may be given beside.

    Returns:
        Keywords, of names that any keyboard can write: what they are called in `thing`, `spelled`.
    """
    replaced = given | {each.name for each in added}
    found = [
        each.replace(name=spelled(key), kind=Parameter.KEYWORD_ONLY, annotation=_annotation(each))
        for key, each in inspect.signature(thing).parameters.items()
        if key not in replaced
        and each.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
        and _is_plain(each.default)
    ]
    return [*found, *added]


def spelled(name: str) -> str:
    """A name with its Greek letters written out.

    Example:
        >>> spelled("γ"), spelled("α_init"), spelled("ε"), spelled("steps")
        ('gamma', 'alpha_init', 'eps', 'steps')
    """
    return re.sub(r"[α-ω]", lambda letter: _LETTERS.get(letter[0], _letter(letter[0])), name)


_LETTERS = {"ε": "eps"}


def _letter(letter: str) -> str:
    return unicodedata.name(letter).split()[-1].lower()


def _per_sample(parameter: Parameter) -> Parameter:
    optional = parameter.default is None
    return parameter.replace(annotation=float | Tensor | None if optional else float | Tensor)


def _annotation(parameter: Parameter) -> Any:
    """Its type, or where there is none, what its default may be: a whole number may stand for any number."""
    if parameter.annotation is not Parameter.empty:
        return parameter.annotation
    if parameter.default is None:
        return int | float | str | None
    return int | float if type(parameter.default) is int else parameter.annotation


def _is_plain(default: Any) -> bool:
    if isinstance(default, tuple):
        return all(type(each) in (int, float) for each in default)
    return default is Parameter.empty or default is None or isinstance(default, bool | int | float | str)
