"""What the walk says, in English and German. It does not know any device."""

SAYS = {
    "en": {
        "none": "Everything I know stands in a room.",
        "done": "That was the last one; the walk is over.",
        "stopped": "The walk is over. {left} left; say “walk me through the rooms” to go on.",
        "not_walking": "We are on no walk; say “walk me through the rooms”.",
        "ask": "{shown} Where is it, and what is it called? “It is in the study”, “rename it to Bob”. {left} more: “walk on”.",
        "mute": "{name} ({kind}) cannot show itself.",
        "failed": "{name} should show itself, but: {why}",
        "unknown": "I know nothing called “{name}”.",
        "several": "That could be {names}; say the whole name.",
        "text": "This is {name}.",
    },
    "de": {
        "none": "Alles, was ich kenne, steht in einem Raum.",
        "done": "Das war das letzte; der Rundgang ist zu Ende.",
        "stopped": "Der Rundgang ist zu Ende. Noch {left}; weiter mit „führ mich durch die Räume“.",
        "not_walking": "Wir machen keinen Rundgang; sag „führ mich durch die Räume“.",
        "ask": "{shown} Wo ist es, wie heißt es? „Es ist im Flur“, „nenne es Bob“. Noch {left}: „weiter im Rundgang“.",
        "mute": "{name} ({kind}) kann sich nicht zeigen.",
        "failed": "{name} sollte sich zeigen, aber: {why}",
        "unknown": "Ich kenne nichts, das „{name}“ heißt.",
        "several": "Das könnte {names} sein; sag den ganzen Namen.",
        "text": "Hier ist {name}.",
    },
}


def say(key: str, language: str, **facts: object) -> str:
    """One sentence."""
    return SAYS.get(language, SAYS["en"])[key].format(**facts)
