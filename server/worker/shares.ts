// What one of several processes may have, so that together they have what one alone would. The supervisor gives
// connections to whoever has fewest, so all shares are full at about the same time.

import type { ListenerLimits } from '../net/listener.js';

/** The share of worker `number` (from 1) of `size`. */
export function shareOf(limits: ListenerLimits, number: number, size: number): ListenerLimits {
  const share = (whole: number): number =>
    Math.max(1, Math.floor(whole / size) + (number <= whole % size ? 1 : 0));
  return {
    ...limits,
    connectionsMax: share(limits.connectionsMax),
    pendingMax: share(limits.pendingMax),
    pendingPerAddressMax: share(limits.pendingPerAddressMax),
    lingeringMax: share(limits.lingeringMax),
  };
}
