import t from 'tap';
import { describeError } from '../../../server/observe/log.js';
import { createRefusalLog } from '../../../server/observe/refusal-log.js';
import { RsyndError } from '../../../shared/base/error.js';
import { refusalLinesPerSecondMax } from '../../../shared/base/limits.js';

t.test('refusals past the bound of a second are counted, not written', async (t) => {
  const lines: object[] = [];
  let now = 5_000;
  const refuse = createRefusalLog({ warn: (line: object) => lines.push(line) } as never, () => now);
  for (let count = 0; count < refusalLinesPerSecondMax + 30; count++) refuse({ code: 'X' });
  t.equal(lines.length, refusalLinesPerSecondMax);
  now += 1000;
  refuse({ code: 'Y' });
  t.strictSame(lines.at(-1), { code: 'Y', leftOut: 30 });
  refuse({ code: 'Z' });
  t.strictSame(lines.at(-1), { code: 'Z' }, 'told once');
});

t.test('an error of ours is logged without a stack, another with one', async (t) => {
  t.strictSame(describeError(new RsyndError('ERR_FNF', 'x')), {
    error: 'File not found: x',
    code: 'ERR_FNF',
  });
  t.match(describeError(new TypeError('bug')), { error: 'bug', stack: /TypeError/ });
  t.strictSame(describeError('text'), { error: 'string' }, 'nothing unknown is printed');
});
