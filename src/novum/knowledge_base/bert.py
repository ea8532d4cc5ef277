"""Running a small BERT in numpy: ready in a tenth of a second, where torch takes seconds to import."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from novum.core.errors import StoreError

Floats = npt.NDArray[np.float32]

BATCH = 32
"""Texts run together, at most."""

MAX_TOKENS = 4096
"""Tokens run together, at most, which keeps what is intermediate small."""


class Bert:
    """A sentence-transformers model of the plain kind: BERT, mean of its last states, unit length.

    Args:
        path: its directory.

    Raises:
        StoreError: the model cannot be loaded, or is of another kind.

    References:
        Devlin et al., arXiv 1810.04805; Reimers and Gurevych, arXiv 1908.10084.
    """

    def __init__(self, path: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        try:
            config: dict[str, Any] = json.loads((path / "config.json").read_text())
            places = config.get("position_embedding_type", "absolute")
            kind = (config["model_type"], config["hidden_act"], places)
            if kind != ("bert", "gelu", "absolute"):
                raise ValueError(f"it is of the kind {kind}")
            self._weights: dict[str, Floats] = load_file(path / "model.safetensors")
            self._tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
            limit = json.loads((path / "sentence_bert_config.json").read_text())["max_seq_length"]
            self._tokenizer.enable_truncation(limit)
            self._tokenizer.no_padding()
            self._n_layers: int = config["num_hidden_layers"]
            self._n_heads: int = config["num_attention_heads"]
            self._epsilon: float = config["layer_norm_eps"]
            # Of one word type only, and in the order of positions: added once for all texts.
            self._places = (
                self._weights["embeddings.position_embeddings.weight"]
                + self._weights["embeddings.token_type_embeddings.weight"][0]
            )
        except Exception as error:  # tokenizers raises Exception itself
            raise StoreError(f"cannot load the model in {path}: {error}") from error

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return unit vectors of shape ``(n_texts, dimensions)``."""
        clean = [text.encode(errors="replace").decode() for text in texts]  # no lone surrogates
        dimensions = self._places.shape[1]
        vectors = np.zeros((len(texts), dimensions), dtype=np.float32)
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(clean)]
        waiting = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        while waiting:
            # The longest first, with others of about its length.
            size = max(1, min(BATCH, MAX_TOKENS // len(ids[waiting[-1]])))
            some, waiting = waiting[-size:], waiting[:-size]
            vectors[some] = self._run([ids[i] for i in some])
        return vectors

    def _run(self, ids: Sequence[Sequence[int]]) -> Floats:
        n_tokens = max(map(len, ids))
        tokens = np.zeros((len(ids), n_tokens), dtype=np.int64)
        there = np.zeros((len(ids), n_tokens), dtype=np.float32)
        for row, own in enumerate(ids):
            tokens[row, : len(own)] = own
            there[row, : len(own)] = 1.0
        state = self._weights["embeddings.word_embeddings.weight"][tokens] + self._places[:n_tokens]
        state = self._normalise("embeddings.LayerNorm", state)
        hidden = (there[:, None, None, :] - 1.0) * np.float32(1e9)
        for layer in range(self._n_layers):
            name = f"encoder.layer.{layer}"
            attended = self._linear(f"{name}.attention.output.dense", self._attend(name, state, hidden))
            state = self._normalise(f"{name}.attention.output.LayerNorm", state + attended)
            inner = _gelu(self._linear(f"{name}.intermediate.dense", state))
            state = self._normalise(
                f"{name}.output.LayerNorm", state + self._linear(f"{name}.output.dense", inner)
            )
        mean = (state * there[:, :, None]).sum(axis=1) / there.sum(axis=1, keepdims=True)
        unit: Floats = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit

    def _attend(self, name: str, state: Floats, hidden: Floats) -> Floats:
        n_texts, n_tokens, dimensions = state.shape
        width = dimensions // self._n_heads

        def heads(what: str) -> Floats:
            values = self._linear(f"{name}.attention.self.{what}", state)
            apart: Floats = values.reshape(n_texts, n_tokens, self._n_heads, width).transpose(0, 2, 1, 3)
            return apart

        weights = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(width**0.5) + hidden
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = weights @ heads("value")
        together: Floats = mixed.transpose(0, 2, 1, 3).reshape(n_texts, n_tokens, dimensions)
        return together

    def _linear(self, name: str, values: Floats) -> Floats:
        # As one multiplication of matrices, which is faster than one for each text.
        flat = values.reshape(-1, values.shape[-1]) @ self._weights[f"{name}.weight"].T
        flat += self._weights[f"{name}.bias"]
        shaped: Floats = flat.reshape(*values.shape[:-1], flat.shape[-1])
        return shaped

    def _normalise(self, name: str, values: Floats) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = np.mean(centred * centred, axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(self._epsilon))
        normal: Floats = scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normal


def _gelu(values: Floats) -> Floats:
    from scipy.special import erf

    activated: Floats = values * np.float32(0.5) * (np.float32(1.0) + erf(values * np.float32(0.5**0.5)))
    return activated
