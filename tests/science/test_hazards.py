"""The hazard screen: what public lists name is stopped, usual chemistry is not, and doubt counts against."""

import pytest

from novum.core.errors import ToolFailedError
from novum.tools.chemistry.hazard_patterns import PATTERNS, Danger
from novum.tools.chemistry.hazard_screen import Outcome, screen
from novum.tools.chemistry.hazards import hazards

EXPLOSIVES = [
    "Cc1c(cc(cc1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]",  # trinitrotoluene
    "C1N(CN(CN1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]",  # RDX
    "C(C(CO[N+](=O)[O-])(CO[N+](=O)[O-])CO[N+](=O)[O-])O[N+](=O)[O-]",  # PETN
    "CC1(OOC(OOC(OO1)(C)C)(C)C)C",  # TATP
    "O=C(OOC(=O)c1ccccc1)c1ccccc1",  # dibenzoyl peroxide
    "[N-]=[N+]=[N-].[Na+]",
    "[N-]=[N+]=[N-].[N-]=[N+]=[N-].[Pb+2]",
    "C[N+](=O)[O-]",
    "CN=[N+]=[N-]",
    "C=[N+]=[N-]",
    "c1nnn[nH]1",
    "[NH4+].[O-]Cl(=O)(=O)=O",
    "[NH4+].[O-][N+](=O)[O-]",
    "O=[N+]([O-])c1cc([N+](=O)[O-])c(O)c([N+](=O)[O-])c1",  # picric acid
]
AGENTS = [
    "CC(C)OP(=O)(C)F",  # CWC 1.A.1
    "CCOP(=O)(C#N)N(C)C",  # 1.A.2
    "CCOP(C)(=O)SCC[NH+](C(C)C)C(C)C",  # 1.A.3, protonated
    "ClCCSCCCl",  # 1.A.4
    "ClC=C[As](Cl)Cl",  # 1.A.5
    "ClCCN(CCCl)CCCl",  # 1.A.6
    "COP(C)(=O)OC",  # 2.B.4
    "O=C(OC1CN2CCC1CC2)C(O)(c1ccccc1)c1ccccc1",  # 2.A.3
    "FC(F)=C(C(F)(F)F)C(F)(F)F",  # 2.A.2
    "OCCSCCO",  # 2.B.13
    "O=C(Cl)Cl",  # 3.A.1
    "N#CCl",  # 3.A.2
    "C#N",  # 3.A.3
    "ClC(Cl)(Cl)[N+](=O)[O-]",  # 3.A.4
    "NC(=O)OC[C@@H]1N=C(N)N2CCC(O)(O)[C@@]23N=C(N)N[C@@H]13",  # 1.A.7, saxitoxin
    "C[Hg]C",
    "Clc1cc2Oc3cc(Cl)c(Cl)cc3Oc2cc1Cl",
]
CONTROLLED = [
    "CCC(=O)N(c1ccccc1)C1CCN(CCc2ccccc2)CC1",  # fentanyl
    "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5",  # morphine
    "COC(=O)C1C(OC(=O)c2ccccc2)CC2CCC1N2C",  # cocaine
    "Cl.CNC(C)Cc1ccccc1",  # methamphetamine, as the salt
    "[2H]C([2H])([2H])C(N)Cc1ccccc1",  # amphetamine with labels
    "CNC(C)Cc1ccc2OCOc2c1",  # MDMA
    "CNC(C)C(=O)c1ccc(C)cc1",  # mephedrone
    "COc1cc(CCN)c(OC)cc1Br",  # 2C-B
    "CCN(CC)C(=O)[C@H]1CN([C@@H]2Cc3c[nH]c4cccc(c34)C2=C1)C",  # LSD
    "CN(C)CCc1c[nH]c2ccccc12",  # DMT
    "CNC1(CCCCC1=O)c1ccccc1Cl",  # ketamine
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc12",  # diazepam
    "CCC1(C(=O)NC(=O)NC1=O)c1ccccc1",  # phenobarbital
    "CCCCCn1cc(C(=O)c2cccc3ccccc23)c2ccccc12",  # JWH-018
    "CCCCCc1cc(O)c2C3C=C(C)CCC3C(C)(C)Oc2c1",  # THC
    "CCN(CC)CCn1c(Cc2ccc(OC(C)C)cc2)nc2cc([N+](=O)[O-])ccc12",  # isotonitazene
    "OCCCC(=O)O",  # GHB
    "CNC(C)C(O)c1ccccc1",  # ephedrine
    "CC(=O)Cc1ccccc1",  # phenylacetone
    "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",  # testosterone
]
USUAL = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(n1)-c1cccnc1",  # imatinib
    "CCCCc1nc(Cl)c(CO)n1Cc1ccc(cc1)-c1ccccc1-c1nnn[nH]1",  # losartan, a tetrazole
    "CC1CCC2C(C)C(=O)OC3OC4(C)CCC1C23OO4",  # artemisinin, a peroxide poor in oxygen
    "O=[N+]([O-])c1ccccc1",
    "O=C1CCC(=O)N1Br",
    "CC12CCC(=O)C=C1CCC1C2C(O)CC2(C)C1CCC2(O)C(=O)CO",  # hydrocortisone
    "OC(=O)CNCP(O)(O)=O",
    "NCCc1ccc(O)c(O)c1",
    "NC(Cc1c[nH]c2ccccc12)C(=O)O",
    "CN(C)C(=N)NC(N)=N",
    "c1ccc2[nH]nnc2c1",
    "[Na+].[Cl-]",
    "O",
]


@pytest.mark.parametrize(
    ("danger", "smiles"),
    [(d, s) for d, names in zip(Danger, (EXPLOSIVES, AGENTS, CONTROLLED), strict=True) for s in names],
)
def test_what_the_lists_name_is_flagged_under_its_danger(danger, smiles):
    found = screen(smiles)
    assert found.outcome is Outcome.FLAGGED
    assert danger in {finding.danger for finding in found.findings}
    assert not found.may_proceed


@pytest.mark.parametrize("smiles", USUAL)
def test_usual_chemistry_goes_on(smiles):
    assert screen(smiles).may_proceed, str(screen(smiles))


@pytest.mark.parametrize("smiles", ["no molecule", "", "C*", "[Pd]", "C" * 200, "c1ccc", "C\x00"])
def test_what_cannot_be_judged_may_not_go_on(smiles):
    found = screen(smiles)
    assert found.outcome is Outcome.NOT_JUDGED
    assert not found.may_proceed
    assert "not judged" in str(found)
    with pytest.raises(ToolFailedError, match="treat it as hazardous"):
        hazards(smiles)


def test_a_salt_whose_charges_cannot_be_removed_is_not_judged_and_does_not_crash():
    found = screen("F[P-](F)(F)(F)(F)F.[Li+]")
    assert found.outcome is Outcome.NOT_JUDGED
    assert "RDKit cannot work with it" in str(found)


def test_a_hazard_beside_an_unknown_element_is_still_flagged():
    assert screen("[Pd].CC(C)OP(=O)(C)F").outcome is Outcome.FLAGGED


def test_no_verdict_is_called_safe():
    said = hazards("O").details["verdict"]
    assert said == "nothing found"
    assert all("safe" not in outcome.value for outcome in Outcome)


def test_every_pattern_is_a_pattern_with_a_source_and_a_name_of_its_own():
    from rdkit import Chem

    assert all(Chem.MolFromSmarts(pattern.smarts) is not None for pattern in PATTERNS)
    assert all(len(pattern.source) > 5 for pattern in PATTERNS)
    assert len({pattern.name for pattern in PATTERNS}) == len(PATTERNS)


def test_oxygen_balances_are_those_of_the_handbooks():
    # Meyer, Köhler and Homburg, Explosives, 6th edition: TNT -73.9 %, RDX -21.6 %, nitroglycerin +3.5 %.
    for smiles, balance in [
        ("Cc1c(cc(cc1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]", -73.9),
        ("C1N(CN(CN1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]", -21.6),
        ("C(C(CO[N+](=O)[O-])O[N+](=O)[O-])O[N+](=O)[O-]", 3.5),
    ]:
        assert hazards(smiles).oxygen_balance == pytest.approx(balance, abs=0.1)


def test_few_usual_molecules_are_stopped():
    from pathlib import Path

    from rdkit import RDConfig

    with (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").open() as table:
        rows = [line.split()[0] for line in table][::50]
    organic = [s for s in rows if screen(s).outcome is not Outcome.NOT_JUDGED]
    assert len(organic) > 90
    assert sum(not screen(s).may_proceed for s in organic) < 0.1 * len(organic)
