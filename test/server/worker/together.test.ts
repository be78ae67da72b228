// The parts that make several processes one server, each alone: shares, placing, replacing, turns of password
// checks, keys of tickets.

import type { Socket } from 'node:net';
import t from 'tap';
import { LoginTurns } from '../../../server/access/login-turns.js';
import { LISTENER_LIMITS } from '../../../server/net/listener.js';
import { Deaths } from '../../../server/worker/deaths.js';
import { errorOf, failureOf } from '../../../server/worker/failure.js';
import { type FromWorker, messageFrom } from '../../../server/worker/message.js';
import { type Place, Placement } from '../../../server/worker/placement.js';
import { RemoteTurns } from '../../../server/worker/remote-turns.js';
import { shareOf } from '../../../server/worker/shares.js';
import { TicketSecret, ticketKeysFor } from '../../../server/worker/ticket-secret.js';
import { TurnDesk } from '../../../server/worker/turn-desk.js';
import { RsyndError } from '../../../shared/base/error.js';
import {
  connectionsHandedMax,
  connectionsWaitingMax,
  missesPerAddressFree,
  passwordChecksMax,
  workerDeathsMax,
  workerPauseMs,
  workerPauseMsMax,
  workerSteadyMs,
  workersMax,
} from '../../../shared/base/limits.js';

t.test('shares add up to what one process may have', async (t) => {
  for (const size of [1, 2, 3, 7, workersMax]) {
    const shares = Array.from({ length: size }, (_, at) => shareOf(LISTENER_LIMITS, at + 1, size));
    for (const name of ['connectionsMax', 'pendingMax', 'pendingPerAddressMax'] as const) {
      const all = shares.map((share) => share[name]);
      t.equal(
        all.reduce((sum, each) => sum + each),
        LISTENER_LIMITS[name],
        `${name} of ${size}`,
      );
      t.ok(Math.max(...all) - Math.min(...all) <= 1, 'and differ by one at most');
    }
  }
  const few = shareOf({ ...LISTENER_LIMITS, lingeringMax: 2 }, 64, 64);
  t.equal(few.lingeringMax, 1, 'nobody is left without');
});

/** A worker that takes `room` connections, and what it was given. */
function makePlace(room: number) {
  const given: Socket[] = [];
  const place: Place & { readonly given: Socket[]; room: number } = {
    given,
    room,
    get connections() {
      return given.length;
    },
    get mayTake() {
      return given.length < this.room;
    },
    hand: (socket) => void given.push(socket),
  };
  return place;
}

function makeSocket(): { socket: Socket; isCut(): boolean } {
  let isCut = false;
  const destroy = (): void => {
    isCut = true;
  };
  return { socket: { destroy } as unknown as Socket, isCut: () => isCut };
}

t.test('connections go to whoever has fewest, in turn, and wait for room', async (t) => {
  const placement = new Placement();
  const [one, two, three] = [makePlace(4), makePlace(4), makePlace(2)];
  for (const place of [one, two, three]) placement.add(place);
  for (let count = 0; count < 9; count++) placement.offer(makeSocket().socket);
  t.strictSame([one.given.length, two.given.length, three.given.length], [4, 3, 2]);
  placement.remove(two);
  const late = [makeSocket(), makeSocket()];
  for (const { socket } of late) placement.offer(socket);
  t.equal(placement.waiting, 2, 'nobody has room');
  three.room = 3;
  placement.settle();
  t.equal(three.given[2], late[0]?.socket, 'the first that waited');
  placement.close();
  t.strictSame(
    late.map(({ isCut }) => isCut()),
    [false, true],
    'who still waits at the end is cut',
  );
  const after = makeSocket();
  placement.offer(after.socket);
  t.ok(after.isCut(), 'and who comes after it');
});

t.test('so many connections wait for a worker and no more', async (t) => {
  const placement = new Placement();
  const sockets = Array.from({ length: connectionsWaitingMax + 1 }, makeSocket);
  for (const { socket } of sockets) placement.offer(socket);
  t.equal(placement.waiting, connectionsWaitingMax);
  t.ok(sockets.at(-1)?.isCut());
  t.ok(connectionsHandedMax < connectionsWaitingMax);
});

t.test('who dies is replaced at once, then ever later, then not any more', async (t) => {
  const deaths = new Deaths();
  t.equal(deaths.pauseAfter(workerSteadyMs), 0);
  t.equal(deaths.pauseAfter(10), 0, 'one short life says little');
  t.equal(deaths.pauseAfter(10), workerPauseMs);
  t.equal(deaths.pauseAfter(10), 2 * workerPauseMs);
  t.equal(deaths.pauseAfter(workerSteadyMs), 0, 'a long one is a new beginning');
  const pauses = Array.from({ length: workerDeathsMax }, () => deaths.pauseAfter(0));
  t.equal(pauses.at(-1), undefined, 'so many short ones in a row are the end');
  t.ok(pauses.every((pause) => pause === undefined || pause <= workerPauseMsMax));
});

/** Two workers and the desks of their supervisor, with messages that arrive at once. */
function makeOffice(turns = new LoginTurns({ now: () => 0, sleep: async () => undefined })) {
  return Array.from({ length: 2 }, () => {
    const remote: RemoteTurns = new RemoteTurns((message: FromWorker) => {
      if (message.kind === 'ask turn') desk.ask(message.id, message.tried);
      if (message.kind === 'turn over') desk.over(message.id, message.isRight);
    });
    const desk: TurnDesk = new TurnDesk({
      turns,
      grant: (id) => remote.granted(id),
      refuse: (id, failure) => remote.refused(id, errorOf(failure)),
    });
    return { remote, desk };
  });
}

t.test('two workers allow no more guesses than one', async (t) => {
  const office = makeOffice();
  let checks = 0;
  const guess = (at: number): Promise<string> => {
    const { remote } = office[at % 2] ?? { remote: undefined };
    const check = async () => {
      checks++;
      return { isRight: false };
    };
    const taken = remote?.take({ user: `user${at}`, address: '10.0.0.1' }, check);
    return (taken ?? Promise.reject(new Error('no worker'))).then(
      () => 'checked',
      (error) => `${error.code} ${error.retryable}`,
    );
  };
  const answers: string[] = [];
  for (let at = 0; at < 40; at++) answers.push(await guess(at));
  t.ok(checks <= missesPerAddressFree + 1, `${checks} checks`);
  t.equal(answers.at(-1), 'ERR_BADUSER true', 'the others wait, and may come again');
  const [, other] = office;
  const good = await other?.remote.take({ user: 'ann', address: '10.0.0.2' }, async () => ({
    isRight: true,
    name: 'ann',
  }));
  t.equal(good?.name, 'ann', 'another address is let in, and gets what its check found');
});

t.test('a check that fails, or whose worker dies, gives its turn back', async (t) => {
  const [one, two] = makeOffice();
  if (one === undefined || two === undefined) throw new Error('no workers');
  const at = (address: string) => ({ user: 'ann', address });
  const broken = one.remote.take(at('10.0.0.1'), () => Promise.reject(new Error('broken')));
  await t.rejects(broken, { message: 'broken' });
  const begun: string[] = [];
  for (let count = 0; count < passwordChecksMax; count++) {
    const never = one.remote.take(at(`10.0.1.${count}`), () => {
      begun.push('one');
      return new Promise<never>(() => undefined);
    });
    never.catch(() => undefined);
  }
  const waiting = two.remote.take(at('10.0.0.3'), async () => ({ isRight: true }));
  await new Promise(setImmediate);
  t.equal(begun.length, passwordChecksMax, 'all places are taken');
  one.desk.close();
  t.strictSame(await waiting, { isRight: true }, 'until their worker is gone');
  await t.rejects(one.remote.take(at('10.0.0.4'), async () => ({ isRight: true })));
});

t.test('errors keep code, words and whether to try again', async (t) => {
  const error = errorOf(failureOf(new RsyndError('ERR_BADUSER', 'why', { retryable: true })));
  t.match(error, { code: 'ERR_BADUSER', retryable: true, message: /why/ });
  t.match(errorOf(failureOf(new Error('odd'))), { message: 'odd', code: undefined });
  t.equal(messageFrom('x'), undefined);
  t.equal(messageFrom({ cmd: 'x' }), undefined);
});

t.test('ticket keys agree where the options do, and nowhere else', async (t) => {
  const secret = Buffer.alloc(32, 1);
  const keys = ticketKeysFor(secret, { cert: 'a', minVersion: 'TLSv1.2' });
  t.equal(keys.length, 48);
  t.same(ticketKeysFor(secret, { cert: 'a', minVersion: 'TLSv1.2' }), keys);
  t.notSame(ticketKeysFor(secret, { cert: 'a', minVersion: 'TLSv1.3' }), keys);
  t.notSame(ticketKeysFor(secret, { cert: 'b', minVersion: 'TLSv1.2' }), keys);
  t.notSame(ticketKeysFor(Buffer.alloc(32, 2), { cert: 'a', minVersion: 'TLSv1.2' }), keys);
});

t.test('a new secret is made at once, and once more for all who ask after', async (t) => {
  const made: string[] = [];
  await new Promise<void>((resolve) => {
    const secret = new TicketSecret(() => {
      made.push(secret.value);
      if (made.length === 3) resolve();
    }, 1);
    made.push(secret.value);
    t.teardown(() => secret.close());
    secret.renew();
    t.equal(made.length, 2, 'tickets of before do not count from now on');
    for (let count = 0; count < 5; count++) secret.renew();
    t.equal(made.length, 2);
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(made.length, 3);
  t.equal(new Set(made).size, 3);
});
