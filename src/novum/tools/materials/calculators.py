"""Energy surfaces of crystals, by name: embedded-atom metals, CHGNet, or a user's own checkpoint."""

import contextlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from novum.core.errors import ToolFailedError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator
    from pymatgen.core import Structure

CalculatorName = Literal["chgnet", "chgnet-r2scan", "emt", "checkpoint"]
"""An energy surface; "checkpoint" is a model of the user's, whose `Checkpoint` is stated beside it."""

Family = Literal["chgnet", "mace", "orb", "mattersim"]
"""The architecture of a checkpoint."""

METALS = frozenset({"Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"})
"""What effective-medium theory was fitted to; ASE's parameters for H, C, N and O are for show alone."""

HEAVIEST = 94
"""Atomic number up to which CHGNet has seen elements."""

UNSEEN = frozenset({"Po", "At", "Rn", "Fr", "Ra"})
"""Lighter elements that its data lack."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to compute energies, so that numbers of one method are compared with that method's alone."""

    name: CalculatorName
    family: Family = "chgnet"
    checkpoint: str = ""
    """Path of the weights, for "checkpoint"."""

    @property
    def title(self) -> str:
        """How a result names it."""
        match self.name:
            case "emt":
                return "EMT"
            case "chgnet":
                return "CHGNet 0.3.0"
            case "chgnet-r2scan":
                return "CHGNet r2SCAN"
            case "checkpoint":
                return f"{self.family} checkpoint {_digest(self.checkpoint)[:12]}"

    @property
    def backend(self) -> Literal["embedded", "checkpoint"]:
        """Where its parameters come from."""
        return "checkpoint" if self.name == "checkpoint" else "embedded"

    def calculator(self, structure: "Structure") -> "Calculator":
        """Return a calculator that can treat the elements of `structure`.

        Raises:
            ToolFailedError: it knows an element too little, or a checkpoint cannot be used, with why.
        """
        if self.checkpoint and self.name != "checkpoint":
            raise ToolFailedError(f"a checkpoint is given, but the calculator is {self.name!r}")
        symbols = {element.symbol for element in structure.composition.elements}
        if self.name == "emt":
            strangers = sorted(symbols - METALS)
            if strangers:
                raise ToolFailedError(
                    f"EMT was fitted to {', '.join(sorted(METALS))} and their alloys; "
                    f"{', '.join(strangers)} needs another calculator, such as CHGNet"
                )
            from ase.calculators.emt import EMT

            return EMT()
        if self.name == "checkpoint":
            return _own(self.family, self.checkpoint)
        unseen = sorted(
            e.symbol for e in structure.composition.elements if e.Z > HEAVIEST or e.symbol in UNSEEN
        )
        if unseen:
            raise ToolFailedError(f"CHGNet has learnt nothing about {', '.join(unseen)}")
        return _chgnet_calculator(load_chgnet("r2scan" if self.name == "chgnet-r2scan" else "0.3.0"))


@cache
def load_chgnet(version: str) -> Any:
    """Return a CHGNet whose weights ship with the package; loaded once for each process and its forks.

    References:
        CHGNet: Deng et al., Nat. Mach. Intell. 5, 1031 (2023), doi:10.1038/s42256-023-00716-3.
    """
    from chgnet.model import CHGNet

    with contextlib.redirect_stdout(io.StringIO()):
        model = CHGNet.load(model_name=version, use_device="cpu", verbose=False)
    for weight in model.parameters():  # only forces and stresses are differentiated here
        weight.requires_grad_(False)
    return model.eval()


def _chgnet_calculator(model: Any) -> "Calculator":
    from chgnet.model.dynamics import CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNetCalculator(model, use_device="cpu", on_isolated_atoms="ignore")


def _own(family: Family, path: str) -> "Calculator":
    if not path:
        raise ToolFailedError("calculator 'checkpoint' needs the path of the weights in 'checkpoint'")
    if not Path(path).is_file():
        raise ToolFailedError(
            f"there is no checkpoint {path!r} inside the sandbox, which sees the files of installed packages "
            "alone; put the weights into a package, or below the folder of the Python environment"
        )
    try:
        return _OPENERS[family](path)
    except ImportError as error:
        raise ToolFailedError(
            f"a {family} checkpoint needs the package {_PACKAGES[family]!r}, which is not installed: {error}"
        ) from error


def _open_chgnet(path: str) -> "Calculator":
    from pickle import UnpicklingError

    from chgnet.model import CHGNet

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return _chgnet_calculator(CHGNet.from_file(path).eval())
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, UnpicklingError) as error:
        raise ToolFailedError(f"{path!r} is no CHGNet checkpoint: {error}") from error


def _open_mace(path: str) -> "Calculator":
    from mace.calculators import MACECalculator

    return MACECalculator(model_paths=path, device="cpu", default_dtype="float64")


def _open_orb(path: str) -> "Calculator":
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.calculator import ORBCalculator

    model = pretrained.orb_v3_conservative_inf_omat(weights_path=path, device="cpu")
    return ORBCalculator(model, device="cpu")


def _open_mattersim(path: str) -> "Calculator":
    from mattersim.forcefield import MatterSimCalculator

    return MatterSimCalculator(load_path=path, device="cpu")


_OPENERS = {"chgnet": _open_chgnet, "mace": _open_mace, "orb": _open_orb, "mattersim": _open_mattersim}
_PACKAGES = {"chgnet": "chgnet", "mace": "mace-torch", "orb": "orb-models", "mattersim": "mattersim"}


@cache
def _digest(path: str) -> str:
    import hashlib

    file = Path(path)
    return hashlib.sha256(file.read_bytes()).hexdigest() if path and file.is_file() else "missing"
