"""What the hazard screen looks for: groups of atoms, each with its reason and where that is written.

The patterns name classes that public lists name: the schedules of the Chemical Weapons Convention (CWC),
those of the conventions on narcotic drugs (1961) and psychotropic substances (1971), and the groups of
appendix 6 of the UN Manual of Tests and Criteria. They do not exhaust the lists: a screen is no proof of
safety.
"""

from dataclasses import dataclass
from enum import StrEnum


class Danger(StrEnum):
    """Why a molecule must not be made, computed towards or planned without a person's word."""

    EXPLOSIVE = "explosive"
    AGENT = "toxic agent"
    CONTROLLED = "controlled"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One class of hazardous molecules."""

    danger: Danger
    name: str
    smarts: str
    source: str
    above_balance: float | None = None
    """Counts only where the oxygen balance, in %, is above this; None counts always."""


UN = "UN Manual of Tests and Criteria, appendix 6, table A6.1"
CWC = "Chemical Weapons Convention, annex on chemicals"
NARCOTIC = "Single Convention on Narcotic Drugs 1961, schedules"
PSYCHOTROPIC = "Convention on Psychotropic Substances 1971, schedules"
PRECURSOR = "UN Convention against Illicit Traffic 1988, tables I and II"
BRETHERICK = "Bretherick's Handbook of Reactive Chemical Hazards, 8th edition"

# Appendix 6 lets a substance pass whose groups hold oxygen where its balance is below -200 %. That would stop
# nitrobenzene (-163 %), which is none; dinitrobenzene is at -95 %, dinitrotoluene at -114 %,
# nitroethane at -96 % and nitropropane at -135 %.
_WEAK, _NITRO, _ALKYL = -200.0, -120.0, -100.0

_AMINE = "[NX3,NX4+;!$(N-C=[O,N,S]);!$(N-S=O);!$(N-a)]"

PATTERNS: tuple[Pattern, ...] = (
    # explosives
    Pattern(Danger.EXPLOSIVE, "peroxide in a chain", "[OX2;!$([O]1O*1)]!@[OX2]", UN),
    Pattern(Danger.EXPLOSIVE, "peroxide in a ring", "[OX2]@[OX2]", UN, _WEAK),
    Pattern(Danger.EXPLOSIVE, "peroxide anion", "[OX1-,OX2][OX1-]", UN),
    Pattern(Danger.EXPLOSIVE, "nitrate ester", "[#6][OX2][NX3+](=O)[O-]", UN, _WEAK),
    Pattern(Danger.EXPLOSIVE, "nitrite ester", "[#6][OX2][NX2]=O", UN, _WEAK),
    Pattern(Danger.EXPLOSIVE, "ammonium nitrate", "[#7;+].[O-][NX3+](=O)[O-]", UN),
    Pattern(Danger.EXPLOSIVE, "nitramine", "[#7][NX3+](=O)[O-]", UN, _WEAK),
    Pattern(Danger.EXPLOSIVE, "nitroalkane rich in oxygen", "[CX4][NX3+](=O)[O-]", UN, _ALKYL),
    Pattern(Danger.EXPLOSIVE, "two nitro groups", "O=[NX3+][O-].O=[NX3+][O-]", UN, _NITRO),
    Pattern(
        Danger.EXPLOSIVE,
        "three nitro groups",
        "O=[NX3+][O-].O=[NX3+][O-].O=[NX3+][O-]",
        UN,
    ),
    Pattern(Danger.EXPLOSIVE, "diazo compound", "[#6]=[NX2+]=[NX1-]", UN),
    Pattern(Danger.EXPLOSIVE, "diazonium ion", "[#6][NX2+]#[NX1]", UN),
    Pattern(Danger.EXPLOSIVE, "azide ion or hydrazoic acid", "[#7-,NX2H1]=[NX2+]=[NX1-,NX2H1]", UN),
    Pattern(Danger.EXPLOSIVE, "azide of an atom other than carbon", "[!#6;!#1;!#7][NX2]=[NX2+]=[NX1-]", UN),
    Pattern(Danger.EXPLOSIVE, "more than one azide", "[NX2]=[NX2+]=[NX1-].[NX2]=[NX2+]=[NX1-]", BRETHERICK),
    Pattern(Danger.EXPLOSIVE, "four nitrogen atoms in a chain", "[#7;!R]~[#7;!R]~[#7]~[#7]", UN),
    Pattern(Danger.EXPLOSIVE, "nitrogen-halogen bond", "[#7;!$(N(C=O)C=O);!$(N(C=O)S(=O)=O)]-[Cl,Br,I]", UN),
    Pattern(Danger.EXPLOSIVE, "nitrogen-fluorine bond", "[NX3;+0]F", UN),
    Pattern(Danger.EXPLOSIVE, "perchlorate, chlorate or hypohalite", "[Cl,Br,I;!$([Cl,Br,I][#6])]~[#8]", UN),
    Pattern(Danger.EXPLOSIVE, "fulminate", "[C-]#[N+][O-]", BRETHERICK),
    Pattern(Danger.EXPLOSIVE, "acetylide of a heavy metal", "[CX2]#[CX2]-[Cu,Ag,Au,Hg]", BRETHERICK),
    Pattern(Danger.EXPLOSIVE, "haloacetylene", "[CX2]#[CX2]-[Cl,Br]", BRETHERICK),
    # chemical weapons, what they are made of, and poisons of their kind
    Pattern(Danger.AGENT, "fluoride of phosphorus and oxygen or sulfur", "[P;X4](=[O,S])F", CWC),
    Pattern(Danger.AGENT, "fluoride of trivalent phosphorus", "[PX3]F", CWC),
    Pattern(Danger.AGENT, "cyanide of phosphorus and oxygen", "[P](=[O,S])C#N", CWC),
    Pattern(
        Danger.AGENT,
        "aminoethyl phosphonothiolate",
        "P(=[O,S])[SX2][CX4][CX4]" + "[NX3,NX4+]",
        CWC,
    ),
    Pattern(Danger.AGENT, "aminoethyl phosphonite", "[#6][PX3]([OX2])[OX2][CX4][CX4][NX3,NX4+]", CWC),
    Pattern(Danger.AGENT, "alkylphosphonic halide", "[CX4][P;X3,X4]([Cl,Br])", CWC),
    Pattern(
        Danger.AGENT,
        "phosphorus with one methyl, ethyl or propyl group",
        "[P;!$(P([#6])[#6])]-[$([CH3]),$([CH2][CH3]),$([CH2][CH2][CH3]),$([CH]([CH3])[CH3])]",
        CWC,
    ),
    Pattern(
        Danger.AGENT,
        "chloride of phosphorus",
        "[P;!$(P[#6])]([Cl])[Cl]",
        CWC,
    ),
    Pattern(Danger.AGENT, "dialkyl aminophosphoryl halide", "[CX4]N([CX4])P(=O)([F,Cl,Br])", CWC),
    Pattern(Danger.AGENT, "sulfur mustard", "[Cl,Br][CX4][CX4][SX2][CX4]", CWC),
    Pattern(Danger.AGENT, "nitrogen mustard", "[NX3,NX4+]([CX4][CX4][Cl,Br])[CX4][CX4][Cl,Br]", CWC),
    Pattern(Danger.AGENT, "aminoethyl chloride", "[CX4][NX3,NX4+;!$(NC=O)]([CX4])[CH2][CH2][Cl,Br]", CWC),
    Pattern(Danger.AGENT, "thiodiglycol", "[OX2H1][CH2][CH2][SX2][CH2][CH2][OX2H1]", CWC),
    Pattern(Danger.AGENT, "pinacolyl alcohol", "[CH3][CH]([OX2H1])C([CH3])([CH3])[CH3]", CWC),
    Pattern(
        Danger.AGENT, "quinuclidinyl glycolate", "[#7]12[#6][#6][#6]([#6][#6]1)[#6]([#6]2)OC(=O)C(O)(a)*", CWC
    ),
    Pattern(
        Danger.AGENT,
        "dimethylcarbamate of a pyridinol with a charge on a side chain",
        "CN(C)C(=O)Oc1cccnc1C[N+]",
        CWC,
    ),
    Pattern(Danger.AGENT, "halide of arsenic", "[As]-[F,Cl,Br,I]", CWC),
    Pattern(
        Danger.AGENT,
        "phosgene or its oligomers",
        "[$([Cl,F]),$(OC(Cl)(Cl)Cl)]C(=O)[$([Cl,F]),$(OC(Cl)(Cl)Cl)]",
        CWC,
    ),
    Pattern(Danger.AGENT, "cyanogen halide", "[F,Cl,Br,I]C#N", CWC),
    Pattern(Danger.AGENT, "hydrogen cyanide or cyanide ion", "[$([CH1]#N),$([C-]#N)]", CWC),
    Pattern(Danger.AGENT, "chloropicrin", "ClC(Cl)(Cl)[NX3+](=O)[O-]", CWC),
    Pattern(Danger.AGENT, "perfluoroisobutene", "FC(F)=C(C(F)(F)F)C(F)(F)F", CWC),
    Pattern(
        Danger.AGENT,
        "skeleton of saxitoxin",
        "[#6]1~[#7]~[#6](~[#7])~[#7]2~[#6]~[#6]~[#6](~[#8])~[#6]23~[#7]~[#6](~[#7])~[#7]~[#6]13",
        CWC,
    ),
    Pattern(
        Danger.AGENT,
        "fluoroacetic acid or what becomes it",
        "[F][CH2][$(C(=O)[OX2,OX1-,NX3]),$([CH2][OX2H1])]",
        "WHO classification of pesticides by hazard, class Ia",
    ),
    Pattern(Danger.AGENT, "caged phosphate", "[P]12(=[O,S])OCC(CO1)CO2", "doi:10.1126/science.182.4117.1135"),
    Pattern(
        Danger.AGENT,
        "tetrachlorodibenzodioxin or furan",
        "c1ccc2c(c1)Oc1ccccc1[$(O),$(c)]2.[$(Clc)].[$(Clc)].[$(Clc)].[$(Clc)]",
        "Stockholm Convention on Persistent Organic Pollutants, annex C",
    ),
    # narcotics, psychotropics, precursors
    Pattern(
        Danger.CONTROLLED, "4-anilidopiperidine (fentanyls)", "C(=O)N(a)[#6]1[#6][#6][#7][#6][#6]1", NARCOTIC
    ),
    Pattern(
        Danger.CONTROLLED,
        "4-anilinopiperidine with phenethyl",
        "[NX3;H1](a)[#6]1[#6][#6]N(CCa)[#6][#6]1",
        PRECURSOR,
    ),
    Pattern(Danger.CONTROLLED, "N-phenethylpiperidone", "O=C1CCN(CCa)CC1", PRECURSOR),
    Pattern(
        Danger.CONTROLLED,
        "morphinan",
        "[#6]1~[#6]~[#6]~[#6]23~[#6]~[#6]~[#7]~[#6](~[#6]~2~[#6]~1)~[#6]~c~1~c~c~c~c~c~1~3",
        NARCOTIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "benzimidazole opioid (nitazenes)",
        _AMINE + "CCn1c(Cc2ccccc2)nc2ccccc12",
        NARCOTIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "tropane with two esters (cocaine)",
        "[#6]OC(=O)C1C(OC(=O)[#6])CC2CCC1[#7]2",
        NARCOTIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "phenylpiperidine with an ester (pethidines)",
        "c1ccccc1C1([$(C(=O)O),$(OC(=O))])CC[#7]CC1",
        NARCOTIC,
    ),
    Pattern(
        Danger.CONTROLLED, "diphenylheptanone (methadones)", "c1ccccc1C(c1ccccc1)(C(=O)CC)CC([#7])", NARCOTIC
    ),
    Pattern(
        Danger.CONTROLLED,
        "phenyl-2-aminopropane (amphetamines)",
        "[CH3][CX4;!$(C(=O))]([CH2]c1ccccc1)" + _AMINE,
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "2-aminopropiophenone (cathinones)",
        "c1ccccc1C(=O)[CX4;H1]([CX4])" + _AMINE,
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED, "2,5-dimethoxyphenethylamine", _AMINE + "CCc1c(O[#6])ccc(O[#6])c1", PSYCHOTROPIC
    ),
    Pattern(
        Danger.CONTROLLED,
        "3,4,5-trialkoxyphenethylamine (mescaline)",
        _AMINE + "CCc1cc(O[#6])c(O[#6])c(O[#6])c1",
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "dialkyltryptamine",
        _AMINE[:-1] + ";$(N([CX4])[CX4])]CCc1c[n]c2ccccc12",
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "lysergic acid and amides",
        "[#6](=O)[#6]1[#6][#7][#6]2[#6]c3c[n]c4cccc(c34)[#6]2=[#6]1",
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "arylcyclohexylamine",
        _AMINE + "[CX4]1(a)CCCC[#6]1",
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "5-phenyl-1,4-benzodiazepine",
        "c1ccccc1C2=[#7][#6][#6](~[#7,#8,#16])~[#7]c3aaaac23",
        PSYCHOTROPIC,
    ),
    Pattern(Danger.CONTROLLED, "barbiturate", "O=C1[#7]C(=[O,S])[#7]C(=O)C1([#6])[#6]", PSYCHOTROPIC),
    Pattern(
        Danger.CONTROLLED,
        "3-carbonylindole or indazole with an alkyl chain (cannabinoids)",
        "[CX4][CX4][CX4][$([CX4]),$([#6]F)]n1[c,n]c(C=O)c2ccccc12",
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "benzochromenol (tetrahydrocannabinols)",
        "c1cc([#8])c2c(c1)OC([#6])([#6])[#6]1[#6][#6][#6]~[#6]~[#6]21",
        PSYCHOTROPIC,
    ),
    Pattern(Danger.CONTROLLED, "methaqualone", "Cc1nc2ccccc2c(=O)n1-c1ccccc1", PSYCHOTROPIC),
    Pattern(
        Danger.CONTROLLED,
        "4-hydroxybutanoic acid or lactone",
        "[$([OX2H1][CH2][CH2][CH2]C(=O)[OX2H1,OX1-]),$([CH2]1[CH2][CH2]OC1=O)]",
        PSYCHOTROPIC,
    ),
    Pattern(
        Danger.CONTROLLED,
        "phenylpropanolamine (ephedrines)",
        "[CH3][CX4;H1]([CX4;H1]([OX2H1])c1ccccc1)" + _AMINE,
        PRECURSOR,
    ),
    Pattern(Danger.CONTROLLED, "phenylacetone", "[CH3]C(=O)[CH2]c1ccccc1", PRECURSOR),
    Pattern(
        Danger.CONTROLLED,
        "safrole, isosafrole or piperonal",
        "[CH2]1Oc2ccc([$([CH2][CH]=[CH2]),$([CH]=[CH][CH3]),$([CH]=O)])cc2O1",
        PRECURSOR,
    ),
    Pattern(
        Danger.CONTROLLED,
        "17-hydroxyandrostane (anabolic steroids)",
        "[CH3]C12CC[#6]3[#6]([#6][#6][#6]4~[#6]~[#6](=O)~[#6]~[#6]~[#6]34)[#6]1CC[CX4;!$(CC=O)]2[OX2]",
        "WADA prohibited list, class S1",
    ),
)

JUDGED_ELEMENTS = frozenset(
    [
        "H",
        "Li",
        "B",
        "C",
        "N",
        "O",
        "F",
        "Na",
        "Mg",
        "Al",
        "Si",
        "P",
        "S",
        "Cl",
        "K",
        "Ca",
        "Zn",
        "Se",
        "Br",
        "I",
    ]
)
"""Elements that the patterns were written for; a molecule with another is not judged."""

POISONOUS_ELEMENTS = frozenset(["Be", "As", "Cd", "Os", "Hg", "Tl", "Pb"])
"""Elements whose compounds are poisonous as a class.

References:
    GHS harmonised classification, annex VI of regulation (EC) 1272/2008.
"""

LAST_STABLE = 83
"""Atomic number above which no element has a stable isotope."""

MOST_ATOMS = 150
"""Heavy atoms of the largest molecule that is judged; toxins of proteins are no matter of patterns."""
