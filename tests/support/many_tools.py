"""Three hundred made-up tools, and questions to which one of them, or a few, is the answer."""

from itertools import product

from novum.core.calls import PropertySpec, ToolSpec

SUBJECTS = {
    "molecule": ("smiles", "an organic molecule"),
    "polymer": ("repeat_unit", "a polymer from its repeat unit"),
    "crystal": ("structure", "a crystal from its unit cell"),
    "alloy": ("composition", "a metallic alloy"),
    "protein": ("sequence", "a protein from its sequence"),
    "electrolyte": ("mixture", "a battery electrolyte"),
    "catalyst": ("surface_slab", "a heterogeneous catalyst"),
    "membrane": ("film", "a separation membrane"),
    "glass": ("oxides", "an oxide glass"),
    "ionic_liquid": ("ions", "an ionic liquid"),
    "adhesive": ("formulation", "an adhesive"),
    "perovskite": ("sites", "a halide perovskite"),
    "zeolite": ("framework", "a zeolite framework"),
    "pigment": ("dye", "a pigment or dye"),
    "lubricant": ("base_oil", "a lubricant"),
    "semiconductor": ("wafer", "a semiconductor wafer"),
    "hydrogel": ("network", "a hydrogel"),
    "fertiliser": ("blend", "a fertiliser"),
    "cement": ("clinker", "a cement paste"),
    "fuel": ("distillate", "a liquid fuel"),
}
QUANTITIES = {
    "melting_temperature": ("K", "Temperature at which the solid becomes liquid."),
    "density": ("g/cm**3", "Mass per volume at room temperature."),
    "viscosity": ("Pa*s", "Resistance to flow under shear."),
    "thermal_conductivity": ("W/(m*K)", "How well heat is conducted."),
    "band_gap": ("eV", "Energy between occupied and empty electronic states."),
    "solubility": ("mol/L", "Most that dissolves in water."),
    "hardness": ("GPa", "Resistance to indentation."),
    "refractive_index": ("1", "Ratio of the speeds of light; optical."),
    "permittivity": ("1", "Static dielectric constant relative to vacuum."),
    "diffusion_coefficient": ("m**2/s", "How fast particles spread by Brownian motion."),
    "surface_tension": ("N/m", "Free energy of the interface with air."),
    "heat_capacity": ("J/(mol*K)", "Heat taken up per degree."),
    "toxicity": ("mg/kg", "Lethal dose in rats by mouth."),
    "vapour_pressure": ("Pa", "Pressure of the vapour in equilibrium, volatility."),
    "shelf_life": ("day", "Time until it has degraded in storage."),
}
ASKED = {
    "melting_temperature": "When it is heated, at which point does the {} melt?",
    "density": "How dense is the {}, in grams per volume?",
    "viscosity": "How viscous is the {} when it flows?",
    "thermal_conductivity": "Does the {} conduct heat well?",
    "band_gap": "What is the electronic gap of the {}?",
    "solubility": "How much of the {} is soluble in water?",
    "hardness": "How hard is the {} against an indenter?",
    "refractive_index": "How strongly does the {} refract light?",
    "permittivity": "What dielectric constant does the {} have?",
    "diffusion_coefficient": "How fast do particles diffuse in the {}?",
    "surface_tension": "How large is the tension of the surface of the {}?",
    "heat_capacity": "How much heat does the {} take up per kelvin?",
    "toxicity": "Is the {} toxic to rats?",
    "vapour_pressure": "How volatile is the {}?",
    "shelf_life": "How long can the {} be stored before it degrades?",
}
PARAPHRASED = {
    "density": "What does a bottle of {} weigh?",
    "viscosity": "Is the {} easy to pour?",
    "band_gap": "Which photons can the {} absorb?",
    "toxicity": "Is it safe to swallow the {}?",
    "vapour_pressure": "Does the {} smell?",
}


def name_of(subject: str, quantity: str) -> str:
    """Return the name of the tool for a quantity of a subject."""
    return f"lab.{subject}.{quantity}"


def many_tools() -> list[ToolSpec]:
    """Return the three hundred."""
    return [
        ToolSpec(
            name=name_of(subject, quantity),
            version="1",
            description=f"{told} Computed for {what}.",
            entry="lab:run",
            parameters={
                "type": "object",
                "properties": {
                    argument: {"type": "string", "description": f"{what}, in the usual notation"},
                    "temperature": {"type": "number", "x-unit": "K", "description": "of the sample"},
                },
                "required": [argument],
            },
            properties=(PropertySpec(name=quantity, unit=unit, description=told),),
            method="made up",
            nominal_cost_s=1 + len(subject),
        )
        for (subject, (argument, what)), (quantity, (unit, told)) in product(
            SUBJECTS.items(), QUANTITIES.items()
        )
    ]


def questions() -> dict[str, str]:
    """Return a question for each of them: question → the tool that answers it."""
    return {
        asked.format(subject.replace("_", " ")): name_of(subject, quantity)
        for subject, (quantity, asked) in product(SUBJECTS, ASKED.items())
    }


def paraphrases() -> dict[str, str]:
    """Return questions in which the quantity has none of its own words."""
    return {
        asked.format(subject.replace("_", " ")): name_of(subject, quantity)
        for subject, (quantity, asked) in product(SUBJECTS, PARAPHRASED.items())
    }
