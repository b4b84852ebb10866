"""The line to one accessory: aiohomekit's sessions, one attempt at a time, and every fault told in Dobby's errors.

It does not know what is said over it. The library is imported with this module, so this module is imported late.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from aiohomekit import exceptions as faults, hkjson
from aiohomekit.controller.ip.connection import HomeKitConnection, SecureHomeKitConnection
from aiohomekit.protocol import perform_pair_setup_part1, perform_pair_setup_part2

from dobby import Refused, Unreachable, Unsure

CONNECTING = 4.0  # seconds for a connection and its keys
ANSWERING = 5.0  # seconds for an answer
PAIRING = 20.0  # seconds for one exchange: small chips take long for the arithmetic
APPLE_COPROCESSOR = 1  # of the feature flags: it pairs with its certificate
KEYS_NO_GOOD = (
    faults.InvalidError,  # so answers one that was reset, where others say that they do not know us
    faults.AuthenticationError,
    faults.IncorrectPairingIdError,
    faults.InvalidSignatureError,
    faults.InvalidAuthTagError,
)

Keys = dict[str, Any]
"""What pairing gave: the accessory's id and long-term key, and ours (aiohomekit's names). A secret."""


class Stranger(Refused):
    """Who answers there does not hold the other half of these keys."""


class _Session(SecureHomeKitConnection):
    """The library's session without its own way of reconnecting: whoever listens decides when."""

    owner: Any

    def __init__(self, owner: Any, keys: Keys) -> None:
        super().__init__(owner, keys)

    async def open(self) -> None:
        await self._connect_once()  # type: ignore[no-untyped-call]

    def _connection_lost(self, exception: Exception) -> None:
        self._drop_transport()
        self.owner.lost()


class Line:
    """A session that stands. `tell` is called with each event's JSON, `lost` once when it ends by itself."""

    description = None  # the library asks its owner for a newer address; we give a new line instead

    def __init__(self, who: str, keys: Keys, at: tuple[str, int], tell: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self.name = who
        self.event_received, self._lost = tell, lost
        host, port = at
        self._session = _Session(self, {**keys, "AccessoryIP": host, "AccessoryPort": port})

    async def connection_made(self, secure: bool) -> None:
        """The library's word that it is through; nothing to do."""

    def lost(self) -> None:
        """The session ended."""
        self._lost()

    @property
    def up(self) -> bool:
        """Does the session stand?"""
        transport = self._session.transport
        return bool(self._session.is_connected) and transport is not None and not transport.is_closing()

    async def open(self) -> None:
        """Connect and prove to each other who we are.

        :raises Stranger: it is another accessory, or no longer knows us; :raises Unreachable: nobody answers, or nonsense.
        """
        try:
            async with asyncio.timeout(CONNECTING):
                await self._session.open()
        except KEYS_NO_GOOD as error:
            await self.aclose()
            raise Stranger(f"{self.name} no longer knows me: it was reset, or is paired with another controller.") from error
        except Exception as error:  # what a stranger on the network may send, the library may throw
            await self.aclose()
            raise Unreachable(f"{self.name} cannot be reached.") from error
        except asyncio.CancelledError:
            await self.aclose()
            raise

    async def ask(self, method: str, target: str, said: object = None) -> tuple[int, Any]:
        """One request -> the status and the JSON of the answer (None for none, or nonsense).

        :raises Unreachable: it was never sent; :raises Unsure: sent, and no answer that makes sense came.
        """
        if not self.up:
            raise Unreachable(f"{self.name} cannot be reached.")
        body: Any = hkjson.dump_bytes(said) if said is not None else None
        headers = [("Content-Type", "application/hap+json"), ("Content-Length", str(len(body)))] if body else None
        try:
            async with asyncio.timeout(ANSWERING):
                answer = await self._session.request(method, target, headers, body)
        except faults.HttpErrorResponse as error:
            answer = error.response
        except Exception as error:  # a cut, a silence, or garbage in any of the layers below: the session is out of step
            await self._session.close()
            self._lost()
            raise Unsure(f"{self.name} did not answer.") from error
        return int(answer.code or 0), _json(bytes(answer.body))

    async def aclose(self) -> None:
        """Hang up."""
        self._lost = _nothing
        await self._session.close()


def _nothing() -> None: ...


def _json(body: bytes) -> Any:
    try:
        return hkjson.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        return None


class Pairing:
    """The exchange of keys with an accessory that nobody has paired (HAP specification, 5.6)."""

    def __init__(self, who: str, at: tuple[str, int], says: Mapping[str, str]) -> None:
        self._who = who
        self._at = at
        flags = says.get("ff", "0")
        self._with_auth = bool(flags.isdecimal() and len(flags) < 4 and int(flags) & APPLE_COPROCESSOR)

    async def pair(self, code: str) -> Keys | None:
        """Pair with this code (XXX-XX-XXX) -> the keys; None: it is not the accessory's code.

        Tried twice: some accessories (HAP-python among them) drop the leading zeros of their numbers, and then take one right
        code in eighty for wrong.

        :raises Refused: it pairs with nobody now; :raises Unreachable: nobody answers, or nonsense.
        """
        return await self._try(code) or await self._try(code)

    async def _try(self, code: str) -> Keys | None:
        nobody: Any = None
        line = HomeKitConnection(nobody, [self._at[0]], self._at[1])
        try:
            async with asyncio.timeout(CONNECTING):
                await line.ensure_connection()
            async with asyncio.timeout(PAIRING):
                salt, public = await _exchange(line, perform_pair_setup_part1(self._with_auth))
                return await self._prove(line, code, salt, public)
        except faults.UnavailableError as error:
            raise Refused(elsewhere(self._who)) from error
        except (faults.BusyError, faults.BackoffError) as error:
            raise Refused(f"{self._who} is being paired by somebody else just now: try again in a minute.") from error
        except (faults.MaxTriesError, faults.MaxPeersError) as error:
            raise Refused(f"{self._who} pairs with nobody any more: reset it first.") from error
        except Exception as error:  # what a stranger on the network may send, the library may throw
            raise Unreachable(f"{self._who} could not be paired: it does not answer as it should.") from error
        finally:
            await line.close()

    async def _prove(self, line: HomeKitConnection, code: str, salt: bytearray, public: bytearray) -> Keys | None:
        try:
            keys: Keys = await _exchange(line, perform_pair_setup_part2(code, str(uuid4()), salt, public))
        except faults.AuthenticationError:
            return None
        return {**keys, "Connection": "IP"}


def elsewhere(who: str) -> str:
    """Why an accessory cannot be ours."""
    return f"{who} is paired with another controller: unpair it there, or use it through Home Assistant."


async def _exchange(line: HomeKitConnection, steps: Any) -> Any:
    """Carry the library's steps over the line."""
    request, expected = steps.send(None)
    while True:
        try:
            answer = await line.post_tlv("/pair-setup", body=request, expected=expected)
            request, expected = steps.send(answer)
        except StopIteration as result:
            return result.value
