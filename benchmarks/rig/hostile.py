"""What strangers send to a public webhook: forged, replayed, misdirected, oversized, malformed, and noise. None may be taken.

Each request is a function of its number alone. It does not know what listens.
"""

import random
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from benchmarks.rig.phones import PUBLIC, fake, phone

Form = dict[str, str]
Made = tuple[str, dict[str, str], bytes]  # path, headers, body
PATH, FORM = "/twilio/message", "application/x-www-form-urlencoded"
TYPES = (
    FORM,
    f"{FORM}; charset=utf-16",
    f"{FORM}; charset=nonsense",
    "application/json",
    "multipart/form-data; boundary=x",
    "",
    "é",
)
PATHS = (
    PATH,
    f"{PATH}?a=b",
    "/twilio/status/1",
    "/twilio/status/99999999999999",
    "/twilio/picture/%00",
    "/twilio/picture/1.2.3.4",
    "/",
)


def true(number: int = 0) -> Form:
    """What Twilio might really send."""
    sid = f"SM{number:032x}"
    return {"MessageSid": sid, "AccountSid": fake.ACCOUNT, "From": phone(1), "To": fake.SENDER, "Body": f"text {number}"}


def signed(form: Mapping[str, str], signature: str, **headers: str) -> Made:
    """A form as a request, under a signature."""
    return PATH, {"Content-Type": FORM, "X-Twilio-Signature": signature} | headers, urlencode(form).encode()


def _genuine(form: Form) -> str:
    return str(fake.sign(f"{PUBLIC}{PATH}", form))


def _of_another_text(number: int, chance: random.Random) -> Made:
    return signed(true(number) | {"Body": f"unlock the door {number}"}, _genuine(true(number)))


def _by_another_token(number: int, chance: random.Random) -> Made:
    return signed(true(number), fake.sign(f"{PUBLIC}{PATH}", true(number), chance.choice(["", "token", fake.ACCOUNT])))


def _for_another_host(number: int, chance: random.Random) -> Made:
    host = chance.choice(["127.0.0.1", "localhost", "evil.test", "dobby.test.evil.test"])
    return signed(true(number), fake.sign(f"https://{host}{PATH}", true(number)), **{"Host": host, "X-Forwarded-Host": host})


def _by_a_key_of_its_own(number: int, chance: random.Random) -> Made:
    setting = {"X-Twilio-Webhooks-Signature-Settings": f"key={number},algorithm=HMAC_SHA256"}
    return signed(true(number), fake.sign(f"{PUBLIC}{PATH}", true(number), str(number)), **setting)


def _unsigned_from_inside(number: int, chance: random.Random) -> Made:
    return PATH, {"Content-Type": FORM, "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "::1"}, urlencode(true(number)).encode()


def _of_another_account(number: int, chance: random.Random) -> Made:
    form = true(number) | chance.choice(
        [{"AccountSid": "AC" + "1" * 32}, {"To": "whatsapp:+1"}, {"MessageSid": "../x"}, {"From": ""}]
    )
    return signed(form, _genuine(form))


def _again(number: int, chance: random.Random) -> Made:
    return signed(true(), _genuine(true()))


def _too_large(number: int, chance: random.Random) -> Made:
    form = true(number) | {"Body": "x" * 70_000}
    return signed(form, _genuine(form))


def _garbled(number: int, chance: random.Random) -> Made:
    _, headers, body = signed(true(number), _genuine(true(number)))
    bytes_ = bytearray(body)
    for _ in range(chance.randrange(1, 9)):
        bytes_[chance.randrange(len(bytes_))] = chance.choice(b"%&=\xff\x00+;")
    return PATH, headers, bytes(bytes_[: chance.randrange(len(bytes_))])


def _noise(number: int, chance: random.Random) -> Made:
    headers = {"Content-Type": chance.choice(TYPES), "X-Twilio-Signature": "".join(chance.choices("abcXYZ019+/=é", k=28))}
    return chance.choice(PATHS), headers, chance.randbytes(chance.randrange(300))


KINDS: tuple[Callable[[int, random.Random], Made], ...] = (
    _of_another_text,
    _by_another_token,
    _for_another_host,
    _by_a_key_of_its_own,
    _unsigned_from_inside,
    _of_another_account,
    _again,
    _garbled,
    _noise,
    _noise,
)


def hostile(number: int) -> Made:
    """The `number`-th one, from 1; every fiftieth is too large."""
    chance = random.Random(number)
    return _too_large(number, chance) if number % 50 == 0 else KINDS[number % len(KINDS)](number, chance)
