"""The MCP servers that a person added, and their tools."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from novum.core.calls import CallStatus
from novum.core.digest import digest, digest_bytes
from novum.core.errors import NotFoundError, StoreError, UsageError
from novum.core.frozen import Frozen
from novum.core.settings import read_secret
from novum.core.text import clean_text
from novum.sandbox.base import Limits, Profile, Sandbox, SandboxRequest
from novum.tools.described import DescribedTool, DescriptionError, Launch
from novum.tools.mcp.translate import PREFIX, to_spec
from novum.tools.registry import BrokenTool

FILE: Final = "mcp.json"
INSIDE: Final = "novum.tools.mcp.inside"
"""The module that the sandbox runs; it is not imported here, for the SDK is not light."""

MOST_FILE_BYTES: Final = 4_000_000
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class ServerError(UsageError):
    """A server that cannot be added or asked."""


class Server(Frozen):
    """How a server is reached, and what it offered when a person added it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")
    command: tuple[str, ...] = ()
    """The program and its arguments; empty where it is reached over HTTP."""
    url: str = ""
    token_env: str = ""
    """Name of the environment variable that holds the bearer token."""
    shown: tuple[str, ...] = ()
    """Folders of the machine that the sandbox shows it, read-only."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    memory_mb: int = Field(default=1024, gt=0)
    version: str = ""
    """What it says of itself."""
    tools: tuple[dict[str, Any], ...] = ()

    @property
    def origin(self) -> str:
        """Where it is, for people."""
        return clean_text(self.url or " ".join(self.command), limit=200)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The network hosts that a call of it needs: its own, or none."""
        if not self.url:
            return ()
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
        return (f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}",)


class _File(Frozen):
    version: int = 1
    servers: tuple[Server, ...] = ()


def checked_server(server: Server, folder: Path) -> Server:
    """Return a server with its program found, or its address checked.

    Args:
        server: as a person named it.
        folder: the working directory, for relative paths.

    Raises:
        ServerError: the program is not there or the sandbox does not show it; the address is neither
            loopback nor https.
    """
    if server.url:
        parts = urlsplit(server.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ServerError(f"{server.url!r} is no address of the form http(s)://host[:port]/path")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ServerError(f"{server.url!r} is not encrypted; use https, or a server on this machine")
        return server
    program, *arguments = server.command
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if found is None:
        raise ServerError(f"there is no program {program!r}")
    shown = tuple(str(Path(path).expanduser().resolve()) for path in server.shown)
    visible = (sys.prefix, sys.base_prefix, "/usr", "/bin", "/opt/novum", *shown)
    if not any(Path(found).absolute().is_relative_to(place) for place in visible):
        raise ServerError(
            f"{found!r} lies where the sandbox shows nothing; --show {Path(found).resolve().parent} shows it "
            "that folder, or install the server beside novum"
        )
    absolute = [str(folder / text) if (folder / text).is_file() else text for text in arguments]
    return server.model_copy(update={"command": (found, *absolute), "shown": shown})


def ask(server: Server, sandbox: Sandbox) -> Server:
    """Return a server with the tools that it offers now; it runs in the sandbox for that.

    Raises:
        ServerError: it does not start, does not answer, or offers nothing that can be used.
        InfrastructureError: no isolation can be had, or it failed.
    """
    files, command = _with_files(server)
    arguments = {"server": _way(server, command), "timeout_s": server.timeout_s}
    with TemporaryDirectory(prefix="novum-") as folder:
        placed = {}
        for name, content in files.items():
            placed[name] = Path(folder, name)
            placed[name].write_bytes(content)
        ended = sandbox.run(
            SandboxRequest(
                entry=f"{INSIDE}:list_tools",
                arguments=arguments,
                profile=_profile(server),
                limits=Limits(wall_s=4 * server.timeout_s, memory_mb=server.memory_mb, result_kb=4096),
                inputs=placed,
                hosts=server.hosts,
            )
        )
    if ended.status is not CallStatus.OK:
        said = ended.message.removeprefix("ToolFailedError: ") or ended.status.value
        raise ServerError(f"the server {server.name!r} cannot be asked: {said}")
    try:
        version = str(ended.value["server"]["version"])
        return Server.model_validate(
            {**server.model_dump(), "version": version, "tools": ended.value["tools"]}
        )
    except (ValidationError, KeyError, TypeError) as error:
        raise ServerError(f"the server {server.name!r} does not list its tools as it should") from error


def offered(server: Server) -> Iterator[DescribedTool | BrokenTool]:
    """Yield a server's tools as they were when it was added, and those that cannot be used with why."""
    try:
        files, command = _with_files(server)
    except ServerError as error:
        yield BrokenTool(f"{PREFIX}.{server.name}", str(error))
        return
    for tool in server.tools:
        shown = clean_text(str(tool.get("name")), limit=60)
        try:
            described = digest({k: tool[k] for k in ("name", "description", "input_schema", "output_schema")})
            way = [list(server.command), server.url, server.token_env, sorted(server.shown)]
            code = digest([way, {n: digest_bytes(c) for n, c in files.items()}, _program(server), described])
            spec = to_spec(
                tool,
                server=server.name,
                version=server.version,
                code=code,
                hosts=server.hosts,
                files=server.shown,
                timeout_s=server.timeout_s,
                memory_mb=server.memory_mb,
            )
        except (
            UsageError,
            ValidationError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            reason = error if isinstance(error, DescriptionError) else "its description cannot be used"
            yield BrokenTool(f"{PREFIX}.{server.name}: {shown}", str(reason))
            continue
        asked = {
            "tool": tool["name"],
            "described": described,
            "properties": {p.name: p.unit for p in spec.properties},
        }
        yield DescribedTool(
            spec,
            origin=f"MCP server {server.name}: {server.origin}",
            kind="mcp",
            code=code,
            launch=partial(_launch, server, command, files, asked),
            cacheable=False,
        )


class ServerStore:
    """The servers of this user, in one file for its owner only; beside the settings, like what is trusted."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def servers(self) -> list[Server]:
        """Return all servers.

        Raises:
            StoreError: the file cannot be read, or holds something else.
        """
        try:
            return list(_File.model_validate_json(self.file.read_bytes()).servers)
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            raise StoreError(
                f"{str(self.file)!r} cannot be read as servers; move it away and add them again"
            ) from error

    def add(self, server: Server) -> None:
        """Keep a server, in place of one of the same name."""
        self._write([*(s for s in self.servers() if s.name != server.name), server])

    def remove(self, name: str) -> Server:
        """Forget a server and return it.

        Raises:
            NotFoundError: there is none of that name.
        """
        servers = self.servers()
        found = next((server for server in servers if server.name == name), None)
        if found is None:
            known = ", ".join(server.name for server in servers) or "none"
            raise NotFoundError(f"there is no MCP server {name!r}; known are {known}")
        self._write([server for server in servers if server is not found])
        return found

    def load(self) -> Iterator[DescribedTool | BrokenTool]:
        """Yield the tools of every server, in the order of their names; of two of one name, the first."""
        names: set[str] = set()
        for server in sorted(self.servers(), key=lambda s: s.name):
            for found in offered(server):
                name = found.name if isinstance(found, BrokenTool) else found.spec.name
                if name in names:
                    yield BrokenTool(f"{name} (again)", "another tool of this server has the same name here")
                    continue
                names.add(name)
                yield found

    def _write(self, servers: list[Server]) -> None:
        content = _File(servers=tuple(servers)).model_dump(mode="json")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with NamedTemporaryFile("w", dir=self.file.parent, delete=False) as written:  # of mode 600
                json.dump(content, written, indent=1)
            os.replace(written.name, self.file)  # noqa: PTH105
        except OSError as error:
            raise StoreError(f"{str(self.file)!r} cannot be written: {error.strerror}") from error


def _launch(
    server: Server,
    command: tuple[str, ...],
    files: Mapping[str, bytes],
    asked: Mapping[str, Any],
    arguments: Mapping[str, Any],
    seed: int,  # noqa: ARG001  (a server has no seed)
) -> Launch:
    return Launch(
        entry=f"{INSIDE}:call",
        arguments={
            "server": _way(server, command),
            **asked,
            "arguments": dict(arguments),
            "timeout_s": server.timeout_s,
        },
        profile=_profile(server),
        files=files,
        hosts=server.hosts,
    )


def _profile(server: Server) -> Profile:
    return Profile(name=PREFIX, modules=(INSIDE,), data=server.shown)


def _way(server: Server, command: tuple[str, ...]) -> dict[str, Any]:
    if not server.url:
        return {"command": list(command)}
    token = read_secret(server.token_env) if server.token_env else None
    if server.token_env and not token:
        raise ServerError(
            f"the server {server.name!r} needs its token in the environment variable {server.token_env}"
        )
    return {"url": server.url, **({"token": token} if token else {})}


def _with_files(server: Server) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files among a command's arguments, and the command with the names that they get inside."""
    files: dict[str, bytes] = {}
    command = []
    for number, text in enumerate(server.command):
        path = Path(text)
        if number == 0 or not path.is_absolute() or not path.suffix or _is_shown(path, server):
            command.append(text)
            continue
        try:
            if path.stat().st_size > MOST_FILE_BYTES:
                raise ServerError(f"{text!r} is larger than {MOST_FILE_BYTES} bytes; --show its folder")
            name = re.sub(r"[^\w.+-]", "_", path.name).lstrip(".") or "file"
            files[name] = path.read_bytes()
        except OSError as error:
            raise ServerError(f"{text!r} cannot be read: {error.strerror}") from error
        command.append(f"in/{name}")
    return files, tuple(command)


def _is_shown(path: Path, server: Server) -> bool:
    return any(path.is_relative_to(place) for place in (sys.prefix, sys.base_prefix, "/usr", *server.shown))


def _program(server: Server) -> list[str]:
    """Return what identifies the code behind a command: its program's bytes, and its package's version."""
    if not server.command:
        return []
    from importlib.metadata import entry_points, packages_distributions, version

    program, *arguments = server.command
    try:
        found = [digest_bytes(Path(program).read_bytes())]
    except OSError:
        found = ["missing"]
    owners = {p.dist.name for p in entry_points(group="console_scripts", name=Path(program).name) if p.dist}
    if arguments[:1] == ["-m"] and len(arguments) > 1:
        owners |= set(packages_distributions().get(arguments[1].partition(".")[0], ()))
    return found + [f"{owner} {version(owner)}" for owner in sorted(owners)]
