// A query of a channel: collects what is asked, checks it against the file, and runs it over the channel's
// link. Immutable but for `stats`; each narrowing call makes a new one. Whether the link is a socket or
// this process it does not know.

import { setMaxListeners } from 'node:events';
import { RsyndError } from '../../shared/base/error.js';
import { callTimeoutMsMax, lockWaitMsMax } from '../../shared/base/limits.js';
import type {
  OnLocked,
  SelectAction,
  SelectedReply,
  SelectRequest,
} from '../../shared/protocol/message.js';
import { bindName, bindQuery } from '../../shared/select/bind-query.js';
import { expressionOf } from '../../shared/select/builder.js';
import { combine } from '../../shared/select/combine.js';
import { Condition } from '../../shared/select/condition.js';
import type { Expression } from '../../shared/select/expression.js';
import { parseExpression } from '../../shared/select/parse.js';
import type { Join, Plan, SelectQuery } from '../../shared/select/query.js';
import { selectError } from '../../shared/select/select-error.js';
import { expected } from '../channel/call-values.js';
import { numberOfName } from '../channel/key-of-reference.js';
import { RecordIterator } from '../channel/record-iterator.js';
import type { CallOptions } from '../connection/link.js';
import { budgetError } from './budget-error.js';
import type {
  Aggregates,
  AnyWhere,
  Group,
  LockChoice,
  Query,
  Queryable,
  QueryStats,
  Sparse,
} from './query.js';
import { batchesOf, groups, pairs, records } from './query-results.js';
import { QueryRun, type RunKind } from './query-run.js';
import type { QuerySource } from './query-source.js';

/** Everything a query has been told. */
export interface Question {
  readonly query: SelectQuery;
  /** The channel the join goes to. */
  readonly partner?: QuerySource<unknown>;
  readonly lock?: { readonly onLocked: OnLocked; readonly waitMs: number };
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

const NOTHING_YET: QueryStats = Object.freeze({ scanned: 0, returned: 0, bytes: 0 });
const ON_LOCKED: readonly OnLocked[] = ['fail', 'skip', 'wait'];

export class ChannelQuery<R, B = R> implements Query<R, B> {
  readonly #source: QuerySource<unknown>;
  readonly #question: Question;
  #run: { readonly stats: QueryStats } = { stats: NOTHING_YET };

  constructor(source: QuerySource<unknown>, question: Question) {
    this.#source = source;
    this.#question = question;
  }

  get stats(): QueryStats {
    return this.#run.stats;
  }

  where(where: AnyWhere<B>): Query<R, B> {
    const more = expressionOf(where instanceof Condition ? where.expression : where, this.#spec);
    return this.#ask({ where: bothOf(this.#question.query.where, more) });
  }

  using(key: number | string): Query<R, B> {
    return this.#ask({ using: key });
  }

  orderBy(...fields: string[]): Query<R, B> {
    return this.#ask({ orderBy: fields });
  }

  sparse<N extends string>(...fields: N[]): Query<Sparse<B, N>, B> {
    return this.#ask({ fields });
  }

  groupBy<N extends string, A extends Aggregates>(
    fields: readonly N[],
    aggregates: A,
  ): Query<Group<B, N, A>, B> {
    const list = Object.entries(aggregates).map(([name, [fn, field]]) => ({
      name,
      function: fn,
      ...(field === undefined ? {} : { field }),
    }));
    return this.#ask({ groupBy: { fields, aggregates: list } });
  }

  limit(count: number): Query<R, B> {
    return this.#ask({ limit: count });
  }

  join<S>(other: Queryable<S> | Query<S>, on: JoinFields, kind?: 'inner'): Query<[R, S], B>;
  join<S>(
    other: Queryable<S> | Query<S>,
    on: JoinFields,
    kind: 'left',
  ): Query<[R, S | undefined], B>;
  join<S>(
    other: Queryable<S> | Query<S>,
    on: JoinFields,
    kind: Join['kind'] = 'inner',
  ): Query<[R, S], B> {
    const { source, query } = partnerOf(other);
    const { where } = query;
    if (source.link !== this.#source.link) {
      throw selectError('a join needs both files open on one connection; open them with connect()');
    }
    for (const name of Object.values(on)) bindName(name, source.spec);
    const pairsOfFields = Object.entries(on);
    const join: Join = {
      kind,
      channel: source.number,
      on: pairsOfFields,
      ...(where === undefined ? {} : { where }),
    };
    const question = { ...this.#question, partner: source };
    return new ChannelQuery(this.#source, { ...question, query: { ...question.query, join } });
  }

  maxScan(count: number): Query<R, B> {
    return this.#ask({ maxScan: count });
  }

  maxMs(milliseconds: number): Query<R, B> {
    return this.#ask({ maxMs: milliseconds });
  }

  resume(token: Uint8Array): Query<R, B> {
    if (!(token instanceof Uint8Array)) throw new TypeError('resume() takes the bytes of an error');
    return this.#ask({ resume: Uint8Array.from(token) });
  }

  lock({ onLocked = 'fail', waitMs = 0 }: LockChoice = {}): Query<R, B> {
    if (!ON_LOCKED.includes(onLocked)) {
      throw selectError(`onLocked is one of ${ON_LOCKED.join(', ')}`);
    }
    if (!(waitMs >= 0 && waitMs <= lockWaitMsMax)) {
      throw selectError(`waitMs is from 0 to ${lockWaitMsMax}, not ${waitMs}`);
    }
    return this.#with({ lock: { onLocked, waitMs: Math.ceil(waitMs) } });
  }

  signal(signal: AbortSignal): Query<R, B> {
    if (!(signal instanceof AbortSignal)) throw new TypeError('signal() takes an AbortSignal');
    // Many queries may be run under one signal; the platform would warn of more than ten listeners.
    setMaxListeners(0, signal);
    return this.#with({ signal });
  }

  timeout(milliseconds: number): Query<R, B> {
    if (!(milliseconds > 0 && milliseconds <= callTimeoutMsMax)) {
      throw selectError(`a timeout is above 0 and up to ${callTimeoutMsMax} milliseconds`);
    }
    return this.#with({ timeoutMs: milliseconds });
  }

  async toArray(): Promise<R[]> {
    const all: R[] = [];
    const each = this[Symbol.asyncIterator]();
    // A promise for every record would cost more than the record.
    if (each instanceof RecordIterator) await each.collect(all);
    else for await (const record of { [Symbol.asyncIterator]: () => each }) all.push(record);
    return all;
  }

  async first(): Promise<R | undefined> {
    const one = new ChannelQuery<R, B>(this.#source, this.#limitedToOne());
    const [first] = await one.toArray().finally(() => {
      this.#run = one;
    });
    return first;
  }

  async count(): Promise<number> {
    return (await this.#call('count')).records;
  }

  async delete(): Promise<number> {
    return (await this.#call('delete')).records;
  }

  async explain(): Promise<Plan> {
    const { plan } = await this.#call('explain');
    if (plan !== undefined) return plan;
    throw new RsyndError('ERR_PROTOCOL', 'explain was answered without a plan', {
      file: this.#source.name,
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<R, undefined> {
    const request = this.#request('read');
    const { groupBy, join, fields = [] } = request.query;
    const kind: RunKind =
      groupBy !== undefined ? 'groups' : join === undefined ? 'records' : 'pairs';
    const source = this.#source;
    const frames = source.link.select(request, source.number, this.#limits);
    const run = new QueryRun(frames, source, kind);
    this.#run = run;
    // What `R` is was said by the calls that made this question; each of the three makes that.
    return this.#results(run, kind, fields) as AsyncIterator<R, undefined>;
  }

  batches(): AsyncGenerator<R[], undefined> {
    const each = this[Symbol.asyncIterator]();
    return each instanceof RecordIterator ? each.batches() : batchesOf(each);
  }

  #results(
    run: QueryRun,
    kind: RunKind,
    fields: readonly string[],
  ): AsyncIterator<unknown, undefined> {
    const { query, partner } = this.#question;
    if (kind === 'groups') return groups(run, this.#source, namesOfGroup(query));
    const sparse = { names: fields, operands: fields.map((name) => bindName(name, this.#spec)) };
    if (partner === undefined) return records(run, this.#source, sparse);
    return pairs(run, { own: this.#source, partner, sparse, isLeft: query.join?.kind === 'left' });
  }

  /** For the join of another query. */
  get asPartner(): { readonly source: QuerySource<unknown>; readonly query: SelectQuery } {
    const { query, lock } = this.#question;
    const { where: _, ...more } = query;
    if (lock !== undefined || Object.keys(more).length > 0) {
      throw selectError('the other side of a join can have a condition, and nothing else');
    }
    return { source: this.#source, query };
  }

  /** Checks everything that can be checked here, so that nothing wrong is sent. */
  #request(action: SelectAction): SelectRequest {
    this.#source.requireOpen();
    const { lock } = this.#question;
    const query = this.#namedKey(this.#question.query);
    const { where, ...rest } = query;
    bindQuery(typeof where === 'string' ? rest : query, this.#spec);
    const locking = action === 'read' && lock !== undefined;
    if (lock !== undefined) this.#checkLock(query);
    return {
      verb: 'select',
      action,
      query,
      locking,
      onLocked: lock?.onLocked ?? 'fail',
      waitMs: lock?.waitMs ?? 0,
      credit: 0,
    };
  }

  #checkLock({ fields, groupBy, join }: SelectQuery): void {
    if (!this.#source.canLock) {
      throw selectError("lock() needs a channel opened with mode: 'update' and lock: 'auto'");
    }
    if (fields === undefined && groupBy === undefined && join === undefined) return;
    throw selectError('lock() goes with whole records: leave sparse, groupBy and join away');
  }

  /** The name of a key may be that of the caller's definition. */
  #namedKey(query: SelectQuery): SelectQuery {
    const { definition, spec } = this.#source;
    const { using } = query;
    if (typeof using !== 'string') return query;
    const number = numberOfName(using, spec.keys, definition);
    return number < 0 ? query : { ...query, using: number };
  }

  async #call(action: 'count' | 'delete' | 'explain'): Promise<SelectedReply> {
    const request = this.#request(action);
    const source = this.#source;
    this.#run = { stats: NOTHING_YET };
    const reply = await source.link.call(request, source.number, this.#limits);
    const selected = expected('selected', reply);
    const { scanned, records: returned } = selected;
    this.#run = { stats: { scanned, returned, bytes: 0 } };
    if (selected.stopped !== undefined) throw budgetError(source, selected);
    return selected;
  }

  get #limits(): CallOptions {
    const { limits } = this.#source;
    const { signal = limits.signal, timeoutMs = limits.timeoutMs } = this.#question;
    return { timeoutMs, signal, file: limits.file };
  }

  get #spec() {
    return this.#source.spec;
  }

  #limitedToOne(): Question {
    const { query } = this.#question;
    return { ...this.#question, query: { ...query, limit: 1 } };
  }

  /** The same question with more said; the calls above say of what records. */
  #ask<S>(more: Partial<SelectQuery>): ChannelQuery<S, B> {
    return this.#with({ query: { ...this.#question.query, ...more } });
  }

  #with<S>(more: Partial<Question>): ChannelQuery<S, B> {
    return new ChannelQuery<S, B>(this.#source, { ...this.#question, ...more });
  }
}

type JoinFields = Readonly<Record<string, string>>;

function partnerOf(other: unknown): ChannelQuery<unknown>['asPartner'] {
  const query = isChannel(other) ? other.select() : other;
  if (query instanceof ChannelQuery) return query.asPartner;
  throw new TypeError('join() takes a channel, or a query of one');
}

const isChannel = (other: unknown): other is Queryable<unknown> =>
  typeof other === 'object' && other !== null && 'select' in other;

/** Both must hold. Two texts are parsed here, so that neither can end within the other. */
function bothOf(
  one: Expression | string | undefined,
  more: Expression | string,
): Expression | string {
  if (one === undefined) return more;
  return combine('and', [treeOf(one), treeOf(more)]);
}

const treeOf = (where: Expression | string): Expression =>
  typeof where === 'string' ? parseExpression(where) : where;

const namesOfGroup = ({ groupBy }: SelectQuery): readonly string[] => [
  ...(groupBy?.fields ?? []),
  ...(groupBy?.aggregates ?? []).map(({ name }) => name),
];
