"""What every embedder promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from novum.core.errors import MissingExtraError, StoreError, UsageError
from novum.knowledge_base import embedders as module
from novum.knowledge_base.bert import Bert
from novum.knowledge_base.embedders import (
    DirectoryEmbedder,
    Embedder,
    HashingEmbedder,
    MiniLMEmbedder,
    is_minilm_installed,
    open_embedder,
)

needs_minilm = pytest.mark.skipif(not is_minilm_installed(), reason="the MiniLM package is not installed")

TEXTS = ["the gap of benzene", "steel corrodes in water", "", "   ", "c1ccccc1", "ℏω ≈ 2 eV 測定", "x" * 5000]


@pytest.fixture(
    scope="module",
    params=[
        "hashing",
        pytest.param("minilm", marks=needs_minilm),
        pytest.param("directory", marks=needs_minilm),
    ],
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "directory":
        return DirectoryEmbedder(MiniLMEmbedder().path)
    return open_embedder(request.param)


def test_it_keeps_to_the_protocol(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.name
    assert "\n" not in embedder.description


def test_vectors_have_their_shape_type_and_length(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_a_text_has_one_vector_whatever_comes_with_it(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert embedder.embed([text])[0] == pytest.approx(vector, abs=1e-5)


def test_likeness_is_seen(embedder: Embedder) -> None:
    query, near, far = embedder.embed(
        ["the band gap of benzene", "benzene has a large gap", "steel corrodes in salt water"]
    )
    assert query @ near > query @ far + 0.1


def test_the_fingerprint_stays(embedder: Embedder) -> None:
    assert embedder.fingerprint == embedder.fingerprint != ""


def test_hashing_is_the_same_in_every_process() -> None:
    program = (
        "import json\nfrom novum.knowledge_base.embedders import HashingEmbedder\n"
        "print(json.dumps(HashingEmbedder(32).embed(['the gap of benzene', 'ℏω']).tolist()))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=60,
    )
    assert json.loads(done.stdout) == HashingEmbedder(32).embed(["the gap of benzene", "ℏω"]).tolist()


def test_fingerprints_tell_embedders_apart() -> None:
    prints = {HashingEmbedder(64).fingerprint, HashingEmbedder(32).fingerprint}
    if is_minilm_installed():
        prints.add(MiniLMEmbedder().fingerprint)
    assert len(prints) == 2 + is_minilm_installed()


@needs_minilm
def test_a_directory_with_other_weights_has_another_fingerprint(tmp_path: Path) -> None:
    prints = set()
    for weights in (b"one", b"two"):
        (tmp_path / "modules.json").write_text("[]")
        (tmp_path / "model.safetensors").write_bytes(weights)
        prints.add(DirectoryEmbedder(tmp_path).fingerprint)
    assert len(prints) == 2


@needs_minilm
def test_minilm_knows_meaning_and_auto_takes_it() -> None:
    embedder = open_embedder("auto")
    assert embedder.name == "minilm"
    query, near, far = embedder.embed(["alcohol", "ethanol and methanol", "a steel bridge"])
    assert query @ near > query @ far + 0.1


@needs_minilm
def test_minilm_gives_the_vectors_of_sentence_transformers() -> None:
    texts = [*TEXTS, "Grüße aus 東京", "word " * 600, "a", "C[C@H](N)C(=O)O is L-alanine"]
    ours, theirs = MiniLMEmbedder().embed(texts), DirectoryEmbedder(MiniLMEmbedder().path).embed(texts)
    assert np.abs(ours - theirs).max() < 2e-6


@needs_minilm
def test_minilm_needs_no_torch() -> None:
    program = (
        "import sys\nfrom novum.knowledge_base.embedders import open_embedder\n"
        "open_embedder('minilm').embed(['a gap', 'a lone surrogate \\ud800'])\n"
        "print({'torch', 'transformers', 'sentence_transformers'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"


@needs_minilm
def test_a_model_of_another_kind_is_not_run_as_bert(tmp_path: Path) -> None:
    path = MiniLMEmbedder().path
    for file in path.iterdir():
        if file.is_file():
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.json").unlink()
    config = json.loads((path / "config.json").read_text()) | {"hidden_act": "relu"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(StoreError, match="relu"):
        Bert(tmp_path)


@needs_minilm
def test_embedding_leaves_the_threads_of_torch_as_they_were() -> None:
    import torch

    before = torch.get_num_threads()
    open_embedder("minilm").embed(["text"])
    assert torch.get_num_threads() == before


def test_without_the_package_minilm_is_a_missing_extra_and_auto_falls_back_visibly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "is_minilm_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"novum\[embed\]"):
        open_embedder("minilm")
    fallback = open_embedder("auto")
    assert fallback.name == "hashing"
    assert fallback.fingerprint == HashingEmbedder().fingerprint
    assert "novum[embed]" in fallback.description


def test_an_unknown_embedder_and_a_folder_without_a_model_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Models are not downloaded"):
        open_embedder("sentence-transformers/all-mpnet-base-v2")
    with pytest.raises(UsageError, match=r"modules\.json"):
        open_embedder(str(tmp_path))
