// A select that answers with groups: takes every record that matches into the accumulators of its group,
// then gives the groups in order, so many at a time. All groups are in memory, so their number is bounded.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import { groupBytesMax, groupsMax, streamFrameBytes } from '../../shared/base/limits.js';
import { creditOfRows } from '../../shared/protocol/select.js';
import type { BoundQuery } from '../../shared/select/bound.js';
import type { Scalar } from '../../shared/select/expression.js';
import type { RecordSource, SourceStep } from '../operation/record-source.js';
import { type Accumulator, compileAggregates } from './aggregate.js';
import type { RecordWalk } from './record-walk.js';
import type { Ending } from './selection.js';
import { compileGroupKey, compileSortKey, type SortKey } from './sort-key.js';
import type { Sorter } from './sorter.js';
import { compileValue, type ValueReader } from './value.js';
import { budgetUsed, type Work } from './work.js';

export interface GroupingOptions extends Ending {
  readonly walk: RecordWalk;
  readonly groupBy: NonNullable<BoundQuery['groupBy']>;
  /** Over the fields of the groups; empty: in the order of those fields. */
  readonly orderBy: BoundQuery['orderBy'];
  readonly work: Work;
  /** Makes what sorts the groups, by keys of so many bytes. */
  makeSorter(keyBytes: number): Sorter;
  /** @default groupsMax */
  readonly groupsMax?: number;
}

interface Group {
  readonly values: readonly (Scalar | null)[];
  readonly accumulator: Accumulator;
  readonly order: Buffer;
}

type Row = readonly (Scalar | null)[];

/** Memory of a group besides its values, roughly. */
const groupOverheadBytes = 256;
const aggregateBytes = 64;

export class Grouping implements RecordSource {
  readonly needsLane = false;
  readonly #options: GroupingOptions;
  readonly #groupKey: SortKey;
  readonly #orderKey: SortKey | undefined;
  readonly #readers: readonly ValueReader[];
  readonly #aggregates: ReturnType<typeof compileAggregates>;
  readonly #key: Buffer;
  readonly #groups = new Map<string, Group>();
  #bytes = 0;
  #state: 'collecting' | 'ordering' | 'settling' | 'giving' = 'collecting';
  #ordered: Group[] = [];
  readonly #sorter: Sorter;
  #rows = 0;

  constructor(options: GroupingOptions) {
    const { groupBy, orderBy } = options;
    this.#options = options;
    this.#groupKey = compileGroupKey(groupBy.fields);
    this.#orderKey = orderBy.length === 0 ? undefined : compileSortKey(orderBy);
    this.#readers = groupBy.fields.map(compileValue);
    this.#aggregates = compileAggregates(groupBy.aggregates);
    this.#key = Buffer.alloc(this.#groupKey.bytes);
    this.#sorter = options.makeSorter((this.#orderKey ?? this.#groupKey).bytes);
  }

  step(): Answer<SourceStep> {
    switch (this.#state) {
      case 'collecting':
        return this.#collect();
      case 'ordering':
        return this.#order();
      case 'settling':
        return this.#settle();
      case 'giving':
        return this.#give();
    }
  }

  close(): Answer<void> {
    this.#groups.clear();
    return this.#sorter.close();
  }

  #collect(): Answer<SourceStep> {
    const { walk, work, plan } = this.#options;
    const budget = work.spent(walk.looked);
    if (budget !== undefined) throw budgetUsed(budget, walk.looked, plan);
    const visit = (bytes: Buffer, start: number, end: number): boolean => {
      this.#groupOf(bytes, start, end).accumulator.add(bytes, start, end);
      return true;
    };
    return andThen(
      work.run(walk, (recordsMax) => walk.advance(visit, recordsMax)),
      (state) => {
        if (state === 'end') this.#enterOrdering();
        return NOTHING_YET;
      },
    );
  }

  #groupOf(bytes: Buffer, start: number, end: number): Group {
    const key = this.#key;
    this.#groupKey.write(bytes, start, end, key, 0);
    const text = key.toString('latin1');
    const known = this.#groups.get(text);
    if (known !== undefined) return known;
    const made = {
      values: this.#readers.map((read) => read(bytes, start, end)),
      accumulator: this.#aggregates.make(),
      order: this.#orderOf(bytes, start, end),
    };
    this.#groups.set(text, made);
    this.#checkSize(made);
    return made;
  }

  #orderOf(bytes: Buffer, start: number, end: number): Buffer {
    if (this.#orderKey === undefined) return Buffer.from(this.#key);
    const order = Buffer.alloc(this.#orderKey.bytes);
    this.#orderKey.write(bytes, start, end, order, 0);
    return order;
  }

  #checkSize({ order }: Group): void {
    const { groupBy } = this.#options;
    const lengths = groupBy.aggregates.map(({ operand }) => 2 * (operand?.length ?? 0));
    const aggregates = lengths.reduce((sum, length) => sum + length + aggregateBytes, 0);
    this.#bytes += groupOverheadBytes + 3 * this.#key.length + order.length + aggregates;
    const most = this.#options.groupsMax ?? groupsMax;
    if (this.#groups.size > most || this.#bytes > groupBytesMax) throw tooManyGroups(most);
  }

  /** All records together are one group even where there is none. */
  #enterOrdering(): void {
    if (this.#options.groupBy.fields.length === 0 && this.#groups.size === 0) {
      const nothing = { values: [], accumulator: this.#aggregates.make(), order: this.#key };
      this.#groups.set('', nothing);
    }
    this.#ordered = [...this.#groups.values()];
    this.#groups.clear();
    this.#state = 'ordering';
  }

  /** Hands the groups to the sorter by their number, some at a time. */
  #order(): Answer<SourceStep> {
    const row = Buffer.alloc(4);
    return andThen(this.#sorter.isFull ? this.#sorter.settle(false, perStep) : 'done', () => {
      for (let left = perStep; left > 0 && !this.#sorter.isFull; left--) {
        const group = this.#ordered[this.#rows];
        if (group === undefined) break;
        row.writeUInt32BE(this.#rows++);
        this.#sorter.add(group.order, row, 0, row.length);
      }
      if (this.#rows === this.#ordered.length) this.#state = 'settling';
      return NOTHING_YET;
    });
  }

  #settle(): Answer<SourceStep> {
    const isFinal = !this.#sorter.isFull;
    return andThen(this.#sorter.settle(isFinal, perStep), (state) => {
      if (isFinal && state === 'done') {
        this.#state = 'giving';
        this.#rows = 0;
      }
      return NOTHING_YET;
    });
  }

  #give(): Answer<SourceStep> {
    const rows: Row[] = [];
    let cost = 0;
    const { limit, walk } = this.#options;
    const take = (bytes: Buffer, start: number): boolean => {
      if (cost >= streamFrameBytes || this.#rows >= limit) return false;
      const group = this.#ordered[bytes.readUInt32BE(start)];
      if (group === undefined) throw new TypeError('a group was lost');
      const row = [...group.values, ...group.accumulator.result()];
      rows.push(row);
      cost += creditOfRows([row]);
      this.#rows++;
      return true;
    };
    return andThen(this.#sorter.advance(take, perStep), (state) => {
      const reply = { verb: 'rows', rows } as const;
      const step = rows.length === 0 ? NOTHING_YET : { reply, cost };
      if (state !== 'end' && this.#rows < limit) return step;
      return { ...step, last: { verb: 'selected', records: this.#rows, scanned: walk.looked } };
    });
  }
}

const NOTHING_YET: SourceStep = { cost: 0 };
/** Groups put in order or given in one step. */
const perStep = 256;

function tooManyGroups(most: number): RsyndError {
  const why =
    `there are more than ${most} groups, or their values take more than ${groupBytesMax} bytes; ` +
    'group by fewer fields, or select fewer records with where';
  return new RsyndError('ERR_INVOPER', why, { subject: 'select' });
}
