// SELECT: from a question to the stream that answers it. Here it is decided what a query may ask of a
// channel; which way is gone is the planner's business, and the work is done in server/select.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import { lockWaitMsMax } from '../../shared/base/limits.js';
import type { SelectRequest } from '../../shared/protocol/message.js';
import { bindQuery } from '../../shared/select/bind-query.js';
import type { BoundQuery } from '../../shared/select/bound.js';
import { planQuery } from '../select/planner.js';
import { selectSource } from '../select/select-source.js';
import type { FileFacts } from '../storage/engine.js';
import { type OpenChannel, requireMode } from './open-channel.js';
import type { RecordSource, SourceStep } from './record-source.js';

/**
 * The stream of one select. `partner` is the other file of a join, where it is open in this session;
 * `signal` ends a wait for a lock. ERR_FILOPT, ERR_INVOPER, ERR_NOOPEN.
 */
export function select(
  channel: OpenChannel,
  request: SelectRequest,
  partner: OpenChannel | undefined,
  signal: AbortSignal,
): RecordSource {
  checkMode(channel, request);
  checkAction(request);
  if (request.waitMs > lockWaitMsMax) {
    throw new RsyndError('ERR_INVARG', `waitMs ${request.waitMs} is above ${lockWaitMsMax}`);
  }
  const bound = bindQuery(request.query, channel.file.spec);
  const other = request.query.join === undefined ? undefined : requirePartner(request, partner);
  const plan = (records: number): RecordSource => {
    const way = planQuery(channel.file, questionOf(bound, request), records);
    return selectSource({ channel, request, bound, plan: way, partner: other, signal });
  };
  const needsLane = request.locking || request.action === 'delete';
  return new PlannedSelect(needsLane, () => channel.file.stored.facts(), plan);
}

/** What is planned: neither a count nor groups need the order of their records. */
function questionOf(bound: BoundQuery, { action }: SelectRequest): BoundQuery {
  const { limit, ...unlimited } = bound;
  if (bound.groupBy !== undefined) return { ...unlimited, orderBy: [] };
  return action === 'count' ? { ...bound, orderBy: [] } : bound;
}

function checkMode(channel: OpenChannel, { action, locking }: SelectRequest): void {
  requireMode(channel, 'select', 'input', 'update');
  if (action === 'explain' || (action !== 'delete' && !locking)) return;
  const verb = action === 'delete' ? 'select with delete' : 'select with locks';
  requireMode(channel, verb, 'update');
  if (channel.lock === 'auto') return;
  const why = `${verb} on ${channel.name} needs record locks, and it was opened with lock none`;
  throw new RsyndError('ERR_FILOPT', why, { file: channel.name });
}

function checkAction({ action, locking, query }: SelectRequest): void {
  if (action === 'explain') return;
  const what =
    action === 'delete' ? 'a delete' : action === 'count' ? 'a count' : 'a locking select';
  if (action === 'read' && !locking) return;
  if (query.groupBy !== undefined) throw refused(`${what} is of records, leave groupBy away`);
  if (action === 'count' && !locking) return;
  if (action === 'count') throw refused('a count locks nothing, leave locking away');
  if (query.join !== undefined) throw refused(`${what} is of one file, leave the join away`);
  if (query.fields !== undefined) throw refused(`${what} is of whole records, leave fields away`);
}

function requirePartner({ query }: SelectRequest, partner: OpenChannel | undefined): OpenChannel {
  if (partner === undefined) {
    const why = `channel ${query.join?.channel}, the other file of the join, is not open`;
    throw new RsyndError('ERR_NOOPEN', why);
  }
  requireMode(partner, 'join', 'input', 'update');
  return partner;
}

const refused = (why: string): RsyndError =>
  new RsyndError('ERR_INVOPER', why, { subject: 'select' });

/**
 * A select whose first steps are to be planned, because the size of the file may come later. To bind, to
 * ask for that size and to plan cost as much as a step each, so each has a turn of its own.
 */
class PlannedSelect implements RecordSource {
  readonly needsLane: boolean;
  readonly #facts: () => Answer<FileFacts>;
  readonly #plan: (records: number) => RecordSource;
  #state: 'bound' | 'asking' | number = 'bound';
  #source: RecordSource | undefined;

  constructor(
    needsLane: boolean,
    facts: () => Answer<FileFacts>,
    plan: (records: number) => RecordSource,
  ) {
    this.needsLane = needsLane;
    this.#facts = facts;
    this.#plan = plan;
  }

  step(): Answer<SourceStep> {
    if (this.#source !== undefined) return this.#source.step();
    return andThen(this.#prepare(), () => ({ cost: 0 }));
  }

  close(): Answer<void> {
    return this.#source?.close();
  }

  #prepare(): Answer<void> {
    if (this.#state === 'bound') {
      this.#state = 'asking';
      return;
    }
    if (this.#state === 'asking') {
      return andThen(this.#facts(), ({ records }) => {
        this.#state = records;
      });
    }
    this.#source = this.#plan(this.#state);
  }
}
