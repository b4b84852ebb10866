"""What Dobby asks of Twilio fits Twilio's own description: each of his requests is taken by a mock that is made of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from twilio_description import DESCRIPTION, Mock, api, problems

from dobby.bridge.provider.account import Account
from dobby.vault import VaultFile

pytestmark = pytest.mark.skipif(not DESCRIPTION.is_file(), reason="wants ../shared/data/twilio, which is not part of the project")
SID, TO, FROM = "AC" + "a" * 32, "whatsapp:+4915100000001", "whatsapp:+14155238886"
MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages.json"
SENDS = {
    "words": {"body": "Hello."},
    "callback": {"body": "Hello.", "status_callback": "https://dobby.test/twilio/status/1"},
    "picture": {"body": "Look.", "media_url": ["https://dobby.test/twilio/picture/1.2.3.jpg"]},
    "template": {"content_sid": "HX" + "1" * 32, "content_variables": '{"1": "Hello."}'},
}


@pytest.fixture
async def mock() -> AsyncIterator[Mock]:
    async with Mock() as made:
        yield made


@pytest.fixture
async def account(mock: Mock, tmp_path: Path) -> AsyncIterator[Account]:
    secrets = VaultFile(tmp_path / "vault.json").part("twilio")
    await secrets.put("token", "token")
    made = Account(SID, secrets, mock.url)
    yield made
    await made.aclose()


@pytest.mark.parametrize("what", SENDS)
async def test_every_sort_of_message_is_one_that_twilio_takes(account: Account, mock: Mock, what: str) -> None:
    assert (await account.create(to=TO, from_=FROM, **SENDS[what])).startswith("SM")
    assert mock.problems == [] and mock.requests[0][:2] == ("POST", MESSAGES)


async def test_what_is_asked_and_how_it_is_read_fit_the_examples(account: Account, mock: Mock) -> None:
    assert await account.name() == "friendly_name"
    assert await account.status("SM" + "b" * 32) == ("sent", "30007")
    (file,) = await account.media_of("SM" + "b" * 32)
    assert file.startswith(f"{mock.url}/2010-04-01/Accounts/") and not file.endswith(".json")
    went, came = await account.outbound(FROM, TO), await account.inbound(FROM, 1.2e9)
    assert went and all(one.sid and one.created and not one.inbound for one in went)
    assert came and all(one.sid and one.created and one.inbound for one in came)
    assert mock.problems == []


async def test_the_mock_refuses_what_is_not_described(mock: Mock) -> None:
    async with aiohttp.ClientSession(mock.url) as http:
        for form in ({"To": TO, "Body": "x", "MediaURL": "x"}, {"To": TO, "SendAsMms": "perhaps", "Body": "x"}):
            async with http.post(MESSAGES, data=form) as response:
                assert response.status in (400, 500)
        async with http.get("/2010-04-01/Nothing.json") as response:
            assert response.status == 400


def test_answers_are_held_against_it_too() -> None:
    examples = api()["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"]["responses"]["201"]
    row = examples["content"]["application/json"]["examples"]["create"]["value"]
    form = {"To": [TO], "Body": ["x"]}
    assert not list(problems("POST", MESSAGES, form, 201, row))
    for wrong in ({"status": "somewhere"}, {"num_media": 0}, {"surprise": True}):
        assert list(problems("POST", MESSAGES, form, 201, row | wrong)), wrong
