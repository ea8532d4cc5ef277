"""Versions of items as JSON-LD in the terms of W3C PROV, for those who know nothing of novum.

References:
    PROV-O, https://www.w3.org/TR/2013/REC-prov-o-20130430/
"""

from typing import Any

from novum.core.digest import digest
from novum.core.knowledge import EvidenceRole, ItemStatus, KnowledgeItem

CONTEXT: dict[str, Any] = {
    "prov": "http://www.w3.org/ns/prov#",
    "schema": "http://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "novum": "urn:novum:term:",
}

_ITEM = "urn:novum:item:"


def nodes(item: KnowledgeItem, recorded_at: str, sha256: str) -> list[dict[str, Any]]:
    """Return the nodes that say what a version is, what made it and who is accountable for it.

    Nodes of activities and agents come again with every version that they made; equal ones have the same
    ``@id``.
    """
    made, p = _version(item.id, item.version), item.provenance
    node: dict[str, Any] = {
        "@id": made,
        "@type": ["prov:Entity", "schema:PropertyValue"],
        "schema:identifier": item.id,
        "schema:version": str(item.version),
        "schema:description": item.text,
        "schema:about": {
            "@id": f"urn:novum:subject:{digest(item.subject)[:16]}",
            "schema:name": item.subject,
        },
        "schema:propertyID": item.relation,
        "schema:sha256": sha256,
        "prov:generatedAtTime": {"@type": "xsd:dateTime", "@value": recorded_at},
        "prov:specializationOf": {"@id": _ITEM + item.id},
        "novum:level": item.level.value,
        "novum:dataClass": item.data_class.value,
        "novum:domain": item.domain,
        "novum:origin": item.origin.value,
        "novum:negative": item.negative,
        "novum:status": item.status.value,
        "novum:access": item.access.value,
        "novum:confidence": item.confidence,
    }
    if item.value is not None:
        node["schema:value"] = item.value.value
        node["schema:unitText"] = item.value.unit
        if item.value.std is not None:
            node["novum:standardDeviation"] = item.value.std
    if item.version > 1:
        # In a list, since what it supersedes is of the same term.
        node["prov:wasRevisionOf"] = [{"@id": _version(item.id, item.version - 1)}]
    if item.status is ItemStatus.RETRACTED:
        node["prov:invalidatedAtTime"] = {"@type": "xsd:dateTime", "@value": recorded_at}
    for link in item.evidence:
        target = {"@id": _target(link.target)}
        node.setdefault(_TERMS.get(link.role, "prov:wasInfluencedBy"), []).append(target)
        node.setdefault(f"novum:{link.role.value}", []).append(target)
    if p.source:
        node["prov:hadPrimarySource"] = {
            "@id": f"urn:novum:source:{digest(p.source)[:16]}",
            "schema:name": p.source,
        }
    if p.licence:
        node["schema:license"] = p.licence
    found = [node]
    how = {"campaign": p.campaign, "tool": p.tool, "version": p.tool_version, "method": p.method}
    if any(how.values()):
        activity = f"urn:novum:activity:{digest(how)[:16]}"
        node["prov:wasGeneratedBy"] = {"@id": activity}
        name = " ".join(part for part in (p.tool, p.tool_version, p.method) if part) or str(p.campaign)
        doing: dict[str, Any] = {"@id": activity, "@type": "prov:Activity", "schema:name": name}
        if p.tool:
            agent = f"urn:novum:agent:{digest([p.tool, p.tool_version])[:16]}"
            doing["prov:wasAssociatedWith"] = {"@id": agent}
            found.append(
                {
                    "@id": agent,
                    "@type": "prov:SoftwareAgent",
                    "schema:name": p.tool,
                    "schema:softwareVersion": p.tool_version,
                }
            )
        if p.campaign:
            doing["novum:campaign"] = p.campaign
        found.append(doing)
    if p.agent:
        agent = f"urn:novum:agent:{digest(p.agent)[:16]}"
        node["prov:wasAttributedTo"] = {"@id": agent}
        found.append({"@id": agent, "@type": "prov:Agent", "schema:name": p.agent})
    return found


_TERMS = {
    EvidenceRole.DERIVED_FROM: "prov:wasDerivedFrom",
    EvidenceRole.MEASURED_BY: "prov:wasDerivedFrom",
    EvidenceRole.SIMULATED_BY: "prov:wasDerivedFrom",
    EvidenceRole.SUPERSEDES: "prov:wasRevisionOf",
}


def _version(id: str, version: int) -> str:
    return f"{_ITEM}{id}:{version}"


def _target(target: str) -> str:
    return f"urn:novum:{target}" if target.startswith("ledger:") else _ITEM + target
