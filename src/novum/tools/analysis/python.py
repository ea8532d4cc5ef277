"""analysis.python: Python that a model or a person wrote, in the sandbox, over tables."""

import contextlib
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.sandbox.base import IN_DIRECTORY, OUT_DIRECTORY
from novum.tools.base import Properties, tool
from novum.tools.files import PYTHON, Files

SOURCE = "analysis.py"
"""The name under which the code appears in its own errors."""
LONGEST_CODE = 20_000
LONGEST_PRINTED = 8_000
"""Characters kept of what the code prints…"""
LONGEST_LAST_WORDS = 600
"""…and of that, where it fails, the last so many stand in the message."""
MOST_FIGURES = 16
TABLES = (".csv", ".json", ".npz", ".parquet", ".txt")
"""Endings of files that are taken as they are."""
PNG = b"\x89PNG\r\n\x1a\n"

Code = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_CODE, json_schema_extra={"contentMediaType": PYTHON}),
]


class Analysis(Properties):
    """What the code left: words and files. Nothing that code prints is a measurement."""

    measures = False


@tool(
    name="analysis.python",
    version="1",
    method="Python",
    nominal_cost_s=2.0,
    timeout_s=60.0,
    memory_mb=1024,
    profile="analysis",
    preload=("numpy", "pandas", "scipy.stats", "scipy.optimize", "matplotlib.pyplot"),
    libraries=("numpy", "pandas", "scipy", "matplotlib", "pyarrow"),
    deterministic=False,
)
def python(code: Code, files: Files = {}) -> Analysis:  # noqa: B006 - pydantic copies it
    """Run Python code over tables, with NumPy, pandas, SciPy and Matplotlib, and keep what it prints.

    The code finds its input files in the folder ``in`` and leaves tables (CSV, JSON, NPZ, Parquet, text)
    and figures (PNG) in the folder ``out``; figures that are still open at its end are saved there. What
    it prints is returned as text. It has a minute, 1 GB of memory, no network, and no file of the machine.

    Args:
        code: the program, as it would stand in a file.
        files: its input files: name in the folder ``in``, and SHA-256 of the artifact.

    References:
        Harris et al. 2020, doi:10.1038/s41586-020-2649-2 (NumPy); McKinney 2010,
        doi:10.25080/Majora-92bf1922-00a (pandas); Virtanen et al. 2020, doi:10.1038/s41592-019-0686-2
        (SciPy); Hunter 2007, doi:10.1109/MCSE.2007.55 (Matplotlib).
    """
    _check_place()
    del files  # they are in place already
    printed = _Printed(LONGEST_PRINTED)
    with _quiet_figures():
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            _execute(code, printed)
        _save_figures()
    refused = tuple(_tidy(Path(OUT_DIRECTORY)))
    kept = sorted(path.name for path in Path(OUT_DIRECTORY).iterdir())
    return Analysis(details={"printed": printed.text, "files": kept}, warnings=refused)


def _check_place() -> None:
    """Refuse to run anywhere but where a sandbox has laid out its folders.

    Raises:
        ToolFailedError: this is no sandbox.
    """
    if not (Path(IN_DIRECTORY).is_dir() and Path(OUT_DIRECTORY).is_dir()):
        raise ToolFailedError("code of others runs in a sandbox only, and this is none")


def _execute(code: str, printed: "_Printed") -> None:
    """Run the code.

    Raises:
        ToolFailedError: it is no Python, or it failed, with the line and the last that it printed.
    """
    try:
        program = compile(code, SOURCE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ToolFailedError(f"this is not Python: {_told(error, code)}") from None
    main: dict[str, Any] = {"__name__": "__main__", "__file__": SOURCE, "__builtins__": __builtins__}
    try:
        exec(program, main)  # noqa: S102 - the sandbox around this process is what holds it
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise ToolFailedError(f"the code ended itself with {ended.code!r}{printed.last}") from None
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        raise ToolFailedError(f"{_told(error, code)}{printed.last}") from None


def _told(error: BaseException, code: str) -> str:
    """Return an error with the last line of the code that led to it."""
    if isinstance(error, SyntaxError):
        line: int | None = error.lineno
        message = error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == SOURCE), None)
        message = str(error)
    lines = code.splitlines()
    place = f" in line {line}: {lines[line - 1].strip()}" if line and line <= len(lines) else ""
    return f"{type(error).__name__}: {message[:LONGEST_LAST_WORDS]}{place[:200]}"


class _Printed(io.TextIOBase):
    """Takes what is printed, keeps the beginning, and marks where it was cut."""

    def __init__(self, limit: int) -> None:
        self._parts: list[str] = []
        self._left = limit
        self._cut = 0

    def write(self, text: str) -> int:
        """Take a piece."""
        kept = text[: self._left]
        if kept:
            self._parts.append(kept)
            self._left -= len(kept)
        self._cut += len(text) - len(kept)
        return len(text)

    def writable(self) -> bool:
        """Say that it may be written to."""
        return True

    @property
    def text(self) -> str:
        """What was kept."""
        more = f"\n[{self._cut} more characters are cut]" if self._cut else ""
        return "".join(self._parts) + more

    @property
    def last(self) -> str:
        """The end of it, for a message."""
        said = self.text.strip()[-LONGEST_LAST_WORDS:]
        return f"; it had printed: {said}" if said else ""


@contextlib.contextmanager
def _quiet_figures() -> Iterator[None]:
    """Have figures drawn without a screen, and with their settings in a folder that can be written to."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MPLBACKEND": "Agg", "MPLCONFIGDIR": folder}
        import matplotlib as mpl

        mpl.use("Agg")
        yield


def _save_figures() -> None:
    """Save what is still open, so that a figure without ``savefig`` is not lost."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return
    for number in plt.get_fignums()[:MOST_FIGURES]:
        target = Path(OUT_DIRECTORY, f"figure-{number}.png")
        if not target.exists():
            plt.figure(number).savefig(target, dpi=120)
    plt.close("all")


def _tidy(folder: Path) -> Iterator[str]:
    """Remove what is neither a table nor a figure, and say so."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()  # what was in it came first, and is gone
            continue
        if path.parent != folder:
            reason = "it is in a folder of its own"
        elif path.is_symlink() or not path.is_file():
            reason = "it is no plain file"
        elif path.suffix == ".png":
            with path.open("rb") as file:
                reason = "" if file.read(len(PNG)) == PNG else "it is no PNG"
        else:
            known = ", ".join((".png", *TABLES))
            reason = "" if path.suffix in TABLES else f"its name ends in none of {known}"
        if reason:
            path.unlink()
            yield f"file {path.relative_to(folder)} was left out: {reason}"
