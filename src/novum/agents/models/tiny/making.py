"""Makes the tiny model: a tokenizer from carried text, a Qwen2 of two layers, all of it fixed by a seed."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

VERSION = 1
"""Of the recipe; another one makes its model anew."""
VOCABULARY = 1200
CONTEXT = 32768
TRAINING_STEPS = 200

PRESSURE_RANDOM = 0.05
"""How fast the wish to end a value in JSON grows, with the square of its length in words: a model that was
not trained would hardly ever end one."""
PRESSURE_TRAINED = 0.002

END, START, CLOSE = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CALL, CALLED = "<tool_call>", "</tool_call>"
SPECIAL = (END, START, CLOSE)

TEMPLATE = r"""{%- if tools %}<|im_start|>system
Tools:
{% for tool in tools %}{{ tool | tojson }}{{ '\n' }}{% endfor %}
Call one as <tool_call>{"name": NAME, "arguments": {...}}</tool_call>.<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}<tool_call>
{{- call.function | tojson(separators=(",", ":")) }}</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""How a conversation is written down, as Qwen's models read it."""

OnStep = Callable[[int, float], None]
"""Called after each step of the training, with its number and the loss."""


def make_tiny_model(
    cache: Path, *, seed: int = 0, train: bool = False, on_step: OnStep | None = None
) -> Path:
    """Return the folder of the tiny model, made in `cache` where it is not there yet.

    The same seed gives the same weights, bit for bit, on the same version of torch.

    Args:
        cache: where models are kept.
        seed: fixes the weights, and the order of the training.
        train: whether it learns the carried conversations by heart, which takes a minute.
        on_step: called as the training goes on.
    """
    folder = cache / f"v{VERSION}-seed{seed}-{'trained' if train else 'random'}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        made = Path(temporary) / "model"
        _make(made, seed=seed, train=train, on_step=on_step)
        try:
            made.rename(folder)
        except OSError:  # another process was first; its model is the same
            if not folder.is_dir():
                raise
    return folder


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread: on a model of this size more of them wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def carried(name: str) -> str:
    """Return a text file that lies beside this module."""
    return resources.files("novum.agents.models.tiny").joinpath(name).read_text("utf-8")


def conversations() -> list[dict[str, Any]]:
    """Return the conversations that it is trained on, as chat templates take them."""
    tools = {
        "measure": _tool("measure", smiles="string", property="string", unit="string"),
        "recall": _tool("recall", query="string", limit="integer"),
    }
    found = []
    for transcript in json.loads(carried("transcripts.json")):
        messages = [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": m["tool"], "arguments": m["arguments"]}}],
            }
            if "tool" in m
            else m
            for m in transcript["messages"]
        ]
        found.append({"messages": messages, "tools": [tools[name] for name in transcript["tools"]]})
    return found


def _tool(name: str, **parameters: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in parameters.items()}}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def _make(folder: Path, *, seed: int, train: bool, on_step: OnStep | None) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = _make_tokenizer()
    configure: Any = Qwen2Config  # takes keys of our own too
    config = configure(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(CLOSE),
        pad_token_id=tokenizer.convert_tokens_to_ids(END),
        dtype="float32",
        closing_pressure=PRESSURE_TRAINED if train else PRESSURE_RANDOM,
    )
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config)
        if train:
            _train(model, tokenizer, seed=seed, on_step=on_step)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _make_tokenizer() -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator([carried("vocabulary.txt"), carried("transcripts.json")], trainer)
    # Seen in the text of a reply, unlike the special ones.
    bare.add_tokens([AddedToken(CALL, normalized=False), AddedToken(CALLED, normalized=False)])
    make: Any = PreTrainedTokenizerFast
    made = make(tokenizer_object=bare, eos_token=CLOSE, pad_token=END, model_max_length=CONTEXT)
    made.chat_template = TEMPLATE
    return made


def _train(model: Any, tokenizer: Any, *, seed: int, on_step: OnStep | None) -> None:
    import torch

    texts = [
        tokenizer.apply_chat_template(c["messages"], tools=c["tools"] or None, tokenize=False)
        for c in conversations()
    ]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=TRAINING_STEPS)
    model.train()
    for step, chosen in enumerate(_batches(len(texts), seed=seed)):
        rows = {name: values[chosen] for name, values in batch.items() if name != "token_type_ids"}
        loss = model(**rows, labels=labels[chosen]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if on_step is not None:
            on_step(step, float(loss.detach()))
    model.eval()


def _batches(n: int, *, seed: int, size: int = 4) -> Iterator[list[int]]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    for _ in range(TRAINING_STEPS):
        yield torch.randperm(n, generator=generator)[:size].tolist()
