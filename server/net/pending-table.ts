// Connections that have not yet shown who they are, capped in total and per address. When a cap is
// reached the oldest goes, not the newest: a good client finishes within milliseconds, so what is old is
// stuck, and a flood from one address cannot lock out a good client behind the same address.
//
//     silent    no whole ClientHello yet: costs a socket               evicted first
//     shaking   in the TLS library's hands: costs a handshake          evicted when none is silent
//
// Sets keep the order of insertion, so the first of a set is its oldest.

/** What the table needs to know of an arrival. */
export interface Pending {
  readonly peer: { readonly address: string };
  /** The table has taken it out already; it must close its socket. */
  evict(): void;
  /** Likewise, without a report: the listener stops. */
  abandon(): void;
}

export interface PendingLimits {
  readonly pendingMax: number;
  readonly pendingPerAddressMax: number;
}

class Stages {
  readonly silent = new Set<Pending>();
  readonly shaking = new Set<Pending>();

  get size(): number {
    return this.silent.size + this.shaking.size;
  }

  get oldest(): Pending | undefined {
    const [oldest] = this.silent.size > 0 ? this.silent : this.shaking;
    return oldest;
  }

  delete(pending: Pending): void {
    this.silent.delete(pending);
    this.shaking.delete(pending);
  }
}

export class PendingTable {
  readonly #limits: PendingLimits;
  readonly #all = new Stages();
  readonly #byAddress = new Map<string, Stages>();

  constructor(limits: PendingLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Adds a silent one; evicts the oldest of its address, then the oldest of all, past the caps. */
  add(pending: Pending): void {
    const ofAddress = this.#byAddress.get(pending.peer.address) ?? new Stages();
    if (ofAddress.size >= this.#limits.pendingPerAddressMax) this.#evict(ofAddress.oldest);
    if (this.#all.size >= this.#limits.pendingMax) this.#evict(this.#all.oldest);
    this.#byAddress.set(pending.peer.address, ofAddress);
    ofAddress.silent.add(pending);
    this.#all.silent.add(pending);
  }

  /** Its ClientHello is whole: it goes behind the silent ones when somebody must be evicted. */
  promote(pending: Pending): void {
    for (const stages of [this.#all, this.#byAddress.get(pending.peer.address)]) {
      if (stages?.silent.delete(pending)) stages.shaking.add(pending);
    }
  }

  /** Takes one out; nothing happens when it is not in. */
  remove(pending: Pending): void {
    const ofAddress = this.#byAddress.get(pending.peer.address);
    ofAddress?.delete(pending);
    if (ofAddress?.size === 0) this.#byAddress.delete(pending.peer.address);
    this.#all.delete(pending);
  }

  /** False when there is none. */
  evictOldest(): boolean {
    const { oldest } = this.#all;
    this.#evict(oldest);
    return oldest !== undefined;
  }

  abandonAll(): void {
    for (const pending of [...this.#all.silent, ...this.#all.shaking]) {
      this.remove(pending);
      pending.abandon();
    }
  }

  #evict(oldest: Pending | undefined): void {
    if (oldest === undefined) return;
    this.remove(oldest);
    oldest.evict();
  }
}
