"""What the presence skill answers, in English and German. It does not know any phone."""

SAYS = {
    "en": {
        "kept": "I'll look for {name}'s phone ({phone}) on the Wi-Fi from now on. Soon I can tell whether {name} is home.",
        "public": "{phone} is no address on a home network; say it like 192.168.1.23, aa:bb:cc:dd:ee:ff or Pixel-8.",
        "who": "Whose phone? Say it like “Anna's phone is Pixel-8”.",
        "gone": "I don't look for {name}'s phone any more.",
        "none": "Nobody has told me which phone is {name}'s.",
    },
    "de": {
        "kept": "Ich suche {name}s Handy ({phone}) ab jetzt im WLAN; in etwa einer Minute weiß ich, ob {name} zu Hause ist.",
        "public": "{phone} ist keine Adresse im Heimnetz; sag sie so: 192.168.1.23, aa:bb:cc:dd:ee:ff oder Pixel-8.",
        "who": "Wessen Handy? Sag es so: „Annas Handy ist Pixel-8“.",
        "gone": "Ich suche {name}s Handy nicht mehr.",
        "none": "Niemand hat mir gesagt, welches Handy {name} gehört.",
    },
}


def say(key: str, language: str, **facts: object) -> str:
    """One sentence."""
    return SAYS.get(language, SAYS["en"])[key].format(**facts)
