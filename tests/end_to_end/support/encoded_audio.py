"""Audio in every form in which it could hide in what somebody else receives."""

import base64


def encodings_of(pattern: bytes) -> dict[str, bytes]:
    """Return every form in which these bytes could travel: whatever stands before and after."""
    forms = {
        "raw": pattern,
        "hex": pattern.hex().encode(),
        "HEX": pattern.hex().upper().encode(),
        "reversed": pattern[::-1],
        "numbers": ",".join(map(str, pattern)).encode(),
    }
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + pattern + bytes(3))
        inner = whole[4 : 4 + (len(pattern) - 3) // 3 * 4]
        forms[f"base64 at {shift}"] = inner
        forms[f"base64 of URLs at {shift}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return forms
