"""Loads, copies and fills of a few bytes at any address, for the kernels that decompress chunks.

numba copies bytes one at a time, and assumes that a view of a wider type is aligned. These four
are single instructions. They check nothing: the caller has checked that the bytes touched
are within the arrays.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

COPIED = 16  # bytes that `copy_some` moves, even if fewer are needed
_IR: Any = ir  # untyped
_WORD = _IR.IntType(64).as_pointer()
_WORDS = _IR.VectorType(_IR.IntType(8), COPIED).as_pointer()


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(builder.bitcast(data, cgutils.voidptr_t), [index])


def _load_word(_context: Any, data: Any, at: Any) -> Any:
    """Return the 8 bytes of data (n,) uint8 from `at` on as a uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1])
        return builder.load(builder.bitcast(address, _WORD), align=1)

    return types.uint64(data, types.intp), generate


def _store_word(_context: Any, out: Any, to: Any, word: Any) -> Any:
    """Put a uint64 into the 8 bytes of out (n,) uint8 from `to` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], builder.bitcast(address, _WORD), align=1)
        return context.get_dummy_value()

    return types.void(out, types.intp, types.uint64), generate


def _copy_some(_context: Any, out: Any, to: Any, data: Any, at: Any) -> Any:
    """Copy `COPIED` bytes of data from `at` on to out from `to` on, both (n,) uint8."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = _address(context, builder, signature.args[2], args[2], args[3])
        target = _address(context, builder, signature.args[0], args[0], args[1])
        value = builder.load(builder.bitcast(source, _WORDS), align=1)
        builder.store(value, builder.bitcast(target, _WORDS), align=1)
        return context.get_dummy_value()

    return types.void(out, types.intp, data, types.intp), generate


def _fill_bytes(_context: Any, out: Any, to: Any, n_bytes: Any, value: Any) -> Any:
    """Set `n_bytes` bytes of out (n,) uint8 from `to` on to `value`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _address(context, builder, signature.args[0], args[0], args[1])
        cgutils.memset(builder, target, args[2], args[3])  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return types.void(out, types.intp, types.intp, types.uint8), generate


load_word: Any = intrinsic(_load_word)
store_word: Any = intrinsic(_store_word)
copy_some: Any = intrinsic(_copy_some)
fill_bytes: Any = intrinsic(_fill_bytes)
