"""Where the second operand of a product of two activations lies in the KV memory (kv_mem.sv): one matrix a head.

KEYS: row t of the operand becomes output t of the product (Q K^T). VALUES: row t becomes term t of its sums (P V).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """kind: KEYS or VALUES. n, m: sides of the array. rows: of one matrix. groups: of m channels, of one row. outputs:
    groups of m outputs of the product that reads it. heads: matrices. joined: a written row holds all heads' channels
    side by side; otherwise the rows of one head follow those of another."""

    kind: str
    n: int
    m: int
    rows: int
    groups: int
    outputs: int
    heads: int
    joined: bool = False

    @property
    def _words_a_column(self) -> int:
        """R of kv_mem.sv: words that a group of keys is spread over."""
        return max(self.m // self.n, 1)

    @property
    def _parts(self) -> int:
        """P of kv_mem.sv: groups that share a column's word."""
        return max(self.n // self.m, 1)

    @property
    def _blocks(self) -> int:
        """Words, or groups of R words, behind one another for the rows."""
        return self.outputs if self.kind == "KEYS" else -(-self.rows // self.n)

    @property
    def words(self) -> int:
        """Words of one head."""
        if self.kind == "VALUES":
            return self.groups * self._blocks
        return -(-self.groups // self._parts) * self._blocks * self._words_a_column

    @property
    def padded_rows(self) -> int:
        """Rows to write: values are padded with zeros, unless what meets those behind them is known to be zero."""
        return self.rows if self.kind == "KEYS" or self.joined else self._blocks * self.n

    def write_base(self, word: int) -> int:
        """Write address of a head that begins with a word."""
        if self.kind == "VALUES":
            return word * self.n
        return word // self._words_a_column * self._parts * self.m

    def write_rows(self) -> np.ndarray:
        """Write address of each written row, from the first's."""
        rows = (self._parts if self.kind == "KEYS" else 1) * np.arange(self.padded_rows)
        return rows if self.joined else self._each_head(rows)

    def _each_head(self, addresses: np.ndarray) -> np.ndarray:
        """The addresses of one head repeated for all."""
        heads = self.write_base(self.words) * np.arange(self.heads)
        return (heads[:, None] + addresses).reshape(-1)

    def write_groups(self) -> np.ndarray:
        """Write address of each group of a row, from the first's."""
        index = np.arange(self.groups)
        if self.kind == "VALUES":
            groups = index * self._blocks * self.n
        else:
            groups = index // self._parts * (self._blocks * self.m * self._parts) + index % self._parts
        return self._each_head(groups) if self.joined else groups

    def read_terms(self, chunks: int) -> np.ndarray:
        """Word of each chunk of n terms of a sum, from the first's."""
        index, each = np.arange(chunks), self._words_a_column
        return index if self.kind == "VALUES" else index // each * self._blocks * each + index % each

    def read_outputs(self) -> np.ndarray:
        """Word of each group of m outputs, from the first's."""
        return np.arange(self.outputs) * (self._words_a_column if self.kind == "KEYS" else self._blocks)


@dataclass
class Words:
    """A layout in a buffer of the plan. heads: [rows] of the operation that reads: the matrix that each row meets."""

    buffer: str
    layout: Layout
    heads: np.ndarray | None = None
