// The page: logs in, shows the conversation, sends what is written. Knows nothing of what a text means.

import { Asked } from "/asked.js";
import { Drawing } from "/house.js";
import { Lines } from "/lines.js";
import { Link } from "/link.js";
import { say, Unsent } from "/unsent.js";
import { speak, word } from "/words.js";

const $ = (id) => document.getElementById(id);
const CALM = 1500; // ms a broken channel goes unmentioned
const THINKING = 400; // ms before "working on it" shows: a plain command is faster

// Coming in

async function start() {
  speak("");
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) {
    history.replaceState(null, "", "/");
    const answer = await say("/login", { code });
    if (!answer.ok) $("wrong").textContent = answer.why;
  }
  const answer = await fetch("/api/me").catch(() => null);
  if (answer?.ok) new Chat(await answer.json());
  else if (answer?.status === 401) askCode();
  else setTimeout(start, 2000); // Dobby is on his way
}

function askCode() {
  $("login").hidden = false;
  $("code").focus();
  $("knock").onsubmit = async (event) => {
    event.preventDefault();
    const answer = await say("/login", { code: $("code").value });
    $("wrong").textContent = answer.ok ? "" : answer.why;
    if (answer.ok) location.reload();
    else $("code").select();
  };
}

// The conversation

class Chat {
  constructor({ person, hints, cameras }) {
    speak(person.language);
    this.draftKey = `dobby.draft.${person.id}`;
    this.pressed = new Map(); // id of an answer -> key of the message whose button it was
    this.told = new Set(); // "outbox state" already reported
    this.unread = 0;
    this.lines = new Lines($("lines"), {
      press: (line, label) => this.answer(line, label),
      again: (id) => this.unsent.again(id),
      discard: (id) => this.discard(id),
      react: (line, reaction) => say("/api/react", { outbox: line.outbox, reaction }),
    });
    this.asked = new Asked($("asked"), (question, label) => this.say(label, `question:${question}`));
    this.unsent = new Unsent(person.id, () => this.draw(), () => location.reload());
    this.link = new Link({
      after: () => this.lines.last,
      hear: (news) => this.hear(news),
      up: (up) => this.showLink(up),
      loggedOut: () => location.reload(),
    });
    $("chat").hidden = false;
    $("cameras").hidden = !cameras;
    this.dress(person, hints);
    this.listen();
    this.draw();
    this.link.open();
  }

  dress(person, hints) {
    $("greeting").textContent = word("greeting", { name: person.name });
    $("hints").append(...hints.map((hint) => Object.assign(document.createElement("button"), {
      type: "button", textContent: hint, onclick: () => this.say(hint),
    })));
    for (const [id, key] of [["text", "write"], ["send", "send"], ["leave", "log_out"], ["cameras", "cameras"], ["down", "newest"], ["map", "house"], ["shut", "shut"]]) {
      $(id).setAttribute("aria-label", word(key));
      $(id).title = id === "text" ? "" : word(key);
    }
    $("text").placeholder = word("write");
    $("text").value = localStorage.getItem(this.draftKey) ?? "";
    this.grow();
    if (matchMedia("(pointer: fine)").matches) $("text").focus();
  }

  listen() {
    $("text").oninput = () => this.grow();
    $("text").onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      $("write").requestSubmit();
    };
    $("write").onsubmit = (event) => {
      event.preventDefault();
      this.say($("text").value);
      $("text").value = "";
      this.grow();
      $("text").focus();
    };
    $("scroll").onscroll = () => this.scrolled();
    $("down").onclick = () => this.toEnd("smooth");
    const drawing = new Drawing($("drawing"));
    $("map").onclick = () => drawing.open();
    $("leave").onclick = () => $("really").showModal();
    $("really").onclose = () => $("really").returnValue === "out" && say("/logout", {}).then(() => location.reload());
    document.addEventListener("visibilitychange", () => this.tellSeen());
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe($("scroll"));
  }

  // Saying

  say(text, refers = "") {
    if (!text.trim()) return null;
    this.atEnd = true;
    return this.unsent.add(text.trim().toWellFormed?.() ?? text.trim(), refers);
  }

  answer(line, label) {
    const id = this.say(label, line.key);
    this.pressed.set(id, line.key);
    this.draw();
  }

  discard(id) {
    this.unsent.drop(id);
    this.draw();
  }

  /** The box grows with its text; what is begun is kept over a reload. */
  grow() {
    const box = $("text");
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
    $("send").disabled = !box.value.trim();
    if (box.value) localStorage.setItem(this.draftKey, box.value);
    else localStorage.removeItem(this.draftKey);
  }

  // Hearing

  hear({ lines, asked }) {
    if (asked) this.asked.take(asked);
    const last = this.lines.last;
    for (const line of lines) if (line.mine) this.unsent.drop(line.id);
    const news = lines.filter((line) => line.seq > last && !line.mine).length;
    if (this.heard && (!this.atEnd || document.hidden)) this.unread += news;
    this.lines.take(lines);
    this.heard = true;
    this.draw();
    $("lines").setAttribute("aria-busy", "false");
    this.tellSeen();
  }

  get mine() {
    return [...[...this.lines.known.values()].filter((line) => line.mine), ...this.unsent.all];
  }

  draw() {
    const stay = this.atEnd ?? true;
    const open = new Set(["unsent", "received", "working"]);
    const answering = new Set(this.mine.filter((line) => open.has(line.tick)).map((line) => this.pressed.get(line.id)));
    this.lines.draw(this.unsent.all, answering);
    $("empty").hidden = !this.heard || this.lines.known.size + this.unsent.all.length > 0;
    this.showWork(this.mine.some((line) => line.tick === "received" || line.tick === "working"));
    if (stay) this.toEnd();
    this.showDown();
  }

  showWork(busy) {
    clearTimeout(this.thinking);
    const show = (shown) => {
      $("typing").hidden = !shown;
      this.working = shown;
      this.showPresence();
      if (shown && this.atEnd) this.toEnd();
    };
    if (!busy || !$("typing").hidden) show(busy);
    else this.thinking = setTimeout(() => show(true), THINKING);
  }

  showLink(up) {
    if (up === this.isUp) return;
    this.isUp = up;
    clearTimeout(this.calm);
    const tell = () => {
      $("banner").hidden = up;
      $("banner").textContent = up ? "" : word("offline");
      this.showPresence();
    };
    if (up) tell();
    else this.calm = setTimeout(tell, CALM);
    if (up) this.unsent.flush();
    else this.told.clear();
  }

  showPresence() {
    const down = !$("banner").hidden;
    const text = word(down ? "reconnecting" : this.working ? "working" : "at_service");
    if ($("presence").textContent !== text) $("presence").textContent = text;
    $("chat").classList.toggle("down", down);
  }

  /** Once per message and state: got, or looked at. */
  async tellSeen() {
    const state = document.hidden ? "delivered" : "read";
    const behind = document.hidden ? ["owed", "sending", "sent"] : ["owed", "sending", "sent", "delivered"];
    const news = [...this.lines.known.values()].filter((line) => !line.mine && behind.includes(line.state)).map((line) => line.outbox);
    const fresh = news.filter((outbox) => !this.told.has(`${outbox} ${state}`));
    for (const outbox of fresh) this.told.add(`${outbox} ${state}`);
    if (fresh.length && !(await say("/api/seen", { [state]: fresh })).ok) {
      for (const outbox of fresh) this.told.delete(`${outbox} ${state}`);
    }
  }

  // Moving about

  toEnd(behavior = "instant") {
    this.atEnd = true;
    this.unread = 0;
    $("scroll").scrollTo({ top: $("scroll").scrollHeight, behavior });
    this.showDown();
  }

  scrolled() {
    const box = $("scroll");
    this.atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    if (this.atEnd) this.unread = 0;
    this.showDown();
    if (box.scrollTop < 200) this.loadEarlier();
  }

  showDown() {
    $("down").hidden = this.atEnd ?? true;
    $("down").querySelector("b").textContent = this.unread || "";
  }

  async loadEarlier() {
    if (this.loading || this.atStart || !this.lines.known.size) return;
    this.loading = true;
    const answer = await fetch(`/api/lines?before=${this.lines.first}&limit=100`).then((got) => got.json(), () => ({}));
    const box = $("scroll"), below = box.scrollHeight - box.scrollTop;
    this.atStart = answer.lines?.length === 0;
    this.lines.take(answer.lines ?? []);
    this.draw();
    box.scrollTop = box.scrollHeight - below;
    this.loading = false;
  }
}

addEventListener("hashchange", () => location.hash && location.reload()); // another login link in the same tab
start();
