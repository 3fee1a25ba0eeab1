from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SequenceTuple = tuple[Sequence[int], int, Sequence[int], int, float, float, int, int, int, bool]
ChoiceTuple = tuple[int, float, bool]

class Model: ...

class Forward:
    def __init__(
        self, model: Model, isa: str, step_tokens: int, sequence_tokens: int, kv_blocks: int, threads: int
    ) -> None: ...
    def step(self, sequences: Sequence[SequenceTuple], keep_logits: bool = False) -> list[list[ChoiceTuple]]: ...
    def last_logits(self) -> NDArray[np.float32]: ...
    def take_profile(self) -> list[float]: ...

def load_model(path: str, config: dict[str, float], tensors: dict[str, tuple[int, int]]) -> Model: ...
def supported_isas() -> list[str]: ...

class probes:  # noqa: N801 - a submodule of the extension
    @staticmethod
    def quantize(
        isa: str, mode: str, x: NDArray[np.float32], weight: NDArray[np.float32], epsilon: float
    ) -> tuple[NDArray[np.int8], list[float], bool]: ...
    @staticmethod
    def quantize_outliers(
        isa: str, x: NDArray[np.float32]
    ) -> tuple[NDArray[np.int8], list[float], NDArray[np.float32]]: ...
    @staticmethod
    def product(
        isa: str,
        kind: str,
        x: NDArray[np.float32],
        tiles: NDArray[np.int8],
        scales: NDArray[np.float32],
        offsets: NDArray[np.int32],
        bias: NDArray[np.float32] | None,
        columns: int,
        start: NDArray[np.float32],
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def attention(
        isa: str,
        qkv: NDArray[np.float32],
        heads: int,
        kv_heads: int,
        head_dim: int,
        cos: NDArray[np.float32],
        sin: NDArray[np.float32],
        blocks: Sequence[int],
        chunk: int,
        rows: int,
    ) -> NDArray[np.float32]: ...
    @staticmethod
    def exp(isa: str, x: NDArray[np.float32], shift: float, factor: float) -> tuple[NDArray[np.float32], float]: ...
    @staticmethod
    def uniform(seed: int, counter: int) -> float: ...
    @staticmethod
    def sample(
        isa: str, logits: NDArray[np.float32], temperature: float, top_p: float, top_k: int, seed: int, counter: int
    ) -> tuple[int, float]: ...
    @staticmethod
    def read_bandwidth(isa: str, threads: int, size: int, rounds: int) -> float: ...
    @staticmethod
    def int8_peak(isa: str, threads: int, iterations: int, rounds: int) -> float: ...
