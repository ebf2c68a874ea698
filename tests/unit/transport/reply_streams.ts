/** Random byte streams of the protocol for the tests of the reply guard. */

/** A random number generator with a seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Text as bytes, one a character. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Makes streams out of one generator. */
export class StreamMaker {
  readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** A bulk string of random bytes, CR, LF and type bytes among them. */
  bulk(type = "$"): string {
    const length = this.random() < 0.9 ? this.below(20) : this.below(2000);
    const body = Array.from({ length }, () => String.fromCharCode(this.below(256)));
    if (type !== "=") return `${type}${length}\r\n${body.join("")}\r\n`;
    return `=${length + 4}\r\ntxt:${body.join("")}\r\n`;
  }

  scalar(): string {
    const int = this.below(1e6) - 5e5;
    return this.pick([
      () => this.bulk(),
      () => this.bulk(),
      () => this.bulk("="),
      () => this.bulk("!"),
      () => `:${int}\r\n`,
      () => `:+${this.below(9)}\r\n`,
      () => `:9223372036854775807\r\n`,
      () => `(${int}${"7".repeat(this.below(40))}\r\n`,
      () => `,${this.pick(["1", "-1.5", "1e300", "inf", "-inf", "nan", "0.1E-7"])}\r\n`,
      () => this.pick(["#t\r\n", "#f\r\n", "_\r\n", "$-1\r\n", "*-1\r\n", "$0\r\n\r\n"]),
      () => this.pick(["+OK\r\n", "+\r\n", "+PONG\r\n", "-ERR no\r\n", "-\r\n"]),
    ])();
  }

  reply(depth = 0): string {
    if (depth > 4 || this.random() < 0.6) return this.scalar();
    const count = this.below(5);
    const type = this.pick(["*", "~", "%"]);
    const items = Array.from({ length: count }, () => {
      const key = type === "%" ? this.scalar() : "";
      return key + this.reply(depth + 1);
    });
    return `${type}${count}\r\n${items.join("")}`;
  }

  push(): string {
    const string = (text: string) =>
      this.random() < 0.8 ? `$${text.length}\r\n${text}\r\n` : `+${text}\r\n`;
    const [kind, rest] = this.pick([
      ["message", [string("news"), this.bulk()]],
      ["smessage", [string("news"), this.bulk()]],
      ["pmessage", [string("n*"), string("news"), this.bulk()]],
      ["subscribe", [string("news"), ":1\r\n"]],
      ["unsubscribe", ["_\r\n", ":0\r\n"]],
      ["punsubscribe", [string("n*"), ":0\r\n"]],
      ["invalidate", [this.pick(["_\r\n", "*0\r\n", "*1\r\n$1\r\nk\r\n"])]],
      ["server-cpu-usage-of-all", [this.reply(), this.reply()]],
    ]);
    return `>${rest.length + 1}\r\n${string(kind as string)}${
      (rest as string[]).join("")
    }`;
  }

  /** A stream that breaks no rule. */
  valid(): string {
    const length = 1 + this.below(8);
    return Array.from({ length }, () => this.random() < 0.15 ? this.push() : this.reply())
      .join("");
  }

  /** A stream that was valid before some bytes were changed. */
  mutated(): string {
    const chars = [...this.valid()];
    for (let n = 1 + this.below(3); n > 0 && chars.length > 0; n--) {
      const at = this.below(chars.length);
      const odd = this.pick([..."$*%~>:,(#_=!|+-;.?\r\n0123456789ein", "\x00", "\xff"]);
      const edit = this.below(3);
      if (edit === 0) chars[at] = odd;
      else if (edit === 1) chars.splice(at, 1);
      else chars.splice(at, 0, odd);
    }
    return chars.join("");
  }

  /** Bytes without any plan. */
  noise(): string {
    const length = 1 + this.below(200);
    const alphabet = this.random() < 0.5
      ? [..."$*%~>:,(#_=!|+-\r\n\r\n\r\n0123456789tfein"]
      : Array.from({ length: 256 }, (_, i) => String.fromCharCode(i));
    return Array.from({ length }, () => this.pick(alphabet)).join("");
  }

  /** Cuts bytes at random places; some pieces are a single byte. */
  split(all: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    const longest = this.pick([1, 2, 5, 40, 4000]);
    for (let i = 0; i < all.length;) {
      const end = i + 1 + this.below(longest);
      pieces.push(all.subarray(i, end));
      i = end;
    }
    return pieces;
  }
}
