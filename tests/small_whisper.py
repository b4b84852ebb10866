"""Weights of a real Whisper that has learnt one sentence by heart, small, and in its real form.

Whatever speech it hears, it says that sentence. Layout: https://github.com/OpenNMT/CTranslate2, `specs/whisper_spec.py`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

WIDTH, TEXT, SOUND, MELS = 64, 448, 1500, 80  # numbers to a token, places in a text and in half a minute of sound, bands
SHARP = 25.0  # how sure it is of each next token
SPECIAL = (
    "endoftext",
    "startoftranscript",
    "en",
    "translate",
    "transcribe",
    "startoflm",
    "startofprev",
    "nospeech",
    "notimestamps",
)
TIMES = tuple(f"{at * 0.02:.2f}" for at in range(1501))


def learn(folder: Path, sentence: str) -> Path:
    """A folder that `WhisperModel` loads."""
    from ctranslate2.specs import whisper_spec

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    marks = [f"<|{name}|>" for name in (*SPECIAL, *TIMES)]
    words = [f"Ġ{word}" for word in sentence.split()]  # a word with the space before it, as byte-level tokenizers write it
    vocabulary = list(dict.fromkeys([*letters, *words, *marks]))
    tokenizer = Tokenizer(models.BPE({token: at for at, token in enumerate(vocabulary) if token not in marks}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    spec = whisper_spec.WhisperSpec(1, 1, 1, 1)
    ends = [tokenizer.token_to_id(mark) for mark in ("<|2.00|>", "<|endoftext|>")]
    said = [tokenizer.token_to_id("<|0.00|>"), *map(tokenizer.token_to_id, words), *ends]
    _fill(spec, len(vocabulary), said)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.lang_ids, spec.config.alignment_heads = [tokenizer.token_to_id("<|en|>")], [(0, 0)]
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _fill(spec: Any, words: int, said: list[int]) -> None:
    """Every layer passes on what it gets; the place in the text alone decides which token comes next."""
    known = np.random.default_rng(1).normal(size=(words, WIDTH)).astype("float32")
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    places = np.zeros((TEXT, WIDTH), "float32")
    places[: len(said)] = 1000 * known[said]
    _still(spec.encoder.conv1, WIDTH, MELS, 3)
    _still(spec.encoder.conv2, WIDTH, WIDTH, 3)
    spec.encoder.position_encodings.encodings = np.zeros((SOUND, WIDTH), "float32")
    spec.decoder.position_encodings.encodings = places
    spec.decoder.embeddings.weight, spec.decoder.projection.weight = known, known * SHARP
    crossed = spec.decoder.layer[0].attention
    for attention, sizes in (
        (crossed, (1, 2, 1)),
        *((half.layer[0].self_attention, (3, 1)) for half in (spec.encoder, spec.decoder)),
    ):
        _plain(attention.layer_norm)
        for linear, size in zip(attention.linear, sizes, strict=True):
            _still(linear, size * WIDTH, WIDTH)
    for half in (spec.encoder, spec.decoder):
        _plain(half.layer_norm)
        _plain(half.layer[0].ffn.layer_norm)
        _still(half.layer[0].ffn.linear_0, 4 * WIDTH, WIDTH)
        _still(half.layer[0].ffn.linear_1, WIDTH, 4 * WIDTH)


def _still(part: Any, *shape: int) -> None:
    part.weight, part.bias = np.zeros(shape, "float32"), np.zeros(shape[0], "float32")


def _plain(part: Any) -> None:
    part.gamma, part.beta = np.ones(WIDTH, "float32"), np.zeros(WIDTH, "float32")
