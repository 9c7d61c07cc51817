"""A model as C source: an aligned constant array to link into firmware."""

from __future__ import annotations

import re


def c_array(contents: bytes, name: str) -> str:
    """C99 source that defines ``const uint8_t NAME[]``, aligned to 64 bytes, and ``const size_t NAME_size``.

    Alignment lets the library use the weights in place, from flash.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} is not a C identifier")
    lines = [", ".join(f"0x{byte:02x}" for byte in contents[i : i + 16]) for i in range(0, len(contents), 16)]
    body = ",\n  ".join(lines)
    return f"""/* Written by `edgeai convert`. {len(contents)} bytes. */
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
__attribute__((aligned(64)))
#endif
extern const uint8_t {name}[{len(contents)}];
extern const size_t {name}_size;

const uint8_t {name}[{len(contents)}] = {{
  {body}
}};
const size_t {name}_size = sizeof {name};
"""
