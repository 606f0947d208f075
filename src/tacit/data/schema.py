"""How a whole table is read: its columns, and from them the layout of an event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tacit._errors import DataError, UsageError
from tacit.data.column import CHOSEN, Column, Role, fit_column
from tacit.data.facts import Facts
from tacit.data.kinds import KINDS, Kind, infer_kind, read_as
from tacit.data.layout import Layout
from tacit.data.table import Table


@dataclass(frozen=True)
class Schema:
    """The columns of a table in order, each with its kind and its role.

    Example:
        >>> from tacit.data.table import read_table
        >>> table = read_table({"x": [0.5, -1.25, 2.5, 0.0], "s": ["a", "b", "a", "b"]})
        >>> schema = Schema.infer(table)
        >>> schema.layout
        Layout(normal=('x',), bernoulli=('s',), categorical=(), poisson=())
    """

    columns: tuple[Column, ...]

    @classmethod
    def infer(
        cls,
        table: Table,
        *,
        types: Mapping[str, str] | None = None,
        drop: Iterable[str] = (),
        ids: Iterable[str] = (),
        weight: str | None = None,
        group: str | None = None,
        time: str | None = None,
    ) -> Schema:
        """The schema of a table: kinds by the rules of `tacit.data.kinds`, unless `types` says otherwise.

        Args:
            table: the rows to measure levels, centres, scales and floors on.
            types: kinds by column name.
            drop: columns left out altogether.
            ids: columns kept for the output but not modelled.
            weight: the column of row weights.
            group: the column whose equal values mark rows that belong together.
            time: the column that orders the rows.

        Raises:
            UsageError: a name that is no column, an unknown kind, a column with two roles.
            DataError: a column that cannot be read as its kind, or nothing left to model.
        """
        chosen, dropped, ignored = dict(types or {}), tuple(drop), tuple(ids)
        roles = _roles(table, weight=weight, group=group, time=time)
        for name in (*chosen, *dropped, *ignored):
            _check_known(table, name)
        for name in roles:
            if name in dropped or name in ignored or name in chosen:
                raise UsageError(f"Column {name!r} has two roles.", mend="Give each column one.")
        columns = []
        for name in table.names:
            if name in dropped:
                continue
            if name in ignored:
                columns.append(Column(name, "id", "ignored", table.dtype(name), why=CHOSEN))
            elif name in roles:
                kind: Kind = "real" if roles[name] == "weight" else "id"
                columns.append(Column(name, kind, roles[name], table.dtype(name), why=CHOSEN))
            else:
                columns.append(_inferred(table, name, chosen.get(name)))
        schema = cls(tuple(columns))
        schema.check_modelled(table.source)
        return schema

    def check_modelled(self, source: str) -> None:
        """Raise DataError when no column is left to model."""
        if not self.names:
            raise DataError(
                "No column is left to model: all are constant, identifiers, dates or left out.",
                where=source,
                mend=f"Choose a kind for one of them with {read_as('COL', 'KIND')}.",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the modelled columns, in the order of the table."""
        return tuple(column.name for column in self.columns if column.modelled)

    @property
    def modelled(self) -> tuple[Column, ...]:
        """The modelled columns, in the order of the table."""
        return tuple(column for column in self.columns if column.modelled)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise UsageError(
            f"There is no column {name!r}.", mend=f"Known columns: {', '.join(c.name for c in self.columns)}."
        )

    def with_role(self, role: Role) -> Column | None:
        """The column that has the role, if one has."""
        return next((column for column in self.columns if column.role == role), None)

    @property
    def pixels(self) -> tuple[Column, ...]:
        """The columns that images are made of: those modelled, and those that are constant, in the table's order."""
        return tuple(column for column in self.columns if column.modelled or column.constant)

    @cached_property
    def layout(self) -> Layout:
        """Where each modelled column stands in an event."""
        columns = self.modelled

        def of(*kinds: Kind) -> tuple[str, ...]:
            return tuple(column.name for column in columns if column.kind in kinds)

        return Layout(
            normal=of("real", "positive", "zero-inflated"),
            bernoulli=of("binary", "zero-inflated"),
            categorical=tuple((c.name, len(c.levels)) for c in columns if c.kind == "categorical"),
            poisson=of("count"),
        )

    def reference(self) -> str:
        """A short hash of what a density is over: names, kinds, levels and floors of the modelled columns.

        Log-likelihoods are comparable only where it is equal.
        """
        parts = [[c.name, c.kind, list(c.levels), c.floor] for c in sorted(self.modelled, key=lambda c: c.name)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON."""
        return {"columns": [column.to_dict() for column in self.columns]}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Schema:
        """The inverse of `to_dict`."""
        return cls(tuple(Column(**{**entry, "levels": tuple(entry["levels"])}) for entry in tree["columns"]))

    def to_toml(self) -> str:
        """The schema as TOML that a person can edit; numbers come back exactly."""
        from tacit.data.schema_toml import write_toml

        return write_toml(self)

    @classmethod
    def from_toml(cls, text: str, table: Table | None = None) -> Schema:
        """A schema from TOML; what an edited column lacks is measured on the table where one is given.

        Raises:
            DataError: the text is not TOML, or a key is unknown, missing or of the wrong type.
        """
        from tacit.data.schema_toml import read_toml

        return read_toml(text, table)


def _inferred(table: Table, name: str, chosen: str | None) -> Column:
    if chosen is not None:
        kind, why = check_kind(chosen, name), CHOSEN
    else:
        kind, why = infer_kind(Facts.of(table, name), table)
    if kind == "id":
        column = Column(name, "id", "ignored", table.dtype(name), why=why)
        return replace(column, center=float(np.nanmax(table.numbers(name)))) if column.constant else column
    return fit_column(table, name, kind, why)


def check_kind(kind: str, name: str) -> Kind:
    """The kind by its name, or UsageError."""
    for known in KINDS:
        if kind == known:
            return known
    raise UsageError(
        f"{kind!r} is not a kind of column.", where=f"column {name!r}", mend=f"Use one of {', '.join(KINDS)}."
    )


def _roles(table: Table, **chosen: str | None) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    held: tuple[Role, ...] = ("weight", "group", "time")
    for role in held:
        name = chosen[role]
        if name is None:
            continue
        _check_known(table, name)
        if name in roles:
            raise UsageError(f"Column {name!r} has two roles.", mend="Give each column one.")
        roles[name] = role
    return roles


def _check_known(table: Table, name: str) -> None:
    if name not in table.names:
        raise UsageError(
            f"There is no column {name!r}.",
            where=table.source,
            mend=f"Known columns: {', '.join(table.names)}.",
        )
