// The page's own few words, in the person's language. Knows nothing of what Dobby says.

const ALL = {
  en: {
    code_label: "Enter the code that Dobby shows you", log_in: "Log in", log_out: "Log out", stay: "Stay",
    log_out_really: "Log out here? You will need a new code to come back.",
    at_service: "at your service", working: "working on it…", reconnecting: "reconnecting…",
    offline: "Dobby cannot be reached. What you write is kept here and goes out by itself.",
    asked: "Waiting for your answer", code: "Code or password",
    greeting: "Good day, {name}", try_one: "You could say, for instance:", write: "Write to Dobby", send: "Send",
    newest: "To the newest message", today: "Today", yesterday: "Yesterday", again: "Try again", discard: "Discard",
    picture: "Picture", clip: "▶ Clip", no_clip: "No clip", no_login: "Dobby cannot be reached just now.", too_long: "That text is too long.",
    odd: "Dobby could not take this ({status}).",
    unsent: "not yet at Dobby", received: "at Dobby", working_tick: "at Dobby, being worked on",
    waiting: "waiting for an answer", under_way: "under way", done: "dealt with", unknown: "may have happened",
    refused: "not done", failed: "failed",
    back: "Back to Dobby", shape_kind: "What to draw",
    cameras: "Cameras", asleep: "asleep", zone: "Zone", line: "Line to cross", ignore: "Zone to ignore", mask: "Mask (black, before anything is stored)",
    corner: "Corner {number} at {x} %, {y} %", zone_name: "Name, like street", close_shape: "Close the shape", close_line: "Keep the line", turn_line: "Turn round", fresh_frame: "A fresh picture", remove: "Remove", kept: "Kept.",
    draw_hint: "Tap the corners into the picture, then close the shape; a line has two, and its arrow shows which way is in. By keyboard: arrows move the cross, Enter sets a corner, Backspace takes the last one back.", no_cameras: "There is no camera yet.",
    frames_stay: "Pictures stay in this house.",
    frames_leave: "Pictures of visits are also sent to a vision model at {where}.",
    house: "The house", network: "On the network", elsewhere: "No room", away: "out of reach", shut: "Close",
    nothing_yet: "Nothing has been found yet.", no_idea: "something unknown", not_mine: "not taken in",
    could: "could be taken in: {skills}", looking: "looking around…", looked: "as of {time}",
  },
  de: {
    code_label: "Gib den Code ein, den Dobby dir zeigt", log_in: "Anmelden", log_out: "Abmelden", stay: "Bleiben",
    log_out_really: "Hier abmelden? Zum Wiederkommen brauchst du einen neuen Code.",
    at_service: "zu Diensten", working: "ist dabei…", reconnecting: "verbindet sich neu…",
    offline: "Dobby ist nicht erreichbar. Was du schreibst, bleibt hier und geht von selbst hinaus.",
    asked: "Wartet auf deine Antwort", code: "Code oder Passwort",
    greeting: "Guten Tag, {name}", try_one: "Zum Beispiel:", write: "Schreib Dobby", send: "Senden",
    newest: "Zur neuesten Nachricht", today: "Heute", yesterday: "Gestern", again: "Noch einmal", discard: "Verwerfen",
    picture: "Bild", clip: "▶ Aufnahme", no_clip: "Keine Aufnahme", no_login: "Dobby ist gerade nicht erreichbar.", too_long: "Dieser Text ist zu lang.",
    odd: "Dobby konnte das nicht annehmen ({status}).",
    unsent: "noch nicht bei Dobby", received: "bei Dobby", working_tick: "bei Dobby, in Arbeit",
    waiting: "wartet auf eine Antwort", under_way: "unterwegs", done: "erledigt", unknown: "vielleicht geschehen",
    refused: "nicht getan", failed: "fehlgeschlagen",
    back: "Zurück zu Dobby", shape_kind: "Was gezeichnet wird",
    cameras: "Kameras", asleep: "schläft", zone: "Zone", line: "Linie zum Überqueren", ignore: "Zone, die nicht zählt", mask: "Maske (schwarz, bevor etwas bleibt)",
    corner: "Ecke {number} bei {x} %, {y} %", zone_name: "Name, etwa Straße", close_shape: "Form schließen", close_line: "Linie merken", turn_line: "Umdrehen", fresh_frame: "Neues Bild", remove: "Entfernen", kept: "Gemerkt.",
    draw_hint: "Tippe die Ecken ins Bild, dann schließe die Form; eine Linie hat zwei, und ihr Pfeil zeigt, wo drinnen ist. Mit der Tastatur: Pfeile bewegen das Kreuz, Enter setzt eine Ecke, die Rücktaste nimmt die letzte zurück.", no_cameras: "Noch gibt es keine Kamera.",
    frames_stay: "Bilder bleiben in diesem Haus.",
    frames_leave: "Bilder von Besuchen gehen auch an ein Bildmodell bei {where}.",
    house: "Das Haus", network: "Im Netz", elsewhere: "Ohne Raum", away: "nicht erreichbar", shut: "Schließen",
    nothing_yet: "Noch ist nichts gefunden.", no_idea: "etwas Unbekanntes", not_mine: "nicht aufgenommen",
    could: "könnte aufgenommen werden: {skills}", looking: "sieht sich um…", looked: "Stand {time}",
  },
};

let tongue = pick(navigator.language);

function pick(language) {
  const short = (language || "").slice(0, 2).toLowerCase();
  return short in ALL ? short : "en";
}

/** Speak this language from now on; "" is the browser's. */
export function speak(language) {
  tongue = pick(language || navigator.language);
  document.documentElement.lang = tongue;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word);
}

/** One of the page's words, filled in. */
export function word(key, facts = {}) {
  return (ALL[tongue][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "");
}

/** An instant (seconds since 1970) as a clock shows it. */
export function hour(at) {
  return new Date(at * 1000).toLocaleTimeString(tongue === "en" ? navigator.language : tongue, { hour: "2-digit", minute: "2-digit" });
}

/** The day of an instant, as people call it. */
export function day(at) {
  const then = new Date(at * 1000), now = new Date();
  const back = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(then).setHours(0, 0, 0, 0)) / 86_400_000);
  if (back === 0) return word("today");
  if (back === 1) return word("yesterday");
  const year = then.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  return then.toLocaleDateString(tongue, { weekday: "long", day: "numeric", month: "long", ...year });
}
