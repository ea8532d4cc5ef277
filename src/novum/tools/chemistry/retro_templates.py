"""Reactions that the synthesis planner knows, each written twice: backwards to plan, forwards to check.

The two directions are separate patterns. Backwards says where a bond may be cut and what to buy instead;
forwards says what the reagents do to those precursors, wherever they can. A step counts only if the second
gives the product of the first.

References:
    Families of reactions in medicinal chemistry: doi:10.1021/acs.jmedchem.5b01409, doi:10.1021/jm200187y.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """One reaction of two directions."""

    name: str
    family: str
    retro: str
    """Product >> precursors, as reaction SMARTS."""
    forward: str
    """Precursors in the same order >> product."""
    reagents: str
    """Usual reagents, for people; they are no part of the check."""
    cost: float = 1.0
    """How much is asked of a chemist, where a plain coupling is 1: a judgement of ours, no measurement."""
    spoilt_by: str = ""
    """SMARTS of groups that the reagents attack too; precursors that hold one are refused."""
    racemises: bool = False
    """Whether stereo at the atom mapped 3 is lost; such an atom is not cut where its stereo is stated."""


_N = "[NX3;+0;!$(N-[C,S]=[O,N,S]);!$(N-[#7,#8])"
"""An amine nitrogen; closed by the caller."""

_BORON = "[BX3]([OX2])[OX2]"
_PPH3 = "P(c1ccccc1)(c1ccccc1)c1ccccc1"
_PPH3_PLUS = "[P+](c1ccccc1)(c1ccccc1)c1ccccc1"
_POOR_RING = "[c;$(c:n),$(c:c:c:n)"
"""A ring carbon next to, or across from, a ring nitrogen."""
_NITRO_RING = "[c;$(c:c[N+](=O)[O-]),$(c:c:c:c[N+](=O)[O-])"
_NUCLEOPHILES = "[$([NX3;!H0;!$(N-[C,S]=O)]),$([SX2H1])]"
_PROTIC = "[$([OX2,SX2;H1]),$([NX3;!H0])]"
_DONOR = "[$([OX2]),$([NX3;+0]),$([CX4;!$(C(F)(F)F)]),F,Cl,Br,I]"
_DIRECTED = f"$(c:c-!@{_DONOR}),$(c:c:c:c-!@{_DONOR}),$(c1[cH][cH][cH][cH][cH]1)"
"""A ring carbon ortho or para to a group that directs there, or of a bare benzene ring."""
_WITHDRAWS = "[c,$([CX3]=[O,N]),$([CX2]#N);!$([CX3]([OX2H1])=O)"

TEMPLATES: tuple[Template, ...] = (
    # acyl and sulfonyl transfer
    Template(
        "amide coupling",
        "acylation",
        "[#6:4][CX3:1](=[O:2])!@[NX3;+0;!$(N(C=O)[C,S]=O);!$(N-[#8]):3]>>[#6:4][C:1](=[O:2])O.[N:3]",
        "[#6:4][CX3:1](=[O:2])[OX2H1].[NX3;!H0;!$(N-[C,S]=[O,N,S]);!$(N-O):3]>>[#6:4][C:1](=[O:2])[N:3]",
        "HATU or EDC with HOBt, base, DMF",
        0.8,
    ),
    Template(
        "esterification",
        "acylation",
        "[#6:4][CX3:1](=[O:2])!@[OX2:3][#6;!$(C=[O,N,S]):5]>>[#6:4][C:1](=[O:2])O.[O:3][#6:5]",
        "[#6:4][CX3:1](=[O:2])[OX2H1].[OX2H1:3][#6;!$(C=[O,N,S]):5]>>[#6:4][C:1](=[O:2])[O:3][#6:5]",
        "acid catalyst, or DCC with DMAP",
    ),
    Template(
        "acetylation with acetic anhydride",
        "acylation",
        "[CH3][CX3](=O)!@[O,N;X2,X3;!$([O,N](C=O)C=O):1][#6;!$(C=O):2]>>CC(=O)OC(C)=O.[*:1][#6:2]",
        "[CH3][CX3](=O)[OX2][CX3](=O)[CH3].[OX2H1,NX3;!H0;!$(N-C=O):1][#6;!$(C=O):2]>>[CH3]C(=O)[*:1][#6:2]",
        "acetic anhydride, acid or pyridine",
        0.7,
    ),
    Template(
        "sulfonamide formation",
        "sulfonylation",
        "[#6:4][SX4:1](=[O:2])(=[O:5])!@[NX3:3]>>[#6:4][S:1](=[O:2])(=[O:5])Cl.[N:3]",
        "[#6:4][SX4:1](=[O:2])(=[O:5])Cl.[NX3;!H0;!$(N-[C,S]=[O,N,S]):3]>>[#6:4][S:1](=[O:2])(=[O:5])[N:3]",
        "pyridine or triethylamine",
        0.8,
    ),
    Template(
        "sulfonate ester formation",
        "sulfonylation",
        "[#6:4][SX4:1](=[O:2])(=[O:5])!@[OX2:3][#6:6]>>[#6:4][S:1](=[O:2])(=[O:5])Cl.[O:3][#6:6]",
        "[#6:4][SX4:1](=[O:2])(=[O:5])Cl.[OX2H1:3][#6;!$(C=O):6]>>[#6:4][S:1](=[O:2])(=[O:5])[O:3][#6:6]",
        "pyridine",
    ),
    Template(
        "urea from isocyanate",
        "acylation",
        "[NX3;H1:1]([#6:5])!@[CX3:2](=[O:4])!@[NX3:3]>>[N:1]([#6:5])=[C:2]=[O:4].[N:3]",
        "[NX2:1]([#6:5])=[CX2:2]=[O:4].[NX3;!H0;!$(N-[C,S]=[O,N,S]):3]>>[N:1]([#6:5])[C:2](=[O:4])[N:3]",
        "dichloromethane, room temperature",
    ),
    Template(
        "carbamate from isocyanate",
        "acylation",
        "[NX3;H1:1]([#6:5])!@[CX3:2](=[O:4])!@[OX2:3][#6:6]>>[N:1]([#6:5])=[C:2]=[O:4].[O:3][#6:6]",
        "[NX2:1]([#6:5])=[CX2:2]=[O:4].[OX2H1:3][#6;!$(C=O):6]>>[N:1]([#6:5])[C:2](=[O:4])[O:3][#6:6]",
        "triethylamine, toluene",
    ),
    Template(
        "acyl chloride formation",
        "functional group",
        "[#6:3][CX3:1](=[O:2])Cl>>[#6:3][C:1](=[O:2])O",
        "[#6:3][CX3:1](=[O:2])[OX2H1]>>[#6:3][C:1](=[O:2])Cl",
        "oxalyl chloride, catalytic DMF",
        0.7,
        spoilt_by=_NUCLEOPHILES[:-1] + ",$([OX2H1;!$(OC=O)])]",
    ),
    # carbon-carbon bonds by a metal
    Template(
        "Suzuki coupling of aryls",
        "cross-coupling",
        "[c:1]!@-[c:2]>>[c:1]Br.[c:2]B(O)O",
        "[c:1][Br,I].[c:2]" + _BORON + ">>[c:1]-[c:2]",
        "Pd(dppf)Cl2, K2CO3, dioxane with water, 90 °C",
    ),
    Template(
        "Suzuki coupling with an alkenyl boronic acid",
        "cross-coupling",
        "[c:1]!@-[CX3;$(C=C):2]>>[c:1]Br.[C:2]B(O)O",
        "[c:1][Br,I].[CX3:2]" + _BORON + ">>[c:1]-[C:2]",
        "Pd(PPh3)4, K2CO3, dioxane with water",
        1.2,
    ),
    Template(
        "Heck reaction",
        "cross-coupling",
        "[c:1]!@[CX3;H1:2]=!@[CX3;H1:3]!@" + _WITHDRAWS + ":4]>>[c:1]Br.[C:2]=[C:3][*:4]",
        "[c:1][Br,I].[CX3;H2:2]=[CX3;H1:3][c,$([CX3]=[O,N]),$([CX2]#N):4]>>[c:1]/[C:2]=[C:3]/[*:4]",
        "Pd(OAc)2, phosphine, triethylamine, 100 °C",
        1.2,
    ),
    Template(
        "Sonogashira coupling",
        "cross-coupling",
        "[c:1]!@[CX2:2]#[CX2:3]>>[c:1]I.[C:2]#[C:3]",
        "[c:1][Br,I].[CX2;H1:2]#[CX2:3]>>[c:1][C:2]#[C:3]",
        "PdCl2(PPh3)2, CuI, triethylamine",
    ),
    Template(
        "Buchwald-Hartwig amination",
        "cross-coupling",
        "[c:1]!@" + _N + ":2]>>[c:1]Br.[N:2]",
        "[c:1][Br,I].[NX3;!H0;!$(N-[C,S]=[O,N,S]):2]>>[c:1][N:2]",
        "Pd2(dba)3, biaryl phosphine, NaOtBu, toluene, 100 °C",
        1.3,
    ),
    Template(
        "Ullmann coupling of an azole",
        "cross-coupling",
        "[c:1]!@[n:2]>>[c:1]I.[nH:2]",
        "[c:1][I,Br].[nH:2]>>[c:1][n:2]",
        "CuI, diamine ligand, K3PO4",
        1.4,
    ),
    Template(
        "cyanation of an aryl bromide",
        "cross-coupling",
        "[c:1]-[CX2]#[NX1]>>[c:1]Br",
        "[c:1][Br,I]>>[c:1]C#N",
        "Zn(CN)2, Pd catalyst, DMF",
        1.3,
    ),
    Template(
        "borylation of an aryl bromide",
        "functional group",
        "[c:1]B(O)O>>[c:1]Br",
        "[c:1][Br,I]>>[c:1]B(O)O",
        "n-BuLi and B(OiPr)3, or B2pin2 with Pd, then hydrolysis",
        1.0,
    ),
    # substitution
    Template(
        "SNAr at a nitroarene by an amine",
        "substitution",
        _NITRO_RING + ":1]!@" + _N + ":2]>>[c:1]F.[N:2]",
        _NITRO_RING + ":1][F,Cl].[NX3;!H0;!$(N-[C,S]=[O,N,S]):2]>>[c:1][N:2]",
        "K2CO3, DMSO, 80 °C",
        0.8,
    ),
    Template(
        "SNAr at an azine by an amine",
        "substitution",
        _POOR_RING + ":1]!@" + _N + ":2]>>[c:1]Cl.[N:2]",
        _POOR_RING + ":1][F,Cl].[NX3;!H0;!$(N-[C,S]=[O,N,S]):2]>>[c:1][N:2]",
        "DIPEA, alcohol or DMSO, heat",
        0.9,
    ),
    Template(
        "SNAr at a nitroarene by an alcohol or phenol",
        "substitution",
        _NITRO_RING + ":1]!@[OX2:2][#6;!$(C=O):3]>>[c:1]F.[O:2][#6:3]",
        _NITRO_RING + ":1][F,Cl].[OX2H1:2][#6;!$(C=O):3]>>[c:1][O:2][#6:3]",
        "K2CO3 or NaH, DMF",
        0.9,
    ),
    Template(
        "SNAr at an azine by an alcohol or phenol",
        "substitution",
        _POOR_RING + ":1]!@[OX2:2][#6;!$(C=O):3]>>[c:1]Cl.[O:2][#6:3]",
        _POOR_RING + ":1][F,Cl].[OX2H1:2][#6;!$(C=O):3]>>[c:1][O:2][#6:3]",
        "NaH, DMF",
        1.0,
    ),
    Template(
        "alkylation of a phenol",
        "substitution",
        "[c:2][OX2:1]!@[CX4;H2,H3:3]>>[c:2][O:1].[C:3]Br",
        "[c:2][OX2H1:1].[CX4;H2,H3:3][Br,I,Cl]>>[c:2][O:1][C:3]",
        "K2CO3, acetone or DMF",
        0.8,
    ),
    Template(
        "alkylation of an alcohol",
        "substitution",
        "[CX4;!$(C(O)O):2][OX2:1]!@[CX4;H2,H3;$([CH3]),$(C[c,$(C=C)]):3]>>[C:2][O:1].[C:3]Br",
        "[CX4:2][OX2H1:1].[CX4;H2,H3:3][Br,I,Cl]>>[C:2][O:1][C:3]",
        "NaH, THF",
    ),
    Template(
        "Mitsunobu reaction",
        "substitution",
        "[c:2][OX2:1]!@[CX4;H1;$(C([#6])[#6]):3]>>[c:2][O:1].[C:3]O",
        "[c:2][OX2H1:1].[CX4;H1:3][OX2H1]>>[c:2][O:1][C:3]",
        "PPh3, DIAD, THF",
        1.3,
        racemises=True,
    ),
    Template(
        "alkylation of an amine",
        "substitution",
        _N + ":1]!@[CX4;H2,H3:2]>>[N:1].[C:2]Br",
        "[NX3;!H0;!$(N-[C,S]=[O,N,S]):1].[CX4;H2,H3:2][Br,I,Cl]>>[N:1][C:2]",
        "K2CO3 or DIPEA, acetonitrile",
    ),
    Template(
        "alkylation of an amine by a chloroacetyl compound",
        "substitution",
        _N + ":1]!@[CX4;H2:2][CX3:3]=[O:4]>>[N:1].[C:2](Cl)[C:3]=[O:4]",
        "[NX3;!H0;!$(N-[C,S]=[O,N,S]):1].[CX4;H2:2]([Cl,Br])[CX3:3]=[O:4]>>[N:1][C:2][C:3]=[O:4]",
        "excess of the amine, toluene",
        0.8,
    ),
    Template(
        "opening of an epoxide by an amine",
        "substitution",
        _N + ":1]!@[CX4;H2:2]!@[CX4;H1:3][OX2H1:4]>>[N:1].[C:2]1[C:3][O:4]1",
        "[NX3;!H0;!$(N-[C,S]=[O,N,S]):1].[CX4;H2:2]1[CX4;H1:3][O:4]1>>[N:1][C:2][C:3][O:4]",
        "excess of the amine, alcohol, heat",
        0.9,
    ),
    Template(
        "alkylation of an azole",
        "substitution",
        "[n:1]!@[CX4;H2,H3:2]>>[nH:1].[C:2]Br",
        "[nH:1].[CX4;H2,H3:2][Br,I,Cl]>>[n:1][C:2]",
        "Cs2CO3 or NaH, DMF",
    ),
    Template(
        "alkylation of an amide",
        "substitution",
        "[NX3;$(N-C=O);!$(N(C=O)C=O):1]!@[CX4;H2,H3:2]>>[N:1].[C:2]Br",
        "[NX3;H1;$(N-C=O):1].[CX4;H2,H3:2][Br,I,Cl]>>[N:1][C:2]",
        "NaH, DMF",
        1.2,
    ),
    Template(
        "alkylation of a thiol",
        "substitution",
        "[#6:2][SX2:1]!@[CX4;H2,H3:3]>>[#6:2][S:1].[C:3]Br",
        "[#6:2][SX2H1:1].[CX4;H2,H3:3][Br,I,Cl]>>[#6:2][S:1][C:3]",
        "K2CO3, DMF",
        0.8,
    ),
    Template(
        "azide from an alkyl bromide",
        "substitution",
        "[CX4;H2:1][NX2]=[NX2+]=[NX1-]>>[C:1]Br",
        "[CX4;H2:1][Br,I,Cl]>>[C:1][N]=[N+]=[N-]",
        "sodium azide, DMF",
    ),
    Template(
        "nitrile from an alkyl bromide",
        "substitution",
        "[CX4;H2:1][CX2]#[NX1]>>[C:1]Br",
        "[CX4;H2:1][Br,I,Cl]>>[C:1]C#N",
        "sodium cyanide, DMSO",
    ),
    Template(
        "reductive amination of an aldehyde",
        "reductive amination",
        _N + ":1]!@[CX4;H2:2][#6:3]>>[N:1].[C:2](=O)[#6:3]",
        "[NX3;!H0;!$(N-[C,S]=[O,N,S]):1].[CX3;H1:2](=[OX1])[#6:3]>>[N:1][C:2][#6:3]",
        "NaBH(OAc)3, dichloroethane",
        0.9,
    ),
    Template(
        "reductive amination of a ketone",
        "reductive amination",
        _N + ":1]!@[CX4;H1:3]([#6:2])[#6:4]>>[N:1].[C:3](=O)([#6:2])[#6:4]",
        "[NX3;!H0;!$(N-[C,S]=[O,N,S]):1].[CX3:3](=[OX1])([#6:2])[#6:4]>>[N:1][C:3]([#6:2])[#6:4]",
        "NaBH(OAc)3, acetic acid",
        1.0,
        racemises=True,
    ),
    # carbonyl chemistry
    Template(
        "Wittig reaction",
        "olefination",
        "[CX3;H1;$(C[#6]):1]=!@[CX3;H1,H2:2]>>[C:1]=O.[C:2]" + _PPH3_PLUS,
        "[CX3;H1:1]=[OX1].[CX4;H2,H3:2][P+](c)(c)c>>[C:1]=[C:2]",
        "strong base, THF",
        1.3,
    ),
    Template(
        "phosphonium salt formation",
        "functional group",
        "[CX4;H2,H3:1]" + _PPH3_PLUS + ">>[C:1]Br." + _PPH3,
        "[CX4;H2,H3:1][Br,I,Cl].[PX3:2](c1ccccc1)(c1ccccc1)c1ccccc1>>[C:1]" + _PPH3_PLUS,
        "toluene, heat",
        0.7,
    ),
    Template(
        "Horner-Wadsworth-Emmons reaction",
        "olefination",
        "[#6:5][CX3;H1:1]=!@[CX3;H1:2]!@[CX3:3](=[O:4])[OX2][CH2][CH3]"
        ">>[#6:5][C:1]=O.CCOP(=O)(OCC)[C:2][C:3](=[O:4])OCC",
        "[#6:5][CX3;H1:1]=[OX1].P(=O)(OCC)(OCC)[CH2:2][CX3:3](=[O:4])OCC"
        ">>[#6:5]/[C:1]=[C:2]/[C:3](=[O:4])OCC",
        "NaH, THF",
    ),
    Template(
        "aldol condensation",
        "condensation",
        "[#6:5][CX3:1](=[O:2])!@[CX3;H1:3]=!@[CX3;H1:4]!@[c:6]>>[#6:5][C:1](=[O:2])[C:3].[C:4](=O)[c:6]",
        "[#6:5][CX3:1](=[O:2])[CH3:3].[CX3;H1:4](=O)[c:6]>>[#6:5][C:1](=[O:2])/[C:3]=[C:4]/[c:6]",
        "NaOH, ethanol",
        0.9,
    ),
    Template(
        "aldol addition",
        "condensation",
        "[#6:5][CX3:1](=[O:2])!@[CX4;H2:3]!@[CX4;H1:4]([OX2H1:7])[#6:6]"
        ">>[#6:5][C:1](=[O:2])[C:3].[C:4](=[O:7])[#6:6]",
        "[#6:5][CX3:1](=[O:2])[CH3:3].[CX3;H1:4](=[O:7])[#6:6]>>[#6:5][C:1](=[O:2])[C:3][C:4]([O:7])[#6:6]",
        "LDA, THF, -78 °C",
        1.3,
        spoilt_by=_PROTIC,
    ),
    Template(
        "Knoevenagel condensation",
        "condensation",
        "[#6:5][CX3;H1:1]=!@[CX3:2]([C:3]#[N:6])[C:4]>>[#6:5][C:1]=O.[C:2]([C:3]#[N:6])[C:4]",
        "[#6:5][CX3;H1:1]=O.[CX4;H2:2]([C:3]#[N:6])[$(C#N),$(C=O):4]>>[#6:5][C:1]=[C:2]([C:3]#[N:6])[*:4]",
        "piperidine, ethanol",
        0.9,
    ),
    Template(
        "Claisen condensation",
        "condensation",
        "[#6:6][CX3:3](=[O:8])!@[CH2:4]!@[CX3:5](=[O:9])[#6:7]"
        ">>[#6:6][C:3](=[O:8])[C:4].CCO[C:5](=[O:9])[#6:7]",
        "[#6:6][CX3:3](=[O:8])[CH3:4].[OX2]([CH2][CH3])[CX3:5](=[O:9])[#6:7]"
        ">>[#6:6][C:3](=[O:8])[C:4][C:5](=[O:9])[#6:7]",
        "NaOMe or NaH, MTBE",
        1.0,
    ),
    Template(
        "Grignard addition to an aldehyde or ketone",
        "addition",
        "[#6;$([c]),$([CX4]):1]!@[CX4;$(C[OX2H1]);!$(C(O)[O,N]):3][OX2H1:4]>>[#6:1][Mg]Br.[C:3]=[O:4]",
        "[#6:1][Mg]Br.[CX3;$([CH1][#6]),$([CH0]([#6])[#6]):3]=[O:4]>>[#6:1][C:3][O:4]",
        "THF, 0 °C",
        1.1,
        racemises=True,
        spoilt_by=_PROTIC,
    ),
    Template(
        "Grignard reagent formation",
        "functional group",
        "[#6:1][Mg]Br>>[#6:1]Br",
        "[#6;$(c),$([CX4]):1]Br>>[#6:1][Mg]Br",
        "magnesium, THF",
        0.6,
        spoilt_by=_PROTIC[:-1] + ",$([CX3]=[OX1]),$(C#N),$([NX3+](=O)[O-]),$(S(=O)=O)]",
    ),
    Template(
        "Friedel-Crafts acylation",
        "substitution",
        "[c;" + _DIRECTED + ":1]!@[CX3:2](=[O:3])[#6:4]>>[cH:1].[C:2](=[O:3])([#6:4])Cl",
        "[cH;" + _DIRECTED + ":1].[CX3:2](=[O:3])([#6:4])Cl>>[c:1][C:2](=[O:3])[#6:4]",
        "AlCl3, dichloromethane",
        1.2,
    ),
    # ring formation
    Template(
        "copper-catalysed azide-alkyne cycloaddition",
        "click",
        "[#6:5][c:1]1[cH:2][n:3]([#6:6])[n:4][n:7]1>>[#6:5][C:1]#[C:2].[#6:6][N:3]=[N+:4]=[N-:7]",
        "[#6:5][CX2:1]#[CX2;H1:2].[#6:6][NX2:3]=[NX2+:4]=[NX1-:7]"
        ">>[#6:5][c:1]1[cH:2][n:3]([#6:6])[n;+0:4][n;+0:7]1",
        "CuSO4, sodium ascorbate, tBuOH with water",
        0.8,
    ),
    Template(
        "Knorr pyrazole synthesis",
        "ring formation",
        "[#6:9][n:1]1[n:2][c:3]([#6:6])[cH:4][c:5]1[#6:7]"
        ">>[#6:9][N:1][N:2].[#6:6][C:3](=O)[C:4][C:5](=O)[#6:7]",
        "[#6:9][NX3;H1:1][NX3;H2:2].[#6:6][CX3:3](=O)[CX4;H2:4][CX3:5](=O)[#6:7]"
        ">>[#6:9][n:1]1[n:2][c:3]([#6:6])[cH:4][c:5]1[#6:7]",
        "ethanol, acid, heat",
        1.1,
    ),
    Template(
        "Paal-Knorr pyrrole synthesis",
        "ring formation",
        "[#6:1][n:2]1[c:3]([#6:7])[cH:4][cH:5][c:6]1[#6:8]"
        ">>[#6:1][N:2].[#6:7][C:3](=O)[C:4][C:5][C:6](=O)[#6:8]",
        "[#6:1][NX3;H2:2].[#6:7][CX3:3](=O)[CH2:4][CH2:5][CX3:6](=O)[#6:8]"
        ">>[#6:1][n:2]1[c:3]([#6:7])[cH:4][cH:5][c:6]1[#6:8]",
        "acetic acid, heat",
        1.0,
    ),
    Template(
        "Hantzsch thiazole synthesis",
        "ring formation",
        "[#6:6][c:1]1[cH:2][s:3][c:4]([#6,#7:7])[n:5]1>>[#6:6][C:1](=O)[C:2]Br.[S:3]=[C:4]([*:7])[N:5]",
        "[#6:6][CX3:1](=O)[CX4;H2:2][Br,Cl].[SX1:3]=[CX3:4]([#6,#7:7])[NX3;H2:5]"
        ">>[#6:6][c:1]1[cH:2][s:3][c:4]([*:7])[n:5]1",
        "ethanol, heat",
        1.0,
    ),
    Template(
        "benzimidazole from a diamine and an acid",
        "ring formation",
        "[#6:1][c:2]1[nH:3][c:4][c:5][n:6]1>>[#6:1][C:2](=O)O.[N:3][c:4][c:5][N:6]",
        "[#6:1][CX3:2](=O)[OX2H1].[NH2:3][c:4][c:5][NH2:6]>>[#6:1][c:2]1[nH:3][c:4][c:5][n:6]1",
        "polyphosphoric acid or 4 M HCl, heat",
        1.1,
    ),
    Template(
        "Diels-Alder reaction",
        "ring formation",
        "[C:1]1[C:2]=[C:3][C:4][C:5][C:6]1>>[C:1]=[C:2][C:3]=[C:4].[C:5]=[C:6]",
        "[C:1]=[C:2]-[C:3]=[C:4].[C:5]=[C;$(C[$(C=O),$(C#N)]):6]>>[C:1]1[C:2]=[C:3][C:4][C:5][C:6]1",
        "toluene, heat, or Lewis acid",
        1.3,
    ),
    # functional groups
    Template(
        "reduction of a nitroarene",
        "reduction",
        "[c:1][NX3;H2:2]>>[c:1][N+:2](=O)[O-]",
        "[c:1][NX3+:2](=O)[O-]>>[c:1][N;+0:2]",
        "H2 with Pd/C, or Fe with NH4Cl",
        0.7,
    ),
    Template(
        "nitration",
        "substitution",
        "[c;" + _DIRECTED + ":1][NX3+](=O)[O-]>>[cH:1]",
        "[cH;" + _DIRECTED + ":1]>>[c:1][N+](=O)[O-]",
        "HNO3, H2SO4",
        1.1,
    ),
    Template(
        "chlorosulfonation",
        "substitution",
        "[c;" + _DIRECTED + ":1][SX4](=O)(=O)Cl>>[cH:1]",
        "[cH;" + _DIRECTED + ":1]>>[c:1]S(=O)(=O)Cl",
        "chlorosulfonic acid",
        1.2,
        spoilt_by=_NUCLEOPHILES,
    ),
    Template(
        "bromination of an arene",
        "substitution",
        "[c;" + _DIRECTED + ":1]Br>>[cH:1]",
        "[cH;" + _DIRECTED + ":1]>>[c:1]Br",
        "NBS, or Br2 with a Lewis acid",
        1.2,
    ),
    Template(
        "reduction of a ketone",
        "reduction",
        "[CX4;H1:3]([#6:1])([#6:2])[OX2H1:4]>>[C:3]([#6:1])([#6:2])=[O:4]",
        "[CX3:3]([#6:1])([#6:2])=[O:4]>>[C:3]([#6:1])([#6:2])[O:4]",
        "NaBH4, methanol",
        0.7,
        racemises=True,
    ),
    Template(
        "reduction of an ester to an alcohol",
        "reduction",
        "[#6:1][CX4;H2:2][OX2H1:3]>>[#6:1][C:2](=O)[O:3]C",
        "[#6:1][CX3:2](=O)[OX2:3][CH3]>>[#6:1][C:2][O:3]",
        "LiAlH4, THF",
        0.9,
        spoilt_by="[$(C#N),$(NC=O),$([NX3+](=O)[O-]),$([CX3](=O)([#6])[#6])]",
    ),
    Template(
        "reduction of a nitrile to an amine",
        "reduction",
        "[#6:1][CX4;H2:2][NX3;H2:3]>>[#6:1][C:2]#[N:3]",
        "[#6:1][CX2:2]#[NX1:3]>>[#6:1][C:2][N:3]",
        "LiAlH4, or H2 with Raney nickel",
        0.9,
        spoilt_by="[$(C(=O)O),$(NC=O),$([NX3+](=O)[O-]),$([CX3](=O)([#6])[#6])]",
    ),
    Template(
        "oxidation of a primary alcohol to an aldehyde",
        "oxidation",
        "[#6:1][CX3;H1:2]=[OX1:3]>>[#6:1][C:2][O:3]",
        "[#6:1][CX4;H2:2][OX2H1:3]>>[#6:1][C:2]=[O:3]",
        "Dess-Martin periodinane or Swern",
        0.9,
        spoilt_by=_NUCLEOPHILES,
    ),
    Template(
        "oxidation of a secondary alcohol to a ketone",
        "oxidation",
        "[#6:1][CX3:2](=[OX1:3])[#6:4]>>[#6:1][C:2]([O:3])[#6:4]",
        "[#6:1][CX4;H1:2]([OX2H1:3])[#6:4]>>[#6:1][C:2](=[O:3])[#6:4]",
        "Dess-Martin periodinane or Swern",
        0.9,
        spoilt_by=_NUCLEOPHILES,
    ),
    Template(
        "oxidation of an aldehyde to an acid",
        "oxidation",
        "[#6:1][CX3:2](=[OX1:3])[OX2H1]>>[#6:1][C:2]=[O:3]",
        "[#6:1][CX3;H1:2]=[OX1:3]>>[#6:1][C:2](=[O:3])O",
        "NaClO2, NaH2PO4",
        0.8,
    ),
    Template(
        "hydrolysis of an ester",
        "deprotection",
        "[#6:1][CX3:2](=[OX1:3])[OX2H1:4]>>[#6:1][C:2](=[O:3])[O:4]CC",
        "[#6:1][CX3:2](=[OX1:3])[OX2:4][CX4;H2][CH3]>>[#6:1][C:2](=[O:3])[O:4]",
        "LiOH, THF with water",
        0.7,
    ),
    Template(
        "hydrolysis of a nitrile to an acid",
        "functional group",
        "[#6:1][CX3:2](=O)[OX2H1]>>[#6:1][C:2]#N",
        "[#6:1][CX2:2]#[NX1]>>[#6:1][C:2](=O)O",
        "aqueous acid or base, heat",
        1.0,
    ),
    Template(
        "bromide from an alcohol",
        "functional group",
        "[CX4;H2:1]([#6:2])Br>>[C:1]([#6:2])O",
        "[CX4;H2:1]([#6:2])[OX2H1]>>[C:1]([#6:2])Br",
        "PBr3, or CBr4 with PPh3",
        0.8,
        spoilt_by=_NUCLEOPHILES,
    ),
    Template(
        "hydrolysis of an anilide",
        "deprotection",
        "[c:1][NX3;H2:2]>>[c:1][N:2]C(C)=O",
        "[c:1][NX3;H1:2]C(=O)[CH3]>>[c:1][N:2]",
        "aqueous HCl, heat",
        0.8,
    ),
    Template(
        "Boc protection",
        "protection",
        "[NX3:1]!@C(=O)OC([CH3])([CH3])[CH3]>>[N:1]",
        "[NX3;!H0;!$(N-[C,S]=[O,N,S]):1]>>[N:1]C(=O)OC(C)(C)C",
        "Boc2O, triethylamine",
        0.6,
    ),
    Template(
        "Boc removal",
        "deprotection",
        "[NX3;H1,H2;!$(N-[C,S]=[O,N,S]);!$(N-[#7,#8]);!$(N-c);$(N[CX4]):1]>>[N:1]C(=O)OC(C)(C)C",
        "[NX3;$(N[CX4]):1]C(=O)OC([CH3])([CH3])[CH3]>>[N:1]",
        "TFA, dichloromethane",
        0.9,
    ),
    Template(
        "Cbz protection",
        "protection",
        "[NX3:1]!@C(=O)O[CH2]c1ccccc1>>[N:1]",
        "[NX3;!H0;!$(N-[C,S]=[O,N,S]):1]>>[N:1]C(=O)OCc1ccccc1",
        "CbzCl, NaHCO3",
        0.6,
    ),
    Template(
        "silylation of an alcohol",
        "protection",
        "[OX2:1]!@[Si]([CH3])([CH3])C([CH3])([CH3])[CH3]>>[O:1]",
        "[OX2H1;!$(O-C=O):1]>>[O:1][Si](C)(C)C(C)(C)C",
        "TBSCl, imidazole",
        0.6,
    ),
    Template(
        "demethylation of an anisole",
        "deprotection",
        "[c:1][OX2H1:2]>>[c:1][O:2]C",
        "[c:1][OX2:2][CH3]>>[c:1][O:2]",
        "BBr3, dichloromethane",
        1.1,
        spoilt_by="[$([#6][OX2][CX4]c),$([CX3](=O)[OX2][CX4])]",
    ),
)
