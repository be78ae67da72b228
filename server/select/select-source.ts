// Puts the stages of a select together: a walk over the plan's ranges, a sorter where the plan needs one,
// partners, and what is made of the rows at the end. The one place that knows all of them.
//
//   walk ─▶ [sort] ─▶ [join] ─▶ frames, count
//   walk ─▶ groups ─▶ rows
//   walk ─▶ [sort] ─▶ addresses ─▶ locks, deletes

import { dirname } from 'node:path';
import {
  sortMemoryBytesMax,
  sortMergeBytesMax,
  sortRunBufferBytes,
  topRecordsMax,
} from '../../shared/base/limits.js';
import type { SelectedReply, SelectRequest } from '../../shared/protocol/message.js';
import { bindExpression } from '../../shared/select/bind.js';
import type { BoundExpression, BoundQuery } from '../../shared/select/bound.js';
import { effortOf } from '../../shared/select/check-effort.js';
import { parseExpression } from '../../shared/select/parse.js';
import type { Join } from '../../shared/select/query.js';
import type { OpenChannel } from '../operation/open-channel.js';
import type { RecordSource } from '../operation/record-source.js';
import { HelpedScan } from '../scan-helper/helped-scan.js';
import { isSendable } from '../scan-helper/question.js';
import { Candidates } from './candidates.js';
import { Deleting } from './deleting.js';
import { Grouping } from './grouping.js';
import { JoinInput } from './join-input.js';
import { LockingSelection } from './locking.js';
import { planLookup } from './lookup.js';
import { compilePredicate } from './predicate.js';
import type { Predicate, QueryPlan } from './query-plan.js';
import { RecordWalk } from './record-walk.js';
import { decodeResume } from './resume-token.js';
import {
  addressOnly,
  type RowInput,
  type RowShape,
  someFields,
  WalkInput,
  wholeRecord,
} from './row.js';
import { type Ending, Selection } from './selection.js';
import { compileSortKey } from './sort-key.js';
import { SortedInput } from './sorted-input.js';
import { RunSorter, type Sorter, sorterLimits } from './sorter.js';
import { TopSorter } from './sorter-top.js';
import { Work } from './work.js';

/** A select that was bound and planned. */
export interface SelectParts {
  readonly channel: OpenChannel;
  readonly request: SelectRequest;
  readonly bound: BoundQuery;
  readonly plan: QueryPlan;
  /** The other file of a join. */
  readonly partner: OpenChannel | undefined;
  readonly signal: AbortSignal;
  /** @default sorterLimits */
  readonly limits?: { readonly memoryBytesMax: number; readonly runsMax: number };
}

/** The stream that answers it. ERR_INVOPER for a token that is not of this query. */
export function selectSource(parts: SelectParts): RecordSource {
  const { request, plan } = parts;
  if (request.action === 'explain') return explaining(plan);
  return new Assembly(parts).source();
}

function explaining({ shown }: QueryPlan): RecordSource {
  const last: SelectedReply = { verb: 'selected', records: 0, scanned: 0, plan: shown };
  return { needsLane: false, step: () => ({ cost: 0, last }), close: () => undefined };
}

class Assembly {
  readonly #parts: SelectParts;
  readonly #work: Work;
  readonly #matches: Predicate | undefined;
  /** Which records of the other file may be partners. */
  readonly #partnerWhere: BoundExpression | undefined;
  readonly #ending: Ending;
  readonly #helped: HelpedScan | undefined;
  readonly #walk: RecordWalk;

  constructor(parts: SelectParts) {
    const { bound, channel, plan, request } = parts;
    const { where, limit = Number.POSITIVE_INFINITY } = bound;
    const { resume } = request.query;
    this.#parts = parts;
    this.#partnerWhere = partnerWhereOf(parts);
    this.#work = new Work(bound, bytesPerRecord(parts, this.#partnerWhere));
    const isAll = where.op === 'constant' && where.value;
    this.#matches = isAll ? undefined : compilePredicate(where);
    const needsToken = this.#work.isBounded || resume !== undefined;
    const identity = needsToken ? identityOf(parts) : '';
    const from = resume === undefined ? undefined : decodeResume(resume, identity);
    this.#ending = { limit, before: from?.records ?? 0, plan: plan.shown, identity };
    this.#helped = this.#scanWithHelp();
    const scanned = this.#helped ?? channel.file.stored;
    this.#walk = new RecordWalk(scanned, plan, this.#matches, from?.point);
  }

  source(): RecordSource {
    const source = this.#source();
    const helped = this.#helped;
    if (helped === undefined) return source;
    return {
      needsLane: source.needsLane,
      step: () => source.step(),
      close() {
        helped.close();
        return source.close();
      },
    };
  }

  /** Where all of a file is read for what matches, by a walk that changes nothing and that no budget stops. */
  #scanWithHelp(): HelpedScan | undefined {
    const { bound, channel, plan, request } = this.#parts;
    const { file, helper } = channel;
    const { stored } = file;
    const isPlain = plan.order === 'stored' && plan.direction === 'forward';
    const isFree = !request.locking && request.action !== 'delete' && !this.#work.isBounded;
    if (helper === undefined || stored.unmapped === undefined || !isPlain || !isFree) return;
    if (this.#matches === undefined || !isSendable(bound.where)) return;
    return new HelpedScan({
      stored,
      unmapped: stored.unmapped,
      helper,
      where: bound.where,
      bytesPerRecord: bytesPerRecord(this.#parts, this.#partnerWhere),
    });
  }

  #source(): RecordSource {
    const { bound, request } = this.#parts;
    if (bound.groupBy !== undefined) return this.#grouping(bound.groupBy);
    if (request.action === 'delete') return new Deleting(this.#lockOptions());
    if (request.locking) return new LockingSelection(this.#lockOptions());
    return this.#selection();
  }

  #selection(): RecordSource {
    const { request, partner } = this.#parts;
    const { join } = request.query;
    const shape = this.#travelling();
    const common = { ...this.#ending, work: this.#work };
    if (partner !== undefined && join !== undefined) {
      const input = this.#join(partner, join, shape);
      return new Selection({
        ...common,
        input,
        rows: request.action === 'count' ? 'count' : 'pairs',
      });
    }
    const input = this.#input(shape, 'top');
    return new Selection({
      ...common,
      input,
      rows: request.action === 'count' ? 'count' : shape.length,
    });
  }

  #join(partner: OpenChannel, join: Join, shape: RowShape): RowInput {
    const { channel } = this.#parts;
    const { kind, on } = join;
    const where = this.#partnerWhere;
    return new JoinInput({
      // The first few of an inner join are not those of the first few records: some have no partner.
      own: this.#input(this.#whole(), kind === 'left' ? 'top' : 'all'),
      shape,
      kind,
      other: partner.file.stored,
      lookup: planLookup(channel.file.spec, partner.file, on),
      where: where === undefined ? undefined : compilePredicate(where),
      isBounded: this.#work.isBounded,
    });
  }

  #lockOptions() {
    const { channel, request, signal } = this.#parts;
    // What was found first may be gone when it is locked: never the first few only.
    const input = this.#input(addressOnly(), 'all');
    return {
      ...this.#ending,
      channel,
      candidates: new Candidates(input, this.#work),
      matches: this.#matches ?? (() => true),
      onLocked: request.onLocked,
      wait: { waitMs: request.waitMs, signal },
    };
  }

  #grouping(groupBy: NonNullable<BoundQuery['groupBy']>): RecordSource {
    return new Grouping({
      ...this.#ending,
      walk: this.#walk,
      work: this.#work,
      groupBy,
      orderBy: this.#parts.bound.orderBy,
      makeSorter: (keyBytes) => this.#allSorter(keyBytes, 0),
    });
  }

  /** Rows in the order asked for; `top`: the first `limit` of them are enough. */
  #input(shape: RowShape, enough: 'top' | 'all'): RowInput {
    const { plan, bound } = this.#parts;
    if (plan.sort === 'none' || plan.sort === 'key') return new WalkInput(this.#walk, shape);
    const sortKey = compileSortKey(bound.orderBy);
    const { limit } = this.#ending;
    const topBytes = limit * (sortKey.bytes + shape.lengthMax);
    const fits = enough === 'top' && limit <= topRecordsMax && topBytes <= sortMemoryBytesMax;
    const sorter = fits ? new TopSorter(limit) : this.#allSorter(sortKey.bytes, shape.lengthMax);
    return new SortedInput({ walk: this.#walk, shape, sortKey, sorter });
  }

  /** Of every run at least one row is in memory when they are merged: the longer, the fewer runs. */
  #allSorter(keyBytes: number, rowBytes: number): Sorter {
    const { channel, limits = sorterLimits } = this.#parts;
    const runBytes = Math.max(sortRunBufferBytes, keyBytes + rowBytes);
    const runsMax = Math.min(limits.runsMax, Math.floor(sortMergeBytesMax / runBytes));
    const directory = dirname(channel.path);
    return new RunSorter({ keyBytes, directory, memoryBytesMax: limits.memoryBytesMax, runsMax });
  }

  #travelling(): RowShape {
    const { fields } = this.#parts.bound;
    return fields === undefined ? this.#whole() : someFields(fields);
  }

  #whole(): RowShape {
    const { format, size } = this.#parts.channel.file.spec.record;
    return wholeRecord(format === 'fixed' ? size : 0, size);
  }
}

function partnerWhereOf({ request, partner }: SelectParts): BoundExpression | undefined {
  const where = request.query.join?.where;
  if (partner === undefined || where === undefined) return undefined;
  const tree = typeof where === 'string' ? parseExpression(where) : where;
  return bindExpression(tree, partner.file.spec);
}

/** What has to be looked at for one record, at worst. To read it costs less than to search it. */
function bytesPerRecord(
  { bound, channel, partner }: SelectParts,
  partnerWhere: BoundExpression | undefined,
): number {
  const { where, orderBy, fields = [], groupBy } = bound;
  const made = [
    ...orderBy,
    ...fields.map((operand) => ({ operand })),
    ...(groupBy?.fields ?? []).map((operand) => ({ operand })),
    ...(groupBy?.aggregates ?? []),
  ].reduce((sum, { operand }) => sum + (operand?.length ?? 0), 0);
  const own = effortOf(where).steps + made + channel.file.spec.record.size / 4;
  if (partner === undefined) return own;
  const other = partnerWhere === undefined ? 0 : effortOf(partnerWhere).steps;
  return Math.max(own, other + partner.file.spec.record.size / 4);
}

/** The query and the way it goes, as text: a token leads back into no other. */
function identityOf({ request, channel, plan }: SelectParts): string {
  const { resume, maxScan, maxMs, join, ...query } = request.query;
  const { order, direction, ranges } = plan;
  const other = join === undefined ? undefined : { ...join, channel: 0 };
  const { action, locking } = request;
  const parts = [query, other, action, locking, order, direction, ranges, channel.file.spec.keys];
  return JSON.stringify(parts, (_name, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
}
