/** What a server reports about its replication. */
export interface ReplicationInfo {
  readonly role: "primary" | "replica";
  /** How much it has written or applied, in bytes since the start of the history. */
  readonly offset: number;
  /** Whether a replica is connected to its primary, and not copying everything from it. */
  readonly isLinked: boolean;
  /** The replicas of a primary, as it knows them: changes when one comes or goes. */
  readonly followers: string;
  /** Its availability zone, if it reports one (Valkey 8.1 and later). */
  readonly zone: string | undefined;
}

const decoder = new TextDecoder();

/** Reads the reply to `INFO`; `undefined` if it does not tell of replication. */
export function readReplication(reply: unknown): ReplicationInfo | undefined {
  const text = reply instanceof Uint8Array ? decoder.decode(reply) : String(reply);
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(text)?.[1];
  const role = field("role");
  if (role !== "master" && role !== "slave") return undefined;
  const isReplica = role === "slave";
  return {
    role: isReplica ? "replica" : "primary",
    offset: Number(field(isReplica ? "slave_repl_offset" : "master_repl_offset")),
    isLinked: field("master_link_status") === "up",
    followers: text.match(/^slave\d+:ip=[^,]*,port=\d+/gm)?.join() ?? "",
    zone: field("availability_zone") || undefined,
  };
}

/** Most measurements that are kept: one a second is enough to tell a minute. */
const MAX_SAMPLES = 60;

/**
 * Measures how far replicas are behind, in time: notes how much the primary had written when.
 * Offsets alone do not tell: a megabyte is a moment under load, and an hour without.
 */
export class ReplicationLag {
  #samples: { readonly at: number; readonly offset: number }[] = [];

  /** The primary reported how much it has written. */
  note(now: number, offset: number): void {
    const last = this.#samples.at(-1);
    if (last?.offset === offset) return;
    // Another history: the primary is another server, or has begun anew.
    if (last !== undefined && offset < last.offset) this.reset();
    this.#samples.push({ at: now, offset });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** Forgets all, as the primary is another server. */
  reset(): void {
    this.#samples = [];
  }

  /** How long a replica with this offset has been behind at least, in milliseconds; 0 if it has
   * all that was noted. */
  of(now: number, offset: number): number {
    const missing = this.#samples.find((sample) => sample.offset > offset);
    return missing === undefined ? 0 : now - missing.at;
  }
}
