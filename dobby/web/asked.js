// What Dobby waits to hear from this person, asked over another bridge: words and buttons, gone as soon as it is answered anywhere.

import { word } from "/words.js";

export class Asked {
  /** `place` is a section; `press(question, label)` answers a question by its number. */
  constructor(place, press) {
    Object.assign(this, { place, press });
  }

  take(rows) {
    this.place.hidden = !rows.length;
    this.place.setAttribute("aria-label", word("asked"));
    const title = Object.assign(document.createElement("h2"), { textContent: word("asked") });
    this.place.replaceChildren(title, ...rows.map((row) => this.card(row)));
  }

  card({ question, text, options }) {
    const words = Object.assign(document.createElement("p"), { textContent: text, dir: "auto" });
    const buttons = options.map((label) => Object.assign(document.createElement("button"), { type: "button", textContent: label }));
    const row = document.createElement("div"), card = document.createElement("article");
    for (const button of buttons) {
      button.onclick = () => {
        for (const each of buttons) each.disabled = true;
        this.press(question, button.textContent);
      };
    }
    row.className = "options";
    row.append(...buttons);
    card.append(words, row);
    return card;
  }
}
