// Runs one step twice, by the model and by real sessions over a real engine, and compares. Whatever
// the product decides by itself (addresses, autokeys) the model takes over after checking it.

import { deepStrictEqual } from 'node:assert/strict';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openIsamFile } from '../../server/isam/isam-file.js';
import type { Services } from '../../server/operation/open.js';
import type { Problem, StoredFile } from '../../server/storage/engine.js';
import type { OpenRequest, Request } from '../../shared/protocol/message.js';
import { makeRfa } from '../../shared/record/rfa.js';
import { ModelChannel } from './isam-model.js';
import { ModelError } from './key-order.js';
import { ModelFile, type ModelRecord, type Observed } from './model-file.js';
import { ModelShare } from './model-share.js';
import { type Outcome, outcomeOf, outcomeOfReply, plain, sortRecords } from './outcome.js';
import type { RandomFile } from './random-spec.js';
import { CHANNELS, type Step } from './random-step.js';
import { SessionHarness } from './session-harness.js';
import { StepRequests } from './step-request.js';

const OPENINGS: readonly Pick<OpenRequest, 'mode' | 'share' | 'lock'>[] = [
  ...Array(8).fill({ mode: 'update', share: 'all', lock: 'auto' }),
  ...Array(3).fill({ mode: 'input', share: 'all', lock: 'auto' }),
  { mode: 'update', share: 'all', lock: 'none' },
  { mode: 'input', share: 'read', lock: 'none' },
  { mode: 'update', share: 'read', lock: 'auto' },
  { mode: 'update', share: 'exclusive', lock: 'auto' },
  { mode: 'append', share: 'all', lock: 'auto' },
  { mode: 'append', share: 'all', lock: 'auto' },
  { mode: 'output', share: 'all', lock: 'auto' },
];

export class Twin {
  /** How many requests ended in which kind of reply or in which error. */
  readonly outcomes = new Map<string, number>();
  compared = 0;
  /** What was asked and answered, for the story of a failure. */
  readonly #trace: string[] = [];
  readonly #file: RandomFile;
  readonly #services: Services;
  readonly #path: string;
  readonly #model: ModelFile;
  readonly #share = new ModelShare<ModelChannel>();
  readonly #sessions: readonly SessionHarness[];
  readonly #channels: (ModelChannel | undefined)[] = Array(CHANNELS).fill(undefined);
  readonly #requests: StepRequests;
  #stored: StoredFile | undefined;

  constructor(services: Services, directory: string, file: RandomFile) {
    this.#services = services;
    this.#path = join(directory, 'random.ism');
    this.#file = file;
    this.#model = new ModelFile(file.spec);
    this.#requests = new StepRequests(file, this.#model);
    this.#sessions = [1, 2].map((owner) => new SessionHarness(services, { owner }));
  }

  async start(): Promise<void> {
    await this.#services.engine.create(this.#path, this.#file.spec);
    for (let channel = 0; channel < CHANNELS; channel++) {
      await this.#open(channel, OPENINGS[channel === 2 ? 8 : 0] ?? OPENINGS[0]);
    }
  }

  async run(step: Step): Promise<void> {
    // A channel that could not be opened mostly tries again, else it would only show ERR_NOOPEN.
    const isClosed = this.#channels[step.channel] === undefined;
    if (step.action === 'reopen' || (isClosed && step.choice % 8 !== 0)) return this.#reopen(step);
    const needsCurrent = step.action === 'write' || step.action === 'delete';
    if (needsCurrent && step.choice % 3 > 0) {
      const action = step.choice % 2 === 0 ? 'reads' : 'readEnd';
      await this.#runRequest({ ...step, action });
    }
    return this.#runRequest(step);
  }

  async #runRequest(step: Step): Promise<void> {
    const request = this.#requests.requestOf(step);
    const actual = await this.#ask(request, step.channel);
    const observed = await this.#observe(request, actual);
    const channel = this.#channels[step.channel];
    const expected = outcomeOf(() => {
      if (channel === undefined) throw new ModelError('ERR_NOOPEN');
      return this.#expect(channel, request, observed);
    });
    if (request.verb === 'scan' && request.order === 'stored') sortRecords(expected, actual);
    this.#compare(step.channel, request, expected, actual);
    if (request.verb === 'storeMany') await this.#learn();
  }

  /** Reads the file from end to end by every key in both directions, verifies it and closes it. */
  async finish(): Promise<void> {
    for (let channel = 0; channel < CHANNELS; channel++) await this.#close(channel);
    await this.#open(0, { mode: 'input', share: 'all', lock: 'none' });
    for (const key of this.#file.spec.keys.keys()) {
      for (const direction of ['forward', 'reverse'] as const) await this.#walk(key, direction);
    }
    await this.#close(0);
    const problems: Problem[] = [];
    const file = await openIsamFile(this.#services.engine, this.#path);
    const report = await file.verify((problem) => problems.push(problem));
    await file.close();
    deepStrictEqual(problems, []);
    deepStrictEqual(report.records, this.#model.records.length);
    const entries = this.#file.spec.keys.map((_, key) => this.#model.inOrder(key).length);
    deepStrictEqual([...report.entries], entries);
    deepStrictEqual(
      this.#sessions.flatMap(({ unexpected }) => unexpected),
      [],
    );
    for (const session of this.#sessions) await session.close();
  }

  async #walk(key: number, direction: 'forward' | 'reverse'): Promise<void> {
    const channel = this.#channels[0];
    if (channel === undefined) throw new TypeError('finish opens it first');
    const by = direction === 'forward' ? 'first' : 'last';
    const start: Request = { verb: 'read', target: { by, key }, lock: 'none', waitMs: 0 };
    const next: Request = { verb: 'reads', direction, lock: 'none', waitMs: 0 };
    for (let request: Request = start; ; request = next) {
      const actual = await this.#ask(request, 0);
      const expected = outcomeOf(() => this.#expect(channel, request, undefined));
      this.#compare(0, request, expected, actual);
      if (actual.verb !== 'record') return;
    }
  }

  async #ask(request: Request, channel: number): Promise<Outcome> {
    const session = this.#sessions[channel % 2];
    if (session === undefined) throw new TypeError('there are two sessions');
    if (request.verb !== 'scan') return outcomeOfReply(await session.call(request, channel));
    const { records, last } = await session.scan(request.order, request.direction, channel);
    if (last.verb === 'error') return { verb: 'error', code: last.code };
    deepStrictEqual(last, { verb: 'end', records: records.length });
    return { verb: 'scan', records: records.map((record) => record.toString('hex')) };
  }

  /** The record behind an answered store or write, as the file made it. */
  async #observe(request: Request, actual: Outcome): Promise<Observed | undefined> {
    if (actual.verb === 'record' || actual.verb === 'stored') {
      this.#requests.noteAddress(actual.rfa, actual.crc);
    }
    if (actual.verb !== 'stored' || request.verb === 'find') return undefined;
    const found = await this.#require().fetch(Buffer.from(actual.rfa, 'hex'));
    if (typeof found === 'string') throw new Error(`stored at ${actual.rfa} and now ${found}`);
    return { rfa: actual.rfa, record: found.record };
  }

  #expect(channel: ModelChannel, request: Request, observed: Observed | undefined): Outcome {
    switch (request.verb) {
      case 'read':
        return channel.read(request.target, request.lock);
      case 'find':
        return channel.find(request.target, request.lock);
      case 'reads':
        return channel.reads(request.direction, request.lock);
      case 'get':
        return channel.get(request.key, request.value);
      case 'store':
        return channel.store(request.record, request.lock, observed);
      case 'storeMany':
        return channel.storeMany(request.records);
      case 'write':
        return request.address === undefined
          ? channel.write(request.record, observed)
          : channel.writeAt(request.address, request.record, observed);
      case 'delete':
        return channel.delete();
      case 'unlock':
        return channel.unlock(request.rfa);
      case 'scan':
        return channel.scan(request.order, request.direction);
      case 'isinfo':
        return { verb: 'value', value: this.#model.records.length };
      default:
        throw new TypeError(`the model knows no ${request.verb}`);
    }
  }

  #compare(channel: number, request: Request, expected: Outcome, actual: Outcome): void {
    const asked = `${channel}: ${plain(request)}`;
    this.#trace.push(`${asked} -> ${plain(actual)}`);
    if (!isDeepStrictEqual(actual, expected)) {
      throw new Error(`${this.#trace.slice(-8).join('\n')}\nexpected ${plain(expected)}`);
    }
    this.compared++;
    const name = actual.verb === 'error' ? actual.code : `${request.verb} ${actual.verb}`;
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
  }

  /**
   * After a bulk store: its addresses, by pairing both files' indexes entry by entry. All before any is
   * taken over, because guessed autokeys stand in order only among themselves.
   */
  async #learn(): Promise<void> {
    const unknown = new Set(this.#model.records.filter(({ rfa }) => rfa.startsWith('?')));
    const learned = new Map<ModelRecord, Observed>();
    for (const key of this.#file.spec.keys.keys()) {
      if (learned.size === unknown.size) break;
      const actual = await this.#indexOf(key);
      for (const [index, record] of this.#model.inOrder(key).entries()) {
        const observed = actual[index];
        if (observed !== undefined && unknown.has(record)) learned.set(record, observed);
      }
    }
    for (const [record, observed] of learned) this.#model.adopt(record, observed);
    const lost = [...unknown].filter((record) => !learned.has(record));
    if (lost.length > 0) await this.#learnUnindexed(lost);
  }

  async #indexOf(key: number): Promise<Observed[]> {
    const found: Observed[] = [];
    let prefix: Uint8Array = Buffer.alloc(0);
    for (;;) {
      const side = found.length === 0 ? 'before' : 'after';
      const next = await this.#require().seek(key, { prefix, side }, 'forward');
      if (next === undefined) return found;
      found.push({ rfa: next.rfa.toString('hex'), record: next.record });
      prefix = next.place;
    }
  }

  /** Of records that null keys keep out of every index any may be any that has the same bytes. */
  async #learnUnindexed(lost: ModelRecord[]): Promise<void> {
    const edge = { prefix: Buffer.alloc(0), side: 'before' } as const;
    const cursor = { order: 'stored', direction: 'forward', from: edge, until: edge } as const;
    const take = (
      bytes: Buffer,
      start: number,
      end: number,
      at: { block: number; slot: number },
    ) => {
      const rfa = makeRfa(at.block, at.slot).toString('hex');
      const record = Buffer.from(bytes.subarray(start, end));
      const index = lost.findIndex((each) => this.#model.isLike(each, record));
      const match = this.#model.at(rfa) === undefined ? lost[index] : undefined;
      if (match !== undefined) {
        this.#model.adopt(match, { rfa, record });
        lost.splice(index, 1);
      }
      return true;
    };
    const moving = { ...cursor };
    while ((await this.#require().scan(moving, take, 100_000)) === 'more');
    deepStrictEqual(lost.length, 0, 'records the file does not have');
  }

  async #reopen({ channel, choice }: Step): Promise<void> {
    await this.#close(channel);
    await this.#open(channel, OPENINGS[choice % OPENINGS.length]);
  }

  async #open(channel: number, options = OPENINGS[0]): Promise<void> {
    if (options === undefined) throw new TypeError('there are ways to open');
    const request: Request = { verb: 'open', name: this.#path, ...options };
    const actual = await this.#ask(request, channel);
    const expected = outcomeOf(() => {
      this.#channels[channel] = new ModelChannel(this.#model, this.#share, options);
      return { verb: 'open' };
    });
    this.#compare(channel, request, expected, actual);
    if (actual.verb === 'open' && options.mode === 'output') this.#requests.forget();
    if (actual.verb === 'open') this.#stored ??= await this.#services.engine.open(this.#path);
  }

  async #close(channel: number): Promise<void> {
    const model = this.#channels[channel];
    this.#channels[channel] = undefined;
    model?.close();
    // The last to leave takes our own look inside along, so that the file is really closed and read anew.
    if (this.#share.isUnused) {
      await this.#stored?.close();
      this.#stored = undefined;
    }
    const actual = await this.#ask({ verb: 'close' }, channel);
    const expected: Outcome =
      model === undefined ? { verb: 'error', code: 'ERR_NOOPEN' } : { verb: 'done' };
    this.#compare(channel, { verb: 'close' }, expected, actual);
  }

  #require(): StoredFile {
    if (this.#stored === undefined) throw new TypeError('somebody has the file open');
    return this.#stored;
  }
}
