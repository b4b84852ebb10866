// The live channel: hears lines as they change, comes back by itself after any break. Knows nothing of what lines mean.

const QUIET = 45_000; // ms of silence after which the channel counts as dead: Dobby speaks every 20 s
const LONGEST_PAUSE = 4_000;

export class Link {
  /** `after()` is the last line known, `hear({lines, asked})`, `up(isUp)`, `loggedOut()`. */
  constructor({ after, hear, up, loggedOut }) {
    Object.assign(this, { after, hear, up, loggedOut, pause: 250, heard: 0 });
    addEventListener("online", () => this.check());
    document.addEventListener("visibilitychange", () => this.check());
  }

  open() {
    clearTimeout(this.timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = (this.socket = new WebSocket(`${scheme}://${location.host}/api/live?after=${this.after()}`));
    this.expect(socket);
    socket.onmessage = (message) => {
      this.expect(socket);
      this.pause = 250;
      this.hear(JSON.parse(message.data));
      this.up(true);
    };
    socket.onclose = (end) => socket === this.socket && this.lost(end);
  }

  /** Something must be heard within a while. */
  expect(socket) {
    this.heard = Date.now();
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.lose(socket), QUIET);
  }

  lose(socket) {
    if (socket !== this.socket) return;
    this.close();
    this.lost({});
  }

  async lost(end) {
    this.socket = null;
    this.up(false);
    const gone = end.code === 4401 || (await fetch("/api/me").then((answer) => answer.status === 401, () => false));
    if (gone) return this.loggedOut();
    if (this.socket || this.ended) return;
    this.timer = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  /** Back from sleep or from a dead network: do not wait. */
  check() {
    if (this.ended || document.visibilityState === "hidden") return;
    if (!this.socket) this.open();
    else if (Date.now() - this.heard > QUIET / 2) this.lose(this.socket);
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** For good. */
  end() {
    this.ended = true;
    this.close();
  }
}
