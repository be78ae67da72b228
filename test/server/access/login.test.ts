// Who gets in: passwords and how they are kept, back-off, turns of addresses, certificates, the default user.

import t from 'tap';
import { BackOff, countedAddress } from '../../../server/access/back-off.js';
import { CheckQueue } from '../../../server/access/check-queue.js';
import { createLogin, isStillUser } from '../../../server/access/login.js';
import {
  emptyPasswordHash,
  hashPassword,
  isWeaker,
  parsePasswordHash,
  requireGoodPassword,
  SCRYPT_COST,
  verifyPassword,
} from '../../../server/access/password-hash.js';
import { type LoginRefusal, PasswordLogin } from '../../../server/access/password-login.js';
import type { Credentials, PeerIdentity } from '../../../server/access/peer-identity.js';
import { decodeUsers, type User } from '../../../server/access/user.js';
import { UserList } from '../../../server/access/user-store.js';
import { isRsyndError } from '../../../shared/base/error.js';
import {
  certificateRulesPerUserMax,
  missesPerAddressFree,
  missesPerUserFree,
  missesRememberedMax,
  missForgottenMs,
  missPauseMs,
  missPauseMsMax,
  passwordBytesMax,
  passwordBytesMin,
  passwordChecksMax,
  passwordChecksWaitingMax,
  passwordChecksWaitingPerAddressMax,
  refusalDelayMsMax,
  refusalPaceMs,
  usersMax,
} from '../../../shared/base/limits.js';

const CHEAP = { ln: 4, r: 8, p: 1 };

async function outcome(call: () => unknown): Promise<string> {
  try {
    return String(await call());
  } catch (error) {
    return isRsyndError(error) ? `${error.code} ${error.message}` : String(error);
  }
}

const userOf = (name: string, change: Partial<User> = {}): User => ({
  name,
  grants: [],
  certificates: [],
  disabled: false,
  created: '2026-01-01T00:00:00Z',
  changed: '2026-01-01T00:00:00Z',
  ...change,
});

t.test('passwords are kept as PHC strings and known again', async (t) => {
  const kept = await hashPassword('correct horse', CHEAP);
  t.match(kept, /^\$scrypt\$ln=4,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  const hash = parsePasswordHash(kept);
  if (hash === undefined) throw new Error('not read back');
  t.ok(await verifyPassword('correct horse', hash));
  t.notOk(await verifyPassword('correct horsf', hash));
  t.not(await hashPassword('correct horse', CHEAP), kept, 'each with a salt of its own');
  const composed = parsePasswordHash(await hashPassword('p\u00e4ssw\u00f6rd', CHEAP));
  if (composed === undefined) throw new Error('not read back');
  t.ok(await verifyPassword('pa\u0308sswo\u0308rd', composed), 'however it was typed');
  t.ok(isWeaker(CHEAP));
  t.notOk(isWeaker(SCRYPT_COST));
});

t.test('the known answer of RFC 7914', async (t) => {
  const hash =
    'cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw';
  const kept = parsePasswordHash(`$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$${hash}`);
  if (kept === undefined) throw new Error('not read');
  t.ok(await verifyPassword('pleaseletmein', kept));
});

t.test('what is no kept password, or costs too much to check, is not read', async (t) => {
  const good = await hashPassword('correct horse', CHEAP);
  const bad = [
    '',
    'secret',
    '$2b$10$abcdefghijklmnopqrstuv',
    good.replace('scrypt', 'argon2id'),
    good.replace('ln=4', 'ln=0'),
    good.replace('ln=4', 'ln=24'),
    good.replace('r=8', 'r=99').replace('ln=4', 'ln=17'),
    good.replace('p=1', 'p=17'),
    good.slice(0, -30),
    `${good}$x`,
  ];
  for (const text of bad) t.equal(parsePasswordHash(text), undefined, text.slice(0, 30));
});

t.test('a password is judged by its length, and that it is not the name', async (t) => {
  const codeFor = (password: string) => outcome(() => requireGoodPassword(password, 'longname'));
  t.match(await codeFor('x'.repeat(passwordBytesMin - 1)), /ERR_INVARG .*from 8 to 1024 bytes/);
  t.match(await codeFor('x'.repeat(passwordBytesMax + 1)), /ERR_INVARG/);
  t.equal(await codeFor('x'.repeat(passwordBytesMin)), 'undefined');
  t.equal(await codeFor('x'.repeat(passwordBytesMax)), 'undefined');
  t.match(await codeFor('LongName'), /name of the user/);
  t.notMatch(await codeFor('secret'), /secret/, 'the message does not hold it');
});

t.test(
  'misses are free at first, then each doubles the pause, and they are forgotten',
  async (t) => {
    let now = 0;
    const backOff = new BackOff({ free: 3, now: () => now });
    const pauses = Array.from({ length: 14 }, () => {
      backOff.miss('10.0.0.1');
      return backOff.pauseMs('10.0.0.1');
    });
    t.strictSame(pauses.slice(0, 6), [0, 0, 0, missPauseMs, 2 * missPauseMs, 4 * missPauseMs]);
    t.equal(pauses.at(-1), missPauseMsMax, 'up to a maximum');
    t.equal(backOff.pauseMs('10.0.0.2'), 0, 'others do not wait');
    now += missPauseMsMax;
    t.equal(backOff.pauseMs('10.0.0.1'), 0);
    backOff.miss('10.0.0.1');
    t.ok(backOff.pauseMs('10.0.0.1') > missPauseMs, 'the wait over, the next miss counts in full');
    now += 20 * missForgottenMs;
    t.notOk(backOff.isSuspect('10.0.0.1'));
    backOff.miss('10.0.0.1');
    t.equal(backOff.pauseMs('10.0.0.1'), 0, 'long ago is forgotten');
  },
);

t.test('a full table forgets the least guilty, so flooding it frees nobody', async (t) => {
  const backOff = new BackOff({ free: 3, now: () => 0 });
  for (let count = 0; count < 8; count++) backOff.miss('guesser');
  for (let count = 0; count < missesRememberedMax + 500; count++) backOff.miss(`name${count}`);
  t.equal(backOff.size, missesRememberedMax);
  t.ok(backOff.pauseMs('guesser') > 0);
});

t.test('addresses are counted as people have them', async (t) => {
  t.equal(countedAddress('::ffff:10.1.2.3'), '10.1.2.3');
  t.equal(countedAddress('10.1.2.3'), '10.1.2.3');
  t.equal(countedAddress('2001:db8:0:7::1'), countedAddress('2001:db8:0:7:ffff::9'));
  t.not(countedAddress('2001:db8:0:7::1'), countedAddress('2001:db8:0:8::1'));
  t.equal(countedAddress('fe80::1%eth0'), countedAddress('fe80::2'));
  t.equal(countedAddress('::1'), '0:0:0:0::/64');
  t.equal(countedAddress(''), '');
});

/** Checks that end when told, and the order they began in. */
function manualChecks() {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const check = (address: string, label = address) => ({
    address,
    mayStart: () => undefined,
    run: () => {
      begun.push(label);
      return new Promise<void>((resolve) => ends.push(resolve));
    },
  });
  const endOne = async (): Promise<void> => {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { begun, check, endOne };
}

t.test('addresses take turns, and whoever guessed wrong never has the last place', async (t) => {
  const { begun, check, endOne } = manualChecks();
  const suspects = new Set(['bad']);
  const queue = new CheckQueue((address) => suspects.has(address));
  for (let count = 0; count < 50; count++) void queue.submit(check('bad', `bad${count}`));
  t.strictSame(begun, ['bad0'], 'one place stays free');
  void queue.submit(check('good', 'good0'));
  t.strictSame(begun, ['bad0', 'good0'], 'for somebody else, at once');
  suspects.clear();
  for (let count = 1; count < 4; count++) void queue.submit(check('good', `good${count}`));
  for (let count = 0; count < 6; count++) await endOne();
  t.equal(begun.filter((label) => label.startsWith('good')).length, 4, 'then turn by turn');
  t.ok(begun.length <= 8);
});

t.test('a queue has an end: of one address, and of all', async (t) => {
  const { check } = manualChecks();
  const queue = new CheckQueue(() => false);
  const perAddress = passwordChecksWaitingPerAddressMax + passwordChecksMax;
  for (let count = 0; count < perAddress; count++) void queue.submit(check('a'));
  t.equal(queue.waiting, passwordChecksWaitingPerAddressMax);
  await t.rejects(queue.submit(check('a')), { code: 'ERR_BADUSER', retryable: true });
  for (let count = queue.waiting; count < passwordChecksWaitingMax; count++) {
    void queue.submit(check(`other${count}`));
  }
  await t.rejects(queue.submit(check('late')), { code: 'ERR_BADUSER', message: /server is busy/ });
});

/** A password login over given users, with a check that costs nothing and is counted. */
function countedLogin(users: readonly User[], now: () => number = () => 0) {
  const checked: (string | undefined)[] = [];
  const slept: number[] = [];
  const refusals: LoginRefusal[] = [];
  const list = new UserList(users);
  const known = new Map(users.map(({ password, name }) => [password, name]));
  const passwords = new PasswordLogin({
    findUser: (name) => list.find(name),
    onRefused: (refusal) => void refusals.push(refusal),
    now,
    sleep: async (ms) => void slept.push(ms),
    verify: async (password, kept) => {
      const text = [...known.keys()].find((each) => {
        const hash = parsePasswordHash(each ?? '')?.hash;
        return hash !== undefined && Buffer.compare(hash, kept.hash) === 0;
      });
      checked.push(known.get(text));
      return text !== undefined && password === 'right';
    },
  });
  return { passwords, checked, refusals, slept };
}

const FAKE_HASH = `$scrypt$ln=4,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$${'B'.repeat(43)}`;

t.test('every name is checked alike, and refused alike', async (t) => {
  const users = [
    userOf('alice', { password: FAKE_HASH }),
    userOf('off', { password: FAKE_HASH.replace(/B/g, 'C'), disabled: true }),
    userOf('card', { certificates: ['cn:card'] }),
  ];
  const { passwords, checked, refusals } = countedLogin(users);
  const tell = (user: string, password: string) =>
    outcome(() => passwords.check({ user, password, address: user }).then(({ name }) => name));
  t.equal(await tell('alice', 'right'), 'alice');
  const answers = [
    await tell('alice', 'wrong'),
    await tell('nobody', 'right'),
    await tell('off', 'right'),
    await tell('off', 'wrong'),
    await tell('card', 'right'),
    await tell('alice', 'x'.repeat(2 * passwordBytesMax)),
  ];
  t.equal(new Set(answers).size, 1, 'one answer for all');
  t.match(answers[0], /^ERR_BADUSER Bad username, login rejected on this server: .*administrator/);
  t.equal(checked.length, 7, 'each has cost one check');
  t.strictSame(
    refusals.map(({ user, why }) => `${user}: ${why}`),
    [
      'alice: wrong password',
      'nobody: no such user',
      'off: the user is disabled',
      'off: wrong password',
      'card: the user has no password, only a certificate',
      'alice: wrong password',
    ],
    'the log knows better',
  );
  t.notMatch(JSON.stringify(refusals), /right|xxx/, 'and no password');
  await tell('n'.repeat(500), 'x');
  t.equal(refusals.at(-1)?.user?.length, 64, 'names are cut');
});

t.test('ten thousand wrong passwords of one address cost a handful of checks', async (t) => {
  const { passwords, checked, slept } = countedLogin([userOf('alice', { password: FAKE_HASH })]);
  const bad = { user: 'alice', password: 'wrong', address: '10.0.0.66' };
  const tries = Array.from({ length: 10_000 }, () => outcome(() => passwords.check(bad)));
  const good = passwords.check({ user: 'alice', password: 'right', address: '10.0.0.7' });
  t.equal((await good).name, 'alice', 'the right one of another address comes through');
  const before = checked.length;
  t.ok(before <= 2 + passwordChecksMax, `behind ${before - 1} of the others`);
  await Promise.all(tries);
  const most = missesPerAddressFree + passwordChecksMax;
  t.ok(checked.length - 1 <= most, `${checked.length - 1} of 10,000 were checked`);
  t.strictSame(
    slept.slice(0, 3),
    [1, 2, 3].map((n) => n * refusalPaceMs),
  );
  t.equal(Math.max(...slept), refusalDelayMsMax, 'the rest are answered slowly');
  t.match(
    await outcome(() => passwords.check(bad)),
    /too many wrong passwords for this address; try again in 1 s/,
  );
  const again = await passwords.check({ user: 'alice', password: 'right', address: '10.0.0.8' });
  t.equal(again.name, 'alice', 'and nobody else is shut out, not by that user name either');
});

t.test(
  'guesses at one name from many addresses pause that name, but not who is known',
  async (t) => {
    const { passwords } = countedLogin([userOf('alice', { password: FAKE_HASH })]);
    const home = { user: 'alice', password: 'right', address: '10.9.9.9' };
    await passwords.check(home);
    for (let count = 0; count <= missesPerUserFree; count++) {
      const address = `10.0.${count}.1`;
      await outcome(() => passwords.check({ user: 'alice', password: 'wrong', address }));
    }
    const stranger = { ...home, address: '10.7.7.7' };
    t.match(await outcome(() => passwords.check(stranger)), /for this user name; try again/);
    t.equal((await passwords.check(home)).name, 'alice');
  },
);

t.test('a user removed while his password is checked does not get in', async (t) => {
  let users = new UserList([userOf('alice', { password: FAKE_HASH })]);
  const passwords = new PasswordLogin({
    findUser: (name) => users.find(name),
    onRefused: () => undefined,
    verify: async () => {
      users = new UserList([]);
      return true;
    },
  });
  const tried = passwords.check({ user: 'alice', password: 'right', address: '' });
  await t.rejects(tried, { code: 'ERR_BADUSER' });
});

const identity: PeerIdentity = {
  fingerprint: 'ab'.repeat(32),
  subject: 'CN=alice,O=Acme',
  issuer: 'CN=ca',
  serial: '01',
  names: [],
  notAfter: 0,
};

interface Ground {
  readonly users?: readonly User[];
  readonly rules?: { nonSecure: boolean; user: string | undefined };
  readonly isOpen?: boolean;
}

async function loginOf(ground: Ground, credentials: Partial<Credentials>): Promise<string> {
  const { users = [], rules = { nonSecure: false, user: undefined }, isOpen = false } = ground;
  const list = new UserList(users);
  const { passwords } = countedLogin(users);
  const login = createLogin({
    rules,
    users: () => list,
    isOpen: () => isOpen,
    passwords,
    onRefused: () => undefined,
  });
  return outcome(() => login({ address: '10.0.0.1', ...credentials }));
}

t.test('-n takes everybody as the default user, who must be one of the users', async (t) => {
  const shop = { nonSecure: true, user: 'shop' };
  const anyone = { user: 'root', password: 'secret' };
  t.equal(await loginOf({ rules: shop, isOpen: true }, anyone), 'shop');
  const nobody = { nonSecure: true, user: undefined };
  t.equal(await loginOf({ rules: nobody, isOpen: true }, {}), 'anybody');
  t.equal(await loginOf({ rules: shop, users: [userOf('shop')] }, anyone), 'shop');
  t.match(await loginOf({ rules: shop, users: [userOf('x')] }, anyone), /rsynctl user add shop/);
  t.match(await loginOf({ rules: nobody, users: [userOf('x')] }, anyone), /-u USER/);
  const off = [userOf('shop', { disabled: true })];
  t.match(await loginOf({ rules: shop, users: off }, anyone), /rsynctl user enable shop/);
});

t.test('secure mode takes a user with his password, and nobody without', async (t) => {
  const users = [userOf('alice', { password: FAKE_HASH })];
  t.equal(await loginOf({ users }, { user: 'alice', password: 'right' }), 'alice');
  t.match(await loginOf({ users }, { user: 'alice', password: 'wrong' }), /^ERR_BADUSER/);
  t.match(await loginOf({ users }, { user: 'alice' }), /without user and password/);
  t.match(await loginOf({ users }, {}), /without user and password/);
  t.match(await loginOf({}, { user: 'a', password: 'right' }), /no users yet.*rsynctl user add/);
});

t.test('a certificate decides who one is', async (t) => {
  const alice = userOf('alice', { certificates: ['cn:alice'] });
  const bob = userOf('bob', { password: FAKE_HASH });
  const users = [alice, bob];
  t.equal(await loginOf({ users }, { identity }), 'alice');
  t.equal(await loginOf({ users }, { identity, user: 'alice' }), 'alice');
  const asBob = { identity, user: 'bob', password: 'right' };
  t.match(await loginOf({ users }, asBob), /^ERR_BADUSER .*stands for alice/, 'another name');
  const shop = { nonSecure: true, user: 'bob' };
  t.equal(await loginOf({ users, rules: shop }, { identity }), 'alice', 'with -n too');
  t.match(await loginOf({ users, rules: shop }, asBob), /^ERR_BADUSER/);
  t.equal(
    await loginOf({ users: [bob] }, asBob),
    'bob',
    'one that stands for nobody decides nothing',
  );
  const two = [alice, userOf('carl', { certificates: ['subject:CN=alice,O=Acme'] })];
  t.match(await loginOf({ users: two }, { identity }), /more than one user/);
  const off = [{ ...alice, disabled: true }];
  t.match(await loginOf({ users: off }, { identity }), /alice is disabled/);
});

t.test('what a change of the users does to those who are in', async (t) => {
  const alice = userOf('alice', { certificates: ['cn:alice'] });
  const list = (...users: User[]) => new UserList(users);
  const before = list(alice);
  const asAlice = { user: 'alice', identity };
  const plain = { user: 'alice' };
  t.ok(isStillUser(before, list({ ...alice, changed: '2027-01-01T00:00:00Z' }), asAlice));
  t.notOk(isStillUser(before, list(), plain), 'removed');
  t.notOk(isStillUser(before, list({ ...alice, disabled: true }), plain), 'disabled');
  const another = { ...alice, created: '2027-01-01T00:00:00Z' };
  t.notOk(isStillUser(before, list(another), plain), 'removed and added again');
  t.notOk(isStillUser(before, list({ ...alice, certificates: [] }), asAlice), 'no longer mapped');
  t.ok(
    isStillUser(before, list({ ...alice, certificates: [] }), plain),
    'who came by password stays',
  );
  const bob = userOf('bob', { certificates: ['cn:alice'] });
  t.notOk(isStillUser(before, list({ ...alice, certificates: [] }, bob), asAlice), 'now another');
  const unmapped = userOf('alice');
  t.ok(
    isStillUser(list(unmapped), list(unmapped), asAlice),
    'a certificate that stands for nobody',
  );
});

t.test('the check of nobody costs what a real one does', async (t) => {
  t.strictSame(emptyPasswordHash().cost, SCRYPT_COST);
  t.notOk(await verifyPassword('', emptyPasswordHash(CHEAP)));
});

t.test('users.json and its lists have an end', async (t) => {
  const entry = (change: object = {}) => ({ ...userOf('x'), ...change });
  const decode = (users: unknown) => outcome(() => decodeUsers({ version: 1, users }).length);
  t.equal(await decode([entry()]), '1');
  const many = Array.from({ length: usersMax + 1 }, (_, index) => userOf(`u${index}`));
  t.match(await decode(many), /users has more than 10000 entries/);
  const rules = new Array(certificateRulesPerUserMax + 1).fill('cn:x');
  t.match(await decode([entry({ certificates: rules })]), /certificates of x has more than 64/);
  t.match(await decode([entry(), entry()]), /user x is there twice/);
  t.match(await decode([entry({ name: 'a b' })]), /no user name/);
  t.match(await decode([entry({ disabled: 0 })]), /disabled of x is not true or false/);
  t.match(await decode([entry({ created: 'now' })]), /created of x is no time/);
});
