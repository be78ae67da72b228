import { Command } from 'commander';
import t from 'tap';
import { RsyndError } from '../../../shared/base/error.js';
import { exitStatusOf } from '../../../shared/cli/exit-status.js';
import { errorText, exitStatusOfError, throwUsageErrors } from '../../../shared/cli/fail.js';
import { singleDashLong } from '../../../shared/cli/single-dash.js';

function program(): Command {
  const root = new Command('tool')
    .version('1.2.3')
    .option('--encrypt', 'TLS')
    .option('--scl <n>', 'level')
    .option('-u, --user <name>', 'user')
    .option('-n', 'non-secure')
    .argument('[files...]');
  root.command('sub').option('--format <name>', 'format');
  return throwUsageErrors(root);
}

t.test(
  'singleDashLong() gives declared long options their second dash, and nothing else',
  async (t) => {
    const cases: readonly (readonly [args: string, expected: string])[] = [
      ['-encrypt -scl=3', '--encrypt --scl=3'],
      ['-scl 3 data', '--scl 3 data'],
      ['--encrypt --scl=1 -ubob', '--encrypt --scl=1 -ubob'],
      ['-u=bob -n -u bob', '-ubob -n -u bob'],
      ['-help -version', '--help --version'],
      ['sub -format=csv', 'sub --format=csv'],
      ['-encript -m3 -% -', '-encript -m3 -% -'],
      ['-encrypt -- -encrypt -scl=1', '--encrypt -- -encrypt -scl=1'],
    ];
    for (const [args, expected] of cases) {
      t.strictSame(singleDashLong(program(), args.split(' ')), expected.split(' '), args);
    }
  },
);

t.test('exit statuses say which kind of failure it was', async (t) => {
  const cases = [
    ['ERR_FNF', 3],
    ['ERR_FINUSE', 4],
    ['ERR_LOCKED', 4],
    ['ERR_PROTEC', 5],
    ['ERR_CLNTERR', 6],
    ['ERR_NETCRYPT', 6],
    ['ERR_TIMEOUT', 7],
    ['ERR_DAMAGED', 8],
    ['ERR_CONFIG', 2],
    ['ERR_NODUPS', 1],
  ] as const;
  for (const [code, status] of cases) t.equal(exitStatusOf(code), status, code);
  t.equal(exitStatusOfError(new Error('?')), 1);
});

t.test('errors are one line, as text or as JSON, bad usage included', async (t) => {
  const error = new RsyndError('ERR_FNF', 'no such', { file: 'a.ism' });
  t.equal(errorText(error, false), 'error: File not found: no such');
  t.strictSame(JSON.parse(errorText(error, true) ?? ''), {
    error: {
      code: 'ERR_FNF',
      errno: 18,
      message: 'File not found: no such',
      retryable: false,
      file: 'a.ism',
    },
  });
  const thrownBy = (args: readonly string[]): unknown => {
    try {
      program()
        .configureOutput({ writeOut: () => {} })
        .parse(args, { from: 'user' });
    } catch (thrown) {
      return thrown;
    }
    return undefined;
  };
  const usage = thrownBy(['--nonsense']);
  t.equal(exitStatusOfError(usage), 2);
  t.match(errorText(usage, false), /^error: unknown option '--nonsense'/);
  t.equal(JSON.parse(errorText(usage, true) ?? '').error.code, 'USAGE');
  for (const asked of ['--help', '--version']) {
    const help = thrownBy([asked]);
    t.equal(exitStatusOfError(help), 0, asked);
    t.equal(errorText(help, true), undefined);
  }
});
