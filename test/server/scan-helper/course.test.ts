// Parts are looked through from the far end of a window towards the walk, each once, and windows follow each other.

import { randomInt } from 'node:crypto';
import t from 'tap';
import { Course, firstBlockOf, partOf } from '../../../server/scan-helper/course.js';
import { helpedPartBlocks, helpedWindowParts } from '../../../shared/base/limits.js';
import { makeRandom } from '../../model/random.js';

t.test('blocks are counted from 1', async (t) => {
  t.equal(partOf(1), 0);
  t.equal(partOf(helpedPartBlocks), 0);
  t.equal(partOf(helpedPartBlocks + 1), 1);
  t.equal(firstBlockOf(0), 1);
  t.equal(firstBlockOf(1), helpedPartBlocks + 1);
});

t.test(
  'a window is gone through towards the walk, and the next waits until the walk is in it',
  async (t) => {
    const course = new Course(4, 1000);
    const order: number[] = [];
    const windows: number[] = [];
    for (let next = course.next(4); next !== 'wait' && next !== 'end'; next = course.next(4)) {
      order.push(next.part);
      if (next.isInNewWindow) windows.push(next.part);
    }
    const expected = Array.from({ length: helpedWindowParts }, (_, n) => 4 + helpedWindowParts - n);
    t.same(order, expected);
    t.same(windows, [4 + helpedWindowParts]);
    t.equal(
      course.next(4),
      'wait',
      'room for one more window is there when the walk is in this one',
    );
    t.same(course.next(5), { part: 4 + 2 * helpedWindowParts, isInNewWindow: true });
  },
);

t.test('where it meets the walk the next window begins', async (t) => {
  const course = new Course(0, 1000);
  for (let part = helpedWindowParts; part > 100; part--)
    t.same(course.next(0), { part, isInNewWindow: part === helpedWindowParts });
  t.same(course.next(100), { part: 2 * helpedWindowParts, isInNewWindow: true });
  course.skipWindow();
  t.same(course.next(helpedWindowParts + 1), { part: 3 * helpedWindowParts, isInNewWindow: true });
  t.same(course.next(900), { part: 999, isInNewWindow: true }, 'a walk that is far ahead of it');
  t.equal(course.next(999), 'end');
});

t.test(
  'no part is looked through twice, behind the walk, or into the room of one still wanted',
  async (t) => {
    for (let round = 0; round < 30; round++) {
      const seed = randomInt(2 ** 31);
      const random = makeRandom(seed);
      const end = 1 + random(1000);
      let position = random(end);
      const course = new Course(position, end);
      const seen = new Set<number>();
      for (let next = course.next(position); next !== 'end'; next = course.next(position)) {
        if (next === 'wait' || random(3) === 0) position += 1 + random(5);
        if (next === 'wait') continue;
        const { part } = next;
        if (seen.has(part) || part >= end || part > position + 2 * helpedWindowParts + 5) {
          t.fail(`seed ${seed}: part ${part} at ${position}`);
        }
        seen.add(part);
      }
      t.pass(`seed ${seed}`);
    }
  },
);
