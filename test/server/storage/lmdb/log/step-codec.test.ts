// Steps come back from bytes as they were, and what is too much for the log is not half written.

import t from 'tap';
import type { RecordChange, RecordRemoval } from '../../../../../server/storage/engine.js';
import { ENTRY_HEAD_BYTES } from '../../../../../server/storage/lmdb/log/format.js';
import { decodeSteps, StepWriter } from '../../../../../server/storage/lmdb/log/step-codec.js';
import { takeNumbers } from '../../../../../server/storage/take-numbers.js';
import { logEntryBytesMax } from '../../../../../shared/base/limits.js';
import { makeRfa } from '../../../../../shared/record/rfa.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const KEYS = [bytes('first'), undefined, bytes('')];

/** A record that took number -5 of one counter and 2^62 of another. */
const made = {
  sequences: new Map([
    ['sequence@0', -4n],
    ['é', 2n ** 62n + 1n],
  ]),
  record: bytes('record'),
  keys: KEYS,
};
const NUMBERS = [-5n, 2n ** 62n];

t.test('gives back what was taken down', (t) => {
  const steps = new StepWriter();
  const change: RecordChange = {
    rfa: makeRfa(2 ** 40 - 1, 254),
    previousCrc: 0xffff_ffff,
    record: bytes('another'),
    oldKeys: KEYS,
    newKeys: [KEYS[0], bytes('new'), undefined],
  };
  const removal: RecordRemoval = { rfa: makeRfa(1, 0), previousCrc: 7, keys: KEYS };
  steps.insert(2 ** 48 - 1, made);
  steps.update(change, { ...made, record: change.record, keys: change.newKeys });
  steps.remove(removal);
  const body = steps.entry?.subarray(ENTRY_HEAD_BYTES) ?? Buffer.alloc(0);
  const [insert, update, remove] = [...decodeSteps(body, KEYS.length)];
  const taken = insert?.kind === 'insert' ? insert : undefined;
  t.equal(taken?.address, 2 ** 48 - 1);
  t.same(taken?.draft.finish([]), { record: made.record, keys: KEYS });
  const again = update?.kind === 'update' ? update.change : undefined;
  t.match(again, change);
  t.same(again?.stamped?.finish([]), { record: change.record, keys: change.newKeys });
  for (const sequences of [taken?.draft.sequences ?? [], again?.stamped?.sequences ?? []]) {
    const older = new Map([['sequence@0', -100n]]);
    const retaken = takeNumbers(sequences, older);
    t.same(retaken.numbers, NUMBERS, 'the numbers that were taken, whatever the counters say');
    t.same(retaken.sequences, made.sequences);
  }
  t.same(remove, { kind: 'remove', removal });
  for (const [length, kind] of [
    [body.length - 1, 1],
    [body.length, 9],
  ] as const) {
    const wrong = Buffer.from(body.subarray(0, length));
    wrong[0] = kind;
    t.throws(() => [...decodeSteps(wrong, KEYS.length)], RangeError);
  }
  steps.clear();
  t.equal(steps.entry?.length, ENTRY_HEAD_BYTES);
  t.end();
});

t.test('gives nothing when a transaction is too large or no steps', (t) => {
  const steps = new StepWriter();
  let taken = 0;
  for (; steps.entry !== undefined && taken < 1000; taken++) {
    t.ok(steps.entry.length <= logEntryBytesMax);
    steps.insert(taken, { ...made, record: Buffer.alloc(1000) });
  }
  t.ok(taken > 100 && taken < 140, `${taken} steps`);
  steps.remove({ rfa: makeRfa(1, 0), previousCrc: 7, keys: KEYS });
  t.equal(steps.entry, undefined, 'what follows does not come alone');
  steps.clear();
  steps.giveUp();
  t.equal(steps.entry, undefined);
  t.end();
});
