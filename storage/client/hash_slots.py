"""Hash slots: which of a cluster's 16384 parts a key belongs to. Pure.

Redis Cluster specification, "Key distribution model": CRC16 (XMODEM) of the key, or of what stands
between its first `{` and the next `}` where that is not empty, modulo 16384.
"""

import binascii
from functools import lru_cache

SLOT_COUNT = 16384


@lru_cache(maxsize=4096)
def key_slot(key: str) -> int:
    """Return the slot of a key."""
    start = key.find("{")
    end = key.find("}", start + 1)
    tag = key[start + 1 : end] if start >= 0 and end > start + 1 else key
    return binascii.crc_hqx(tag.encode(), 0) % SLOT_COUNT
