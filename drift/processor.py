"""What a processor is good at, by what it says of itself."""

from collections.abc import Mapping


def multiplies_bfloat16_fast(has: Mapping[str, object]) -> bool:
    """Whether products in bfloat16 take less time than in float32, by what `torch.cpu.get_capabilities()` says.

    With AMX they do. By `avx512_bf16` alone they take half of the time on AMD (Zen 4, the first that has it), and took
    twice as long on another make. `benchmarks.encoder` shows what a machine makes of it.
    """
    amd = str(has.get("cpu_name", "")).startswith("AMD")
    return bool(has.get("amx_bf16") or (amd and has.get("avx512_bf16")))
