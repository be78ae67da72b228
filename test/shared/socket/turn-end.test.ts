// Who writes alone is not held up; several in one turn write at its end, in the order they asked, each once.

import t from 'tap';
import { connectionsTogetherMax } from '../../../shared/base/limits.js';
import { TurnEnd } from '../../../shared/socket/turn-end.js';

const turn = (): Promise<void> => new Promise(setImmediate);

/** Asks `count` times in one turn; which of them wrote at once, and all that wrote by the end of the turn. */
async function ask(turnEnd: TurnEnd, count: number): Promise<{ atOnce: number[]; all: number[] }> {
  const all: number[] = [];
  for (let index = 0; index < count; index++) turnEnd.call(() => all.push(index));
  const atOnce = [...all];
  await turn();
  return { atOnce, all };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

t.test('one a turn writes at once, always', async (t) => {
  const turnEnd = new TurnEnd();
  for (let index = 0; index < 100; index++) {
    t.strictSame((await ask(turnEnd, 1)).atOnce, [0]);
  }
});

t.test('several a turn soon write at its end, in order, and one alone at once again', async (t) => {
  const turnEnd = new TurnEnd();
  let turns = 0;
  for (let isTogether = false; !isTogether; turns++) {
    const { atOnce, all } = await ask(turnEnd, 5);
    isTogether = atOnce.length === 0;
    t.strictSame(all, upTo(5));
  }
  t.ok(turns < 20, `after ${turns} turns`);
  for (let index = 0; index < 20; index++) {
    t.strictSame(await ask(turnEnd, 3), { atOnce: [], all: [0, 1, 2] });
    t.strictSame((await ask(turnEnd, 1)).all, [0], 'a turn of one in between changes nothing');
  }
  let singleTurns = 0;
  while ((await ask(turnEnd, 1)).atOnce.length === 0) singleTurns++;
  t.ok(singleTurns < 20, `after ${singleTurns} turns of one`);
});

t.test('however many they are, it is noticed', async (t) => {
  for (let count = 2; count < connectionsTogetherMax; count++) {
    const turnEnd = new TurnEnd();
    let turns = 0;
    while ((await ask(turnEnd, count)).atOnce.length > 0 && turns < 50) turns++;
    t.ok(turns < 50, `${count} a turn, after ${turns}`);
  }
});

t.test(
  'beyond so many, or when somebody is in a hurry, they do not wait for the end',
  async (t) => {
    const turnEnd = new TurnEnd();
    while ((await ask(turnEnd, 4)).atOnce.length > 0);
    const { atOnce, all } = await ask(turnEnd, connectionsTogetherMax + 3);
    t.strictSame(atOnce, upTo(connectionsTogetherMax));
    t.strictSame(all, upTo(connectionsTogetherMax + 3));
    const wrote: number[] = [];
    for (const index of upTo(3)) turnEnd.call(() => wrote.push(index));
    t.strictSame(wrote, []);
    turnEnd.hurry();
    t.strictSame(wrote, upTo(3));
  },
);

t.test('who asks while the others write has the next turn', async (t) => {
  const turnEnd = new TurnEnd();
  while ((await ask(turnEnd, 4)).atOnce.length > 0);
  const wrote: string[] = [];
  turnEnd.call(() => {
    wrote.push('first');
    turnEnd.call(() => wrote.push('third'));
  });
  turnEnd.call(() => wrote.push('second'));
  await turn();
  await turn();
  t.strictSame(wrote, ['first', 'second', 'third']);
});
