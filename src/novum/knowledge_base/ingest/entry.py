"""From a file or a folder to items."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

from novum.core.errors import IngestError, MissingExtraError, NotFoundError
from novum.core.knowledge import KnowledgeItem
from novum.core.text import clean_text
from novum.knowledge_base.ingest.apart import ReaderProcess
from novum.knowledge_base.ingest.bounds import DEFAULT_BOUNDS, Bounds
from novum.knowledge_base.ingest.draft import About, Draft, Keep, Task
from novum.knowledge_base.ingest.formats import LIBRARIES, Format, find_format
from novum.knowledge_base.ingest.items import ItemMaker
from novum.knowledge_base.ingest.parsing import version_of
from novum.knowledge_base.ingest.report import OnProgress, Progress, Refused, Report, Taken
from novum.knowledge_base.ingest.source import Source, kind_of_file, open_source


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of a walk."""

    path: Path
    label: str


def ingest(
    path: str | Path | Sequence[str | Path],
    about: About,
    *,
    keep: Keep | None = None,
    report: Report | None = None,
    on_progress: OnProgress | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
    reader: ReaderProcess | None = None,
) -> Iterator[KnowledgeItem]:
    """Return the items in a file, or in all files of a folder and its folders, in the order of their names.

    What a file holds is found by its content and its name, which must agree. The first item of a file stands
    for the file itself, and all others are derived from it. The same file gives the same items each time, so
    that recording them again adds nothing.

    Files are read in a process of its own, which is replaced when a file makes it crash, hang or fill memory;
    that file is refused, and the next one is taken.

    In a folder, links, devices and files with a dot before their name are not touched, and of files with
    equal content the first is taken.

    Args:
        path: a file, a folder, or several of these.
        about: what no file says of itself.
        keep: stores images, arrays and large structures under their hash, as `Artifacts.put` does. Without
            it, items name the hash of bytes that are nowhere kept.
        report: gets to know what was taken and what was not, and why. Without one, the first file that
            cannot be taken raises.
        on_progress: is called before each file and after the last.
        bounds: how much one file may ask for.
        reader: reads the files, and is left open. Without one, a process is started for this walk, which is
            bounded in memory and time and cannot write files, and may otherwise do what you may.

    Raises:
        IngestError: on iteration and without a `report`, a file that cannot be taken.
        MissingExtraError: on iteration and without a `report`, a file whose reader is not installed.
        NotFoundError: there is nothing at a `path`.
        StoreError: on iteration, `keep` could not store something.
    """
    paths = [path] if isinstance(path, str | Path) else path
    roots = [_resolved(path) for path in paths]
    return _ingest(roots, about, keep, report, on_progress, bounds, reader)


def _resolved(path: str | Path) -> Path:
    try:
        return Path(path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:  # also a null in it, or a circle of links
        raise NotFoundError(f"there is no file or folder {clean_text(str(path), limit=200)!r}") from error


@dataclass(frozen=True, slots=True)
class _Run:
    """What all files of a walk share."""

    about: About
    keep: Keep | None
    report: Report
    bounds: Bounds
    reader: ReaderProcess
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 of what was taken → where it was."""


def _ingest(
    roots: Sequence[Path],
    about: About,
    keep: Keep | None,
    report: Report | None,
    on_progress: OnProgress | None,
    bounds: Bounds,
    reader: ReaderProcess | None,
) -> Iterator[KnowledgeItem]:
    told = Report() if report is None else report
    n_items = 0
    with ReaderProcess(bounds) if reader is None else nullcontext(reader) as reads:
        run = _Run(about, keep, told, bounds, reads)
        found = [file for root in roots for file in _walk(root, told, bounds)]
        files = [_File(file, run) for file in found]
        file = following = None
        try:
            for n_done, (file, following) in enumerate(zip_longest(files, files[1:])):
                if on_progress is not None:
                    on_progress(Progress(n_done, len(found), clean_text(file.label), n_items))
                try:
                    for item in file.items(following):
                        n_items += 1
                        yield item
                except (IngestError, MissingExtraError) as error:
                    if report is None:
                        raise
                    after = f"after {file.n_items} items: " if file.n_items else ""
                    told.refused.append(Refused(clean_text(file.label), f"{after}{error}"))
                finally:
                    file.close()
        finally:
            if following is not None:
                following.close()
            reads.settle()
    if on_progress is not None:
        on_progress(Progress(len(found), len(found), "", n_items))


def _walk(root: Path, report: Report, bounds: Bounds) -> Iterator[_Found]:
    """Yield a file, or the regular ones below a folder in the order of their names; others are refused."""
    if not root.is_dir():
        yield _Found(root, root.name)
        return
    n_found = 0
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            label = _label(folder, root)
            report.refused.append(Refused(label, f"the folder cannot be read: {error.strerror}"))
            continue
        deeper = []
        for entry in inside:
            label = _label(Path(entry.path), root)
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError as error:
                report.refused.append(Refused(label, f"it cannot be looked at: {error.strerror}"))
                continue
            if entry.name.startswith("."):
                report.note(_label(folder, root), "files and folders that begin with a dot were left out")
            elif stat.S_ISDIR(mode):
                if depth >= bounds.max_depth:
                    report.refused.append(Refused(label, f"it lies deeper than {bounds.max_depth} folders"))
                else:
                    deeper.append((Path(entry.path), depth + 1))
            elif not stat.S_ISREG(mode):
                report.refused.append(Refused(label, f"it is {kind_of_file(mode)}, and no regular file"))
            elif n_found >= bounds.max_files:
                report.refused.append(Refused(label, f"there are more than {bounds.max_files} files"))
                return
            else:
                n_found += 1
                yield _Found(Path(entry.path), label)
        folders += reversed(deeper)


def _label(path: Path, root: Path) -> str:
    return clean_text(str(path.relative_to(root)), limit=500)


class _File:
    """One file on its way to items."""

    def __init__(self, found: _Found, run: _Run) -> None:
        self.label = found.label
        self._path = found.path
        self._run = run
        self._files = ExitStack()
        self._task: Task | None = None
        self.n_items = 0

    def items(self, following: "_File | None" = None) -> Iterator[KnowledgeItem]:
        """Yield the item of the file, and those in it; what is in it twice only once.

        Args:
            following: a file that is already read while the items of this one are taken.

        Raises:
            IngestError: it cannot be taken, or not to its end.
            MissingExtraError: its reader is not installed.
        """
        run = self._run
        task, format = self._open()
        source = task.source
        if source.sha256 in run.hashes:
            other = run.hashes[source.sha256]
            run.report.note(source.label, f"left out: it has the same content as {other}")
            return
        run.reader.ask(task, format)
        if following is not None:
            following._ask(after=source)
        with closing(run.reader.read(task, format)) as drafts:
            first = next(drafts, None)
            if first is None:
                raise IngestError("there is nothing in it that could be taken")
            maker = ItemMaker(
                task,
                format=format,
                data_class=first.data_class,
                tool=LIBRARIES[format],
                version=version_of(LIBRARIES[format]),
                private=first.sensitive,
            )
            yield self._counted(maker.file_item(sensitive=first.sensitive))
            known: set[str] = set()
            for draft in chain([first], drafts):
                item = self._item(maker, draft, source.label)
                if item is not None and item.id not in known:
                    known.add(item.id)
                    yield self._counted(item)
        source.check_unchanged()
        run.hashes[source.sha256] = source.label
        run.report.taken.append(Taken(source.label, source.sha256, format.value, self.n_items))

    def close(self) -> None:
        """Close the file."""
        self._files.close()

    def _ask(self, *, after: Source) -> None:
        # What is wrong with it is told when it is its turn.
        with suppress(IngestError):
            task, format = self._open()
            if task.source.sha256 != after.sha256 and task.source.sha256 not in self._run.hashes:
                self._run.reader.ask(task, format)

    def _open(self) -> tuple[Task, Format]:
        run = self._run
        if self._task is None:
            opened = open_source(self._path, run.bounds, label=self.label)
            source = self._files.enter_context(opened)
            self._task = Task(source, run.about, run.bounds, run.report, run.keep)
        return self._task, find_format(self._task.source)

    def _item(self, maker: ItemMaker, draft: Draft, label: str) -> KnowledgeItem | None:
        try:
            return maker.item(draft)
        except ValueError as error:  # a condition that is not finite
            self._run.report.note(label, f"left out: {clean_text(str(error), limit=200)}")
            return None

    def _counted(self, item: KnowledgeItem) -> KnowledgeItem:
        self.n_items += 1
        if self.n_items > self._run.bounds.max_items:
            raise IngestError(f"it gives more than {self._run.bounds.max_items} items")
        return item
