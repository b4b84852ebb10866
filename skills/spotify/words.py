"""What this skill answers, in English and German.

It does not know who asks.
"""

SAYS = {
    "en": {
        "gone": "I have forgotten the key: nothing is asked of Spotify any more. The app itself you can delete at "
        "developer.spotify.com/dashboard.",
        "none": "Spotify is not connected.",
        "is": "Spotify is connected: what somebody wants to hear and I do not find at home I look up there. “Play … on spotify” "
        "looks only there.",
        "how": "Say “connect spotify”, and I ask you for a key: the client ID and the secret of an app that you make at "
        "developer.spotify.com/dashboard; your account needs Premium. It plays on Sonos, with the account set up there.",
    },
    "de": {
        "gone": "Den Schlüssel habe ich vergessen: bei Spotify wird nichts mehr gefragt. Die App selbst kannst du auf "
        "developer.spotify.com/dashboard löschen.",
        "none": "Spotify ist nicht verbunden.",
        "is": "Spotify ist verbunden: was jemand hören will und ich zu Hause nicht finde, suche ich dort. „Spiel … auf Spotify“ "
        "sucht nur dort.",
        "how": "Sag „verbinde Spotify“, dann frage ich dich nach einem Schlüssel: Client-ID und Secret einer App, die du auf "
        "developer.spotify.com/dashboard anlegst; dein Konto braucht Premium. Gespielt wird auf Sonos, mit dem Konto, das dort "
        "eingerichtet ist.",
    },
}


def say(key: str, language: str, **facts: object) -> str:
    """One of this skill's sentences in a language, English where it is another."""
    return SAYS.get(language, SAYS["en"])[key].format(**facts)
