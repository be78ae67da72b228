// One open file of one session: what its verbs share. Only operations change it, one at a time.
//
// The position says where `reads` goes on, along the key of reference:
//
//   start ──reads──▶ at(place) ──reads──▶ … ──▶ end          (and back with direction reverse)
//   find ──▶ found(place) ──reads, either direction──▶ at(that place)
//
// It is a place in an index, not a record: it stays when its record is deleted or its key changes.

import { RsyndError } from '../../shared/base/error.js';
import type { ChannelLock, OpenMode } from '../../shared/protocol/message.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type { IsamFile } from '../isam/isam-file.js';
import type { FileHold } from '../lock/lock-manager.js';
import type { ScanHelper } from '../scan-helper/scan-helper.js';
import type { Direction, Edge } from '../storage/engine.js';

export type Position =
  | { readonly kind: 'start' | 'end'; readonly key: number }
  | { readonly kind: 'at' | 'found'; readonly key: number; readonly place: Buffer };

/** The record a write or delete is about: the last one read. */
export interface CurrentRecord {
  readonly rfa: Rfa;
  readonly crc: number;
}

export interface OpenChannel {
  /** As the caller wrote it; for messages. */
  readonly name: string;
  /** Real and absolute. */
  readonly path: string;
  readonly mode: OpenMode;
  readonly lock: ChannelLock;
  readonly file: IsamFile;
  readonly hold: FileHold;
  /** Looks through long files ahead of selects. */
  readonly helper?: Pick<ScanHelper, 'isFree' | 'begin' | 'end' | 'requests'> | undefined;
  position: Position;
  current: CurrentRecord | undefined;
  /** The record under the one automatic lock. */
  autoLocked: Rfa | undefined;
  /** Records under manual locks (RFA bytes as latin1): they outlast reads and writes. */
  readonly manualLocked: Set<string>;
  /** Its session has ended: what is under way stops as soon as it can. */
  isAbandoned: boolean;
}

/** Form of an RFA in a Set. */
export const rfaText = (rfa: Rfa): string => rfa.toString('latin1');

export const START: Edge = { prefix: Buffer.alloc(0), side: 'before' };
export const END: Edge = { prefix: Buffer.alloc(0), side: 'after' };

/** Where the next `reads` in `direction` starts to look, and which way. */
export function nextEdge(position: Position, direction: Direction): [Edge, Direction] {
  switch (position.kind) {
    case 'start':
      return [START, direction];
    case 'end':
      return [END, direction];
    case 'found':
      return [{ prefix: position.place, side: 'before' }, 'forward'];
    case 'at':
      return [
        { prefix: position.place, side: direction === 'forward' ? 'after' : 'before' },
        direction,
      ];
  }
}

/** Refuses a verb that the open mode does not allow. ERR_FILOPT. */
export function requireMode(channel: OpenChannel, verb: string, ...modes: OpenMode[]): void {
  if (modes.includes(channel.mode)) return;
  const why =
    `${verb} needs a channel opened in ${modes.join(' or ')} mode; ` +
    `${channel.name} is open in ${channel.mode} mode`;
  throw new RsyndError('ERR_FILOPT', why, { file: channel.name });
}
