// `rsynctl user`: who may log in, and what he may do. It changes users.json; a running server takes the change
// within a second and ends the sessions that no longer qualify.

import type { Command } from 'commander';
import {
  formatCertificateRule,
  parseCertificateRule,
} from '../../server/access/certificate-rule.js';
import { parseFilePattern } from '../../server/access/file-pattern.js';
import { hashPassword, requireGoodPassword } from '../../server/access/password-hash.js';
import { type Grant, isRole, ROLES } from '../../server/access/rights.js';
import { requireUserName, type User } from '../../server/access/user.js';
import {
  addUserEntry,
  changeUserEntry,
  readUsers,
  removeUserEntry,
  requireFreeName,
  requireUser,
  type UserChange,
  type UserList,
} from '../../server/access/user-store.js';
import { RsyndError } from '../../shared/base/error.js';
import { newPassword, type PasswordOptions } from '../password-source.js';
import type { Tool } from '../tool.js';

const HELP = `
Roles:
  read     open files to read                 create   make and replace files
  update   read and change records            admin    all of it
Patterns name files below the data directory: orders, 'sales/*' (one directory), 'sales/**' (all below), '**'.
What is not granted is denied. Quote stars, or the shell takes them.

Rules for certificates:
  sha256:HEX   'subject:CN=alice,O=Acme'   cn:alice   dns:HOST   email:ADDRESS   uri:URI

Needed: the right to write the data directory.`;

const GENERATED = 'shown this once, and nowhere kept';

/** Declares `user` and its commands. */
export function addUser(program: Command, tool: Tool): void {
  const user = program
    .command('user')
    .description('users, their passwords, rights and certificates')
    .addHelpText('after', HELP);
  addEntries(user, tool);
  addRights(user, tool);
  addCertificates(user, tool);
}

function addEntries(user: Command, tool: Tool): void {
  withPassword(user.command('add <name>').description('add a user, who may do nothing yet'))
    .option('--no-password', 'without password: comes by certificate only (rsynctl user map)')
    .action((name: string, options: PasswordOptions & { password?: boolean }) =>
      add(tool, name, options),
    );
  user
    .command('list')
    .description('all users')
    .action(() => list(tool));
  user
    .command('show <name>')
    .description('one user')
    .action((name: string) => {
      const found = requireUser(readUsers(tool.state), name);
      tool.answer(shownUser(found), userText(found));
    });
  withPassword(user.command('passwd <name>').description('give a user another password')).action(
    (name: string, options: PasswordOptions) => passwd(tool, name, options),
  );
  for (const [word, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    const about = disabled ? 'end his sessions and refuse his logins' : 'let him log in again';
    user
      .command(`${word} <name>`)
      .description(about)
      .action((name: string) => change(tool, name, () => ({ disabled }), `${word}d ${name}`));
  }
  user
    .command('remove <name>')
    .description('remove a user and end his sessions')
    .action(async (name: string) => {
      await removeUserEntry(tool.state, name);
      tool.answer({ removed: name }, `removed ${name}`);
    });
}

const withPassword = (command: Command): Command =>
  command
    .option('--password-file <file>', 'its first line (default $RSYND_PASSWORD_FILE, else asked)')
    .option('--generate', 'make a random one and show it once');

function addRights(user: Command, tool: Tool): void {
  user
    .command('grant <name> <role> <pattern>')
    .description(`give a role (${ROLES.join(', ')}) on the files of a pattern`)
    .action((name: string, role: string, files: string) =>
      change(tool, name, withGrant(grantOf(role, files)), `granted ${role} ${files} to ${name}`),
    );
  user
    .command('revoke <name> <role> <pattern>')
    .description('take back a grant, written as it was given')
    .action((name: string, role: string, files: string) =>
      change(
        tool,
        name,
        withoutGrant(grantOf(role, files)),
        `${name} has no longer ${role} ${files}`,
      ),
    );
}

function addCertificates(user: Command, tool: Tool): void {
  user
    .command('map <name> <rule>')
    .description('let a certificate stand for the user')
    .action((name: string, rule: string) => {
      const kept = formatCertificateRule(parseCertificateRule(rule));
      return change(tool, name, withRule(kept), `${kept} stands for ${name}`);
    });
  user
    .command('unmap <name> <rule>')
    .description('no longer')
    .action((name: string, rule: string) => {
      const kept = formatCertificateRule(parseCertificateRule(rule));
      return change(tool, name, withoutRule(kept), `${kept} stands for ${name} no longer`);
    });
}

async function add(
  tool: Tool,
  name: string,
  options: PasswordOptions & { password?: boolean },
): Promise<void> {
  const { state } = tool;
  requireUserName(name);
  if (options.password === false) {
    refuseBoth(options);
    const added = await addUserEntry(state, name, {});
    return tool.answer(shownUser(added), `added ${name}, without password`);
  }
  requireFreeName(readUsers(state), name); // before anybody types a password for nothing
  const { password, isGenerated } = await newPassword(tool, options);
  requireGoodPassword(password, name);
  const added = await addUserEntry(state, name, { password: await hashPassword(password) });
  answerWithPassword(tool, added, `added ${name}`, isGenerated ? password : undefined);
  tool.note(`${name} may do nothing yet; see rsynctl user grant --help`);
}

function refuseBoth({ passwordFile, generate }: PasswordOptions): void {
  if (passwordFile === undefined && generate === undefined) return;
  throw new RsyndError('ERR_INVARG', '--no-password goes with no other option about passwords');
}

async function passwd(tool: Tool, name: string, options: PasswordOptions): Promise<void> {
  const { state } = tool;
  requireUser(readUsers(state), name);
  const { password: typed, isGenerated } = await newPassword(tool, options);
  requireGoodPassword(typed, name);
  const password = await hashPassword(typed);
  const changed = await changeUserEntry(state, name, () => ({ password }));
  answerWithPassword(tool, changed, `${name} has a new password`, isGenerated ? typed : undefined);
}

function answerWithPassword(tool: Tool, user: User, done: string, generated?: string): void {
  const shown = shownUser(user);
  if (generated === undefined) return tool.answer(shown, done);
  tool.answer({ ...shown, generatedPassword: generated }, generated);
  tool.note(`${done}; the password is ${GENERATED}`);
}

async function change(
  tool: Tool,
  name: string,
  decide: (user: User, users: UserList) => UserChange,
  done: string,
): Promise<void> {
  tool.answer(shownUser(await changeUserEntry(tool.state, name, decide)), done);
}

function list(tool: Tool): void {
  const { all } = readUsers(tool.state);
  const users = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  tool.answer({ users: users.map(shownUser) }, users.map(lineOf).join('\n'));
  if (users.length === 0) tool.note('there are no users; add one with rsynctl user add NAME');
}

function grantOf(role: string, files: string): Grant {
  parseFilePattern(files);
  if (isRole(role)) return { role, files };
  const shown = JSON.stringify(role.slice(0, 64));
  throw new RsyndError('ERR_INVARG', `${shown} is no role; there are ${ROLES.join(', ')}`);
}

const isSame = (one: Grant, other: Grant): boolean =>
  one.role === other.role && one.files === other.files;

/** Granting twice is granting once. */
const withGrant =
  (grant: Grant) =>
  ({ grants }: User): UserChange =>
    grants.some((each) => isSame(each, grant)) ? {} : { grants: [...grants, grant] };

const withoutGrant =
  (grant: Grant) =>
  ({ name, grants }: User): UserChange => {
    const rest = grants.filter((each) => !isSame(each, grant));
    if (rest.length < grants.length) return { grants: rest };
    const has = grants.map(({ role, files }) => `${role} ${files}`).join(', ');
    const why = `${name} has no grant ${grant.role} ${grant.files}; he has ${has || 'none'}`;
    throw new RsyndError('ERR_NOENTRY', why);
  };

const withRule =
  (rule: string) =>
  (user: User, users: UserList): UserChange => {
    const other = users.all.find((each) => each !== user && each.certificates.includes(rule));
    if (other !== undefined) {
      const why = `${rule} stands for ${other.name}; rsynctl user unmap ${other.name} first`;
      throw new RsyndError('ERR_ENTRYUSED', why);
    }
    const { certificates } = user;
    return certificates.includes(rule) ? {} : { certificates: [...certificates, rule] };
  };

const withoutRule =
  (rule: string) =>
  ({ name, certificates }: User): UserChange => {
    const rest = certificates.filter((each) => each !== rule);
    if (rest.length < certificates.length) return { certificates: rest };
    const why = `${name} has no rule ${rule}; he has ${certificates.join(', ') || 'none'}`;
    throw new RsyndError('ERR_NOENTRY', why);
  };

/** Everything but the password. */
function shownUser({ password, ...rest }: User): object {
  return { ...rest, hasPassword: password !== undefined };
}

function lineOf({ name, grants, disabled }: User): string {
  const rights = grants.map(({ role, files }) => `${role} ${files}`).join(', ') || 'no rights';
  return `${name}  ${disabled ? 'disabled  ' : ''}${rights}`;
}

function userText(user: User): string {
  const { name, password, grants, certificates, disabled, created, changed } = user;
  const lines = [
    `name         ${name}`,
    `status       ${disabled ? 'disabled' : 'enabled'}`,
    `password     ${password === undefined ? 'none, certificate only' : 'set'}`,
    ...grants.map(({ role, files }) => `grant        ${role} ${files}`),
    ...certificates.map((rule) => `certificate  ${rule}`),
    `created      ${created}`,
    `changed      ${changed}`,
  ];
  return lines.join('\n');
}
