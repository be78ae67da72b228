// Which worker gets a new connection: the one with the fewest. Those nobody can take yet wait here, in order and
// with a bound; a worker that stands still holds up only the few it was given.

import type { Socket } from 'node:net';
import { connectionsWaitingMax } from '../../shared/base/limits.js';

/** A worker, as far as placing goes. */
export interface Place {
  /** Connections it was given that have not ended. */
  readonly connections: number;
  readonly mayTake: boolean;
  hand(socket: Socket): void;
}

export class Placement {
  /** Who was given the latest connection comes last: his turn is last where all have as many. */
  readonly #places = new Set<Place>();
  readonly #waiting: Socket[] = [];
  readonly #waitingMax: number;
  #isClosed = false;

  /** So many connections wait at most. */
  constructor(waitingMax: number = connectionsWaitingMax) {
    this.#waitingMax = waitingMax;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(place: Place): void {
    this.#places.add(place);
  }

  remove(place: Place): void {
    this.#places.delete(place);
  }

  /** Takes a connection over; cuts it when too many wait. */
  offer(socket: Socket): void {
    if (this.#isClosed || this.#waiting.length >= this.#waitingMax) {
      socket.destroy();
      return;
    }
    this.#waiting.push(socket);
    this.settle();
  }

  /** Hands on whom it can; called whenever a worker may take more. */
  settle(): void {
    for (let socket = this.#waiting[0]; socket !== undefined; socket = this.#waiting[0]) {
      const place = this.#leastBusy();
      if (place === undefined) return;
      this.#waiting.shift();
      this.#places.delete(place);
      this.#places.add(place);
      place.hand(socket);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  #leastBusy(): Place | undefined {
    let least: Place | undefined;
    for (const place of this.#places) {
      if (!place.mayTake) continue;
      if (least === undefined || place.connections < least.connections) least = place;
    }
    return least;
  }
}
