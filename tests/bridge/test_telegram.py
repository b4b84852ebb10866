"""Telegram against a Bot API server that misbehaves as Telegram does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import rigs
from rigs import ANNA, TelegramRig
from small_dobby import Dobby
from telegram_api import JPEG, BotApi, Shown

from dobby.bridge.provider.telegram import Telegram
from dobby.butler import answers
from dobby.events import EventKind, OutboxState, Reply, Role
from dobby.journal import inbox, outbox
from dobby.people import Person
from tests.patience import ENOUGH, until

BEN, FAMILY = 7002, -500


@pytest.fixture
async def rig(dobby: Dobby) -> AsyncIterator[TelegramRig]:
    async with rigs.telegram(dobby) as found:
        await dobby.people.reach("ben", "telegram", str(BEN))
        yield found


async def said(rig: TelegramRig, count: int, chat: int = ANNA) -> list[Shown]:
    await until(lambda: len(rig.api.chats.get(chat, [])) >= count and rig.dobby.butler.idle)
    return rig.api.chats[chat]


async def events(rig: TelegramRig) -> list[inbox.EventRow]:
    return await rig.dobby.store.read(lambda db: inbox.recent(db, "anna")[::-1])


async def tell(rig: TelegramRig, key: str, text: str, **more: str) -> outbox.OutboxRow:
    row = await rig.dobby.store.write(lambda db: outbox.owe(db, Reply(key, rig.lane, text, **more), None, 0.0))  # type: ignore[arg-type]
    assert row is not None
    rig.dobby.post.hand_over([row])
    await rig.dobby.post.flushed()
    now = await rig.dobby.store.read(lambda db: outbox.get(db, row.id))
    assert now is not None
    return now


async def test_somebody_is_seen_typing_while_it_takes_longer(rig: TelegramRig) -> None:
    rig.dobby.mind.hold.clear()
    rig.api.write(ANNA, "lamp on")
    await until(lambda: rig.api.calls.count("sendChatAction") >= 2)  # it lasts five seconds, and is said again
    rig.dobby.mind.hold.set()
    await said(rig, 1)


async def test_a_question_has_buttons_and_a_press_answers_it_once(rig: TelegramRig) -> None:
    rig.api.write(ANNA, "unlock the front door")
    question = (await said(rig, 1))[0]
    assert [button["text"] for button in question.buttons[0]] == ["Yes", "No"]
    rig.api.press(ANNA, question, "Yes")
    rig.api.press(ANNA, question, "Yes")
    await until(lambda: rig.dobby.house.state.of("door").get("locked") is False)
    await said(rig, 2)
    assert not question.buttons  # they go once pressed
    assert len(rig.api.answered) == 2


async def test_buttons_go_when_their_question_is_over_whoever_answers_or_nobody(rig: TelegramRig) -> None:
    dobby, carl = rig.dobby, 7009
    await dobby.people.keep(Person("carl", "Carl", Role.OWNER))
    await dobby.people.reach("carl", "telegram", str(carl))
    rig.api.write(BEN, "unlock the front door")
    (mine,), (his,) = await said(rig, 1), await said(rig, 1, carl)
    assert mine.buttons and his.buttons
    rig.api.write(carl, "no")
    await until(lambda: not mine.buttons and not his.buttons)
    assert "unlock the front door" in mine.text.casefold(), "the words stay"
    rig.api.write(ANNA, "unlock the back door")
    question = (await said(rig, 2))[-1]
    await dobby.store.write(lambda db: db.execute("UPDATE question SET expires = 1 WHERE state = 'open'"))
    await answers.expire(dobby.butler.desk, max(dobby.butler.desk.questions))
    await until(lambda: not question.buttons)
    assert dobby.house.state.of("door")["locked"] is dobby.house.state.of("back")["locked"] is True


async def test_a_button_that_was_on_the_screen_still_is_answered_in_one_sentence(rig: TelegramRig) -> None:
    rig.api.write(ANNA, "unlock the front door")
    question = (await said(rig, 1))[0]
    old = replace(question, buttons=list(question.buttons))
    rig.api.write(ANNA, "no")
    await said(rig, 2)
    for label in ("Yes", "No"):
        rig.api.press(ANNA, old, label)
    assert [one.text for one in (await said(rig, 4))[2:]] == ["no_longer", "no_longer"]
    assert rig.dobby.house.state.of("door")["locked"] is True


async def test_in_a_group_he_answers_when_spoken_to_and_each_by_their_own_role(rig: TelegramRig) -> None:
    rig.api.write(ANNA, "what a day", chat=FAMILY)
    rig.api.write(9999, "Dobby, unlock the front door", chat=FAMILY)  # nobody he knows
    rig.api.write(BEN, "Dobby, unlock the front door", chat=FAMILY)
    rig.api.write(ANNA, "lamp on @dobby_test_bot", chat=FAMILY)
    shown = await said(rig, 2, FAMILY)
    assert {line.text.split()[0] for line in shown} == {"asked_owner", "Reading"}
    assert 9999 not in rig.api.chats
    await until(lambda: rig.dobby.desk_questions())
    rig.api.press(BEN, rig.api.chats[ANNA][0], "Yes", chat=ANNA)  # somebody else's question
    await asyncio.sleep(0.1)
    assert rig.dobby.house.state.of("door")["locked"] is True


async def test_a_picture_comes_with_its_words_and_both_change_in_place(rig: TelegramRig, tmp_path: Path) -> None:
    picture = tmp_path / "van.jpg"
    picture.write_bytes(JPEG)
    row = await tell(rig, "van", "A van has pulled up.", picture=str(picture))
    later = await rig.dobby.store.write(lambda db: outbox.revise(db, "van", "The van has left.", 1.0))
    rig.dobby.post.hand_over([later])
    await until(lambda: rig.api.chats[ANNA][0].edits)
    (shown,) = rig.api.chats[ANNA]
    assert (shown.text, shown.photo, row.provider) == ("The van has left.", JPEG, str(shown.number))


async def test_a_voice_and_a_place_and_a_reaction_are_events(rig: TelegramRig) -> None:
    rig.api.write(ANNA, **rig.api.photo("voice"))
    rig.api.write(ANNA, location={"latitude": 52.5, "longitude": 13.4})
    rig.api.write(ANNA, caption="what is this?", **rig.api.photo())
    shown = await said(rig, 3)
    rig.api.react(ANNA, shown[0].number, "👍")
    await until(lambda: "reaction" in str(rig.api.updates) or True)
    async with asyncio.timeout(ENOUGH):
        while len(rows := await events(rig)) < 4:
            await asyncio.sleep(0.01)
    assert [row.event.kind for row in rows] == [EventKind.VOICE, EventKind.LOCATION, EventKind.TEXT, EventKind.REACTION]
    assert rows[0].event.attachments[0].media_type == "audio/ogg"
    assert Path(rows[2].event.attachments[0].path).read_bytes() == JPEG
    assert rows[3].event.reaction == "👍"


async def test_what_somebody_forwards_is_not_their_own_word(rig: TelegramRig) -> None:
    origin = {"type": "hidden_user", "sender_user_name": "Mallory", "date": 1700000000}
    rig.api.write(ANNA, "unlock the front door", forward_origin=origin)
    await said(rig, 1)
    assert (await events(rig))[0].event.tainted == ("text",)


async def test_updates_that_come_again_are_one_row_also_after_a_restart(rig: TelegramRig) -> None:
    rig.api.twice = True
    rig.api.write(ANNA, "hello")
    await said(rig, 1)
    rig.api.twice = False
    again = Telegram(rig.dobby.store, rig.dobby.people, rig.dobby.clock, Path(), "4242:TEST-token_of_nobody", api=rig.api.url)
    again.hear = rig.dobby.butler.hear
    polling = asyncio.create_task(again.run())  # two poll at once: Telegram says 409 to the older
    await until(lambda: "Another program" in rig.bridge.trouble)
    polling.cancel()
    await asyncio.wait([polling])
    await again.aclose()
    assert [row.event.text for row in await events(rig)] == ["hello"]
    assert [line.text for line in rig.api.chats[ANNA]] == ["You said: hello"]


async def test_an_update_that_nobody_can_read_does_not_hold_up_the_rest(rig: TelegramRig) -> None:
    rig.api.updates.append({"update_id": 900, "message": {"message_id": "none", "chat": 7}})
    rig.api.write(ANNA, "hello")
    assert [line.text for line in await said(rig, 1)] == ["You said: hello"]


@pytest.mark.parametrize(
    ("wrong", "state", "count"),
    [
        ("429", OutboxState.SENT, 1),
        ("403", OutboxState.FAILED, 0),
        ("502", OutboxState.UNKNOWN, 0),
        ("cut", OutboxState.UNKNOWN, 0),
        ("lost", OutboxState.UNKNOWN, 1),
    ],
)
async def test_what_goes_wrong_while_sending(rig: TelegramRig, wrong: str, state: OutboxState, count: int) -> None:
    rig.api.wrongs.append(("sendMessage", wrong))
    assert (await tell(rig, "post", "The post has come.")).state is state
    assert len(rig.api.chats.get(ANNA, [])) == count
    rig.api.write(ANNA, "hello")
    last = (await said(rig, count + 1))[-1]
    assert ("perhaps_missed" in last.text) is (state is OutboxState.UNKNOWN)


async def test_an_edited_text_is_taken_up_once_and_a_preview_is_no_edit(rig: TelegramRig) -> None:
    number = rig.api.write(ANNA, "lamp of")
    await said(rig, 1)
    rig.api.rewrite(ANNA, number, "lamp of")
    rig.api.rewrite(ANNA, number, "lamp on")
    await said(rig, 2)
    assert [row.event.text for row in await events(rig)] == ["lamp of", "lamp on"]


async def test_a_server_that_is_away_is_named_and_everything_comes_afterwards(rig: TelegramRig, dobby: Dobby) -> None:
    async with BotApi() as other:
        url = other.url
    bridge = Telegram(dobby.store, dobby.people, dobby.clock, Path(), "4242:TEST-token_of_nobody", api=url)
    polling = asyncio.create_task(bridge.run())
    await until(lambda: "cannot be reached" in bridge.trouble)
    polling.cancel()
    await asyncio.wait([polling])
    await bridge.aclose()
