"""KV cache blocks: who holds which, and which finished prefixes can be used again."""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence

BLOCK_TOKENS = 32
_DIGEST_BYTES = 16


def block_hash(previous: bytes, tokens: Sequence[int]) -> bytes:
    """Return a digest of one full block's tokens and of everything before it."""
    return hashlib.blake2b(array("i", tokens).tobytes(), digest_size=_DIGEST_BYTES, key=previous).digest()


def blocks_for(tokens: int) -> int:
    """Return how many blocks hold that many tokens."""
    return -(-tokens // BLOCK_TOKENS)


class BlockPool:
    """Reference-counted blocks; a full block whose rows are gone stays findable by its hash until it is needed.

    Such blocks are taken oldest first, the end of a prefix before its beginning.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = list(range(count - 1, -1, -1))
        self._references = [0] * count
        self._hashes: dict[int, bytes] = {}
        self._by_hash: dict[bytes, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    @property
    def available(self) -> int:
        """Blocks that can be taken now, remembered prefixes included."""
        return len(self._free) + len(self._idle)

    def take(self) -> int | None:
        """Return a block of unknown content with one reference, or None where all are held."""
        if self._free:
            block = self._free.pop()
        elif self._idle:
            block, _ = self._idle.popitem(last=False)
            del self._by_hash[self._hashes.pop(block)]
        else:
            return None
        self._references[block] = 1
        return block

    def find(self, digest: bytes) -> int | None:
        """Return the block that holds exactly this prefix's last tokens, without holding it."""
        return self._by_hash.get(digest)

    def is_idle(self, block: int) -> bool:
        """Tell whether a remembered block is held by no row."""
        return block in self._idle

    def hold(self, block: int) -> None:
        """Add a reference to a remembered block."""
        self._idle.pop(block, None)
        self._references[block] += 1

    def remember(self, block: int, digest: bytes) -> None:
        """Make a full, computed block findable; a second copy of the same prefix is not kept."""
        if digest not in self._by_hash and block not in self._hashes:
            self._hashes[block] = digest
            self._by_hash[digest] = block

    def release(self, blocks: Sequence[int]) -> None:
        """Drop one reference of each block of a row."""
        for block in reversed(blocks):
            self._references[block] -= 1
            if self._references[block]:
                continue
            if block in self._hashes:
                self._idle[block] = None
            else:
                self._free.append(block)
