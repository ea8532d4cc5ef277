"""The items of a small knowledge base for the tests of ``novum kb``."""

from knowledge_items import make_item

from novum.core.knowledge import Access, Evidence, EvidenceRole, KnowledgeItem, Level, Provenance
from novum.core.quantity import Quantity

ETHANOL, BENZENE = "LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "UHOVQNZJYSORNB-UHFFFAOYSA-N"


def items() -> dict[str, KnowledgeItem]:
    """Return items by a short name: two methods, two molecules, an insight, a procedure, a secret."""
    procedure = make_item(
        "The lamp was calibrated with holmium glass.",
        id="K-100000000000001",
        level=Level.METHODOLOGICAL,
        subject="the spectrometer",
        subject_label="",
        relation="procedure",
        value=None,
        provenance=Provenance(source="logbook.md", locator={"page": 3}, licence="CC-BY-4.0"),
    )
    after = (Evidence(target=procedure.id, role=EvidenceRole.ANALYSED_WITH),)
    ethanol = make_item(
        "CCO: gap = 7.1 eV by UV.",
        id="K-200000000000002",
        value=Quantity(value=7.1, unit="eV", std=0.1),
        arguments={"smiles": "CCO"},
        evidence=after,
        provenance=Provenance(source="uv.csv", method="UV"),
    )
    benzene = make_item(
        "c1ccccc1: gap = 0.191 hartree by UV.",
        id="K-300000000000003",
        subject=BENZENE,
        subject_label="c1ccccc1",
        value=Quantity(value=0.191, unit="hartree", std=0.002),
        arguments={"smiles": "c1ccccc1"},
        evidence=after,
        provenance=Provenance(source="uv.csv", method="UV"),
    )
    insight = make_item(
        "A saturated alcohol has a larger gap than benzene.",
        id="K-400000000000004",
        level=Level.INSIGHT,
        subject="gaps",
        subject_label="",
        relation="larger_than",
        value=None,
        evidence=tuple(Evidence(target=i.id, role=EvidenceRole.SUPPORTS) for i in (ethanol, benzene)),
        provenance=Provenance(source="a person", agent="Ada"),
    )
    other = make_item(
        "CCO: gap = 9.9 eV by DFT \x1b[31m in red.",
        id="K-500000000000005",
        value=Quantity(value=9.9, unit="eV", std=0.1),
        arguments={"smiles": "CCO"},
        provenance=Provenance(source="paper.pdf", method="DFT"),
    )
    secret = make_item(
        "Patient 7 answers to ethanol.",
        id="K-600000000000006",
        relation="answers",
        value=None,
        access=Access.SENSITIVE,
    )
    return {
        "procedure": procedure,
        "ethanol": ethanol,
        "benzene": benzene,
        "insight": insight,
        "other": other,
        "secret": secret,
    }
