"""Goal files: the good ones load completely, the bad ones are refused with line, key and a way out."""

import pytest

from novum.core.errors import GoalError, UsageError
from novum.core.goals import ObjectiveKind
from novum.core.spaces import (
    ChoiceParameter,
    ContinuousParameter,
    IntegerParameter,
    MoleculeSpace,
    ParameterSpace,
    PoolSpace,
)
from novum.tools.registry import Registry
from novum.workflows.goal_files import load_goal

GOOD = """\
title: A small goal
objectives:
  - maximise qed
  - wish: homo_lumo_gap >= 4 eV
    weight: 2
    options: {solvent: water}
space:
  kind: molecules
  start: [CCO, c1ccccc1]
  max_heavy_atoms: 25
budget:
  experiments: 30
  batch: 5
seed: 7
"""
YIELD = "objectives:\n  - maximise yield in % using pool\n"


@pytest.fixture(scope="module")
def registry():
    return Registry.load()


@pytest.fixture
def load(tmp_path, registry):
    def load(text, name="goal.yaml", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_goal(str(path), registry, **options)

    return load


@pytest.fixture
def refuse(load):
    """Load a bad goal and check what every refusal owes the reader."""

    def refuse(text, *, line=None, key=None, **options):
        with pytest.raises(UsageError) as caught:
            load(text, **options)
        error = caught.value
        assert isinstance(error, GoalError), type(error)
        assert error.exit_code == 2
        assert (error.line, error.key) == (line, key), str(error)
        if line is not None:
            assert f"line {line}" in str(error)
        assert "Traceback" not in str(error)
        return str(error)

    return refuse


def test_a_goal_for_molecules_loads(load):
    goal = load(GOOD)
    assert str(goal) == "maximise qed; homo_lumo_gap >= 4 eV"
    assert goal.objectives[1].weight == 2
    assert goal.objectives[1].options == {"solvent": "water"}
    assert isinstance(goal.space, MoleculeSpace)
    assert goal.space.start == ("CCO", "c1ccccc1")
    assert (goal.budget.experiments, goal.budget.batch, goal.seed) == (30, 5, 7)


def test_a_sentence_and_a_file_with_the_sentence_are_one_goal(load, registry):
    sentence = "maximise qed; logp between 1 and 3; homo_lumo_gap >= 4 eV; heavy_atoms <= 20"
    goal = load_goal(sentence, registry)
    assert load(f"objectives: '{sentence}'\n") == goal
    assert goal.space.max_heavy_atoms == 20


def test_a_start_file_is_read_next_to_the_goal_file(load, tmp_path):
    (tmp_path / "start.smi").write_text("# solvents\nCCO ethanol\n\nCC(=O)C acetone\n")
    goal = load("objectives: [maximise qed]\nspace:\n  start: start.smi\n")
    assert goal.space.start == ("CCO", "CC(=O)C")


def test_command_line_options_replace_what_the_file_says(load):
    goal = load(GOOD, seed=9, experiments=12, batch=None)
    assert (goal.seed, goal.budget.experiments, goal.budget.batch) == (9, 12, 5)


POOL = "name,catalyst,load,yield,note\nr1,Pd,1.5,80,a\nr2,Ni,2.0,,b\nr3,Cu,0.5,40.5,c\n"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_pool_hides_its_measured_column(load, tmp_path, kind):
    import io

    import pandas

    if kind == "csv":
        (tmp_path / "pool.csv").write_text(POOL)
    else:
        pandas.read_csv(io.StringIO(POOL)).to_parquet(tmp_path / "pool.parquet")
    goal = load(YIELD + f"space: {{kind: pool, file: pool.{kind}, id: name, features: [catalyst, load]}}\n")
    space = goal.space
    assert isinstance(space, PoolSpace)
    assert [r.id for r in space.rows] == ["r1", "r2", "r3"]
    assert space.measured == {"yield": {"r1": 80.0, "r3": 40.5}}
    for row in space.rows:
        assert set(row.arguments) == {"catalyst", "load", "note"}
        assert "80" not in row.label
    assert goal.objectives[0].tool == "pool"


def test_an_sdf_is_a_pool_of_molecules(load, tmp_path):
    from rdkit import Chem

    with Chem.SDWriter(str(tmp_path / "pool.sdf")) as writer:
        for smiles, value in (("CCO", 10.5), ("c1ccccc1", 20.5)):
            molecule = Chem.MolFromSmiles(smiles)
            molecule.SetProp("yield", str(value))
            writer.write(molecule)
    space = load(YIELD + "space: {kind: pool, file: pool.sdf}\n").space
    assert space.smiles == "smiles"
    assert [r.arguments for r in space.rows] == [{"smiles": "CCO"}, {"smiles": "c1ccccc1"}]
    assert space.measured == {"yield": {"1": 10.5, "2": 20.5}}


def test_the_column_of_smiles_may_name_the_rows_as_well(load, tmp_path):
    (tmp_path / "pool.csv").write_text("SMILES,yield\nCCO,1\nCCC,2\n")
    space = load(YIELD + "space: {kind: pool, file: pool.csv, id: SMILES, smiles: SMILES}\n").space
    assert [r.id for r in space.rows] == ["CCO", "CCC"]
    assert space.rows[0].arguments == {"SMILES": "CCO"}


def test_dates_and_gaps_in_a_table_become_what_a_ledger_can_hold(load, tmp_path):
    import json

    import pandas

    table = pandas.DataFrame(
        {
            "day": pandas.to_datetime(["2026-01-01", None]),
            "n": pandas.array([1, None], dtype="Int64"),
            "yes": [True, False],
            "yield": [1.0, 2.0],
        }
    )
    table.to_parquet(tmp_path / "pool.parquet")
    rows = load(YIELD + "space: {kind: pool, file: pool.parquet}\n").space.rows
    assert [r.arguments for r in rows] == [
        {"day": "2026-01-01 00:00:00", "n": 1, "yes": True},
        {"day": None, "n": None, "yes": False},
    ]
    assert json.loads(json.dumps(rows[0].arguments)) == rows[0].arguments


def test_parameters_of_every_kind_load_with_their_constraints(load):
    space = load(
        """\
objectives: [maximise yield in % using manual]
space:
  kind: parameters
  parameters:
    temperature: {low: 20, high: 120, unit: degC}
    time: {low: 1e-1, high: 100, unit: hour, log: true}
    stirrers: {low: 1, high: 4, integer: true}
    base: {options: [NaOH, KOH]}
  constraints:
    - {coefficients: {temperature: 1, time: 0.5}, bound: 140}
"""
    ).space
    assert isinstance(space, ParameterSpace)
    temperature, hours, stirrers, base = space.parameters
    assert temperature == ContinuousParameter(name="temperature", low=20, high=120, unit="°C")
    assert isinstance(hours, ContinuousParameter)
    assert hours.log
    assert stirrers == IntegerParameter(name="stirrers", low=1, high=4)
    assert base == ChoiceParameter(name="base", options=("NaOH", "KOH"))
    assert space.constraints[0].bound == 140


def test_a_property_measured_by_a_person_needs_no_tool(load):
    (wish,) = load(
        "objectives:\n  - wish: rate between 1 and 2 mol/L/s\n    tool: manual\n"
        "space: {kind: parameters, parameters: {x: {low: 0, high: 1}}}\n"
    ).objectives
    assert (wish.kind, wish.unit, wish.tool) == (ObjectiveKind.INTERVAL, "mol/l/s", "manual")


HEAD = "title: t\nobjectives:\n"
X = "space:\n  kind: parameters\n  parameters:\n    x: "


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        (HEAD + "  - maximise qedd\n", 3, "objectives.0", ["qedd", "did you mean 'qed'"]),
        (HEAD + "  - maximise qed\n  - homo_lumo_gap >= 4\n", 4, "objectives.1", ["missing unit", "eV"]),
        (HEAD + "  - homo_lumo_gap >= 4 K\n", 3, "objectives.0", ["does not fit", "'eV'"]),
        (HEAD + "  - homo_lumo_gap >= 4 eVV\n", 3, "objectives.0", ["unknown unit 'eVV'"]),
        (HEAD + "  - logp between 3 and 1\n", 3, "objectives.0", ["impossible interval: 3 is not below 1"]),
        (
            HEAD + "  - make it good\n",
            3,
            "objectives.0",
            ["cannot read the clause 'make it good'", "maximise"],
        ),
        (
            HEAD + "  - wish: maximise qed\n    wieght: 2\n",
            4,
            "objectives.0.wieght",
            ["did you mean 'weight'"],
        ),
        (HEAD + "  - wish: maximise qed\n    weight: 0\n", 4, "objectives.0.weight", ["greater than 0"]),
        (HEAD + "  - weight: 1\n", 3, "objectives.0.wish", ["Field required"]),
        (HEAD + "  - maximise qed\n  - minimise qed\n", None, None, ["two objectives"]),
        (HEAD + "  - maximise qed using chemistry.xtbb\n", 3, "objectives.0", ["chemistry.xtb"]),
        (HEAD + "  - maximise qed using chemistry.xtb\n", 3, "objectives.0", ["does not measure 'qed'"]),
        (HEAD + "  - maximise yield using manual\n", 3, "objectives.0", ["missing unit", "in %"]),
        (HEAD + "  - 5\n", 3, "objectives.0", ["string"]),
        ("objectives: []\n", 1, "objectives", ["at least 1"]),
        ("title: t\n", None, "objectives", ["required"]),
        ("title: t\nobjective: [maximise qed]\n", 2, "objective", ["did you mean 'objectives'"]),
        (
            HEAD + "  - maximise qed\nbudget:\n  experiments: 0\n",
            5,
            "budget.experiments",
            ["greater than 0", "not 0"],
        ),
        (HEAD + "  - maximise qed\nbudget:\n  experiment: 9\n", 5, "budget.experiment", ["'experiments'"]),
        (
            HEAD + "  - maximise qed\nbudget:\n  experiments: many\n",
            5,
            "budget.experiments",
            ["integer", "'many'"],
        ),
        (HEAD + "  - maximise qed\nseed: -1\n", 4, "seed", ["greater than or equal to 0"]),
        (HEAD + "  - maximise qed\nseed: x\n", 4, "seed", ["integer"]),
        (HEAD + "  - maximise qed\nspace: everywhere\n", 4, "space", ["dictionary"]),
        (
            HEAD + "  - maximise qed\nspace:\n  kind: molecule\n",
            5,
            "space.kind",
            ["did you mean 'molecules'"],
        ),
        (HEAD + "  - maximise qed\nspace:\n  kind: [molecules]\n", 5, "space.kind", ["unknown kind"]),
        (
            HEAD + "  - maximise qed\nspace:\n  max_atoms: 3\n",
            5,
            "space.max_atoms",
            ["unknown key", "keys here are"],
        ),
        (
            HEAD + "  - maximise qed\nspace:\n  start:\n    - CCO\n    - C1CC\n",
            7,
            "space.start.1",
            ["unreadable SMILES 'C1CC'", "entry 2"],
        ),
        (HEAD + "  - maximise qed\nspace:\n  start: no.smi\n", 5, "space.start", ["no file"]),
        (
            HEAD + "  - maximise qed\nspace:\n  min_heavy_atoms: 30\n  max_heavy_atoms: 20\n",
            4,
            "space",
            ["impossible interval"],
        ),
        (HEAD + "  - maximise qed\nconfirmation:\n  methd: auto\n", 5, "confirmation.methd", ["'method'"]),
        (HEAD + "  - maximise yield in % using pool\n", None, "space.kind", ["come from a pool"]),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 0}\n",
            7,
            "space.parameters.x",
            ["low and high"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "5\n",
            7,
            "space.parameters.x",
            ["low: 0, high: 1"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 2, high: 1}\n",
            7,
            "space.parameters.x",
            ["impossible interval"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 0, high: 1, unit: fo}\n",
            7,
            "space.parameters.x",
            ["unknown unit 'fo'"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 0, high: 9, integer: true, unit: fo}\n",
            7,
            "space.parameters.x",
            ["unknown unit 'fo'"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: -.inf, high: 9, integer: true}\n",
            7,
            "space.parameters.x.low",
            ["finite"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 0.5, high: 9, integer: true}\n",
            7,
            "space.parameters.x",
            ["whole bounds"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 1, high: 9, integer: true, log: true}\n",
            7,
            "space.parameters.x",
            ["no logarithmic scale"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 0, high: 9, options: [a, b]}\n",
            7,
            "space.parameters.x",
            ["not both"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 0, high: 9, hihg: 1}\n",
            7,
            "space.parameters.x.hihg",
            ["did you mean 'high'"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{options: [a, b]}\n"
            "  constraints:\n    - {coefficients: {x: 1}, bound: 1}\n",
            4,
            "space",
            ["no numeric parameter: ['x']"],
        ),
        (
            HEAD + "  - maximise y in % using manual\n" + X + "{low: 0, high: 1}\n"
            "  constraints:\n    - {coefficient: {x: 1}, bound: 1}\n",
            9,
            "space.constraints.0.coefficient",
            ["did you mean 'coefficients'"],
        ),
        ("title: 'open\nobjectives: [maximise qed]\n", 3, None, ["not valid YAML"]),
        ("title: a\ntitle: b\nobjectives: [maximise qed]\n", 2, None, ["not valid YAML", "duplicate key"]),
        ("objectives:\n\t- maximise qed\n", 2, None, ["not valid YAML"]),
        ("- maximise qed\n", 1, None, ["is a mapping"]),
        ("just text\n", 1, None, ["is a mapping"]),
        ("", 1, None, ["is a mapping"]),
        (b"title: t\nobjectives: [\xff\xfe]\n", 2, None, ["not UTF-8"]),
        (b"title: a\x00b\n", None, None, ["not valid YAML"]),
        ("objectives: " + "[" * 1000, None, None, ["not valid YAML"]),
    ],
)
def test_a_bad_goal_file_is_refused_at_its_place(refuse, text, line, key, said):
    message = refuse(text, line=line, key=key)
    for words in said:
        assert words in message


@pytest.mark.parametrize(
    "text",
    [
        "title: &a [*a]\nobjectives: [maximise qed]\n",
        "title: 2026-99-99\nobjectives: [maximise qed]\n",
        "title: !!python/object:os.system x\nobjectives: [maximise qed]\n",
        "? [a, b]\n: c\nobjectives: [maximise qed]\n",
        "objectives: {a: b}\n",
        "objectives: [[maximise qed]]\n",
        "objectives: [null]\n",
        "objectives: [maximise qed]\nspace: {kind: parameters, parameters: []}\n",
        "objectives: [maximise qed]\nspace: {kind: pool}\n",
        'objectives: [maximise qed]\nspace: {kind: pool, file: "a\\0b"}\n',
        'objectives: [maximise qed]\nspace: {start: "a\\0b"}\n',
        f"objectives: [maximise qed]\nspace: {{start: {'x' * 400}}}\n",
        f"objectives: [maximise qed]\nspace: {{kind: pool, file: {'x' * 400}.csv}}\n",
        "objectives: [maximise qed]\nspace: {start: [5]}\n",
        "objectives: [maximise qed]\nspace: {start: ['']}\n",
        "objectives: ['qed >= 1e999']\n",
        "objectives: [{wish: maximise qed, weight: .nan}]\n",
        "objectives: [{wish: maximise qed, options: 3}]\n",
        "objectives: [maximise qed]\nbudget: {seconds: .inf}\n",
        "objectives: [heavy_atoms >= 90]\n",
    ],
)
def test_whatever_is_in_the_file_the_answer_is_a_goal_error(load, text):
    with pytest.raises(UsageError) as caught:
        load(text)
    assert isinstance(caught.value, GoalError)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ("", "", "the pool is empty"),
        ("a,yield\n", "", "the pool is empty"),
        ("a,b\n1,2\n", "", "no column 'yield'; it has a, b"),
        ("a,yield\n1,2\n", ", id: name", "no column 'name'"),
        ("a,yield\n1,2\n", ", smiles: s", "no column 's'"),
        ("a,yield\n1,2\n", ", features: [a, b]", "no column 'b'"),
        ("a,yield\nx,1\nx,2\n", ", id: a", "names two rows 'x'"),
        ("a,yield\nx,1\ny,lots\n", ", id: a", "row y, column 'yield': 'lots' is not a number"),
        ("a,yield\nx,1\ny,inf\n", ", id: a", "is not a finite number"),
        ("s,yield\nCCO,1\nC1C,2\n", ", smiles: s", "row 2: unreadable SMILES 'C1C'"),
        ("a,yield\n1,2\n", ", id: 'yield'", "cannot name or describe a row"),
        ("a,yield\n1,2\n", ", features: ['yield']", "cannot name or describe a row"),
        ("a,yield\n1,2\n3,4,5,6\n", "", "cannot be read as a table"),
        (b"a,yield\n\xff,2\n", "", "cannot be read as a table"),
    ],
)
def test_a_bad_pool_is_refused_with_its_row_or_column(refuse, tmp_path, table, options, said):
    (tmp_path / "pool.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    text = YIELD + f"space: {{kind: pool, file: pool.csv{options}}}\n"
    assert said in refuse(text, line=3, key="space.file")


@pytest.mark.parametrize("name", ["gone.csv", "folder.csv", "bad.parquet", "bad.sdf", "empty.sdf"])
def test_a_pool_file_that_cannot_be_read_is_refused(refuse, tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "bad.sdf").write_bytes(b"\x00\xff garbage\n$$$$\n")
    (tmp_path / "empty.sdf").write_bytes(b"")
    assert name in refuse(YIELD + f"space: {{kind: pool, file: {name}}}\n", line=3, key="space.file")


def test_an_unreadable_smiles_in_a_start_file_is_named_with_its_line(refuse, tmp_path):
    (tmp_path / "start.smi").write_text("CCO\n# note\nC1CC bad\n")
    said = refuse("objectives: [maximise qed]\nspace:\n  start: start.smi\n", line=3, key="space.start")
    assert "start.smi, line 3: unreadable SMILES 'C1CC'" in said


def test_a_start_file_without_a_molecule_is_refused(refuse, tmp_path):
    (tmp_path / "start.smi").write_text("# nothing\n\n")
    said = refuse("objectives: [maximise qed]\nspace:\n  start: start.smi\n", line=3, key="space.start")
    assert "holds no molecule" in said


def test_a_start_file_that_is_not_text_is_refused(refuse, tmp_path):
    (tmp_path / "start.smi").write_bytes(b"\xff\xfe")
    refuse("objectives: [maximise qed]\nspace:\n  start: start.smi\n", line=3, key="space.start")


def test_a_directory_or_a_missing_file_is_no_goal(tmp_path, registry):
    for source, said in (
        (str(tmp_path), "is a directory"),
        (str(tmp_path / "gone.yaml"), "there is no file"),
    ):
        with pytest.raises(GoalError, match=said) as caught:
            load_goal(source, registry)
        assert caught.value.exit_code == 2


def test_a_budget_of_zero_on_the_command_line_names_the_option(registry):
    with pytest.raises(GoalError) as caught:
        load_goal("maximise qed", registry, experiments=0)
    assert caught.value.key == "budget.experiments"
    assert "greater than 0" in str(caught.value)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("maximise qedd", "did you mean 'qed'"),
        ("homo_lumo_gap >= 4", "missing unit"),
        ("logp between 3 and 1", "impossible interval"),
        ("heavy_atoms <= 0", "no molecule can have"),
        ("maximise qed; maximise qed", "two objectives"),
    ],
)
def test_a_bad_sentence_is_refused_as_a_bad_file_is(registry, sentence, said):
    with pytest.raises(UsageError, match=said) as caught:
        load_goal(sentence, registry)
    assert caught.value.exit_code == 2
