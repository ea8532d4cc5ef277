"""The command of each engine for each model, on machines that are described as values."""

import json

import pytest

from novum.agents.models.engines.base import Launch, Order
from novum.agents.models.engines.cached import is_cached, use_cached
from novum.agents.models.engines.catalogue import Servable, find_servable, load_catalogue
from novum.agents.models.engines.choose import ENGINES, choose_engine, get_engine
from novum.agents.models.engines.machine import Gpu, Machine, parse_gpus
from novum.agents.models.engines.tiny import launch_tiny
from novum.core.errors import MissingExtraError, NotFoundError, UsageError
from novum.core.model_entry import is_loopback


def machine(n_gpus: int, mb: int, *, nodes: int = 1, capability=(9, 0), main_gib: int = 512) -> Machine:
    gpus = tuple(Gpu(i, "GPU", mb, mb - 500, capability) for i in range(n_gpus))
    return Machine(gpus, memory_mb=main_gib * 1024, n_nodes=nodes)


FLEETS = {
    "no GPU, 16 GiB": machine(0, 0, main_gib=16),
    "1 x 24": machine(1, 24564, main_gib=64),
    "1 x 80": machine(1, 81559, main_gib=128),
    "8 x 80": machine(8, 81559),
    "8 x A100 80": machine(8, 81920, capability=(8, 0)),
    "8 x 141": machine(8, 143771),
    "2 nodes of 8 x 141": machine(8, 143771, nodes=2),
}
MINI = load_catalogue()["intern-s1-mini"]


def order(servable: Servable, fleet: Machine, **more: object) -> Order:
    return Order(servable, fleet, port=8000, **more)


def argv_of(launch: Launch) -> tuple[str, ...]:
    return launch.server[0].argv


def value_of(launch: Launch, flag: str) -> str:
    argv = argv_of(launch)
    return argv[argv.index(flag) + 1]


@pytest.mark.parametrize("name", load_catalogue())
def test_the_commands_for_every_fleet(name, snapshot):
    servable = load_catalogue()[name]
    said = []
    for fleet, here in FLEETS.items():
        for engine in servable.engines:
            said.append(f"--- {fleet}: {engine}")
            try:
                launch = get_engine(engine).launch(order(servable, here))
            except UsageError as error:
                said.append(f"refused: {error}")
                continue
            said += [
                f"[{c.node}] {c.line}"
                for commands in (launch.before, launch.server, launch.after)
                for c in commands
            ]
            said += [f"note: {note}" for note in launch.notes]
    assert "\n".join(said) == snapshot


@pytest.mark.parametrize("name", load_catalogue())
@pytest.mark.parametrize("fleet", FLEETS)
def test_every_server_listens_on_loopback_only(name, fleet):
    servable = load_catalogue()[name]
    for engine in servable.engines:
        try:
            launch = get_engine(engine).launch(order(servable, FLEETS[fleet]))
        except UsageError:
            continue
        assert is_loopback(launch.base_url)
        assert is_loopback(launch.health_url)
        for command in launch.server:
            assert "0.0.0.0" not in command.line
            assert "127.0.0.1" in command.line


# The least numbers of GPUs that the authors give: docs/interns1_user_guide.md of Intern-S1.
@pytest.mark.parametrize(
    ("name", "fleet", "least"),
    [
        ("intern-s1", "8 x A100 80", 8),
        ("intern-s1", "8 x 80", 8),
        ("intern-s1", "8 x 141", 4),
        ("intern-s1-fp8", "8 x 80", 4),
        ("intern-s1-fp8", "8 x 141", 2),
        ("intern-s1-mini", "8 x A100 80", 1),
        ("intern-s1-mini", "8 x 80", 1),
        ("intern-s1-mini", "8 x 141", 1),
        ("intern-s1-mini-fp8", "8 x 80", 1),
        ("intern-s1-pro", "2 nodes of 8 x 141", 16),
    ],
)
def test_as_many_gpus_as_the_models_authors_say(name, fleet, least):
    launch = ENGINES["vllm"].launch(order(load_catalogue()[name], FLEETS[fleet]))
    assert value_of(launch, "--tensor-parallel-size") == str(least)


@pytest.mark.parametrize(
    ("name", "fleet", "said"),
    [
        ("intern-s1-fp8", "8 x A100 80", "FP8, which these GPUs cannot compute with"),
        ("intern-s1-pro", "8 x 141", r"would fit 16 GPUs of 141 GB.*Here fits: intern-s1-fp8"),
        ("intern-s1", "no GPU, 16 GiB", r"there is no GPU.*Here fits: intern-s1-mini-gguf \(with llama"),
        ("intern-s1", "1 x 80", "would fit 8 GPUs of 80 GB or 4 of 141 GB"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(name, fleet, said):
    with pytest.raises(UsageError, match=said):
        ENGINES["lmdeploy"].launch(order(load_catalogue()[name], FLEETS[fleet]))


def test_gpus_that_others_use_are_left_alone():
    free = [Gpu(i, "GPU", 81559, 81000, (9, 0)) for i in range(4)]
    busy = [Gpu(i, "GPU", 81559, 3000, (9, 0)) for i in range(2)]
    here = Machine((*busy, *free[2:]), memory_mb=500_000)
    launch = ENGINES["vllm"].launch(order(MINI, here))
    assert launch.server[0].variables["CUDA_VISIBLE_DEVICES"] == "2"
    with pytest.raises(UsageError, match=r"4 GPUs are asked for, and 2 are free: .*\(in use: 0, 1\)"):
        ENGINES["vllm"].launch(order(MINI, here, n_gpus=4))
    with pytest.raises(UsageError, match="all GPUs are in use"):
        ENGINES["vllm"].launch(order(MINI, Machine(tuple(busy), memory_mb=500_000)))


def test_the_context_is_what_the_memory_holds():
    small = ENGINES["vllm"].launch(order(MINI, FLEETS["1 x 24"]))
    large = ENGINES["vllm"].launch(order(MINI, FLEETS["1 x 80"]))
    assert 16384 <= small.context_tokens < large.context_tokens == 40960
    assert value_of(small, "--max-model-len") == str(small.context_tokens)
    asked = ENGINES["vllm"].launch(order(MINI, FLEETS["1 x 24"], context_tokens=8192))
    assert asked.context_tokens == 8192
    with pytest.raises(UsageError, match="too few or too small"):
        ENGINES["vllm"].launch(order(MINI, FLEETS["1 x 24"], context_tokens=40960))


def test_a_laptop_without_gpu_computes_on_its_processor():
    gguf = load_catalogue()["intern-s1-mini-gguf"]
    launch = ENGINES["llama.cpp"].launch(order(gguf, FLEETS["no GPU, 16 GiB"]))
    assert "--n-gpu-layers" not in argv_of(launch)
    assert any("processor" in note for note in launch.notes)
    on_gpu = ENGINES["llama.cpp"].launch(order(gguf, FLEETS["1 x 24"]))
    assert "--n-gpu-layers" in argv_of(on_gpu)
    with pytest.raises(UsageError, match="too little memory"):
        ENGINES["llama.cpp"].launch(order(gguf, Machine(memory_mb=8 * 1024)))


def test_ones_own_flags_stand_last_and_so_win():
    launch = ENGINES["sglang"].launch(order(MINI, FLEETS["1 x 80"], flags=("--context-length", "4096")))
    assert argv_of(launch)[-2:] == ("--context-length", "4096")


def test_a_folder_of_weights_is_measured_and_needs_no_network(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(bytes(3_000_000))
    config = {
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "hidden_size": 512,
        "max_position_embeddings": 8192,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    mine = find_servable("mine", weights=str(tmp_path))
    assert (mine.weights_gb, mine.context_tokens) == (0.003, 8192)
    assert mine.kv_kb_per_token == pytest.approx(2 * 4 * 2 * 64 * 2 / 1000)
    for name in ("vllm", "sglang", "lmdeploy"):
        launch = ENGINES[name].launch(order(mine, FLEETS["1 x 24"]))
        assert launch.downloads == ""
        assert launch.served_as == "mine"
        assert launch.server[0].variables["HF_HUB_OFFLINE"] == "1"
        assert str(tmp_path) in argv_of(launch)
    with pytest.raises(UsageError, match=r"served by vllm, sglang, lmdeploy, not by llama\.cpp"):
        ENGINES["llama.cpp"].launch(order(mine, FLEETS["1 x 24"]))


def test_a_gguf_file_is_served_by_llama_cpp(tmp_path):
    file = tmp_path / "Intern-S1-mini-Q8_0.gguf"
    file.write_bytes(bytes(1000))
    mine = find_servable("intern-s1-mini-gguf", weights=str(file))
    launch = ENGINES["llama.cpp"].launch(order(mine, FLEETS["no GPU, 16 GiB"]))
    assert value_of(launch, "-m") == str(file)
    assert (launch.downloads, launch.family) == ("", "intern-s1-mini")
    with pytest.raises(UsageError, match="not from a file"):
        ENGINES["ollama"].launch(order(mine, FLEETS["no GPU, 16 GiB"]))
    other = find_servable("other", weights=str(file))
    assert choose_engine(other, installed=False).name == "llama.cpp"
    with pytest.raises(UsageError, match="not by vllm"):
        ENGINES["vllm"].launch(order(other, FLEETS["1 x 24"]))


def test_weights_of_unknown_size_are_served_with_a_warning():
    theirs = find_servable("theirs", weights="some/model")
    launch = ENGINES["vllm"].launch(order(theirs, FLEETS["8 x 80"]))
    assert value_of(launch, "--tensor-parallel-size") == "1"
    assert "--max-model-len" not in argv_of(launch)
    assert any("was not checked" in note for note in launch.notes)
    assert "some/model, of unknown size" in launch.downloads


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("nonsense", None, "no model 'nonsense' is known to serve"),
        ("mine", "./nowhere", "nothing at './nowhere'"),
        ("mine", "nowhere.gguf", "nothing at 'nowhere.gguf'"),
    ],
)
def test_weights_that_are_not_there_are_an_error(name, weights, said):
    with pytest.raises(NotFoundError, match=said):
        find_servable(name, weights=weights)


def test_a_folder_without_weights_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no safetensors"):
        find_servable("mine", weights=str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(UsageError, match="no GGUF"):
        find_servable("mine", weights=str(tmp_path / "model.bin"))


def test_what_the_driver_prints_is_read_and_nonsense_passed_over():
    said = "0, NVIDIA H200, 143771, 143000, 9.0\n1, A100, 81920, [N/A], 8.0\nFailed\n2, X, 100, 1, [N/A]\n"
    assert parse_gpus(said) == (
        Gpu(0, "NVIDIA H200", 143771, 143000, (9, 0)),
        Gpu(2, "X", 100, 1, None),
    )


def test_every_name_that_is_offered_instead_exists():
    known = load_catalogue()
    for servable in known.values():
        assert set(servable.smaller) <= set(known)
        assert set(servable.engines) <= set(ENGINES)
        assert servable.engines


def test_the_tiny_model_needs_no_gpu_and_no_network(tmp_path):
    launch = launch_tiny(cache=tmp_path, port=8123)
    assert launch.server[0].variables["HF_HUB_OFFLINE"] == "1"
    assert launch.downloads == ""
    assert launch.base_url == "http://127.0.0.1:8123/v1"


def test_weights_in_the_hubs_cache_are_served_without_a_network(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    launch = ENGINES["vllm"].launch(order(MINI, FLEETS["1 x 80"]))
    assert use_cached(launch) == launch
    kept = tmp_path / "models--internlm--Intern-S1-mini"
    (kept / "snapshots" / "abc").mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc")
    cached = use_cached(launch)
    assert cached.downloads == ""
    assert cached.server[0].variables["HF_HUB_OFFLINE"] == "1"
    assert any("nothing is downloaded" in note for note in cached.notes)
    assert not is_cached("no such/name/at all")


def test_the_tiny_model_says_which_extra_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr("novum.agents.models.engines.tiny.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"novum\[serve-tiny\]"):
        launch_tiny(cache=tmp_path)
    assert launch_tiny(cache=tmp_path, check=False).engine == "tiny"
