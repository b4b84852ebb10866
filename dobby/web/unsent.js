// Texts that are not yet at Dobby: kept here over reloads, tried again under the same id until his disk has them.

import { word } from "/words.js";

const LONGEST_PAUSE = 15_000;

export class Unsent {
  /** `changed()` when something is to be drawn anew, `loggedOut()` when the session has ended. */
  constructor(person, changed, loggedOut) {
    this.prefix = `dobby.unsent.${person}.`;
    this.held = new Map();
    this.changed = changed;
    this.loggedOut = loggedOut;
    this.pause = 500;
    this.load();
    addEventListener("storage", (event) => event.key?.startsWith(this.prefix) && this.elsewhere(event));
  }

  /** Another tab of this browser has kept, sent or discarded a text. */
  elsewhere({ key, newValue }) {
    if (newValue === null) this.held.delete(key.slice(this.prefix.length));
    else this.load();
    this.changed();
  }

  load() {
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(this.prefix))) {
      const item = JSON.parse(localStorage.getItem(key));
      if (item) this.held.set(item.id, item);
    }
  }

  /** In the order they were written. */
  get all() {
    return [...this.held.values()].sort((a, b) => a.at - b.at);
  }

  add(text, refers = "") {
    const item = { id: newId(), text, refers, at: Math.max(Date.now() / 1000, (this.all.at(-1)?.at ?? 0) + 1e-3), tick: "unsent" };
    this.keep(item);
    this.flush();
    return item.id;
  }

  keep(item) {
    this.held.set(item.id, item);
    try {
      localStorage.setItem(this.prefix + item.id, JSON.stringify(item));
    } catch { /* no room or no leave: this page still has it */ }
    this.changed();
  }

  /** A line of the conversation has taken its place, or nobody wants it any more. */
  drop(id) {
    localStorage.removeItem(this.prefix + id);
    return this.held.delete(id);
  }

  again(id) {
    this.keep({ ...this.held.get(id), tick: "unsent", why: "" });
    this.flush();
  }

  /** Send what waits, one after the other; what cannot go now waits a little longer. */
  async flush() {
    if (this.busy) return;
    this.busy = true;
    clearTimeout(this.timer);
    try {
      for (let item; (item = this.all.find((one) => one.tick === "unsent")); ) {
        if (!(await this.post(item))) break;
        this.pause = 500;
      }
    } finally {
      this.busy = false;
    }
    if (this.all.some((one) => one.tick === "unsent")) {
      this.timer = setTimeout(() => this.flush(), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    }
  }

  /** True when this text is settled, one way or the other. */
  async post(item) {
    const { id, text, refers } = item;
    const answer = await say("/api/say", refers ? { id, text, refers } : { id, text });
    if (answer.ok) {
      localStorage.removeItem(this.prefix + id);
      if (this.held.has(id)) this.held.set(id, { ...item, tick: "received" });
    } else if (answer.status === 401) {
      this.loggedOut();
      return false;
    } else if (answer.status === 507 || (answer.status >= 400 && answer.status < 500 && answer.status !== 429)) {
      this.keep({ ...item, tick: "failed", why: answer.why });
    } else {
      return false;
    }
    this.changed();
    return true;
  }
}

/** POST an object; never throws: status 0 is "nobody there". */
export async function say(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(15_000),
    });
    if (answer.ok) return { ok: true, status: answer.status };
    const words = answer.status === 413 ? word("too_long") : word("odd", { status: answer.status });
    return { ok: false, status: answer.status, why: (await answer.json().catch(() => ({}))).error ?? words };
  } catch {
    return { ok: false, status: 0, why: word("no_login") };
  }
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
