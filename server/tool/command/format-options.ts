// Options load and unload have in common.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { badRowsMaxDefault } from '../../../shared/base/limits.js';
import { FORMATS, type FormatChoice } from '../formats.js';

export interface FormatOptions extends FormatChoice {
  readonly maxErrors: number;
}

export function addFormatOptions(command: Command): Command {
  const what = 'required: fixed-width lines, CSV with header, or JSON Lines';
  // The choices stand where the missing option is named, too.
  const format = new Option(`--format <${FORMATS.join('|')}>`, what)
    .choices(FORMATS)
    .makeOptionMandatory();
  return command
    .addOption(format)
    .option('--packed', 'fixed: records follow each other without line ends')
    .option(
      '--max-errors <n>',
      'bad rows gone over before it stops',
      parseCount,
      badRowsMaxDefault,
    );
}

export function parseCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it is a whole number.');
}
