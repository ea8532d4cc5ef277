"""Collections of structural alerts, read when this module is imported: a sandbox does so before its calls."""

from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams


def _collection(name: str) -> FilterCatalog:
    parameters = FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
    return FilterCatalog(parameters)


COLLECTIONS = {name: _collection(name) for name in ("PAINS", "BRENK", "NIH")}
