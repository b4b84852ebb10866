// The conversation as bubbles: one element per line, changed in place. Texts are only ever text.

import { day, hour, word } from "/words.js";

const ICON = {
  unsent: "clock", received: "one", working: "one", waiting: "one", under_way: "one", done: "two",
  unknown: "doubt", refused: "no", failed: "wrong",
};
const SVG = "http://www.w3.org/2000/svg";

export class Lines {
  /** `list` is the `<ol>`; `press(line, label)` a quick reply, `again(id)` and `discard(id)` for a text that failed,
      `react(line, thumb)` what somebody thinks of a line. */
  constructor(list, { press, again, discard, react }) {
    Object.assign(this, { list, press, again, discard, react, known: new Map(), nodes: new Map() });
  }

  take(lines) {
    for (const line of lines) this.known.set(line.seq, line);
  }

  get last() {
    return Math.max(0, ...this.known.keys());
  }

  get first() {
    return Math.min(...this.known.keys());
  }

  /** Server's lines in their order, then what is not there yet. */
  draw(unsent, answering) {
    const lines = [...this.known.values()].sort((a, b) => a.seq - b.seq);
    const wanted = [];
    let last = {};
    for (const line of [...lines, ...unsent.map((item) => ({ ...item, mine: true }))]) {
      const date = new Date(line.at * 1000).toDateString();
      if (date !== last.date) wanted.push(this.dayNode(date, line.at));
      wanted.push(this.lineNode(line, last.mine !== line.mine || date !== last.date, answering));
      last = { date, mine: line.mine };
    }
    this.place(wanted);
  }

  /** Move only what is not where it belongs, so that focus and selection stay. */
  place(wanted) {
    let next = this.list.firstElementChild;
    for (const node of wanted) {
      if (node === next) next = next.nextElementSibling;
      else this.list.insertBefore(node, next);
    }
    while (next) {
      const old = next;
      next = old.nextElementSibling;
      old.remove();
    }
  }

  dayNode(date, at) {
    const node = this.node(`day ${date}`, () => make("li", "day", make("span")));
    setText(node.firstChild, day(at));
    return node;
  }

  lineNode(line, first, answering) {
    const node = this.node(line.mine ? `mine ${line.id}` : `his ${line.seq}`, () => this.newLine(line));
    node.classList.toggle("first", first);
    const [text, time] = [node.querySelector(".text"), node.querySelector("time")];
    setText(text, line.text);
    setText(time, hour(line.at));
    time.dateTime = new Date(line.at * 1000).toISOString();
    if (line.mine) this.setTick(node, line);
    else this.setOptions(node, line, answering);
    return node;
  }

  newLine(line) {
    const text = make("p", "text");
    text.dir = "auto";
    const bubble = make("div", "bubble", text, make("span", "meta", make("time")));
    if (line.film) bubble.prepend(film(line.picture, false));
    else if (line.picture) bubble.prepend(Object.assign(make("img"), { src: line.picture, alt: word("picture"), loading: "lazy" }));
    if (line.picture && /^(sight|event:\d+):/.test(line.key)) bubble.append(this.sight(line, bubble));
    const node = make("li", line.mine ? "line mine" : "line his", bubble);
    node.tabIndex = -1;
    return node;
  }

  /** What the eyes saw: its clip in place of the photo, and two thumbs. */
  sight(line, bubble) {
    const play = button(word("clip"), () => {
      const shown = film(line.picture.replace("/picture/", "/clip/"), true);
      shown.onerror = () => { shown.replaceWith(photo); Object.assign(play, { disabled: true, textContent: word("no_clip") }); };
      const photo = bubble.querySelector("img");
      photo?.replaceWith(shown);
    });
    const thumbs = ["👍", "👎"].map((thumb) => button(thumb, () => {
      for (const one of thumbs) one.setAttribute("aria-pressed", one.textContent === thumb);
      this.react(line, thumb);
    }));
    return make("div", "sight", play, ...thumbs);
  }

  setTick(node, line) {
    if (node.dataset.tick === line.tick) return;
    node.dataset.tick = line.tick;
    const means = word(line.tick === "working" ? "working_tick" : line.tick);
    const icon = document.createElementNS(SVG, "svg");
    icon.append(document.createElementNS(SVG, "use"));
    icon.firstChild.setAttribute("href", `#i-${ICON[line.tick] ?? "one"}`);
    const tick = Object.assign(make("span", "tick", icon), { title: means, role: "img" });
    tick.setAttribute("aria-label", means);
    node.querySelector(".tick")?.remove();
    node.querySelector(".meta").append(tick);
    node.querySelector(".trouble")?.remove();
    if (line.tick === "failed" && line.why) node.append(this.trouble(line));
  }

  /** A text that did not even reach Dobby's disk: why, and what to do about it. */
  trouble(line) {
    return make("div", "trouble", setText(make("p"), line.why),
      button(word("again"), () => this.again(line.id)), button(word("discard"), () => this.discard(line.id)));
  }

  setOptions(node, line, answering) {
    let row = node.querySelector(".options");
    if (!line.options.length) return row?.remove();
    if (!row) node.append((row = make("div", "options", ...line.options.map((label) => button(label, () => this.press(line, label))))));
    for (const option of row.children) option.disabled = answering.has(line.key);
  }

  node(key, create) {
    if (!this.nodes.has(key)) this.nodes.set(key, create());
    return this.nodes.get(key);
  }
}

function make(tag, name = "", ...children) {
  const node = document.createElement(tag);
  node.className = name;
  node.append(...children);
  return node;
}

function film(src, autoplay) {
  return Object.assign(make("video"), { src, autoplay, controls: true, muted: true, playsInline: true, preload: "metadata" });
}

function button(label, press) {
  const node = setText(make("button"), label);
  node.type = "button";
  node.onclick = press;
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
  return node;
}
