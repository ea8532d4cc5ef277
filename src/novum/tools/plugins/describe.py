"""What plugins say of themselves: asked inside a sandbox, remembered while the code is the same."""

import json
import os
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any, Final

from pydantic import ValidationError

from novum.core.calls import CallStatus, ToolSpec
from novum.core.digest import digest, digest_bytes
from novum.core.errors import InfrastructureError, UsageError
from novum.core.text import clean_text
from novum.sandbox.base import Limits, Profile, Sandbox, SandboxRequest
from novum.tools import base
from novum.tools.base import installed_version
from novum.tools.described import DescribedTool, Launch, checked_spec
from novum.tools.examples import Example, check_examples
from novum.tools.plugins import inside
from novum.tools.plugins.sources import Source, find_sources
from novum.tools.registry import BrokenTool

LIMITS: Final = Limits(wall_s=60, cpu_s=60, memory_mb=2048, processes=16, scratch_mb=64, result_kb=2048)
"""What a plugin may use to be imported and to say what it is."""

PRELOADED: Final = frozenset({"ase", "numpy", "pandas", "pymatgen", "rdkit", "scipy", "torch"})
"""Libraries that the sandbox may load before it is closed, where a plugin asks for them: novum's own."""

MOST_EXAMPLES: Final = 32


@dataclass(frozen=True, slots=True)
class Plugins:
    """The plugins that can be seen from a folder.

    Args:
        folder: the working directory.
        named: of the setting ``tools``.
        sandbox: opens the sandbox in which they are described; called when one is not known yet.
        remember_in: folder that keeps descriptions; None asks anew each time.
    """

    folder: Path
    named: Sequence[str]
    sandbox: Callable[[], Sandbox]
    remember_in: Path | None = None

    def load(self) -> Iterator[DescribedTool | BrokenTool]:
        """Yield each plugin's tools, and those that fail with their error.

        Raises:
            UsageError: two packages offer different tools under one name.
        """
        for source in find_sources(self.folder, self.named):
            if isinstance(source, BrokenTool):
                yield source
                continue
            try:
                yield from describe(source, self.sandbox, remember_in=self.remember_in)
            except (PluginError, InfrastructureError) as error:
                yield BrokenTool(source.promised or source.origin, str(error))


class PluginError(UsageError):
    """A plugin that fails when it is imported, or whose tools cannot be offered."""


def describe(
    source: Source, sandbox: Callable[[], Sandbox], *, remember_in: Path | None = None
) -> list[DescribedTool]:
    """Return the tools of a source. Its code runs in the sandbox only, and what it says is checked.

    Raises:
        PluginError: it cannot be imported, holds no tool, or describes what cannot be one.
        InfrastructureError: no isolation can be had, or it failed.
    """
    kept = remember_in / f"{_key(source)}.json" if remember_in else None
    claim = _recall(kept)
    if claim is None:
        request = SandboxRequest(
            entry=f"{inside.__name__}:describe",
            arguments={"module": source.module, "attribute": source.attribute},
            profile=Profile(name="plugin", modules=(inside.__name__,)),
            limits=LIMITS,
        )
        with TemporaryDirectory(prefix="novum-") as folder:
            ended = sandbox().run(replace(request, inputs=_put(_files(source), Path(folder))))
        if ended.status is not CallStatus.OK:
            raise PluginError(ended.message.removeprefix("ToolFailedError: ") or ended.status.value)
        claim = ended.value
        found = _tools(source, claim)  # checked before it is remembered
        _remember(kept, claim)
        return found
    return _tools(source, claim)


def _tools(source: Source, claim: Any) -> list[DescribedTool]:
    try:
        found = [_tool(source, one) for one in claim]
    except (
        ValidationError,
        UsageError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        said = clean_text(f"its description cannot be used: {reason}", limit=500)
        raise PluginError(said) from error
    if source.promised and [tool.spec.name for tool in found] != [source.promised]:
        raise PluginError(f"{source.module}:{source.attribute} calls itself {found[0].spec.name!r}")
    return found


def _tool(source: Source, claim: Mapping[str, Any]) -> DescribedTool:
    said = ToolSpec.model_validate(claim["spec"])
    libraries = tuple(clean_text(str(name), limit=100) for name in claim["libraries"][:64])
    versions = [f"{name} {installed_version(name) or 'missing'}" for name in libraries]
    spec = checked_spec(
        said.model_copy(
            update={
                "code_hash": digest([source.code, said.entry, versions]),
                "profile": "plugin",
                "preload": tuple(m for m in said.preload if m.partition(".")[0] in PRELOADED),
                "extra": None,
            }
        )
    )
    examples = tuple(Example.model_validate(one) for one in claim["examples"][:MOST_EXAMPLES])
    check_examples(examples, spec)
    return DescribedTool(
        spec,
        origin=source.origin,
        kind=source.kind,
        code=source.code,
        launch=partial(_launch, source, str(claim["attribute"]), spec),
        libraries=libraries,
        examples=examples,
    )


def _launch(
    source: Source, attribute: str, spec: ToolSpec, arguments: Mapping[str, Any], seed: int
) -> Launch:
    # The plugin's own module is not among those that are loaded beforehand: they run with more rights.
    return Launch(
        entry=f"{inside.__name__}:call",
        arguments={
            "module": source.module,
            "attribute": attribute,
            "arguments": dict(arguments),
            "seed": seed,
        },
        profile=Profile(
            name="plugin", modules=(inside.__name__, *spec.preload), data=spec.files, gpu=spec.gpu
        ),
        files=_files(source),
        hosts=spec.hosts,
    )


def _files(source: Source) -> dict[str, bytes]:
    return {inside.ARCHIVE: source.archive} if source.archive else {}


def _put(files: Mapping[str, bytes], folder: Path) -> dict[str, Path]:
    placed = {}
    for name, content in files.items():
        placed[name] = folder / name
        placed[name].write_bytes(content)
    return placed


def _key(source: Source) -> str:
    """Return what a description depends on: the plugin's code, novum's, and what is installed."""
    own = [digest_bytes(Path(str(module.__file__)).read_bytes()) for module in (base, inside)]
    libraries = Path(sysconfig.get_path("purelib"))
    changed = libraries.stat().st_mtime_ns if libraries.is_dir() else 0
    return digest([source.code, source.module, source.attribute, own, changed])


def _recall(file: Path | None) -> Any:
    try:
        return json.loads(file.read_bytes()) if file else None
    except (OSError, ValueError):
        return None


def _remember(file: Path | None, claim: Any) -> None:
    """Keep a description. That it cannot be kept costs time only."""
    if file is None:
        return
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile("w", dir=file.parent, delete=False) as written:
            json.dump(claim, written)
        os.replace(written.name, file)  # noqa: PTH105  (one step, so that no reader sees half of it)
