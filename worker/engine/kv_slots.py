"""One key-value cache for all running rows, in place: a row is a slot, a token a column.

Rows end at the same column and begin where their length says, so a batch is a view and no step copies the cache. New
rows take the next slot, and when a row leaves the last one moves into its place.
"""

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

GROWTH_TOKENS = 256


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, each (slots, heads, columns, width)."""

    is_compileable = False
    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, slots: "KvSlots") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys = self.values = torch.empty((0, 0, 0, 0))
        self._slots = slots

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: room is made before each step."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one column for every running row; returns views of all their columns, that one included."""
        slots = self._slots
        self.keys[: slots.rows, :, slots.end] = key_states[:, :, 0]
        self.values[: slots.rows, :, slots.end] = value_states[:, :, 0]
        columns = slice(slots.start, slots.end + 1)
        return self.keys[: slots.rows, :, columns], self.values[: slots.rows, :, columns]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns a step looks at, and the first one's number."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Return how many columns are in use."""
        return self._slots.end - self._slots.start

    def get_max_length(self) -> int:
        """Return -1: there is no limit."""
        return -1


class KvSlots:
    """The cache of a model with `layers` layers for up to `max_rows` rows.

    `lengths` holds the tokens of each running row by slot. Columns left of a row's first token hold finite numbers
    without meaning; `mask` hides them.
    """

    def __init__(self, layers: int, max_rows: int) -> None:
        self.lengths: list[int] = []
        self.start = 0
        self.end = 0
        self._max_rows = max_rows
        self._layers = [SlotLayer(self) for _ in range(layers)]
        self.cache = Cache(layers=list(self._layers))

    @property
    def rows(self) -> int:
        """Running rows."""
        return len(self.lengths)

    def mask(self, device: torch.device) -> torch.Tensor | None:
        """Return which columns each row may see in the coming step, (rows, 1, 1, columns); None where it is all."""
        columns = self.end + 1 - self.start
        longest, shortest = max(self.lengths), min(self.lengths)
        if shortest == longest:
            return None
        first = columns - 1 - torch.tensor(self.lengths, device=device)
        seen = torch.arange(columns, device=device)[None, :] >= first[:, None]
        return seen[:, None, None, :]

    def make_room(self) -> None:
        """Make sure that the next column exists."""
        if self.end == self._capacity:
            self._resize(self.end - self.start)

    def advance(self) -> None:
        """Count the column that a step has written."""
        self.end += 1
        self.lengths = [length + 1 for length in self.lengths]

    def add(self, states: list[tuple[torch.Tensor, torch.Tensor]], lengths: list[int]) -> None:
        """Take rows whose prompts were prefilled together, left-padded; `states` are keys and values of each layer."""
        padded = states[0][0].shape[2]
        needed = max(self.end - self.start, *lengths)
        if not self._capacity:
            self._allocate(states[0][0], needed)
        if self.end < needed:
            self._resize(needed)
        for index, length in enumerate(lengths):
            slot = self.rows + index
            for layer, (keys, values) in zip(self._layers, states, strict=True):
                layer.keys[slot, :, self.end - length : self.end] = keys[index, :, padded - length :]
                layer.values[slot, :, self.end - length : self.end] = values[index, :, padded - length :]
        self.lengths += lengths
        self.start = self.end - max(self.lengths)

    def remove(self, slot: int) -> None:
        """Free a slot; the last row takes it."""
        last = self.rows - 1
        if slot != last:
            columns = slice(self.end - self.lengths[last], self.end)
            for layer in self._layers:
                layer.keys[slot, :, columns] = layer.keys[last, :, columns]
                layer.values[slot, :, columns] = layer.values[last, :, columns]
            self.lengths[slot] = self.lengths[last]
        self.lengths.pop()
        self.start = self.end - max(self.lengths, default=0)
        if not self.lengths:
            self.start = self.end = 0

    @property
    def _capacity(self) -> int:
        return self._layers[0].keys.shape[2]

    def _allocate(self, like: torch.Tensor, columns: int) -> None:
        shape = (self._max_rows, like.shape[1], _rounded(columns), like.shape[3])
        for layer in self._layers:
            # Zeros, for a masked number times zero must be zero; memory that no row has used costs nothing yet.
            layer.keys, layer.values = like.new_zeros(shape), like.new_zeros(shape)
            layer.is_initialized = True

    def _resize(self, columns: int) -> None:
        """Move all rows so that `columns` columns lie left of the end and free ones right of it."""
        used = self.end - self.start
        for layer in self._layers:
            layer.keys = self._moved(layer.keys, columns, used)
            layer.values = self._moved(layer.values, columns, used)
        self.start, self.end = columns - used, columns

    def _moved(self, states: torch.Tensor, columns: int, used: int) -> torch.Tensor:
        moved = states.new_zeros((states.shape[0], states.shape[1], _rounded(columns), states.shape[3]))
        moved[: self.rows, :, columns - used : columns] = states[: self.rows, :, self.start : self.end]
        return moved


def _rounded(columns: int) -> int:
    return (columns // GROWTH_TOKENS + 1) * GROWTH_TOKENS
