// What Dobby waits to hear from this person, asked over another bridge: words and buttons, a field where it is a code; gone as soon
// as it is answered anywhere.

import { say } from "/unsent.js";
import { word } from "/words.js";

export class Asked {
  /** `place` is a section; `press(question, label)` answers a question by its number. */
  constructor(place, press) {
    Object.assign(this, { place, press, cards: new Map() });
  }

  /** Cards that are still there stay the same elements: what somebody types in one is theirs. */
  take(rows) {
    this.place.hidden = !rows.length;
    this.place.setAttribute("aria-label", word("asked"));
    const title = make("h2", { textContent: word("asked") });
    this.cards = new Map(rows.map((row) => [row.question, this.cards.get(row.question) ?? this.card(row)]));
    this.place.replaceChildren(title, ...this.cards.values());
  }

  card({ question, text, options, secret }) {
    const words = make("p", { textContent: text, dir: "auto" });
    const buttons = options.map((label) => make("button", { type: "button", textContent: label }));
    const row = make("div", { className: "options" }), card = document.createElement("article");
    for (const button of buttons) {
      button.onclick = () => {
        for (const each of buttons) each.disabled = true;
        this.press(question, button.textContent);
      };
    }
    row.append(...buttons);
    card.append(words, ...(secret ? [this.field(question)] : []), row);
    return card;
  }

  /** A code or a password: straight to Dobby, never among the texts that a browser keeps. */
  field(question) {
    const form = make("form", { className: "secret" }), wrong = make("p", { role: "alert" });
    const input = make("input", { type: "password", autocomplete: "off", required: true, maxLength: 200 });
    const send = make("button", { textContent: word("send") });
    input.setAttribute("aria-label", word("code"));
    input.placeholder = word("code");
    form.onsubmit = async (event) => {
      event.preventDefault();
      send.disabled = true;
      const answer = await say("/api/say", { id: crypto.getRandomValues(new BigUint64Array(2)).join(""), text: input.value, refers: `question:${question}` });
      if (answer.ok) input.value = "";
      wrong.textContent = answer.ok ? "" : answer.why;
      send.disabled = answer.ok;
    };
    form.append(input, send, wrong);
    return form;
  }
}

function make(tag, facts) {
  return Object.assign(document.createElement(tag), facts);
}
