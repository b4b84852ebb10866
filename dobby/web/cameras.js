// The cameras' page: shapes are drawn over a frame of now and kept at once. Knows nothing of what the eyes do with them.

import { speak, word } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

async function ask(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options });
  if (answer.status === 401) location.assign("/");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? answer.status);
  return answer.json();
}

function shape(kind, points, name = "polygon") {
  const made = document.createElementNS(SVG, name);
  made.setAttribute("points", points.map((point) => point.join(",")).join(" "));
  made.setAttribute("class", kind);
  return made;
}

/** An arrow from the middle of a line to where in is: to the right of who goes from its first corner to its second. */
function inward([[ax, ay], [bx, by]], wide) {
  const [dx, dy] = [(bx - ax) * wide, by - ay];
  const long = Math.hypot(dx, dy) || 1;
  const at = (on, aside) => [(ax + bx) / 2 + (-dy * on + dx * aside) / long / wide, (ay + by) / 2 + (dx * on + dy * aside) / long];
  return shape("inward", [at(0, 0), at(0.1, 0), at(0.07, 0.02), at(0.1, 0), at(0.07, -0.02)], "polyline");
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const [STEP, LEAP] = [0.02, 0.1]; // shares of the frame that an arrow moves the cross, and with Shift

/** One camera: its frame, its shapes, and the one that is being drawn. */
function camera(row) {
  const section = $("camera").content.cloneNode(true).firstElementChild;
  const part = (what) => section.querySelector(what);
  const [image, svg, kind, name, list] = ["img", "svg", "select", "input", "ul"].map(part);
  let view = { zones: row.zones, masks: row.masks };
  let draft = [];
  let cross = [0.5, 0.5]; // where a corner would be set by keyboard
  part("h2").textContent = row.name + (row.asleep ? ` (${word("asleep")})` : "");
  name.placeholder = word("zone_name");
  name.setAttribute("aria-label", word("zone_name"));
  kind.setAttribute("aria-label", word("shape_kind"));
  svg.setAttribute("aria-label", `${row.name}. ${word("draw_hint")}`);

  const corners = () => (kind.value === "line" ? 2 : 3); // the fewest of what is being drawn
  const shapes = () => [
    ...view.zones.map((zone) => ({ kind: zone.points.length === 2 ? "line" : zone.ignore ? "ignore" : "zone", name: zone.name, points: zone.points, from: view.zones, at: zone })),
    ...view.masks.map((mask) => ({ kind: "mask", name: word("mask"), points: mask, from: view.masks, at: mask })),
  ];

  function show() {
    const wide = image.naturalWidth / image.naturalHeight || 16 / 9;
    const arrows = shapes().filter((one) => one.kind === "line").map((one) => inward(one.points, wide));
    const drawn = shapes().map((one) => shape(one.kind, one.points, one.kind === "line" ? "polyline" : "polygon"));
    svg.replaceChildren(...drawn, ...arrows, shape("draft", draft, "polyline"), ...marks());
    list.replaceChildren(...shapes().map((one) => {
      const item = document.createElement("li");
      const remove = Object.assign(document.createElement("button"), { type: "button", textContent: word("remove") });
      remove.onclick = () => { one.from.splice(one.from.indexOf(one.at), 1); keep(); };
      const turn = Object.assign(document.createElement("button"), { type: "button", textContent: word("turn_line") });
      turn.onclick = () => { one.points.reverse(); keep(); };
      const label = Object.assign(document.createElement("span"), { textContent: one.kind === "mask" ? one.name : `${one.name} · ${word(one.kind)}` });
      item.append(label, ...(one.kind === "line" ? [turn] : []), remove);
      return item;
    }));
    part(".close").textContent = word(kind.value === "line" ? "close_line" : "close_shape");
    part(".close").disabled = draft.length < corners() || (kind.value !== "mask" && !name.value.trim());
  }

  /** The cross, which shows while the frame has the keyboard. */
  const marks = () => [[[cross[0], 0], [cross[0], 1]], [[0, cross[1]], [1, cross[1]]]].map((line) => shape("cross", line, "polyline"));

  function setCorner(x, y) {
    draft = [...(kind.value === "line" ? draft.slice(0, 1) : draft), [x, y]];
    part(".hint").textContent = word("corner", { number: draft.length, x: Math.round(x * 100), y: Math.round(y * 100) });
    show();
  }

  async function keep() {
    try {
      view = await ask(`/api/camera/${encodeURIComponent(row.id)}`, {
        method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(view),
      });
      part(".hint").textContent = word("kept");
    } catch (error) {
      part(".hint").textContent = error.message;
    }
    show();
  }

  const fresh = () => { image.src = `/api/camera/${encodeURIComponent(row.id)}?${Date.now()}`; };
  svg.onclick = (event) => {
    const box = svg.getBoundingClientRect();
    const share = (at, from, size) => Math.round(Math.min(1, Math.max(0, (at - from) / size)) * 1e4) / 1e4;
    setCorner(share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height));
  };
  svg.onkeydown = (event) => {
    const arrow = ARROWS[event.key], step = event.shiftKey ? LEAP : STEP;
    if (arrow) cross = cross.map((at, axis) => Math.round(Math.min(1, Math.max(0, at + arrow[axis] * step)) * 1e4) / 1e4);
    else if (event.key === "Enter" || event.key === " ") return event.preventDefault(), setCorner(...cross);
    else if (event.key === "Backspace") draft.pop();
    else if (event.key === "Escape") draft = [];
    else return;
    event.preventDefault();
    show();
  };
  image.onload = show;
  kind.onchange = () => { if (kind.value === "line") draft = draft.slice(0, 2); name.hidden = kind.value === "mask"; show(); };
  name.oninput = show;
  part(".close").onclick = () => {
    if (kind.value === "mask") view.masks.push(draft);
    else view.zones.push({ name: name.value.trim(), points: draft, ignore: kind.value === "ignore" });
    draft = [];
    keep();
  };
  part(".fresh").onclick = fresh;
  image.alt = row.name;
  fresh();
  show();
  return section;
}

try {
  const me = await ask("/api/me");
  speak(me.person.language);
  document.querySelector("[data-label=back]").setAttribute("aria-label", word("back"));
  const told = await ask("/api/cameras");
  $("privacy").textContent = told.cloud ? word("frames_leave", { where: told.cloud }) : word("frames_stay");
  $("cameras").replaceChildren(...(told.cameras.length ? told.cameras.map(camera) : [word("no_cameras")]));
  speak(me.person.language);
} catch (error) {
  $("cameras").textContent = error.message;
}
