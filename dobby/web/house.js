// Draws the house and its network as it is now, and draws again when it turns. Knows nothing of what a device is.

import { hour, word } from "/words.js";

const SVG = "http://www.w3.org/2000/svg";
const BEAT = 1500; // ms between two looks while the drawing is open and seen
const GAP = 12, PAD = 14, ROW = 23, HEAD = 36, NARROWEST = 262;

export class Drawing {
  /** `box` is a dialog with a place for the picture. */
  constructor(box) {
    this.box = box;
    this.place = box.querySelector(".picture");
    box.onclose = () => clearTimeout(this.timer);
    new ResizeObserver(() => this.draw()).observe(this.place);
    document.addEventListener("visibilitychange", () => this.look());
  }

  open() {
    this.box.showModal();
    this.look();
  }

  async look() {
    clearTimeout(this.timer);
    if (!this.box.open || document.hidden) return;
    const said = await fetch("/api/house").then((answer) => (answer.ok ? answer.text() : ""), () => "");
    if (said && said !== this.said) {
      this.said = said;
      this.rows = JSON.parse(said);
      this.draw();
    }
    this.timer = setTimeout(() => this.look(), BEAT);
  }

  draw() {
    if (!this.rows || !this.box.open) return;
    const style = getComputedStyle(this.place);
    const width = Math.max(260, this.place.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
    const parts = [house(this.rows.rooms, width), network(this.rows, width)].filter(Boolean);
    this.place.replaceChildren(...parts.flatMap(([title, picture]) => [Object.assign(document.createElement("h3"), { textContent: title }), picture]));
  }
}

/** Rooms as cards, floor by floor, as many beside each other as fit. */
function house(rooms, width) {
  if (!rooms.length) return [word("house"), Object.assign(document.createElement("p"), { textContent: word("nothing_yet") })];
  const columns = Math.max(1, Math.floor((width + GAP) / (NARROWEST + GAP)));
  const wide = (width - GAP * (columns - 1)) / columns;
  const picture = canvas(width, word("house"));
  let top = 4;
  for (const [floor, mine] of Map.groupBy ? Map.groupBy(rooms, (room) => room.floor) : grouped(rooms)) {
    if (floor) {
      picture.append(text(2, top + 14, floor, "floor"));
      top += 26;
    }
    const bottoms = Array(columns).fill(top);
    for (const room of mine) {
      const column = bottoms.indexOf(Math.min(...bottoms));
      const high = HEAD + room.things.reduce((sum, thing) => sum + tall(thing, wide), 0) + 8;
      picture.append(card(room, column * (wide + GAP), bottoms[column], wide, high));
      bottoms[column] += high + GAP;
    }
    top = Math.max(...bottoms) + 4;
  }
  return [word("house"), sized(picture, width, top)];
}

function grouped(rooms) {
  const rows = new Map();
  for (const room of rooms) rows.set(room.floor, [...(rows.get(room.floor) ?? []), room]);
  return rows;
}

/** A state that does not fit beside its name stands below it. */
function tall(thing, wide) {
  const state = thing.away ? word("away") : thing.state;
  return thing.name.length * 7.2 + state.length * 6.6 + 12 > wide - 2 * PAD - 20 && state ? ROW + 16 : ROW;
}

function card(room, x, y, wide, high) {
  const name = room.name || word("elsewhere");
  const node = group("listitem", `${name}: ${room.things.map((thing) => spoken(thing)).join("; ")}`);
  const lit = room.things.some((thing) => thing.on && thing.kind === "light");
  node.append(shape("rect", { x: x + 0.5, y: y + 0.5, width: wide - 1, height: high - 1, rx: 14 }, lit ? "room lit" : "room"));
  node.append(text(x + PAD, y + 24, cut(name, wide - 2 * PAD, 8.6), "name"));
  let line = y + HEAD + 11;
  for (const thing of room.things) {
    node.append(dot(x + PAD + 5, line - 4, thing.on ? "on" : thing.away ? "gone" : "off"));
    const state = thing.away ? word("away") : thing.state;
    const left = wide - 2 * PAD - 20, high = tall(thing, wide), below = high > ROW;
    node.append(text(x + PAD + 18, line, cut(thing.name, left, 7.2), thing.away ? "thing faint" : "thing"));
    const told = text(below ? x + PAD + 18 : x + wide - PAD, line + high - ROW, cut(state, left, 6.6), "state");
    if (!below) told.setAttribute("text-anchor", "end");
    node.append(told, title(spoken(thing)));
    line += high;
  }
  return node;
}

function spoken(thing) {
  return `${thing.name} ${thing.away ? word("away") : thing.state}`.trim();
}

/** Dobby at the top of a trunk, what answered as its branches: filled where it was taken in. */
function network(rows, width) {
  if (!rows.network.length && !rows.looked) return null;
  const hosts = [...rows.network].sort((one, other) => !!other.names.length - !!one.names.length || !one.what - !other.what || one.address.localeCompare(other.address, undefined, { numeric: true }));
  const picture = canvas(width, word("network"));
  const x = 15, each = 46, top = 40;
  picture.append(shape("path", { d: `M${x} 22V${top + Math.max(0, hosts.length - 1) * each}` }, "wire"));
  picture.append(shape("circle", { cx: x, cy: 16, r: 10 }, "dot on"), text(x + 22, 21, "Dobby", "name"));
  hosts.forEach((host, place) => {
    const y = top + place * each + 4, known = host.names.length > 0;
    const what = host.what || word("no_idea"), did = known ? host.names.join(", ") : host.skills.length ? word("could", { skills: host.skills.join(", ") }) : word("not_mine");
    const node = group("listitem", `${host.address}: ${what}. ${did}`);
    node.append(shape("path", { d: `M${x} ${y - 4}v4a6 6 0 0 0 6 6h14` }, "wire"), dot(x + 26, y + 6, known ? "on" : host.what ? "off" : "odd"));
    const address = text(width - 2, y + 10, host.address, "state");
    address.setAttribute("text-anchor", "end");
    const room = width - x - 44 - host.address.length * 6.8;
    node.append(text(x + 40, y + 10, cut(what, room, 7.6), host.what ? "thing" : "thing faint"), address);
    node.append(text(x + 40, y + 27, cut(did, width - x - 44, 6.6), "state"), title(`${what}: ${did}`));
    picture.append(node);
  });
  const looked = rows.looked ? word("looked", { time: hour(rows.looked) }) : word("looking");
  picture.append(text(x + 80, 21, looked, "state"));
  return [word("network"), sized(picture, width, top + hosts.length * each + 8)];
}

// Pieces

function shape(name, attributes, kind) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (kind) node.setAttribute("class", kind);
  return node;
}

function canvas(width, label) {
  return shape("svg", { role: "list", "aria-label": label, width });
}

function sized(picture, width, high) {
  picture.setAttribute("height", high);
  picture.setAttribute("viewBox", `0 0 ${width} ${high}`);
  return picture;
}

function group(role, label) {
  return shape("g", { role, "aria-label": label });
}

function text(x, y, words, kind) {
  const node = shape("text", { x, y, "aria-hidden": "true" }, kind);
  node.textContent = words;
  return node;
}

function title(words) {
  const node = shape("title", {});
  node.textContent = words;
  return node;
}

function dot(cx, cy, kind) {
  return shape("circle", { cx, cy, r: 5 }, `dot ${kind}`);
}

function cut(words, room, each) {
  const most = Math.max(3, Math.floor(room / each));
  return words.length > most ? `${words.slice(0, most - 1).trimEnd()}…` : words;
}
