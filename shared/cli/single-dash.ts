// Lets every long option be written with one dash, as users of the old tools write them. Called by the
// programs before their arguments are parsed; knows the declared options and nothing of what they do.

import type { Command } from 'commander';

const SINGLE_DASH = /^-([A-Za-z][\w-]*)(=.*)?$/s;

/**
 * Rewrites `-encrypt`, `-scl=3`, `-cert file` to `--…` when, and only when, the name is a declared long
 * option of the program or one of its commands. Single letters (`-n`, `-u user`, `-u=user`) and
 * everything behind `--` stay as they are.
 */
export function singleDashLong(program: Command, args: readonly string[]): string[] {
  const longNames = new Set(longOptionNames(program));
  const end = args.indexOf('--');
  const options = end < 0 ? args : args.slice(0, end);
  const operands = end < 0 ? [] : args.slice(end);
  return [...options.map((argument) => rewrite(argument, longNames)), ...operands];
}

function rewrite(argument: string, longNames: ReadonlySet<string>): string {
  const [, name, value] = SINGLE_DASH.exec(argument) ?? [];
  if (name === undefined) return argument;
  if (name.length > 1 && longNames.has(name)) return `-${argument}`;
  // Commander takes the value of a letter right behind it, so that `-u=bob` would be `=bob`.
  return name.length === 1 && value !== undefined ? `-${name}${value.slice(1)}` : argument;
}

function longOptionNames(command: Command): string[] {
  const options = command.createHelp().visibleOptions(command).concat(command.options);
  const own = options.flatMap(({ long }) => (long ? [long.slice(2)] : []));
  return [...own, ...command.commands.flatMap(longOptionNames)];
}
