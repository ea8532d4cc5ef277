"""The tables of the knowledge base, and every step that led to them."""

import json
import sqlite3

from novum.core.quantity import Quantity, base_units
from novum.knowledge_base.chain import GUARDED_TIPS, TIPS, Chain, guards, payload_digest
from novum.knowledge_base.rows import content_of, tool_of
from novum.storage import Migration

_FIRST: Migration = (
    """
    CREATE TABLE items (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        version INTEGER NOT NULL CHECK (version >= 1),
        recorded_at TEXT NOT NULL,
        content TEXT NOT NULL,
        level TEXT NOT NULL,
        domain TEXT NOT NULL,
        subject TEXT NOT NULL,
        subject_label TEXT NOT NULL,
        relation TEXT NOT NULL,
        conditions TEXT NOT NULL,
        method TEXT NOT NULL,
        campaign TEXT,
        origin TEXT NOT NULL,
        negative INTEGER NOT NULL,
        has_value INTEGER NOT NULL,
        status TEXT NOT NULL,
        access TEXT NOT NULL,
        text TEXT NOT NULL,
        payload TEXT NOT NULL CHECK (json_valid(payload)),
        UNIQUE (id, version)
    ) STRICT
    """,
    "CREATE INDEX items_by_content ON items (id, content)",
    "CREATE INDEX first_versions ON items (seq) WHERE version = 1",
    "CREATE INDEX items_by_subject ON items (subject, relation)",
    "CREATE INDEX items_by_relation ON items (relation, method)",
    "CREATE INDEX items_by_campaign ON items (campaign, id)",
    # The latest version of each item; the versions themselves never change.
    "CREATE TABLE heads (id TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID",
    """
    CREATE VIRTUAL TABLE words USING fts5 (
        text, subject_label, relation,
        content = 'items', content_rowid = 'seq', tokenize = 'porter unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER items_are_found AFTER INSERT ON items BEGIN
        INSERT INTO heads (id, seq) VALUES (new.id, new.seq)
            ON CONFLICT (id) DO UPDATE SET seq = excluded.seq;
        INSERT INTO words (rowid, text, subject_label, relation)
            VALUES (new.seq, new.text, new.subject_label, new.relation);
    END
    """,
    """
    CREATE TRIGGER items_are_not_updated BEFORE UPDATE ON items
    BEGIN SELECT RAISE(ABORT, 'items are never overwritten'); END
    """,
    """
    CREATE TRIGGER items_are_not_deleted BEFORE DELETE ON items
    BEGIN SELECT RAISE(ABORT, 'items are never overwritten'); END
    """,
)


def _move_items(connection: sqlite3.Connection) -> None:
    """Fill the tables of the second schema from `old_items`, version by version."""
    columns = (
        "seq, id, version, recorded_at, level, data_class, domain, subject, subject_label, relation, object, "
        "conditions, method, tool, source, language, campaign, origin, negative, base_value, base_std, "
        "base_unit, has_value, status, access, valid_from, valid_to, review_by, confidence, quality"
    )
    insert = f"INSERT INTO items ({columns}) VALUES ({', '.join('?' * 30)})"  # noqa: S608 constants
    chain = Chain(connection, "items")
    latest: dict[str, int] = {}
    for row in connection.execute("SELECT * FROM old_items ORDER BY seq"):
        item = json.loads(row["payload"])
        value, base, made = item["value"], None, item["provenance"]
        tool = tool_of(made.get("tool", ""), made.get("tool_version", ""))
        if value is not None:
            base = base_units(Quantity.model_validate(value))
        if row["id"] in latest:
            connection.execute("UPDATE items SET until = ? WHERE seq = ?", (row["seq"], latest[row["id"]]))
        latest[row["id"]] = row["seq"]
        facets = (
            *(row["seq"], row["id"], row["version"], row["recorded_at"], row["level"], item["data_class"]),
            *(row["domain"], row["subject"], row["subject_label"], row["relation"], "", row["conditions"]),
            *(row["method"], tool, made["source"], "", row["campaign"]),
            *(row["origin"], row["negative"], *(base or (None, None, None)), row["has_value"], row["status"]),
            *(row["access"], None, None, None, item["confidence"], 0.5),
        )
        connection.execute(insert, facets)
        content = content_of(item)
        digests = chain.add(row["id"], row["version"], row["recorded_at"], payload_digest(row["payload"]))
        connection.execute(
            "INSERT INTO bodies (seq, text, payload, content, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?)",
            (row["seq"], row["text"], row["payload"], content, *digests),
        )
        connection.executemany(
            "INSERT INTO links (seq, position, target, role, weight) VALUES (?, ?, ?, ?, ?)",
            [
                (row["seq"], i, link["target"], link["role"], float(link["weight"]))
                for i, link in enumerate(item["evidence"])
            ],
        )
    chain.close()


_LIVING: Migration = (
    "DROP TRIGGER items_are_found",
    "DROP TABLE words",
    "DROP TABLE heads",
    "ALTER TABLE items RENAME TO old_items",
    *(
        f"DROP INDEX {name}"
        for name in (
            "items_by_content",
            "first_versions",
            "items_by_subject",
            "items_by_relation",
            "items_by_campaign",
        )
    ),
    TIPS,
    *GUARDED_TIPS,
    # What an item is found by. Narrow, because filters read it from end to end.
    """
    CREATE TABLE items (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        version INTEGER NOT NULL CHECK (version >= 1),
        until INTEGER,
        recorded_at TEXT NOT NULL,
        level TEXT NOT NULL,
        data_class TEXT NOT NULL,
        domain TEXT NOT NULL,
        subject TEXT NOT NULL,
        subject_label TEXT NOT NULL,
        relation TEXT NOT NULL,
        object TEXT NOT NULL,
        conditions TEXT NOT NULL,
        method TEXT NOT NULL,
        tool TEXT NOT NULL,
        source TEXT NOT NULL,
        language TEXT NOT NULL,
        campaign TEXT,
        origin TEXT NOT NULL,
        negative INTEGER NOT NULL,
        base_value REAL,
        base_std REAL,
        base_unit TEXT,
        has_value INTEGER NOT NULL,
        status TEXT NOT NULL,
        access TEXT NOT NULL,
        valid_from TEXT,
        valid_to TEXT,
        review_by TEXT,
        confidence REAL NOT NULL,
        quality REAL NOT NULL,
        UNIQUE (id, version)
    ) STRICT
    """,
    # What an item is.
    """
    CREATE TABLE bodies (
        seq INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        payload TEXT NOT NULL CHECK (json_valid(payload)),
        content TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE links (
        seq INTEGER NOT NULL,
        position INTEGER NOT NULL,
        target TEXT NOT NULL,
        role TEXT NOT NULL,
        weight REAL NOT NULL,
        PRIMARY KEY (seq, position)
    ) STRICT, WITHOUT ROWID
    """,
    # A version is the latest of its item from its own place in the order to `until`, not including it.
    "CREATE UNIQUE INDEX heads ON items (id) WHERE until IS NULL",
    "CREATE INDEX items_by_time ON items (recorded_at)",
    "CREATE INDEX items_by_subject ON items (subject, relation, conditions, has_value, negative)",
    "CREATE INDEX items_by_value ON items (relation, base_value)",
    # One column each: within it, rows are in the order of recording, as queries want them.
    "CREATE INDEX items_by_domain ON items (domain)",
    "CREATE INDEX items_by_level ON items (level)",
    "CREATE INDEX items_by_data_class ON items (data_class)",
    "CREATE INDEX items_that_failed ON items (negative) WHERE negative = 1",
    "CREATE INDEX items_by_campaign ON items (campaign, id) WHERE campaign IS NOT NULL",
    "CREATE INDEX items_by_status ON items (status) WHERE status <> 'active'",
    "CREATE INDEX items_by_review ON items (review_by) WHERE review_by IS NOT NULL",
    "CREATE INDEX links_by_target ON links (target, role)",
    _move_items,
    "DROP TABLE old_items",
    """
    CREATE TRIGGER versions_end_once BEFORE UPDATE OF until ON items
    WHEN old.until IS NOT NULL OR new.until IS NULL OR new.until <= old.seq
    BEGIN SELECT RAISE(ABORT, 'items are never overwritten'); END
    """,
    """
    CREATE TRIGGER items_are_not_updated BEFORE UPDATE OF
        seq, id, version, recorded_at, level, data_class, domain, subject, subject_label, relation, object,
        conditions, method, tool, source, language, campaign, origin, negative, base_value, base_std,
        base_unit, has_value, status, access, valid_from, valid_to, review_by, confidence, quality
    ON items
    BEGIN SELECT RAISE(ABORT, 'items are never overwritten'); END
    """,
    """
    CREATE TRIGGER items_are_not_deleted BEFORE DELETE ON items
    BEGIN SELECT RAISE(ABORT, 'items are never overwritten'); END
    """,
    *guards("bodies"),
    *guards("links"),
)

_JUDGED: Migration = (
    # What sources said, and whether it held.
    """
    CREATE TABLE forecasts (
        seq INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        key TEXT NOT NULL,
        held INTEGER NOT NULL,
        probability REAL,
        statistic REAL,
        judged_at TEXT,
        recorded_at TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL,
        UNIQUE (source, key)
    ) STRICT
    """,
    *guards("forecasts"),
    # Items that cannot all be true: for each, one that it was found to disagree with.
    """
    CREATE TABLE disagreements (
        seq INTEGER PRIMARY KEY,
        conflict TEXT NOT NULL,
        item TEXT NOT NULL,
        against TEXT NOT NULL,
        statistic REAL,
        recorded_at TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL,
        UNIQUE (conflict, item)
    ) STRICT
    """,
    "CREATE INDEX disagreements_by_item ON disagreements (item)",
    *guards("disagreements"),
    """
    CREATE TABLE resolutions (
        seq INTEGER PRIMARY KEY,
        conflict TEXT NOT NULL,
        rule TEXT NOT NULL,
        winner TEXT,
        members TEXT NOT NULL CHECK (json_valid(members)),
        reason TEXT NOT NULL,
        by TEXT NOT NULL,
        recorded_at TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX resolutions_by_conflict ON resolutions (conflict)",
    *guards("resolutions"),
)

_TIMED: Migration = (
    # A person's word that the clock of what was recorded up to a place was ahead.
    """
    CREATE TABLE clock (
        seq INTEGER PRIMARY KEY,
        position INTEGER NOT NULL,
        since TEXT NOT NULL,
        reason TEXT NOT NULL,
        by TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT
    """,
    *guards("clock"),
    # With the value, so that what lies far from a new one is found without reading all the others.
    "DROP INDEX items_by_subject",
    "CREATE INDEX items_by_subject ON items (subject, relation, conditions, has_value, negative, base_value)",
)

MIGRATIONS: tuple[Migration, ...] = (_FIRST, _LIVING, _JUDGED, _TIMED)
"""All steps from an empty file to the present tables, oldest first."""
