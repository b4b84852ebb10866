"""A voice for Piper that fits into a few lines: one tone per phoneme, as an ONNX graph written by hand. It knows no language.

ONNX is protocol buffers (onnx/onnx.proto, opset 13): varints and lengths. It is a real model for the real library and runtime;
only its sound is nobody's.
"""

import json
import struct
from pathlib import Path

SAMPLES = 512  # per phoneme
RATE = 16000
FLOAT, INT64 = 1, 7


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def field(tag: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(tag << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(tag << 3 | 2) + varint(len(data)) + data


def node(kind: str, inputs: list[str], output: str, **numbers: int) -> bytes:
    rows = b"".join(field(1, each) for each in inputs) + field(2, output) + field(4, kind)
    for name, number in numbers.items():
        rows += field(5, field(1, name) + field(3, number) + field(20, 2))
    return field(1, rows)


def tensor(name: str, kind: int, shape: list[int], raw: bytes) -> bytes:
    return field(5, b"".join(field(1, size) for size in shape) + field(2, kind) + field(8, name) + field(9, raw))


def value(tag: int, name: str, kind: int, shape: list[str | int]) -> bytes:
    sizes = b"".join(field(1, field(1, each) if isinstance(each, int) else field(2, each)) for each in shape)
    return field(tag, field(1, name) + field(2, field(1, field(1, kind) + field(2, sizes))))


def tiny_voice(folder: Path) -> Path:
    """Write the model and its config; audio = sin(phoneme number * time), one after the other."""
    time = struct.pack(f"<{SAMPLES}f", *(n * 0.02 for n in range(SAMPLES)))
    graph = b"".join(
        (
            node("Cast", ["input"], "numbers", to=FLOAT),
            node("Unsqueeze", ["numbers", "last"], "columns"),
            node("Mul", ["columns", "time"], "angles"),
            node("Sin", ["angles"], "waves"),
            node("Reshape", ["waves", "flat"], "output"),
            field(2, "tones"),
            tensor("time", FLOAT, [1, 1, SAMPLES], time),
            tensor("last", INT64, [1], struct.pack("<q", 2)),
            tensor("flat", INT64, [3], struct.pack("<3q", 1, 1, -1)),
            value(11, "input", INT64, [1, "phonemes"]),
            value(11, "input_lengths", INT64, [1]),
            value(11, "scales", FLOAT, [3]),
            value(12, "output", FLOAT, [1, 1, "samples"]),
        )
    )
    model = field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))
    path = folder / "tones.onnx"
    path.write_bytes(model)
    symbols = {symbol: [number] for number, symbol in enumerate("_^$ abcdefghijklmnopqrstuvwxyz", 0)}
    config = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "num_symbols": len(symbols),
        "num_speakers": 1,
        "phoneme_id_map": symbols,
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
    }
    Path(f"{path}.json").write_text(json.dumps(config))
    return path
