"""Replies for scripted models, made from what was asked."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from novum.agents.base import Planner
from novum.agents.choose import open_planner
from novum.agents.models.base import Model, Request
from novum.agents.scientist.asking import Patience
from novum.agents.scientist.planner import ScientistPlanner

SMILES = (
    "CCO",
    "CCCO",
    "CCCCO",
    "CCCCCO",
    "CC(C)O",
    "CC(C)CO",
    "CC(C)CCO",
    "OCC1CC1",
    "OCC1CCC1",
    "CCOCC",
    "CCOC(C)=O",
    "CC(=O)OCC",
    "CCN(CC)CC",
    "c1ccccc1C",
    "c1ccccc1O",
    "Cc1ccc(C)cc1",
    "Cc1ccc(O)cc1",
    "COc1ccccc1",
    "COc1ccc(C)cc1",
    "NCc1ccccc1",
    "OCc1ccccc1",
    "CC1CCCCC1",
    "CC(=O)Nc1ccccc1",
    "CC(=O)Nc1ccc(O)cc1",
    "O=C(O)c1ccccc1",
    "CC(O)c1ccccc1",
    "Cc1ccncc1",
    "CCc1ccncc1",
    "Oc1ccncc1",
)


def schema_of(request: Request) -> dict[str, Any] | None:
    """Return the schema that a question wants filled in, however it asks; None where it wants prose."""
    if request.json_schema is not None:
        return request.json_schema
    if request.tools:
        return request.tools[0].parameters if request.tool_choice == request.tools[0].name else None
    _, found, text = request.messages[-1].text.partition("JSON schema:\n")
    if not found:  # a question that is asked again: the schema stands before the faulty answer
        texts = (m.text.partition("JSON schema:\n")[2] for m in request.messages)
        text = next((t for t in texts if t), "")
    return json.loads(text) if text else None


def asked_for(request: Request) -> str:
    """Return which part of the scientist asks: propose, criticise, analyse or experiment."""
    schema = schema_of(request)
    if schema is None:
        return "experiment"
    (name,) = schema["properties"]
    return {"hypotheses": "propose", "objections": "criticise", "sentences": "analyse"}[name]


def is_new(request: Request) -> bool:
    """Say whether it is the first question of a step."""
    return not any(m.role == "assistant" for m in request.messages)


def draw(schema: Mapping[str, Any], rng: random.Random) -> Any:
    """Return something at random that fits a schema, as a random model under constrained decoding does."""
    if "enum" in schema:
        return rng.choice(schema["enum"])
    match schema["type"]:
        case "object":
            return {name: draw(schema["properties"][name], rng) for name in schema["required"]}
        case "array":
            n = rng.randint(schema.get("minItems", 0), schema.get("maxItems", 3))
            return [draw(schema["items"], rng) for _ in range(n)]
        case "integer":
            return rng.randint(schema.get("minimum", -9), schema.get("maximum", 9))
        case "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum", -100))
            return rng.uniform(low, schema.get("maximum", 100)) + (
                1e-3 if "exclusiveMinimum" in schema else 0
            )
        case _:
            return "".join(rng.choice("abc def") for _ in range(rng.randint(1, 12))) + "x"


def random_reply(seed: int = 0) -> Callable[[Request], str]:
    """Return a script that answers every schema at random, the same for the same request."""

    def reply(request: Request) -> str:
        rng = random.Random(f"{seed} {request.digest()}")
        schema = schema_of(request)
        if schema is None:
            return "none"
        said = draw(schema, rng)
        for one in said.get("hypotheses", ()):
            one["cites"] = []  # a made-up id is never one that was shown
            if isinstance(one["candidate"], str) and "enum" not in candidate_schema(request):
                one["candidate"] = rng.choice(SMILES)
        return json.dumps(said)

    return reply


def candidate_schema(request: Request) -> dict[str, Any]:
    """Return the schema of a candidate in a question for proposals."""
    schema = schema_of(request)
    assert schema is not None
    found: dict[str, Any] = schema["properties"]["hypotheses"]["items"]["properties"]["candidate"]
    return found


def hypothesis(candidate: Any, **predictions: tuple[float, float, str]) -> dict[str, Any]:
    """Return one proposal, its predictions as (value, std, unit)."""
    return {
        "candidate": candidate,
        "predictions": {
            name: {"value": value, "std": std, "unit": unit}
            for name, (value, std, unit) in predictions.items()
        },
        "rationale": "it is worth a try",
        "cites": [],
    }


def parts(**replies: Callable[[Request], str] | str) -> Callable[[Request], str]:
    """Return a script with one reply for each part; those not named answer at random."""
    other = random_reply()

    def reply(request: Request) -> str:
        found = replies.get(asked_for(request), other)
        return found(request) if callable(found) else found

    return reply


def opening(asked: Model, *, patience: Patience | None = None) -> Callable[..., Planner]:
    """Return what opens planners by name, with `asked` for a model of any name, or the model given."""

    def open_(name: str, *, model: Model | str | None = None) -> Planner:
        chosen = asked if model is None or isinstance(model, str) else model
        if name == ScientistPlanner.name:
            return ScientistPlanner(chosen, patience=patience)
        return open_planner(name, model=chosen)

    return open_
