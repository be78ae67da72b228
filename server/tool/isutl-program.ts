// The command line of isutl: its commands, the options they share, and the old spelling of some commands as
// dashed letters (`isutl -v file`).

import { Command, InvalidArgumentError } from 'commander';
import { throwUsageErrors } from '../../shared/cli/fail.js';
import { singleDashLong } from '../../shared/cli/single-dash.js';
import { addRebuild, addVerify } from './command/check.js';
import { addCreate } from './command/create.js';
import { addInfo } from './command/info.js';
import { addLoad } from './command/load.js';
import { addPatch } from './command/patch.js';
import { addSelect } from './command/select.js';
import { addUnload } from './command/unload.js';
import { addXdl } from './command/xdl.js';
import type { CommonOptions, MessageLevel, Tool } from './tool.js';

/** Commands that are written as a letter. */
const LETTERS: { readonly [letter: string]: string } = {
  '-v': 'verify',
  '-r': 'rebuild',
  '-p': 'patch',
};

const LETTERS_HELP = `
Also:
  -v <files...>                            check every index against every record
  -r <files...>                            make the indexes anew from the records
  -p -qfile=network_encrypt <files...>     insist on encrypted transfer
  -p -qfile=nonetwork_encrypt <files...>   no longer insist on it

Exit: 0 done, 1 failed or bad rows, 2 bad usage, 3 not found, 4 in use, 5 not allowed, 8 damaged`;

export function isutlProgram(tool: Tool, version: string): Command {
  const program = new Command('isutl')
    .description('Makes, fills, checks and describes record files of this machine.')
    .version(version)
    .configureHelp({ showGlobalOptions: true })
    .option('--json', 'answers as JSON on stdout, errors as JSON on stderr')
    .option('-m, --messages <level>', 'how much to say, 0 to 3 (default 2)', parseLevel)
    .option('-%, --percent', 'show a running percentage on stderr')
    .addHelpText('after', LETTERS_HELP);
  for (const add of [addCreate, addLoad, addUnload, addSelect, addInfo, addXdl]) add(program, tool);
  for (const add of [addVerify, addRebuild, addPatch]) add(program, tool);
  program.hook('preAction', () => {
    tool.options = program.opts<CommonOptions>();
  });
  return throwUsageErrors(program);
}

function parseLevel(text: string): MessageLevel {
  const level = ([0, 1, 2, 3] as const).find((each) => String(each) === text);
  if (level === undefined) throw new InvalidArgumentError('it is 0, 1, 2 or 3.');
  return level;
}

/** Arguments as commander takes them: letters become commands, one dash becomes two. */
export function isutlArguments(program: Command, args: readonly string[]): string[] {
  return singleDashLong(program, lettersToCommands(program, args));
}

function lettersToCommands(program: Command, args: readonly string[]): string[] {
  const names = new Set(program.commands.map((command) => command.name()));
  const end = args.findIndex((argument) => argument === '--' || names.has(argument));
  const before = end < 0 ? args : args.slice(0, end);
  const at = before.findIndex((argument) => LETTERS[letterOf(argument)] !== undefined);
  const letter = args[at];
  if (letter === undefined) return [...args];
  const rest = [...args.slice(0, at), ...withoutRevision(letter, args.slice(at + 1))];
  return [LETTERS[letterOf(letter)] ?? '', ...rest];
}

/** `-p6` is `-p` of the file revision 6. */
const letterOf = (argument: string): string => argument.replace(/^(-p)\d$/, '$1');

/** `-p 6 -qfile=…`: the revision is of the old tool's files, ours have one. */
function withoutRevision(letter: string, rest: readonly string[]): readonly string[] {
  const isRevision = letter === '-p' && /^[456]$/.test(rest[0] ?? '') && rest.length > 1;
  return isRevision ? rest.slice(1) : rest;
}
